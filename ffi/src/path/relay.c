/* SPDX-License-Identifier: MIT
 * The byte mover. Called by session.c and connector.c on the worker's thread. */
#include "path/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "path/fault.h"
#include "path/mirror.h"
#include "path/proxy_out.h"
#include "path/relay_splice.h"
#include "path/throttle.h"
#include "sys/clock.h"

#define EARLY_BYTES 16384u     /* read at the most before a connection stands */
#define SMALL_READ_BYTES 4096u /* a read of a tenant that holds too much for slow readers */
#define FULL_READ_BYTES 16384u /* a read that got all that it asked for, and no less than this, is one of a stream */
#define LINGER_FIRST_MS 2u     /* first wait for the last acknowledgements; doubles */
#define LINGER_LONGEST_MS 64u
#define LINGER_DEFAULT_MS 30000u /* how long they are waited for where no half_close timeout says it */

bool relay_side_failed(struct session *session, enum session_side which, int error)
{
    if (error == EAGAIN) {
        return false;
    }
    session->side[which].aborted = true;
    session->side[which].error = (uint8_t)error;
    return true;
}

void relay_blocked(struct path *path, struct session *session, enum session_side which)
{
    struct side *side = &session->side[which];
    side->writable = false;
    if (!side->watched_out && side->watched) {
        /* Rare enough (a slow reader, once a session) that connections are not registered for it from the start:
         * that would cost every session an event that says nothing. The change reports what is writable by now. */
        uint64_t token = token_session(session->index, session->generation, which == ENDPOINT);
        side->watched_out = true;
        if (loop_change(&path->loop, side->fd, SESSION_EVENTS | EPOLLOUT, token) != 0) {
            side->aborted = true;
        }
    }
}

void relay_note_activity(struct path *path, struct session *session, enum session_side which)
{
    session->last_active_ns = path->now_ns;
    session->last_moved_up = which == UP;
    if (which == DOWN && session->first_byte_ns == 0) {
        session->first_byte_ns = path->now_ns;
    }
}

void relay_count(struct path *path, struct session *session, enum session_side direction, uint64_t bytes)
{
    struct tenant_cell *cell = &session->view->tenant->shared->cells[path->worker];
    session->direction[direction].bytes += bytes;
    session->last_active_ns = path->now_ns;
    stats_add(direction == UP ? &cell->bytes_up : &cell->bytes_down, bytes);
}

/* The first write of a connection is never delayed by Nagle's rule, so a session that writes once does not pay for
 * switching it off. What is accepted has it off from its listener. */
static void before_write(const struct direction *direction, struct side *sink)
{
    if (!sink->nodelay && direction->bytes > 0) {
        net_set_nodelay(sink->fd);
        sink->nodelay = true;
    }
}

/* As send, to the sink of a direction; what is left of a PROXY header goes first. */
static ssize_t put(struct session *session, enum session_side which, const uint8_t *bytes, size_t length, int flags)
{
    if (unlikely(session->header_due) && which == UP) {
        return proxy_out_send(session, bytes, length, flags);
    }
    return send(session->side[!which].fd, bytes, length, flags);
}

bool relay_header(struct path *path, struct session *session)
{
    struct side *sink = &session->side[ENDPOINT];
    while (session->header_due) {
        if (!sink->writable || sink->aborted) {
            return false;
        }
        if (proxy_out_send(session, NULL, 0, MSG_NOSIGNAL) < 0 && !relay_side_failed(session, ENDPOINT, errno)) {
            relay_blocked(path, session, ENDPOINT);
        }
    }
    if (!sink->nodelay) {
        net_set_nodelay(sink->fd); /* the client's first bytes are not the connection's */
        sink->nodelay = true;
    }
    return true;
}

/* ---- Held bytes ---- */

static _Atomic uint64_t *buffered(struct session *session)
{
    return &session->view->tenant->shared->buffered_bytes;
}

static void release_held(struct path *path, struct session *session, struct direction *direction)
{
    buffer_pool_give(&path->buffers, direction->held);
    atomic_fetch_sub_explicit(buffered(session), direction->held_capacity, memory_order_relaxed);
    direction->held = NULL;
    direction->held_offset = 0;
    direction->held_length = 0;
    direction->held_capacity = 0;
}

