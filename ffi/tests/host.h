/* SPDX-License-Identifier: MIT
 *
 * An engine without Deno: plans in C, blobs built from them, an engine driven through sluice.h alone, and its log and
 * statistics checked against each other. Used by the engine's tests, by host_main.c and by the fuzzer; one thread.
 */
#ifndef SLUICE_TESTS_HOST_H
#define SLUICE_TESTS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice.h"

#define HOST_MOST_LISTENERS 8u
#define HOST_MOST_BACKENDS 4u
#define HOST_MOST_ENDPOINTS 4u
#define HOST_MOST_TENANTS 64u
#define HOST_MOST_PREFIXES 8u
#define HOST_MOST_ROUTES 8u
#define HOST_MOST_NAMES 4u
#define HOST_MOST_REFUSALS 256u
#define HOST_WAIT_MS 20000u /* longest wait of a host_ function that waits */

/* ---- Plans ---- */

/* An address with the path that a blob keeps in its string table. */
struct host_address {
    struct sluice_address address;
    char path[108];
};

struct host_address host_ipv4(uint32_t port); /* 127.0.0.1 */
struct host_address host_ipv6(uint32_t port); /* ::1 */
struct host_address host_unix(const char *path);
struct host_address host_abstract(const char *name);

struct host_listener {
    uint32_t id;
    uint32_t backend;
    struct host_address address;
    uint32_t port_last;
    uint32_t detect;       /* SLUICE_DETECT_* */
    uint32_t proxy_accept; /* SLUICE_PROXY_*; from the prefixes of `trusted` */
    struct sluice_prefix_record trusted[HOST_MOST_NAMES];
    uint32_t trusted_count;
    uint64_t proxy_timeout_ms;
    uint64_t detect_timeout_ms;
};

struct host_route {
    uint32_t id;
    uint32_t listener; /* ids */
    uint32_t backend;
    uint32_t flags;                         /* SLUICE_ROUTE_* */
    const char *names[HOST_MOST_NAMES];     /* up to the first NULL */
    const char *protocols[HOST_MOST_NAMES]; /* the same */
    struct sluice_prefix_record sources[HOST_MOST_NAMES];
    uint32_t source_count;
};

struct host_endpoint {
    struct sluice_endpoint_record record; /* without its address */
    struct host_address address;
};

struct host_backend {
    struct sluice_backend_record record;                   /* what is first of it is set by the encoder */
    struct sluice_split_record splits[HOST_MOST_BACKENDS]; /* record.split_count */
    struct host_endpoint endpoints[HOST_MOST_ENDPOINTS];
};

struct host_tenant {
    struct sluice_tenant_record record; /* what is first of it is set by the encoder */
    struct host_listener listeners[HOST_MOST_LISTENERS];
    struct host_backend backends[HOST_MOST_BACKENDS];
    struct sluice_prefix_record prefixes[HOST_MOST_PREFIXES]; /* record.allow_count allowed ones, then the denied */
    struct host_route routes[HOST_MOST_ROUTES];
};

/* What one blob says. */
struct host_change {
    const struct sluice_process_record *process; /* NULL: unchanged */
    const struct host_tenant *tenants;
    uint32_t tenant_count;
    const uint32_t *removed;
    uint32_t removed_count;
};

/* Nothing is limited; a queue with the product's defaults. */
struct sluice_limits host_no_limits(void);

/* So many tokens a second. */
struct sluice_bucket host_rate(uint64_t per_s, uint64_t burst);

/* A tenant with the product's defaults, no listener and no backend. */
struct host_tenant host_tenant(uint32_t id);

/* Ids that a tenant's things get in the order in which they are added. */
uint32_t host_listener_id(const struct host_tenant *tenant, uint32_t number);
uint32_t host_backend_id(const struct host_tenant *tenant, uint32_t number);
uint32_t host_endpoint_id(const struct host_tenant *tenant, uint32_t backend, uint32_t number);

/* Each adds one and returns it; a listener goes to backend `backend`, by number. */
struct host_listener *host_add_listener(struct host_tenant *tenant, struct host_address address, uint32_t backend);
struct host_backend *host_add_backend(struct host_tenant *tenant);
struct host_endpoint *host_add_endpoint(struct host_tenant *tenant, uint32_t backend, struct host_address address);

/* Adds a route from a shared listener, by id, to backend `backend`, by number; `name` NULL: the default route. */
struct host_route *host_add_route(struct host_tenant *tenant, uint32_t listener, const char *name, uint32_t backend);

/* Who holds shared listeners; host_add_listener adds them, the backend is of no meaning. */
struct host_tenant host_holder(uint32_t id);

/* 127.0.0.0/8 */
struct sluice_prefix_record host_loopback(void);

