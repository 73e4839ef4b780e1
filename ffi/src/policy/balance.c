/* SPDX-License-Identifier: MIT
 * Who takes part in a choice, and at which tier. Called by workers when a session needs an endpoint. */
#include "policy/balance.h"

#include "policy/balance_view.h"
#include "policy/limit.h"

#define PPM UINT64_C(1000000)

bool balance_in_panic(const struct balance_pool *pool, uint64_t now_ns)
{
    if (pool->settings.panic_ppm == 0) {
        return false;
    }
    uint64_t healthy = 0;
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct balance_member *member = &pool->members[i];
        healthy += balance_is_offered(member) && balance_is_healthy(member->signals, now_ns);
    }
    return healthy * PPM < (uint64_t)pool->settings.panic_ppm * pool->offered_count;
}

static bool panics(struct balance_view *view)
{
    if (view->mood == BALANCE_MOOD_UNKNOWN) {
        bool panic = balance_in_panic(view->pool, view->request->now_ns);
        view->mood = panic ? BALANCE_MOOD_PANIC : BALANCE_MOOD_CALM;
    }
    return view->mood == BALANCE_MOOD_PANIC;
}

/* Members of tiers are offered. A healthy one is open in panic, too, so the mood matters only for the others. */
static bool is_open(struct balance_view *view, uint32_t index)
{
    return (view->request->tried & balance_tried_bit(index)) == 0 &&
           (balance_is_healthy(balance_signals_of(view, index), view->request->now_ns) || panics(view));
}

bool balance_is_free(struct balance_view *view, uint32_t index)
{
    return balance_active(view, index) < view->pool->members[index].max_active && is_open(view, index);
}

bool balance_take(const struct balance_view *view, uint32_t index)
{
    const struct balance_member *member = &view->pool->members[index];
    return limit_take(&member->signals->active, member->max_active);
}

uint32_t balance_warmth(const struct balance_view *view, uint32_t index)
{
    uint64_t slow_start_ns = view->pool->settings.slow_start_ns;
    if (slow_start_ns == 0) {
        return BALANCE_WARM;
    }
    const struct balance_signals *signals = balance_signals_of(view, index);
    uint64_t now_ns = view->request->now_ns;
    uint64_t since_ns = atomic_load_explicit(&signals->up_since_ns, memory_order_relaxed);
    uint64_t ejected_until_ns = atomic_load_explicit(&signals->ejected_until_ns, memory_order_relaxed);
    if (ejected_until_ns <= now_ns && ejected_until_ns > since_ns) {
        since_ns = ejected_until_ns;
    }
    if (since_ns == 0) {
        return BALANCE_WARM;
    }
    uint64_t up_ns = now_ns > since_ns ? now_ns - since_ns : 0; /* the clock that set it may be ahead by a turn */
    if (up_ns >= slow_start_ns) {
        return BALANCE_WARM;
    }
    uint32_t warmth = (uint32_t)((unsigned __int128)up_ns * BALANCE_WARM / slow_start_ns);
    return warmth > BALANCE_COLDEST ? warmth : BALANCE_COLDEST;
}

bool balance_tier_is_free(struct balance_view *view, const struct balance_tier *tier)
{
    for (uint32_t i = 0; i < tier->count; i++) {
        if (balance_is_free(view, tier->order[i])) {
            return true;
        }
    }
    return false;
}

static bool tier_is_open(struct balance_view *view, const struct balance_tier *tier)
{
    for (uint32_t i = 0; i < tier->count; i++) {
        if (is_open(view, tier->order[i])) {
            return true;
        }
    }
    return false;
}

uint32_t balance_draw(struct balance_view *view, const struct balance_tier *tier, uint64_t random)
{
    for (;;) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < tier->count; i++) {
            sum += balance_is_free(view, tier->order[i]) ? balance_share(view, tier->order[i]) : 0;
        }
        if (sum == 0) {
            return BALANCE_NONE;
        }
        uint64_t target = (uint64_t)((unsigned __int128)random * sum >> 64);
        for (uint32_t i = 0; i < tier->count; i++) {
            uint32_t index = tier->order[i];
            uint64_t share = balance_is_free(view, index) ? balance_share(view, index) : 0;
            if (target < share && balance_take(view, index)) {
                return index;
            }
            target -= target < share ? target : share;
        }
        /* Another worker took the place that was drawn: again, among what is left. */
    }
}

static uint32_t choose_in(struct balance_view *view, const struct balance_tier *tier)
{
    switch (view->pool->settings.algorithm) {
    case SLUICE_BALANCE_LEAST_CONNECTIONS:
        return balance_least_connections(view, tier);
    case SLUICE_BALANCE_RANDOM_TWO:
        return balance_random_two(view, tier);
    case SLUICE_BALANCE_SOURCE_HASH:
        return balance_source_hash(view, tier);
    case SLUICE_BALANCE_FIRST:
        return balance_first(view, tier);
    case SLUICE_BALANCE_LEAST_TIME:
        return balance_least_time(view, tier);
    default:
        return balance_round_robin(view, tier);
    }
}

uint32_t balance_choose(const struct balance_pool *pool, const struct balance_request *request)
{
    struct balance_view view = {.pool = pool, .request = request};
    for (uint32_t i = 0; i < pool->tier_count; i++) {
        uint32_t index = choose_in(&view, &pool->tiers[i]);
        if (index != BALANCE_NONE) {
            return index;
        }
        if (tier_is_open(&view, &pool->tiers[i])) {
            return BALANCE_NONE; /* all full */
        }
    }
    return BALANCE_NONE;
}

/* The tier that new sessions go to, or NULL. */
static const struct balance_tier *open_tier(struct balance_view *view)
{
    for (uint32_t i = 0; i < view->pool->tier_count; i++) {
        if (tier_is_open(view, &view->pool->tiers[i])) {
            return &view->pool->tiers[i];
        }
    }
    return NULL;
}

bool balance_has_place(const struct balance_pool *pool, uint64_t now_ns)
{
    struct balance_request request = {.now_ns = now_ns};
    struct balance_view view = {.pool = pool, .request = &request};
    const struct balance_tier *tier = open_tier(&view);
    return tier != NULL && balance_tier_is_free(&view, tier);
}

bool balance_is_left(const struct balance_pool *pool, uint64_t tried, uint64_t now_ns)
{
    struct balance_request request = {.now_ns = now_ns, .tried = tried};
    struct balance_view view = {.pool = pool, .request = &request};
    return open_tier(&view) != NULL;
}

bool balance_in_use(const struct balance_pool *pool, uint64_t now_ns)
{
    return balance_is_left(pool, 0, now_ns);
}
