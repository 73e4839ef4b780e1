/* SPDX-License-Identifier: MIT
 * The budget of further attempts. Called by workers. */
#include "policy/retry_budget.h"

#define PPM 1000000u

void retry_budget_connect(struct retry_budget *budget, uint64_t now_ns)
{
    window_add(&budget->connects, RETRY_BUDGET_WINDOW_NS, now_ns);
}

bool retry_budget_take(struct retry_budget *budget, uint32_t ppm, uint64_t now_ns)
{
    if (ppm == 0 || ppm == RETRY_BUDGET_UNBOUNDED) {
        return ppm != 0;
    }
    /* A sum is below 2^27. */
    uint64_t most = window_sum(&budget->connects, RETRY_BUDGET_WINDOW_NS, now_ns) * ppm / PPM;
    most = most < RETRY_BUDGET_LEAST ? RETRY_BUDGET_LEAST : most;
    return window_add_below(&budget->retries, RETRY_BUDGET_WINDOW_NS, now_ns, most);
}
