/* SPDX-License-Identifier: MIT
 * policy/breaker: its states and what leads from one to the next. */
#include "policy/breaker.h"

#include <pthread.h>

#include "sluice.h"
#include "test.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define BASE (1000 * SECOND)
#define WINDOW (10 * SECOND)
#define OPEN (5 * SECOND)
#define TICK UINT64_C(65536) /* how exact times are, ns */

static struct breaker breaker;
static struct breaker_settings settings;
static uint64_t now_ns;
static enum breaker_event event;

static void open_breaker(uint32_t requests, uint32_t error_ppm, uint32_t probes)
{
    memset(&breaker, 0, sizeof breaker);
    settings = (struct breaker_settings){
        .requests = requests, .error_ppm = error_ppm, .probes = probes, .window_ns = WINDOW, .open_ns = OPEN};
    now_ns = BASE;
}

static uint32_t circuit(void)
{
    return breaker_circuit(&settings, &breaker);
}

static bool enter(uint32_t *pass)
{
    return breaker_enter(&settings, &breaker, now_ns, pass, &event);
}

/* Enters; it is an error if that is refused. */
static uint32_t pass(void)
{
    uint32_t pass = UINT32_MAX;
    CHECK(enter(&pass));
    return pass;
}

static void check_refused(void)
{
    uint32_t unused;
    CHECK(!enter(&unused));
    CHECK_EQ(event, BREAKER_NONE);
}

static enum breaker_event leave(uint32_t pass, enum breaker_outcome outcome)
{
    return breaker_leave(&settings, &breaker, pass, outcome, now_ns);
}

/* A connect from beginning to end. */
static enum breaker_event connect_once(enum breaker_outcome outcome)
{
    return leave(pass(), outcome);
}

static void trip(void)
{
    for (uint32_t i = 1; i < settings.requests; i++) {
        CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_NONE);
    }
    CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_OPENED);
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_OPEN);
}

/* To the moment at which probes may enter. */
static void wait_open(void)
{
    now_ns += OPEN + 2 * TICK;
}

TEST(it_opens_at_the_share_of_enough_outcomes)
{
    open_breaker(20, 500000, 1);
    for (unsigned i = 0; i < 19; i++) {
        CHECK_EQ(connect_once(i < 10 ? BREAKER_WORKED : BREAKER_FAILED), BREAKER_NONE);
    }
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_CLOSED);
    CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_OPENED);
    check_refused();
    /* One failure less, and it does not; the next makes 11 of 21. */
    open_breaker(20, 500000, 1);
    for (unsigned i = 0; i < 11; i++) {
        CHECK_EQ(connect_once(BREAKER_WORKED), BREAKER_NONE);
    }
    for (unsigned i = 0; i < 10; i++) {
        CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_NONE);
    }
    CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_OPENED);
}

TEST(only_the_window_counts)
{
    open_breaker(10, 500000, 1);
    for (unsigned i = 0; i < 9; i++) {
        CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_NONE);
    }
    now_ns += WINDOW;
    CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_NONE);
    for (unsigned i = 0; i < 100; i++) {
        connect_once(BREAKER_WORKED);
    }
    now_ns += WINDOW; /* all that worked is forgotten as well */
    trip();
}

TEST(what_was_cancelled_does_not_count)
{
    open_breaker(3, 1000000, 1);
    for (unsigned i = 0; i < 10; i++) {
        CHECK_EQ(connect_once(BREAKER_CANCELLED), BREAKER_NONE);
    }
    trip();
}

TEST(it_is_open_for_its_time)
{
    open_breaker(5, 500000, 1);
    trip();
    now_ns = BASE + OPEN - 1;
    check_refused();
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_OPEN);
    now_ns = BASE + OPEN + 2 * TICK;
    pass();
    CHECK_EQ(event, BREAKER_HALF_OPENED);
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_HALF_OPEN);
}

TEST(a_probe_that_works_closes_it_and_one_that_fails_opens_it)
{
    open_breaker(5, 500000, 1);
    trip();
    for (unsigned i = 0; i < 3; i++) {
        wait_open();
        uint32_t probe = pass();
        CHECK_EQ(event, BREAKER_HALF_OPENED);
        check_refused();
        CHECK_EQ(leave(probe, BREAKER_FAILED), BREAKER_OPENED);
        check_refused();
    }
    wait_open();
    CHECK_EQ(connect_once(BREAKER_WORKED), BREAKER_CLOSED);
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_CLOSED);
    trip(); /* with as many failures as the first time: none of before are left */
}

