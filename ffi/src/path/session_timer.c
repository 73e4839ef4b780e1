/* SPDX-License-Identifier: MIT
 *
 * The deadlines of a session, all on one timer. Activity only stores a time; the timer fires when something might be
 * due, looks, and is armed again for the next that may be. Called on the worker's thread.
 */
#include "path/connector.h"
#include "path/meter.h"
#include "path/preread.h"
#include "path/relay.h"
#include "path/session.h"
#include "path/throttle.h"
#include "sys/clock.h"

/* Keepalive and user timeout are set (see set_options) when a session has lived this long: a short one never pays. */
#define SERVER_OPTIONS_AFTER_MS 1000u

/* How long after its timeout a session is looked at again while the kernel still has bytes for one of its sides. */
#define LOOK_AGAIN_MS 1000u

#define NO_DEADLINE UINT64_MAX

enum deadline {
    DEADLINE_READ,
    DEADLINE_QUEUE,
    DEADLINE_CONNECT,
    DEADLINE_DELAY,
    DEADLINE_FIRST_BYTE,
    DEADLINE_IDLE,
    DEADLINE_HALF_CLOSE,
    DEADLINE_MAX_DURATION,
    DEADLINE_DRAIN,
    DEADLINE_SERVER_OPTIONS,
    DEADLINE_PROGRESS,
    DEADLINES,
};

/* The tick at which `timeout_ms` after a time is over: never early, at most one tick late. 0 ms is off. */
static uint64_t after(uint64_t from_ns, uint64_t timeout_ms)
{
    if (timeout_ms == 0) {
        return NO_DEADLINE;
    }
    return add_saturating_u64((from_ns + NS_PER_MS - 1) / NS_PER_MS, timeout_ms);
}

/* max_duration, shortened by a share that the session's id decides: the same each time it is asked. */
static uint64_t max_duration_ms(const struct session *session)
{
    const struct timeouts *timeouts = &session->view->tenant->timeouts;
    uint64_t share = (uint64_t)session->id[14] << 8 | session->id[15]; /* random, 0..65535 */
    uint64_t most_ms = mul_saturating_u64(timeouts->max_duration_ms / 1000u, timeouts->max_duration_jitter_ppm) / 1000u;
    most_ms += timeouts->max_duration_ms % 1000u * timeouts->max_duration_jitter_ppm / 1000000u;
    uint64_t less_ms = most_ms / 65536u * share + most_ms % 65536u * share / 65536u;
    uint64_t result = timeouts->max_duration_ms - less_ms;
    return result == 0 && timeouts->max_duration_ms != 0 ? 1 : result;
}

/* The end of the interval of progress records in hand. */
static uint64_t progress_ms(const struct path *path, const struct session *session)
{
    uint64_t every_ms = atomic_load_explicit(&path->process->access_progress_ms, memory_order_relaxed);
    return after(session->accepted_ns, mul_saturating_u64(every_ms, (uint64_t)session->progress_told + 1));
}

/* Since when no byte has moved for which we are not to blame: what a limit holds back is not idle. */
static uint64_t quiet_since(const struct path *path, const struct session *session, uint64_t since_ns)
{
    if (likely(session->meter == NULL)) {
        return since_ns;
    }
    uint64_t released_ns = throttle_holds(session) ? path->now_ns : session->meter->released_ns;
    return released_ns > since_ns ? released_ns : since_ns;
}

/* The end of an attempt, or of the pause before one. */
static uint64_t connect_deadline_ms(const struct session *session, uint64_t timeout_ms)
{
    if (unlikely(session->pausing)) {
        return session->last_active_ns / NS_PER_MS + 1;
    }
    return after(session->last_active_ns, timeout_ms);
}

static uint64_t read_deadline_ms(const struct session *session)
{
    uint64_t since_ns;
    if (session->state != SESSION_READING) {
        return NO_DEADLINE;
    }
    uint64_t timeout_ms = preread_timeout(session, &since_ns);
    return after(since_ns, timeout_ms);
}

