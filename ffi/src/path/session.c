/* SPDX-License-Identifier: MIT
 * The life of a session: admission, states, events, the end. The only place where sessions are made and freed. */
#include "path/session.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "path/admit.h"
#include "path/connector.h"
#include "path/listener.h"
#include "path/meter.h"
#include "path/mirror.h"
#include "path/outcome.h"
#include "path/preread.h"
#include "path/queue.h"
#include "path/relay.h"
#include "path/throttle.h"
#include "policy/limit.h"

/* ---- States: the edges of the drawing in session.h ---- */

static const uint8_t allowed[SESSION_STATES] = {
    [SESSION_ACCEPTED] = 1u << SESSION_READING | 1u << SESSION_QUEUED | 1u << SESSION_CONNECTING | 1u << SESSION_CLOSED,
    [SESSION_READING] = 1u << SESSION_QUEUED | 1u << SESSION_CONNECTING | 1u << SESSION_CLOSED,
    [SESSION_QUEUED] = 1u << SESSION_CONNECTING | 1u << SESSION_CLOSED,
    [SESSION_CONNECTING] = 1u << SESSION_QUEUED | 1u << SESSION_DELAYED | 1u << SESSION_RELAYING | 1u << SESSION_CLOSED,
    [SESSION_DELAYED] = 1u << SESSION_CONNECTING | 1u << SESSION_CLOSED,
    [SESSION_RELAYING] = 1u << SESSION_LINGERING | 1u << SESSION_CLOSED,
    [SESSION_LINGERING] = 1u << SESSION_CLOSED,
    [SESSION_CLOSED] = 0,
};

void session_set_state(struct session *session, enum session_state state)
{
    SLUICE_ASSERT((allowed[session->state] & 1u << state) != 0);
    session->state = (uint8_t)state;
}

enum reason_phase session_phase(const struct session *session)
{
    switch (session->state) {
    case SESSION_ACCEPTED:
    case SESSION_READING:
        return PHASE_ROUTE;
    case SESSION_QUEUED:
        return PHASE_QUEUE;
    case SESSION_CONNECTING:
    case SESSION_DELAYED:
        return PHASE_CONNECT;
    default:
        return session->direction[UP].ended || session->direction[DOWN].ended ? PHASE_LAST : PHASE_DATA;
    }
}

/* ---- The beginning ---- */

