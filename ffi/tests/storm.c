/* SPDX-License-Identifier: MIT
 * Clients that come and go all at once. */
#include "storm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

struct member {
    pthread_t thread;
    struct storm *storm;
    uint64_t random;
};

/* As test_random of test.h, which is for programs only. */
static uint64_t random_below(uint64_t *state, uint64_t limit)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % limit;
}

static void enter(struct storm_gauge *gauge)
{
    unsigned inside = atomic_fetch_add(&gauge->inside, 1) + 1;
    unsigned most = atomic_load(&gauge->most);
    while (inside > most && !atomic_compare_exchange_weak(&gauge->most, &most, inside)) {
    }
}

static void leave(struct storm_gauge *gauge)
{
    atomic_fetch_sub(&gauge->inside, 1);
}

static bool echoes(int fd, const char *text)
{
    char answer[16];
    size_t size = strlen(text);
    return peer_send(fd, text, size) && peer_receive(fd, answer, size) && memcmp(answer, text, size) == 0;
}

static unsigned choose_way(struct member *member)
{
    for (;;) {
        unsigned way = 1u << random_below(&member->random, 4);
        if ((member->storm->ways & way) != 0) {
            return way;
        }
    }
}

static void go(int fd, unsigned way)
{
    if (way == STORM_RESET) {
        peer_reset(fd);
        return;
    }
    if (way == STORM_HALF_CLOSE) {
        peer_end(fd);
        peer_drain(fd);
    }
    close(fd);
}

/* Some say a word first, which nobody is there to hear the answer of. */
static void vanish(struct member *member, int fd)
{
    uint64_t how = random_below(&member->random, 4);
    if ((how & 1) != 0) {
        peer_send(fd, "bye", 3);
    }
    go(fd, (how & 2) != 0 ? STORM_RESET : STORM_CLOSE);
    atomic_fetch_add(&member->storm->vanished, 1);
}

static void visit(struct member *member)
{
    struct storm *storm = member->storm;
    unsigned source = storm->sources == 0 ? 0 : (unsigned)random_below(&member->random, storm->sources);
    unsigned way = choose_way(member);
    int fd = storm->sources == 0 ? peer_connect(storm->port) : peer_connect_from(storm_source(source), storm->port);
    if (fd == -1) {
        atomic_fetch_add(&storm->lost, 1);
        return;
    }
    if (way == STORM_VANISH) {
        vanish(member, fd);
        return;
    }
    if (!echoes(fd, "in?")) {
        close(fd);
        atomic_fetch_add(&storm->out, 1);
        return;
    }
    enter(&storm->all);
    enter(&storm->by_source[source]);
    if (echoes(fd, "still in?")) {
        atomic_fetch_add(&storm->in, 1);
    } else {
        atomic_fetch_add(&storm->lost, 1); /* who was let in stays in */
    }
    leave(&storm->by_source[source]);
    leave(&storm->all);
    go(fd, way);
}

static void *run(void *argument)
{
    struct member *member = argument;
    for (unsigned i = 0; i < member->storm->rounds; i++) {
        visit(member);
    }
    return NULL;
}

uint32_t storm_source(unsigned number)
{
    return 0x010001u + number;
}

bool storm_run(struct storm *storm)
{
    struct member members[STORM_MOST_THREADS];
    unsigned started = 0;
    for (; started < storm->threads && started < STORM_MOST_THREADS; started++) {
        members[started] = (struct member){.storm = storm, .random = storm->seed * 1000 + started};
        if (pthread_create(&members[started].thread, NULL, run, &members[started]) != 0) {
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        pthread_join(members[i].thread, NULL);
    }
    return started == storm->threads;
}

static void *run_alone(void *argument)
{
    if (!storm_run(argument)) {
        abort();
    }
    return NULL;
}

bool storm_start(struct storm *storm, pthread_t *thread)
{
    return pthread_create(thread, NULL, run_alone, storm) == 0;
}

bool storm_is_over(pthread_t thread)
{
    return pthread_tryjoin_np(thread, NULL) == 0;
}
