/* SPDX-License-Identifier: MIT
 * PROXY header, ClientHello, and the route that follows. Called by session.c on the worker's thread. */
#include "path/preread.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "path/admit.h"
#include "path/meter.h"
#include "path/session_text.h"
#include "policy/client_hello.h"
#include "policy/proxy_protocol.h"

/* Looked at in one go: a header and a hello of the greatest length. */
#define PEEK_BYTES (PROXY_HEADER_MOST_BYTES + CLIENT_HELLO_MOST_BYTES)
_Static_assert(PEEK_BYTES + PROXY_HEADER_MOST_BYTES <= PATH_SCRATCH_BYTES, "what is taken out lands behind it");

static void refuse(struct path *path, struct session *session, enum sluice_reason reason)
{
    session_close(path, session, (struct session_end){.reason = reason, .phase = PHASE_ROUTE});
}

/* ---- The PROXY header ---- */

/* Who may say whose connection it is: by the address of the socket; the mode of a unix socket's file has let it in. */
static bool is_trusted(const struct session *session)
{
    return session->side[CLIENT].local ||
           prefix_set_has(&session->listener->trusted, session->client_family, session->client_ip);
}

/* Takes the header out of the stream. */
static bool take(struct path *path, struct session *session, uint32_t length)
{
    uint8_t *behind = path->scratch + PEEK_BYTES;
    while (length > 0) {
        ssize_t count = recv(session->side[CLIENT].fd, behind, length, 0);
        if (count <= 0) {
            return false; /* it was there a moment ago */
        }
        length -= (uint32_t)count;
    }
    return true;
}

static void set_addresses(struct session *session, const struct proxy_header *header)
{
    struct session_meter *meter = session->meter;
    session_set_client(session, header->family, header->source_ip, header->source_port);
    meter->destination_family = header->family;
    meter->destination_port = header->destination_port;
    memcpy(meter->destination_ip, header->destination_ip, sizeof(meter->destination_ip));
}

/* Reads the header at the start of what was peeked at. Its bytes, 0 when it is not whole, or -1 when the session is
 * closed. */
static int32_t read_header(struct path *path, struct session *session, uint32_t length)
{
    struct proxy_header header;
    switch (proxy_header_read(path->scratch, length, &header)) {
    case PROXY_HEADER_MORE:
        return 0;
    case PROXY_HEADER_BAD:
        refuse(path, session, SLUICE_REASON_BAD_PROXY_HEADER);
        return -1;
    default:
        break;
    }
    if (!take(path, session, header.length)) {
        refuse(path, session, SLUICE_REASON_CLIENT_ABORT);
        return -1;
    }
    if (!header.local) {
        set_addresses(session, &header);
    }
    session->meter->header_read = true;
    session->meter->read_since_ns = path->now_ns;
    return (int32_t)header.length;
}

/* ---- The route ---- */

/* The session is a tenant's from now on. The holder's version stays with it, for its listener. */
static void move_to(struct path *path, struct session *session, const struct route *route)
{
    struct tenant_view *holder = session->view;
    struct tenant_view *view = &route->tenant->views[path->worker];
    struct tenant_shared *shared = route->tenant->shared;
    admit_leave_holder(session);
    session->meter->entry = holder;
    session->meter->route = route;
    list_remove(&session->siblings);
    list_append(&view->sessions, &session->siblings);
    view->session_count++;
    session->view = view;
    holder->tenant->shared->locals[path->worker].sessions--;
    shared->locals[path->worker].sessions++;
    stats_add(&shared->cells[path->worker].sessions_total, 1);
}

/* Finds the route; false when the session is closed for want of one. */
static bool find_route(struct path *path, struct session *session, const struct client_hello *hello)
{
    const struct route_request request = {
        .listener = session->listener->id,
        .family = session->client_family,
        .ip = session->client_ip,
        .hello = hello,
    };
    if (hello != NULL) {
        session->meter->text = session_text_new(path, hello);
    }
    const struct route_rule *rule = route_find(path->process->routes, &request);
    if (rule == NULL) {
        refuse(path, session, SLUICE_REASON_NO_ROUTE);
        return false;
    }
    move_to(path, session, container_of(rule, const struct route, rule));
    return true;
}

enum reading {
    READING_MORE,
    READING_DONE,
    READING_CLOSED,
};

