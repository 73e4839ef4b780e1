/* SPDX-License-Identifier: MIT
 *
 * The splice path of a direction: socket → pipe → socket, without the bytes ever being in user space.
 *
 * EAGAIN from splice into a pipe is ambiguous (socket empty, or pipe full), so the pipe is only filled when it is
 * empty: then it means the socket. A pipe can hold more than its nominal size.
 */
#ifndef SLUICE_PATH_RELAY_SPLICE_H
#define SLUICE_PATH_RELAY_SPLICE_H

#include "path/relay.h"

enum splice_result {
    SPLICE_MOVED,  /* some bytes went all the way; go on */
    SPLICE_WAIT,   /* the source has no more, or the peer takes no more */
    SPLICE_COPY,   /* this direction does not stream (any more): go on by copying */
    SPLICE_FAILED, /* a side failed; it is marked */
};

/* Whether a direction that copies has earned a pipe, and gets one. A source whose reads stop in the middle (urgent
 * data, an error to come) is read by copying. */
bool splice_begin(struct path *path, const struct side *source, struct direction *direction);

/* Moves `most` bytes at the most, once, through the pipe. Sets source_ended at the end of a unix socket; on TCP the end
 * is left to a read: splice says the same in front of urgent data. `moved` is what was read from the source. */
enum splice_result splice_move(struct path *path, struct session *session, enum session_side which, uint64_t most,
                               uint32_t *moved);

/* Sends what is in the pipe. False while bytes remain. */
bool splice_flush(struct path *path, struct session *session, enum session_side which);

/* Gives the pipe back. */
void splice_end(struct path *path, struct direction *direction);

#endif
