/* SPDX-License-Identifier: MIT
 *
 * Circuit breaker of a backend: while most of its connects fail, sessions are refused at once, but for a few that probe
 * it. Pure and without locks; one for a backend, it outlives versions, all workers share it. The time is an argument.
 *
 *             the share of failed ones is reached
 *   CLOSED ─────────────────────────────────────────> OPEN <──┐
 *      ^                                     open_ns is over, │ a probe fails
 *      │                                     somebody enters  │
 *      │                                                │     │
 *      │            all probes work                     v     │
 *      └───────────────────────────────────────────── HALF_OPEN ──┐
 *                                                       ^         │ nothing was heard of the probes for open_ns:
 *                                                       └─────────┘ those that are missing are let through again
 *
 * Who is let through gets a pass, and hands it in with the outcome, or as cancelled where there was none (a client that
 * went away). It belongs to one period of one state, and is void when that is over: a connect that began before the
 * circuit opened does not count after it. Of one period of HALF_OPEN, no more than `probes` passes are out or have
 * worked at any time, over all workers. A probe that never hands its pass in costs its place until open_ns is over.
 *
 * Outcomes count within a window (policy/window says how exactly); their share is looked at when one fails. Of several
 * workers whose outcomes meet, the last one sees all.
 */
#ifndef SLUICE_POLICY_BREAKER_H
#define SLUICE_POLICY_BREAKER_H

#include "policy/window.h"

#define BREAKER_MAX_PROBES 255u

struct breaker_settings {
    uint32_t requests;  /* outcomes in the window before their share counts; 0: no circuit breaker */
    uint32_t error_ppm; /* share of failed ones that opens the circuit */
    uint32_t probes;    /* 0 counts as 1, more than BREAKER_MAX_PROBES as so many */
    uint64_t window_ns;
    uint64_t open_ns;
};

/* Zeroed, it is new and closed. */
struct breaker {
    _Atomic uint64_t state; /* see breaker.c */
    struct window outcomes; /* in CLOSED */
    struct window failures; /* those of them that failed */
};

/* What a call has changed. It is told once, to the one that changed it. */
enum breaker_event {
    BREAKER_NONE,
    BREAKER_OPENED,
    BREAKER_HALF_OPENED,
    BREAKER_CLOSED,
};

enum breaker_outcome {
    BREAKER_WORKED,
    BREAKER_FAILED,
    BREAKER_CANCELLED, /* neither is known */
};

/* Whether a session may connect. If so, *pass is written. */
bool breaker_enter(const struct breaker_settings *settings, struct breaker *breaker, uint64_t now_ns, uint32_t *pass,
                   enum breaker_event *event);

/* Hands a pass in, once. */
enum breaker_event breaker_leave(const struct breaker_settings *settings, struct breaker *breaker, uint32_t pass,
                                 enum breaker_outcome outcome, uint64_t now_ns);

/* The breaker was taken away: where it is not closed, it is, without what was seen before, and all passes are void. */
enum breaker_event breaker_reset(struct breaker *breaker, uint64_t now_ns);

/* SLUICE_CIRCUIT_*: the state that it is in; an open one is half open when the first session comes after open_ns. */
uint32_t breaker_circuit(const struct breaker_settings *settings, const struct breaker *breaker);

#endif
