/* SPDX-License-Identifier: MIT
 *
 * A slot without a pipe is `unused`, one with an empty pipe that nobody has is `idle`, and one that is lent is on no
 * list. When the kernel refuses a pipe or grants a tiny one, the next takes are refused without asking it again: the
 * caller copies then, and a system call for each read would cost more than splicing saves.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pipe2, F_SETPIPE_SZ */
#endif

#include "sys/pipe_pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "sys/util.h"

#define PIPE_LEAST_BYTES 65536u /* a smaller pipe moves less in a call than a copy does */
#define REFUSED_TAKES 256u      /* takes without a system call after the kernel refused one */

static void close_pipe(struct pipe_pool *pool, struct pipe_slot *pipe)
{
    close(pipe->read_fd);
    close(pipe->write_fd);
    pipe->read_fd = -1;
    pipe->write_fd = -1;
    pipe->capacity = 0;
    pipe->bytes = 0;
    pipe->next = pool->unused;
    pool->unused = pipe;
    pool->open_pipes--;
}

/* Opens a pipe in a slot that is on no list; false when the kernel refuses or grants too little. */
static bool open_pipe(struct pipe_slot *pipe)
{
    int fds[2];
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
        return false;
    }
    int capacity = fcntl(fds[1], F_SETPIPE_SZ, PIPE_POOL_PIPE_BYTES);
    if (capacity < 0) {
        capacity = fcntl(fds[1], F_GETPIPE_SZ);
    }
    if (capacity < (int)PIPE_LEAST_BYTES) {
        close(fds[0]);
        close(fds[1]);
        return false;
    }
    pipe->read_fd = fds[0];
    pipe->write_fd = fds[1];
    pipe->capacity = (uint32_t)capacity;
    pipe->bytes = 0;
    return true;
}

int pipe_pool_init(struct pipe_pool *pool, uint32_t limit)
{
    *pool = (struct pipe_pool){.limit = limit};
    if (limit == 0) {
        return 0;
    }
    pool->slots = calloc(limit, sizeof *pool->slots);
    if (pool->slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = limit; i-- > 0;) {
        struct pipe_slot *slot = &pool->slots[i];
        slot->read_fd = -1;
        slot->write_fd = -1;
        slot->next = pool->unused;
        pool->unused = slot;
    }
    return 0;
}

void pipe_pool_destroy(struct pipe_pool *pool)
{
    SLUICE_ASSERT(pool->lent == 0);
    pipe_pool_trim(pool);
    free(pool->slots);
    *pool = (struct pipe_pool){0};
}

struct pipe_slot *pipe_pool_take(struct pipe_pool *pool)
{
    struct pipe_slot *pipe = pool->idle;
    if (likely(pipe != NULL)) {
        pool->idle = pipe->next;
        pool->idle_count--;
    } else {
        pipe = pool->unused;
        if (pipe == NULL) {
            return NULL;
        }
        if (pool->refused_takes > 0) {
            pool->refused_takes--;
            return NULL;
        }
        if (!open_pipe(pipe)) {
            pool->refused_takes = REFUSED_TAKES;
            return NULL;
        }
        pool->unused = pipe->next;
        pool->open_pipes++;
    }
    pipe->next = NULL;
    pool->lent++;
    return pipe;
}

void pipe_pool_give(struct pipe_pool *pool, struct pipe_slot *pipe)
{
    SLUICE_ASSERT(pool->lent > 0 && pipe->read_fd >= 0);
    pool->lent--;
    if (pipe->bytes > 0 || pool->idle_count >= PIPE_POOL_IDLE_MAX) {
        close_pipe(pool, pipe);
        return;
    }
    pipe->next = pool->idle;
    pool->idle = pipe;
    pool->idle_count++;
}

uint32_t pipe_pool_trim(struct pipe_pool *pool)
{
    uint32_t closed = 0;
    while (pool->idle != NULL) {
        struct pipe_slot *pipe = pool->idle;
        pool->idle = pipe->next;
        pool->idle_count--;
        close_pipe(pool, pipe);
        closed++;
    }
    return closed * 2u;
}
