/* SPDX-License-Identifier: MIT
 * Waiting sessions. Called on the worker's thread. */
#include "path/queue.h"

#include "path/admit.h"
#include "path/meter.h"
#include "path/queue_wake.h"
#include "path/split.h"
#include "policy/limit.h"
#include "sys/clock.h"

#define LOOKS_A_TURN 256u /* sessions in `held` that are looked at in one turn; then others have theirs */

static struct tenant_shared *shared_of(const struct session *session)
{
    return session->view->tenant->shared;
}

static struct waiting_room *room_of(const struct path *path, const struct session *session)
{
    return &shared_of(session)->locals[path->worker].room;
}

static struct session *session_at(struct list *node)
{
    return container_of(node, struct session, ready);
}

/* ---- Lists ---- */

/* The first session of a list, which may hold the mark. */
static struct session *first_of(struct waiting_room *room, struct list *list)
{
    struct list *node = list->next;
    if (node == &room->mark) {
        node = node->next;
    }
    return node == list ? NULL : session_at(node);
}

static bool is_empty(struct waiting_room *room)
{
    return first_of(room, &room->waiting) == NULL && first_of(room, &room->held) == NULL;
}

static void show_heads(struct waiting_room *room)
{
    struct session *waiting = first_of(room, &room->waiting);
    struct session *held = first_of(room, &room->held);
    atomic_store(&room->waiting_head, waiting == NULL ? NO_TICKET : waiting->meter->ticket);
    atomic_store(&room->held_head, held == NULL ? NO_TICKET : held->meter->ticket);
}

/* Puts a session in at its ticket's place: at the end, unless it comes from the other list. */
static void insert(struct waiting_room *room, struct list *list, struct session *session)
{
    struct list *before = list->previous;
    while (before != list && (before == &room->mark || session_at(before)->meter->ticket > session->meter->ticket)) {
        before = before->previous;
    }
    list_append(before->next, &session->ready); /* in front of the one behind it */
}

/* ---- Joining and leaving ---- */

static void count_blocker(struct session *session, enum sluice_reason reason)
{
    struct session_meter *meter = session->meter;
    if (reason == SLUICE_REASON_SOURCE_CONNECTIONS || reason == SLUICE_REASON_SOURCE_RATE) {
        meter->waits_for_source = true;
        atomic_fetch_add(&meter->source->waiting, 1);
    } else if (reason == SLUICE_REASON_NO_ENDPOINT) {
        meter->waits_for_place = true;
        atomic_fetch_add(&session->backend->shared->waiting, 1);
        atomic_fetch_add(&shared_of(session)->queue_placing, 1);
    } else {
        atomic_fetch_add(&shared_of(session)->queue_waiting, 1);
    }
}

static void uncount_blocker(struct session *session)
{
    struct session_meter *meter = session->meter;
    if (meter->waits_for_source) {
        atomic_fetch_sub(&meter->source->waiting, 1);
    } else if (meter->waits_for_place) {
        atomic_fetch_sub(&session->backend->shared->waiting, 1);
        atomic_fetch_sub(&shared_of(session)->queue_placing, 1);
    } else {
        atomic_fetch_sub(&shared_of(session)->queue_waiting, 1);
    }
    meter->waits_for_source = false;
    meter->waits_for_place = false;
}

static bool is_held(const struct session *session)
{
    return session->meter->waits_for_source || session->meter->waits_for_place;
}

/* Changes what a waiting session waits for. */
static void wait_for(struct path *path, struct session *session, enum sluice_reason reason)
{
    struct waiting_room *room = room_of(path, session);
    count_blocker(session, reason);
    session->meter->held_for = (uint8_t)reason;
    insert(room, is_held(session) ? &room->held : &room->waiting, session);
    show_heads(room);
}

bool queue_join(struct path *path, struct session *session, enum sluice_reason *reason)
{
    struct tenant_shared *shared = shared_of(session);
    const struct tenant_limits *limits = tenant_limits(shared);
    struct session_meter *meter = meter_of(path, session);
    if (meter == NULL) {
        *reason = SLUICE_REASON_MEMORY;
        return false;
    }
    if (!meter->in_queue) {
        if (!limit_take(&shared->queue_length, limits->settings.queue_size)) {
            *reason = SLUICE_REASON_QUEUE_FULL;
            return false;
        }
        meter->in_queue = true;
        meter->queued_ns = path->now_ns;
        meter->ticket = atomic_fetch_add_explicit(&shared->queue_ticket, 1, memory_order_relaxed);
    }
    session_set_state(session, SESSION_QUEUED);
    wait_for(path, session, *reason);
    if (!session->side[CLIENT].watched && !session_watch(path, session, CLIENT, false)) {
        *reason = SLUICE_REASON_MEMORY;
        return false;
    }
    /* That was told before the session waited, and is not told again. */
    if (session->side[CLIENT].read_closed && session_client_left(session, EPOLLRDHUP)) {
        *reason = SLUICE_REASON_CLIENT_ABORT;
        return false;
    }
    session_arm(path, session);
    queue_wake(path, session->view->tenant); /* what was in the way may have gone in this moment */
    return true;
}

