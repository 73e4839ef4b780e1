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
#include "policy/breaker.h"
#include "policy/outlier.h"
#include "policy/prefix_set.h"
#include "policy/retry_budget.h"
#include "policy/route.h"
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
    struct route_table *routes; /* there from the beginning */
};

struct endpoint_shared {
    uint32_t references; /* control thread */
    uint32_t id;
    struct net_address address;                          /* identity: a changed address is another endpoint */
    _Alignas(CACHE_LINE) struct balance_signals signals; /* what balancing knows of it, its sessions with that */
    struct outlier outlier;                              /* its failed connects, and ejections */
    _Atomic uint32_t preconnects;      /* connections ahead of all workers, connecting and ready; limit_take */
    _Atomic uint32_t preconnect_extra; /* places for them above preconnect_min; the same */
    struct endpoint_cell cells[];      /* one a worker */
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
    struct outlier_backend outliers;
    struct breaker breaker;
    struct retry_budget retries;
    struct backend_cell cells[]; /* one a worker */
};

/* A part of a backend that is split. */
struct split {
    const struct backend *backend;
    uint32_t weights; /* its weight and those of the parts before it */
};

struct backend {
    uint32_t id;
    uint32_t attempts; /* >= 1 */
    bool gone;         /* not in the tenant's newest version; see struct listener */
    struct balance_pool pool;
    void *balancing;            /* memory of the pool's tables */
    struct endpoint *endpoints; /* pool.member_count of them, in the order of pool.members */
    struct split *splits;       /* parts that its sessions go to: then it has no endpoints */
    uint32_t split_count;
    uint64_t split_seed;               /* which clients go to which of them */
    uint32_t send_proxy;               /* SLUICE_SEND_PROXY_* */
    struct net_address source_address; /* of connections to endpoints; length 0: the kernel's choice */
    uint64_t backoff_ms;               /* before a further attempt */
    uint32_t retry_budget_ppm;         /* as retry_budget_take has it */
    struct outlier_settings outliers;  /* passive ejection */
    struct breaker_settings breaker;
    uint32_t preconnect_min; /* connections ahead, for each endpoint and the process */
    uint32_t preconnect_max;
    uint64_t preconnect_idle_ms;
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
    bool detects_tls;        /* server name and protocols are read from the ClientHello */
    bool takes_proxy_header; /* connections begin with a PROXY header, from a trusted address */
    uint64_t proxy_timeout_ms;
    uint64_t detect_timeout_ms;
    struct prefix_set trusted;     /* who may send a PROXY header */
    void *trusted_memory;          /* or NULL */
    const struct backend *backend; /* NULL: shared, routes decide */
    struct listener_shared *shared;
};

/* What a tenant takes from a shared listener. */
struct route {
    struct route_rule rule; /* of policy/route; the route is found by it */
    uint32_t id;
    uint32_t listener;
    bool is_default;
    const struct route_text *names; /* in lower case; "*." for wildcards */
    uint32_t name_count;
    const struct backend *backend;
    struct tenant *tenant; /* version */
};

/* Trouble on purpose, for a share of a tenant's sessions each. */
struct faults {
    uint64_t delay_ms;
    uint32_t delay_ppm;
    uint32_t reset_ppm;
    uint32_t refuse_ppm;
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
    bool is_shared; /* holds shared listeners and nothing else; nobody's tenant */
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
    struct route *routes;
    uint32_t route_count;
    struct route_text *texts; /* of all its routes */
    char *text_bytes;
    struct prefix *route_prefixes; /* the same */
    const struct backend *mirror;  /* where client bytes are copied to; NULL: no mirror */
    uint32_t mirror_ppm;
    struct faults faults;
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
