/* SPDX-License-Identifier: MIT
 *
 * Sessions that wait for a limit instead of being refused (on_limit: queue). First come, first served over all workers:
 * each takes a ticket, every worker keeps its own in order and shows the ticket of its first, and when something is
 * given back the worker with the oldest is woken.
 *
 * There are two lists: `waiting` for the tenant's own limits, where who comes first must go first, and `held` for what
 * concerns only some (their source, a place at an endpoint): there the others may pass.
 *
 * Nothing is lost between the two sides: who gives back does that first and looks for waiting ones then, who waits
 * joins first and tries once more then, all sequentially consistent. One of the two sees the other.
 *
 * Called on the worker's thread; a room belongs to its worker, but for its atomics.
 */
#ifndef SLUICE_PATH_QUEUE_H
#define SLUICE_PATH_QUEUE_H

#include <stdbool.h>

#include "path/session.h"

void queue_init(struct waiting_room *room);

/* Begins to wait, or goes on waiting for something else; `reason` is what is in the way. False when there is no place
 * or no memory, or the client has left: *reason says which. */
bool queue_join(struct path *path, struct session *session, enum sluice_reason *reason);

/* A session that is about to be closed does not wait any more; harmless when it did not. The caller wakes others. */
void queue_leave(struct path *path, struct session *session);

/* Whether others wait for a place at an endpoint of the session's backend, and it has not waited for one before. */
bool queue_is_ahead(const struct session *session);

/* Something of the tenant was given back (or its limits have changed): who has waited longest is looked at soon. */
void queue_wake(struct path *path, struct tenant *version);

/* Sessions that wait go on with the newest version of their tenant, where it still has their listener. By a change,
 * while the control thread waits. */
void queue_move(struct path *path, struct tenant_view *view);

/* The limits of a tenant have changed: those that wait have other deadlines, and are tried again. */
void queue_refresh(struct path *path, struct tenant *version);

/* What others have woken this worker for. Once a turn; cheap when there is nothing. */
void queue_turn(struct path *path);

/* An event of the client of a session that waits. May close it: a client that has sent nothing and is gone. */
void queue_event(struct path *path, struct session *session, uint32_t events);

#endif
