/* SPDX-License-Identifier: MIT
 * Connecting to endpoints. Called by session.c on the worker's thread. */
#include "path/connector.h"

#include <errno.h>
#include <unistd.h>

#include "path/fault.h"
#include "path/listener.h"
#include "path/mirror.h"
#include "path/outcome.h"
#include "path/preconnect.h"
#include "path/proxy_out.h"
#include "path/queue.h"
#include "path/relay.h"
#include "path/split.h"
#include "sys/clock.h"

/* A connect that the loop reports within this time was not across a network. */
#define QUICK_CONNECT_NS UINT64_C(100000)

#define LONGEST_PAUSE 10u /* times the backend's backoff */

static struct endpoint_cell *endpoint_cell(const struct path *path, const struct session *session)
{
    return &session->endpoint->shared->cells[path->worker];
}

static void connected(struct path *path, struct session *session)
{
    /* Read anew, as at the start of the first attempt: on one machine a connect takes less than a turn. */
    uint64_t now_ns = clock_now_ns();
    uint64_t connect_us = (now_ns - session->connect_ns) / NS_PER_US;
    /* What is not this endpoint's: attempts before this one, and pauses. */
    uint64_t took_ns = now_ns - (session->attempts > 1 ? session->last_active_ns : session->connect_ns);
    session->connected = true;
    session->connect_ns = now_ns;
    session->connect_us = connect_us < UINT32_MAX ? (uint32_t)connect_us : UINT32_MAX;
    session->last_active_ns = path->now_ns;
    session->side[ENDPOINT].writable = true;
    if (likely(!session->preconnected)) {
        balance_note_connect(&session->endpoint->shared->signals, took_ns, path->now_ns);
    }
    stats_add(&endpoint_cell(path, session)->sessions_total, 1);
    outcome_connected(path, session);
    session_set_state(session, SESSION_RELAYING);
    if (unlikely(session->mirrored)) {
        mirror_begin(path, session);
    }
    session_arm(path, session);
    const struct direction *up = &session->direction[UP];
    if (session->side[CLIENT].readable || up->source_ended || up->held != NULL || session->side[ENDPOINT].aborted ||
        session->header_due || session->to_be_reset) {
        session_make_ready(path, session); /* no event need come for what is here already */
    }
}

/* The endpoint's place and the socket are given back; `reason` is the session's if nothing follows. */
static void end_attempt(struct path *path, struct session *session, enum sluice_reason reason)
{
    struct side *side = &session->side[ENDPOINT];
    session_release_endpoint(path, session);
    if (side->fd != -1) {
        close(side->fd);
        path->fds--;
    }
    *side = (struct side){.fd = -1};
    session->reason = (uint8_t)reason;
}

static void fail_attempt(struct path *path, struct session *session, enum sluice_reason reason)
{
    stats_add(&endpoint_cell(path, session)->connect_failures, 1);
    outcome_attempt_failed(path, session);
    end_attempt(path, session, reason);
}

static void give_up(struct path *path, struct session *session, enum sluice_reason reason)
{
    session_close(path, session, (struct session_end){.reason = reason, .phase = PHASE_CONNECT});
}

static uint32_t choose(struct path *path, const struct session *session)
{
    struct balance_request request = {
        .now_ns = path->now_ns,
        .tried = session->tried,
        .client_hash = session_client_hash(session),
        .random = path_random(path),
    };
    return balance_choose(&session->backend->pool, &request);
}

enum attempt {
    ATTEMPT_PENDING,   /* the connect is under way, or done */
    ATTEMPT_FAILED,    /* at once; another endpoint may do */
    ATTEMPT_EXHAUSTED, /* this worker has no fd for it */
};

/* Starts one connect to the session's endpoint, or takes a connection ahead. */
static enum attempt attempt(struct path *path, struct session *session, bool *done)
{
    struct side *side = &session->side[ENDPOINT];
    const struct net_address *address = &session->endpoint->shared->address;
    if (unlikely(endpoint_cell(path, session)->preconnects != NULL) && preconnect_take(path, session)) {
        session->preconnected = true;
        *done = true;
    } else {
        int result = net_connect(address, &session->backend->source_address, &side->fd, done);
        if (result == -EMFILE || result == -ENFILE) {
            return ATTEMPT_EXHAUSTED;
        }
        if (result != 0) {
            return ATTEMPT_FAILED;
        }
        path->fds++;
    }
    side->local = net_is_unix(address);
    side->exact = side->local;
    side->nodelay = side->local;
    if (side->local) {
        net_set_urgent_inline(side->fd); /* on TCP when there is some: a read stops in front of it */
    }
    side->writable = true; /* worth a try: on this machine the connection stands already */
    return ATTEMPT_PENDING;
}

