/* SPDX-License-Identifier: MIT
 *
 * Reading PROXY headers of version 1. Called by proxy_header_read, on workers.
 *
 * A line is read from its start at every call: it is short, and nothing has to be kept between calls. Each step says
 * BAD at the first byte after which no line is valid, so that MORE is an honest answer. A line with addresses has at
 * most 104 bytes: only UNKNOWN can reach the bound. */
#include <string.h>

#include "policy/proxy_wire.h"

#define LINE_MOST_BYTES 107u /* with CR and LF */

#define NO_GAP PROXY_IPV6_GROUPS

/* What has arrived of a line, and how far it is read. A step leaves `at` behind what it took. Its result is DONE when
 * what it takes is whole; MORE when bytes ended before that was certain. */
struct cursor {
    const uint8_t *bytes;
    uint32_t length;
    uint32_t at;
};

static bool at_end(const struct cursor *cursor)
{
    return cursor->at == cursor->length;
}

static enum proxy_header_result take_text(struct cursor *cursor, const char *text)
{
    for (; *text != '\0'; text++, cursor->at++) {
        if (at_end(cursor)) {
            return PROXY_HEADER_MORE;
        }
        if (cursor->bytes[cursor->at] != (uint8_t)*text) {
            return PROXY_HEADER_BAD;
        }
    }
    return PROXY_HEADER_DONE;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* A decimal number up to `most`, without leading zeros, and another byte behind it. */
static enum proxy_header_result take_number(struct cursor *cursor, uint32_t most, uint32_t *number)
{
    uint32_t start = cursor->at;
    uint32_t value = 0;
    for (; !at_end(cursor) && is_digit(cursor->bytes[cursor->at]); cursor->at++) {
        bool leading_zero = cursor->at > start && value == 0;
        value = value * 10u + (uint32_t)(cursor->bytes[cursor->at] - '0');
        if (leading_zero || value > most) {
            return PROXY_HEADER_BAD;
        }
    }
    if (at_end(cursor)) {
        return PROXY_HEADER_MORE;
    }
    *number = value;
    return cursor->at == start ? PROXY_HEADER_BAD : PROXY_HEADER_DONE;
}

static enum proxy_header_result take_ipv4(struct cursor *cursor, uint8_t *ip)
{
    enum proxy_header_result result = PROXY_HEADER_DONE;
    for (uint32_t i = 0; i < 4u && result == PROXY_HEADER_DONE; i++) {
        uint32_t number = 0;
        result = i > 0 ? take_text(cursor, ".") : PROXY_HEADER_DONE;
        if (result == PROXY_HEADER_DONE) {
            result = take_number(cursor, 255, &number);
        }
        ip[i] = (uint8_t)number;
    }
    return result;
}

/* The groups of an IPv6 address that have been read, and before which of them "::" stands. */
struct groups {
    uint16_t values[PROXY_IPV6_GROUPS];
    uint32_t count;
    uint32_t gap; /* NO_GAP: there is none yet */
};

/* How many groups there may be: "::" stands for one at least. */
static uint32_t groups_most(const struct groups *groups)
{
    return groups->gap == NO_GAP ? PROXY_IPV6_GROUPS : PROXY_IPV6_GROUPS - 1u;
}

/* 0..15, or 16 for what is no hexadecimal digit. */
static uint32_t hex_value(uint8_t byte)
{
    if (is_digit(byte)) {
        return (uint32_t)(byte - '0');
    }
    uint8_t lower = byte | 0x20u;
    return lower >= 'a' && lower <= 'f' ? (uint32_t)(lower - 'a') + 10u : 16u;
}

/* One to four hexadecimal digits, and another byte behind them. The caller has seen the first. */
static enum proxy_header_result take_group(struct cursor *cursor, struct groups *groups)
{
    uint32_t value = 0;
    uint32_t end = cursor->at + 4u;
    for (; !at_end(cursor) && cursor->at < end && hex_value(cursor->bytes[cursor->at]) < 16u; cursor->at++) {
        value = value << 4 | hex_value(cursor->bytes[cursor->at]);
    }
    if (at_end(cursor)) {
        return PROXY_HEADER_MORE;
    }
    groups->values[groups->count++] = (uint16_t)value;
    return PROXY_HEADER_DONE;
}

/* Whether IPv4 may stand for the last two groups: where inet_ntop writes it so, which also keeps lines short. */
static bool may_end_as_ipv4(const struct groups *groups)
{
    return groups->gap == 0 && (groups->count == 0 || (groups->count == 1u && groups->values[0] == 0xffffu));
}

static enum proxy_header_result take_last_as_ipv4(struct cursor *cursor, struct groups *groups)
{
    uint8_t ip[4] = {0};
    enum proxy_header_result result = take_ipv4(cursor, ip);
    groups->values[groups->count++] = (uint16_t)(ip[0] << 8 | ip[1]);
    groups->values[groups->count++] = (uint16_t)(ip[2] << 8 | ip[3]);
    return result;
}

/* What separates groups: ":", or "::" when there was none before. */
static enum proxy_header_result take_colons(struct cursor *cursor, struct groups *groups)
{
    if (groups->count == groups_most(groups)) {
        return PROXY_HEADER_BAD;
    }
    cursor->at++;
    if (at_end(cursor)) {
        return PROXY_HEADER_MORE;
    }
    if (cursor->bytes[cursor->at] == ':') {
        if (groups->gap != NO_GAP) {
            return PROXY_HEADER_BAD;
        }
        groups->gap = groups->count;
        cursor->at++;
    } else if (hex_value(cursor->bytes[cursor->at]) >= 16u) {
        return PROXY_HEADER_BAD;
    }
    return PROXY_HEADER_DONE;
}

/* The groups up to the first byte that belongs to none. */
static enum proxy_header_result take_groups(struct cursor *cursor, struct groups *groups)
{
    enum proxy_header_result result = PROXY_HEADER_DONE;
    if (!at_end(cursor) && cursor->bytes[cursor->at] == ':') {
        result = take_text(cursor, "::");
        groups->gap = 0;
    }
    while (result == PROXY_HEADER_DONE) {
        if (at_end(cursor)) {
            return PROXY_HEADER_MORE;
        }
        if (hex_value(cursor->bytes[cursor->at]) >= 16u) {
            break;
        }
        if (groups->count == groups_most(groups)) {
            return PROXY_HEADER_BAD;
        }
        uint32_t start = cursor->at;
        bool ipv4 = may_end_as_ipv4(groups);
        result = take_group(cursor, groups);
        if (result != PROXY_HEADER_DONE) {
            return result;
        }
        if (ipv4 && cursor->bytes[cursor->at] == '.') {
            cursor->at = start;
            groups->count--;
            return take_last_as_ipv4(cursor, groups);
        }
        if (cursor->bytes[cursor->at] != ':') {
            break;
        }
        result = take_colons(cursor, groups);
    }
    return result;
}

static enum proxy_header_result take_ipv6(struct cursor *cursor, uint8_t *ip)
{
    struct groups groups = {.count = 0, .gap = NO_GAP};
    enum proxy_header_result result = take_groups(cursor, &groups);
    if (result != PROXY_HEADER_DONE) {
        return result;
    }
    if (groups.gap == NO_GAP && groups.count != PROXY_IPV6_GROUPS) {
        return PROXY_HEADER_BAD;
    }
    memset(ip, 0, 16);
    for (uint32_t i = 0; i < groups.count; i++) {
        uint32_t place = i < groups.gap ? i : i + PROXY_IPV6_GROUPS - groups.count;
        ip[2u * place] = (uint8_t)(groups.values[i] >> 8);
        ip[2u * place + 1u] = (uint8_t)groups.values[i];
    }
    return PROXY_HEADER_DONE;
}

static enum proxy_header_result take_address(struct cursor *cursor, uint8_t family, uint8_t *ip)
{
    enum proxy_header_result result = family == SLUICE_FAMILY_IPV4 ? take_ipv4(cursor, ip) : take_ipv6(cursor, ip);
    return result == PROXY_HEADER_DONE ? take_text(cursor, " ") : result;
}

static enum proxy_header_result take_port(struct cursor *cursor, const char *end, uint16_t *port)
{
    uint32_t number = 0;
    enum proxy_header_result result = take_number(cursor, UINT16_MAX, &number);
    *port = (uint16_t)number;
    return result == PROXY_HEADER_DONE ? take_text(cursor, end) : result;
}

/* The rest of a line behind its family. */
static enum proxy_header_result read_addresses(struct cursor *cursor, uint8_t family, struct proxy_header *header)
{
    struct proxy_header line = {.family = family};
    enum proxy_header_result result = take_text(cursor, " ");
    if (result == PROXY_HEADER_DONE) {
        result = take_address(cursor, family, line.source_ip);
    }
    if (result == PROXY_HEADER_DONE) {
        result = take_address(cursor, family, line.destination_ip);
    }
    if (result == PROXY_HEADER_DONE) {
        result = take_port(cursor, " ", &line.source_port);
    }
    if (result == PROXY_HEADER_DONE) {
        result = take_port(cursor, "\r\n", &line.destination_port);
    }
    if (result == PROXY_HEADER_DONE) {
        line.length = cursor->at;
        *header = line;
    }
    return result;
}

/* The rest of a line behind "PROXY ": what UNKNOWN is followed by is ignored, whatever it is. */
static enum proxy_header_result read_unknown(struct cursor *cursor, struct proxy_header *header)
{
    enum proxy_header_result result = take_text(cursor, "UNKNOWN");
    if (result != PROXY_HEADER_DONE) {
        return result;
    }
    if (at_end(cursor)) {
        return PROXY_HEADER_MORE;
    }
    if (cursor->bytes[cursor->at] != ' ') {
        result = take_text(cursor, "\r\n");
        if (result == PROXY_HEADER_DONE) {
            *header = (struct proxy_header){.length = cursor->at, .local = true};
        }
        return result;
    }
    for (; cursor->at + 1u < cursor->length; cursor->at++) {
        if (cursor->bytes[cursor->at] == '\r' && cursor->bytes[cursor->at + 1u] == '\n') {
            *header = (struct proxy_header){.length = cursor->at + 2u, .local = true};
            return PROXY_HEADER_DONE;
        }
    }
    /* The last place of CR has something else, or CR without LF. */
    bool too_long = cursor->length == LINE_MOST_BYTES ||
                    (cursor->length == LINE_MOST_BYTES - 1u && cursor->bytes[LINE_MOST_BYTES - 2u] != '\r');
    return too_long ? PROXY_HEADER_BAD : PROXY_HEADER_MORE;
}

enum proxy_header_result proxy_line_read(const uint8_t *bytes, uint32_t length, struct proxy_header *header)
{
    struct cursor cursor = {.bytes = bytes, .length = length < LINE_MOST_BYTES ? length : LINE_MOST_BYTES};
    enum proxy_header_result result = take_text(&cursor, "PROXY ");
    if (result != PROXY_HEADER_DONE) {
        return result;
    }
    if (!at_end(&cursor) && bytes[cursor.at] == 'U') {
        return read_unknown(&cursor, header);
    }
    result = take_text(&cursor, "TCP");
    if (result != PROXY_HEADER_DONE) {
        return result;
    }
    if (at_end(&cursor)) {
        return PROXY_HEADER_MORE;
    }
    switch (bytes[cursor.at++]) {
    case '4':
        return read_addresses(&cursor, SLUICE_FAMILY_IPV4, header);
    case '6':
        return read_addresses(&cursor, SLUICE_FAMILY_IPV6, header);
    default:
        return PROXY_HEADER_BAD;
    }
}
