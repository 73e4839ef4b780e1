/* SPDX-License-Identifier: MIT
 * What is known of an endpoint. Called by the control thread for health, by workers for connects. */
#include "policy/balance_signals.h"

#define EIGHTH_SHIFT 3u

uint32_t balance_set_health(struct balance_signals *signals, uint32_t health, uint64_t now_ns)
{
    uint32_t before = atomic_load_explicit(&signals->health, memory_order_relaxed);
    if (before == SLUICE_HEALTH_DOWN && health != SLUICE_HEALTH_DOWN) {
        atomic_store_explicit(&signals->up_since_ns, now_ns, memory_order_relaxed);
    }
    return atomic_exchange(&signals->health, health);
}

/* How long ago a connect was measured. Another worker's clock may be ahead by a turn. */
static uint64_t age_ns(const struct balance_signals *signals, uint64_t now_ns)
{
    uint64_t noted_ns = atomic_load_explicit(&signals->connect_noted_ns, memory_order_relaxed);
    return now_ns > noted_ns ? now_ns - noted_ns : 0;
}

void balance_note_connect(struct balance_signals *signals, uint64_t took_ns, uint64_t now_ns)
{
    bool is_old = age_ns(signals, now_ns) >= BALANCE_CONNECT_HALF_NS;
    uint64_t before = atomic_load_explicit(&signals->connect_ns, memory_order_relaxed);
    uint64_t after;
    do {
        bool replaces = before == 0 || is_old;
        after = replaces ? took_ns : before - (before >> EIGHTH_SHIFT) + (took_ns >> EIGHTH_SHIFT);
        after = after == 0 ? 1 : after;
    } while (!atomic_compare_exchange_weak_explicit(&signals->connect_ns, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    atomic_store_explicit(&signals->connect_noted_ns, now_ns, memory_order_relaxed);
}

uint64_t balance_connect_time_ns(const struct balance_signals *signals, uint64_t now_ns)
{
    uint64_t time_ns = atomic_load_explicit(&signals->connect_ns, memory_order_relaxed);
    uint64_t halvings = age_ns(signals, now_ns) / BALANCE_CONNECT_HALF_NS;
    uint64_t left_ns = halvings < 64 ? time_ns >> halvings : 0;
    return left_ns == 0 && time_ns != 0 ? 1 : left_ns;
}
