/* SPDX-License-Identifier: MIT
 * Drives an engine through sluice.h and checks what it tells of itself. */
#include "host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOG_RING_BYTES (4u << 20)

static char problem[300]; /* what host_verify and host_close tell */

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool host_eventually(bool (*condition)(void *context), void *context, uint32_t wait_ms)
{
    uint64_t deadline_ms = now_ms() + wait_ms;
    struct timespec nap = {.tv_nsec = 1000000};
    while (!condition(context)) {
        if (now_ms() >= deadline_ms) {
            return condition(context);
        }
        nanosleep(&nap, NULL);
    }
    return true;
}

/* ---- Life ---- */

int32_t host_open(struct host *host, uint32_t workers, const struct host_tenant *tenants, uint32_t count)
{
    struct sluice_engine_options options = {
        .abi_version = SLUICE_ABI_VERSION, .workers = workers, .log_ring_bytes = LOG_RING_BYTES};
    struct sluice_process_record process = host_process();
    struct host_change change = {.process = &process, .tenants = tenants, .tenant_count = count};
    *host = (struct host){0};
    int32_t result = sluice_engine_create(&options, sizeof options, &host->engine, &host->error);
    if (result != SLUICE_OK) {
        return result;
    }
    result = sluice_engine_start(host->engine, &host->error);
    return result != SLUICE_OK ? result : host_change(host, &change);
}

int32_t host_change(struct host *host, const struct host_change *change)
{
    uint64_t size;
    void *blob = host_encode(change, host->generation + 1, &size);
    int32_t result = sluice_engine_apply(host->engine, blob, size, 0, &host->error);
    free(blob);
    if (result == SLUICE_OK) {
        host->generation++;
    }
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        bool holds = (change->tenants[i].record.flags & SLUICE_TENANT_SHARED) != 0;
        host->holder = holds ? change->tenants[i].record.id : host->holder;
    }
    return result;
}

int32_t host_apply(struct host *host, const struct host_tenant *tenants, uint32_t count)
{
    struct host_change change = {.tenants = tenants, .tenant_count = count};
    return host_change(host, &change);
}

const char *host_close(struct host *host)
{
    problem[0] = '\0';
    if (host->engine != NULL) {
        int32_t stopped = sluice_engine_stop(host->engine);
        host_read_log(host);
        struct sluice_engine_status status = host_status(host);
        int32_t destroyed = sluice_engine_destroy(host->engine);
        if (stopped != SLUICE_OK || destroyed != SLUICE_OK || status.sessions_active != 0) {
            snprintf(problem, sizeof problem, "stop says %" PRId32 ", destroy %" PRId32 ", sessions left %" PRIu64,
                     stopped, destroyed, status.sessions_active);
        }
    }
    free(host->sessions);
    *host = (struct host){0};
    return problem;
}

/* ---- Statistics ---- */

struct sluice_engine_status host_status(struct host *host)
{
    struct sluice_engine_status status = {0};
    if (sluice_engine_status(host->engine, &status, sizeof status) < 0) {
        status = (struct sluice_engine_status){0};
    }
    return status;
}

uint32_t host_port(struct host *host, uint32_t listener)
{
    struct sluice_listener_stats record;
    for (uint32_t i = 0; sluice_stats_listeners(host->engine, i, &record, sizeof record) == 1; i++) {
        if (record.id == listener) {
            return record.bound.port;
        }
    }
    return 0;
}

struct sluice_tenant_stats host_tenant_stats(struct host *host, uint32_t tenant)
{
    struct sluice_tenant_stats record;
    for (uint32_t i = 0; sluice_stats_tenants(host->engine, i, &record, sizeof record) == 1; i++) {
        if (record.id == tenant) {
            return record;
        }
    }
    return (struct sluice_tenant_stats){0};
}

struct sluice_endpoint_stats host_endpoint_stats(struct host *host, uint32_t endpoint)
{
    struct sluice_endpoint_stats record;
    for (uint32_t i = 0; sluice_stats_endpoints(host->engine, i, &record, sizeof record) == 1; i++) {
        if (record.id == endpoint) {
            return record;
        }
    }
    return (struct sluice_endpoint_stats){0};
}

struct sluice_backend_stats host_backend_stats(struct host *host, uint32_t backend)
{
    struct sluice_backend_stats record;
    for (uint32_t i = 0; sluice_stats_backends(host->engine, i, &record, sizeof record) == 1; i++) {
        if (record.id == backend) {
            return record;
        }
    }
    return (struct sluice_backend_stats){0};
}

