/* SPDX-License-Identifier: MIT
 *
 * The engine: the workers and the configuration in force. Called by one control thread at a time.
 *
 *   CREATED ──start──▶ RUNNING ──drain──▶ DRAINING ──stop──▶ STOPPED
 *                         └───────────────stop──────────────▶
 */
#ifndef SLUICE_CORE_ENGINE_H
#define SLUICE_CORE_ENGINE_H

#include "core/bindings.h"
#include "core/mailbox.h"
#include "core/worker.h"
#include "path/session_filter.h"
#include "sluice.h"
#include "sys/id_map.h"

struct sluice_engine {
    uint32_t state; /* SLUICE_STATE_* */
    uint32_t worker_count;
    struct worker *workers;
    struct worker_cell *cells; /* one a worker */
    struct waker *wakers;      /* one a worker */
    struct process_shared process;
    struct route_table *routes;  /* of shared listeners; as in process */
    struct source_table sources; /* in use where process.sources is not NULL */
    void *sources_memory;        /* its mapping */
    uint64_t sources_bytes;
    uint64_t generation;
    struct id_map tenants; /* id → struct tenant: the version in force */
    struct tenant **table; /* the same, dense, in the order of statistics positions */
    uint32_t table_capacity;
    uint32_t enabled_tenants; /* of tenants proper */
    uint32_t holders;         /* of shared listeners: in the table of tenants, and no tenants */
    struct bindings bindings;
    struct list outdated; /* struct tenant_shared by `outdated`: with versions to free */
    uint32_t log_next;    /* worker whose log ring is read first next time: none starves */
};

int engine_create(const struct sluice_engine_options *options, struct sluice_engine **engine,
                  struct sluice_error *error);
int engine_start(struct sluice_engine *engine, struct sluice_error *error);
int engine_drain(struct sluice_engine *engine, uint64_t grace_ms);
int engine_stop(struct sluice_engine *engine);
int engine_destroy(struct sluice_engine *engine);
void engine_status(struct sluice_engine *engine, struct sluice_engine_status *status);
int64_t engine_log_drain(struct sluice_engine *engine, uint8_t *buffer, uint64_t size);

/* Asks all workers and waits for their answers. Returns the first error, or 0. Needs no memory: cannot fail itself. */
int engine_ask(struct sluice_engine *engine, enum message_kind kind, uint64_t argument, struct change *change);

/* Frees replaced versions that nobody uses any more; returns how many are still in use. */
uint64_t engine_collect(struct sluice_engine *engine);

/* ---- core/sessions: live sessions ---- */

/* Each asks the workers until they have walked over all of their sessions. */
int32_t sessions_read(struct sluice_engine *engine, const struct session_filter *filter, uint64_t cursor,
                      struct sluice_session_record *records, uint64_t room, uint64_t *next_cursor);
int64_t sessions_kill(struct sluice_engine *engine, const struct session_filter *filter, enum sluice_reason reason);
int64_t sessions_drain(struct sluice_engine *engine, const struct session_filter *filter, uint64_t grace_ms);

/* ---- core/health: what active checks say ---- */

/* Sets the health of endpoints; returns how many of the records were of one that is known. Sessions that wait are tried
 * again when one came up. */
int32_t health_set(struct sluice_engine *engine, const struct sluice_health_record *records, uint64_t count);

/* ---- core/report: statistics ---- */

int32_t report_tenants(const struct sluice_engine *engine, uint32_t first, struct sluice_tenant_stats *records,
                       uint64_t room);
int32_t report_tenant(const struct sluice_engine *engine, uint32_t tenant, struct sluice_tenant_stats *record);
int32_t report_sources(struct sluice_engine *engine, uint32_t tenant, struct sluice_source_stats *records,
                       uint64_t room);
int32_t report_listeners(const struct sluice_engine *engine, uint32_t first, struct sluice_listener_stats *records,
                         uint64_t room);
int32_t report_endpoints(const struct sluice_engine *engine, uint32_t first, struct sluice_endpoint_stats *records,
                         uint64_t room);
int32_t report_backends(const struct sluice_engine *engine, uint32_t first, struct sluice_backend_stats *records,
                        uint64_t room);
int32_t report_workers(struct sluice_engine *engine, uint32_t first, struct sluice_worker_stats *records,
                       uint64_t room);

#endif
