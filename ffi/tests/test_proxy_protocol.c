/* SPDX-License-Identifier: MIT
 * policy/proxy_protocol: version 1, and what both versions write. */
#include "policy/proxy_protocol.h"

#include <arpa/inet.h>

#include "proxy_check.h"
#include "test.h"

#define FULL "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

/* A line is whole, and says this; the addresses are in the system's notation. */
static void check_line(const char *line, const char *source, uint16_t source_port, const char *destination,
                       uint16_t destination_port)
{
    struct bytes bytes = bytes_of_text(line);
    struct proxy_header header;
    uint8_t ip[16];
    bool ipv6 = strchr(source, ':') != NULL;
    int family = ipv6 ? AF_INET6 : AF_INET;
    size_t ip_bytes = ipv6 ? 16 : 4;
    if (!is_whole(&bytes, &header)) {
        TEST_FAIL("%s is not whole at its end", line);
        return;
    }
    CHECK(!header.local);
    CHECK_EQ(header.family, ipv6 ? SLUICE_FAMILY_IPV6 : SLUICE_FAMILY_IPV4);
    CHECK(inet_pton(family, source, ip) == 1 && memcmp(ip, header.source_ip, ip_bytes) == 0);
    CHECK(inet_pton(family, destination, ip) == 1 && memcmp(ip, header.destination_ip, ip_bytes) == 0);
    CHECK_EQ(header.source_port, source_port);
    CHECK_EQ(header.destination_port, destination_port);
}

static void check_unknown(const char *line)
{
    struct bytes bytes = bytes_of_text(line);
    struct proxy_header header;
    struct proxy_header expected = {.length = bytes.length, .local = true};
    CHECK(is_whole(&bytes, &header) && same_header(&header, &expected));
}

/* The last byte of the text is the first that no line has there. */
static void check_bad(const char *text)
{
    struct bytes bytes = bytes_of_text(text);
    if (!is_bad_at_its_end(&bytes)) {
        TEST_FAIL("\"%s\" is not bad at its last byte", text);
    }
}

TEST(the_lines_of_the_text)
{
    check_line("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1", 56324, "192.168.0.11", 443);
    check_line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65535,
               "255.255.255.255", 65535);
    check_line("PROXY TCP6 " FULL " " FULL " 65535 65535\r\n", FULL, 65535, FULL, 65535);
    check_unknown("PROXY UNKNOWN\r\n");
    check_unknown("PROXY UNKNOWN " FULL " " FULL " 65535 65535\r\n");
}

TEST(smallest_numbers_and_both_cases)
{
    check_line("PROXY TCP4 0.0.0.0 1.0.10.100 0 1\r\n", "0.0.0.0", 0, "1.0.10.100", 1);
    check_line("PROXY TCP6 2001:DB8::aBcD ::1 10 100\r\n", "2001:db8::abcd", 10, "::1", 100);
}

TEST(what_follows_is_left_to_the_session)
{
    struct bytes bytes = bytes_of_text("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\nPROXY TCP4 9.9.9.9");
    struct proxy_header header;
    CHECK_EQ(read_alone(&bytes, bytes.length, &header), PROXY_HEADER_DONE);
    CHECK_EQ(header.length, strlen("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n"));
}

TEST(a_header_is_written_only_when_it_is_done)
{
    struct proxy_header header = {.length = 77, .family = 9};
    struct bytes bytes = bytes_of_text("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r");
    CHECK_EQ(read_alone(&bytes, bytes.length, &header), PROXY_HEADER_MORE);
    bytes_add(&bytes, "x", 1);
    CHECK_EQ(read_alone(&bytes, bytes.length, &header), PROXY_HEADER_BAD);
    CHECK(header.length == 77 && header.family == 9 && !header.local);
    CHECK_EQ(proxy_header_read(NULL, 0, &header), PROXY_HEADER_MORE);
}

