/* SPDX-License-Identifier: MIT
 *
 * Reading PROXY headers: the choice of a version, and version 2. Called by workers.
 *
 * Nothing is kept between calls: what has arrived of a header is walked again. That costs a few comparisons a TLV, and
 * only the peers that a listener trusts can ask for it. */
#include "policy/proxy_protocol.h"

#include <string.h>

#include "policy/proxy_wire.h"

#define COMMAND_AT PROXY_SIGNATURE_BYTES
#define FAMILY_AT (COMMAND_AT + 1u)
#define REST_AT (COMMAND_AT + 2u)
#define REST_MOST_BYTES (PROXY_HEADER_MOST_BYTES - PROXY_FIXED_BYTES)

#define FAMILY_MOST 3u   /* the upper four bits: unspecified, IPv4, IPv6, unix */
#define PROTOCOL_MOST 2u /* the lower four bits: unspecified, stream, datagram */

#define TLV_FIXED_BYTES 3u /* type, then length of the value */
#define TLV_CRC32C 0x03u
#define CRC32C_BYTES 4u

static uint32_t read_u16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t read_u32(const uint8_t *bytes)
{
    return read_u16(bytes) << 16 | read_u16(bytes + 2);
}

/* CRC32C goes on over more bytes; what is before the first and behind the last step is inverted. Four bits a step: the
 * table stays small, and headers are. */
static uint32_t crc32c_add(uint32_t crc, const uint8_t *bytes, uint32_t length)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    for (uint32_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return crc;
}

/* Whether the checksum at `at` is that of the whole header with zeros in its place. */
static bool checksum_holds(const uint8_t *bytes, uint32_t length, uint32_t at)
{
    static const uint8_t zeros[CRC32C_BYTES];
    uint32_t after = at + CRC32C_BYTES;
    uint32_t crc = crc32c_add(UINT32_MAX, bytes, at);
    crc = crc32c_add(crc, zeros, CRC32C_BYTES);
    crc = crc32c_add(crc, bytes + after, length - after);
    return ~crc == read_u32(bytes + at);
}

/* Walks the TLVs that fill a header from `at` to `end`, as far as they have arrived. BAD as soon as they cannot end
 * there, or when all is there and a checksum is wrong. */
static enum proxy_header_result check_tlvs(const uint8_t *bytes, uint32_t length, uint32_t at, uint32_t end)
{
    uint32_t checksum_at = 0;
    while (at < end) {
        if (end - at < TLV_FIXED_BYTES) {
            return PROXY_HEADER_BAD;
        }
        uint32_t room = end - at - TLV_FIXED_BYTES;
        uint32_t arrived = at < length ? length - at : 0;
        bool checksum = arrived > 0 && bytes[at] == TLV_CRC32C;
        if (checksum) {
            /* Two of them could not both be right; behind one there is nothing, or a whole TLV. */
            bool fits = room == CRC32C_BYTES || room >= CRC32C_BYTES + TLV_FIXED_BYTES;
            if (checksum_at != 0 || !fits) {
                return PROXY_HEADER_BAD;
            }
            checksum_at = at + TLV_FIXED_BYTES;
        }
        if (arrived > 1u && (uint32_t)bytes[at + 1u] << 8 > (checksum ? 0 : room)) {
            return PROXY_HEADER_BAD;
        }
        if (arrived < TLV_FIXED_BYTES) {
            return PROXY_HEADER_MORE;
        }
        uint32_t value_bytes = read_u16(bytes + at + 1u);
        if (value_bytes > room || (checksum && value_bytes != CRC32C_BYTES)) {
            return PROXY_HEADER_BAD;
        }
        at += TLV_FIXED_BYTES + value_bytes;
    }
    if (length < end) {
        return PROXY_HEADER_MORE;
    }
    return checksum_at == 0 || checksum_holds(bytes, end, checksum_at) ? PROXY_HEADER_DONE : PROXY_HEADER_BAD;
}