/* Keeps bytes that the sink has not taken. False without memory. */
static bool hold(struct path *path, struct session *session, struct direction *direction, const uint8_t *bytes,
                 uint32_t length)
{
    SLUICE_ASSERT(direction->held == NULL);
    direction->held = buffer_pool_take(&path->buffers, length, &direction->held_capacity);
    if (direction->held == NULL) {
        return false;
    }
    memcpy(direction->held, bytes, length);
    direction->held_offset = 0;
    direction->held_length = length;
    atomic_fetch_add_explicit(buffered(session), direction->held_capacity, memory_order_relaxed);
    return true;
}

void relay_drop(struct path *path, struct session *session, enum session_side which)
{
    struct direction *direction = &session->direction[which];
    if (direction->held != NULL) {
        release_held(path, session, direction);
    }
    if (direction->pipe != NULL) {
        splice_end(path, direction);
    }
}

/* Whether there may be bytes of the client that the PROXY header goes with. */
static bool has_company(const struct session *session)
{
    const struct direction *up = &session->direction[UP];
    return up->held != NULL || (session->side[CLIENT].readable && !up->source_ended);
}

/* Sends what is held or in the pipe. False while some of it remains. */
static bool flush(struct path *path, struct session *session, enum session_side which)
{
    struct direction *direction = &session->direction[which];
    struct side *sink = &session->side[!which];
    if (direction->pipe != NULL && direction->pipe->bytes > 0) {
        return splice_flush(path, session, which);
    }
    if (unlikely(session->header_due) && which == UP && !has_company(session) && !relay_header(path, session)) {
        return false;
    }
    while (direction->held != NULL) {
        if (!sink->writable) {
            return false;
        }
        before_write(direction, sink);
        ssize_t sent =
            put(session, which, direction->held + direction->held_offset, direction->held_length, MSG_NOSIGNAL);
        if (sent < 0) {
            if (!relay_side_failed(session, !which, errno)) {
                relay_blocked(path, session, !which);
            }
            return false;
        }
        relay_count(path, session, which, (uint64_t)sent);
        direction->held_offset += (uint32_t)sent;
        direction->held_length -= (uint32_t)sent;
        if (direction->held_length == 0) {
            release_held(path, session, direction);
        }
    }
    return true;
}

/* ---- Copying ---- */

/* Sends bytes from the scratch and holds what is not taken. False when the session had to be closed for want of
 * memory. */
static bool pass_on(struct path *path, struct session *session, enum session_side which, uint32_t length)
{
    struct direction *direction = &session->direction[which];
    struct side *sink = &session->side[!which];

    before_write(direction, sink);
    /* When these are known to be the last bytes, the end that is passed on next travels in the same segment. */
    int flags = MSG_NOSIGNAL | (direction->source_ended ? MSG_MORE : 0);
    ssize_t sent = put(session, which, path->scratch, length, flags);
    if (sent < 0) {
        if (relay_side_failed(session, !which, errno)) {
            sent = 0; /* held all the same while connecting: another endpoint may get them */
            if (session->state != SESSION_CONNECTING) {
                return true;
            }
        } else {
            sent = 0;
            relay_blocked(path, session, !which);
        }
    }
    if (sent > 0) {
        relay_count(path, session, which, (uint64_t)sent);
    }
    if ((uint32_t)sent == length) {
        return true;
    }
    if (!sink->aborted) {
        relay_blocked(path, session, !which);
    }
    if (!hold(path, session, direction, path->scratch + sent, length - (uint32_t)sent)) {
        session_close(path, session, (struct session_end){.reason = SLUICE_REASON_MEMORY, .phase = PHASE_DATA});
        return false;
    }
    return true;
}

/* Reads once into the scratch. Returns the bytes; 0 when there are none for now, or no more ever. */
static uint32_t read_once(struct path *path, struct session *session, enum session_side which, uint32_t size)
{
    struct direction *direction = &session->direction[which];
    struct side *source = &session->side[which];
    ssize_t count = recv(source->fd, path->scratch, size, 0);
    if (count < 0) {
        if (relay_side_failed(session, which, errno)) {
            direction->source_ended = true;
        } else {
            source->readable = false;
        }
        return 0;
    }
    if (count == 0) {
        direction->source_ended = true;
        return 0;
    }
    if ((uint32_t)count < size && !source->exact) {
        /* Drained: what comes later is a new edge. And if the end has been announced, this was all. */
        source->readable = false;
        direction->source_ended = source->read_closed;
    }
    relay_note_activity(path, session, which);
    throttle_spend(session, which, (uint64_t)count);
    return (uint32_t)count;
}

