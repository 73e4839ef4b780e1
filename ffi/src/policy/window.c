/* SPDX-License-Identifier: MIT
 * Counts within a sliding window. Called by workers. */
#include "policy/window.h"

#define COUNT_BITS 24u
#define COUNT_MAX ((UINT64_C(1) << COUNT_BITS) - 1) /* where a count stays */
#define NUMBER_MASK ((UINT64_C(1) << (64 - COUNT_BITS)) - 1)

static uint64_t number_at(uint64_t length_ns, uint64_t now_ns)
{
    uint64_t eighth_ns = length_ns / WINDOW_SLOTS;
    return now_ns / (eighth_ns == 0 ? 1 : eighth_ns) & NUMBER_MASK;
}

/* The word of a slot after one more in the eighth of this number. */
static uint64_t one_more(uint64_t word, uint64_t number)
{
    uint64_t count = word >> COUNT_BITS == number ? word & COUNT_MAX : 0;
    return number << COUNT_BITS | (count < COUNT_MAX ? count + 1 : count);
}

static uint64_t count_in(uint64_t word, uint64_t number)
{
    uint64_t age = (number - (word >> COUNT_BITS)) & NUMBER_MASK; /* large for one that is ahead */
    return age < WINDOW_SLOTS ? word & COUNT_MAX : 0;
}

void window_add(struct window *window, uint64_t length_ns, uint64_t now_ns)
{
    uint64_t number = number_at(length_ns, now_ns);
    _Atomic uint64_t *slot = &window->slots[number % WINDOW_SLOTS];
    uint64_t seen = atomic_load(slot);
    while (!atomic_compare_exchange_weak(slot, &seen, one_more(seen, number))) {
    }
}

/* The sum of all slots but one. */
static uint64_t sum_without(const struct window *window, uint64_t number, uint64_t left_out)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < WINDOW_SLOTS; i++) {
        sum += i == left_out ? 0 : count_in(atomic_load(&window->slots[i]), number);
    }
    return sum;
}

uint64_t window_sum(const struct window *window, uint64_t length_ns, uint64_t now_ns)
{
    return sum_without(window, number_at(length_ns, now_ns), WINDOW_SLOTS);
}

bool window_add_below(struct window *window, uint64_t length_ns, uint64_t now_ns, uint64_t limit)
{
    uint64_t number = number_at(length_ns, now_ns);
    uint64_t position = number % WINDOW_SLOTS;
    _Atomic uint64_t *slot = &window->slots[position];
    uint64_t seen = atomic_load(slot);
    do {
        /* The slot that is about to change is also what guards the sum: whoever counts meanwhile changes it. */
        if (sum_without(window, number, position) + count_in(seen, number) >= limit) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(slot, &seen, one_more(seen, number)));
    return true;
}

void window_clear(struct window *window)
{
    for (uint64_t i = 0; i < WINDOW_SLOTS; i++) {
        atomic_store(&window->slots[i], 0);
    }
}