bool queue_is_ahead(const struct session *session)
{
    const struct session_meter *meter = session->meter;
    bool waited = meter != NULL && meter->in_queue && meter->held_for == SLUICE_REASON_NO_ENDPOINT;
    bool arrives = session->attempts == 0 && !waited;
    return arrives && unlikely(atomic_load(&session->backend->shared->waiting) > 0) &&
           tenant_limits(shared_of(session))->settings.on_limit == SLUICE_ON_LIMIT_QUEUE;
}

/* Takes it off its list, and its numbers off what they count. */
static void take_out(struct path *path, struct session *session)
{
    struct waiting_room *room = room_of(path, session);
    list_remove(&session->ready);
    uncount_blocker(session);
    show_heads(room);
    if (is_empty(room)) {
        pace_cancel(path, &room->pace); /* the room may go with its last session */
    }
}

/* Gives back its place in the queue. */
static void end_wait(struct path *path, struct session *session)
{
    struct session_meter *meter = session->meter;
    limit_give(&shared_of(session)->queue_length);
    meter->queue_us = (path->now_ns - meter->queued_ns) / NS_PER_US;
    meter->in_queue = false;
}

void queue_leave(struct path *path, struct session *session)
{
    if (session->meter == NULL || !session->meter->in_queue) {
        return;
    }
    if (session->state == SESSION_QUEUED) {
        take_out(path, session);
    }
    end_wait(path, session);
}

/* ---- Waking ---- */

static void wake(struct path *path, struct tenant *version, uint32_t worker)
{
    queue_wake_worker(path->wakers, version, worker);
}

static uint32_t oldest(const struct path *path, const struct tenant_shared *shared, bool held, uint64_t after)
{
    return queue_wake_oldest(shared, path->worker_count, held, after);
}

void queue_wake(struct path *path, struct tenant *version)
{
    queue_wake_first(path->wakers, path->worker_count, version);
}

/* ---- Serving ---- */

/* Passed everything: to an endpoint, or back to waiting, for a place at one. */
static void go_on(struct path *path, struct session *session)
{
    take_out(path, session);
    session_proceed(path, session);
    if (session->state != SESSION_CLOSED && session->state != SESSION_QUEUED) {
        end_wait(path, session);
    }
}

/* What is in the way of a session now; SLUICE_REASON_OK: nothing. */
static enum sluice_reason obstacle(struct path *path, struct session *session, const struct tenant_limits *limits)
{
    if (!limits->enabled) {
        return SLUICE_REASON_TENANT_DISABLED;
    }
    enum sluice_reason reason = admit(path, session, false);
    /* A split without weights has no part to wait at: it goes on, and is told so. */
    if (reason == SLUICE_REASON_OK && session->meter->waits_for_place && session->backend->splits == NULL &&
        !balance_has_place(&session->backend->pool, path->now_ns)) {
        return SLUICE_REASON_NO_ENDPOINT;
    }
    return reason;
}

/* Tries what a session still has to pass. False when it waits for the same as before. */
static bool try_again(struct path *path, struct session *session)
{
    const struct tenant_limits *limits = tenant_limits(shared_of(session));
    enum sluice_reason reason = obstacle(path, session, limits);
    if (reason == SLUICE_REASON_OK) {
        go_on(path, session);
        return true;
    }
    bool may_wait = limits->settings.on_limit == SLUICE_ON_LIMIT_QUEUE; /* it may have changed */
    if (!may_wait || !(admit_can_wait(reason) || reason == SLUICE_REASON_NO_ENDPOINT)) {
        bool reset = limits->settings.on_limit == SLUICE_ON_LIMIT_RESET;
        session_close(path, session,
                      (struct session_end){.reason = reason, .phase = PHASE_QUEUE, .reset_client = reset});
        return true;
    }
    if (reason == SLUICE_REASON_NO_ENDPOINT) {
        return false;
    }
    bool is_for_source = reason == SLUICE_REASON_SOURCE_CONNECTIONS || reason == SLUICE_REASON_SOURCE_RATE;
    if (is_held(session) == is_for_source) {
        session->meter->held_for = (uint8_t)reason;
        return false;
    }
    take_out(path, session); /* its source lets it pass: on to the tenant's own limits */
    wait_for(path, session, reason);
    queue_wake(path, session->view->tenant); /* as one that joins */
    return true;
}