/* ULID: 48 bits of Unix time in ms, 80 random bits, big-endian. */
static void make_id(struct path *path, uint8_t id[static 16])
{
    uint64_t time_ms = path_unix_ms(path);
    uint64_t low = path_random(path);
    uint64_t high = time_ms << 16 | (path_random(path) & 0xffff);
    for (unsigned i = 0; i < 8; i++) {
        id[i] = (uint8_t)(high >> (56 - 8 * i));
        id[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
}

void session_set_client(struct session *session, uint32_t family, const uint8_t ip[static 16], uint16_t port)
{
    static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool mapped = family == SLUICE_FAMILY_IPV6 && memcmp(ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
    session->client_family = (uint8_t)(mapped ? SLUICE_FAMILY_IPV4 : family);
    session->client_port = port;
    memset(session->client_ip, 0, sizeof(session->client_ip));
    memcpy(session->client_ip, mapped ? ip + 12 : ip, session->client_family == SLUICE_FAMILY_IPV4 ? 4 : 16);
}

static void set_peer(struct session *session, const struct net_address *peer)
{
    uint8_t ip[16] = {0};
    uint32_t family = SLUICE_FAMILY_UNIX;
    if (peer->any.sa_family == AF_INET) {
        family = SLUICE_FAMILY_IPV4;
        memcpy(ip, &peer->ipv4.sin_addr, 4);
    } else if (peer->any.sa_family == AF_INET6) {
        family = SLUICE_FAMILY_IPV6;
        memcpy(ip, peer->ipv6.sin6_addr.s6_addr, 16);
    }
    session_set_client(session, family, ip, net_address_port(peer));
}

uint64_t session_client_hash(const struct session *session)
{
    uint64_t words[2];
    memcpy(words, session->client_ip, sizeof(words));
    return words[0] ^ (words[1] * UINT64_C(0x9e3779b97f4a7c15) + session->client_family);
}

bool session_client_left(const struct session *session, uint32_t events)
{
    const struct side *side = &session->side[CLIENT];
    if ((events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && !side->local)) {
        return true;
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP)) == 0 || session->direction[UP].held != NULL) {
        return false;
    }
    uint8_t byte;
    ssize_t count = recv(side->fd, &byte, 1, MSG_PEEK);
    return count == 0 || (count < 0 && errno != EAGAIN);
}

bool session_watch(struct path *path, struct session *session, enum session_side which, bool out)
{
    struct side *side = &session->side[which];
    if (side->watched) {
        return true;
    }
    uint64_t token = token_session(session->index, session->generation, which == ENDPOINT);
    side->watched = true;
    side->watched_out = out;
    return loop_add(&path->loop, side->fd, SESSION_EVENTS | (out ? EPOLLOUT : 0u), token) == 0;
}

void session_proceed(struct path *path, struct session *session)
{
    bool routed = session->meter != NULL && session->meter->route != NULL;
    session->backend = routed ? session->meter->route->backend : session->listener->backend;
    connector_start(path, session);
}

void session_turn_away(struct path *path, struct session *session, enum sluice_reason reason)
{
    uint32_t on_limit = tenant_limits(session->view->tenant->shared)->settings.on_limit;
    enum reason_phase phase = session_phase(session);
    if (on_limit == SLUICE_ON_LIMIT_QUEUE && (admit_can_wait(reason) || reason == SLUICE_REASON_NO_ENDPOINT)) {
        if (queue_join(path, session, &reason)) {
            return;
        }
        phase = PHASE_QUEUE;
    }
    bool reset = on_limit == SLUICE_ON_LIMIT_RESET && reason != SLUICE_REASON_NO_ENDPOINT;
    session_close(path, session, (struct session_end){.reason = reason, .phase = phase, .reset_client = reset});
}

void session_start(struct path *path, struct tenant_view *view, const struct listener *listener, int fd,
                   const struct net_address *peer)
{
    uint32_t index;
    uint32_t generation;
    struct session *session = slab_take(&path->sessions, &index, &generation);
    if (session == NULL) {
        path->memory_short_ns = path->now_ns;
        close(fd); /* no memory even for a record of it */
        return;
    }
    path->fds++;
    session->index = index;
    session->generation = generation;
    session->side[CLIENT] = (struct side){.fd = fd, .writable = true, .nodelay = true};
    session->side[CLIENT].local = peer->any.sa_family == AF_UNIX;
    session->side[CLIENT].exact = session->side[CLIENT].local;
    if (session->side[CLIENT].local) {
        net_set_urgent_inline(fd); /* on TCP the listener's option is inherited */
    }
    session->side[ENDPOINT].fd = -1;
    session->accepted_ns = path->now_ns;
    session->last_active_ns = path->now_ns;
    session->view = view;
    session->listener = listener;
    timer_init(&session->timer);
    list_init(&session->ready);
    list_append(&view->sessions, &session->siblings);
    view->session_count++;
    make_id(path, session->id);
    set_peer(session, peer);
    if (!view->tenant->is_shared) {
        stats_add(&view->tenant->shared->cells[path->worker].sessions_total, 1);
    }
    stats_add(&listener->shared->cells[path->worker].sessions_total, 1);
    stats_add(&path->cell->sessions_active, 1);

    view->tenant->shared->locals[path->worker].sessions++;

    if (unlikely(preread_wanted(listener))) {
        preread_start(path, session);
    } else {
        session_enter(path, session);
    }
}

void session_enter(struct path *path, struct session *session)
{
    enum sluice_reason refusal = admit(path, session, true);
    if (refusal != SLUICE_REASON_OK) {
        session_turn_away(path, session, refusal);
    } else {
        session_proceed(path, session);
    }
}

/* ---- Events ---- */

static void note_events(struct side *side, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        side->readable = true;
    }
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
        side->writable = true; /* an error is reported by the write */
    }
    if (events & EPOLLRDHUP) {
        side->read_closed = true;
    }
    if (events & EPOLLERR) {
        side->exact = true; /* the error comes after the bytes */
    }
    if ((events & EPOLLPRI) && !side->exact) {
        side->exact = true; /* a read stops at urgent data */
        net_set_urgent_inline(side->fd);
    }
}

void session_event(struct path *path, uint64_t token, uint32_t events)
{
    enum session_side which = token_kind(token) == TOKEN_ENDPOINT ? ENDPOINT : CLIENT;
    struct session *session = slab_get(&path->sessions, token_index(token), token_generation(token));
    if (session == NULL || session->state == SESSION_CLOSED) {
        return; /* closed by an earlier event of this batch */
    }
    note_events(&session->side[which], events);
    if ((events & EPOLLERR) && session->direction[which].source_ended) {
        /* No read will find the error any more, and perhaps no write: ask for it. */
        int error = -net_take_error(session->side[which].fd);
        if (error != 0) {
            relay_side_failed(session, which, error);
        }
    }
    if (session->state == SESSION_CONNECTING || session->state == SESSION_DELAYED) {
        connector_event(path, session, which, events);
    } else if (session->state == SESSION_QUEUED) {
        queue_event(path, session, events);
    } else if (session->state == SESSION_READING) {
        preread_run(path, session);
    }
    session_resume(path, session);
}

void session_resume(struct path *path, struct session *session)
{
    switch (session->state) {
    case SESSION_RELAYING:
        relay_run(path, session);
        break;
    case SESSION_LINGERING:
        relay_linger(path, session);
        break;
    default:
        break;
    }
}

void session_make_ready(struct path *path, struct session *session)
{
    if (list_empty(&session->ready)) {
        list_append(&path->ready, &session->ready);
    }
}

/* ---- The end ---- */

void session_release_endpoint(struct path *path, struct session *session)
{
    if (session->counted_endpoint) {
        limit_give(&session->endpoint->shared->signals.active);
        session->counted_endpoint = false;
        queue_wake(path, session->view->tenant);
    }
}

