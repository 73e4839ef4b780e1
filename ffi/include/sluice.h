/* SPDX-License-Identifier: MIT
 *
 * sluice.h: the ABI of the data plane. It is the one header to include; its records stand in two parts of their own.
 *
 * The control plane owns an engine and calls it from one thread at a time. The engine owns its worker threads. The
 * library never calls back: statistics and log records are read by polling.
 *
 * Records have fixed width, natural alignment, explicit padding and a size that is a multiple of 8; byte order is the
 * machine's (little-endian is asserted). Reserved fields must be zero. `sluice_abi_layout` tells offset and size of
 * every field, so that the other side can prove that it reads the same records.
 *
 * Unless a prototype says otherwise, a function returns 0 or a count on success and a negative SLUICE_E_* code.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API __attribute__((visibility("default")))

#define SLUICE_ABI_VERSION 3u
#define SLUICE_BLOB_MAGIC 0x43554c53u /* "SLUC" in memory order */

/* "No limit" in a u32 and in a u64 limit. 0 is a limit that lets nothing through. */
#define SLUICE_UNLIMITED32 UINT32_MAX
#define SLUICE_UNLIMITED64 UINT64_MAX

/* "Did not happen" in a duration of a log record. */
#define SLUICE_NEVER UINT64_MAX

#define SLUICE_MAX_WORKERS 64u

#include "sluice_blob.h"
#include "sluice_report.h"

/* ---- Errors -------------------------------------------------------------------------------------------------- */

#define SLUICE_OK 0
#define SLUICE_E_ARGUMENT (-1)    /* a null pointer, an odd size, an unknown flag */
#define SLUICE_E_BLOB (-2)        /* the blob is refused; sluice_error names table, record and field */
#define SLUICE_E_BIND (-3)        /* an address could not be bound; sluice_error.sys_errno says why */
#define SLUICE_E_MEMORY (-4)      /* out of memory */
#define SLUICE_E_STATE (-5)       /* the engine is not in a state that allows the call */
#define SLUICE_E_THREAD (-6)      /* a worker could not be started; sys_errno says why */
#define SLUICE_E_BUFFER (-7)      /* the caller's buffer is too small for one record */
#define SLUICE_E_UNSUPPORTED (-8) /* this kernel lacks a system call that the library needs */

/* Details of a failed call; written by the calls that take one, always terminated by NUL. */
struct sluice_error {
    int32_t code;      /* the SLUICE_E_* that the call returned */
    int32_t sys_errno; /* errno behind it, or 0 */
    uint32_t table;    /* SLUICE_TABLE_* of the refused record, or UINT32_MAX */
    uint32_t record;   /* index of the refused record in its table, or UINT32_MAX */
    char field[32];    /* its field, or "" */
    char message[208]; /* one sentence */
};

/* ---- The engine ---------------------------------------------------------------------------------------------- */

/* How an engine is made. */
struct sluice_engine_options {
    uint32_t abi_version;    /* SLUICE_ABI_VERSION of the caller */
    uint32_t workers;        /* worker threads, 1..SLUICE_MAX_WORKERS */
    uint32_t log_ring_bytes; /* log ring of each worker: a power of two, 4 KiB..64 MiB */
    uint32_t reserved0;
    uint64_t reserved1;
};

/* State of an engine, in the order in which it lives. */
#define SLUICE_STATE_CREATED 0u
#define SLUICE_STATE_RUNNING 1u
#define SLUICE_STATE_DRAINING 2u
#define SLUICE_STATE_STOPPED 3u

struct sluice_engine_status {
    uint32_t state;           /* SLUICE_STATE_* */
    uint32_t workers;         /* worker threads */
    uint64_t generation;      /* of the last blob that was applied; 0 before the first */
    uint64_t sessions_active; /* all tenants */
    uint64_t tenants;         /* tenants in force, without holders of shared listeners */
    uint64_t listeners;       /* bound addresses */
    uint64_t snapshots_held;  /* replaced tenant configurations that live sessions still use */
};

/* ---- Functions ----------------------------------------------------------------------------------------------- */

struct sluice_engine;

/* SLUICE_ABI_VERSION of the library. */
SLUICE_API uint32_t sluice_abi_version(void);

/* One row of the truth table about records and constants. */
struct sluice_layout_row {
    char record[32]; /* struct name without "sluice_", or "const" */
    char field[40];  /* field name; "" is the whole record; or the constant's name without "SLUICE_" */
    uint64_t offset; /* of the field; or the constant's value */
    uint64_t size;   /* bytes of the field or record; 0 for constants */
};

/* Copies rows from `first` on into `rows`, at most size_bytes; returns how many, 0 at the end. */
SLUICE_API int32_t sluice_abi_layout(uint32_t first, void *rows, uint64_t size_bytes);

