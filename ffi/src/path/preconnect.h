/* SPDX-License-Identifier: MIT
 *
 * Connections ahead: opened to an endpoint before a session needs them, for protocols in which the client speaks first.
 * A session that takes one is connected at once. They are raw: nothing was sent or read, no option is set.
 *
 * How many. Each worker keeps its share of the backend's `preconnect_min`, so that all of them together keep exactly
 * that. A session that finds none gets its worker a place above the share, as long as the process has less than
 * `preconnect_max` of both. One that has waited for `preconnect_idle_ms` (up to an eighth less, at random) is closed;
 * with that a place above the share is given up, one of the share is filled again. Newest ones are taken first, so that
 * what is not needed gets old.
 *
 * When. Only while the endpoint is open to sessions: offered, neither down nor ejected. Sessions go first: none is
 * opened where sessions and connections ahead together would pass the endpoint's max_connections, or while descriptors
 * are short. After a connect that failed, or a connection that ended at once, the pool pauses, 1 s at first and up to
 * 30 s; after one whose server has spoken first, for a minute.
 *
 * A pool is one worker's connections to one endpoint, hung on the worker's cell of it. It belongs to the version in
 * force, which the worker holds; a change hands it on to the next version, or closes it. So it pins nothing. Called on
 * the worker's thread.
 */
#ifndef SLUICE_PATH_PRECONNECT_H
#define SLUICE_PATH_PRECONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "path/path.h"

struct session;

/* A version begins to be in force: its endpoints get pools, or keep those that they have with its settings. */
void preconnect_serve(struct path *path, const struct tenant *version);

/* A version is not in force any more: pools that no newer one has taken on are closed. */
void preconnect_retire(struct path *path, const struct tenant *version);

/* Gives a session the endpoint side: a connection that stands, and is registered for the session. False when there is
 * none. Call where the endpoint's cell has a pool. */
bool preconnect_take(struct path *path, struct session *session);

/* Handles an event (EPOLL*) of a connection. */
void preconnect_event(struct path *path, uint64_t token, uint32_t events);

/* Descriptors are short: closes all connections; new ones are opened when there is room again. */
void preconnect_give_way(struct path *path);

/* The worker stops: closes all pools. */
void preconnect_close_all(struct path *path);

#endif
