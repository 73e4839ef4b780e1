/* SPDX-License-Identifier: MIT
 * Writing PROXY headers, both versions. Called by workers when they connect to an endpoint. */
#include <string.h>

#include "policy/proxy_wire.h"

/* Both addresses in one family. */
struct pair {
    uint8_t family; /* SLUICE_FAMILY_IPV4, IPV6, or NONE: there is nothing to tell */
    uint8_t source_ip[16];
    uint8_t destination_ip[16];
};

static bool is_ip(uint8_t family)
{
    return family == SLUICE_FAMILY_IPV4 || family == SLUICE_FAMILY_IPV6;
}

/* As IPv6; IPv4 becomes ::ffff:a.b.c.d. */
static void map(uint8_t *mapped, uint8_t family, const uint8_t *ip)
{
    if (family == SLUICE_FAMILY_IPV6) {
        memcpy(mapped, ip, 16);
        return;
    }
    memset(mapped, 0, 10);
    memset(mapped + 10, 0xff, 2);
    memcpy(mapped + 12, ip, 4);
}

static struct pair pair_of(const struct proxy_addresses *addresses)
{
    struct pair pair = {.family = SLUICE_FAMILY_NONE};
    if (!is_ip(addresses->source_family) || !is_ip(addresses->destination_family)) {
        return pair;
    }
    if (addresses->source_family == SLUICE_FAMILY_IPV4 && addresses->destination_family == SLUICE_FAMILY_IPV4) {
        pair.family = SLUICE_FAMILY_IPV4;
        memcpy(pair.source_ip, addresses->source_ip, 4);
        memcpy(pair.destination_ip, addresses->destination_ip, 4);
        return pair;
    }
    pair.family = SLUICE_FAMILY_IPV6;
    map(pair.source_ip, addresses->source_family, addresses->source_ip);
    map(pair.destination_ip, addresses->destination_family, addresses->destination_ip);
    return pair;
}

/* Where the next byte goes. The room is PROXY_HEADER_WRITE_MOST, which nothing that is written here exceeds. */
struct writer {
    uint8_t *out;
    uint32_t length;
};

static void put_bytes(struct writer *writer, const void *bytes, uint32_t length)
{
    memcpy(writer->out + writer->length, bytes, length);
    writer->length += length;
}

static void put_text(struct writer *writer, const char *text)
{
    put_bytes(writer, text, (uint32_t)strlen(text));
}

/* Up to five digits of a base from 10 to 16, without leading zeros. */
static void put_number(struct writer *writer, uint16_t number, uint16_t base)
{
    char digits[5];
    uint32_t first = sizeof digits;
    do {
        digits[--first] = "0123456789abcdef"[number % base];
        number = (uint16_t)(number / base);
    } while (number > 0);
    put_bytes(writer, digits + first, (uint32_t)sizeof digits - first);
}

static void put_ipv4(struct writer *writer, const uint8_t *ip)
{
    for (uint32_t i = 0; i < 4u; i++) {
        put_text(writer, i > 0 ? "." : "");
        put_number(writer, ip[i], 10);
    }
}

/* "::" stands for the longest run of zeros, the first of equals, and for two groups at least (RFC 5952). There is no
 * form with dots here: the text knows none. */
static void put_ipv6(struct writer *writer, const uint8_t *ip)
{
    uint32_t gap = PROXY_IPV6_GROUPS;
    uint32_t gap_groups = 1;
    for (uint32_t start = 0; start < PROXY_IPV6_GROUPS; start++) {
        uint32_t end = start;
        while (end < PROXY_IPV6_GROUPS && ip[2u * end] == 0 && ip[2u * end + 1u] == 0) {
            end++;
        }
        if (end - start > gap_groups) {
            gap = start;
            gap_groups = end - start;
        }
    }
    for (uint32_t i = 0; i < PROXY_IPV6_GROUPS;) {
        if (i == gap) {
            put_text(writer, "::");
            i += gap_groups;
            continue;
        }
        put_text(writer, i > 0 && i != gap + gap_groups ? ":" : "");
        put_number(writer, (uint16_t)(ip[2u * i] << 8 | ip[2u * i + 1u]), 16);
        i++;
    }
}

uint32_t proxy_header_write_v1(uint8_t *out, const struct proxy_addresses *addresses)
{
    struct writer writer = {.out = out};
    struct pair pair = pair_of(addresses);
    if (pair.family == SLUICE_FAMILY_NONE) {
        put_text(&writer, "PROXY UNKNOWN\r\n");
        return writer.length;
    }
    bool ipv4 = pair.family == SLUICE_FAMILY_IPV4;
    void (*put_ip)(struct writer *, const uint8_t *) = ipv4 ? put_ipv4 : put_ipv6;
    put_text(&writer, ipv4 ? "PROXY TCP4 " : "PROXY TCP6 ");
    put_ip(&writer, pair.source_ip);
    put_text(&writer, " ");
    put_ip(&writer, pair.destination_ip);
    put_text(&writer, " ");
    put_number(&writer, addresses->source_port, 10);
    put_text(&writer, " ");
    put_number(&writer, addresses->destination_port, 10);
    put_text(&writer, "\r\n");
    return writer.length;
}

static void put_u16(struct writer *writer, uint32_t number)
{
    const uint8_t bytes[2] = {(uint8_t)(number >> 8), (uint8_t)number};
    put_bytes(writer, bytes, sizeof bytes);
}

/* The part that every header has; `rest` bytes follow. */
static void put_fixed(struct writer *writer, uint8_t command, uint8_t family, uint32_t rest)
{
    put_bytes(writer, PROXY_SIGNATURE, PROXY_SIGNATURE_BYTES);
    put_bytes(writer, &command, 1);
    put_bytes(writer, &family, 1);
    put_u16(writer, rest);
}

uint32_t proxy_header_write_v2(uint8_t *out, const struct proxy_addresses *addresses)
{
    struct writer writer = {.out = out};
    struct pair pair = pair_of(addresses);
    if (pair.family == SLUICE_FAMILY_NONE) {
        put_fixed(&writer, PROXY_COMMAND_LOCAL, PROXY_UNSPECIFIED, 0);
        return writer.length;
    }
    bool ipv4 = pair.family == SLUICE_FAMILY_IPV4;
    uint32_t ip_bytes = ipv4 ? 4u : 16u;
    put_fixed(&writer, PROXY_COMMAND_PROXY, ipv4 ? PROXY_STREAM_IPV4 : PROXY_STREAM_IPV6,
              ipv4 ? PROXY_ADDRESSES_IPV4 : PROXY_ADDRESSES_IPV6);
    put_bytes(&writer, pair.source_ip, ip_bytes);
    put_bytes(&writer, pair.destination_ip, ip_bytes);
    put_u16(&writer, addresses->source_port);
    put_u16(&writer, addresses->destination_port);
    return writer.length;
}