TEST(lines_are_bad_at_the_first_wrong_byte)
{
    static const char *const texts[] = {
        /* Other protocols, and another case. */
        "G", "p", " ", "\n", "\x16", "PROXI", "PROXY\r", "PROXY  ", "PROXY t", "PROXY TCp", "PROXY TCP5", "PROXY TCP ",
        "PROXY TCP4\r", "PROXY TCP4  ", "PROXY TCP4\t", "PROXY TCP46", "PROXY UD", "PROXY u", "PROXY UNKNOWN\n",
        "PROXY UNKNOWNX", "PROXY UNKNOWN\rX", "PROXY UNKNOWN\r\r",
        /* Of IPv4: empty, leading zeros, too large, too few, too many, the other family. */
        "PROXY TCP4 .", "PROXY TCP4 00", "PROXY TCP4 01", "PROXY TCP4 1.02", "PROXY TCP4 256", "PROXY TCP4 1.2.3.300",
        "PROXY TCP4 1000", "PROXY TCP4 1..", "PROXY TCP4 1.2 ", "PROXY TCP4 1.2.3 ", "PROXY TCP4 1.2.3.4.",
        "PROXY TCP4 1.2.3.4\r", "PROXY TCP4 1.2.3.4  ", "PROXY TCP4 -", "PROXY TCP4 +", "PROXY TCP4 0x",
        "PROXY TCP4 1:", "PROXY TCP4 1.2.3.4 :", "PROXY TCP4 1.2.3.4 5.6.7.a",
        /* Of ports and the end. */
        "PROXY TCP4 1.2.3.4 5.6.7.8 00", "PROXY TCP4 1.2.3.4 5.6.7.8 06", "PROXY TCP4 1.2.3.4 5.6.7.8 65536",
        "PROXY TCP4 1.2.3.4 5.6.7.8 100000", "PROXY TCP4 1.2.3.4 5.6.7.8  ", "PROXY TCP4 1.2.3.4 5.6.7.8 9\r",
        "PROXY TCP4 1.2.3.4 5.6.7.8 9 \r", "PROXY TCP4 1.2.3.4 5.6.7.8 9 10\n", "PROXY TCP4 1.2.3.4 5.6.7.8 9 10 ",
        "PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\r", "PROXY TCP4 1.2.3.4 5.6.7.8 -", "PROXY TCP4 1.2.3.4 5.6.7.8 9 70000",
        /* Of IPv6: one colon, two gaps, too many and too few groups, five digits, zones, brackets. */
        "PROXY TCP6 : ", "PROXY TCP6 :1", "PROXY TCP6 :::", "PROXY TCP6 1:::", "PROXY TCP6 1::2::", "PROXY TCP6 1: ",
        "PROXY TCP6 1::2: ", "PROXY TCP6 1:2:3:4:5:6:7:8:", "PROXY TCP6 1:2:3:4:5:6:7 ", "PROXY TCP6 1:2:3:4:5:6:7::8",
        "PROXY TCP6 1::2:3:4:5:6:7:", "PROXY TCP6 ::2:3:4:5:6:7:8:", "PROXY TCP6 12345", "PROXY TCP6 00000",
        "PROXY TCP6 g", "PROXY TCP6 fe80::1%", "PROXY TCP6 [", "PROXY TCP6  ", "PROXY TCP6 1:2:3:4:5:6:7:8 1.",
        "PROXY TCP6 :: ::\r",
        /* Of IPv4 at the end of IPv6. */
        "PROXY TCP6 1.", "PROXY TCP6 1::1.", "PROXY TCP6 ::1:1.", "PROXY TCP6 ::ffff:0:1.", "PROXY TCP6 ::fffe:1.",
        "PROXY TCP6 1:2:3:4:5:6:1.", "PROXY TCP6 ::ffff:1.2.3 ", "PROXY TCP6 ::ffff:1.2.3.4.", "PROXY TCP6 ::256.",
        "PROXY TCP6 ::ffff:01.", "PROXY TCP6 ::ffff:1a.", "PROXY TCP6 ::ffff:1.2.3.256", "PROXY TCP6 ::1.2.3.4:"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_bad(texts[i]);
    }
}

