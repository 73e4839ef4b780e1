/* SPDX-License-Identifier: MIT
 *
 * epoll, and what an event names. Edge-triggered for sessions, level-triggered for all else. An
 * event carries a token that the caller chose; the loop knows nothing of what stands behind it.
 */
#ifndef SLUICE_SYS_LOOP_H
#define SLUICE_SYS_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_BATCH 256

struct loop {
    int epoll_fd; /* -1 when closed */
    struct epoll_event batch[LOOP_BATCH];
};

/* Returns 0 or -errno. */
int loop_open(struct loop *loop);

void loop_close(struct loop *loop);

/* Registers fd for `events` (EPOLL*). Returns 0 or -errno. Closing the fd ends the registration. */
int loop_add(struct loop *loop, int fd, uint32_t events, uint64_t token);

/* Changes the events of fd; with EPOLLET what is ready now is reported again. Returns 0 or -errno. */
int loop_change(struct loop *loop, int fd, uint32_t events, uint64_t token);

/* Waits up to timeout_ns (-1: for ever) and returns how many events stand in batch; 0 also after a signal. Before
 * Linux 5.11 it waits whole milliseconds, rounded up. */
int loop_wait(struct loop *loop, int64_t timeout_ns);

/* ---- Tokens ---- */

enum token_kind {
    TOKEN_CLIENT = 0,   /* the client side of a session */
    TOKEN_ENDPOINT = 1, /* the endpoint side of a session */
    TOKEN_MAILBOX = 2,
    TOKEN_LISTENER = 3,   /* the rest is a pointer, aligned to 8 */
    TOKEN_PRECONNECT = 4, /* a connection ahead */
    TOKEN_MIRROR = 5,
};

#define TOKEN_KIND_BITS 3u
#define TOKEN_KIND_MASK ((1u << TOKEN_KIND_BITS) - 1u)

/* What lives in a slab: slot index below 2^29, generation tells an earlier life of the slot apart. */
static inline uint64_t token_slot(enum token_kind kind, uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint64_t)index << TOKEN_KIND_BITS | (uint64_t)kind;
}

/* A session's side. */
static inline uint64_t token_session(uint32_t index, uint32_t generation, bool endpoint_side)
{
    return token_slot(endpoint_side ? TOKEN_ENDPOINT : TOKEN_CLIENT, index, generation);
}

static inline enum token_kind token_kind(uint64_t token)
{
    return (enum token_kind)(token & TOKEN_KIND_MASK);
}

static inline uint32_t token_index(uint64_t token)
{
    return (uint32_t)token >> TOKEN_KIND_BITS;
}

static inline uint32_t token_generation(uint64_t token)
{
    return (uint32_t)(token >> 32);
}

static inline uint64_t token_listener(void *pointer)
{
    return (uint64_t)(uintptr_t)pointer | TOKEN_LISTENER;
}

static inline void *token_pointer(uint64_t token)
{
    return (void *)(uintptr_t)(token & ~(uint64_t)TOKEN_KIND_MASK);
}

#endif
