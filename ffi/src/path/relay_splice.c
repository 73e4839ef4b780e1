/* SPDX-License-Identifier: MIT
 * Splicing. Called by relay.c on the worker's thread. */
#define _GNU_SOURCE
#include "path/relay_splice.h"

#include <errno.h>
#include <fcntl.h>

#include "path/throttle.h"

#define STREAK_TO_SPLICE 3u /* full reads in a row that earn a pipe */
#define SMALL_MOVE_BYTES 16384u
#define SMALL_MOVES_TO_COPY 2u /* small moves in a row after which copying is cheaper */

bool splice_begin(struct path *path, const struct side *source, struct direction *direction)
{
    if (direction->full_reads < STREAK_TO_SPLICE || (source->exact && !source->local)) {
        return false;
    }
    direction->pipe = pipe_pool_take(&path->pipes);
    if (direction->pipe == NULL) {
        direction->full_reads = 0; /* none to be had: earn it again before asking again */
        return false;
    }
    return true;
}

void splice_end(struct path *path, struct direction *direction)
{
    pipe_pool_give(&path->pipes, direction->pipe);
    direction->pipe = NULL;
}

/* Back to copying, until the direction has earned a pipe again. */
static void splice_stop(struct path *path, struct direction *direction)
{
    splice_end(path, direction);
    direction->full_reads = 0;
    direction->small_moves = 0;
}

bool splice_flush(struct path *path, struct session *session, enum session_side which)
{
    struct direction *direction = &session->direction[which];
    struct side *sink = &session->side[!which];
    struct pipe_slot *pipe = direction->pipe;
    while (pipe->bytes > 0) {
        if (!sink->writable) {
            return false;
        }
        ssize_t count = splice(pipe->read_fd, NULL, sink->fd, NULL, pipe->bytes, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (count <= 0) {
            if (!relay_side_failed(session, !which, count == 0 ? EPIPE : errno)) {
                relay_blocked(path, session, !which);
            }
            return false;
        }
        pipe->bytes -= (uint32_t)count;
        relay_count(path, session, which, (uint64_t)count);
    }
    return true;
}

enum splice_result splice_move(struct path *path, struct session *session, enum session_side which, uint64_t most,
                               uint32_t *moved)
{
    struct direction *direction = &session->direction[which];
    struct side *source = &session->side[which];
    struct pipe_slot *pipe = direction->pipe;

    *moved = 0;
    if (source->exact && !source->local) {
        splice_stop(path, direction); /* splice would not get past urgent data */
        return SPLICE_COPY;
    }
    size_t size = most < pipe->capacity ? (size_t)most : pipe->capacity;
    ssize_t count = splice(source->fd, NULL, pipe->write_fd, NULL, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (count < 0) {
        int error = errno;
        if (error == EINVAL) {
            splice_stop(path, direction); /* a socket that cannot be spliced */
            return SPLICE_COPY;
        }
        if (!relay_side_failed(session, which, error)) {
            source->readable = false;
            splice_end(path, direction); /* it is empty, and an idle session holds no pipe */
            return SPLICE_WAIT;
        }
        splice_end(path, direction);
        direction->source_ended = true;
        return SPLICE_FAILED;
    }
    if (count == 0) {
        if (source->local) {
            direction->source_ended = true;
            splice_end(path, direction);
            return SPLICE_MOVED;
        }
        /* The end, or urgent data before it that the loop has not told of yet: a read knows. */
        net_set_urgent_inline(source->fd);
        source->exact = true;
        splice_stop(path, direction);
        return SPLICE_COPY;
    }
    pipe->bytes = (uint32_t)count;
    *moved = (uint32_t)count;
    relay_note_activity(path, session, which);
    throttle_spend(session, which, (uint64_t)count);
    if (!splice_flush(path, session, which)) {
        return session->side[!which].aborted ? SPLICE_FAILED : SPLICE_WAIT;
    }
    if (count >= SMALL_MOVE_BYTES) {
        direction->small_moves = 0;
    } else if (++direction->small_moves >= SMALL_MOVES_TO_COPY) {
        splice_stop(path, direction);
        return SPLICE_COPY;
    }
    return SPLICE_MOVED;
}
