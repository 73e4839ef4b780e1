/* SPDX-License-Identifier: MIT
 * Admission. Called by session.c and queue.c on the worker's thread. */
#include "path/admit.h"

#include <string.h>

#include "path/listener.h"
#include "path/meter.h"
#include "path/overload.h"
#include "policy/limit.h"
#include "sys/clock.h"

#define TELL_EVERY_NS NS_PER_S      /* a tenant's refusals are told this often at the most */
#define SHORT_OF_MEMORY_NS NS_PER_S /* how long a want of memory is believed in */

static struct tenant_shared *shared_of(const struct session *session)
{
    return session->view->tenant->shared;
}

void admit_note_refusal(struct path *path, struct tenant_shared *shared, enum sluice_reason reason, bool dry)
{
    struct tenant_cell *cell = &shared->cells[path->worker];
    stats_add(&cell->refused[reason], 1);
    if (dry) {
        stats_add(&cell->dry_refused[reason], 1);
    }
    if (cell->told_ns != 0 && path->now_ns - cell->told_ns < TELL_EVERY_NS) {
        return;
    }
    cell->told_ns = path->now_ns;
    path_notice(path, SLUICE_NOTICE_REFUSING, shared->id, (uint64_t)reason);
}

/* ---- The process ---- */

/* Sessions of the tenant, those that wait included. */
static uint64_t sessions_of(const struct tenant_shared *shared)
{
    uint64_t active = atomic_load_explicit(&shared->active, memory_order_relaxed);
    uint64_t waiting = atomic_load_explicit(&shared->queue_length, memory_order_relaxed);
    uint64_t both = atomic_load_explicit(&shared->queue_placing, memory_order_relaxed);
    return active + (waiting > both ? waiting - both : 0);
}

static enum sluice_reason pass_process(struct path *path, struct session *session, bool arrives)
{
    (void)arrives;
    struct process_shared *process = path->process;
    uint32_t cap = atomic_load_explicit(&process->max_connections, memory_order_relaxed);
    if (!limit_take(&process->active, cap)) {
        return SLUICE_REASON_PROCESS_CONNECTIONS;
    }
    session->counted_process = true;
    return SLUICE_REASON_OK;
}

/* The tenant's share of what the process has, where that is short. */
static enum sluice_reason pass_share(struct path *path, struct session *session, bool arrives)
{
    (void)arrives;
    struct process_shared *process = path->process;
    const struct tenant_shared *shared = shared_of(session);
    uint32_t tenants = atomic_load_explicit(&process->tenants, memory_order_relaxed);
    tenants += session->view->tenant->is_shared; /* it is not among them */
    uint32_t cap = atomic_load_explicit(&process->max_connections, memory_order_relaxed);
    if (cap != SLUICE_UNLIMITED32) {
        /* Without this one, which the process counts already. */
        uint32_t used = atomic_load_explicit(&process->active, memory_order_relaxed) - 1;
        if (used < cap && overload_refuses(sessions_of(shared), cap, cap - used, tenants)) {
            return SLUICE_REASON_PROCESS_CONNECTIONS;
        }
    }
    /* What this worker has: its own part of the tenant's sessions counts. This one is among them already. */
    uint64_t here = shared->locals[path->worker].sessions - 1;
    uint64_t room = listener_room(path);
    if (overload_refuses(here, path->sessions.in_use + room, room, tenants)) {
        return SLUICE_REASON_FD_EXHAUSTED;
    }
    bool short_of_memory = path->memory_short_ns != 0 && path->now_ns - path->memory_short_ns < SHORT_OF_MEMORY_NS;
    if (unlikely(short_of_memory) && here > path->sessions.in_use / (tenants == 0 ? 1 : tenants)) {
        return SLUICE_REASON_MEMORY;
    }
    return SLUICE_REASON_OK;
}

/* ---- The tenant's door ---- */