TEST(all_probes_have_to_work)
{
    open_breaker(5, 500000, 3);
    trip();
    wait_open();
    uint32_t probes[3];
    for (unsigned i = 0; i < 3; i++) {
        probes[i] = pass();
        CHECK_EQ(event, i == 0 ? BREAKER_HALF_OPENED : BREAKER_NONE);
    }
    check_refused();
    CHECK_EQ(leave(probes[0], BREAKER_WORKED), BREAKER_NONE);
    check_refused(); /* what has worked keeps its place */
    CHECK_EQ(leave(probes[1], BREAKER_WORKED), BREAKER_NONE);
    CHECK_EQ(leave(probes[2], BREAKER_WORKED), BREAKER_CLOSED);
    trip();
    wait_open();
    for (unsigned i = 0; i < 3; i++) {
        probes[i] = pass();
    }
    CHECK_EQ(leave(probes[1], BREAKER_WORKED), BREAKER_NONE);
    CHECK_EQ(leave(probes[0], BREAKER_FAILED), BREAKER_OPENED);
    CHECK_EQ(leave(probes[2], BREAKER_FAILED), BREAKER_NONE); /* void */
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_OPEN);
}

TEST(a_cancelled_probe_gives_its_place_back)
{
    open_breaker(5, 500000, 2);
    trip();
    wait_open();
    uint32_t first = pass();
    uint32_t second = pass();
    check_refused();
    CHECK_EQ(leave(first, BREAKER_CANCELLED), BREAKER_NONE);
    uint32_t third = pass();
    check_refused();
    CHECK_EQ(leave(second, BREAKER_WORKED), BREAKER_NONE);
    CHECK_EQ(leave(third, BREAKER_WORKED), BREAKER_CLOSED);
}

TEST(a_probe_that_never_reports_does_not_wedge_it)
{
    open_breaker(5, 500000, 2);
    trip();
    wait_open();
    uint32_t lost = pass();
    CHECK_EQ(leave(pass(), BREAKER_WORKED), BREAKER_NONE);
    check_refused();
    now_ns += OPEN - TICK;
    check_refused();
    now_ns += 2 * TICK;
    uint32_t probe = pass(); /* in its place */
    CHECK_EQ(event, BREAKER_NONE);
    check_refused();
    CHECK_EQ(leave(lost, BREAKER_FAILED), BREAKER_NONE); /* too late */
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_HALF_OPEN);
    CHECK_EQ(leave(probe, BREAKER_WORKED), BREAKER_CLOSED); /* with the one that had worked */
}

TEST(few_sessions_close_it_too)
{
    open_breaker(5, 500000, 3);
    trip();
    for (unsigned i = 0; i < 3; i++) {
        now_ns += 10 * OPEN;
        CHECK_EQ(connect_once(BREAKER_WORKED), i == 2 ? BREAKER_CLOSED : BREAKER_NONE);
    }
}

TEST(passes_of_a_period_that_is_over_are_void)
{
    open_breaker(5, 500000, 1);
    uint32_t early[10];
    for (unsigned i = 0; i < 10; i++) {
        early[i] = pass();
    }
    trip();
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(leave(early[i], BREAKER_FAILED), BREAKER_NONE);
    }
    wait_open();
    uint32_t probe = pass();
    CHECK_EQ(leave(early[3], BREAKER_FAILED), BREAKER_NONE);
    CHECK_EQ(leave(early[4], BREAKER_WORKED), BREAKER_NONE);
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_HALF_OPEN);
    CHECK_EQ(leave(probe, BREAKER_WORKED), BREAKER_CLOSED);
    for (unsigned i = 5; i < 10; i++) {
        CHECK_EQ(leave(early[i], BREAKER_FAILED), BREAKER_NONE); /* would be enough to open it again */
    }
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_CLOSED);
}

TEST(without_a_setting_all_pass)
{
    open_breaker(0, 0, 0);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_NONE);
    }
    /* Turned off while it was open. */
    open_breaker(5, 500000, 1);
    trip();
    settings.requests = 0;
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_CLOSED);
    uint32_t unlimited = pass();
    settings.requests = 5; /* and on again: its pass is of no period */
    CHECK_EQ(leave(unlimited, BREAKER_FAILED), BREAKER_NONE);
    check_refused();
}

TEST(one_that_is_taken_away_is_closed_when_it_comes_back)
{
    open_breaker(5, 500000, 1);
    CHECK_EQ(breaker_reset(&breaker, now_ns), BREAKER_NONE);
    uint32_t early = pass();
    trip();
    CHECK_EQ(breaker_reset(&breaker, now_ns), BREAKER_CLOSED);
    CHECK_EQ(breaker_reset(&breaker, now_ns), BREAKER_NONE); /* told once */
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_CLOSED);
    CHECK_EQ(leave(early, BREAKER_FAILED), BREAKER_NONE);
    trip(); /* as many as ever: nothing of before counts, and neither does that pass */
    wait_open();
    uint32_t probe = pass();
    CHECK_EQ(breaker_reset(&breaker, now_ns), BREAKER_CLOSED);
    CHECK_EQ(leave(probe, BREAKER_FAILED), BREAKER_NONE);
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_CLOSED);
}

