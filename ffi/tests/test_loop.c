/* SPDX-License-Identifier: MIT
 * sys/loop: tokens, and what epoll tells of registered descriptors. */
#include "sys/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "sys/clock.h"
#include "test.h"

static struct loop loop;

static bool make_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0;
}

TEST(a_session_token_keeps_slot_generation_and_side)
{
    static const uint32_t indexes[] = {0, 1, 1023, 4194303, (1u << 29) - 1};
    static const uint32_t generations[] = {1, 2, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (unsigned i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        for (unsigned g = 0; g < sizeof generations / sizeof *generations; g++) {
            for (unsigned side = 0; side < 2; side++) {
                uint64_t token = token_session(indexes[i], generations[g], side == 1);
                CHECK_EQ(token_kind(token), side == 1 ? TOKEN_ENDPOINT : TOKEN_CLIENT);
                CHECK_EQ(token_index(token), indexes[i]);
                CHECK_EQ(token_generation(token), generations[g]);
            }
        }
    }
}

TEST(a_slot_token_keeps_its_kind)
{
    uint64_t token = token_slot(TOKEN_PRECONNECT, (1u << 29) - 1, UINT32_MAX);
    CHECK_EQ(token_kind(token), TOKEN_PRECONNECT);
    CHECK_EQ(token_index(token), (1u << 29) - 1);
    CHECK_EQ(token_generation(token), UINT32_MAX);
}

TEST(a_listener_token_keeps_its_pointer)
{
    uint64_t aligned = 0;
    uint64_t token = token_listener(&aligned);
    CHECK_EQ(token_kind(token), TOKEN_LISTENER);
    CHECK(token_pointer(token) == &aligned);
}

TEST(an_edge_is_told_once_and_again_after_more_arrives)
{
    int pair[2];
    REQUIRE(loop_open(&loop) == 0 && make_pair(pair));
    CHECK(fcntl(loop.epoll_fd, F_GETFD) & FD_CLOEXEC);
    REQUIRE(loop_add(&loop, pair[0], EPOLLIN | EPOLLET, 42) == 0);
    CHECK_EQ(loop_wait(&loop, 0), 0);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_EQ(loop_wait(&loop, NS_PER_S), 1);
    CHECK_EQ(loop.batch[0].data.u64, 42);
    CHECK(loop.batch[0].events & EPOLLIN);
    CHECK_EQ(loop_wait(&loop, 0), 0);
    CHECK_EQ(write(pair[1], "y", 1), 1);
    CHECK_EQ(loop_wait(&loop, NS_PER_S), 1);
    /* A change reports what is ready now once more. */
    REQUIRE(loop_change(&loop, pair[0], EPOLLIN | EPOLLOUT | EPOLLET, 43) == 0);
    CHECK_EQ(loop_wait(&loop, NS_PER_S), 1);
    CHECK_EQ(loop.batch[0].data.u64, 43);
    CHECK((loop.batch[0].events & (EPOLLIN | EPOLLOUT)) == (EPOLLIN | EPOLLOUT));
    close(pair[0]);
    close(pair[1]);
    CHECK_EQ(loop_wait(&loop, 0), 0); /* closing ended the registration */
    loop_close(&loop);
    CHECK_EQ(loop.epoll_fd, -1);
    loop_close(&loop);
}

TEST(a_descriptor_that_cannot_be_watched_is_an_error)
{
    int pair[2];
    REQUIRE(loop_open(&loop) == 0 && make_pair(pair));
    CHECK_EQ(loop_add(&loop, -1, EPOLLIN, 1), -EBADF);
    CHECK_EQ(loop_change(&loop, pair[0], EPOLLIN, 1), -ENOENT);
    CHECK_EQ(loop_add(&loop, pair[0], EPOLLIN, 1), 0);
    CHECK_EQ(loop_add(&loop, pair[0], EPOLLIN, 1), -EEXIST);
    close(pair[0]);
    close(pair[1]);
    loop_close(&loop);
}

TEST(more_events_than_a_batch_come_in_several)
{
    enum { PAIRS = LOOP_BATCH + 50 };
    static int pairs[PAIRS][2];
    static bool seen[PAIRS];
    REQUIRE(loop_open(&loop) == 0);
    for (unsigned i = 0; i < PAIRS; i++) {
        REQUIRE(make_pair(pairs[i]));
        CHECK_EQ(write(pairs[i][1], "x", 1), 1);
        REQUIRE(loop_add(&loop, pairs[i][0], EPOLLIN | EPOLLET, i) == 0);
    }
    int first = loop_wait(&loop, NS_PER_S);
    CHECK_EQ(first, LOOP_BATCH);
    int total = 0;
    for (int count = first; count > 0; count = loop_wait(&loop, 0)) {
        for (int i = 0; i < count; i++) {
            uint64_t token = loop.batch[i].data.u64;
            REQUIRE(token < PAIRS);
            CHECK(!seen[token]);
            seen[token] = true;
        }
        total += count;
    }
    CHECK_EQ(total, PAIRS);
    for (unsigned i = 0; i < PAIRS; i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    loop_close(&loop);
}

TEST(a_wait_of_a_part_of_a_millisecond_is_not_cut_short)
{
    REQUIRE(loop_open(&loop) == 0);
    const int64_t waits_ns[] = {1, 130000, 999999, 1000001, 2500000};
    for (unsigned i = 0; i < sizeof waits_ns / sizeof waits_ns[0]; i++) {
        uint64_t began_ns = clock_now_ns();
        CHECK_EQ(loop_wait(&loop, waits_ns[i]), 0);
        CHECK(clock_now_ns() - began_ns >= (uint64_t)waits_ns[i]);
    }
    loop_close(&loop);
}

static void on_signal(int number)
{
    (void)number;
}

TEST(a_signal_ends_the_wait_without_events)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    REQUIRE(loop_open(&loop) == 0);
    REQUIRE(sigaction(SIGVTALRM, &action, &before) == 0);
    /* Any signal will do; SIGALRM is the harness's. */
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM};
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec soon = {.it_value = {.tv_nsec = 20000000}, .it_interval = {.tv_nsec = 20000000}};
    REQUIRE(timer_settime(timer, 0, &soon, NULL) == 0);
    CHECK_EQ(loop_wait(&loop, 60 * NS_PER_S), 0);
    timer_delete(timer);
    sigaction(SIGVTALRM, &before, NULL);
    loop_close(&loop);
}
