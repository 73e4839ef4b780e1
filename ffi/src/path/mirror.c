/* SPDX-License-Identifier: MIT
 * Mirrors. The only place where they are made and freed. */
#include "path/mirror.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "path/listener.h"
#include "path/meter.h"
#include "path/proxy_out.h"
#include "path/queue.h"
#include "path/split.h"
#include "policy/limit.h"

#define FD_SHARE 8u /* of the file table: so much mirrors have at the most, and leave free at the least */

/* ---- The end ---- */

static void drop_held(struct path *path, struct mirror *mirror)
{
    if (mirror->held != NULL) {
        buffer_pool_give(&path->buffers, mirror->held);
        mirror->held = NULL;
    }
    mirror->held_offset = 0;
    mirror->held_length = 0;
    mirror->held_capacity = 0;
}

/* The session has it no more. */
static void part(struct mirror *mirror)
{
    if (mirror->session != NULL) {
        mirror->session->mirrored = false;
        mirror->session->meter->mirror = NULL;
        mirror->session = NULL;
    }
}

static void give_back_place(struct path *path, struct tenant *version, const struct endpoint *endpoint)
{
    limit_give(&endpoint->shared->signals.active);
    queue_wake(path, version);
}

static void close_mirror(struct path *path, struct mirror *mirror, bool reset)
{
    struct tenant *version = mirror->version;
    const struct endpoint *endpoint = mirror->endpoint;
    part(mirror);
    drop_held(path, mirror);
    list_remove(&mirror->node);
    if (reset) {
        net_close_reset(mirror->fd);
    } else {
        net_close_clean(mirror->fd); /* an answer unread would make a reset of it, before all that was sent is there */
    }
    mirror->fd = -1;
    path->fds--;
    slab_give(&path->mirrors, mirror->index);
    give_back_place(path, version, endpoint);
    tenant_unpin(version); /* the version may go now */
}

/* ---- Sending ---- */

/* Keeps bytes that were not taken. False when there are too many, or no memory. */
static bool keep(struct path *path, struct mirror *mirror, const uint8_t *bytes, uint32_t length)
{
    if (length > MIRROR_HELD_BYTES - mirror->held_length) {
        return false;
    }
    uint32_t total = mirror->held_length + length;
    if (total > mirror->held_capacity) {
        uint32_t capacity;
        uint8_t *larger = buffer_pool_take(&path->buffers, total, &capacity);
        if (larger == NULL) {
            return false;
        }
        uint32_t had = mirror->held_length;
        if (had > 0) {
            memcpy(larger, mirror->held + mirror->held_offset, had);
        }
        drop_held(path, mirror);
        mirror->held = larger;
        mirror->held_length = had;
        mirror->held_capacity = capacity;
    } else if (mirror->held_offset + total > mirror->held_capacity) {
        memmove(mirror->held, mirror->held + mirror->held_offset, mirror->held_length);
        mirror->held_offset = 0;
    }
    memcpy(mirror->held + mirror->held_offset + mirror->held_length, bytes, length);
    mirror->held_length = total;
    return true;
}

/* What the kernel takes of these bytes; false when the mirror is broken. */
static bool pass_on(struct mirror *mirror, const uint8_t *bytes, uint32_t length, uint32_t *taken)
{
    ssize_t sent = send(mirror->fd, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        return false;
    }
    *taken = sent < 0 ? 0 : (uint32_t)sent;
    mirror->connected = mirror->connected || sent > 0;
    mirror->writable = *taken == length;
    return true;
}

/* Sends what is held. False when the mirror is broken. */
static bool flush(struct path *path, struct mirror *mirror)
{
    while (mirror->held_length > 0 && mirror->writable) {
        uint32_t taken;
        if (!pass_on(mirror, mirror->held + mirror->held_offset, mirror->held_length, &taken)) {
            return false;
        }
        mirror->held_offset += taken;
        mirror->held_length -= taken;
    }
    if (mirror->held_length == 0) {
        drop_held(path, mirror);
    }
    return true;
}

