/* SPDX-License-Identifier: MIT
 *
 * Counters. Each worker has its own cell for each tenant, listener, backend and endpoint and is the only writer of it;
 * readers sum the cells. All fields are relaxed atomics: a reader may be a moment behind, never torn.
 */
#ifndef SLUICE_OBSERVE_STATS_H
#define SLUICE_OBSERVE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "sluice.h"
#include "sys/util.h"

/* Adds to a cell's counter; only its worker may. */
static inline void stats_add(_Atomic uint64_t *counter, uint64_t amount)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + amount, memory_order_relaxed);
}

static inline uint64_t stats_get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The scalar counters of a tenant, once: cell field, and the field of sluice_tenant_stats with the same name. */
#define STATS_TENANT_LIST(X)                                                                                           \
    X(sessions_total)                                                                                                  \
    X(bytes_up)                                                                                                        \
    X(bytes_down)                                                                                                      \
    X(retries_total)                                                                                                   \
    X(throttled_us_up)                                                                                                 \
    X(throttled_us_down)                                                                                               \
    X(connect_us_sum)                                                                                                  \
    X(session_us_sum)

/* The counters that are arrays: name and length. */
#define STATS_TENANT_ARRAYS(X)                                                                                         \
    X(refused, SLUICE_REASON_COUNT)                                                                                    \
    X(dry_refused, SLUICE_REASON_COUNT)                                                                                \
    X(closed, SLUICE_CODE_COUNT)                                                                                       \
    X(connect_bucket, SLUICE_BUCKET_COUNT)                                                                             \
    X(session_bucket, SLUICE_BUCKET_COUNT)

struct tenant_cell {
#define STATS_FIELD(name) _Atomic uint64_t name;
#define STATS_ARRAY(name, length) _Atomic uint64_t name[length];
    STATS_TENANT_LIST(STATS_FIELD)
    STATS_TENANT_ARRAYS(STATS_ARRAY)
#undef STATS_FIELD
#undef STATS_ARRAY
    uint64_t told_ns; /* when a refusal was last told; the worker's alone */
} __attribute__((aligned(CACHE_LINE)));

struct listener_cell {
    _Atomic uint64_t sessions_total;
} __attribute__((aligned(CACHE_LINE)));

struct preconnect_pool;

struct endpoint_cell {
    _Atomic uint64_t sessions_total;
    _Atomic uint64_t connect_failures;
    _Atomic uint64_t preconnect_idle;    /* connections ahead that are ready; goes down, too */
    struct preconnect_pool *preconnects; /* of path/preconnect, or NULL; the worker's alone */
    /* Whether the last connect was done before anything else was: then the client's first bytes are sent at once,
     * without waiting to be told. Written and read by the cell's worker alone. */
    _Atomic uint64_t connects_slowly;
} __attribute__((aligned(CACHE_LINE)));

struct backend_cell {
    _Atomic uint64_t connects_total;   /* sessions that tried to connect, or found all of its endpoints down */
    _Atomic uint64_t connect_failures; /* those of them that got no endpoint, for what endpoints did */
    _Atomic uint64_t connect_us_sum;
    _Atomic uint64_t connect_bucket[SLUICE_BUCKET_COUNT];
} __attribute__((aligned(CACHE_LINE)));

struct worker_cell {
    _Atomic uint64_t sessions_active;
    _Atomic uint64_t fds_in_use;
    _Atomic uint64_t pipes_in_use;
    _Atomic uint64_t buffer_bytes;
    _Atomic uint64_t session_bytes;
    _Atomic uint64_t loop_lag_ns; /* longest turn; a reader exchanges it with 0 */
    _Atomic uint64_t turns_total;
    _Atomic uint64_t accept_pauses_total;
} __attribute__((aligned(CACHE_LINE)));

/* Index of the duration bucket, 0..SLUICE_BUCKET_COUNT-1. */
uint32_t stats_bucket(uint64_t duration_us);

/* Adds the counters of a cell to a record. */
void stats_sum_tenant(struct sluice_tenant_stats *sum, const struct tenant_cell *cell);

#endif
