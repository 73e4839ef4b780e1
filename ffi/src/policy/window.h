/* SPDX-License-Identifier: MIT
 *
 * A count of what happened within a sliding window, shared by workers: failures of an endpoint, connects of a backend.
 * Pure and without locks; the time is an argument.
 *
 * The window is cut into eighths. A sum is that of the eighth that runs and the seven before: everything of the last
 * seven eighths of the window counts, nothing older than the window does.
 *
 * Each eighth is one atomic that holds its number and its count, so what is old needs nobody to clear it. All is
 * sequentially consistent: of several threads that count and then look, the last one sees all. A worker whose time is
 * behind that of others by no more than an eighth counts into the eighth before. Where a window gets another length,
 * it starts nearly empty.
 */
#ifndef SLUICE_POLICY_WINDOW_H
#define SLUICE_POLICY_WINDOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WINDOW_SLOTS 8u

/* Zeroed, it is empty. */
struct window {
    _Atomic uint64_t slots[WINDOW_SLOTS]; /* 40 bits: number of the eighth since time began; 24 bits: count */
};

void window_add(struct window *window, uint64_t length_ns, uint64_t now_ns);

/* Counts one if the sum is below `limit`. Exact where all workers are in the same eighth; at its border, a worker whose
 * time is behind may let one pass beyond the limit. */
bool window_add_below(struct window *window, uint64_t length_ns, uint64_t now_ns, uint64_t limit);

uint64_t window_sum(const struct window *window, uint64_t length_ns, uint64_t now_ns);

void window_clear(struct window *window);

#endif