/* Asks to be told of what it waits for. */
static bool watch(struct path *path, struct mirror *mirror)
{
    bool blocked = !mirror->connected || !mirror->writable;
    uint32_t events = (mirror->answers_ended ? 0u : EPOLLIN) | (blocked ? EPOLLOUT : 0u);
    if (events == mirror->watched) {
        return true;
    }
    mirror->watched = events;
    return loop_change(&path->loop, mirror->fd, events, token_slot(TOKEN_MIRROR, mirror->index, mirror->generation)) ==
           0;
}

/* Goes on as far as it goes; may close the mirror. */
static void advance(struct path *path, struct mirror *mirror)
{
    if (!flush(path, mirror)) {
        close_mirror(path, mirror, true);
        return;
    }
    /* A shutdown before the connection stands would end the attempt. */
    if (mirror->ends && !mirror->end_passed && mirror->connected && mirror->held == NULL) {
        shutdown(mirror->fd, SHUT_WR);
        mirror->end_passed = true;
    }
    if (mirror->end_passed && mirror->answers_ended) {
        close_mirror(path, mirror, false);
    } else if (!watch(path, mirror)) {
        close_mirror(path, mirror, true);
    }
}

void mirror_feed(struct path *path, struct session *session, const uint8_t *bytes, uint32_t length)
{
    struct mirror *mirror = session->meter->mirror;
    uint32_t taken = 0;
    bool whole = mirror->held != NULL || !mirror->writable || pass_on(mirror, bytes, length, &taken);
    if (!whole || (taken < length && !keep(path, mirror, bytes + taken, length - taken))) {
        close_mirror(path, mirror, true);
    } else {
        advance(path, mirror);
    }
}

void mirror_end(struct path *path, struct session *session)
{
    struct mirror *mirror = session->meter->mirror;
    mirror->ends = true;
    advance(path, mirror);
}

/* ---- The beginning ---- */

/* Whether a mirror more takes nothing that sessions may need. */
static bool has_room(const struct path *path, const struct backend *backend)
{
    bool fds = path->mirrors.in_use < path->fd_limit / FD_SHARE && listener_room(path) >= path->fd_limit / FD_SHARE / 2;
    return fds && atomic_load(&backend->shared->waiting) == 0;
}

/* Starts to connect. NULL, and nothing taken, when that does not work. */
static struct mirror *open_mirror(struct path *path, struct session *session, const struct backend *backend,
                                  const struct endpoint *endpoint)
{
    const struct net_address *address = &endpoint->shared->address;
    uint32_t index;
    uint32_t generation;
    int fd;
    bool connected;
    struct mirror *mirror = slab_take(&path->mirrors, &index, &generation);
    if (mirror == NULL) {
        return NULL;
    }
    if (net_connect(address, &backend->source_address, &fd, &connected) != 0) {
        goto cleanup;
    }
    if (loop_add(&path->loop, fd, EPOLLIN | EPOLLOUT, token_slot(TOKEN_MIRROR, index, generation)) != 0) {
        close(fd);
        goto cleanup;
    }
    *mirror = (struct mirror){
        .session = session,
        .backend = backend,
        .version = session->view->tenant,
        .endpoint = endpoint,
        .watched = EPOLLIN | EPOLLOUT,
        .index = index,
        .generation = generation,
        .fd = fd,
        .local = net_is_unix(address),
        .connected = connected,
        .writable = true, /* worth a try: on this machine the connection stands already */
    };
    list_init(&mirror->node);
    tenant_pin(mirror->version);
    path->fds++;
    if (!mirror->local) {
        net_set_nodelay(fd);
    }
    return mirror;
cleanup:
    slab_give(&path->mirrors, index);
    return NULL;
}

