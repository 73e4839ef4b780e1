/* SPDX-License-Identifier: MIT
 * Connecting to endpoints. Called by session.c on the worker's thread. */
#include "path/connector.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "path/listener.h"
#include "path/queue.h"
#include "path/relay.h"
#include "sys/clock.h"

/* A connect that the loop reports within this time was not across a network. */
#define QUICK_CONNECT_NS UINT64_C(100000)

static struct endpoint_cell *endpoint_cell(const struct path *path, const struct session *session)
{
    return &session->endpoint->shared->cells[path->worker];
}

static void connected(struct path *path, struct session *session)
{
    struct tenant_cell *cell = &session->view->tenant->shared->cells[path->worker];
    /* Read anew, as at the start of the first attempt: on one machine a connect takes less than a turn. */
    uint64_t now_ns = clock_now_ns();
    uint64_t connect_us = (now_ns - session->connect_ns) / NS_PER_US;
    session->connected = true;
    session->connect_ns = now_ns;
    session->connect_us = connect_us < UINT32_MAX ? (uint32_t)connect_us : UINT32_MAX;
    session->last_active_ns = path->now_ns;
    session->side[ENDPOINT].writable = true;
    balance_note_connect(&session->endpoint->shared->signals, connect_us * NS_PER_US, path->now_ns);
    stats_add(&endpoint_cell(path, session)->sessions_total, 1);
    stats_add(&cell->connect_us_sum, connect_us);
    stats_add(&cell->connect_bucket[stats_bucket(connect_us)], 1);
    session_set_state(session, SESSION_RELAYING);
    session_arm(path, session);
    const struct direction *up = &session->direction[UP];
    if (session->side[CLIENT].readable || up->source_ended || up->held != NULL || session->side[ENDPOINT].aborted) {
        session_make_ready(path, session); /* no event need come for what is here already */
    }
}

/* This attempt has failed; the endpoint's place and the socket are given back. */
static void abandon_attempt(struct path *path, struct session *session, enum sluice_reason reason)
{
    struct side *side = &session->side[ENDPOINT];
    stats_add(&endpoint_cell(path, session)->connect_failures, 1);
    session_release_endpoint(path, session);
    if (side->fd != -1) {
        close(side->fd);
        path->fds--;
    }
    *side = (struct side){.fd = -1};
    session->reason = (uint8_t)reason;
}

static void give_up(struct path *path, struct session *session, enum sluice_reason reason)
{
    session_close(path, session, (struct session_end){.reason = reason, .phase = PHASE_CONNECT});
}

/* The same for each client address, at every worker and in every process. */
static uint64_t client_hash(const struct session *session)
{
    uint64_t words[2];
    memcpy(words, session->client_ip, sizeof(words));
    return words[0] ^ (words[1] * UINT64_C(0x9e3779b97f4a7c15) + session->client_family);
}

static uint32_t choose(struct path *path, const struct session *session)
{
    struct balance_request request = {
        .now_ns = path->now_ns,
        .tried = session->tried,
        .client_hash = client_hash(session),
        .random = path_random(path),
    };
    return balance_choose(&session->backend->pool, &request);
}

enum attempt {
    ATTEMPT_PENDING,   /* the connect is under way, or done */
    ATTEMPT_FAILED,    /* at once; another endpoint may do */
    ATTEMPT_EXHAUSTED, /* this worker has no fd for it */
};

/* Starts one connect to the session's endpoint. */
static enum attempt attempt(struct path *path, struct session *session, bool *done)
{
    struct side *side = &session->side[ENDPOINT];
    const struct net_address *address = &session->endpoint->shared->address;
    int result = net_connect(address, &side->fd, done);
    if (result == -EMFILE || result == -ENFILE) {
        return ATTEMPT_EXHAUSTED;
    }
    if (result != 0) {
        return ATTEMPT_FAILED;
    }
    path->fds++;
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
        if (session->direction[UP].held == NULL && session->side[CLIENT].readable) {
            done = relay_early_data(path, session);
        }
        if (session->state == SESSION_CLOSED) {
            return ATTEMPT_PENDING;
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

static void try_endpoints(struct path *path, struct session *session)
{
    while (session->attempts < session->backend->attempts) {
        uint32_t index = queue_is_ahead(session) ? BALANCE_NONE : choose(path, session);
        if (index == BALANCE_NONE) {
            break;
        }
        session->endpoint = &session->backend->endpoints[index];
        session->counted_endpoint = true;
        session->tried |= balance_tried_bit(index);
        session->attempts++;
        /* The turn may have begun a while ago: the first attempt must not lose that of its time. */
        session->last_active_ns = session->attempts == 1 ? session->connect_ns : path->now_ns;
        if (session->attempts > 1) {
            stats_add(&session->view->tenant->shared->cells[path->worker].retries_total, 1);
        }
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
        abandon_attempt(path, session, SLUICE_REASON_CONNECT_REFUSED);
    }
    if (session->attempts > 0) {
        give_up(path, session, (enum sluice_reason)session->reason);
    } else if (balance_in_use(&session->backend->pool, path->now_ns)) {
        session_turn_away(path, session, SLUICE_REASON_NO_ENDPOINT); /* all are full: it may wait for a place */
    } else {
        give_up(path, session, SLUICE_REASON_NO_ENDPOINT);
    }
}

void connector_start(struct path *path, struct session *session)
{
    session_set_state(session, SESSION_CONNECTING);
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
        if (gone) {
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
        abandon_attempt(path, session, unanswered ? SLUICE_REASON_CONNECT_TIMEOUT : SLUICE_REASON_CONNECT_REFUSED);
        try_endpoints(path, session);
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
    abandon_attempt(path, session, SLUICE_REASON_CONNECT_TIMEOUT);
    try_endpoints(path, session);
}
