/* SPDX-License-Identifier: MIT
 *
 * Pipes for splice, owned by one worker. A pipe is lent to a direction of a session that streams and comes back when
 * it is empty. A pipe that is given back with bytes in it is closed, never pooled: they would reach another tenant.
 */
#ifndef SLUICE_SYS_PIPE_POOL_H
#define SLUICE_SYS_PIPE_POOL_H

#include <stdint.h>

#define PIPE_POOL_IDLE_MAX 32u      /* empty pipes kept for the next stream */
#define PIPE_POOL_PIPE_BYTES 262144 /* wanted size; the kernel may grant less */

struct pipe_slot {
    int read_fd; /* -1 when closed */
    int write_fd;
    uint32_t capacity;      /* nominal bytes; what a pipe holds can exceed it */
    uint32_t bytes;         /* in the pipe now, kept by the borrower */
    struct pipe_slot *next; /* in the pool's lists */
};

struct pipe_pool {
    struct pipe_slot *idle;   /* empty pipes */
    struct pipe_slot *unused; /* slots without a pipe */
    uint32_t idle_count;
    uint32_t lent;           /* pipes out now */
    uint32_t limit;          /* pipes at the most, lent and idle */
    uint32_t open_pipes;     /* lent + idle: two fds each */
    uint32_t refused_takes;  /* takes that will not ask the kernel, because it refused one */
    struct pipe_slot *slots; /* `limit` of them */
};

/* Returns 0 or -ENOMEM. */
int pipe_pool_init(struct pipe_pool *pool, uint32_t limit);

/* Closes all; none may be lent. */
void pipe_pool_destroy(struct pipe_pool *pool);

/* Lends an empty pipe, or NULL when the limit, the fd table or the user's pipe pages are used up; the caller then
 * copies instead. */
struct pipe_slot *pipe_pool_take(struct pipe_pool *pool);

/* Takes a pipe back. */
void pipe_pool_give(struct pipe_pool *pool, struct pipe_slot *pipe);

/* Closes idle pipes, so that their fds serve sessions. Returns how many fds were freed. */
uint32_t pipe_pool_trim(struct pipe_pool *pool);

#endif