/* Notes when a session that waits for a token of a rate may have it, or one that waits for a place. */
static void note_token(const struct path *path, struct waiting_room *room, const struct session *session)
{
    struct tenant_limits *limits = tenant_limits(shared_of(session));
    const struct session_meter *meter = session->meter;
    uint64_t wait_ns = UINT64_MAX;
    if (meter->held_for == SLUICE_REASON_TENANT_RATE && limits->session_rate.limited) {
        const struct tenant_bucket *rate = &limits->session_rate;
        wait_ns = token_wait_ns(&rate->rate, &rate->spent, path->now_ns, TOKENS_A_SESSION);
    } else if (meter->held_for == SLUICE_REASON_SOURCE_RATE && limits->source.limited) {
        wait_ns = source_wait_ns(meter->source, &limits->source, path->now_ns);
    } else if (meter->waits_for_place && session->backend->outliers.failures != 0) {
        wait_ns = outlier_wait_ns(&session->backend->pool, path->now_ns);
    }
    uint64_t at_ns = add_saturating_u64(path->now_ns, wait_ns);
    room->token_ns = at_ns < room->token_ns ? at_ns : room->token_ns;
}

/* Those that wait for the tenant's own limits, oldest first. True when there may be more to do here in the next turn.
 */
static bool serve_waiting(struct path *path, struct waiting_room *room, struct tenant *version)
{
    uint32_t looks = 0;
    for (struct session *session; (session = first_of(room, &room->waiting)) != NULL;) {
        uint32_t worker = oldest(path, version->shared, false, NO_TICKET);
        if (worker != path->worker && worker != UINT32_MAX) {
            wake(path, version, worker);
            return false;
        }
        if (looks++ == LOOKS_A_TURN) {
            return true;
        }
        if (!try_again(path, session)) {
            note_token(path, room, session);
            return false;
        }
    }
    uint32_t worker = oldest(path, version->shared, false, NO_TICKET);
    if (worker != UINT32_MAX) {
        wake(path, version, worker);
    }
    return false;
}

/* Looks at the sessions in `held`, from the first or from where the last turn has left off. Each look that is asked
 * for is made in full, so that one in the middle of another is followed by one more. True when it goes on. */
static bool serve_held(struct path *path, struct waiting_room *room, struct tenant *version, bool asked)
{
    if (room->looking) {
        room->again = room->again || asked;
    } else {
        list_append(room->held.next, &room->mark); /* in front of all */
        room->looking = true;
        room->again = false;
        room->look_first = atomic_load(&room->held_head);
    }
    for (uint32_t looks = 0; room->mark.next != &room->held; looks++) {
        if (looks == LOOKS_A_TURN) {
            return true;
        }
        struct session *session = session_at(room->mark.next);
        list_remove(&room->mark);
        list_append(session->ready.next, &room->mark); /* behind it */
        if (!try_again(path, session)) {
            note_token(path, room, session);
        }
    }
    list_remove(&room->mark);
    room->looking = false;
    uint64_t first = room->look_first;
    uint32_t next = first == NO_TICKET ? UINT32_MAX : oldest(path, version->shared, true, first);
    if (next != UINT32_MAX && next != path->worker) {
        wake(path, version, next);
    }
    return room->again;
}

static void serve(struct path *path, struct waiting_room *room, struct tenant *version, bool asked)
{
    if (!room->looking) {
        room->token_ns = UINT64_MAX; /* all that wait for one are looked at now */
    }
    bool more = serve_waiting(path, room, version);
    more = serve_held(path, room, version, asked) || more;
    if (is_empty(room)) {
        return;
    }
    if (more) {
        pace_arm(path, &room->pace, 0);
    } else if (room->token_ns != UINT64_MAX) {
        pace_arm(path, &room->pace, room->token_ns > path->now_ns ? room->token_ns - path->now_ns : 0);
    }
}

