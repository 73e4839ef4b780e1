/* SPDX-License-Identifier: MIT
 *
 * Each thread writes its own list; the reader looks at what `count` covers. Kept for the life of the process.
 */
#include "pauses.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "clock.h"
#include "fail.h"

#define TICK_NS (NS_PER_MS / 2)
#define LATE_NS NS_PER_MS           /* waking later than this is a pause */
#define RECOVERY_NS (3 * NS_PER_MS) /* what waited meanwhile is moved then */
#define MOST_CPUS 4
#define MOST_PAUSES 65536
#define PRIORITY 50 /* real-time, where this user may */

struct pause {
    uint64_t from_ns;
    uint64_t until_ns;
};

struct ticker {
    int cpu;
    _Atomic size_t count;
    struct pause pauses[MOST_PAUSES];
};

static struct ticker *tickers[MOST_CPUS];
static size_t ticker_count;

static void note(struct ticker *ticker, uint64_t due_ns, uint64_t now_ns)
{
    size_t count = atomic_load_explicit(&ticker->count, memory_order_relaxed);
    if (count == MOST_PAUSES)
        return;
    ticker->pauses[count] = (struct pause){.from_ns = due_ns - TICK_NS, .until_ns = now_ns + RECOVERY_NS};
    atomic_store_explicit(&ticker->count, count + 1, memory_order_release);
}

static void *tick(void *argument)
{
    struct ticker *ticker = argument;
    struct sched_param parameters = {.sched_priority = PRIORITY};
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)ticker->cpu, &cpus);
    (void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
    (void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    for (uint64_t due_ns = clock_now_ns() + TICK_NS;;) {
        struct timespec until = {.tv_sec = (time_t)(due_ns / NS_PER_S), .tv_nsec = (long)(due_ns % NS_PER_S)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        uint64_t now_ns = clock_now_ns();
        if (now_ns > due_ns + LATE_NS)
            note(ticker, due_ns, now_ns);
        due_ns = now_ns + TICK_NS;
    }
    return NULL;
}

void pauses_watch(const int *cpus, size_t count)
{
    for (size_t i = 0; i < count && ticker_count < MOST_CPUS; i++) {
        pthread_t thread;
        struct ticker *ticker = allocate(1, sizeof(*ticker));
        ticker->cpu = cpus[i];
        tickers[ticker_count++] = ticker;
        errno = pthread_create(&thread, NULL, tick, ticker);
        if (errno != 0)
            fail_errno("start a thread");
    }
}

/* The first pause that ends after the instant. */
static bool ticker_paused_at(const struct ticker *ticker, uint64_t instant_ns)
{
    size_t low = 0;
    size_t count = atomic_load_explicit(&ticker->count, memory_order_acquire);
    size_t high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ticker->pauses[middle].until_ns < instant_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ticker->pauses[low].from_ns <= instant_ns;
}

bool pauses_at(uint64_t instant_ns)
{
    for (size_t i = 0; i < ticker_count; i++) {
        if (ticker_paused_at(tickers[i], instant_ns))
            return true;
    }
    return false;
}

uint64_t pauses_count(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < ticker_count; i++)
        sum += atomic_load_explicit(&tickers[i]->count, memory_order_acquire);
    return sum;
}

uint64_t pauses_longest_ns(void)
{
    uint64_t longest_ns = 0;
    for (size_t i = 0; i < ticker_count; i++) {
        size_t count = atomic_load_explicit(&tickers[i]->count, memory_order_acquire);
        for (size_t k = 0; k < count; k++) {
            uint64_t length_ns = tickers[i]->pauses[k].until_ns - RECOVERY_NS - tickers[i]->pauses[k].from_ns;
            longest_ns = length_ns > longest_ns ? length_ns : longest_ns;
        }
    }
    return longest_ns;
}
