/* SPDX-License-Identifier: MIT
 * sys/pipe_pool: what is lent, what is kept, and what the kernel refuses. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "sys/pipe_pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "test.h"

#define LIMIT 40u

static unsigned open_fds(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    if (directory != NULL) {
        while (readdir(directory) != NULL) {
            count++;
        }
        closedir(directory);
    }
    return count;
}

TEST(a_lent_pipe_is_empty_wide_and_nonblocking)
{
    struct pipe_pool pool;
    REQUIRE(pipe_pool_init(&pool, LIMIT) == 0);
    struct pipe_slot *pipe = pipe_pool_take(&pool);
    REQUIRE(pipe != NULL);
    CHECK_EQ(pipe->bytes, 0);
    CHECK(pipe->capacity >= 65536);
    CHECK_EQ(pool.lent, 1);
    char byte = 0;
    CHECK(read(pipe->read_fd, &byte, 1) == -1 && errno == EAGAIN);
    CHECK(fcntl(pipe->read_fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(pipe->write_fd, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(pipe->write_fd, F_GETFL) & O_NONBLOCK);
    pipe_pool_give(&pool, pipe);
    CHECK_EQ(pool.lent, 0);
    CHECK_EQ(pool.idle_count, 1);
    CHECK(pipe_pool_take(&pool) == pipe);
    CHECK_EQ(pool.idle_count, 0);
    pipe_pool_give(&pool, pipe);
    pipe_pool_destroy(&pool);
}

TEST(a_pipe_with_bytes_in_it_is_never_lent_again)
{
    struct pipe_pool pool;
    REQUIRE(pipe_pool_init(&pool, 1) == 0);
    struct pipe_slot *pipe = pipe_pool_take(&pool);
    REQUIRE(pipe != NULL);
    CHECK_EQ(write(pipe->write_fd, "secret", 6), 6);
    pipe->bytes = 6;
    pipe_pool_give(&pool, pipe);
    CHECK_EQ(pool.idle_count, 0);
    CHECK_EQ(pool.open_pipes, 0);
    pipe = pipe_pool_take(&pool);
    REQUIRE(pipe != NULL);
    CHECK_EQ(pipe->bytes, 0);
    char bytes[8];
    CHECK(read(pipe->read_fd, bytes, sizeof bytes) == -1 && errno == EAGAIN);
    pipe_pool_give(&pool, pipe);
    pipe_pool_destroy(&pool);
}

TEST(the_limit_holds_and_idle_pipes_are_capped)
{
    unsigned fds = open_fds();
    struct pipe_pool pool;
    struct pipe_slot *lent[LIMIT];
    REQUIRE(pipe_pool_init(&pool, LIMIT) == 0);
    for (unsigned i = 0; i < LIMIT; i++) {
        lent[i] = pipe_pool_take(&pool);
        REQUIRE(lent[i] != NULL);
    }
    CHECK(pipe_pool_take(&pool) == NULL);
    CHECK_EQ(pool.lent, LIMIT);
    CHECK_EQ(pool.open_pipes, LIMIT);
    CHECK_EQ(open_fds(), fds + 2 * LIMIT);
    for (unsigned i = 0; i < LIMIT; i++) {
        pipe_pool_give(&pool, lent[i]);
    }
    CHECK_EQ(pool.idle_count, PIPE_POOL_IDLE_MAX);
    CHECK_EQ(pool.open_pipes, PIPE_POOL_IDLE_MAX);
    CHECK_EQ(open_fds(), fds + 2 * PIPE_POOL_IDLE_MAX);
    CHECK_EQ(pipe_pool_trim(&pool), 2 * PIPE_POOL_IDLE_MAX);
    CHECK_EQ(pipe_pool_trim(&pool), 0);
    CHECK_EQ(open_fds(), fds);
    for (unsigned i = 0; i < LIMIT; i++) {
        lent[i] = pipe_pool_take(&pool);
        CHECK(lent[i] != NULL);
    }
    for (unsigned i = 0; i < LIMIT; i++) {
        pipe_pool_give(&pool, lent[i]);
    }
    pipe_pool_destroy(&pool);
    CHECK_EQ(open_fds(), fds);
}

TEST(a_pool_of_none_lends_none)
{
    struct pipe_pool pool;
    REQUIRE(pipe_pool_init(&pool, 0) == 0);
    CHECK(pipe_pool_take(&pool) == NULL);
    CHECK_EQ(pipe_pool_trim(&pool), 0);
    pipe_pool_destroy(&pool);
}

TEST(without_fds_it_lends_none_and_recovers)
{
    struct pipe_pool pool;
    REQUIRE(pipe_pool_init(&pool, LIMIT) == 0);
    struct rlimit before;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(pipe_pool_take(&pool) == NULL);
    CHECK_EQ(pool.open_pipes, 0);
    CHECK_EQ(pool.lent, 0);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    /* It does not ask the kernel for some takes, but then it does again. */
    struct pipe_slot *pipe = NULL;
    for (unsigned takes = 0; takes < 1000 && pipe == NULL; takes++) {
        pipe = pipe_pool_take(&pool);
    }
    REQUIRE(pipe != NULL);
    pipe_pool_give(&pool, pipe);
    pipe_pool_destroy(&pool);
}
