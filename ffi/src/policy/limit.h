/* SPDX-License-Identifier: MIT
 *
 * Concurrency caps that are exact over all workers: one atomic counter a cap. Relaxed order is enough: the counter
 * guards nothing but itself.
 */
#ifndef SLUICE_POLICY_LIMIT_H
#define SLUICE_POLICY_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Takes one of `cap`; UINT32_MAX is no cap. False, and nothing taken, when all are in use. */
static inline bool limit_take(_Atomic uint32_t *used, uint32_t cap)
{
    uint32_t now = atomic_load_explicit(used, memory_order_relaxed);
    do {
        if (now >= cap) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(used, &now, now + 1, memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* Gives back one that was taken. */
static inline void limit_give(_Atomic uint32_t *used)
{
    atomic_fetch_sub_explicit(used, 1, memory_order_relaxed);
}

#endif
