/* SPDX-License-Identifier: MIT
 *
 * What is read of a client before it is known whose it is: the PROXY header, where the listener asks for one, and the
 * ClientHello, on a shared listener that looks for names. Both are peeked at, so that nothing of the client is lost
 * however they arrive: the header is taken out of the stream when it is whole, the hello stays in it. Then a shared
 * listener's session goes over to the tenant whose route it takes. Called on the worker's thread.
 */
#ifndef SLUICE_PATH_PREREAD_H
#define SLUICE_PATH_PREREAD_H

#include <stdbool.h>

#include "path/session.h"

/* Whether sessions of a listener begin with this. */
static inline bool preread_wanted(const struct listener *listener)
{
    return listener->takes_proxy_header || listener->backend == NULL;
}

/* Begins to read, and reads what has arrived. Ends with session_enter, closes the session, or leaves it READING. */
void preread_start(struct path *path, struct session *session);

/* Goes on after an event of the client's side. */
void preread_run(struct path *path, struct session *session);

/* When the time for what is being read is over: ns since then, and the timeout in ms (0: off). */
uint64_t preread_timeout(const struct session *session, uint64_t *since_ns);

/* A version of a holder of shared listeners is replaced or removed: drains sessions that came in by listeners of it
 * that are gone. They are other tenants' by now. */
void preread_drain(struct path *path, const struct tenant_view *holder, uint64_t grace_ms);

/* Lets go of the holder's version that the session came in by. */
void preread_leave(struct session *session);

#endif
