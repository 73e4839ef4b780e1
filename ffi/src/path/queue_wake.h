/* SPDX-License-Identifier: MIT
 *
 * Waking the workers at which sessions wait, in the order of their tickets. Called by queue.c on a worker's thread, and
 * by the control thread when it has changed something that sessions may wait for. Whoever calls keeps `version` alive
 * for as long as the call takes.
 */
#ifndef SLUICE_PATH_QUEUE_WAKE_H
#define SLUICE_PATH_QUEUE_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "path/plan.h"

/* The worker whose first session has waited longest, in its list `held` or `waiting`, among those with a ticket above
 * `after` (NO_TICKET: all); UINT32_MAX: nobody waits. */
uint32_t queue_wake_oldest(const struct tenant_shared *shared, uint32_t workers, bool held, uint64_t after);

/* Has one worker look at its waiting sessions. */
void queue_wake_worker(struct waker *wakers, struct tenant *version, uint32_t worker);

/* Has whoever has waited longest looked at, in both lists. `wakers`: one a worker. */
void queue_wake_first(struct waker *wakers, uint32_t workers, struct tenant *version);

#endif
