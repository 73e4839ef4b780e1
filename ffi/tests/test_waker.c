/* SPDX-License-Identifier: MIT
 * sys/waker: nodes reach their taker once for each claim, and no work is left lying that a node stands for. */
#include "sys/waker.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "test.h"

#define WAIT_MS 20000

static bool open_waker(struct waker *waker)
{
    *waker = (struct waker){.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    return waker->event_fd != -1;
}

static bool is_woken(const struct waker *waker, int wait_ms)
{
    struct pollfd poll_fd = {.fd = waker->event_fd, .events = POLLIN};
    return poll(&poll_fd, 1, wait_ms) == 1;
}

static uint64_t read_wakes(const struct waker *waker)
{
    uint64_t wakes = 0;
    return read(waker->event_fd, &wakes, sizeof wakes) == sizeof wakes ? wakes : 0;
}

TEST(nothing_pushed_is_nothing_taken)
{
    struct waker waker;
    REQUIRE(open_waker(&waker));
    CHECK(waker_take(&waker) == NULL);
    CHECK(!is_woken(&waker, 0));
    close(waker.event_fd);
}

TEST(a_node_is_claimed_once_until_it_is_cleared)
{
    struct waker waker;
    struct waker_node node = {0};
    REQUIRE(open_waker(&waker));
    for (unsigned i = 0; i < 3; i++) {
        CHECK(waker_claim(&node));
        CHECK(!waker_claim(&node));
        waker_push(&waker, &node);
        CHECK(!waker_claim(&node));
        CHECK(waker_take(&waker) == &node);
        CHECK(node.next == NULL);
        CHECK(!waker_claim(&node)); /* taken, but what it stands for is not looked at yet */
        waker_clear(&node);
    }
    close(waker.event_fd);
}

/* The first wakes; the others find that it has. After a take the next one wakes again. */
TEST(only_the_first_push_wakes)
{
    enum { NODES = 5 };
    struct waker waker;
    struct waker_node nodes[NODES] = {0};
    REQUIRE(open_waker(&waker));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < NODES; i++) {
            CHECK(waker_claim(&nodes[i]));
            waker_push(&waker, &nodes[i]);
        }
        CHECK(is_woken(&waker, 0));
        CHECK_EQ(read_wakes(&waker), 1);
        unsigned taken = 0;
        for (struct waker_node *node = waker_take(&waker); node != NULL; taken++) {
            struct waker_node *next = node->next;
            waker_clear(node);
            node = next;
        }
        CHECK_EQ(taken, NODES);
        CHECK(!is_woken(&waker, 0));
    }
    close(waker.event_fd);
}

/* A worker that is asleep for long must not block those who wake it. */
TEST(a_full_counter_does_not_block)
{
    struct waker waker;
    struct waker_node node = {0};
    uint64_t most = UINT64_MAX - 1;
    REQUIRE(open_waker(&waker));
    CHECK_EQ(write(waker.event_fd, &most, sizeof most), sizeof most);
    CHECK(waker_claim(&node));
    waker_push(&waker, &node);
    CHECK(is_woken(&waker, 0));
    CHECK(waker_take(&waker) == &node);
    close(waker.event_fd);
}

/* ---- Threads ---- */

enum { PLACES = 7, THREADS = 6, ROUNDS = 20000 };

/* Where work lies, and the node that says so. */
struct place {
    struct waker_node node;
    atomic_ullong work;
    unsigned pinned; /* written by who claims the node, read by who takes it: no lock between them but the waker */
};

struct crowd {
    struct waker waker;
    struct place places[PLACES];
};

struct pusher {
    pthread_t thread;
    struct crowd *crowd;
    unsigned number;
};

static void *push(void *argument)
{
    const struct pusher *pusher = argument;
    uint64_t random = pusher->number;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct place *place = &pusher->crowd->places[test_random_below(&random, PLACES)];
        atomic_fetch_add_explicit(&place->work, 1, memory_order_relaxed);
        if (waker_claim(&place->node)) {
            place->pinned = pusher->number;
            waker_push(&pusher->crowd->waker, &place->node);
        }
    }
    return NULL;
}

/* The taker sleeps whenever there is nothing: a wake that is lost leaves it asleep with work undone. */
TEST(no_work_is_left_when_threads_push_at_once)
{
    static struct crowd crowd;
    struct pusher pushers[THREADS];
    uint64_t done = 0;
    uint64_t nodes = 0;
    REQUIRE(open_waker(&crowd.waker));
    for (unsigned i = 0; i < THREADS; i++) {
        pushers[i] = (struct pusher){.crowd = &crowd, .number = i + 1};
        REQUIRE(pthread_create(&pushers[i].thread, NULL, push, &pushers[i]) == 0);
    }
    while (done < (uint64_t)THREADS * ROUNDS && is_woken(&crowd.waker, WAIT_MS)) {
        read_wakes(&crowd.waker);
        for (struct waker_node *node = waker_take(&crowd.waker); node != NULL; nodes++) {
            struct waker_node *next = node->next;
            struct place *place = container_of(node, struct place, node);
            CHECK(place->pinned >= 1 && place->pinned <= THREADS);
            place->pinned = 0;
            waker_clear(node);
            done += atomic_exchange_explicit(&place->work, 0, memory_order_relaxed);
            node = next;
        }
    }
    CHECK_EQ(done, (uint64_t)THREADS * ROUNDS);
    CHECK(nodes <= done);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(pushers[i].thread, NULL);
    }
    close(crowd.waker.event_fd);
}
