/* SPDX-License-Identifier: MIT
 * policy/prefix_set against a walk over all prefixes. */
#include "policy/prefix_set.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "sluice.h"
#include "test.h"

#define MOST 10000u

struct address {
    uint8_t ip[16];
    uint8_t family;
};

/* "10.0.0.0" or "2001:db8::", with a prefix length. */
static struct prefix prefix_of(const char *text, uint8_t bits)
{
    struct prefix prefix = {.bits = bits, .family = SLUICE_FAMILY_IPV4};
    if (strchr(text, ':') != NULL) {
        prefix.family = SLUICE_FAMILY_IPV6;
        CHECK_EQ(inet_pton(AF_INET6, text, prefix.ip), 1);
    } else {
        CHECK_EQ(inet_pton(AF_INET, text, prefix.ip), 1);
    }
    return prefix;
}

static bool has(const struct prefix_set *set, const char *text)
{
    struct prefix address = prefix_of(text, 0);
    return prefix_set_has(set, address.family, address.ip);
}

/* Exactly as many bytes as asked for, so that the sanitizer sees one too many. Freed by the caller. */
static void *build(const struct prefix *prefixes, uint32_t count, struct prefix_set *set)
{
    void *memory = malloc(prefix_set_bytes(count));
    prefix_set_build(prefixes, count, memory, set);
    return memory;
}

#define BUILD(set, ...)                                                                                                \
    const struct prefix prefixes[] = {__VA_ARGS__};                                                                    \
    struct prefix_set set;                                                                                             \
    void *memory = build(prefixes, sizeof(prefixes) / sizeof(prefixes[0]), &set)

