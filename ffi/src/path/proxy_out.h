/* SPDX-License-Identifier: MIT
 *
 * The PROXY header that an endpoint gets before all else, where its backend wants one (send_proxy). It is made anew
 * from the session's addresses each time it is asked for, so a session keeps of it only how much of it was sent:
 * `header_due` and `header_sent`, of the connection in hand. It counts in no limit and in no number of bytes. Called on
 * the worker's thread.
 */
#ifndef SLUICE_PATH_PROXY_OUT_H
#define SLUICE_PATH_PROXY_OUT_H

#include <stddef.h>
#include <sys/types.h>

#include "path/session.h"
#include "policy/proxy_protocol.h"

/* Where the client connected to: what a PROXY header of its own said, else the address of its socket on this side. */
void session_destination(const struct session *session, struct proxy_addresses *addresses);

/* Writes the header for a connection of the session's client to `backend`; returns its length, 0 where the backend
 * wants none. */
uint32_t proxy_out_header(const struct session *session, const struct backend *backend,
                          uint8_t out[static PROXY_HEADER_WRITE_MOST]);

/* A new connection to the session's endpoint: its header is still to be sent. */
void proxy_out_begin(struct session *session);

/* Sends bytes (or none) to the endpoint, in one write with what is left of the header. Returns how many of the bytes
 * were sent, or -1 (errno). */
ssize_t proxy_out_send(struct session *session, const uint8_t *bytes, size_t length, int flags);

#endif
