/* SPDX-License-Identifier: MIT
 *
 * The configuration as the path reads it. Everything but the parts marked atomic is immutable once published; the
 * control thread (core/snapshot) is the only one that makes and frees it.
 *
 * A `struct tenant` is one version of a tenant. What outlives versions (counters, the place of round robin) lives in
 * the `*_shared` objects, which all versions of the same object point to and which count those references.
 */
#ifndef SLUICE_PATH_PLAN_H
#define SLUICE_PATH_PLAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "observe/stats.h"
#include "path/limits.h"
#include "policy/balance.h"
#include "policy/prefix_set.h"
#include "sys/list.h"
#include "sys/net.h"

/* What holds for the process; written by the control thread, read by workers, relaxed. */
struct process_shared {
    _Atomic uint32_t active; /* sessions of all tenants */
    _Atomic uint32_t max_connections;
    _Atomic uint32_t tenants; /* that are enabled: among so many a shortage is shared */
    _Atomic uint32_t access_log;
    _Atomic uint32_t access_sample_ppm;
    _Atomic uint32_t access_progress_ms;
    /* Made when the first tenant limits its sources, and never again. Release by the control thread, acquire here. */
    _Atomic(struct source_table *) sources;
};

struct endpoint_shared {
    uint32_t references; /* control thread */
    uint32_t id;
    struct net_address address;                          /* identity: a changed address is another endpoint */
    _Alignas(CACHE_LINE) struct balance_signals signals; /* what balancing knows of it, its sessions with that */
    struct endpoint_cell cells[];                        /* one a worker */
};

struct endpoint {
    uint32_t id;
    uint32_t state; /* SLUICE_ENDPOINT_* */
    struct endpoint_shared *shared;
};

struct backend_shared {
    uint32_t references;
    uint32_t id;
    _Alignas(CACHE_LINE) struct balance_shared balance; /* places of round robin */
    _Atomic uint32_t waiting;                           /* sessions that wait for a place at one of its endpoints */
};

struct backend {
    uint32_t id;
    uint32_t attempts; /* >= 1 */
    bool gone;         /* not in the tenant's newest version; see struct listener */
    struct balance_pool pool;
    void *balancing;            /* memory of the pool's tables */
    struct endpoint *endpoints; /* pool.member_count of them, in the order of pool.members */
    struct backend_shared *shared;
};

struct listener_shared {
    uint32_t references;
    uint32_t id;
    struct listener_cell cells[]; /* one a worker */
};

struct listener {
    uint32_t id;
    /* Written by the control thread before it tells the workers of a newer version, read by them when told. */
    bool gone;
    const struct backend *backend;
    struct listener_shared *shared;
};

struct tenant_shared {
    uint32_t references;
    uint32_t id;
    uint32_t position;           /* in the engine's table of tenants; control thread */
    struct list versions;        /* struct tenant by `siblings`, oldest first; control thread */
    struct list outdated;        /* in the engine's list of tenants with versions to free; control thread */
    struct list bindings;        /* addresses bound for it (core/bindings); control thread */
    bool touched;                /* scratch of core/apply: in the change in hand */
    struct tenant_local *locals; /* one a worker, behind the cells */
    /* In force for all versions. Stored (release) by the control thread, which frees the one before when every worker
     * has answered after that; loaded (acquire) where it is used, and not kept beyond the turn. */
    _Atomic(struct tenant_limits *) limits;
    _Alignas(CACHE_LINE) _Atomic uint32_t active; /* sessions that the tenant's limits have let in; path/queue says why
                                                     giving one back is sequentially consistent */
    _Atomic uint32_t queue_length;                /* sessions that wait, for whatever */
    _Atomic uint32_t queue_waiting;               /* those that wait for the tenant's own limits */
    _Atomic uint32_t queue_placing;  /* those that have passed them (`active`), for a place at an endpoint */
    _Atomic uint32_t throttled[2];   /* by direction: sessions that wait for bytes; relaxed */
    _Atomic uint64_t queue_ticket;   /* place in the queue of the next that waits */
    _Atomic uint64_t buffered_bytes; /* held for slow readers */
    struct tenant_cell cells[];      /* one a worker */
};

/* The limits of a tenant now. */
static inline struct tenant_limits *tenant_limits(const struct tenant_shared *shared)
{
    return atomic_load_explicit(&shared->limits, memory_order_acquire);
}

struct tenant;

/* A worker's hold on a version: its sessions. Owned by the worker. */
struct tenant_view {
    struct tenant *tenant;
    struct list sessions; /* struct session by `siblings` */
    uint32_t session_count;
    bool current; /* new sessions may start on it; else it is let go with its last session */
};

struct timeouts {
    uint64_t connect_ms; /* 0: off, all of them */
    uint64_t first_byte_ms;
    uint64_t idle_ms;
    uint64_t half_close_ms;
    uint64_t max_duration_ms;
    uint64_t drain_ms;
    uint32_t max_duration_jitter_ppm;
};

struct tenant {
    uint32_t id;
    bool enabled;
    bool has_allow_list;
    struct prefix_set allow;    /* who may connect, where there is such a list */
    struct prefix_set deny;     /* who may not */
    void *prefixes;             /* memory of both, or NULL */
    uint32_t reset_propagation; /* SLUICE_RESET_* */
    uint64_t buffer_bytes;
    struct timeouts timeouts;
    struct net_options options;
    struct listener *listeners;
    uint32_t listener_count;
    struct backend *backends;
    uint32_t backend_count;
    struct tenant_shared *shared;
    struct list siblings;        /* in shared->versions; control thread */
    _Atomic uint32_t views_held; /* workers that still use this version; at 0 (acquire) the control thread frees it */
    struct tenant_view views[];  /* one a worker */
};

/* Keeps a version, and all that it shares, alive beyond its last session. By a worker that has a session on it. */
static inline void tenant_pin(struct tenant *tenant)
{
    atomic_fetch_add_explicit(&tenant->views_held, 1, memory_order_relaxed);
}

static inline void tenant_unpin(struct tenant *tenant)
{
    /* Pairs with the acquire of core/snapshot, which frees the version at 0. */
    atomic_fetch_sub_explicit(&tenant->views_held, 1, memory_order_release);
}

#endif