/* Bytes of the addresses that we take; 0 where we take none. */
static uint32_t addresses_bytes(uint8_t command, uint8_t family)
{
    if (command == PROXY_COMMAND_LOCAL) {
        return 0;
    }
    switch (family) {
    case PROXY_STREAM_IPV4:
        return PROXY_ADDRESSES_IPV4;
    case PROXY_STREAM_IPV6:
        return PROXY_ADDRESSES_IPV6;
    case PROXY_STREAM_UNIX:
        return PROXY_ADDRESSES_UNIX;
    default:
        return 0;
    }
}

static void read_addresses(const uint8_t *bytes, uint8_t family, struct proxy_header *header)
{
    uint32_t ip_bytes = family == PROXY_STREAM_IPV4 ? 4u : 16u;
    if (family == PROXY_STREAM_UNIX) {
        header->family = SLUICE_FAMILY_UNIX;
        return;
    }
    header->family = family == PROXY_STREAM_IPV4 ? SLUICE_FAMILY_IPV4 : SLUICE_FAMILY_IPV6;
    memcpy(header->source_ip, bytes, ip_bytes);
    memcpy(header->destination_ip, bytes + ip_bytes, ip_bytes);
    header->source_port = (uint16_t)read_u16(bytes + 2u * ip_bytes);
    header->destination_port = (uint16_t)read_u16(bytes + 2u * ip_bytes + 2u);
}

/* Whether the fixed part can still become valid: each of its bytes by itself, as far as they have arrived. */
static bool fixed_part_holds(const uint8_t *bytes, uint32_t length)
{
    if (memcmp(bytes, PROXY_SIGNATURE, length < PROXY_SIGNATURE_BYTES ? length : PROXY_SIGNATURE_BYTES) != 0) {
        return false;
    }
    if (length > COMMAND_AT && bytes[COMMAND_AT] != PROXY_COMMAND_LOCAL && bytes[COMMAND_AT] != PROXY_COMMAND_PROXY) {
        return false;
    }
    /* LOCAL says that nothing of the family counts. */
    if (length > FAMILY_AT && bytes[COMMAND_AT] == PROXY_COMMAND_PROXY &&
        (bytes[FAMILY_AT] >> 4 > FAMILY_MOST || (bytes[FAMILY_AT] & 15u) > PROTOCOL_MOST)) {
        return false;
    }
    return length <= REST_AT || bytes[REST_AT] <= REST_MOST_BYTES >> 8;
}

static enum proxy_header_result read_binary(const uint8_t *bytes, uint32_t length, struct proxy_header *header)
{
    if (!fixed_part_holds(bytes, length)) {
        return PROXY_HEADER_BAD;
    }
    if (length < PROXY_FIXED_BYTES) {
        return PROXY_HEADER_MORE;
    }
    uint32_t rest = read_u16(bytes + REST_AT);
    uint32_t addresses = addresses_bytes(bytes[COMMAND_AT], bytes[FAMILY_AT]);
    if (rest > REST_MOST_BYTES || rest < addresses) {
        return PROXY_HEADER_BAD;
    }
    uint32_t end = PROXY_FIXED_BYTES + rest;
    if (addresses == 0) {
        if (length < end) {
            return PROXY_HEADER_MORE;
        }
        *header = (struct proxy_header){.length = end, .local = true};
        return PROXY_HEADER_DONE;
    }
    enum proxy_header_result result = check_tlvs(bytes, length, PROXY_FIXED_BYTES + addresses, end);
    if (result == PROXY_HEADER_DONE) {
        *header = (struct proxy_header){.length = end};
        read_addresses(bytes + PROXY_FIXED_BYTES, bytes[FAMILY_AT], header);
    }
    return result;
}

enum proxy_header_result proxy_header_read(const uint8_t *bytes, uint32_t length, struct proxy_header *header)
{
    if (length == 0) {
        return PROXY_HEADER_MORE;
    }
    return bytes[0] == PROXY_SIGNATURE[0] ? read_binary(bytes, length, header) : proxy_line_read(bytes, length, header);
}
