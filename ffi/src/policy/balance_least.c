/* SPDX-License-Identifier: MIT
 * The algorithms that look for the least: least connections, least time. Called by balance.c, on the worker's thread.
 */
#include "policy/balance_view.h"

/* What a session more costs at a member: cost / share, compared without division. */
struct price {
    unsigned __int128 cost;
    uint32_t share;
};

static bool is_less(struct price a, struct price b)
{
    return a.cost * b.share < b.cost * a.share; /* below 2^64 sessions * ns, and 2^28 */
}

/* Time to connect where only that is known: the shortest of the tier, or 1 where none is. */
static uint64_t shortest_ns(struct balance_view *view, const struct balance_tier *tier)
{
    uint64_t shortest = 0;
    for (uint32_t i = 0; i < tier->count; i++) {
        const struct balance_signals *signals = balance_signals_of(view, tier->order[i]);
        uint64_t time_ns = balance_connect_time_ns(signals, view->request->now_ns);
        if (time_ns != 0 && (shortest == 0 || time_ns < shortest) && balance_is_free(view, tier->order[i])) {
            shortest = time_ns;
        }
    }
    return shortest == 0 ? 1 : shortest;
}

/* `unknown_ns` stands for a time that is not known; 0: times do not count. */
static struct price price_of(const struct balance_view *view, uint32_t index, uint64_t unknown_ns)
{
    uint64_t time_ns = 1;
    if (unknown_ns != 0) {
        time_ns = balance_connect_time_ns(balance_signals_of(view, index), view->request->now_ns);
        time_ns = time_ns == 0 ? unknown_ns : time_ns;
    }
    uint64_t sessions = (uint64_t)balance_active(view, index) + 1;
    return (struct price){.cost = (unsigned __int128)sessions * time_ns, .share = balance_share(view, index)};
}

static uint32_t least(struct balance_view *view, const struct balance_tier *tier, uint64_t unknown_ns)
{
    _Atomic uint64_t *counter = &view->pool->shared->tickets[tier->number];
    /* Starting elsewhere each time spreads equals. */
    uint32_t start = (uint32_t)(atomic_fetch_add_explicit(counter, 1, memory_order_relaxed) % tier->count);
    for (;;) {
        uint32_t best = BALANCE_NONE;
        struct price best_price = {.cost = 0, .share = 0};
        for (uint32_t i = 0; i < tier->count; i++) {
            uint32_t index = tier->order[start + i < tier->count ? start + i : start + i - tier->count];
            if (!balance_is_free(view, index)) {
                continue;
            }
            struct price price = price_of(view, index, unknown_ns);
            if (best == BALANCE_NONE || is_less(price, best_price)) {
                best = index;
                best_price = price;
            }
        }
        if (best == BALANCE_NONE || balance_take(view, best)) {
            return best;
        }
        /* Another worker took its last place: choose again among the rest. */
    }
}

uint32_t balance_least_connections(struct balance_view *view, const struct balance_tier *tier)
{
    return least(view, tier, 0);
}

uint32_t balance_least_time(struct balance_view *view, const struct balance_tier *tier)
{
    return least(view, tier, shortest_ns(view, tier));
}