struct sluice_worker_stats host_worker_stats(struct host *host)
{
    struct sluice_worker_stats sum = {0};
    struct sluice_worker_stats record;
    for (uint32_t i = 0; sluice_stats_workers(host->engine, i, &record, sizeof record) == 1; i++) {
        sum.sessions_active += record.sessions_active;
        sum.fds_in_use += record.fds_in_use;
        sum.pipes_in_use += record.pipes_in_use;
        sum.buffer_bytes += record.buffer_bytes;
        sum.session_bytes += record.session_bytes;
        sum.loop_lag_ns = record.loop_lag_ns > sum.loop_lag_ns ? record.loop_lag_ns : sum.loop_lag_ns;
        sum.turns_total += record.turns_total;
        sum.accept_pauses_total += record.accept_pauses_total;
        sum.log_dropped_total += record.log_dropped_total;
    }
    return sum;
}

struct host_sources host_sources(struct host *host, uint32_t tenant)
{
    static struct sluice_source_stats records[1024]; /* those with most sessions: all that a test has */
    struct host_sources sum = {0};
    int32_t count = sluice_stats_sources(host->engine, tenant, records, sizeof records);
    for (int32_t i = 0; i < count; i++) {
        sum.sources++;
        sum.sessions += records[i].sessions;
        sum.most = records[i].sessions > sum.most ? records[i].sessions : sum.most;
    }
    return sum;
}

/* A unix socket is one worker's, an address has a socket at each. */
static uint64_t listener_fds(struct host *host)
{
    uint64_t workers = host_status(host).workers;
    uint64_t fds = 0;
    struct sluice_listener_stats record;
    for (uint32_t i = 0; sluice_stats_listeners(host->engine, i, &record, sizeof record) == 1; i++) {
        fds += record.addresses * (record.bound.family == SLUICE_FAMILY_UNIX ? 1 : workers);
    }
    return fds;
}

static uint64_t preconnects(struct host *host)
{
    uint64_t connections = 0;
    struct sluice_endpoint_stats record;
    for (uint32_t i = 0; sluice_stats_endpoints(host->engine, i, &record, sizeof record) == 1; i++) {
        connections += record.preconnect_idle;
    }
    return connections;
}

uint64_t host_session_fds(struct host *host)
{
    /* Who drains has closed its listeners. */
    bool listens = host_status(host).state == SLUICE_STATE_RUNNING;
    return host_worker_stats(host).fds_in_use - (listens ? listener_fds(host) : 0) - preconnects(host);
}

/* ---- Log ---- */

static void keep_session(struct host *host, const struct sluice_log_session *session)
{
    if (host->session_count == host->session_capacity) {
        host->session_capacity = host->session_capacity == 0 ? 256 : host->session_capacity * 2;
        host->sessions = realloc(host->sessions, host->session_capacity * sizeof *host->sessions);
        if (host->sessions == NULL) {
            abort();
        }
    }
    host->sessions[host->session_count++] = *session;
}

static void keep_record(struct host *host, const uint8_t *bytes)
{
    struct sluice_log_header header;
    memcpy(&header, bytes, sizeof header);
    if (header.kind == SLUICE_LOG_SESSION || header.kind == SLUICE_LOG_PROGRESS) {
        struct sluice_log_session session;
        memcpy(&session, bytes, sizeof session);
        if (header.kind == SLUICE_LOG_SESSION) {
            keep_session(host, &session);
        } else {
            host->progress = session;
            host->progress_count++;
        }
    } else if (header.kind == SLUICE_LOG_NOTICE) {
        struct sluice_log_notice notice;
        memcpy(&notice, bytes, sizeof notice);
        if (notice.notice <= SLUICE_NOTICE_CIRCUIT_CLOSED) {
            host->notices[notice.notice]++;
            host->notice_values[notice.notice] = notice.value;
        }
        host->pauses += notice.notice == SLUICE_NOTICE_ACCEPT_PAUSED;
        host->resumes += notice.notice == SLUICE_NOTICE_ACCEPT_RESUMED;
        if (notice.notice == SLUICE_NOTICE_REFUSING && host->refusal_count++ < HOST_MOST_REFUSALS) {
            host->refusals[host->refusal_count - 1] = notice;
        }
    }
}