static uint64_t deadline_ms(const struct path *path, const struct session *session, enum deadline deadline)
{
    const struct tenant *tenant = session->view->tenant;
    const struct timeouts *timeouts = &tenant->timeouts;
    bool relaying = session->state == SESSION_RELAYING;
    bool half_closed = relaying && session->direction[UP].ended != session->direction[DOWN].ended;

    switch (deadline) {
    case DEADLINE_READ:
        return read_deadline_ms(session);
    case DEADLINE_QUEUE:
        return session->state == SESSION_QUEUED
                   ? after(session->meter->queued_ns, tenant_limits(tenant->shared)->settings.queue_timeout_ms)
                   : NO_DEADLINE;
    case DEADLINE_CONNECT:
        return session->state == SESSION_CONNECTING ? connect_deadline_ms(session, timeouts->connect_ms) : NO_DEADLINE;
    case DEADLINE_DELAY:
        return session->state == SESSION_DELAYED ? after(session->last_active_ns, tenant->faults.delay_ms)
                                                 : NO_DEADLINE;
    case DEADLINE_FIRST_BYTE:
        return relaying && session->first_byte_ns == 0 && !session->direction[DOWN].ended
                   ? after(quiet_since(path, session, session->connect_ns), timeouts->first_byte_ms)
                   : NO_DEADLINE;
    case DEADLINE_IDLE:
        return relaying && !(half_closed && timeouts->half_close_ms != 0)
                   ? after(quiet_since(path, session, session->last_active_ns), timeouts->idle_ms)
                   : NO_DEADLINE;
    case DEADLINE_HALF_CLOSE:
        return half_closed ? after(quiet_since(path, session, session->last_active_ns), timeouts->half_close_ms)
                           : NO_DEADLINE;
    case DEADLINE_MAX_DURATION:
        return after(session->accepted_ns, max_duration_ms(session));
    case DEADLINE_DRAIN:
        return session->drain_at_ms != 0 ? session->drain_at_ms : NO_DEADLINE;
    case DEADLINE_SERVER_OPTIONS:
        return relaying && !session->server_options_set &&
                       (tenant->options.keepalive_idle_s != 0 || tenant->options.user_timeout_ms != 0)
                   ? after(session->connect_ns, SERVER_OPTIONS_AFTER_MS)
                   : NO_DEADLINE;
    case DEADLINE_PROGRESS:
        return progress_ms(path, session);
    default:
        return NO_DEADLINE;
    }
}

/* The earliest deadline; *which is what it is. */
static uint64_t next_deadline(const struct path *path, const struct session *session, enum deadline *which)
{
    uint64_t earliest = NO_DEADLINE;
    for (enum deadline deadline = 0; deadline < DEADLINES; deadline++) {
        uint64_t at_ms = deadline_ms(path, session, deadline);
        if (at_ms < earliest) {
            earliest = at_ms;
            *which = deadline;
        }
    }
    return earliest;
}

void session_arm(struct path *path, struct session *session)
{
    enum deadline which;
    uint64_t at_ms = next_deadline(path, session, &which);
    if (session->state == SESSION_LINGERING) {
        return; /* its timer polls, and its end is near */
    }
    if (at_ms != NO_DEADLINE && (!timer_armed(&session->timer) || at_ms < session->timer.expiry_ms)) {
        timer_wheel_arm(&path->wheel, &session->timer, at_ms);
    }
}

/* The endpoint is who was waited for: the last byte went to it, or it does not take what is there for it. */
static bool waits_for_endpoint(const struct session *session)
{
    const struct direction *up = &session->direction[UP];
    return session->last_moved_up || up->held != NULL || (up->pipe != NULL && up->pipe->bytes > 0);
}

/* Before a session counts as idle: a slow reader may still be taking what the kernel holds for it, which moves no byte
 * here. Looks twice, a moment apart; true while that makes progress. */
