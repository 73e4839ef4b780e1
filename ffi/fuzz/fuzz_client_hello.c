/* SPDX-License-Identifier: MIT
 *
 * Fuzzer of the reader of ClientHellos: whatever the bytes, it reads none behind them, gives a name that a route could
 * have and a list of well-formed names, and gives the same however the bytes arrive and whatever records they come in.
 * Run by `deno task fuzz`, and for some rounds by ffi/tests/test_fuzz_client_hello.c. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/client_hello.h"
#include "records.h"

#define MOST_STEPS 64u /* in which an input arrives */

/* What callers rely on. */
static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

/* The bytes in memory of exactly their size, so that the sanitizer sees every read behind them. */
static enum client_hello_result read_exact(const uint8_t *data, uint32_t size, struct client_hello *hello)
{
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    require(bytes != NULL);
    memcpy(bytes, data, size);
    enum client_hello_result result = client_hello_read(size > 0 ? bytes : NULL, size, hello);
    free(bytes);
    return result;
}

static void check_name(const struct client_hello *hello)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
    const char *name = hello->server_name;
    uint32_t length = hello->server_name_length;
    require(length <= CLIENT_HELLO_MOST_NAME && strlen(name) == length && strspn(name, allowed) == length);
    require(length == 0 || (name[0] != '.' && name[length - 1] != '.' && strstr(name, "..") == NULL));
}

static void check_alpn(const struct client_hello *hello)
{
    require(hello->alpn_length <= CLIENT_HELLO_MOST_ALPN);
    for (uint32_t at = 0; at < hello->alpn_length; at += 1u + hello->alpn[at]) {
        uint32_t length = hello->alpn[at];
        require(length > 0 && length < hello->alpn_length - at);
        require(client_hello_offers(hello, (const char *)&hello->alpn[at + 1], length));
    }
    require(!client_hello_offers(hello, "", 0));
}

static void check_same(const struct client_hello *a, const struct client_hello *b)
{
    require(a->server_name_length == b->server_name_length && strcmp(a->server_name, b->server_name) == 0);
    require(a->alpn_length == b->alpn_length && memcmp(a->alpn, b->alpn, a->alpn_length) == 0);
}

/* In steps: more is needed until the result comes, and then it stays. */
static void check_steps(const uint8_t *data, uint32_t size, enum client_hello_result expected,
                        const struct client_hello *whole)
{
    struct client_hello hello = {0};
    enum client_hello_result result = CLIENT_HELLO_MORE;
    uint32_t step = size / MOST_STEPS + 1;
    for (uint32_t length = 0;; length = size - length > step ? length + step : size) {
        enum client_hello_result now = read_exact(data, length, &hello);
        require(result == CLIENT_HELLO_MORE || now == result);
        result = now;
        if (length == size) {
            break;
        }
    }
    require(result == expected);
    check_same(&hello, whole);
}

/* In other records: the same, unless their headers take it over the bound. */
static void check_records(const uint8_t *data, uint32_t size, uint32_t part, const struct client_hello *whole)
{
    uint8_t *content = malloc(size);
    require(content != NULL);
    uint32_t filled = records_join(data, size, content);
    uint32_t message = 4 + ((uint32_t)content[1] << 16 | (uint32_t)content[2] << 8 | content[3]);
    require(message <= filled);
    uint32_t split_size = records_size(message, part);
    uint8_t *split = malloc(split_size);
    require(split != NULL);
    require(records_split(content, message, part, split) == split_size);
    struct client_hello hello = {0};
    enum client_hello_result result = read_exact(split, split_size, &hello);
    require(result == (split_size <= CLIENT_HELLO_MOST_BYTES ? CLIENT_HELLO_DONE : CLIENT_HELLO_BAD));
    if (result == CLIENT_HELLO_DONE) {
        check_same(&hello, whole);
    }
    free(split);
    free(content);
}

/* Bytes that change under the reader: some are seen, then one of those is gone, as with urgent data, or another. */
static void check_changed(const uint8_t *data, uint32_t size)
{
    struct client_hello hello = {0};
    read_exact(data, size / 2, &hello);
    read_exact(data + 1, size - 1, &hello);
    check_name(&hello);
    check_alpn(&hello);

    uint8_t *changed = malloc(size);
    require(changed != NULL);
    memcpy(changed, data, size);
    changed[data[size - 1] % size] ^= data[size / 2];
    read_exact(data, size - 1, &hello);
    read_exact(changed, size, &hello);
    check_name(&hello);
    check_alpn(&hello);
    free(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_hello hello = {0};
    uint32_t length = (uint32_t)size;
    enum client_hello_result result = read_exact(data, length, &hello);
    require(result == CLIENT_HELLO_DONE || hello.server_name_length + hello.alpn_length == 0);
    require(result != CLIENT_HELLO_MORE || size < CLIENT_HELLO_MOST_BYTES);
    check_name(&hello);
    check_alpn(&hello);
    check_steps(data, length, result, &hello);
    if (result == CLIENT_HELLO_DONE) {
        check_records(data, length, 1 + data[length - 1] % 8u, &hello);
        check_records(data, length, CLIENT_HELLO_MOST_BYTES, &hello);
    }
    if (size > 0) {
        check_changed(data, length);
    }
    return 0;
}
