/* SPDX-License-Identifier: MIT
 * The algorithms that take turns or draw: round robin, random two, first. Called by balance.c, on the worker's thread.
 */
#include "policy/balance_view.h"
#include "policy/mix.h"

#define TICKETS_MAX 128u /* tickets that one choice may use up before it looks at the members one by one */
#define PAIRS_MAX 8u     /* pairs that one choice may draw before that */
#define OTHERS_MAX 8u    /* draws for the second of a pair to be another one than the first */

uint32_t balance_round_robin(struct balance_view *view, const struct balance_tier *tier)
{
    _Atomic uint64_t *counter = &view->pool->shared->tickets[tier->number];
    /* A further attempt of a session looks ahead without taking tickets: the next session gets the turn it would have
     * had anyway, so an endpoint that fails does not shift who is first. */
    bool takes = view->request->tried == 0;
    bool has_looked = false;
    uint64_t ticket = atomic_load_explicit(counter, memory_order_relaxed);
    for (uint32_t used = 0; used < TICKETS_MAX; used++, ticket++) {
        if (takes) {
            ticket = atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
        }
        uint32_t index = tier->slots[ticket % tier->slot_count];
        if (balance_is_free(view, index)) {
            if (balance_is_warm(view, index, mix_bits(ticket)) && balance_take(view, index)) {
                return index;
            }
        } else if (!has_looked) {
            has_looked = true;
            if (!balance_tier_is_free(view, tier)) {
                return BALANCE_NONE; /* rather than use up tickets for nothing */
            }
        }
    }
    return balance_draw(view, tier, mix_bits(ticket));
}

/* Draws a member by weight; one that is in its slow start may pass it on to another. */
static uint32_t draw(const struct balance_view *view, const struct balance_tier *tier, uint64_t *random)
{
    uint64_t mixed = mix_bits(*random);
    *random += MIX_STEP;
    uint32_t index = tier->slots[mix_below(mixed, tier->slot_count)];
    return balance_is_warm(view, index, mixed) ? index : BALANCE_NONE;
}

static uint32_t draw_other(const struct balance_view *view, const struct balance_tier *tier, uint64_t *random,
                           uint32_t first)
{
    uint32_t second = first;
    for (uint32_t i = 0; i < OTHERS_MAX && second == first && tier->count > 1; i++) {
        second = draw(view, tier, random);
    }
    return second;
}

/* Whether b has fewer sessions for its weight than a. Shares are below 2^28. */
static bool is_lighter(const struct balance_view *view, uint32_t b, uint32_t a)
{
    return (uint64_t)balance_active(view, b) * balance_share(view, a) <
           (uint64_t)balance_active(view, a) * balance_share(view, b);
}

uint32_t balance_random_two(struct balance_view *view, const struct balance_tier *tier)
{
    uint64_t random = view->request->random;
    bool has_looked = false;
    for (uint32_t i = 0; i < PAIRS_MAX; i++) {
        uint32_t first = draw(view, tier, &random);
        uint32_t second = draw_other(view, tier, &random, first);
        bool first_free = first != BALANCE_NONE && balance_is_free(view, first);
        bool second_free = second != BALANCE_NONE && balance_is_free(view, second);
        if (first_free || second_free) {
            bool takes_second = !first_free || (second_free && is_lighter(view, second, first));
            uint32_t index = takes_second ? second : first;
            if (balance_take(view, index)) {
                return index;
            }
        } else if (!has_looked && (first != BALANCE_NONE || second != BALANCE_NONE)) {
            has_looked = true;
            if (!balance_tier_is_free(view, tier)) {
                return BALANCE_NONE;
            }
        }
    }
    return balance_draw(view, tier, mix_bits(random));
}

uint32_t balance_first(struct balance_view *view, const struct balance_tier *tier)
{
    uint64_t random = view->request->random;
    uint32_t passed_over = BALANCE_NONE;
    for (uint32_t i = 0; i < tier->count; i++) {
        uint32_t index = tier->order[i];
        if (!balance_is_free(view, index)) {
            continue;
        }
        if (balance_is_warm(view, index, mix_bits(random + i)) && balance_take(view, index)) {
            return index;
        }
        passed_over = passed_over == BALANCE_NONE ? index : passed_over;
    }
    if (passed_over != BALANCE_NONE && balance_take(view, passed_over)) {
        return passed_over;
    }
    return passed_over == BALANCE_NONE ? BALANCE_NONE : balance_draw(view, tier, mix_bits(random));
}