void host_read_log(struct host *host)
{
    static uint8_t buffer[65536];
    int64_t size;
    while ((size = sluice_log_drain(host->engine, buffer, sizeof buffer)) > 0) {
        for (int64_t offset = 0; offset < size;) {
            struct sluice_log_header header;
            memcpy(&header, buffer + offset, sizeof header);
            if (header.size < sizeof header || header.size % 8 != 0 || header.size > size - offset) {
                fprintf(stderr, "a log record of %" PRIu32 " bytes\n", header.size);
                abort();
            }
            keep_record(host, buffer + offset);
            offset += header.size;
        }
    }
}

void host_settle(struct host *host)
{
    /* A question that no session answers: workers hear it at the end of a turn. */
    const struct sluice_session_filter none = {.session = {[0] = 0xff}};
    struct sluice_session_record record;
    uint64_t cursor;
    sluice_sessions_read(host->engine, &none, sizeof none, 0, &record, sizeof record, &cursor);
}

static bool has_next_session(void *context)
{
    struct host *host = context;
    host_read_log(host);
    return host->session_next < host->session_count;
}

bool host_next_session(struct host *host, struct sluice_log_session *session)
{
    if (!host_eventually(has_next_session, host, HOST_WAIT_MS)) {
        *session = (struct sluice_log_session){0};
        return false;
    }
    *session = host->sessions[host->session_next++];
    host_settle(host);
    return true;
}

const char *host_code(uint32_t code)
{
    static char letters[3];
    letters[0] = code < SLUICE_CODE_COUNT ? SLUICE_CODE_FIRST[code / 6] : '!';
    letters[1] = code < SLUICE_CODE_COUNT ? SLUICE_CODE_SECOND[code % 6] : '!';
    letters[2] = '\0';
    return letters;
}

/* ---- Waiting ---- */

struct wanted {
    struct host *host;
    uint32_t tenant;
    enum sluice_reason reason;
    uint64_t sessions;
};

static bool has_active(void *context)
{
    const struct wanted *wanted = context;
    host_read_log(wanted->host);
    return host_status(wanted->host).sessions_active == wanted->sessions;
}

bool host_wait_active(struct host *host, uint64_t sessions)
{
    struct wanted wanted = {.host = host, .sessions = sessions};
    return host_eventually(has_active, &wanted, HOST_WAIT_MS);
}

static bool has_total(void *context)
{
    const struct wanted *wanted = context;
    host_read_log(wanted->host);
    return host_tenant_stats(wanted->host, wanted->tenant).sessions_total >= wanted->sessions;
}

bool host_wait_total(struct host *host, uint32_t tenant, uint64_t sessions)
{
    struct wanted wanted = {.host = host, .tenant = tenant, .sessions = sessions};
    return host_eventually(has_total, &wanted, HOST_WAIT_MS);
}

static bool has_queue(void *context)
{
    const struct wanted *wanted = context;
    host_read_log(wanted->host);
    return host_tenant_stats(wanted->host, wanted->tenant).queue_length == wanted->sessions;
}

bool host_wait_queue(struct host *host, uint32_t tenant, uint64_t sessions)
{
    struct wanted wanted = {.host = host, .tenant = tenant, .sessions = sessions};
    return host_eventually(has_queue, &wanted, HOST_WAIT_MS);
}

static bool has_refused(void *context)
{
    const struct wanted *wanted = context;
    host_read_log(wanted->host);
    return host_tenant_stats(wanted->host, wanted->tenant).refused[wanted->reason] >= wanted->sessions;
}

bool host_wait_refused(struct host *host, uint32_t tenant, enum sluice_reason reason, uint64_t sessions)
{
    struct wanted wanted = {.host = host, .tenant = tenant, .reason = reason, .sessions = sessions};
    return host_eventually(has_refused, &wanted, HOST_WAIT_MS);
}

struct wanted_notice {
    struct host *host;
    uint32_t kind;
    uint32_t count;
};

static bool has_notice(void *context)
{
    const struct wanted_notice *wanted = context;
    host_read_log(wanted->host);
    return wanted->host->notices[wanted->kind] >= wanted->count;
}

bool host_wait_notice(struct host *host, uint32_t kind, uint32_t count)
{
    struct wanted_notice wanted = {.host = host, .kind = kind, .count = count};
    return host_eventually(has_notice, &wanted, HOST_WAIT_MS);
}

/* ---- Agreement of log, counters and gauges ---- */

