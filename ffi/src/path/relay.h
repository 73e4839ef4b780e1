/* SPDX-License-Identifier: MIT
 *
 * Moves the bytes of a connected session in both directions: copies through the worker's scratch, splices when a
 * direction streams. Nothing is read that cannot be written on: what the peer does not take at once is held (at most
 * one read's worth a direction) and the source is not read until it is gone, so the source's window closes.
 *
 * An end (EOF) is passed on after every byte before it. A session ends when both directions have.
 */
#ifndef SLUICE_PATH_RELAY_H
#define SLUICE_PATH_RELAY_H

#include "path/session.h"

#define RELAY_BUDGET_BYTES 524288u /* of one direction in one turn; then others have theirs */

/* Moves what can be moved; may close the session. */
void relay_run(struct path *path, struct session *session);

/* While the connect is in progress: reads what the client has sent already and tries to pass it on. True when a send
 * has worked, which proves the connection; what the endpoint does not take yet is held. */
bool relay_early_data(struct path *path, struct session *session);

/* Sends what is left of the PROXY header, alone. False while some of it remains. */
bool relay_header(struct path *path, struct session *session);

/* A read or write of a side failed with `error` (an errno). False for EAGAIN; else the side is marked as aborted. */
bool relay_side_failed(struct session *session, enum session_side which, int error);

/* A side takes no more for now: it is asked to say when it does again. */
void relay_blocked(struct path *path, struct session *session, enum session_side which);

/* Bytes were read from a side. */
void relay_note_activity(struct path *path, struct session *session, enum session_side which);

/* Frees held bytes and the pipe of a direction. */
void relay_drop(struct path *path, struct session *session, enum session_side direction);

/* Counts bytes that the peer's socket has taken. */
void relay_count(struct path *path, struct session *session, enum session_side direction, uint64_t bytes);

/* LINGERING: whether everything has reached the side that is still there; if so the session is closed. */
void relay_linger(struct path *path, struct session *session);

#endif
