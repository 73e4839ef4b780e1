/* SPDX-License-Identifier: MIT
 * Maglev tables. Called by the control thread. */
#include "policy/balance_maglev.h"

#include "policy/mix.h"
#include "sys/util.h"

#define SLOTS_PER_MEMBER 100u
#define EMPTY UINT16_MAX

/* The largest primes below powers of two. */
#define SIZE 65521u
#define LARGE_SIZE 131071u

uint32_t balance_maglev_size(uint32_t count)
{
    return count <= SIZE / SLOTS_PER_MEMBER ? SIZE : LARGE_SIZE;
}

void balance_maglev_build(const uint64_t *keys, uint32_t count, const uint16_t *turns, uint32_t turn_count,
                          uint16_t *table, uint32_t size, uint64_t *scratch)
{
    SLUICE_ASSERT(turn_count > 0 && turn_count <= size && count < EMPTY);
    uint64_t *states = scratch; /* of the members' permutations */
    for (uint32_t i = 0; i < count; i++) {
        states[i] = mix_bits(keys[i]);
    }
    for (uint32_t slot = 0; slot < size; slot++) {
        table[slot] = EMPTY;
    }
    for (uint32_t filled = 0; filled < size; filled++) {
        uint16_t member = turns[filled % turn_count];
        uint32_t slot;
        do { /* ends: every number comes in this sequence, so every slot does */
            slot = mix_below(mix_bits(states[member]), size);
            states[member] += MIX_STEP;
        } while (table[slot] != EMPTY);
        table[slot] = member;
    }
}
