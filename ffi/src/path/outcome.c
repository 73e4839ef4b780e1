/* SPDX-License-Identifier: MIT
 * Outcomes of connects. Called on the worker's thread. */
#include "path/outcome.h"

#include "path/meter.h"

static struct backend_cell *cell_of(const struct path *path, const struct session *session)
{
    return &session->backend->shared->cells[path->worker];
}

static uint32_t tenant_id(const struct session *session)
{
    return session->view->tenant->id;
}

/* ---- The circuit breaker ---- */

static void tell_circuit(struct path *path, uint32_t tenant, uint32_t backend, enum breaker_event event)
{
    static const uint32_t notices[] = {
        [BREAKER_OPENED] = SLUICE_NOTICE_CIRCUIT_OPEN,
        [BREAKER_HALF_OPENED] = SLUICE_NOTICE_CIRCUIT_HALF_OPEN,
        [BREAKER_CLOSED] = SLUICE_NOTICE_CIRCUIT_CLOSED,
    };
    if (unlikely(event != BREAKER_NONE)) {
        path_notice(path, notices[event], tenant, backend);
    }
}

enum sluice_reason outcome_enter(struct path *path, struct session *session)
{
    const struct backend *backend = session->backend;
    enum breaker_event event;
    if (likely(backend->breaker.requests == 0)) {
        return SLUICE_REASON_OK;
    }
    struct session_meter *meter = meter_of(path, session);
    if (meter == NULL) {
        return SLUICE_REASON_MEMORY;
    }
    meter->has_pass = breaker_enter(&backend->breaker, &backend->shared->breaker, path->now_ns, &meter->pass, &event);
    tell_circuit(path, tenant_id(session), backend->id, event);
    return meter->has_pass ? SLUICE_REASON_OK : SLUICE_REASON_CIRCUIT_OPEN;
}

static void leave(struct path *path, struct session *session, enum breaker_outcome outcome)
{
    struct session_meter *meter = session->meter;
    const struct backend *backend = session->backend;
    if (likely(meter == NULL || !meter->has_pass)) {
        return;
    }
    meter->has_pass = false;
    tell_circuit(path, tenant_id(session), backend->id,
                 breaker_leave(&backend->breaker, &backend->shared->breaker, meter->pass, outcome, path->now_ns));
}

/* ---- Ejection ---- */

static void tell_ejection(struct path *path, uint32_t tenant, uint32_t endpoint, enum outlier_event event)
{
    if (unlikely(event != OUTLIER_NONE)) {
        uint32_t notice = event == OUTLIER_EJECTED ? SLUICE_NOTICE_EJECTED : SLUICE_NOTICE_EJECTION_ENDED;
        path_notice(path, notice, tenant, endpoint);
    }
}

void outcome_attempt_failed(struct path *path, struct session *session)
{
    const struct backend *backend = session->backend;
    const struct endpoint *endpoint = session->endpoint;
    if (backend->outliers.failures != 0) {
        uint32_t index = (uint32_t)(endpoint - backend->endpoints);
        tell_ejection(path, tenant_id(session), endpoint->id,
                      outlier_failed(&backend->outliers, &backend->shared->outliers, &backend->pool, index,
                                     &endpoint->shared->outlier, path->now_ns));
    }
}

/* ---- Settings that are gone ---- */

static void stop_ejecting(struct path *path, const struct tenant *version, const struct backend *backend)
{
    for (uint32_t i = 0; i < backend->pool.member_count; i++) {
        const struct endpoint *endpoint = &backend->endpoints[i];
        struct endpoint_shared *shared = endpoint->shared;
        tell_ejection(path, version->id, endpoint->id, outlier_reset(&shared->outlier, &shared->signals));
    }
}

void outcome_serve(struct path *path, const struct tenant *version)
{
    for (uint32_t i = 0; i < version->backend_count; i++) {
        const struct backend *backend = &version->backends[i];
        if (backend->breaker.requests == 0) {
            tell_circuit(path, version->id, backend->id, breaker_reset(&backend->shared->breaker, path->now_ns));
        }
        if (backend->outliers.failures == 0) {
            stop_ejecting(path, version, backend);
        }
    }
}

/* ---- Attempts ---- */

void outcome_attempt(struct path *path, struct session *session)
{
    const struct backend *backend = session->backend;
    if (unlikely(backend->outliers.failures != 0)) {
        const struct endpoint *endpoint = session->endpoint;
        tell_ejection(path, tenant_id(session), endpoint->id, outlier_look(&endpoint->shared->outlier, path->now_ns));
    }
    if (session->attempts > 1) {
        stats_add(&session->view->tenant->shared->cells[path->worker].retries_total, 1);
        return;
    }
    stats_add(&cell_of(path, session)->connects_total, 1);
    if (unlikely(backend->retry_budget_ppm != RETRY_BUDGET_UNBOUNDED)) {
        retry_budget_connect(&backend->shared->retries, path->now_ns);
    }
}

bool outcome_may_retry(struct path *path, struct session *session)
{
    const struct backend *backend = session->backend;
    return session->attempts < backend->attempts && balance_is_left(&backend->pool, session->tried, path->now_ns) &&
           retry_budget_take(&backend->shared->retries, backend->retry_budget_ppm, path->now_ns);
}

/* ---- How it ends ---- */

void outcome_connected(struct path *path, struct session *session)
{
    struct tenant_cell *tenant = &session->view->tenant->shared->cells[path->worker];
    struct backend_cell *backend = cell_of(path, session);
    uint32_t bucket = stats_bucket(session->connect_us);
    stats_add(&tenant->connect_us_sum, session->connect_us);
    stats_add(&tenant->connect_bucket[bucket], 1);
    stats_add(&backend->connect_us_sum, session->connect_us);
    stats_add(&backend->connect_bucket[bucket], 1);
    leave(path, session, BREAKER_WORKED);
}

void outcome_none_open(struct path *path, struct session *session)
{
    stats_add(&cell_of(path, session)->connects_total, 1);
    stats_add(&cell_of(path, session)->connect_failures, 1);
}

void outcome_wait(struct path *path, struct session *session)
{
    leave(path, session, BREAKER_CANCELLED);
}

void outcome_end(struct path *path, struct session *session, enum sluice_reason reason)
{
    /* A client that left, a kill, a want of descriptors of ours say nothing about the backend. */
    bool failed = reason == SLUICE_REASON_CONNECT_REFUSED || reason == SLUICE_REASON_CONNECT_TIMEOUT;
    if (failed) {
        stats_add(&cell_of(path, session)->connect_failures, 1);
    }
    leave(path, session, failed ? BREAKER_FAILED : BREAKER_CANCELLED);
}
