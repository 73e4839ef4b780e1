/* SPDX-License-Identifier: MIT
 *
 * What a tenant may use, and what its sessions use of it. `struct tenant_limits` is replaced whole by a change, for all
 * of the tenant's sessions at once, those on older versions too; the state of its buckets goes on in the new one
 * (core/limits). `struct tenant_local` is one worker's part: its sessions that wait.
 */
#ifndef SLUICE_PATH_LIMITS_H
#define SLUICE_PATH_LIMITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "path/pace.h"
#include "policy/source_table.h"
#include "policy/token_bucket.h"
#include "sluice.h"
#include "sys/list.h"
#include "sys/waker.h"

/* No session waits; later than every ticket. */
#define NO_TICKET UINT64_MAX

/* A bucket that all of a tenant's sessions share, on all workers. */
struct tenant_bucket {
    struct token_rate rate;
    bool limited;
    uint64_t quantum;   /* bytes: what a session that waits gets in its turn at the least, where so much is there */
    uint64_t period_ns; /* how often waiting sessions get theirs */
    uint64_t spare;     /* tokens above this are left over by sessions that went: more than a period gives */
    _Alignas(CACHE_LINE) _Atomic uint64_t spent; /* of policy/token_bucket; relaxed: guards nothing but itself */
};

/* Immutable but for the buckets' `spent`. A worker may use it until the end of the turn in which it loaded it. */
struct tenant_limits {
    struct sluice_limits settings; /* as the blob said: tells a change from none */
    uint32_t generation;           /* grows with each change of the tenant's limits; never 0 */
    bool enabled;                  /* the tenant, in its newest version */
    bool dry_run;
    bool by_source;  /* sources are counted */
    uint8_t metered; /* a bit a direction: its bytes are limited, by the tenant's bucket or the session's own */
    struct tenant_bucket session_rate;
    struct tenant_bucket bytes[2]; /* by direction */
    struct source_rate own[2];     /* of each session */
    uint64_t own_period_ns[2];     /* how often one that waits for its own gets what there is */
    struct source_rate source;     /* of each source */
};

/* One worker's sessions of a tenant that wait for the tenant's bytes in one direction. */
struct throttle_group {
    struct list fresh;   /* struct throttle that had less than their share lately: served first */
    struct list waiting; /* the others, in turn */
    struct list alone;   /* those that wait for their own bucket, in no order */
    uint32_t count;      /* in `fresh` and `waiting`, and those that are using what they got */
    bool fresh_waits;    /* the last one served was of `fresh`: next is one of `waiting` */
    uint32_t generation; /* of the limits that `clock` is of */
    uint64_t clock;      /* token_clock when the group was last served */
    uint64_t credit;     /* this worker's part of what came since, in 256ths of a byte */
    uint64_t fair;       /* what each waiting session has been given so far, in 256ths of a byte */
    struct pace pace;    /* armed while `count` is not 0 and tokens may come */
};

/* One worker's sessions of a tenant that wait to be served. */
struct waiting_room {
    struct list waiting; /* struct session by `ready`, for the tenant's own limits, oldest first */
    struct list held;    /* the same, for their source or for a place at an endpoint */
    struct list mark;    /* in `held`: where a look through it goes on */
    bool again;          /* and once more from its beginning after that */
    uint64_t look_first; /* held_head when the look began */
    uint64_t token_ns;   /* when the first of those looked at that wait for a token (or the end of an ejection) may have
                            it; UINT64_MAX: none */
    bool looking;        /* through `held`, over more than one turn */
    _Atomic uint64_t waiting_head; /* ticket of the first of each list, or NO_TICKET; read by other workers */
    _Atomic uint64_t held_head;
    struct pace pace; /* armed while the first waits for a token */
    struct waker_node node;
    struct tenant *pinned; /* version that the one who pushed `node` keeps alive for it */
};

/* What one worker has of a tenant beside its versions. The worker's own, but for what is atomic. */
struct tenant_local {
    struct tenant_shared *shared;
    uint32_t sessions;               /* alive at this worker */
    struct throttle_group groups[2]; /* by direction */
    struct waiting_room room;
} __attribute__((aligned(CACHE_LINE)));

#endif