void session_retire_view(struct tenant_view *view)
{
    if (!view->current && view->session_count == 0) {
        tenant_unpin(view->tenant);
    }
}

/* Closes one side. A session that is ended for it, and not by it, may have bytes of its peer unread; a plain close
 * would answer those with a reset, which could overtake what the peer has still to read. */
static void close_side(struct path *path, struct side *side, bool reset, bool by_us)
{
    if (side->fd == -1) {
        return;
    }
    if (reset) {
        net_close_reset(side->fd);
    } else if (by_us && !side->aborted) {
        net_close_clean(side->fd);
    } else {
        close(side->fd);
    }
    side->fd = -1;
    path->fds--;
}

static void close_sides(struct path *path, struct session *session, struct session_end end)
{
    bool by_us = end.reason != SLUICE_REASON_OK;
    close_side(path, &session->side[CLIENT], end.reset_client, by_us);
    close_side(path, &session->side[ENDPOINT], end.reset_endpoint, by_us);
}

static void count_end(struct path *path, const struct session *session, enum sluice_reason reason, uint32_t code)
{
    struct tenant_cell *cell = &session->view->tenant->shared->cells[path->worker];
    uint64_t duration_us = (path->now_ns - session->accepted_ns) / 1000u;
    bool by_choice =
        reason == SLUICE_REASON_CLIENT_ABORT || reason == SLUICE_REASON_DRAINED || reason == SLUICE_REASON_KILLED;
    if (!session->connected && !by_choice) {
        admit_note_refusal(path, session->view->tenant->shared, reason, false);
    }
    if (session->view->tenant->is_shared) {
        stats_add(&cell->sessions_total, 1); /* of those that no tenant has had */
    }
    stats_add(&cell->closed[code], 1);
    stats_add(&cell->session_us_sum, duration_us);
    stats_add(&cell->session_bucket[stats_bucket(duration_us)], 1);
    stats_add(&path->cell->sessions_active, UINT64_MAX); /* one less */
}

void session_close(struct path *path, struct session *session, struct session_end end)
{
    uint32_t code = reason_code(end.reason, end.phase, end.endpoint_side);
    struct tenant_view *view = session->view;

    queue_leave(path, session);
    session_set_state(session, SESSION_CLOSED);
    session_log(path, session, SLUICE_LOG_SESSION, end.reason, code);
    count_end(path, session, end.reason, code);
    if (!session->connected && session->backend != NULL) {
        outcome_end(path, session, end.reason);
    }
    throttle_drop(path, session);
    relay_drop(path, session, UP);
    relay_drop(path, session, DOWN);
    close_sides(path, session, end);

    if (session->counted_endpoint) {
        limit_give(&session->endpoint->shared->signals.active);
    }
    admit_undo(path, session);
    view->tenant->shared->locals[path->worker].sessions--;
    queue_wake(path, view->tenant); /* all is given back: others may have it */
    preread_leave(session);
    if (unlikely(session->mirrored)) {
        mirror_leave(path, session);
    }
    meter_free(path, session);
    timer_wheel_cancel(&path->wheel, &session->timer);
    list_remove(&session->siblings);
    view->session_count--;
    session_retire_view(view);
    session->view = NULL;
    session->listener = NULL;
    session->backend = NULL;
    session->endpoint = NULL;
    list_remove(&session->ready);
    list_append(&path->dead, &session->ready);
}

void session_free_dead(struct path *path)
{
    while (!list_empty(&path->dead)) {
        struct session *session = container_of(path->dead.next, struct session, ready);
        list_remove(&session->ready);
        slab_give(&path->sessions, session->index);
    }
}

/* ---- Drain and kill ---- */

void session_drain(struct path *path, struct session *session, uint64_t grace_ms)
{
    uint64_t at_ms = add_saturating_u64(path->now_ms, grace_ms);
    if (session->drain_at_ms == 0 || at_ms < session->drain_at_ms) {
        session->drain_at_ms = at_ms;
        session_arm(path, session);
    }
}

void session_drain_view(struct path *path, struct tenant_view *view, bool all, uint64_t grace_ms)
{
    for (struct list *node = view->sessions.next; node != &view->sessions; node = node->next) {
        struct session *session = container_of(node, struct session, siblings);
        if (all || session->listener->gone || (session->backend != NULL && session->backend->gone)) {
            session_drain(path, session, grace_ms);
        }
        if (unlikely(session->mirrored) && (all || view->tenant->mirror->gone)) {
            mirror_cut(path, session);
        }
    }
}

void session_drain_all(struct path *path, uint64_t grace_ms)
{
    uint32_t index = 0;
    for (struct session *session; (session = slab_next(&path->sessions, &index)) != NULL; index++) {
        if (session->state != SESSION_CLOSED) {
            session_drain(path, session, grace_ms);
        }
    }
}

void session_close_all(struct path *path, enum sluice_reason reason)
{
    uint32_t index = 0;
    for (struct session *session; (session = slab_next(&path->sessions, &index)) != NULL; index++) {
        if (session->state != SESSION_CLOSED) {
            session_close(path, session, (struct session_end){.reason = reason, .phase = session_phase(session)});
        }
    }
}