TEST(an_empty_set_has_nothing)
{
    struct prefix_set set;
    CHECK_EQ(prefix_set_bytes(0), 0);
    prefix_set_build(NULL, 0, NULL, &set);
    CHECK(!has(&set, "0.0.0.0"));
    CHECK(!has(&set, "255.255.255.255"));
    CHECK(!has(&set, "::"));
    CHECK(!has(&set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

TEST(no_bits_are_all_addresses_of_the_family)
{
    BUILD(set, prefix_of("0.0.0.0", 0));
    CHECK(has(&set, "0.0.0.0"));
    CHECK(has(&set, "127.0.0.1"));
    CHECK(has(&set, "255.255.255.255"));
    CHECK(!has(&set, "::"));
    CHECK(!has(&set, "::7f00:1"));
    free(memory);
}

TEST(no_bits_of_ipv6)
{
    BUILD(set, prefix_of("::", 0));
    CHECK(has(&set, "::"));
    CHECK(has(&set, "8000::"));
    CHECK(has(&set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    CHECK(!has(&set, "0.0.0.0"));
    free(memory);
}

TEST(all_bits_are_one_address)
{
    BUILD(set, prefix_of("192.0.2.7", 32), prefix_of("2001:db8::7", 128));
    CHECK(!has(&set, "192.0.2.6"));
    CHECK(has(&set, "192.0.2.7"));
    CHECK(!has(&set, "192.0.2.8"));
    CHECK(!has(&set, "2001:db8::6"));
    CHECK(has(&set, "2001:db8::7"));
    CHECK(!has(&set, "2001:db8::8"));
    CHECK(!has(&set, "2001:db8:0:1::7"));
    free(memory);
}

TEST(the_first_and_the_last_address_of_all)
{
    BUILD(set, prefix_of("255.255.255.255", 32), prefix_of("0.0.0.0", 32), prefix_of("255.255.255.254", 32),
          prefix_of("::", 128), prefix_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 128),
          prefix_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 128), prefix_of("255.255.255.255", 32));
    CHECK_EQ(set.ipv4_count, 2);
    CHECK_EQ(set.ipv6_count, 2);
    CHECK(has(&set, "0.0.0.0"));
    CHECK(!has(&set, "0.0.0.1"));
    CHECK(!has(&set, "255.255.255.253"));
    CHECK(has(&set, "255.255.255.254"));
    CHECK(has(&set, "255.255.255.255"));
    CHECK(has(&set, "::"));
    CHECK(!has(&set, "::1"));
    CHECK(!has(&set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd"));
    CHECK(has(&set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"));
    CHECK(has(&set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    free(memory);
}

TEST(neighbours_become_one_range)
{
    BUILD(set, prefix_of("10.0.1.0", 24), prefix_of("10.0.0.0", 24), prefix_of("10.0.3.0", 24),
          prefix_of("2001:db8:0:0:ffff:ffff:ffff:ffff", 128), prefix_of("2001:db8:0:1::", 64));
    CHECK_EQ(set.ipv4_count, 2);
    CHECK_EQ(set.ipv6_count, 1);
    CHECK(!has(&set, "9.255.255.255"));
    CHECK(has(&set, "10.0.0.0"));
    CHECK(has(&set, "10.0.1.255"));
    CHECK(!has(&set, "10.0.2.0"));
    CHECK(!has(&set, "10.0.2.255"));
    CHECK(has(&set, "10.0.3.0"));
    CHECK(!has(&set, "10.0.4.0"));
    CHECK(!has(&set, "2001:db8:0:0:ffff:ffff:ffff:fffe"));
    CHECK(has(&set, "2001:db8:0:0:ffff:ffff:ffff:ffff"));
    CHECK(has(&set, "2001:db8:0:1:ffff:ffff:ffff:ffff"));
    CHECK(!has(&set, "2001:db8:0:2::"));
    free(memory);
}

TEST(nested_and_repeated_prefixes_become_one_range)
{
    BUILD(set, prefix_of("10.1.2.3", 32), prefix_of("10.0.0.0", 8), prefix_of("10.255.0.0", 16),
          prefix_of("10.0.0.0", 8), prefix_of("10.0.0.0", 9), prefix_of("10.0.0.0", 32));
    CHECK_EQ(set.ipv4_count, 1);
    CHECK(!has(&set, "9.255.255.255"));
    CHECK(has(&set, "10.0.0.0"));
    CHECK(has(&set, "10.128.0.0"));
    CHECK(has(&set, "10.255.255.255"));
    CHECK(!has(&set, "11.0.0.0"));
    free(memory);
}

TEST(bits_beyond_the_prefix_do_not_count)
{
    BUILD(set, prefix_of("10.1.2.3", 8), prefix_of("2001:db8::1:2:3", 32));
    CHECK(has(&set, "10.0.0.0"));
    CHECK(has(&set, "10.255.255.255"));
    CHECK(has(&set, "2001:db8::"));
    CHECK(!has(&set, "2001:db9::"));
    free(memory);
}

TEST(other_families_are_in_no_set)
{
    BUILD(set, prefix_of("0.0.0.0", 0), prefix_of("::", 0));
    const uint8_t ip[16] = {0};
    CHECK(!prefix_set_has(&set, SLUICE_FAMILY_NONE, ip));
    CHECK(!prefix_set_has(&set, SLUICE_FAMILY_UNIX, ip));
    CHECK(!prefix_set_has(&set, UINT32_MAX, ip));
    free(memory);
}

static bool walk_has(const struct prefix *prefixes, uint32_t count, const struct address *address)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct prefix *prefix = &prefixes[i];
        uint32_t equal = 0;
        while (equal < prefix->bits && ((prefix->ip[equal / 8] ^ address->ip[equal / 8]) >> (7 - equal % 8) & 1) == 0) {
            equal++;
        }
        if (prefix->family == address->family && equal == prefix->bits) {
            return true;
        }
    }
    return false;
}

/* Bytes of few values in all but the last places, so that random addresses often meet. */
static struct address random_address(uint64_t *random)
{
    struct address address = {.family = SLUICE_FAMILY_IPV4};
    uint32_t bytes = 4;
    if (test_random_below(random, 2) == 0) {
        address.family = SLUICE_FAMILY_IPV6;
        bytes = 16;
    }
    for (uint32_t i = 0; i < bytes; i++) {
        uint64_t values = i + 2 < bytes ? 3 : 256;
        address.ip[i] = (uint8_t)(test_random_below(random, values) * (values == 3 ? 127u : 1u));
    }
    return address;
}

static struct prefix random_prefix(uint64_t *random)
{
    struct address address = random_address(random);
    uint32_t width = address.family == SLUICE_FAMILY_IPV4 ? 32 : 128;
    /* Mostly long ones: a short one covers all that is tested. */
    uint32_t bits = test_random_below(random, 500) == 0 ? (uint32_t)test_random_below(random, width + 1)
                                                        : width - (uint32_t)test_random_below(random, 12);
    struct prefix prefix = {.family = address.family, .bits = (uint8_t)bits};
    for (uint32_t bit = 0; bit < bits; bit++) {
        prefix.ip[bit / 8] |= (uint8_t)(address.ip[bit / 8] & 0x80u >> bit % 8);
    }
    return prefix;
}

/* The address one below the first or one above the last of a prefix, or at one of its ends. */
static struct address edge_of(const struct prefix *prefix, uint64_t which)
{
    struct address edge = {.family = prefix->family};
    uint32_t width = prefix->family == SLUICE_FAMILY_IPV4 ? 32 : 128;
    memcpy(edge.ip, prefix->ip, sizeof(edge.ip));
    for (uint32_t bit = prefix->bits; which >= 2 && bit < width; bit++) {
        edge.ip[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    }
    for (uint32_t i = width / 8; i-- > 0;) {
        if (which == 1 && edge.ip[i]-- != 0) {
            break;
        }
        if (which == 3 && ++edge.ip[i] != 0) {
            break;
        }
    }
    return edge;
}

static void check_ranges(const struct prefix_set *set)
{
    for (uint32_t i = 1; i < set->ipv4_count; i++) {
        CHECK((uint64_t)set->ipv4[i - 1].last + 1 < set->ipv4[i].first);
    }
    for (uint32_t i = 1; i < set->ipv6_count; i++) {
        const uint64_t *last = set->ipv6[i - 1].last;
        const uint64_t *first = set->ipv6[i].first;
        CHECK(last[0] < first[0] || (last[0] == first[0] && last[1] < first[1]));
    }
}

TEST(random_sets_agree_with_the_walk)
{
    static struct prefix prefixes[MOST];
    static const uint32_t counts[] = {1, 2, 3, 5, 10, 33, 100, 1000, 3000, MOST};
    uint64_t random = 11;
    uint32_t found = 0;
    uint32_t asked = 0;
    for (uint32_t round = 0; round < 60; round++) {
        uint32_t count = counts[round % 10];
        for (uint32_t i = 0; i < count; i++) {
            prefixes[i] = random_prefix(&random);
        }
        struct prefix_set set;
        void *memory = build(prefixes, count, &set);
        check_ranges(&set);
        for (uint32_t i = 0; i < 200; i++) {
            struct address address =
                i % 2 == 0 ? random_address(&random)
                           : edge_of(&prefixes[test_random_below(&random, count)], test_random_below(&random, 4));
            bool expected = walk_has(prefixes, count, &address);
            CHECK_EQ(prefix_set_has(&set, address.family, address.ip), expected);
            found += expected;
            asked++;
        }
        free(memory);
    }
    /* The random addresses are of use only when many of both kinds are among them. */
    CHECK(found > asked / 10 && found < asked * 9 / 10);
}

TEST(many_single_addresses_in_sorted_and_in_reversed_order)
{
    static struct prefix prefixes[MOST];
    for (uint32_t order = 0; order < 2; order++) {
        for (uint32_t i = 0; i < MOST; i++) {
            uint32_t address = htonl(0x0a000000u + 2 * (order == 0 ? i : MOST - 1 - i));
            prefixes[i] = (struct prefix){.family = SLUICE_FAMILY_IPV4, .bits = 32};
            memcpy(prefixes[i].ip, &address, sizeof(address));
        }
        struct prefix_set set;
        void *memory = build(prefixes, MOST, &set);
        CHECK_EQ(set.ipv4_count, MOST);
        for (uint32_t i = 0; i < 2 * MOST; i++) {
            uint8_t ip[16] = {0};
            uint32_t address = htonl(0x0a000000u + i);
            memcpy(ip, &address, sizeof(address));
            CHECK_EQ(prefix_set_has(&set, SLUICE_FAMILY_IPV4, ip), i % 2 == 0);
        }
        free(memory);
    }
}