/* A tenant with a listener on a port of the kernel's choice, before one endpoint on a port of 127.0.0.1. */
struct host_tenant host_simple_tenant(uint32_t id, uint32_t endpoint_port);

/* No cap, every session logged, no progress records. */
struct sluice_process_record host_process(void);

/* A blob of its own memory (free it); its size goes to *size. */
void *host_encode(const struct host_change *change, uint64_t generation, uint64_t *size);

/* ---- The engine ---- */

struct host {
    struct sluice_engine *engine;
    uint64_t generation;                 /* of the last blob */
    uint32_t holder;                     /* of shared listeners: whose sessions have no tenant in the log; 0: none */
    struct sluice_error error;           /* of the last call that failed */
    struct sluice_log_session *sessions; /* records read so far */
    uint32_t session_count;
    uint32_t session_capacity;
    uint32_t session_next;              /* the first that host_next_session has not told */
    struct sluice_log_session progress; /* the last progress record */
    uint32_t progress_count;
    /* Notices by kind, up to the last kind: how many, and the value of the last one. */
    uint32_t notices[SLUICE_NOTICE_CIRCUIT_CLOSED + 1];
    uint64_t notice_values[SLUICE_NOTICE_CIRCUIT_CLOSED + 1];
    uint32_t pauses; /* the same of some */
    uint32_t resumes;
    struct sluice_log_notice refusals[HOST_MOST_REFUSALS]; /* the first SLUICE_NOTICE_REFUSING */
    uint32_t refusal_count;                                /* of all of them */
};

/* Makes and starts an engine with host_process() and applies the tenants. Returns 0 or the error of the first call
 * that failed. */
int32_t host_open(struct host *host, uint32_t workers, const struct host_tenant *tenants, uint32_t count);

int32_t host_apply(struct host *host, const struct host_tenant *tenants, uint32_t count);
int32_t host_change(struct host *host, const struct host_change *change);

/* The port of a listener; 0 when it is not bound. */
uint32_t host_port(struct host *host, uint32_t listener);

/* Records; all zero when there is none. */
struct sluice_engine_status host_status(struct host *host);
struct sluice_tenant_stats host_tenant_stats(struct host *host, uint32_t tenant);
struct sluice_endpoint_stats host_endpoint_stats(struct host *host, uint32_t endpoint);
struct sluice_backend_stats host_backend_stats(struct host *host, uint32_t backend);
/* Sums of all workers; loop_lag_ns is the longest. */
struct sluice_worker_stats host_worker_stats(struct host *host);

/* Live sessions of a tenant's sources, and how many sources have any. */
struct host_sources {
    uint64_t sources;
    uint64_t sessions;
    uint64_t most; /* of one source */
};
struct host_sources host_sources(struct host *host, uint32_t tenant);

/* Descriptors of all workers beyond those of listeners and connections ahead: of sessions, and of pipes in use or
 * pooled. */
uint64_t host_session_fds(struct host *host);

/* Reads what is in the log. */
void host_read_log(struct host *host);

/* Waits until each worker has ended the turn that it is in: what it has logged, it has also given back then. */
void host_settle(struct host *host);

/* Waits until a notice of a kind (up to SLUICE_NOTICE_CIRCUIT_CLOSED) was told `count` times. */
bool host_wait_notice(struct host *host, uint32_t kind, uint32_t count);

/* The next session that ended, in the order of the log; waits for it, and until it has given back all that it had.
 * False when none came. */
bool host_next_session(struct host *host, struct sluice_log_session *session);

/* The two letters of a code's index; valid until the next call. */
const char *host_code(uint32_t code);

/* Waits until this many sessions are alive in all. */
bool host_wait_active(struct host *host, uint64_t sessions);

/* Waits until that many sessions of the tenant were accepted. */
bool host_wait_total(struct host *host, uint32_t tenant, uint64_t sessions);

/* Waits until so many sessions of the tenant wait for a limit. */
bool host_wait_queue(struct host *host, uint32_t tenant, uint64_t sessions);

/* Waits until that many sessions of the tenant were refused for a reason. */
bool host_wait_refused(struct host *host, uint32_t tenant, enum sluice_reason reason, uint64_t sessions);

/* Waits until nothing is alive or waits, and compares log, counters and gauges. "" when they agree, else the first
 * difference; valid until the next call. Every session must have been logged. */
const char *host_verify(struct host *host);

/* Stops and frees; "" or what was wrong with it. */
const char *host_close(struct host *host);

/* Runs a condition until it is true or `wait_ms` are over; naps between. */
bool host_eventually(bool (*condition)(void *context), void *context, uint32_t wait_ms);

#endif
