/* SPDX-License-Identifier: MIT
 *
 * One choice under way: what the algorithms ask of members. Inside of balancing only: balance.c answers,
 * balance_turns.c, balance_least.c and balance_source.c ask. On the worker's thread, for as long as the choice takes.
 */
#ifndef SLUICE_POLICY_BALANCE_VIEW_H
#define SLUICE_POLICY_BALANCE_VIEW_H

#include "policy/balance.h"

/* A member's part of its weight in slow start: this is all of it. */
#define BALANCE_WARM 4096u
#define BALANCE_COLDEST (BALANCE_WARM / 16u)

enum balance_mood {
    BALANCE_MOOD_UNKNOWN, /* nobody has had to ask yet: it means to look at all members */
    BALANCE_MOOD_CALM,
    BALANCE_MOOD_PANIC,
};

struct balance_view {
    const struct balance_pool *pool;
    const struct balance_request *request;
    enum balance_mood mood;
};

static inline struct balance_signals *balance_signals_of(const struct balance_view *view, uint32_t index)
{
    return view->pool->members[index].signals;
}

static inline uint32_t balance_active(const struct balance_view *view, uint32_t index)
{
    return atomic_load_explicit(&balance_signals_of(view, index)->active, memory_order_relaxed);
}

/* Whether a member has a place now. */
bool balance_is_free(struct balance_view *view, uint32_t index);

/* Takes a place of a member that was free; false when another worker took the last one. */
bool balance_take(const struct balance_view *view, uint32_t index);

/* The member's part of its weight now, BALANCE_COLDEST..BALANCE_WARM. */
uint32_t balance_warmth(const struct balance_view *view, uint32_t index);

/* Its weight in these parts: below 2^28. */
static inline uint32_t balance_share(const struct balance_view *view, uint32_t index)
{
    return view->pool->members[index].weight * balance_warmth(view, index);
}

/* Whether a turn of the member is not to be passed on in its slow start; `mixed` is random in its low bits. */
static inline bool balance_is_warm(const struct balance_view *view, uint32_t index, uint64_t mixed)
{
    return (mixed & (BALANCE_WARM - 1)) < balance_warmth(view, index);
}

/* Whether a member of the tier is free. Looks at all in the worst case. */
bool balance_tier_is_free(struct balance_view *view, const struct balance_tier *tier);

/* Draws by share among all members of the tier that are free, and takes a place. Looks at all of them, twice. */
uint32_t balance_draw(struct balance_view *view, const struct balance_tier *tier, uint64_t random);

/* The algorithms. Each returns a member of the tier of which it has taken a place; BALANCE_NONE: none was free. */
uint32_t balance_round_robin(struct balance_view *view, const struct balance_tier *tier);
uint32_t balance_random_two(struct balance_view *view, const struct balance_tier *tier);
uint32_t balance_first(struct balance_view *view, const struct balance_tier *tier);
uint32_t balance_least_connections(struct balance_view *view, const struct balance_tier *tier);
uint32_t balance_least_time(struct balance_view *view, const struct balance_tier *tier);
uint32_t balance_source_hash(struct balance_view *view, const struct balance_tier *tier);

#endif
