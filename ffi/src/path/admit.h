/* SPDX-License-Identifier: MIT
 *
 * What an accepted session has to pass before it gets an endpoint, in the order of the contract: process → the tenant's
 * share of it → tenant enabled → access list → source → tenant. Each step takes what it needs or nothing; session.c
 * gives back all of it. Called on the worker's thread.
 */
#ifndef SLUICE_PATH_ADMIT_H
#define SLUICE_PATH_ADMIT_H

#include <stdbool.h>

#include "path/session.h"

/* Goes on where an earlier call has stopped. SLUICE_REASON_OK: it has passed everything; else what is in the way. Who
 * `arrives` (did not wait for this step before) does not overtake those that do. */
enum sluice_reason admit(struct path *path, struct session *session, bool arrives);

/* The process's step alone, for a session of which it is not known yet whose it is; admit goes on behind it. All that
 * are nobody's yet have a share of the process together, as a tenant has: clients that stay silent leave some of it. */
enum sluice_reason admit_arrival(struct path *path, struct session *session);

/* The session is about to be a tenant's: those that are nobody's are one less. */
void admit_leave_holder(struct session *session);

/* Whether a session that is over such a limit may wait, where its tenant's limits let sessions wait. */
bool admit_can_wait(enum sluice_reason reason);

/* Gives back all that admit has taken; tokens of rates too when the session never tried to connect. */
void admit_undo(struct path *path, struct session *session);

/* Counts a refusal (a dry one: of a session that goes on), and tells of it now and then. */
void admit_note_refusal(struct path *path, struct tenant_shared *shared, enum sluice_reason reason, bool dry);

#endif
