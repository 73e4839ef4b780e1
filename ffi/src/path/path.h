/* SPDX-License-Identifier: MIT
 *
 * What one worker's sessions share: its loop, clock, pools, counters and log. Owned and touched by that worker alone,
 * except for the fields that say otherwise.
 */
#ifndef SLUICE_PATH_PATH_H
#define SLUICE_PATH_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "observe/log_ring.h"
#include "observe/stats.h"
#include "path/plan.h"
#include "policy/client_hello.h"
#include "sys/buffer_pool.h"
#include "sys/list.h"
#include "sys/loop.h"
#include "sys/pipe_pool.h"
#include "sys/slab.h"
#include "sys/timer_wheel.h"

#define PATH_SCRATCH_BYTES 65536u /* one read; fits the second-level cache with room for the rest */

struct path {
    uint32_t worker;       /* its number, the index of its cells */
    uint64_t now_ns;       /* monotonic, read once a turn */
    uint64_t now_ms;       /* the same in ms, the wheel's tick */
    uint64_t unix_lead_ms; /* Unix time minus now_ms, looked up again each second: that clock may be set */
    uint64_t unix_read_ms; /* when that was last done */
    struct loop loop;
    struct timer_wheel wheel;
    struct timer_wheel paces;     /* struct pace, in ticks of path/pace */
    struct slab sessions;         /* struct session */
    struct slab meters;           /* struct session_meter */
    struct slab texts;            /* struct session_text, of SESSION_TEXT_SMALL bytes */
    struct slab long_texts;       /* the same, of SESSION_TEXT_LARGE */
    struct slab mirrors;          /* struct mirror */
    struct slab preconnects;      /* struct preconnect */
    struct slab preconnect_pools; /* struct preconnect_pool */
    struct pipe_pool pipes;
    struct buffer_pool buffers;
    struct list ready;              /* sessions with work left over from an earlier event, by `ready` */
    struct list dead;               /* closed sessions, freed at the end of the turn, by `ready` */
    struct list listeners;          /* struct listener_socket, bound here, by `node` */
    struct list mirrors_left;       /* mirrors whose session has ended, oldest first, by `node` */
    struct timer mirror_expiry;     /* armed for the first of them */
    uint32_t fds;                   /* of sessions, mirrors, listeners and connections ahead in this worker's table */
    uint64_t fd_limit;              /* fds that the table may have */
    struct timer accept_resume;     /* armed while accepting is paused: looks again, whatever happens */
    uint64_t accept_paused_ns;      /* when the pause began; 0: none */
    uint64_t accept_noticed_ns;     /* when a pause was last told */
    bool accept_notice_open;        /* it was told, its end not yet */
    bool accept_error;              /* the kernel said that there is no fd or memory, our count did not */
    bool draining;                  /* accepts no more */
    uint64_t memory_short_ns;       /* when there last was no memory for a session; 0: never */
    uint64_t random;                /* state of path_random */
    struct client_hello hello;      /* the one that is being read */
    uint8_t *scratch;               /* PATH_SCRATCH_BYTES: where bytes pass through */
    struct process_shared *process; /* shared with the other workers: atomics */
    struct waker *wakers;           /* one a worker, by its number: anybody pushes */
    uint32_t worker_count;
    struct worker_cell *cell; /* read by the control thread */
    struct log_ring *log;     /* read by the control thread */
};

/* What a path gets from its owner, who keeps it. */
struct path_parts {
    uint32_t worker;
    uint32_t worker_count;
    uint32_t pipe_limit;
    struct process_shared *process;
    struct waker *wakers;
    struct worker_cell *cell;
    struct log_ring *log;
};

/* Returns 0 or -errno. The scratch, loop and pools are made. */
int path_init(struct path *path, const struct path_parts *parts);

/* No session, listener or connection ahead may be left. */
void path_destroy(struct path *path);

/* Reads the clock. */
void path_tick(struct path *path);

/* Puts a notice (SLUICE_NOTICE_*) in the log; tenant is its id, or 0. */
void path_notice(const struct path *path, uint32_t what, uint32_t tenant, uint64_t value);

/* 64 random bits, not for secrets (xorshift64*, Vigna 2016). */
static inline uint64_t path_random(struct path *path)
{
    path->random ^= path->random >> 12;
    path->random ^= path->random << 25;
    path->random ^= path->random >> 27;
    return path->random * UINT64_C(0x2545f4914f6cdd1d);
}

/* Whether a draw hits a share of `ppm` parts per million. */
static inline bool path_draw(struct path *path, uint32_t ppm)
{
    return ppm != 0 && path_random(path) % 1000000u < ppm;
}

static inline uint64_t path_unix_ms(const struct path *path)
{
    return path->now_ms + path->unix_lead_ms;
}

#endif
