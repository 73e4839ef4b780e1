/* SPDX-License-Identifier: MIT
 *
 * Hierarchical timing wheel (Varghese and Lauck, 1987) with ticks of 1 ms. Owned by one worker; time is an argument,
 * so that tests need no clock. A timer is embedded in its owner and costs O(1) to arm and to cancel. Owners re-check
 * their own deadline when a timer fires and arm it again when nothing is due yet: touching activity is a store, never
 * a call of this module.
 */
#ifndef SLUICE_SYS_TIMER_WHEEL_H
#define SLUICE_SYS_TIMER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/list.h"

#define TIMER_WHEEL_BITS 6u
#define TIMER_WHEEL_SLOTS (1u << TIMER_WHEEL_BITS)
#define TIMER_WHEEL_LEVELS 6u /* 64^6 ms: two years; a later deadline fires early and is armed again */

struct timer {
    struct list node;   /* on a slot of the wheel, or on no list */
    uint64_t expiry_ms; /* the tick at which it fires; meaningful while armed */
};

struct timer_wheel {
    uint64_t now_ms;                       /* the tick up to which everything has fired */
    uint64_t armed;                        /* timers on the wheel */
    uint64_t occupied[TIMER_WHEEL_LEVELS]; /* a bit a slot that may hold timers */
    struct list due;                       /* fire with the next turn */
    struct list slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS];
};

/* Called for each timer that fires; the timer is not armed then and may be armed again, cancelled or freed. */
typedef void (*timer_fire)(struct timer *timer, void *context);

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms);

void timer_init(struct timer *timer);

/* Arms a timer for a tick, also when it is armed already. A tick that is not after now fires with the next turn. */
void timer_wheel_arm(struct timer_wheel *wheel, struct timer *timer, uint64_t expiry_ms);

/* Disarms; harmless when it is not armed. */
void timer_wheel_cancel(struct timer_wheel *wheel, struct timer *timer);

bool timer_armed(const struct timer *timer);

/* Fires all that is due at now_ms, at most `budget` timers; returns how many fired. When the budget is used up, the
 * rest fires in the next turn, and timer_wheel_wait_ms says 0 until then. */
uint32_t timer_wheel_turn(struct timer_wheel *wheel, uint64_t now_ms, uint32_t budget, timer_fire fire, void *context);

/* Milliseconds from now_ms until the wheel has to turn again: never later than the first deadline, possibly earlier.
 * -1 when no timer is armed; at most INT32_MAX. */
int32_t timer_wheel_wait_ms(const struct timer_wheel *wheel, uint64_t now_ms);

#endif
