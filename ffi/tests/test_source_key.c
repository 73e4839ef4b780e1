/* SPDX-License-Identifier: MIT
 * policy/source_key: prefixes make sources, and nobody can aim at a bucket. */
#include "policy/source_key.h"

#include <arpa/inet.h>

#include "sluice.h"
#include "test.h"

static struct source_key key_of(const char *text, uint32_t tenant)
{
    struct source_key key = {.tenant = tenant, .family = SLUICE_FAMILY_IPV4};
    if (strchr(text, ':') != NULL) {
        key.family = SLUICE_FAMILY_IPV6;
        CHECK_EQ(inet_pton(AF_INET6, text, key.ip), 1);
    } else {
        CHECK_EQ(inet_pton(AF_INET, text, key.ip), 1);
    }
    return key;
}

static void check_mask(const char *address, uint32_t bits, const char *expected)
{
    struct source_key key = key_of(address, 3);
    struct source_key masked = key_of(expected, 3);
    source_key_mask(&key, bits);
    if (memcmp(&key, &masked, sizeof(key)) != 0) {
        TEST_FAIL("%s/%u is not %s", address, bits, expected);
    }
}

TEST(masks_of_ipv4)
{
    check_mask("203.0.113.77", 0, "0.0.0.0");
    check_mask("203.0.113.77", 1, "128.0.0.0");
    check_mask("203.0.113.77", 8, "203.0.0.0");
    check_mask("203.0.113.77", 13, "203.0.0.0");
    check_mask("203.15.113.77", 13, "203.8.0.0");
    check_mask("203.0.113.77", 24, "203.0.113.0");
    check_mask("203.0.113.77", 31, "203.0.113.76");
    check_mask("203.0.113.77", 32, "203.0.113.77");
    check_mask("203.0.113.77", 128, "203.0.113.77");
}

TEST(masks_of_ipv6)
{
    check_mask("2001:db8:1:2:3:4:5:6", 0, "::");
    check_mask("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::");
    check_mask("2001:db8:1:ffff::6", 56, "2001:db8:1:ff00::");
    check_mask("2001:db8:1:ffff::6", 61, "2001:db8:1:fff8::");
    check_mask("2001:db8:1:2:3:4:5:6", 127, "2001:db8:1:2:3:4:5:6");
    check_mask("2001:db8:1:2:3:4:5:7", 127, "2001:db8:1:2:3:4:5:6");
    check_mask("2001:db8:1:2:3:4:5:7", 128, "2001:db8:1:2:3:4:5:7");
    check_mask("2001:db8:1:2:3:4:5:7", UINT32_MAX, "2001:db8:1:2:3:4:5:7");
}

TEST(what_is_behind_an_address_does_not_count)
{
    struct source_key key = key_of("203.0.113.77", 3);
    struct source_key clean = key;
    key.ip[4] = 1;
    key.ip[15] = 1;
    source_key_mask(&key, 32);
    CHECK(memcmp(&key, &clean, sizeof(key)) == 0);
}

TEST(clients_on_unix_sockets_are_one_source)
{
    struct source_key key = {.tenant = 3, .family = SLUICE_FAMILY_UNIX};
    struct source_key clean = key;
    memset(key.ip, 0xff, sizeof(key.ip));
    source_key_mask(&key, 32);
    CHECK(memcmp(&key, &clean, sizeof(key)) == 0);
}

TEST(packed_and_unpacked_is_the_same_key)
{
    struct source_key keys[] = {key_of("203.0.113.77", 1), key_of("2001:db8::7", UINT32_MAX), {.tenant = 0}};
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t words[SOURCE_KEY_WORDS];
        struct source_key back;
        source_key_pack(&keys[i], words);
        source_key_unpack(words, &back);
        CHECK(memcmp(&keys[i], &back, sizeof(back)) == 0);
        CHECK_EQ(source_key_tenant(words[2]), keys[i].tenant);
        CHECK(words[2] != 0);
    }
}

TEST(every_bit_of_key_and_seed_changes_the_hash)
{
    const struct source_key key = key_of("2001:db8:1:2:3:4:5:6", 3);
    const uint64_t seed[2] = {5, 6};
    uint64_t words[SOURCE_KEY_WORDS];
    source_key_pack(&key, words);
    uint64_t hash = source_key_hash(words, seed);
    CHECK(source_key_hash(words, seed) == hash);
    for (uint32_t bit = 0; bit < 5 * 64; bit++) {
        uint64_t numbers[5] = {words[0], words[1], words[2], seed[0], seed[1]};
        numbers[bit / 64] ^= UINT64_C(1) << bit % 64;
        uint64_t other = source_key_hash(numbers, numbers + 3);
        int differing = __builtin_popcountll(hash ^ other);
        CHECK(differing >= 10 && differing <= 54);
    }
}

TEST(neighbouring_addresses_spread_evenly)
{
    enum { BUCKETS = 1024, KEYS = 64 * BUCKETS };
    static uint32_t counts[BUCKETS];
    const uint64_t seed[2] = {UINT64_C(0x1234567890abcdef), UINT64_C(0xfedcba0987654321)};
    memset(counts, 0, sizeof(counts));
    for (uint32_t i = 0; i < KEYS; i++) {
        struct source_key key = {.tenant = 1, .family = SLUICE_FAMILY_IPV4};
        uint32_t address = htonl(0x0a000000u + i);
        memcpy(key.ip, &address, sizeof(address));
        uint64_t words[SOURCE_KEY_WORDS];
        source_key_pack(&key, words);
        counts[source_key_hash(words, seed) % BUCKETS]++;
    }
    for (uint32_t i = 0; i < BUCKETS; i++) {
        CHECK(counts[i] >= 64 - 6 * 8 && counts[i] <= 64 + 6 * 8); /* within six deviations */
    }
}
