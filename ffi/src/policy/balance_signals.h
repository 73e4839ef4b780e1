/* SPDX-License-Identifier: MIT
 *
 * What is known of an endpoint now: sessions, health, ejection, how long it takes to connect. One for the process; it
 * outlives versions. Workers and the control thread write it, balancing reads it. Pure.
 *
 * All of it is relaxed, but for `active` (policy/limit says why) and the setting of `health`, after which the control
 * thread looks for sessions that wait: a choice may go by what was so a moment ago.
 */
#ifndef SLUICE_POLICY_BALANCE_SIGNALS_H
#define SLUICE_POLICY_BALANCE_SIGNALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sluice.h"

/* A connect time that nobody has measured again counts half after this time, a quarter after twice this, and so on: an
 * endpoint that was slow is tried again. */
#define BALANCE_CONNECT_HALF_NS UINT64_C(10000000000)

/* Zeroed, it is an endpoint that is new and not known to be down. */
struct balance_signals {
    _Atomic uint32_t active;           /* sessions that it serves; limit_take and limit_give */
    _Atomic uint32_t health;           /* SLUICE_HEALTH_*; balance_set_health */
    _Atomic uint64_t ejected_until_ns; /* policy/outlier; it stays when the time is over. 0: never was */
    _Atomic uint64_t up_since_ns;      /* when it came up, or was added to a backend that ran; 0: it was there before */
    _Atomic uint64_t connect_ns;       /* smoothed; 0: not known */
    _Atomic uint64_t connect_noted_ns; /* when the last was measured */
};

/* Sets the health. An endpoint that was down and is not any more begins its slow start now. Returns the health before.
 * Control thread. */
uint32_t balance_set_health(struct balance_signals *signals, uint32_t health, uint64_t now_ns);

/* Notes how long a connect took: one that worked, or one that got no answer in this time. One that was refused tells
 * nothing about how busy the endpoint is. Moves the smoothed time by an eighth of the difference. Any worker. */
void balance_note_connect(struct balance_signals *signals, uint64_t took_ns, uint64_t now_ns);

/* The smoothed time as it counts now; 0: not known. */
uint64_t balance_connect_time_ns(const struct balance_signals *signals, uint64_t now_ns);

static inline bool balance_is_ejected(const struct balance_signals *signals, uint64_t now_ns)
{
    return atomic_load_explicit(&signals->ejected_until_ns, memory_order_relaxed) > now_ns;
}

/* Neither down nor ejected. */
static inline bool balance_is_healthy(const struct balance_signals *signals, uint64_t now_ns)
{
    return atomic_load_explicit(&signals->health, memory_order_relaxed) != SLUICE_HEALTH_DOWN &&
           !balance_is_ejected(signals, now_ns);
}

#endif
