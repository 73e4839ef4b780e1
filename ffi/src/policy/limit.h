/* SPDX-License-Identifier: MIT
 *
 * Concurrency caps that are exact over all workers: one atomic counter a cap. The counter guards nothing but itself,
 * but who gives one back looks for waiting sessions after that, and who begins to wait tries to take one after that
 * (path/queue): for one of the two to see the other, all of it is sequentially consistent.
 */
#ifndef SLUICE_POLICY_LIMIT_H
#define SLUICE_POLICY_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Takes one of `cap`; UINT32_MAX is no cap. False, and nothing taken, when all are in use. */
static inline bool limit_take(_Atomic uint32_t *used, uint32_t cap)
{
    uint32_t now = atomic_load(used);
    do {
        if (now >= cap) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(used, &now, now + 1));
    return true;
}

/* Gives back one that was taken. */
static inline void limit_give(_Atomic uint32_t *used)
{
    atomic_fetch_sub(used, 1);
}

#endif
