/* SPDX-License-Identifier: MIT
 *
 * What becomes of a session's connects, told to all who go by it: the circuit breaker of its backend, ejection of
 * endpoints, the budget of further attempts, the backend's counters; and the notices of what that changes. Called by
 * connector.c and session.c on the worker's thread.
 *
 * A session that connects holds one pass of a circuit breaker, from before it looks for an endpoint until it is
 * connected, gives up, waits for a place, or ends. One that waits for a place holds none.
 */
#ifndef SLUICE_PATH_OUTCOME_H
#define SLUICE_PATH_OUTCOME_H

#include "path/session.h"

/* A version begins to be in force: where it has no circuit breaker or ejects nobody, what an earlier one has left open
 * or ejected is let go. Every worker calls it, before it looks at who waits; the first one tells. */
void outcome_serve(struct path *path, const struct tenant *version);

/* Before a session looks for its first endpoint. SLUICE_REASON_OK, or why it may not: CIRCUIT_OPEN, MEMORY. */
enum sluice_reason outcome_enter(struct path *path, struct session *session);

/* An endpoint was chosen for the session's next attempt, which is counted already. */
void outcome_attempt(struct path *path, struct session *session);

/* The attempt has failed. Before its endpoint is given back: who is woken by that must see an ejection. */
void outcome_attempt_failed(struct path *path, struct session *session);

/* Whether another attempt may follow one that failed; if so, the budget has paid for it. */
bool outcome_may_retry(struct path *path, struct session *session);

/* The session is connected. */
void outcome_connected(struct path *path, struct session *session);

/* All endpoints that there are to try are down. */
void outcome_none_open(struct path *path, struct session *session);

/* It goes to wait for a place. */
void outcome_wait(struct path *path, struct session *session);

/* It ends and never was connected. */
void outcome_end(struct path *path, struct session *session, enum sluice_reason reason);

#endif