/* Notes the first difference. */
static void expect(const char *what, uint32_t id, uint64_t actual, uint64_t expected)
{
    if (problem[0] == '\0' && actual != expected) {
        snprintf(problem, sizeof problem, "%s (%" PRIu32 ") is %" PRIu64 ", expected %" PRIu64, what, id, actual,
                 expected);
    }
}

/* Such an end is no refusal, also of a session that has no endpoint yet. */
static bool by_choice(uint32_t reason)
{
    return reason == SLUICE_REASON_CLIENT_ABORT || reason == SLUICE_REASON_DRAINED || reason == SLUICE_REASON_KILLED;
}

/* What the log says of a tenant, in the shape of its counters. */
static struct sluice_tenant_stats sum_log(const struct host *host, uint32_t tenant)
{
    struct sluice_tenant_stats sum = {.id = tenant};
    for (uint32_t i = 0; i < host->session_count; i++) {
        const struct sluice_log_session *session = &host->sessions[i];
        if (session->tenant != (tenant == host->holder ? 0 : tenant)) {
            continue;
        }
        sum.sessions_total++;
        sum.bytes_up += session->bytes_up;
        sum.bytes_down += session->bytes_down;
        sum.retries_total += session->attempts > 1 ? session->attempts - 1 : 0;
        if (session->code < SLUICE_CODE_COUNT && session->reason < SLUICE_REASON_COUNT) {
            sum.closed[session->code]++;
            sum.refused[session->reason] += session->connect_us == SLUICE_NEVER && !by_choice(session->reason);
        }
    }
    return sum;
}

static void verify_tenant(struct host *host, const struct sluice_tenant_stats *stats)
{
    struct sluice_tenant_stats log = sum_log(host, stats->id);
    expect("tenant's active sessions", stats->id, stats->sessions_active, 0);
    expect("tenant's waiting sessions", stats->id, stats->queue_length, 0);
    expect("sessions of the tenant's sources", stats->id, host_sources(host, stats->id).sessions, 0);
    expect("tenant's buffered bytes", stats->id, stats->buffered_bytes, 0);
    expect("tenant's sessions", stats->id, stats->sessions_total, log.sessions_total);
    expect("tenant's bytes up", stats->id, stats->bytes_up, log.bytes_up);
    expect("tenant's bytes down", stats->id, stats->bytes_down, log.bytes_down);
    expect("tenant's retries", stats->id, stats->retries_total, log.retries_total);
    uint64_t in_buckets = 0;
    for (uint32_t i = 0; i < SLUICE_CODE_COUNT; i++) {
        expect(host_code(i), stats->id, stats->closed[i], log.closed[i]);
    }
    for (uint32_t i = 0; i < SLUICE_REASON_COUNT; i++) {
        expect("tenant's refused sessions", i, stats->refused[i] - stats->dry_refused[i], log.refused[i]);
    }
    for (uint32_t i = 0; i < SLUICE_BUCKET_COUNT; i++) {
        in_buckets += stats->session_bucket[i];
    }
    expect("sessions in duration buckets", stats->id, in_buckets, stats->sessions_total);
}

/* Counters are read while workers still write the last of them: waits until nothing is left to compare. */
static bool agrees(void *context)
{
    struct host *host = context;
    struct sluice_engine_status status = host_status(host);
    struct sluice_worker_stats workers = host_worker_stats(host);
    problem[0] = '\0';
    host_read_log(host);
    expect("active sessions", 0, status.sessions_active, 0);
    expect("replaced configurations held", 0, status.snapshots_held, 0);
    expect("workers' sessions", 0, workers.sessions_active, 0);
    expect("pipes in use", 0, workers.pipes_in_use, 0);
    expect("descriptors of sessions, but for pairs of pooled pipes", 0, host_session_fds(host) % 2, 0);
    expect("log records dropped", 0, workers.log_dropped_total, 0);
    struct sluice_tenant_stats tenant;
    for (uint32_t i = 0; sluice_stats_tenants(host->engine, i, &tenant, sizeof tenant) == 1; i++) {
        verify_tenant(host, &tenant);
    }
    struct sluice_endpoint_stats endpoint;
    for (uint32_t i = 0; sluice_stats_endpoints(host->engine, i, &endpoint, sizeof endpoint) == 1; i++) {
        expect("endpoint's active sessions", endpoint.id, endpoint.sessions_active, 0);
    }
    return problem[0] == '\0';
}

const char *host_verify(struct host *host)
{
    host_eventually(agrees, host, HOST_WAIT_MS);
    return problem;
}
