/* SPDX-License-Identifier: MIT
 *
 * Passive ejection: an endpoint to which connects fail gets no new sessions for a while. Pure and without locks; one
 * `struct outlier` for an endpoint and one `struct outlier_backend` for a backend, which outlive versions and which all
 * workers share. The time is an argument.
 *
 * An endpoint is ejected at the failed connect that makes `failures` of them within the window (policy/window says how
 * exactly). Connects that work do not cancel failures: an endpoint that fails every other session is to be ejected,
 * too. An ejection lasts eject_ns, doubled for each one before it, at most ten times eject_ns. One ejection is
 * forgotten for each eject_ns (or window_ns, where that is longer) since the last one ended. What fails while the
 * endpoint is ejected began before that, or in panic, and does not count.
 *
 * At most max_ejected_ppm of the offered members of the backend (all tiers) are ejected at once, rounded down; but one
 * may be, unless the share is 0. The only offered member of a backend never is. Exact over all workers: ejections of a
 * backend are made one at a time, and one that meets another in the making is put off until the next failure.
 */
#ifndef SLUICE_POLICY_OUTLIER_H
#define SLUICE_POLICY_OUTLIER_H

#include "policy/balance.h"
#include "policy/window.h"

struct outlier_settings {
    uint32_t failures; /* 0: none is ejected */
    uint32_t max_ejected_ppm;
    uint64_t window_ns;
    uint64_t eject_ns;
};

/* Of an endpoint. Zeroed, it is new. */
struct outlier {
    struct window failures;
    _Atomic uint32_t ejections; /* that were not forgotten at the last one, with that; written inside of the claim */
    _Atomic uint64_t untold_ns; /* when the last one ends, until that has been told; 0 then */
};

/* Of a backend. */
struct outlier_backend {
    _Atomic uint32_t claim; /* 1: a worker is about to eject one of its endpoints */
};

enum outlier_event {
    OUTLIER_NONE,
    OUTLIER_EJECTED, /* now, until signals.ejected_until_ns */
    OUTLIER_ENDED,   /* takes part again; told once, to the first who comes after it has ended */
};

/* Counts a failed connect to pool->members[index], whose `outlier` is given, and ejects it where that is due. */
enum outlier_event outlier_failed(const struct outlier_settings *settings, struct outlier_backend *backend,
                                  const struct balance_pool *pool, uint32_t index, struct outlier *outlier,
                                  uint64_t now_ns);

/* OUTLIER_ENDED where an ejection has ended that nobody was told of. For each endpoint that is chosen, before its
 * outcome is known, or from time to time; costs one load. Balancing goes by time and does not wait for it. */
enum outlier_event outlier_look(struct outlier *outlier, uint64_t now_ns);

/* Nobody is to be ejected any more: ends the endpoint's ejection and forgets those before it. OUTLIER_ENDED where the
 * end was not told yet. */
enum outlier_event outlier_reset(struct outlier *outlier, struct balance_signals *signals);

/* Until the first ejection of one of the members ends; UINT64_MAX: none is ejected. */
uint64_t outlier_wait_ns(const struct balance_pool *pool, uint64_t now_ns);

#endif