static enum sluice_reason pass_enabled(struct path *path, struct session *session, bool arrives)
{
    (void)path;
    (void)arrives;
    return session->view->tenant->enabled ? SLUICE_REASON_OK : SLUICE_REASON_TENANT_DISABLED;
}

/* A client on a unix socket has no address: the mode of the file has let it in. */
static bool has_address(const struct session *session)
{
    return session->client_family == SLUICE_FAMILY_IPV4 || session->client_family == SLUICE_FAMILY_IPV6;
}

static enum sluice_reason pass_access(struct path *path, struct session *session, bool arrives)
{
    (void)path;
    (void)arrives;
    const struct tenant *tenant = session->view->tenant;
    if (tenant->prefixes == NULL && !tenant->has_allow_list) {
        return SLUICE_REASON_OK;
    }
    if (!has_address(session)) {
        return SLUICE_REASON_OK;
    }
    bool denied = prefix_set_has(&tenant->deny, session->client_family, session->client_ip);
    bool allowed =
        !tenant->has_allow_list || prefix_set_has(&tenant->allow, session->client_family, session->client_ip);
    return allowed && !denied ? SLUICE_REASON_OK : SLUICE_REASON_DENIED;
}

/* ---- Limits ---- */

/* Whether a session over a limit is refused; else it is a dry run, which counts it. */
static bool refuses(struct path *path, struct session *session, const struct tenant_limits *limits,
                    enum sluice_reason reason)
{
    if (!limits->dry_run) {
        return true;
    }
    if (!session->dry_refused) {
        session->dry_refused = true; /* once, with the reason for which it would have been refused */
        admit_note_refusal(path, shared_of(session), reason, true);
    }
    return false;
}

static bool lets_wait(const struct tenant_limits *limits)
{
    return limits->settings.on_limit == SLUICE_ON_LIMIT_QUEUE && !limits->dry_run;
}

static struct source *source_of(struct path *path, struct session *session, const struct tenant_limits *limits)
{
    struct session_meter *meter = meter_of(path, session);
    if (meter == NULL || meter->source != NULL) {
        return meter == NULL ? NULL : meter->source;
    }
    struct source_key key = {.tenant = session->view->tenant->id, .family = session->client_family};
    bool is_ipv4 = session->client_family == SLUICE_FAMILY_IPV4;
    memcpy(key.ip, session->client_ip, sizeof(key.ip));
    source_key_mask(&key, is_ipv4 ? limits->settings.source_ipv4_bits : limits->settings.source_ipv6_bits);
    struct source_table *table = atomic_load_explicit(&path->process->sources, memory_order_acquire);
    meter->source = source_table_enter(table, &key, path->now_ns);
    return meter->source;
}

static enum sluice_reason pass_source(struct path *path, struct session *session, bool arrives)
{
    const struct tenant_limits *limits = tenant_limits(shared_of(session));
    if (likely(!limits->by_source) || !has_address(session)) {
        return SLUICE_REASON_OK;
    }
    struct source *source = source_of(path, session, limits);
    if (source == NULL) {
        return SLUICE_REASON_MEMORY;
    }
    struct session_meter *meter = session->meter;
    bool behind = arrives && lets_wait(limits) && atomic_load(&source->waiting) > 0;
    if (behind || !source_take(source, limits->settings.source_max_connections)) {
        if (refuses(path, session, limits, SLUICE_REASON_SOURCE_CONNECTIONS)) {
            return SLUICE_REASON_SOURCE_CONNECTIONS;
        }
        source_take(source, SLUICE_UNLIMITED32);
    }
    meter->counted_source = true;
    if (limits->source.limited) {
        meter->took_source_token = source_take_token(source, &limits->source, path->now_ns);
        if (!meter->took_source_token && refuses(path, session, limits, SLUICE_REASON_SOURCE_RATE)) {
            source_give(source);
            meter->counted_source = false;
            return SLUICE_REASON_SOURCE_RATE;
        }
    }
    return SLUICE_REASON_OK;
}