/* Whether an error means that the connection stood before it broke: then the endpoint answered, and is not "down". A
 * refused connect says ECONNREFUSED; a reset after the accept does not. */
static bool broke_after_connect(int error)
{
    return error == ECONNRESET || error == EPIPE;
}

/* Sends what the client has sent already, where connects are quick enough for that to make sense, and registers the
 * endpoint. */
static enum attempt follow_up(struct path *path, struct session *session, bool done)
{
    struct side *side = &session->side[ENDPOINT];
    struct endpoint_cell *cell = endpoint_cell(path, session);
    if (!done && stats_get(&cell->connects_slowly) == 0) {
        /* A mirror must have these bytes, too, and begins with the connection. */
        if (session->direction[UP].held == NULL && session->side[CLIENT].readable && !session->mirrored) {
            done = relay_early_data(path, session);
        }
        if (session->state == SESSION_CLOSED) {
            return ATTEMPT_PENDING;
        }
        if (unlikely(session->header_due) && session->direction[UP].held == NULL) {
            done = relay_header(path, session) || session->header_sent > 0; /* a server may speak first */
        }
        if (side->aborted && !broke_after_connect(side->error)) {
            return ATTEMPT_FAILED;
        }
        done = done || side->aborted;
        if (!side->writable) {
            atomic_store_explicit(&cell->connects_slowly, 1, memory_order_relaxed);
        }
    }
    if (done) {
        connected(path, session);
    }
    if (!session_watch(path, session, ENDPOINT, !done || !side->writable)) {
        give_up(path, session, SLUICE_REASON_MEMORY);
    }
    return ATTEMPT_PENDING;
}

/* Until the next attempt: doubled for each one that failed, and a random part up to half of it less, so that sessions
 * that failed together do not come again together. */
static uint64_t pause_ns(struct path *path, const struct session *session)
{
    uint64_t times = session->attempts <= 4 ? UINT64_C(1) << (session->attempts - 1) : LONGEST_PAUSE;
    uint64_t longest_ns = mul_saturating_u64(mul_saturating_u64(session->backend->backoff_ms, NS_PER_MS), times);
    return longest_ns - (uint64_t)((unsigned __int128)(longest_ns / 2) * path_random(path) >> 64);
}

/* An attempt has failed. True when the next one follows at once; else the session pauses before it, or has ended. */
static bool goes_on(struct path *path, struct session *session)
{
    if (!outcome_may_retry(path, session)) {
        give_up(path, session, (enum sluice_reason)session->reason);
        return false;
    }
    if (session->backend->backoff_ms == 0) {
        return true;
    }
    const struct side *client = &session->side[CLIENT];
    bool ended = client->read_closed || session->direction[UP].source_ended;
    if (client->aborted || session_client_left(session, ended ? EPOLLRDHUP : 0)) {
        give_up(path, session, SLUICE_REASON_CLIENT_ABORT);
        return false;
    }
    session->pausing = true;
    session->last_active_ns = add_saturating_u64(path->now_ns, pause_ns(path, session));
    session_arm(path, session);
    return false;
}

/* Nothing to connect to, at first or any more. */
static void end_without_endpoint(struct path *path, struct session *session)
{
    if (session->attempts > 0) {
        give_up(path, session, (enum sluice_reason)session->reason);
    } else if (balance_in_use(&session->backend->pool, path->now_ns)) {
        outcome_wait(path, session);
        session->mirrored = false; /* drawn anew when it goes on, then perhaps on a version without a mirror */
        session_turn_away(path, session, SLUICE_REASON_NO_ENDPOINT); /* all are full: it may wait for a place */
    } else {
        outcome_none_open(path, session);
        give_up(path, session, SLUICE_REASON_NO_ENDPOINT);
    }
}

/* Takes the place at an endpoint that was chosen. */
static void choose_for(struct path *path, struct session *session, uint32_t index)
{
    session->endpoint = &session->backend->endpoints[index];
    session->counted_endpoint = true;
    session->tried |= balance_tried_bit(index);
    session->attempts++;
    /* The turn may have begun a while ago: the first attempt must not lose that of its time. */
    session->last_active_ns = session->attempts == 1 ? session->connect_ns : path->now_ns;
    proxy_out_begin(session);
    outcome_attempt(path, session);
}

