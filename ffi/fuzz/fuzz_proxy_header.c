/* SPDX-License-Identifier: MIT
 *
 * Fuzzer of the reader of PROXY headers: whatever the bytes and however they are cut, the answer is MORE up to one
 * point and then always the same; MORE is honest, in that bytes exist that make a whole header of it; and what was read
 * is written and read again unchanged. Run by `deno task fuzz`, and for some rounds by
 * ffi/tests/test_fuzz_proxy_header.c. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/proxy_protocol.h"

#define MOST_SIZE 20000u    /* of an input; longer ones are cut */
#define MOST_EACH 400u      /* up to this length each prefix is read; above, about so many in all */
#define MOST_PREFIX 500u    /* longest prefix that is completed */
#define MOST_COMPLETED 800u /* and how far */

static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

/* Reads the first `length` bytes where they end at the end of `edge` (`size` bytes), so that a byte too many is seen.
 */
static enum proxy_header_result read_prefix(uint8_t *edge, size_t size, const uint8_t *bytes, uint32_t length,
                                            struct proxy_header *header)
{
    uint8_t *start = edge + size - length;
    memcpy(start, bytes, length);
    return proxy_header_read(start, length, header);
}

static int is_zero(const uint8_t *bytes, size_t length)
{
    while (length > 0 && bytes[length - 1u] == 0) {
        length--;
    }
    return length == 0;
}

static int same(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->local == b->local && a->family == b->family && memcmp(a->source_ip, b->source_ip, 16) == 0 &&
           memcmp(a->destination_ip, b->destination_ip, 16) == 0 && a->source_port == b->source_port &&
           a->destination_port == b->destination_port;
}

static void write_and_read(const struct proxy_header *header)
{
    struct proxy_addresses addresses = {.source_family = header->family,
                                        .destination_family = header->family,
                                        .source_port = header->source_port,
                                        .destination_port = header->destination_port};
    memcpy(addresses.source_ip, header->source_ip, 16);
    memcpy(addresses.destination_ip, header->destination_ip, 16);
    struct proxy_header expected = *header;
    if (header->family == SLUICE_FAMILY_UNIX) {
        expected.family = SLUICE_FAMILY_NONE;
        expected.local = true;
    }
    for (int version = 1; version <= 2; version++) {
        uint8_t *out = malloc(PROXY_HEADER_WRITE_MOST);
        require(out != NULL);
        uint32_t length = (version == 1 ? proxy_header_write_v1 : proxy_header_write_v2)(out, &addresses);
        struct proxy_header again;
        require(length <= PROXY_HEADER_WRITE_MOST && proxy_header_read(out, length, &again) == PROXY_HEADER_DONE);
        require(again.length == length && same(&again, &expected));
        free(out);
    }
}

static void check_done(const struct proxy_header *header)
{
    require(header->length <= PROXY_HEADER_MOST_BYTES);
    require(header->family == SLUICE_FAMILY_IPV4 || header->family == SLUICE_FAMILY_IPV6 ||
            header->family == (header->local ? SLUICE_FAMILY_NONE : SLUICE_FAMILY_UNIX));
    if (header->family == SLUICE_FAMILY_NONE || header->family == SLUICE_FAMILY_UNIX) {
        require(is_zero(header->source_ip, 16) && is_zero(header->destination_ip, 16));
        require(header->source_port == 0 && header->destination_port == 0);
    } else {
        require(!header->local);
    }
    if (header->family == SLUICE_FAMILY_IPV4) {
        require(is_zero(header->source_ip + 4, 12) && is_zero(header->destination_ip + 4, 12));
    }
    write_and_read(header);
}

/* Whether this is all but the last byte of a header of version 2 with a checksum: then the last byte may be impossible,
 * which nobody could know without trying all. */
static int waits_for_checksum(const uint8_t *bytes, uint32_t length)
{
    if (length < 16u || bytes[0] != '\r' || length + 1u != 16u + (uint32_t)(bytes[14] << 8 | bytes[15])) {
        return 0;
    }
    uint32_t at = 16u + (bytes[13] == 0x11u ? 12u : bytes[13] == 0x21u ? 36u : 216u);
    for (; at + 3u <= length; at += 3u + (uint32_t)(bytes[at + 1u] << 8 | bytes[at + 2u])) {
        if (bytes[at] == 3u) {
            return 1;
        }
    }
    return 0;
}

/* Makes a header of a prefix that is MORE: always some next byte is not BAD. Those that end things come first. */
static void complete(const uint8_t *prefix, uint32_t length)
{
    static const char likely[] = "\0\n\r :.0PROXYTCP46UNKNOWNQIT\x01\x02\x04\x20\x21\x11";
    uint8_t bytes[MOST_COMPLETED];
    struct proxy_header header;
    enum proxy_header_result result = PROXY_HEADER_MORE;
    memcpy(bytes, prefix, length);
    while (result == PROXY_HEADER_MORE && length < MOST_COMPLETED) {
        result = PROXY_HEADER_BAD;
        for (uint32_t i = 0; i < sizeof likely + 256u && result == PROXY_HEADER_BAD; i++) {
            bytes[length] = i < sizeof likely ? (uint8_t)likely[i] : (uint8_t)(i - sizeof likely);
            result = proxy_header_read(bytes, length + 1u, &header);
        }
        if (result == PROXY_HEADER_BAD) {
            require(waits_for_checksum(bytes, length));
            return;
        }
        length++;
    }
    if (result == PROXY_HEADER_DONE) {
        require(header.length == length);
        check_done(&header);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t length = size < MOST_SIZE ? (uint32_t)size : MOST_SIZE;
    uint8_t *edge = malloc(length > 0 ? length : 1);
    require(edge != NULL);
    struct proxy_header header;
    struct proxy_header done = {0};
    enum proxy_header_result before = PROXY_HEADER_MORE;
    uint32_t prefix = 0;
    uint32_t longest_more = 0;
    for (uint32_t cut = 0;;) {
        memset(&header, 0xa5, sizeof header);
        enum proxy_header_result now = read_prefix(edge, length, data, cut, &header);
        require(before == PROXY_HEADER_MORE || now == before);
        if (now == PROXY_HEADER_DONE) {
            require(header.length <= cut && header.length > prefix);
            require(before == PROXY_HEADER_MORE || (header.length == done.length && same(&header, &done)));
            done = header;
        }
        if (now == PROXY_HEADER_MORE) {
            longest_more = cut;
            prefix = cut; /* a header that is read later is longer than this */
        }
        before = now;
        if (cut == length) {
            break;
        }
        cut += length - cut < MOST_EACH || cut < MOST_EACH ? 1u : length / MOST_EACH;
    }
    if (before == PROXY_HEADER_DONE) {
        /* Its last byte was needed, and none behind it. */
        require(read_prefix(edge, length, data, done.length, &header) == PROXY_HEADER_DONE && same(&header, &done));
        require(read_prefix(edge, length, data, done.length - 1u, &header) == PROXY_HEADER_MORE);
        check_done(&done);
    }
    if (longest_more <= MOST_PREFIX) {
        complete(data, longest_more);
    }
    free(edge);
    return 0;
}
