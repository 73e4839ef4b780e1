/* SPDX-License-Identifier: MIT
 *
 * Waits that are finer than a timeout's: for tokens of a limit. On a wheel of their own, whose ticks are an eighth of a
 * millisecond, so that a worker without limits in use does not know of them. Called on the worker's thread.
 */
#ifndef SLUICE_PATH_PACE_H
#define SLUICE_PATH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/timer_wheel.h"

struct path;

#define PACE_TICK_SHIFT 17u /* a tick is 2^17 ns */
#define PACE_TICK_NS (UINT64_C(1) << PACE_TICK_SHIFT)

struct pace {
    struct timer timer;
    void (*fire)(struct path *path, struct pace *pace); /* not armed then; may arm it again */
};

void pace_init(struct pace *pace, void (*fire)(struct path *path, struct pace *pace));

/* Fires at the first tick that is not before now + wait_ns; UINT64_MAX is never. Replaces what was armed. */
void pace_arm(struct path *path, struct pace *pace, uint64_t wait_ns);

void pace_cancel(struct path *path, struct pace *pace);

/* Fires what is due. Once a turn. */
void pace_turn(struct path *path);

/* Nanoseconds until the next may be due; -1: none is armed. */
int64_t pace_wait_ns(const struct path *path);

#endif
