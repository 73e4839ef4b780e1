/* SPDX-License-Identifier: MIT
 *
 * From a chosen backend to a connection that holds: picks an endpoint, connects, and goes on to another one when that
 * fails, as often as the backend allows, with pauses between where it wants them: then the session is CONNECTING and
 * has no endpoint. Nothing of the client is lost between attempts.
 */
#ifndef SLUICE_PATH_CONNECTOR_H
#define SLUICE_PATH_CONNECTOR_H

#include "path/session.h"

/* Begins with the first attempt, unless a fault comes first; the session has a backend. May close the session, or leave
 * it CONNECTING, DELAYED, QUEUED or RELAYING. Also when a delay is over. */
void connector_start(struct path *path, struct session *session);

/* Something happened to a connecting or delayed session: `events` (EPOLL*) of one side. */
void connector_event(struct path *path, struct session *session, enum session_side which, uint32_t events);

/* The attempt has taken longer than the connect timeout, or the pause before the next one is over. */
void connector_timeout(struct path *path, struct session *session);

/* The endpoint of the attempt is ejected or down, and its sessions are to end; this one goes on to another endpoint
 * while there is one, and ends only then. */
void connector_endpoint_down(struct path *path, struct session *session);

#endif
