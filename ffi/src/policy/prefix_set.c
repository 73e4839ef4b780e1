/* SPDX-License-Identifier: MIT
 * Sets of prefixes. Built by the control thread, asked by workers. */
#include "policy/prefix_set.h"

#include <string.h>

#include "sluice.h"
#include "sys/util.h"

/* An address as a number; an IPv4 address is below 2^32. While a set is built, ranges of both families are of the wide
 * kind, so that one sort and one merge do for both. */
typedef unsigned __int128 address_number;

static address_number join(const uint64_t halves[2])
{
    return (address_number)halves[0] << 64 | halves[1];
}

static void split(address_number number, uint64_t halves[2])
{
    halves[0] = (uint64_t)(number >> 64);
    halves[1] = (uint64_t)number;
}

static uint32_t read_ipv4(const uint8_t *ip)
{
    uint32_t address;
    memcpy(&address, ip, sizeof(address));
    return __builtin_bswap32(address);
}

static address_number read_ipv6(const uint8_t *ip)
{
    uint64_t halves[2];
    memcpy(halves, ip, sizeof(halves));
    return (address_number)__builtin_bswap64(halves[0]) << 64 | __builtin_bswap64(halves[1]);
}

static struct prefix_range_ipv6 range_of(const struct prefix *prefix)
{
    bool narrow = prefix->family == SLUICE_FAMILY_IPV4;
    uint32_t width = narrow ? 32 : 128;
    SLUICE_ASSERT(prefix->bits <= width);
    uint32_t host_bits = width - prefix->bits;
    address_number host = host_bits == 128 ? ~(address_number)0 : ((address_number)1 << host_bits) - 1;
    address_number address = narrow ? read_ipv4(prefix->ip) : read_ipv6(prefix->ip);
    struct prefix_range_ipv6 range;
    split(address & ~host, range.first);
    split(address | host, range.last);
    return range;
}

static bool before(const struct prefix_range_ipv6 *a, const struct prefix_range_ipv6 *b)
{
    return join(a->first) < join(b->first);
}

/* Lets ranges[root] sink to its place in the heap of `count`, whose root is the last to come. */
static void sift_down(struct prefix_range_ipv6 *ranges, size_t root, size_t count)
{
    struct prefix_range_ipv6 sinking = ranges[root];
    for (size_t child = 2 * root + 1; child < count; child = 2 * root + 1) {
        if (child + 1 < count && before(&ranges[child], &ranges[child + 1])) {
            child++;
        }
        if (!before(&sinking, &ranges[child])) {
            break;
        }
        ranges[root] = ranges[child];
        root = child;
    }
    ranges[root] = sinking;
}

/* Heapsort by first address: in place, without recursion, and no order of the input makes it slow. The libc's qsort may
 * allocate. */
static void sort(struct prefix_range_ipv6 *ranges, size_t count)
{
    for (size_t root = count / 2; root > 0; root--) {
        sift_down(ranges, root - 1, count);
    }
    for (size_t end = count; end > 1; end--) {
        struct prefix_range_ipv6 last = ranges[0];
        ranges[0] = ranges[end - 1];
        ranges[end - 1] = last;
        sift_down(ranges, 0, end - 1);
    }
}

/* Makes one of sorted ranges that overlap or touch; returns how many are left. */
static uint32_t merge(struct prefix_range_ipv6 *ranges, uint32_t count)
{
    uint32_t merged = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (merged > 0) {
            address_number last = join(ranges[merged - 1].last);
            /* Not last + 1: behind the last address of all there is no other. */
            if (join(ranges[i].first) <= last || join(ranges[i].first) - last == 1) {
                if (join(ranges[i].last) > last) {
                    split(join(ranges[i].last), ranges[merged - 1].last);
                }
                continue;
            }
        }
        ranges[merged++] = ranges[i];
    }
    return merged;
}

/* Turns wide ranges into narrow ones in the same memory, from its start on: a narrow one is never ahead of those that
 * are still to be read. */
static const struct prefix_range_ipv4 *make_narrow(struct prefix_range_ipv6 *ranges, uint32_t count)
{
    uint8_t *bytes = (uint8_t *)ranges;
    for (uint32_t i = 0; i < count; i++) {
        struct prefix_range_ipv4 range = {(uint32_t)ranges[i].first[1], (uint32_t)ranges[i].last[1]};
        memcpy(bytes + i * sizeof(range), &range, sizeof(range));
    }
    return (const struct prefix_range_ipv4 *)(const void *)bytes;
}

/* Writes the ranges of one family; returns how many. */
static uint32_t gather(const struct prefix *prefixes, uint32_t count, uint32_t family, struct prefix_range_ipv6 *ranges)
{
    uint32_t gathered = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (prefixes[i].family == family) {
            ranges[gathered++] = range_of(&prefixes[i]);
        }
    }
    return gathered;
}

size_t prefix_set_bytes(uint32_t count)
{
    return count * sizeof(struct prefix_range_ipv6);
}

void prefix_set_build(const struct prefix *prefixes, uint32_t count, void *memory, struct prefix_set *set)
{
    *set = (struct prefix_set){0};
    if (count == 0) {
        return;
    }
    struct prefix_range_ipv6 *ipv6 = memory;
    uint32_t ipv6_count = gather(prefixes, count, SLUICE_FAMILY_IPV6, ipv6);
    struct prefix_range_ipv6 *ipv4 = ipv6 + ipv6_count;
    uint32_t ipv4_count = gather(prefixes, count, SLUICE_FAMILY_IPV4, ipv4);
    SLUICE_ASSERT(ipv6_count + ipv4_count == count);
    sort(ipv6, ipv6_count);
    sort(ipv4, ipv4_count);
    set->ipv6 = ipv6;
    set->ipv6_count = merge(ipv6, ipv6_count);
    set->ipv4_count = merge(ipv4, ipv4_count);
    set->ipv4 = make_narrow(ipv4, set->ipv4_count);
}

/* In both: how many ranges begin at or before the address; only the last of those can hold it. */
static bool has_ipv4(const struct prefix_set *set, uint32_t address)
{
    uint32_t low = 0;
    uint32_t high = set->ipv4_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (set->ipv4[middle].first <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && address <= set->ipv4[low - 1].last;
}

static bool has_ipv6(const struct prefix_set *set, address_number address)
{
    uint32_t low = 0;
    uint32_t high = set->ipv6_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (join(set->ipv6[middle].first) <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && address <= join(set->ipv6[low - 1].last);
}

bool prefix_set_has(const struct prefix_set *set, uint32_t family, const uint8_t ip[16])
{
    switch (family) {
    case SLUICE_FAMILY_IPV4:
        return has_ipv4(set, read_ipv4(ip));
    case SLUICE_FAMILY_IPV6:
        return has_ipv6(set, read_ipv6(ip));
    default:
        return false;
    }
}
