/* SPDX-License-Identifier: MIT
 * policy/proxy_protocol: reading version 2, with TLVs and checksums. */
#include "proxy_check.h"
#include "test.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define LOCAL 0x20u
#define PROXY 0x21u
#define IPV4 0x11u
#define IPV6 0x21u
#define UNIX 0x31u

#define TLV_CRC32C 3u
#define TLV_NOOP 4u

static const uint8_t ipv4_block[12] = {192, 0, 2, 7, 198, 51, 100, 9, 0xdc, 0x04, 0x01, 0xbb};
static const uint8_t ipv6_block[36] = {0x20, 1,    0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    7, 0x20, 1,
                                       0x0d, 0xb8, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0xdc, 4, 1,    0xbb};
static const uint8_t unix_block[216] = "/run/client";

/* A header with `rest` bytes to come behind its fixed part. */
static struct bytes fixed(uint8_t command, uint8_t family, uint32_t rest)
{
    struct bytes bytes = {.length = 0};
    bytes_add(&bytes, SIGNATURE, 12);
    bytes_add(&bytes, &command, 1);
    bytes_add(&bytes, &family, 1);
    bytes_add_u16(&bytes, rest);
    return bytes;
}

/* The same with addresses; `more` bytes shall follow those. */
static struct bytes stream(uint8_t family, uint32_t more)
{
    const uint8_t *block = family == IPV4 ? ipv4_block : family == IPV6 ? ipv6_block : unix_block;
    uint32_t block_bytes = family == IPV4 ? sizeof ipv4_block : family == IPV6 ? sizeof ipv6_block : sizeof unix_block;
    struct bytes bytes = fixed(PROXY, family, block_bytes + more);
    bytes_add(&bytes, block, block_bytes);
    return bytes;
}

static void add_tlv(struct bytes *bytes, uint8_t type, const void *value, uint32_t length)
{
    bytes_add(bytes, &type, 1);
    bytes_add_u16(bytes, length);
    bytes_add(bytes, value, length);
}

/* Tells the fixed part how long the header has become. */
static void close_header(struct bytes *bytes)
{
    uint32_t rest = bytes->length - 16;
    bytes->at[14] = (uint8_t)(rest >> 8);
    bytes->at[15] = (uint8_t)rest;
}

