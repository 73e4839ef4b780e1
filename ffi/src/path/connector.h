/* SPDX-License-Identifier: MIT
 *
 * From a chosen backend to a connection that holds: picks an endpoint, connects, and goes on to another one when that
 * fails, as often as the backend allows. Nothing of the client is lost between attempts.
 */
#ifndef SLUICE_PATH_CONNECTOR_H
#define SLUICE_PATH_CONNECTOR_H

#include "path/session.h"

/* Begins with the first attempt; the session has a backend. May close the session, or leave it CONNECTING or
 * RELAYING. */
void connector_start(struct path *path, struct session *session);

/* Something happened to a connecting session: `events` (EPOLL*) of one side. */
void connector_event(struct path *path, struct session *session, enum session_side which, uint32_t events);

/* The attempt has taken longer than the connect timeout. */
void connector_timeout(struct path *path, struct session *session);

#endif