TEST(odd_settings_are_harmless)
{
    open_breaker(1, 0, 0); /* no probes is one; no time open is a little */
    settings.open_ns = 0;
    settings.window_ns = 0;
    CHECK_EQ(connect_once(BREAKER_WORKED), BREAKER_NONE);
    CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_OPENED);
    now_ns += 2 * TICK;
    CHECK_EQ(connect_once(BREAKER_WORKED), BREAKER_CLOSED);
    open_breaker(1, 1, UINT32_MAX);
    settings.open_ns = UINT64_MAX;
    CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_OPENED);
    now_ns += UINT64_C(1) << 60;
    check_refused();
    settings.open_ns = OPEN;
    memset(&breaker, 0, sizeof breaker);
    now_ns = BASE;
    CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_OPENED);
    wait_open();
    for (unsigned i = 0; i < BREAKER_MAX_PROBES; i++) {
        pass();
    }
    check_refused();
}

#define THREADS 4u
#define PROBES 7u

static atomic_uint entered;
static atomic_uint events[4];
static pthread_barrier_t barrier;
static _Atomic uint64_t clock_ns;

static void run_threads(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)(i + 1)) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* In each round all threads come to a circuit that may be half open, then hand in what they got. */
static void *probe_at_once(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (unsigned round = 0; round < 200; round++) {
        uint32_t passes[PROBES + 1];
        uint32_t count = 0;
        enum breaker_event what;
        uint64_t at_ns = BASE + (round + 1) * 2 * OPEN;
        pthread_barrier_wait(&barrier);
        for (unsigned i = 0; i < PROBES; i++) {
            if (breaker_enter(&settings, &breaker, at_ns, &passes[count], &what)) {
                count++;
                atomic_fetch_add(&entered, 1);
            }
            atomic_fetch_add(&events[what], 1);
        }
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
            CHECK_EQ(atomic_exchange(&entered, 0), PROBES);
        }
        pthread_barrier_wait(&barrier);
        bool fails = test_random_below(&random, 3) == 0 || round % 2 == 0;
        for (uint32_t i = 0; i < count; i++) {
            what = breaker_leave(&settings, &breaker, passes[i], fails ? BREAKER_FAILED : BREAKER_WORKED, at_ns);
            atomic_fetch_add(&events[what], 1);
        }
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD && circuit() == SLUICE_CIRCUIT_CLOSED) {
            uint32_t again;
            CHECK(breaker_enter(&settings, &breaker, at_ns, &again, &what));
            CHECK_EQ(breaker_leave(&settings, &breaker, again, BREAKER_FAILED, at_ns), BREAKER_OPENED);
        }
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

TEST(exactly_so_many_probes_over_threads)
{
    open_breaker(1, 1, PROBES);
    settings.window_ns = OPEN;
    now_ns = BASE;
    CHECK_EQ(connect_once(BREAKER_FAILED), BREAKER_OPENED);
    pthread_barrier_init(&barrier, NULL, THREADS);
    run_threads(probe_at_once);
    pthread_barrier_destroy(&barrier);
    CHECK_EQ(events[BREAKER_HALF_OPENED], 200);
    CHECK_EQ(events[BREAKER_OPENED] + events[BREAKER_CLOSED], 200); /* each told once */
    CHECK(events[BREAKER_CLOSED] > 10);
}

/* Sessions that come and go in any order; some never come back. */
static void *come_and_go(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t at_ns = atomic_fetch_add(&clock_ns, MS) + MS;
        uint32_t mine;
        enum breaker_event what;
        if (!breaker_enter(&settings, &breaker, at_ns, &mine, &what)) {
            continue;
        }
        atomic_fetch_add(&events[what], 1);
        uint64_t outcome = test_random_below(&random, 8);
        if (outcome == 7) {
            continue;
        }
        what = breaker_leave(&settings, &breaker, mine,
                             outcome < 3   ? BREAKER_WORKED
                             : outcome < 6 ? BREAKER_FAILED
                                           : BREAKER_CANCELLED,
                             atomic_load(&clock_ns));
        atomic_fetch_add(&events[what], 1);
    }
    return NULL;
}

TEST(threads_never_wedge_it)
{
    open_breaker(4, 500000, PROBES);
    settings.open_ns = 20 * MS;
    settings.probes = 2;
    for (unsigned i = 0; i < 4; i++) {
        events[i] = 0;
    }
    clock_ns = BASE;
    run_threads(come_and_go);
    CHECK(events[BREAKER_OPENED] > 100);
    CHECK(events[BREAKER_HALF_OPENED] > 100);
    CHECK(events[BREAKER_CLOSED] > 10);
    /* Whatever it came to: after a while it lets through, and closes. */
    now_ns = clock_ns;
    for (unsigned i = 0; i < 10 && circuit() != SLUICE_CIRCUIT_CLOSED; i++) {
        now_ns += settings.open_ns + 2 * TICK;
        uint32_t mine;
        if (enter(&mine)) {
            leave(mine, BREAKER_WORKED);
        }
    }
    CHECK_EQ(circuit(), SLUICE_CIRCUIT_CLOSED);
}