static bool take_session_token(struct tenant_bucket *rate, uint64_t now_ns)
{
    return token_take(&rate->rate, &rate->spent, now_ns, TOKENS_A_SESSION, TOKENS_A_SESSION) > 0;
}

static enum sluice_reason pass_tenant(struct path *path, struct session *session, bool arrives)
{
    struct tenant_shared *shared = shared_of(session);
    struct tenant_limits *limits = tenant_limits(shared);
    bool behind = arrives && lets_wait(limits) && atomic_load(&shared->queue_waiting) > 0;
    if (behind || !limit_take(&shared->active, limits->settings.max_connections)) {
        if (refuses(path, session, limits, SLUICE_REASON_TENANT_CONNECTIONS)) {
            return SLUICE_REASON_TENANT_CONNECTIONS;
        }
        limit_take(&shared->active, SLUICE_UNLIMITED32);
    }
    session->counted_tenant = true;
    struct tenant_bucket *rate = &limits->session_rate;
    if (rate->limited) {
        session->took_token = take_session_token(rate, path->now_ns);
        if (!session->took_token && refuses(path, session, limits, SLUICE_REASON_TENANT_RATE)) {
            limit_give(&shared->active);
            session->counted_tenant = false;
            return SLUICE_REASON_TENANT_RATE;
        }
    }
    return SLUICE_REASON_OK;
}

/* ---- The whole ---- */

enum sluice_reason admit(struct path *path, struct session *session, bool arrives)
{
    static enum sluice_reason (*const steps[])(struct path *, struct session *, bool) = {
        pass_process, pass_share, pass_enabled, pass_access, pass_source, pass_tenant,
    };
    while (session->admitted < sizeof(steps) / sizeof(steps[0])) {
        enum sluice_reason reason = steps[session->admitted](path, session, arrives);
        if (reason != SLUICE_REASON_OK) {
            return reason;
        }
        session->admitted++;
        arrives = true; /* whoever waited for the step before is new at the next */
    }
    return SLUICE_REASON_OK;
}

enum sluice_reason admit_arrival(struct path *path, struct session *session)
{
    enum sluice_reason reason = pass_process(path, session, true);
    session->admitted = reason == SLUICE_REASON_OK ? 1 : 0;
    if (reason == SLUICE_REASON_OK && session->view->tenant->is_shared) {
        reason = pass_share(path, session, true);
        limit_take(&shared_of(session)->active, SLUICE_UNLIMITED32);
        session->counted_tenant = true;
    }
    return reason;
}

void admit_leave_holder(struct session *session)
{
    limit_give(&shared_of(session)->active);
    session->counted_tenant = false;
}

bool admit_can_wait(enum sluice_reason reason)
{
    return reason == SLUICE_REASON_SOURCE_CONNECTIONS || reason == SLUICE_REASON_SOURCE_RATE ||
           reason == SLUICE_REASON_TENANT_CONNECTIONS || reason == SLUICE_REASON_TENANT_RATE;
}

static void leave_source(struct session_meter *meter, const struct tenant_limits *limits, bool never_tried)
{
    if (meter->took_source_token && never_tried) {
        source_give_token(meter->source, &limits->source);
    }
    if (meter->counted_source) {
        source_give(meter->source);
    }
    source_leave(meter->source);
    meter->source = NULL;
}

void admit_undo(struct path *path, struct session *session)
{
    struct tenant_shared *shared = shared_of(session);
    struct tenant_limits *limits = tenant_limits(shared);
    bool never_tried = session->attempts == 0;
    if (session->took_token && never_tried && limits->session_rate.limited) {
        token_give(&limits->session_rate.spent, TOKENS_A_SESSION);
    }
    if (session->counted_tenant) {
        limit_give(&shared->active);
    }
    if (session->meter != NULL && session->meter->source != NULL) {
        leave_source(session->meter, limits, never_tried);
    }
    if (session->counted_process) {
        limit_give(&path->process->active);
    }
}
