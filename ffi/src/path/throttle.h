/* SPDX-License-Identifier: MIT
 *
 * Limits on bytes. Before a direction reads, it asks how much it may; what it may has been taken from the tenant's
 * bucket, and from the session's own, by then. Without tokens it is not read from: the source's window closes. What it
 * did not use goes back.
 *
 *            asks, tokens are there                     ┌── asks again: to the end of the queue ──┐
 *   FREE ───────────────────────────▶ (reads)           ▼                                         │
 *     │  asks, none, or others wait ──────────────▶ GROUP ──── its turn, gets a grant ────────▶ SERVED
 *     │  asks, its own bucket is empty ──▶ OWN ──▶ (tokens: asks again)                           │
 *     ◀───────────────────────── has nothing to read, or its peer takes no more ──────────────────┘
 *
 * Waiting directions of one tenant stand in a queue at each worker. Every two milliseconds a worker gives what has come
 * since to its own: its part is the share of its waiting sessions in all that wait, so that it does not matter at which
 * worker a session is. A direction that had less than its share so far comes first, so that few bytes do not wait
 * behind streams.
 *
 * Called by path/relay on the worker's thread. Nothing here locks: buckets are atomics that the workers share.
 */
#ifndef SLUICE_PATH_THROTTLE_H
#define SLUICE_PATH_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "path/meter.h"
#include "path/session.h"

void throttle_init(struct throttle *throttle, enum session_side direction);
void throttle_group_init(struct throttle_group *group);

/* Bytes that a direction may read now: UINT64_MAX where it has no limit; 0: it waits, and the session is resumed when
 * that is over (or without memory it is closed). Takes `most` from the buckets at the most. With may_wait false it does
 * not begin to wait. */
uint64_t throttle_ask_limited(struct path *path, struct session *session, enum session_side which, uint64_t most,
                              bool may_wait);

static inline uint64_t throttle_ask(struct path *path, struct session *session, enum session_side which, uint64_t most,
                                    bool may_wait)
{
    uint8_t metered = tenant_limits(session->view->tenant->shared)->metered;
    return likely((metered & 1u << which) == 0) ? UINT64_MAX
                                                : throttle_ask_limited(path, session, which, most, may_wait);
}

/* Bytes were read. */
static inline void throttle_spend(struct session *session, enum session_side which, uint64_t bytes)
{
    if (unlikely(session->meter != NULL)) {
        struct throttle *throttle = &session->meter->throttle[which];
        throttle->grant -= bytes < throttle->grant ? bytes : throttle->grant;
    }
}

/* A direction has stopped reading, and not for its budget: what it did not use goes back. Harmless while it waits. */
void throttle_settle(struct path *path, struct session *session, enum session_side which);

/* Ends waiting and gives back, for both directions: the session does not read any more. */
void throttle_drop(struct path *path, struct session *session);

/* Whether it is held back now. Then no byte moves because of us, and the session is not idle. */
bool throttle_holds(const struct session *session);

/* The limits have changed: who waits is looked at again soon. */
void throttle_refresh(struct path *path, struct tenant_local *local);

#endif