static uint32_t read_size(const struct session *session)
{
    const struct tenant *tenant = session->view->tenant;
    uint64_t held = atomic_load_explicit(&tenant->shared->buffered_bytes, memory_order_relaxed);
    return unlikely(held > tenant->buffer_bytes) ? SMALL_READ_BYTES : PATH_SCRATCH_BYTES;
}

/* Copies once, `most` bytes at the most; returns what was read. */
static uint32_t copy_move(struct path *path, struct session *session, enum session_side which, uint64_t most)
{
    struct direction *direction = &session->direction[which];
    uint32_t size = read_size(session);
    size = most < size ? (uint32_t)most : size;
    uint32_t count = read_once(path, session, which, size);
    if (count == 0 || !pass_on(path, session, which, count)) {
        return 0;
    }
    if (which == UP && unlikely(session->mirrored)) {
        mirror_feed(path, session, path->scratch, count);
    }
    if (count == size && size >= FULL_READ_BYTES && direction->held == NULL) {
        if (direction->full_reads < UINT8_MAX) {
            direction->full_reads++;
        }
    } else {
        direction->full_reads = 0;
    }
    return count;
}

bool relay_early_data(struct path *path, struct session *session)
{
    uint64_t allowed = throttle_ask(path, session, UP, EARLY_BYTES, false);
    if (allowed == 0) {
        return false;
    }
    uint32_t count = read_once(path, session, CLIENT, allowed < EARLY_BYTES ? (uint32_t)allowed : EARLY_BYTES);
    bool passed = count > 0 && pass_on(path, session, UP, count) && session->state != SESSION_CLOSED &&
                  (session->direction[UP].bytes > 0 || session->header_sent > 0);
    if (session->meter != NULL) {
        throttle_settle(path, session, UP);
    }
    return passed;
}

/* ---- A direction, a session ---- */

/* All that the source gave is delivered: the sink is told that no more comes, if anything still uses it. */
static void pass_end(struct path *path, struct session *session, enum session_side which)
{
    session->direction[which].ended = true;
    if (session->view->tenant->timeouts.half_close_ms != 0) {
        session->last_active_ns = path->now_ns; /* it begins now, however long nothing had moved before */
    }
    if (!session->direction[!which].ended && !session->side[which].aborted) {
        shutdown(session->side[!which].fd, SHUT_WR);
    }
    if (which == UP && unlikely(session->mirrored)) {
        mirror_end(path, session);
    }
}

/* What a direction asks its limits for at once: streams more than what may be a few bytes. */
static uint64_t appetite(const struct direction *direction)
{
    if (direction->pipe != NULL) {
        return PIPE_POOL_PIPE_BYTES;
    }
    return direction->full_reads > 0 ? PATH_SCRATCH_BYTES : FULL_READ_BYTES;
}

/* Moves what can be moved. True when it stopped for its budget, and is going to go on. */
static bool move(struct path *path, struct session *session, enum session_side which)
{
    struct direction *direction = &session->direction[which];
    const struct side *source = &session->side[which];
    const struct side *sink = &session->side[!which];
    uint32_t budget = RELAY_BUDGET_BYTES;

    while (!direction->ended) {
        if (sink->aborted) {
            relay_drop(path, session, which); /* nobody to send it to */
            return false;
        }
        if (!flush(path, session, which)) {
            if (sink->aborted) {
                continue;
            }
            return false;
        }
        if (direction->source_ended) {
            relay_drop(path, session, which);
            pass_end(path, session, which);
            return false;
        }
        if (!source->readable || !sink->writable) {
            return false;
        }
        if (budget == 0) {
            session_make_ready(path, session);
            return true;
        }
        uint64_t allowed = throttle_ask(path, session, which, appetite(direction), true);
        if (allowed == 0) {
            if (session->state != SESSION_CLOSED) {
                if (unlikely(session->header_due) && which == UP) {
                    relay_header(path, session); /* it does not wait for tokens */
                }
                relay_drop(path, session, which); /* all of it is flushed: who waits needs no pipe */
            }
            return false;
        }
        uint32_t moved = 0;
        bool copied = which == UP && unlikely(session->mirrored); /* spliced bytes would be out of its reach */
        if (direction->pipe != NULL || (!copied && splice_begin(path, source, direction))) {
            splice_move(path, session, which, allowed, &moved);
        } else {
            moved = copy_move(path, session, which, allowed);
            if (session->state == SESSION_CLOSED) {
                return false;
            }
        }
        budget -= moved < budget ? moved : budget;
    }
    return false;
}