static bool kernel_delivers(struct path *path, struct session *session, uint64_t timeout_ms)
{
    uint32_t unsent = 0;
    for (enum session_side which = CLIENT; which <= ENDPOINT; which++) {
        unsent += session->side[which].local ? 0 : net_unsent(session->side[which].fd);
    }
    if (unsent == 0 || unsent == session->unsent_seen) {
        return false;
    }
    uint64_t again_ms = timeout_ms / 4;
    again_ms = again_ms < LOOK_AGAIN_MS ? again_ms + 1 : LOOK_AGAIN_MS;
    session->unsent_seen = unsent;
    session->last_active_ns = path->now_ns - (timeout_ms - again_ms) * NS_PER_MS;
    return true;
}

/* Keepalive and user timeout of the endpoint's side; and of the client's, where that has those of a shared listener and
 * not its tenant's. */
static void set_options(struct session *session)
{
    const struct net_options *wanted = &session->view->tenant->options;
    const struct tenant_view *entry = session->meter != NULL ? session->meter->entry : NULL;
    session->server_options_set = true;
    if (!session->side[ENDPOINT].local) {
        net_set_options(session->side[ENDPOINT].fd, wanted, NULL);
    }
    if (entry != NULL && !session->side[CLIENT].local) {
        net_set_options(session->side[CLIENT].fd, wanted, &entry->tenant->options);
    }
}

/* Does what is due. False when the session is closed by it. */
static bool expire(struct path *path, struct session *session, enum deadline deadline)
{
    struct session_end end = {.phase = session_phase(session)};
    switch (deadline) {
    case DEADLINE_READ:
        end.reason = SLUICE_REASON_ROUTE_TIMEOUT;
        break;
    case DEADLINE_QUEUE:
        end.reason = SLUICE_REASON_QUEUE_TIMEOUT;
        break;
    case DEADLINE_CONNECT:
        connector_timeout(path, session);
        return session->state != SESSION_CLOSED;
    case DEADLINE_DELAY:
        connector_start(path, session);
        return session->state != SESSION_CLOSED;
    case DEADLINE_SERVER_OPTIONS:
        set_options(session);
        return true;
    case DEADLINE_PROGRESS: {
        uint64_t every_ms = atomic_load_explicit(&path->process->access_progress_ms, memory_order_relaxed);
        session_log(path, session, SLUICE_LOG_PROGRESS, SLUICE_REASON_OK, 0);
        /* As many intervals as are over now: the setting may have changed. */
        uint64_t over = every_ms == 0 ? 0 : (path->now_ns - session->accepted_ns) / NS_PER_MS / every_ms;
        session->progress_told = over < UINT32_MAX ? (uint32_t)over : UINT32_MAX;
        return true;
    }
    case DEADLINE_FIRST_BYTE:
        end.reason = SLUICE_REASON_FIRST_BYTE_TIMEOUT;
        break;
    case DEADLINE_IDLE:
        if (kernel_delivers(path, session, session->view->tenant->timeouts.idle_ms)) {
            return true;
        }
        end.reason = SLUICE_REASON_IDLE_TIMEOUT;
        end.endpoint_side = waits_for_endpoint(session);
        break;
    case DEADLINE_HALF_CLOSE:
        if (kernel_delivers(path, session, session->view->tenant->timeouts.half_close_ms)) {
            return true;
        }
        end.reason = SLUICE_REASON_HALF_CLOSE_TIMEOUT;
        end.endpoint_side = session->direction[UP].ended; /* the client has finished, the endpoint has not */
        break;
    case DEADLINE_MAX_DURATION:
        end.reason = SLUICE_REASON_MAX_DURATION;
        break;
    default:
        end.reason = SLUICE_REASON_DRAINED;
        break;
    }
    session_close(path, session, end);
    return false;
}

void session_timer(struct timer *timer, void *context)
{
    struct path *path = context;
    struct session *session = container_of(timer, struct session, timer);
    if (session->state == SESSION_LINGERING) {
        relay_linger(path, session);
        return;
    }
    enum deadline which = DEADLINES;
    uint64_t at_ms;
    while ((at_ms = next_deadline(path, session, &which)) <= path->now_ms) {
        if (!expire(path, session, which)) {
            return;
        }
    }
    if (at_ms != NO_DEADLINE) {
        timer_wheel_arm(&path->wheel, &session->timer, at_ms);
    }
}