/* Bit by bit, as the polynomial says. */
static uint32_t crc32c(const uint8_t *bytes, uint32_t length)
{
    uint32_t crc = UINT32_MAX;
    for (uint32_t bit = 0; bit < 8 * length; bit++) {
        crc ^= (uint32_t)bytes[bit / 8] >> bit % 8 & 1u;
        crc = (crc & 1u) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

/* Stores the checksum of a header whose field at `at` is zero. */
static void seal(struct bytes *bytes, uint32_t at)
{
    uint32_t crc = crc32c(bytes->at, bytes->length);
    for (uint32_t i = 0; i < 4; i++) {
        bytes->at[at + i] = (uint8_t)(crc >> (24 - 8 * i));
    }
}

static void check_local(const struct bytes *bytes)
{
    struct proxy_header header;
    struct proxy_header expected = {.length = bytes->length, .local = true};
    CHECK(is_whole(bytes, &header) && same_header(&header, &expected));
}

static void check_stream(const struct bytes *bytes, uint8_t family)
{
    struct proxy_header header;
    struct proxy_header expected = {.length = bytes->length, .family = family};
    if (family != SLUICE_FAMILY_UNIX) {
        bool ipv4 = family == SLUICE_FAMILY_IPV4;
        memcpy(expected.source_ip, ipv4 ? ipv4_block : ipv6_block, ipv4 ? 4 : 16);
        memcpy(expected.destination_ip, ipv4 ? ipv4_block + 4 : ipv6_block + 16, ipv4 ? 4 : 16);
        expected.source_port = 56324;
        expected.destination_port = 443;
    }
    CHECK(is_whole(bytes, &header) && same_header(&header, &expected));
}

TEST(addresses_of_each_family)
{
    struct bytes ipv4 = stream(IPV4, 0);
    struct bytes ipv6 = stream(IPV6, 0);
    struct bytes local = stream(UNIX, 0);
    check_stream(&ipv4, SLUICE_FAMILY_IPV4);
    check_stream(&ipv6, SLUICE_FAMILY_IPV6);
    check_stream(&local, SLUICE_FAMILY_UNIX);
}

TEST(the_signature_is_exact)
{
    for (uint32_t at = 1; at < 12; at++) {
        struct bytes bytes = {.length = 0};
        bytes_add(&bytes, SIGNATURE, at);
        uint8_t wrong = (uint8_t)(SIGNATURE[at] ^ 1);
        bytes_add(&bytes, &wrong, 1);
        CHECK(is_bad_at_its_end(&bytes));
    }
}

TEST(every_version_and_command)
{
    for (uint32_t command = 0; command < 256; command++) {
        struct bytes bytes = fixed((uint8_t)command, 0, 0);
        if (command == LOCAL || command == PROXY) {
            check_local(&bytes);
        } else {
            bytes.length = 13;
            CHECK(is_bad_at_its_end(&bytes));
        }
    }
}

TEST(every_family_and_protocol)
{
    for (uint32_t family = 0; family < 256; family++) {
        struct bytes bytes = fixed(PROXY, (uint8_t)family, 0);
        if (family == IPV4 || family == IPV6 || family == UNIX) {
            CHECK(is_bad_at_its_end(&bytes)); /* their addresses do not fit */
        } else if (family >> 4 <= 3 && (family & 15u) <= 2) {
            check_local(&bytes);
        } else {
            bytes.length = 14;
            CHECK(is_bad_at_its_end(&bytes));
        }
        struct bytes local = fixed(LOCAL, (uint8_t)family, 1);
        bytes_add(&local, "?", 1);
        check_local(&local);
    }
}

TEST(local_skips_whatever_it_covers)
{
    struct bytes addresses = stream(IPV4, 0);
    addresses.at[12] = LOCAL;
    check_local(&addresses);
    struct bytes wrong_checksum = stream(IPV6, 7);
    add_tlv(&wrong_checksum, TLV_CRC32C, "\1\2\3\4", 4);
    wrong_checksum.at[12] = LOCAL;
    check_local(&wrong_checksum);
}

TEST(unspecified_and_datagrams_are_local)
{
    static const uint8_t families[] = {0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x32};
    for (size_t i = 0; i < sizeof families; i++) {
        struct bytes bytes = fixed(PROXY, families[i], 36);
        bytes_add(&bytes, ipv6_block, 36);
        check_local(&bytes);
    }
}

TEST(addresses_must_fit)
{
    static const struct {
        uint8_t family;
        uint32_t bytes;
    } blocks[] = {{IPV4, 12}, {IPV6, 36}, {UNIX, 216}};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        for (uint32_t rest = 0; rest < blocks[i].bytes + 3; rest++) {
            struct bytes bytes = fixed(PROXY, blocks[i].family, rest);
            /* Too short for addresses, or one or two bytes left where a TLV has three at least. */
            CHECK(rest == blocks[i].bytes || is_bad_at_its_end(&bytes));
        }
    }
}

TEST(the_length_is_bounded)
{
    static uint8_t filler[PROXY_HEADER_MOST_BYTES];
    static const uint8_t commands[] = {LOCAL, PROXY};
    for (size_t i = 0; i < sizeof commands; i++) {
        struct bytes longest = fixed(commands[i], 0, PROXY_HEADER_MOST_BYTES - 16);
        bytes_add(&longest, filler, PROXY_HEADER_MOST_BYTES - 16);
        check_local(&longest);
        struct bytes longer = fixed(commands[i], 0, PROXY_HEADER_MOST_BYTES - 15);
        CHECK(is_bad_at_its_end(&longer));
        struct bytes longer_by_its_first_byte = fixed(commands[i], 0, 0x4000);
        longer_by_its_first_byte.length = 15;
        CHECK(is_bad_at_its_end(&longer_by_its_first_byte));
    }
    struct bytes stuffed = stream(IPV4, 0);
    add_tlv(&stuffed, TLV_NOOP, filler, PROXY_HEADER_MOST_BYTES - 16 - 12 - 3);
    close_header(&stuffed);
    CHECK_EQ(stuffed.length, PROXY_HEADER_MOST_BYTES);
    check_stream(&stuffed, SLUICE_FAMILY_IPV4);
}

TEST(tlvs_are_skipped)
{
    static const uint8_t value[300];
    struct bytes each = stream(IPV4, 0);
    for (uint32_t type = 0; type < 256; type++) {
        if (type != TLV_CRC32C) {
            add_tlv(&each, (uint8_t)type, value, type % 5);
        }
    }
    close_header(&each);
    check_stream(&each, SLUICE_FAMILY_IPV4);
    static const uint32_t lengths[] = {0, 1, 255, 256, 257, 300};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct bytes one = stream(UNIX, 0);
        add_tlv(&one, TLV_NOOP, value, lengths[i]);
        close_header(&one);
        check_stream(&one, SLUICE_FAMILY_UNIX);
    }
}

TEST(tlvs_must_end_with_the_header)
{
    /* {bytes that the header has for TLVs, those that are sent: the last is the wrong one} */
    static const struct {
        uint32_t room;
        uint8_t sent[12];
        uint32_t length;
    } cases[] = {
        {3, {4, 0, 1}, 3},                 /* a value beyond the end */
        {3, {4, 1}, 2},                    /* and by the first byte of its length */
        {4, {4, 0, 0}, 3},                 /* one byte left */
        {5, {4, 0, 0}, 3},                 /* two bytes left */
        {8, {4, 0, 1, 9, 4, 0, 2}, 7},     /* of a second */
        {10, {4, 0, 2, 9, 9, 4, 0, 3}, 8}, /* one byte too many of a second */
        {300, {4, 1, 0x2a}, 3},            /* one byte too many */
        {300, {4, 2}, 2},                  /* a page too many */
        {300, {4, 1, 0x28}, 3},            /* one byte left */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes bytes = stream(IPV4, cases[i].room);
        bytes_add(&bytes, cases[i].sent, cases[i].length);
        CHECK(is_bad_at_its_end(&bytes));
    }
}