/* Makes an engine (state CREATED) into *engine. `options` is a sluice_engine_options; `error` a sluice_error. */
SLUICE_API int32_t sluice_engine_create(const void *options, uint64_t size_bytes, struct sluice_engine **engine,
                                        void *error);

/* Starts the workers. A configuration is applied after that. */
SLUICE_API int32_t sluice_engine_start(struct sluice_engine *engine, void *error);

/* Puts a configuration blob in force, all or nothing: new addresses are bound by every worker before anything
 * changes, and when one cannot be, none stays bound and the old configuration goes on. Returns when every worker
 * uses it. The blob is copied. With SLUICE_APPLY_DRY_RUN only decodes and checks. */
#define SLUICE_APPLY_DRY_RUN 1u
SLUICE_API int32_t sluice_engine_apply(struct sluice_engine *engine, const void *blob, uint64_t size_bytes,
                                       uint32_t flags, void *error);

/* Reads a sluice_engine_status. */
SLUICE_API int32_t sluice_engine_status(struct sluice_engine *engine, void *status, uint64_t size_bytes);

/* Stops accepting (what the kernel has queued is still accepted) and lets sessions run for grace_ms, then closes
 * them as drained. Returns at once; poll sessions_active. */
SLUICE_API int32_t sluice_engine_drain(struct sluice_engine *engine, uint64_t grace_ms);

/* Closes what is left as drained and joins the workers. May block for a turn of the slowest worker. */
SLUICE_API int32_t sluice_engine_stop(struct sluice_engine *engine);

/* Frees the engine; only in state CREATED or STOPPED. */
SLUICE_API int32_t sluice_engine_destroy(struct sluice_engine *engine);

/* Live sessions. `filter` is a sluice_session_filter with its ids, filter_size bytes with them. Sessions that begin or
 * end meanwhile may be met or not; each other one is met once. Workers look at a bounded number of slots a turn.
 *
 * Reads sluice_session_records, as many as size_bytes hold, from `cursor` on: 0, or what an earlier call put into
 * *next_cursor, which is 0 at the end. Returns how many. */
SLUICE_API int32_t sluice_sessions_read(struct sluice_engine *engine, const void *filter, uint64_t filter_size,
                                        uint64_t cursor, void *records, uint64_t size_bytes, void *next_cursor);

/* Closes them for a reason: SLUICE_REASON_KILLED or SLUICE_REASON_ENDPOINT_DOWN; for the latter, one that is still
 * connecting goes on to another endpoint where there is one. Returns how many. */
SLUICE_API int64_t sluice_sessions_kill(struct sluice_engine *engine, const void *filter, uint64_t filter_size,
                                        uint32_t reason);

/* Gives them a deadline of now + grace_ms, unless they have an earlier one; then they are closed as drained. With 0
 * they are closed now. Returns how many sessions that is. */
SLUICE_API int64_t sluice_sessions_drain(struct sluice_engine *engine, const void *filter, uint64_t filter_size,
                                         uint64_t grace_ms);

/* Sets the health of endpoints: sluice_health_records. In effect at once for new sessions; endpoints that are not known
 * (any more) are passed over. Returns how many were known. */
SLUICE_API int32_t sluice_endpoints_health(struct sluice_engine *engine, const void *records, uint64_t size_bytes);

/* Moves log records of all workers into `buffer`, whole records only. Returns bytes; 0 when there is none. */
SLUICE_API int64_t sluice_log_drain(struct sluice_engine *engine, void *buffer, uint64_t size_bytes);

/* Statistics, summed over the workers. Each copies records with positions first.. and returns how many; 0 at the end.
 * Positions are stable between two applies. */
SLUICE_API int32_t sluice_stats_tenants(struct sluice_engine *engine, uint32_t first, void *records,
                                        uint64_t size_bytes);
/* The same of one tenant, by id: 1, or 0 when there is no such tenant. */
SLUICE_API int32_t sluice_stats_tenant(struct sluice_engine *engine, uint32_t tenant, void *record,
                                       uint64_t size_bytes);
/* A tenant's sources with most sessions, those first; as many as size_bytes hold. Only sources of tenants with limits
 * a source are counted. */
SLUICE_API int32_t sluice_stats_sources(struct sluice_engine *engine, uint32_t tenant, void *records,
                                        uint64_t size_bytes);
SLUICE_API int32_t sluice_stats_listeners(struct sluice_engine *engine, uint32_t first, void *records,
                                          uint64_t size_bytes);
SLUICE_API int32_t sluice_stats_endpoints(struct sluice_engine *engine, uint32_t first, void *records,
                                          uint64_t size_bytes);
SLUICE_API int32_t sluice_stats_backends(struct sluice_engine *engine, uint32_t first, void *records,
                                         uint64_t size_bytes);
SLUICE_API int32_t sluice_stats_workers(struct sluice_engine *engine, uint32_t first, void *records,
                                        uint64_t size_bytes);

#ifdef __cplusplus
}
#endif

#endif
