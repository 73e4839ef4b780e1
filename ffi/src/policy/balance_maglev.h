/* SPDX-License-Identifier: MIT
 *
 * Maglev tables (Eisenbud et al. 2016): consistent hashing by one look-up. Members take turns, as often as their weight
 * says, and each takes at its turn the first slot of a permutation of its own that is still free. So every member has
 * its share of the slots to within one for each 4096 (balance_sequence), and a table with a member less differs from
 * the one before in the slots of that member and few others. Pure. By the control thread.
 *
 * The permutation is drawn by a hash rather than by offset and skip: two arithmetic sequences may run into each other
 * again and again, and then a table changes more than it should. Of up to 200 members, no more than one slot in a
 * hundred changes beside those of the member that goes, of up to four one in three hundred (tests).
 */
#ifndef SLUICE_POLICY_BALANCE_MAGLEV_H
#define SLUICE_POLICY_BALANCE_MAGLEV_H

#include <stdint.h>

/* Slots of a table for so many members: a prime, at least 100 for each of 1310 members and 32 for each of 4096. It is
 * the same for all up to 655: between tables of different sizes most clients move. */
uint32_t balance_maglev_size(uint32_t count);

/* Fills `table` with indexes below `count`. `keys` say who a member is: the same key has the same permutation, in every
 * table of that size. `turns` (at least one, indexes below `count`) is walked round and round; for a table that does
 * not depend on the order in which a file names members, those must come sorted by key. `scratch` has room for count
 * uint64_t. */
void balance_maglev_build(const uint64_t *keys, uint32_t count, const uint16_t *turns, uint32_t turn_count,
                          uint16_t *table, uint32_t size, uint64_t *scratch);

#endif