static void pump(struct path *path, struct session *session, enum session_side which)
{
    bool goes_on = move(path, session, which);
    if (session->meter != NULL && !goes_on) {
        throttle_settle(path, session, which);
    }
}

static bool resets(const struct session *session, enum session_side towards)
{
    uint32_t propagation = session->view->tenant->reset_propagation;
    return propagation == SLUICE_RESET_BOTH || (propagation == SLUICE_RESET_TO_BACKEND && towards == ENDPOINT);
}

void relay_linger(struct path *path, struct session *session)
{
    enum session_side left = session->side[CLIENT].aborted ? ENDPOINT : CLIENT;
    struct side *side = &session->side[left];
    uint64_t limit_ms = session->view->tenant->timeouts.half_close_ms;
    uint64_t waited_ms = (path->now_ns - session->last_active_ns) / NS_PER_MS;

    /* Nothing reads from it or writes to it any more, so its own reset is found by asking only. */
    if (!side->aborted && net_take_error(side->fd) != 0) {
        side->aborted = true;
    }
    /* A reset, or a close with bytes unread, would throw away what the kernel has not got rid of yet. */
    bool drained = session->drain_at_ms != 0 && session->drain_at_ms <= path->now_ms;
    bool unsent = !side->aborted && !side->local && net_unsent(side->fd) > 0;
    if (!drained && unsent && waited_ms < (limit_ms != 0 ? limit_ms : LINGER_DEFAULT_MS)) {
        uint64_t wait_ms = LINGER_FIRST_MS + waited_ms;
        wait_ms = wait_ms < LINGER_LONGEST_MS ? wait_ms : LINGER_LONGEST_MS;
        timer_wheel_arm(&path->wheel, &session->timer, path->now_ms + wait_ms);
        return;
    }
    bool reset = !unsent && resets(session, left); /* what was too slow until now, the kernel still delivers */
    session_close(path, session,
                  (struct session_end){
                      .reason = session->reason,
                      .phase = session->linger_phase,
                      .reset_client = left == CLIENT && reset,
                      .reset_endpoint = left == ENDPOINT && reset,
                  });
}

/* One side is gone. What it sent before that still reaches the other one; then the session ends. */
static void finish_aborted(struct path *path, struct session *session)
{
    enum session_side gone = session->side[CLIENT].aborted ? CLIENT : ENDPOINT;
    struct side *source = &session->side[gone];
    struct direction *direction = &session->direction[gone];

    relay_drop(path, session, !gone);
    if (!direction->ended) {
        source->exact = true; /* read up to the error, or to the end that stands in its place once it was told */
        source->readable = true;
        pump(path, session, gone);
        if (session->state == SESSION_CLOSED || (!direction->ended && !session->side[!gone].aborted)) {
            return; /* the other side is slow; timeouts watch over it */
        }
    }
    throttle_drop(path, session);
    session->reason = gone == CLIENT ? (uint8_t)SLUICE_REASON_CLIENT_ABORT : (uint8_t)SLUICE_REASON_SERVER_ABORT;
    session->linger_phase = session->direction[!gone].ended ? (uint8_t)PHASE_LAST : (uint8_t)PHASE_DATA;
    session->last_active_ns = path->now_ns;
    session_set_state(session, SESSION_LINGERING);
    relay_linger(path, session);
}

void relay_run(struct path *path, struct session *session)
{
    if (unlikely(session->to_be_reset)) {
        fault_reset(path, session);
        return;
    }
    pump(path, session, UP);
    if (session->state == SESSION_CLOSED) {
        return;
    }
    pump(path, session, DOWN);
    if (session->state == SESSION_CLOSED) {
        return;
    }
    if (session->side[CLIENT].aborted || session->side[ENDPOINT].aborted) {
        finish_aborted(path, session);
        return;
    }
    if (session->direction[UP].ended && session->direction[DOWN].ended) {
        session_close(path, session, (struct session_end){.reason = SLUICE_REASON_OK, .phase = PHASE_DONE});
    } else if (session->direction[UP].ended != session->direction[DOWN].ended) {
        session_arm(path, session); /* half_close may be due earlier than what the timer waits for */
    }
}
