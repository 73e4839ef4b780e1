/* SPDX-License-Identifier: MIT
 *
 * How many further attempts a backend's sessions may make: a share of the sessions that connected within the last ten
 * seconds (policy/window says how exactly), so that retries cannot multiply the load on a backend that is in trouble.
 * A few are always allowed, for backends with few sessions. Pure; one for a backend, it outlives versions, all workers
 * share it. Any worker.
 */
#ifndef SLUICE_POLICY_RETRY_BUDGET_H
#define SLUICE_POLICY_RETRY_BUDGET_H

#include "policy/window.h"

#define RETRY_BUDGET_WINDOW_NS UINT64_C(10000000000)
#define RETRY_BUDGET_LEAST 3u /* further attempts in a window that need no sessions behind them */
#define RETRY_BUDGET_UNBOUNDED UINT32_MAX

/* Zeroed, it is new. */
struct retry_budget {
    struct window connects; /* first attempts */
    struct window retries;  /* further ones */
};

/* Counts the first attempt of a session. Not needed where there is no bound. */
void retry_budget_connect(struct retry_budget *budget, uint64_t now_ns);

/* Whether a session may make a further attempt; if so, it is counted. `ppm` is the share; 0: never;
 * RETRY_BUDGET_UNBOUNDED: always. */
bool retry_budget_take(struct retry_budget *budget, uint32_t ppm, uint64_t now_ns);

#endif