/* A mirror with a place at an endpoint, or NULL. */
static struct mirror *find_place(struct path *path, struct session *session)
{
    const struct backend *backend = session->view->tenant->mirror;
    if (backend->split_count > 0) {
        backend = split_choose(path, session, backend);
    }
    if (backend == NULL || !has_room(path, backend)) {
        return NULL;
    }
    struct balance_request request = {
        .now_ns = path->now_ns,
        .client_hash = session_client_hash(session),
        .random = path_random(path),
    };
    uint32_t index = balance_choose(&backend->pool, &request);
    if (index == BALANCE_NONE) {
        return NULL;
    }
    struct mirror *mirror = open_mirror(path, session, backend, &backend->endpoints[index]);
    if (mirror == NULL) {
        give_back_place(path, session->view->tenant, &backend->endpoints[index]);
    }
    return mirror;
}

void mirror_begin(struct path *path, struct session *session)
{
    struct session_meter *meter = meter_of(path, session);
    struct mirror *mirror = meter == NULL ? NULL : find_place(path, session);
    session->mirrored = mirror != NULL;
    if (mirror == NULL) {
        return;
    }
    meter->mirror = mirror;
    uint8_t header[PROXY_HEADER_WRITE_MOST];
    uint32_t length = proxy_out_header(session, mirror->backend, header);
    if (length > 0) {
        mirror_feed(path, session, header, length);
    }
    if (!session->mirrored) {
        return; /* it broke at once */
    }
    const struct direction *up = &session->direction[UP];
    if (up->held != NULL) {
        mirror_feed(path, session, up->held + up->held_offset, up->held_length);
    }
}

/* ---- Events ---- */

/* Throws away what has arrived, a piece in each turn. False when the mirror is broken. */
static bool discard(struct path *path, struct mirror *mirror)
{
    /* On TCP nothing is copied; a unix socket does not know this. */
    int flags = mirror->local ? 0 : MSG_TRUNC;
    ssize_t count = recv(mirror->fd, path->scratch, PATH_SCRATCH_BYTES, flags);
    mirror->answers_ended = count == 0;
    return count >= 0 || errno == EAGAIN;
}

void mirror_event(struct path *path, uint64_t token, uint32_t events)
{
    struct mirror *mirror = slab_get(&path->mirrors, token_index(token), token_generation(token));
    if (mirror == NULL) {
        return; /* closed earlier in this batch */
    }
    if (events & (EPOLLERR | EPOLLHUP)) {
        close_mirror(path, mirror, (events & EPOLLERR) != 0);
        return;
    }
    if ((events & EPOLLIN) && !discard(path, mirror)) {
        close_mirror(path, mirror, true);
        return;
    }
    if (events & EPOLLOUT) {
        mirror->connected = true;
        mirror->writable = true;
    }
    advance(path, mirror);
}

/* ---- Without its session ---- */

void mirror_leave(struct path *path, struct session *session)
{
    struct mirror *mirror = session->meter == NULL ? NULL : session->meter->mirror;
    session->mirrored = false;
    if (mirror == NULL) {
        return;
    }
    part(mirror);
    mirror->until_ms = path->now_ms + MIRROR_LAST_MS;
    list_append(&path->mirrors_left, &mirror->node);
    if (!timer_armed(&path->mirror_expiry)) {
        timer_wheel_arm(&path->wheel, &path->mirror_expiry, mirror->until_ms);
    }
    mirror->ends = true;
    advance(path, mirror);
}

void mirror_expire(struct path *path)
{
    while (!list_empty(&path->mirrors_left)) {
        struct mirror *mirror = container_of(path->mirrors_left.next, struct mirror, node);
        if (mirror->until_ms > path->now_ms) {
            timer_wheel_arm(&path->wheel, &path->mirror_expiry, mirror->until_ms);
            return;
        }
        close_mirror(path, mirror, true);
    }
}

void mirror_cut(struct path *path, struct session *session)
{
    session->mirrored = false;
    if (session->meter != NULL && session->meter->mirror != NULL) {
        close_mirror(path, session->meter->mirror, true);
    }
}

void mirror_close_all(struct path *path)
{
    uint32_t index = 0;
    for (struct mirror *mirror; (mirror = slab_next(&path->mirrors, &index)) != NULL; index++) {
        close_mirror(path, mirror, true);
    }
    timer_wheel_cancel(&path->wheel, &path->mirror_expiry);
}