static void try_endpoints(struct path *path, struct session *session)
{
    do {
        uint32_t index = queue_is_ahead(session) ? BALANCE_NONE : choose(path, session);
        if (index == BALANCE_NONE) {
            end_without_endpoint(path, session);
            return;
        }
        choose_for(path, session, index);
        bool done = false;
        enum attempt result = attempt(path, session, &done);
        if (result == ATTEMPT_PENDING) {
            result = follow_up(path, session, done);
        }
        if (result == ATTEMPT_PENDING) {
            return;
        }
        if (result == ATTEMPT_EXHAUSTED) {
            listener_out_of_fds(path);
            give_up(path, session, SLUICE_REASON_FD_EXHAUSTED);
            return;
        }
        fail_attempt(path, session, SLUICE_REASON_CONNECT_REFUSED);
    } while (goes_on(path, session));
}

/* Finds the backend's part for the session, where it is split, and passes its circuit breaker. False when the session
 * has ended. */
static bool pass_backend(struct path *path, struct session *session)
{
    if (unlikely(session->backend->splits != NULL)) {
        const struct backend *part = split_choose(path, session, session->backend);
        if (part == NULL) {
            give_up(path, session, SLUICE_REASON_NO_ENDPOINT);
            return false;
        }
        session->backend = part;
    }
    enum sluice_reason refusal = outcome_enter(path, session);
    if (unlikely(refusal != SLUICE_REASON_OK)) {
        give_up(path, session, refusal);
        return false;
    }
    return true;
}

void connector_start(struct path *path, struct session *session)
{
    session_set_state(session, SESSION_CONNECTING);
    if (fault_may_strike(session) && fault_strikes(path, session)) {
        return;
    }
    if (!pass_backend(path, session)) {
        return;
    }
    session->mirrored = mirror_draw(path, session);
    session->connect_ns = clock_now_ns();
    session->side[CLIENT].readable = true; /* worth a try before the loop says so */
    try_endpoints(path, session);
    if (session->state == SESSION_CLOSED || session->state == SESSION_QUEUED) {
        return;
    }
    if (!session_watch(path, session, CLIENT, !session->side[CLIENT].writable)) {
        session_close(path, session, (struct session_end){.reason = SLUICE_REASON_MEMORY, .phase = PHASE_CONNECT});
    } else if (session->side[CLIENT].aborted) {
        give_up(path, session, SLUICE_REASON_CLIENT_ABORT);
    } else if (session->state == SESSION_CONNECTING) {
        session_arm(path, session);
    }
}

void connector_event(struct path *path, struct session *session, enum session_side which, uint32_t events)
{
    if (which == CLIENT) {
        /* A unix socket says HUP for a plain close, too: what was sent before it still goes on. */
        bool gone = (events & EPOLLERR) || ((events & EPOLLHUP) && !session->side[CLIENT].local);
        if (gone || (session->pausing && session_client_left(session, events))) {
            give_up(path, session, SLUICE_REASON_CLIENT_ABORT);
        }
        return; /* its bytes wait in the kernel until there is somewhere to put them */
    }
    struct side *side = &session->side[ENDPOINT];
    if (events & (EPOLLERR | EPOLLHUP)) {
        int error = -net_take_error(side->fd);
        if (error == 0 || broke_after_connect(error)) {
            side->aborted = error != 0;
            connected(path, session);
            return;
        }
        /* The kernel gives up by itself where the connect timeout is longer, or off. */
        bool unanswered = error == ETIMEDOUT;
        fail_attempt(path, session, unanswered ? SLUICE_REASON_CONNECT_TIMEOUT : SLUICE_REASON_CONNECT_REFUSED);
        if (goes_on(path, session)) {
            try_endpoints(path, session);
        }
        return;
    }
    if (events & EPOLLOUT) {
        if (path->now_ns - session->last_active_ns < QUICK_CONNECT_NS) {
            atomic_store_explicit(&endpoint_cell(path, session)->connects_slowly, 0, memory_order_relaxed);
        }
        connected(path, session);
    }
}

void connector_timeout(struct path *path, struct session *session)
{
    if (session->pausing) {
        session->pausing = false;
        try_endpoints(path, session);
        return;
    }
    fail_attempt(path, session, SLUICE_REASON_CONNECT_TIMEOUT);
    if (goes_on(path, session)) {
        try_endpoints(path, session);
    }
}

void connector_endpoint_down(struct path *path, struct session *session)
{
    if (session->pausing) {
        return; /* that endpoint's attempt is over */
    }
    /* No failure of the attempt: it had time left. */
    end_attempt(path, session, SLUICE_REASON_ENDPOINT_DOWN);
    if (goes_on(path, session)) {
        try_endpoints(path, session);
    }
}
