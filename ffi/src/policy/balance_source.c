/* SPDX-License-Identifier: MIT
 * Source hash: the same client to the same member. Called by balance.c, on the worker's thread. */
#include "policy/balance_view.h"
#include "policy/mix.h"

/* With a part p of the table out of use, so many steps find nothing with probability p to this power: for nine tenths,
 * once in 850 choices. */
#define STEPS_MAX 64u

uint32_t balance_source_hash(struct balance_view *view, const struct balance_tier *tier)
{
    uint64_t mixed = mix_bits(view->request->client_hash);
    uint64_t own =
        mix_bits(mixed); /* where slot and step are the same for two clients, their turns in a slow start are not */
    uint32_t size = tier->slot_count;
    uint32_t slot = mix_below(mixed, size);
    uint32_t step = 1 + (uint32_t)(mixed & UINT32_MAX) % (size - 1); /* size is prime: it leads through all slots */
    uint32_t passed_over = BALANCE_NONE;
    bool has_looked = false;
    for (uint32_t i = 0; i < STEPS_MAX; i++, slot = (slot + step) % size) {
        uint32_t index = tier->slots[slot];
        if (balance_is_free(view, index)) {
            if (balance_is_warm(view, index, own) && balance_take(view, index)) {
                return index;
            }
            passed_over = passed_over == BALANCE_NONE ? index : passed_over;
        } else if (!has_looked) {
            has_looked = true;
            if (!balance_tier_is_free(view, tier)) {
                return BALANCE_NONE;
            }
        }
    }
    if (passed_over != BALANCE_NONE && balance_take(view, passed_over)) {
        return passed_over; /* all that are left are in their slow start: then it does not matter */
    }
    return balance_draw(view, tier, own);
}