TEST(unknown_ignores_the_rest_up_to_its_end)
{
    check_unknown("PROXY UNKNOWN \r\n");
    check_unknown("PROXY UNKNOWN \r\r\n");
    check_unknown("PROXY UNKNOWN TCP4 1.2.3\n\r \xff\t\r\n");
    struct bytes bytes = bytes_of_text("PROXY UNKNOWN ");
    bytes_add(&bytes, "\0\0\r\n", 4);
    struct proxy_header header;
    CHECK(is_whole(&bytes, &header) && header.local);
}

TEST(unknown_ends_within_107_bytes)
{
    struct bytes bytes = bytes_of_text("PROXY UNKNOWN ");
    struct proxy_header header;
    while (bytes.length < 105) {
        bytes_add(&bytes, "x", 1);
    }
    struct bytes longest = bytes;
    bytes_add(&longest, "\r\n", 2);
    CHECK(is_whole(&longest, &header) && header.length == 107);
    /* The last place of CR, and of LF. */
    struct bytes no_return = bytes;
    bytes_add(&no_return, "x", 1);
    CHECK(is_bad_at_its_end(&no_return));
    struct bytes no_feed = bytes;
    bytes_add(&no_feed, "\r\r", 2);
    CHECK(is_bad_at_its_end(&no_feed));
    bytes.at[104] = '\r';
    bytes_add(&bytes, "\n", 1);
    CHECK(is_whole(&bytes, &header) && header.length == 106);
}

/* Random groups, often zero, with a gap somewhere, everywhere or nowhere, and sometimes a byte changed. */
static void random_ipv6(uint64_t *random, char *text)
{
    static const char other[] = "::::.0 1fFg";
    char *end = text;
    uint64_t groups = test_random_below(random, 10);
    uint64_t gap = test_random_below(random, 12);
    for (uint64_t i = 0; i < groups; i++) {
        uint64_t kind = test_random_below(random, 4);
        end += sprintf(end, "%s", i == gap ? "::" : i == 0 ? "" : ":");
        end += sprintf(end, kind == 0 ? "%04X" : "%x", (unsigned)(kind == 1 ? 0 : test_random_below(random, 0x10000)));
    }
    end += sprintf(end, "%s", groups == gap ? "::" : "");
    if (test_random_below(random, 4) == 0 && end > text) {
        text[test_random_below(random, (uint64_t)(end - text))] = other[test_random_below(random, sizeof other - 1)];
    }
}

TEST(ipv6_is_read_as_the_system_reads_it)
{
    uint64_t random = 7;
    unsigned valid = 0;
    const unsigned rounds = 50000;
    for (unsigned i = 0; i < rounds; i++) {
        char text[80];
        char line[160];
        uint8_t ip[16];
        struct proxy_header header;
        random_ipv6(&random, text);
        sprintf(line, "PROXY TCP6 %s :: 1 2\r\n", text);
        bool expected = inet_pton(AF_INET6, text, ip) == 1;
        bool read = proxy_header_read((const uint8_t *)line, (uint32_t)strlen(line), &header) == PROXY_HEADER_DONE;
        if (strchr(text, '.') != NULL) {
            continue;
        }
        valid += expected;
        if (read != expected || (read && memcmp(ip, header.source_ip, 16) != 0)) {
            TEST_FAIL("%s: read %d, expected %d", text, read, expected);
        }
    }
    CHECK(valid > rounds / 10 && valid < rounds * 9 / 10);
}