void queue_turn(struct path *path)
{
    struct waker_node *node = waker_take(&path->wakers[path->worker]);
    while (node != NULL) {
        struct waker_node *next = node->next;
        struct waiting_room *room = container_of(node, struct waiting_room, node);
        struct tenant *version = room->pinned;
        waker_clear(node);
        serve(path, room, version, true);
        tenant_unpin(version);
        node = next;
    }
}

/* Somebody who waits for a token may have it, or a look goes on. */
static void fire(struct path *path, struct pace *pace)
{
    struct waiting_room *room = container_of(pace, struct waiting_room, pace);
    struct session *session = first_of(room, &room->waiting);
    session = session == NULL ? first_of(room, &room->held) : session;
    if (session != NULL) {
        struct tenant *version = session->view->tenant;
        tenant_pin(version);
        serve(path, room, version, false);
        tenant_unpin(version);
    }
}

void queue_init(struct waiting_room *room)
{
    list_init(&room->waiting);
    list_init(&room->held);
    list_init(&room->mark);
    atomic_init(&room->waiting_head, NO_TICKET);
    atomic_init(&room->held_head, NO_TICKET);
    pace_init(&room->pace, fire);
}

/* ---- A change of the configuration ---- */

/* Where a session stands in another version: its listener, or its route. */
struct place {
    const struct listener *listener;
    const struct route *route;
};

/* False when the version has it no more. */
static bool find_place(const struct session *session, const struct tenant *tenant, struct place *place)
{
    const struct route *route = session->meter->route;
    *place = (struct place){.listener = session->listener};
    for (uint32_t i = 0; route != NULL && i < tenant->route_count; i++) {
        if (tenant->routes[i].id == route->id) {
            place->route = &tenant->routes[i];
            return true;
        }
    }
    for (uint32_t i = 0; route == NULL && i < tenant->listener_count; i++) {
        if (tenant->listeners[i].id == session->listener->id) {
            place->listener = &tenant->listeners[i];
            return true;
        }
    }
    return false;
}

/* The backend that it then waits at: the part, of one that is split. */
static const struct backend *backend_at(struct path *path, const struct session *session, const struct place *place)
{
    const struct backend *backend = place->route != NULL ? place->route->backend : place->listener->backend;
    const struct backend *part = backend->splits != NULL ? split_choose(path, session, backend) : NULL;
    return part != NULL ? part : backend;
}

static bool move_session(struct path *path, struct session *session, struct tenant_view *to)
{
    struct place place;
    if (!find_place(session, to->tenant, &place)) {
        return false;
    }
    bool for_place = session->meter->waits_for_place;
    list_remove(&session->siblings);
    session->view->session_count--;
    session->view = to;
    list_append(&to->sessions, &session->siblings);
    to->session_count++;
    session->listener = place.listener;
    session->meter->route = place.route;
    if (for_place) {
        atomic_fetch_sub(&session->backend->shared->waiting, 1);
        session->backend = backend_at(path, session, &place);
        atomic_fetch_add(&session->backend->shared->waiting, 1);
    }
    return true;
}

void queue_move(struct path *path, struct tenant_view *view)
{
    struct tenant_shared *shared = view->tenant->shared;
    struct tenant *newest = container_of(shared->versions.previous, struct tenant, siblings);
    if (newest == view->tenant || atomic_load(&shared->queue_length) == 0) {
        return;
    }
    bool moved = false;
    for (struct list *node = view->sessions.next; node != &view->sessions;) {
        struct session *session = container_of(node, struct session, siblings);
        node = node->next; /* before it joins another list */
        if (session->state == SESSION_QUEUED) {
            moved = move_session(path, session, &newest->views[path->worker]) || moved;
        }
    }
    if (moved) {
        session_retire_view(view); /* when they were its last */
    }
}

static void arm_all(struct path *path, struct waiting_room *room, struct list *list)
{
    for (struct list *node = list->next; node != list; node = node->next) {
        if (node != &room->mark) {
            session_arm(path, session_at(node));
        }
    }
}

void queue_refresh(struct path *path, struct tenant *version)
{
    struct waiting_room *room = &version->shared->locals[path->worker].room;
    arm_all(path, room, &room->waiting);
    arm_all(path, room, &room->held);
    queue_wake(path, version);
}

/* ---- Clients that leave ---- */

void queue_event(struct path *path, struct session *session, uint32_t events)
{
    if (session_client_left(session, events)) {
        session_close(path, session, (struct session_end){.reason = SLUICE_REASON_CLIENT_ABORT, .phase = PHASE_QUEUE});
    }
}