static enum reading read_route(struct path *path, struct session *session, const uint8_t *bytes, uint32_t length)
{
    const struct client_hello *hello = NULL;
    if (session->listener->detects_tls) {
        path->hello.progress = session->meter->hello;
        enum client_hello_result result = client_hello_read(bytes, length, &path->hello);
        session->meter->hello = path->hello.progress;
        if (result == CLIENT_HELLO_MORE) {
            return READING_MORE;
        }
        if (result == CLIENT_HELLO_BAD) {
            refuse(path, session, SLUICE_REASON_BAD_CLIENT_HELLO);
            return READING_CLOSED;
        }
        hello = result == CLIENT_HELLO_DONE ? &path->hello : NULL;
    }
    return find_route(path, session, hello) ? READING_DONE : READING_CLOSED;
}

/* ---- The whole ---- */

/* One look at what has arrived; `length` bytes of it, which may be none. */
static enum reading look(struct path *path, struct session *session, uint32_t length)
{
    const uint8_t *bytes = path->scratch;
    if (session->listener->takes_proxy_header && !session->meter->header_read) {
        int32_t header = length == 0 ? 0 : read_header(path, session, length);
        if (header <= 0) {
            return header == 0 ? READING_MORE : READING_CLOSED;
        }
        bytes += header;
        length -= (uint32_t)header;
    }
    if (session->listener->backend != NULL) {
        return READING_DONE;
    }
    if (length == 0 && session->listener->detects_tls) {
        return READING_MORE;
    }
    return read_route(path, session, bytes, length);
}

/* Whether anything has to arrive before the next step. */
static bool needs_bytes(const struct session *session)
{
    return (session->listener->takes_proxy_header && !session->meter->header_read) || session->listener->detects_tls;
}

void preread_run(struct path *path, struct session *session)
{
    ssize_t count = 0;
    if (needs_bytes(session)) {
        count = recv(session->side[CLIENT].fd, path->scratch, PEEK_BYTES, MSG_PEEK);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
            refuse(path, session, SLUICE_REASON_CLIENT_ABORT);
            return;
        }
    }
    switch (count < 0 ? READING_MORE : look(path, session, (uint32_t)count)) {
    case READING_DONE:
        session_enter(path, session);
        break;
    case READING_MORE:
        if (session->side[CLIENT].read_closed) {
            refuse(path, session, SLUICE_REASON_CLIENT_ABORT); /* the rest will not come */
        } else {
            session_arm(path, session);
        }
        break;
    default:
        break;
    }
}

void preread_start(struct path *path, struct session *session)
{
    session_set_state(session, SESSION_READING);
    enum sluice_reason refusal = admit_arrival(path, session);
    if (refusal == SLUICE_REASON_OK && meter_of(path, session) == NULL) {
        refusal = SLUICE_REASON_MEMORY;
    }
    if (refusal == SLUICE_REASON_OK && session->listener->takes_proxy_header && !is_trusted(session)) {
        refusal = SLUICE_REASON_BAD_PROXY_HEADER;
    }
    if (refusal != SLUICE_REASON_OK) {
        refuse(path, session, refusal);
        return;
    }
    session->meter->read_since_ns = path->now_ns;
    preread_run(path, session);
    if (session->state == SESSION_READING && !session_watch(path, session, CLIENT, false)) {
        refuse(path, session, SLUICE_REASON_MEMORY);
    }
}

uint64_t preread_timeout(const struct session *session, uint64_t *since_ns)
{
    const struct listener *listener = session->listener;
    *since_ns = session->meter->read_since_ns;
    bool header = listener->takes_proxy_header && !session->meter->header_read;
    return header ? listener->proxy_timeout_ms : listener->detect_timeout_ms;
}

/* ---- The holder's version ---- */

void preread_drain(struct path *path, const struct tenant_view *holder, uint64_t grace_ms)
{
    uint32_t index = 0;
    bool gone = false;
    for (uint32_t i = 0; i < holder->tenant->listener_count; i++) {
        gone = gone || holder->tenant->listeners[i].gone;
    }
    if (!gone || holder->session_count == 0) {
        return;
    }
    for (struct session *session; (session = slab_next(&path->sessions, &index)) != NULL; index++) {
        bool entered = session->state != SESSION_CLOSED && session->meter != NULL && session->meter->entry == holder;
        if (entered && session->listener->gone) {
            session_drain(path, session, grace_ms);
        }
    }
}

void preread_leave(struct session *session)
{
    struct tenant_view *holder = session->meter != NULL ? session->meter->entry : NULL;
    if (holder != NULL) {
        session->meter->entry = NULL;
        holder->session_count--;
        session_retire_view(holder);
    }
}