TEST(ipv6_may_end_as_ipv4_where_the_system_writes_it_so)
{
    check_line("PROXY TCP6 ::ffff:192.0.2.1 ::FFFF:0.0.0.0 1 2\r\n", "::ffff:192.0.2.1", 1, "::ffff:0.0.0.0", 2);
    check_line("PROXY TCP6 ::1.2.3.4 ::ffff:255.255.255.255 1 2\r\n", "::1.2.3.4", 1, "::ffff:255.255.255.255", 2);
    check_line("PROXY TCP6 ::ffff:1:2 ::ffff 1 2\r\n", "::ffff:1:2", 1, "::ffff", 2);
}

TEST(both_families_at_every_gap)
{
    check_line("PROXY TCP6 ::2:3:4:5:6:7:8 1:2:3:4:5:6:7:: 1 2\r\n", "0:2:3:4:5:6:7:8", 1, "1:2:3:4:5:6:7:0", 2);
    check_line("PROXY TCP6 1:2:3::5:6:7:8 1:: 1 2\r\n", "1:2:3:0:5:6:7:8", 1, "1:0:0:0:0:0:0:0", 2);
    check_line("PROXY TCP6 :: 0:0:0:0:0:0:0:0 1 2\r\n", "::", 1, "::", 2);
}

/* ---- Writing ------------------------------------------------------------------------------------------------- */

static uint8_t take_ip(const char *text, uint8_t *ip)
{
    if (inet_pton(AF_INET, text, ip) == 1) {
        return SLUICE_FAMILY_IPV4;
    }
    return inet_pton(AF_INET6, text, ip) == 1 ? SLUICE_FAMILY_IPV6 : SLUICE_FAMILY_NONE;
}

/* "unix" and "" are families without an address here. */
static struct proxy_addresses addresses_of(const char *source, uint16_t source_port, const char *destination,
                                           uint16_t destination_port)
{
    struct proxy_addresses addresses = {.source_port = source_port, .destination_port = destination_port};
    addresses.source_family = strcmp(source, "unix") == 0 ? SLUICE_FAMILY_UNIX : take_ip(source, addresses.source_ip);
    addresses.destination_family =
        strcmp(destination, "unix") == 0 ? SLUICE_FAMILY_UNIX : take_ip(destination, addresses.destination_ip);
    return addresses;
}

