/* SPDX-License-Identifier: MIT
 *
 * A set of IP prefixes: access lists, and later whose PROXY headers are trusted. Pure. The control thread builds it
 * once, with the version that it belongs to; workers only read it.
 *
 * It holds ranges that are sorted and neither overlap nor touch, so that a look-up is a binary search: 13 steps for
 * 10,000 prefixes, whether they nest or not.
 */
#ifndef SLUICE_POLICY_PREFIX_SET_H
#define SLUICE_POLICY_PREFIX_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prefix {
    uint8_t ip[16]; /* network order; IPv4 in the first four bytes; bits beyond the prefix do not count */
    uint8_t family; /* SLUICE_FAMILY_IPV4 or SLUICE_FAMILY_IPV6 */
    uint8_t bits;   /* 0..32 or 0..128 */
};

/* From first to last, both included; host order. */
struct prefix_range_ipv4 {
    uint32_t first;
    uint32_t last;
};

/* The same in halves: the high one first. */
struct prefix_range_ipv6 {
    uint64_t first[2];
    uint64_t last[2];
};

struct prefix_set {
    const struct prefix_range_ipv4 *ipv4; /* both in the memory that it was built in */
    const struct prefix_range_ipv6 *ipv6;
    uint32_t ipv4_count;
    uint32_t ipv6_count;
};

/* Bytes that a set of so many prefixes is built in. */
size_t prefix_set_bytes(uint32_t count);

/* Builds the set of `count` prefixes, which have been checked; they may be in any order, nested and repeated. `memory`
 * is the caller's, aligned for uint64_t; it must live as long as the set is used. It may be NULL when count is 0. */
void prefix_set_build(const struct prefix *prefixes, uint32_t count, void *memory, struct prefix_set *set);

/* Whether an address is in one of the prefixes; false for families that have none. `ip` as in struct prefix. */
bool prefix_set_has(const struct prefix_set *set, uint32_t family, const uint8_t ip[16]);

#endif