/* As HAProxy 2.6 sends it, with crc32c and unique-id. */
static const uint8_t haproxy[54] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11,
                                    0x00, 0x26, 0x7f, 0x00, 0x00, 0x01, 0x7f, 0x00, 0x00, 0x01, 0x98, 0xc8, 0xd8, 0xab,
                                    0x03, 0x00, 0x04, 0xbc, 0xf1, 0xc9, 0x41, 0x05, 0x00, 0x10, 0x37, 0x46, 0x30, 0x30,
                                    0x30, 0x30, 0x30, 0x31, 0x39, 0x38, 0x43, 0x38, 0x30, 0x30, 0x30, 0x36};

TEST(a_checksum_of_another_program)
{
    struct bytes bytes = {.length = 0};
    struct proxy_header header;
    CHECK_EQ(crc32c((const uint8_t *)"123456789", 9), 0xe3069283u);
    bytes_add(&bytes, haproxy, sizeof haproxy);
    CHECK(is_whole(&bytes, &header));
    CHECK_EQ(header.source_port, 39112);
    CHECK_EQ(header.destination_port, 55467);
}

/* A header with a checksum between two other TLVs. */
static struct bytes sealed(uint8_t family)
{
    struct bytes bytes = stream(family, 0);
    add_tlv(&bytes, TLV_NOOP, "pad", 3);
    uint32_t at = bytes.length + 3;
    add_tlv(&bytes, TLV_CRC32C, "\0\0\0\0", 4);
    add_tlv(&bytes, 2, "acme.example", 12);
    close_header(&bytes);
    seal(&bytes, at);
    return bytes;
}

TEST(a_checksum_holds_over_the_whole_header)
{
    static const uint8_t families[][2] = {
        {IPV4, SLUICE_FAMILY_IPV4}, {IPV6, SLUICE_FAMILY_IPV6}, {UNIX, SLUICE_FAMILY_UNIX}};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct bytes good = sealed(families[i][0]);
        check_stream(&good, families[i][1]);
        for (uint32_t bit = 0; bit < 8 * good.length; bit++) {
            struct bytes bad = good;
            struct proxy_header header;
            bad.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
            enum proxy_header_result result = read_alone(&bad, bad.length, &header);
            /* A longer header is not whole; one that became local has no TLVs; one whose checksum has another type has
             * none that we know. */
            bool unchecked = result == PROXY_HEADER_DONE && (header.local || bad.at[good.length - 22] != TLV_CRC32C);
            CHECK(result == PROXY_HEADER_BAD || bit / 8 == 14 || bit / 8 == 15 || unchecked);
        }
    }
}

TEST(a_wrong_checksum_is_bad_at_the_last_byte)
{
    struct bytes bytes = sealed(IPV6);
    bytes.at[bytes.length - 16] ^= 1;
    CHECK(is_bad_at_its_end(&bytes));
}

TEST(a_checksum_alone_and_at_the_end)
{
    struct bytes bytes = stream(IPV4, 7);
    add_tlv(&bytes, TLV_CRC32C, "\0\0\0\0", 4);
    seal(&bytes, bytes.length - 4);
    check_stream(&bytes, SLUICE_FAMILY_IPV4);
}

TEST(a_checksum_has_four_bytes_and_comes_once)
{
    static const struct {
        uint32_t room;
        uint8_t sent[12];
        uint32_t length;
    } cases[] = {
        {3, {3}, 1},                       /* no room for it */
        {6, {3}, 1},                       /* one byte short */
        {8, {3}, 1},                       /* one byte would be left */
        {9, {3}, 1},                       /* or two */
        {7, {3, 1}, 2},                    /* 256 bytes and more */
        {300, {3, 1}, 2},                  /* the same with room */
        {7, {3, 0, 3}, 3},                 /* three bytes */
        {10, {3, 0, 5}, 3},                /* five bytes */
        {10, {3, 0, 0}, 3},                /* none */
        {14, {3, 0, 4, 1, 2, 3, 4, 3}, 8}, /* a second one */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes bytes = stream(IPV4, cases[i].room);
        bytes_add(&bytes, cases[i].sent, cases[i].length);
        CHECK(is_bad_at_its_end(&bytes));
    }
}

TEST(a_tlv_fills_the_header_or_leaves_room_for_another)
{
    for (uint32_t room = 3; room < 12; room++) {
        for (uint32_t length = 0; length < 12; length++) {
            struct bytes bytes = stream(IPV4, room);
            uint32_t left = room - 3 - length; /* wraps around where it does not fit */
            struct proxy_header header;
            bytes_add(&bytes, (uint8_t[]){TLV_NOOP, 0, (uint8_t)length}, 3);
            bool fits = length <= room - 3 && (left == 0 || left >= 3);
            enum proxy_header_result expected = !fits                            ? PROXY_HEADER_BAD
                                                : bytes.length == 16 + 12 + room ? PROXY_HEADER_DONE
                                                                                 : PROXY_HEADER_MORE;
            CHECK_EQ(read_alone(&bytes, bytes.length, &header), expected);
        }
    }
}