static void check_written(const struct proxy_addresses *addresses, const char *line, const void *binary,
                          uint32_t binary_length)
{
    uint8_t out[PROXY_HEADER_WRITE_MOST + 1] = {0};
    uint32_t length = proxy_header_write_v1(out, addresses);
    CHECK_EQ(length, strlen(line));
    CHECK_STRING((const char *)out, line);
    length = proxy_header_write_v2(out, addresses);
    CHECK_EQ(length, binary_length);
    CHECK(memcmp(out, binary, binary_length) == 0);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

TEST(addresses_of_one_family_are_written)
{
    struct proxy_addresses ipv4 = addresses_of("192.168.0.1", 56324, "192.168.0.11", 443);
    check_written(&ipv4, "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
                  SIGNATURE "\x21\x11\x00\x0c\xc0\xa8\x00\x01\xc0\xa8\x00\x0b\xdc\x04\x01\xbb", 28);
    struct proxy_addresses ipv6 = addresses_of("2001:db8::7", 0, "::", 65535);
    check_written(&ipv6, "PROXY TCP6 2001:db8::7 :: 0 65535\r\n",
                  SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"
                            "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff",
                  52);
    struct proxy_addresses full = addresses_of(FULL, 65535, FULL, 65535);
    uint8_t out[PROXY_HEADER_WRITE_MOST];
    CHECK_EQ(proxy_header_write_v1(out, &full), PROXY_HEADER_WRITE_MOST);
}

TEST(of_two_families_one_is_mapped)
{
    struct proxy_addresses up = addresses_of("192.0.2.1", 1, "2001:db8::7", 2);
    check_written(&up, "PROXY TCP6 ::ffff:c000:201 2001:db8::7 1 2\r\n",
                  SIGNATURE "\x21\x21\x00\x24\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01"
                            "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x01\x00\x02",
                  52);
    struct proxy_addresses down = addresses_of("2001:db8::7", 1, "192.0.2.1", 2);
    check_written(&down, "PROXY TCP6 2001:db8::7 ::ffff:c000:201 1 2\r\n",
                  SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07"
                            "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01\x00\x01\x00\x02",
                  52);
}

TEST(without_two_ip_addresses_nothing_is_told)
{
    static const char *const pairs[][2] = {{"", ""},    {"unix", "unix"},  {"unix", "192.0.2.1"}, {"::1", "unix"},
                                           {"", "::1"}, {"192.0.2.1", ""}, {"unix", "::1"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct proxy_addresses addresses = addresses_of(pairs[i][0], 7, pairs[i][1], 8);
        check_written(&addresses, "PROXY UNKNOWN\r\n", SIGNATURE "\x20\x00\x00\x00", 16);
    }
}

TEST(ipv6_is_written_as_the_system_writes_it)
{
    uint64_t random = 11;
    for (unsigned i = 0; i < 20000; i++) {
        struct proxy_addresses addresses = {.source_family = SLUICE_FAMILY_IPV6,
                                            .destination_family = SLUICE_FAMILY_IPV6};
        uint64_t zeros = test_random_below(&random, 256);
        for (unsigned group = 0; group < 8; group++) {
            uint64_t value = (zeros >> group & 1) == 0 ? test_random(&random) >> test_random_below(&random, 16) : 0;
            addresses.source_ip[2 * group] = (uint8_t)(value >> 8);
            addresses.source_ip[2 * group + 1] = (uint8_t)value;
        }
        uint8_t out[PROXY_HEADER_WRITE_MOST + 1] = {0};
        char text[INET6_ADDRSTRLEN];
        char line[160];
        proxy_header_write_v1(out, &addresses);
        inet_ntop(AF_INET6, addresses.source_ip, text, sizeof text);
        sprintf(line, "PROXY TCP6 %s :: 0 0\r\n", text);
        if (strchr(text, '.') == NULL) {
            CHECK_STRING((const char *)out, line);
        }
    }
}

TEST(what_is_written_is_read_again)
{
    static const uint8_t families[] = {SLUICE_FAMILY_IPV4, SLUICE_FAMILY_IPV6};
    uint64_t random = 13;
    for (unsigned i = 0; i < 2000; i++) {
        struct proxy_addresses addresses = {.source_port = (uint16_t)test_random(&random),
                                            .destination_port = (uint16_t)test_random(&random)};
        uint8_t family = families[i % 2];
        addresses.source_family = addresses.destination_family = family;
        for (unsigned byte = 0; byte < (family == SLUICE_FAMILY_IPV4 ? 4 : 16); byte++) {
            bool sparse = i % 4 > 1 && test_random_below(&random, 3) > 0;
            addresses.source_ip[byte] = sparse ? 0 : (uint8_t)test_random(&random);
            addresses.destination_ip[byte] = (uint8_t)test_random(&random);
        }
        struct proxy_header expected = {
            .family = family, .source_port = addresses.source_port, .destination_port = addresses.destination_port};
        memcpy(expected.source_ip, addresses.source_ip, 16);
        memcpy(expected.destination_ip, addresses.destination_ip, 16);
        struct bytes line = {.length = 0};
        struct bytes binary = {.length = 0};
        struct proxy_header header;
        line.length = proxy_header_write_v1(line.at, &addresses);
        expected.length = line.length;
        CHECK(is_whole(&line, &header) && same_header(&header, &expected));
        binary.length = proxy_header_write_v2(binary.at, &addresses);
        expected.length = binary.length;
        CHECK(is_whole(&binary, &header) && same_header(&header, &expected));
    }
}
