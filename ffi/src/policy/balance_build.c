/* SPDX-License-Identifier: MIT
 * Building what a pool needs for its choices: tiers, turns, tables. Called by the control thread. */
#include <string.h>

#include "policy/balance.h"
#include "policy/balance_maglev.h"
#include "policy/balance_sequence.h"
#include "sys/util.h"

/* Parts of the caller's scratch, for one tier at a time. */
struct scratch {
    int64_t *current; /* 2 * count, of balance_sequence_build; count, of balance_maglev_build */
    uint64_t *keys;   /* the rest of it: count each */
    uint32_t *weights;
    uint16_t *order;
    uint16_t *turns; /* BALANCE_MAX_SEQUENCE + count */
};

size_t balance_scratch_bytes(uint32_t count)
{
    size_t each = 2 * sizeof(int64_t) + sizeof(uint64_t) + sizeof(uint32_t) + 2 * sizeof(uint16_t);
    return count * each + BALANCE_MAX_SEQUENCE * sizeof(uint16_t);
}

static struct scratch divide_scratch(void *memory, uint32_t count)
{
    struct scratch scratch;
    scratch.current = memory;
    scratch.keys = (uint64_t *)(scratch.current + 2 * (size_t)count);
    scratch.weights = (uint32_t *)(scratch.keys + count);
    scratch.order = (uint16_t *)(scratch.weights + count);
    scratch.turns = scratch.order + count;
    return scratch;
}

/* Writes the indexes of a tier's offered members in their order; returns how many. */
static uint32_t collect(const struct balance_member *members, uint32_t count, uint32_t tier, uint16_t *order)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].tier == tier && balance_is_offered(&members[i])) {
            order[found++] = (uint16_t)i;
        }
    }
    return found;
}

static void read_weights(const struct balance_member *members, const uint16_t *order, uint32_t count, uint32_t *weights)
{
    for (uint32_t i = 0; i < count; i++) {
        weights[i] = members[order[i]].weight;
    }
}

static uint32_t slots_needed(const struct balance_member *members, uint32_t algorithm, struct scratch scratch,
                             uint32_t tier_count)
{
    switch (algorithm) {
    case SLUICE_BALANCE_ROUND_ROBIN:
    case SLUICE_BALANCE_RANDOM_TWO:
        read_weights(members, scratch.order, tier_count, scratch.weights);
        return balance_sequence_length(scratch.weights, tier_count);
    case SLUICE_BALANCE_SOURCE_HASH:
        return balance_maglev_size(tier_count);
    default:
        return 0;
    }
}

size_t balance_bytes(const struct balance_member *members, uint32_t count, uint32_t algorithm, void *scratch)
{
    SLUICE_ASSERT(count <= BALANCE_MAX_MEMBERS);
    struct scratch parts = divide_scratch(scratch, count);
    size_t bytes = 0;
    for (uint32_t number = 0; number < BALANCE_TIERS; number++) {
        uint32_t found = collect(members, count, number, parts.order);
        if (found > 0) {
            size_t indexes = found + slots_needed(members, algorithm, parts, found);
            bytes += sizeof(struct balance_tier) + indexes * sizeof(uint16_t);
        }
    }
    return bytes;
}

/* Lets order[root] sink to its place in the heap of `count`, whose root is the last to come. */
static void sift_down(const struct balance_member *members, uint16_t *order, uint32_t root, uint32_t count)
{
    uint16_t sinking = order[root];
    for (uint32_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && members[order[child]].key < members[order[child + 1]].key) {
            child++;
        }
        if (members[sinking].key >= members[order[child]].key) {
            break;
        }
        order[root] = order[child];
        root = child;
    }
    order[root] = sinking;
}

/* Heapsort by key: in place, and without an allocation as the libc's qsort may make. */
static void sort_by_key(const struct balance_member *members, uint16_t *order, uint32_t count)
{
    for (uint32_t root = count / 2; root > 0; root--) {
        sift_down(members, order, root - 1, count);
    }
    for (uint32_t left = count; left > 1; left--) {
        uint16_t last = order[0];
        order[0] = order[left - 1];
        order[left - 1] = last;
        sift_down(members, order, 0, left - 1);
    }
}

static void build_sequence(struct scratch scratch, uint32_t count, uint16_t *slots, uint32_t slot_count)
{
    balance_sequence_build(scratch.weights, count, slots, scratch.current);
    for (uint32_t i = 0; i < slot_count; i++) {
        slots[i] = scratch.order[slots[i]];
    }
}

static void build_table(const struct balance_member *members, struct scratch scratch, uint32_t count, uint16_t *slots,
                        uint32_t slot_count)
{
    sort_by_key(members, scratch.order, count);
    read_weights(members, scratch.order, count, scratch.weights);
    for (uint32_t i = 0; i < count; i++) {
        scratch.keys[i] = members[scratch.order[i]].key;
    }
    uint32_t turn_count = balance_sequence_length(scratch.weights, count);
    balance_sequence_build(scratch.weights, count, scratch.turns, scratch.current);
    balance_maglev_build(scratch.keys, count, scratch.turns, turn_count, slots, slot_count,
                         (uint64_t *)scratch.current);
    for (uint32_t i = 0; i < slot_count; i++) {
        slots[i] = scratch.order[slots[i]];
    }
}

void balance_build(struct balance_pool *pool, const struct balance_member *members, uint32_t count,
                   const struct balance_settings *settings, struct balance_shared *shared, void *memory, void *scratch)
{
    SLUICE_ASSERT(count <= BALANCE_MAX_MEMBERS && settings->algorithm <= SLUICE_BALANCE_LEAST_TIME);
    struct scratch parts = divide_scratch(scratch, count);
    struct balance_tier *tiers = memory;
    *pool = (struct balance_pool){
        .members = members, .member_count = count, .tiers = tiers, .settings = *settings, .shared = shared};
    for (uint32_t number = 0; number < BALANCE_TIERS; number++) {
        uint32_t found = collect(members, count, number, parts.order);
        if (found > 0) {
            uint32_t slots = slots_needed(members, settings->algorithm, parts, found);
            tiers[pool->tier_count++] = (struct balance_tier){.count = found, .number = number, .slot_count = slots};
            pool->offered_count += found;
        }
    }
    uint16_t *next = (uint16_t *)(void *)(tiers + pool->tier_count);
    for (uint32_t i = 0; i < pool->tier_count; i++) {
        struct balance_tier *tier = &tiers[i];
        collect(members, count, tier->number, parts.order);
        memcpy(next, parts.order, tier->count * sizeof(*next));
        tier->order = next;
        next += tier->count;
        tier->slots = next;
        if (settings->algorithm == SLUICE_BALANCE_SOURCE_HASH) {
            build_table(members, parts, tier->count, next, tier->slot_count);
        } else if (tier->slot_count > 0) {
            read_weights(members, parts.order, tier->count, parts.weights);
            build_sequence(parts, tier->count, next, tier->slot_count);
        }
        next += tier->slot_count;
    }
}
