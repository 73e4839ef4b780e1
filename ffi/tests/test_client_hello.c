/* SPDX-License-Identifier: MIT
 * policy/client_hello: hellos of real clients, whole, in pieces and in other records; what is no hello; the bound;
 * which names count. Hellos are copied into memory of exactly their size, so that a sanitizer sees what is read behind
 * them. Run from the top of the tree, as the test runner does. */
#include "policy/client_hello.h"

#include <stdlib.h>

#include "../fuzz/records.h"
#include "hello.h"
#include "seeds.h"
#include "test.h"

static struct hello hello;
static struct client_hello got;

/* Reads a copy of the bytes. */
static enum client_hello_result read_more(const uint8_t *bytes, uint32_t size, struct client_hello *into)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, size);
    enum client_hello_result result = client_hello_read(copy, size, into);
    free(copy);
    return result;
}

/* As the first call for a connection. */
static enum client_hello_result read_first(const uint8_t *bytes, uint32_t size)
{
    memset(&got, 0, sizeof got);
    return read_more(bytes, size, &got);
}

static enum client_hello_result read_hello(void)
{
    hello_end(&hello);
    return read_first(hello.bytes, hello.size);
}

/* What clients sent, recorded on a socket; the names that they were told. Those of browsers are from curl-impersonate,
 * which writes what browsers write. */
static const struct {
    const char *file;
    const char *server_name;
    const char *alpn; /* as it is kept */
} recorded[] = {
    {"chrome", "browser.acme.example", "\2h2\10http/1.1"}, /* with GREASE, X25519MLKEM768 and an ECH extension */
    {"curl_address", "", "\2h2\10http/1.1"},
    {"curl_h2", "www.acme.example", "\2h2\10http/1.1"},
    {"curl_no_alpn", "www.acme.example", ""},
    {"deno_alpn", "deno.acme.example", "\2h2\10http/1.1"},
    {"deno_fetch", "localhost", "\2h2\10http/1.1"},
    {"firefox", "browser.acme.example", "\2h2\10http/1.1"}, /* X25519MLKEM768, three shares in all */
    {"java", "java.acme.example", "\2h2\10http/1.1"},
    {"node_alpn", "node.acme.example", "\2h2\10http/1.1"},
    {"node_plain", "", ""},
    {"openssl_groups", "groups.acme.example", "\2h2"}, /* asked for as Groups.ACME.example */
    {"openssl_large", "large.acme.example", NULL},     /* 60 ALPN names, in four records of its own */
    {"openssl_no_sni", "", ""},
    {"openssl_psk", "psk.acme.example", ""},
    {"openssl_sni_alpn", "acme.example", "\2h2\10http/1.1"},
    {"openssl_tls1", "old.acme.example", ""},
    {"openssl_tls12", "tls12.acme.example", ""},
    {"python_alpn", "python.acme.example", "\2h2\10http/1.1"},
    {"python_plain", "", ""},
    {"wget_gnutls", "localhost", ""},
};

#define RECORDED (sizeof recorded / sizeof recorded[0])

static struct seeds seeds;

/* Loads them once; false when they are not those of the table. */
static bool load_recorded(void)
{
    if (seeds.count == 0) {
        seeds_add_folder(&seeds, "ffi/fuzz/corpus/client_hello");
    }
    for (unsigned i = 0; i < seeds.count; i++) {
        if (i >= RECORDED || strcmp(seeds.all[i].name, recorded[i].file) != 0) {
            return false;
        }
    }
    return seeds.count == RECORDED;
}

static void check_recorded(unsigned index, const struct client_hello *read)
{
    CHECK_STRING(read->server_name, recorded[index].server_name);
    CHECK_EQ(read->server_name_length, strlen(recorded[index].server_name));
    if (recorded[index].alpn != NULL) {
        CHECK_EQ(read->alpn_length, strlen(recorded[index].alpn));
        CHECK(memcmp(read->alpn, recorded[index].alpn, read->alpn_length) == 0);
    }
}

TEST(hellos_of_real_clients)
{
    REQUIRE(load_recorded());
    for (unsigned i = 0; i < RECORDED; i++) {
        CHECK_EQ(read_first(seeds.all[i].bytes, (uint32_t)seeds.all[i].size), CLIENT_HELLO_DONE);
        check_recorded(i, &got);
    }
}

/* At every length short of its size more is wanted, of a new reader and of one that has seen what came before. */
static void check_every_cut(const uint8_t *bytes, uint32_t size, unsigned index)
{
    struct client_hello going_on = {0};
    for (uint32_t length = 0; length < size; length++) {
        CHECK_EQ(read_first(bytes, length), CLIENT_HELLO_MORE);
        CHECK_EQ(read_more(bytes, length, &going_on), CLIENT_HELLO_MORE);
        CHECK_EQ(going_on.server_name_length + going_on.alpn_length, 0);
    }
    CHECK_EQ(read_first(bytes, size), CLIENT_HELLO_DONE);
    check_recorded(index, &got);
    CHECK_EQ(read_more(bytes, size, &going_on), CLIENT_HELLO_DONE);
    check_recorded(index, &going_on);
}

TEST(a_hello_cut_anywhere_wants_more)
{
    REQUIRE(load_recorded());
    for (unsigned i = 0; i < RECORDED; i++) {
        check_every_cut(seeds.all[i].bytes, (uint32_t)seeds.all[i].size, i);
    }
}

TEST(a_hello_in_other_records_is_the_same)
{
    static const uint32_t parts[] = {1, 2, 3, 7, 100, 1000};
    static uint8_t content[CLIENT_HELLO_MOST_BYTES];
    static uint8_t stream[CLIENT_HELLO_MOST_BYTES];
    REQUIRE(load_recorded());
    for (unsigned i = 0; i < RECORDED; i++) {
        uint32_t size = records_join(seeds.all[i].bytes, (uint32_t)seeds.all[i].size, content);
        for (unsigned k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            REQUIRE(records_size(size, parts[k]) <= sizeof stream);
            check_every_cut(stream, records_split(content, size, parts[k], stream), i);
        }
    }
}

TEST(what_lies_behind_a_hello_is_not_looked_at)
{
    hello_begin(&hello, 1);
    hello_server_name(&hello, "acme.example", 12);
    hello_end(&hello);
    hello_fill(&hello, 0xff, 30000);
    CHECK_EQ(read_first(hello.bytes, hello.size), CLIENT_HELLO_DONE);
    CHECK_STRING(got.server_name, "acme.example");

    /* Another message in the same record. */
    hello_begin(&hello, 1);
    hello_server_name(&hello, "acme.example", 12);
    while (hello.open_count > 1) {
        hello_close(&hello);
    }
    uint32_t end = hello.size;
    hello_fill(&hello, 0xff, 100);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
    CHECK_STRING(got.server_name, "acme.example");
    CHECK_EQ(read_first(hello.bytes, end), CLIENT_HELLO_DONE);

    /* And in the second of two records. */
    static uint8_t stream[4000];
    uint32_t part = end - RECORDS_HEADER - 10;
    uint32_t size = records_split(hello.bytes + RECORDS_HEADER, hello.size - RECORDS_HEADER, part, stream);
    CHECK_EQ(read_first(stream, size), CLIENT_HELLO_DONE);
    CHECK_EQ(read_first(stream, end + RECORDS_HEADER), CLIENT_HELLO_DONE);
    CHECK_EQ(read_first(stream, end + RECORDS_HEADER - 1), CLIENT_HELLO_MORE);
}

TEST(what_no_tls_client_sends_is_known_at_once)
{
    static const uint8_t none[1];
    CHECK_EQ(client_hello_read(NULL, 0, &got), CLIENT_HELLO_MORE);
    CHECK_EQ(read_first(none, 0), CLIENT_HELLO_MORE);
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            const uint8_t bytes[2] = {(uint8_t)first, (uint8_t)second};
            CHECK_EQ(read_first(bytes, 1), first == 22 ? CLIENT_HELLO_MORE : CLIENT_HELLO_NOT_TLS);
            CHECK_EQ(read_first(bytes, 2), first == 22 && second == 3 ? CLIENT_HELLO_MORE : CLIENT_HELLO_NOT_TLS);
        }
    }
    static const uint8_t ssl2[] = {0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10};
    static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 40};
    static const uint8_t data[] = {23, 3, 3, 0, 5, 'h', 'e', 'l', 'l', 'o'};
    CHECK_EQ(read_first(ssl2, sizeof ssl2), CLIENT_HELLO_NOT_TLS);
    CHECK_EQ(read_first(alert, sizeof alert), CLIENT_HELLO_NOT_TLS);
    CHECK_EQ(read_first(data, sizeof data), CLIENT_HELLO_NOT_TLS);
    CHECK_EQ(read_first((const uint8_t *)"GET / HTTP/1.1\r\n", 16), CLIENT_HELLO_NOT_TLS);
    CHECK_EQ(read_first((const uint8_t *)"SSH-2.0-", 8), CLIENT_HELLO_NOT_TLS);
    for (unsigned type = 0; type < 256; type++) {
        const uint8_t message[] = {22, 3, 1, 0, 50, (uint8_t)type};
        CHECK_EQ(read_first(message, 5), CLIENT_HELLO_MORE);
        CHECK_EQ(read_first(message, 6), type == 1 ? CLIENT_HELLO_MORE : CLIENT_HELLO_NOT_TLS);
    }
}

TEST(any_minor_version_of_a_record)
{
    hello_begin(&hello, 1);
    hello_end(&hello);
    for (unsigned minor = 0; minor < 256; minor++) {
        hello.bytes[2] = (uint8_t)minor;
        CHECK_EQ(read_first(hello.bytes, hello.size), CLIENT_HELLO_DONE);
    }
}

TEST(records_that_are_wrong)
{
    static const struct {
        uint8_t bytes[16];
        uint32_t size; /* at which it is known */
    } wrong[] = {
        {{22, 3, 1, 0, 0}, 5},                           /* no content */
        {{22, 3, 1, 0x40, 1}, 5},                        /* too long */
        {{22, 3, 1, 0xff, 0xff}, 5},                     /* far too long */
        {{22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 0}, 11},       /* no content, later */
        {{22, 3, 1, 0, 1, 1, 21}, 7},                    /* another type inside the message */
        {{22, 3, 1, 0, 1, 1, 22, 2}, 8},                 /* another version inside the message */
        {{22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff}, 9},      /* a message that would be too long */
        {{22, 3, 1, 0, 4, 1, 0, 0, 10, 23, 3, 3, 0}, 10} /* data before the message is whole */
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct client_hello going_on = {0};
        for (uint32_t length = 0; length < wrong[i].size; length++) {
            CHECK_EQ(read_more(wrong[i].bytes, length, &going_on), CLIENT_HELLO_MORE);
        }
        CHECK_EQ(read_more(wrong[i].bytes, wrong[i].size, &going_on), CLIENT_HELLO_BAD);
        CHECK_EQ(read_first(wrong[i].bytes, sizeof wrong[i].bytes), CLIENT_HELLO_BAD);
    }
}

/* A hello of `size` bytes in one record. */
static void write_sized(uint32_t size)
{
    hello_begin(&hello, 1);
    hello_server_name(&hello, "acme.example", 12);
    hello_extension(&hello, 21, 0, size - hello.size - 4);
    hello_end(&hello);
}

TEST(the_bound_is_exact)
{
    write_sized(CLIENT_HELLO_MOST_BYTES);
    CHECK_EQ(read_first(hello.bytes, hello.size - 1), CLIENT_HELLO_MORE);
    CHECK_EQ(read_first(hello.bytes, hello.size), CLIENT_HELLO_DONE);
    CHECK_STRING(got.server_name, "acme.example");
    write_sized(CLIENT_HELLO_MOST_BYTES + 1);
    CHECK_EQ(read_first(hello.bytes, 8), CLIENT_HELLO_MORE);
    CHECK_EQ(read_first(hello.bytes, 9), CLIENT_HELLO_BAD); /* its length is known: no need to wait */
    CHECK_EQ(read_first(hello.bytes, hello.size), CLIENT_HELLO_BAD);
}

TEST(headers_of_records_count_against_the_bound)
{
    static uint8_t stream[2 * CLIENT_HELLO_MOST_BYTES];
    /* The largest that fits in records of one byte, and one byte more. */
    uint32_t most = CLIENT_HELLO_MOST_BYTES / (RECORDS_HEADER + 1);
    for (uint32_t over = 0; over < 2; over++) {
        write_sized(RECORDS_HEADER + most + over);
        uint32_t size = records_split(hello.bytes + RECORDS_HEADER, most + over, 1, stream);
        struct client_hello going_on = {0};
        uint32_t length = 0;
        enum client_hello_result result = CLIENT_HELLO_MORE;
        while (result == CLIENT_HELLO_MORE && length < size) {
            result = read_more(stream, ++length, &going_on);
        }
        CHECK_EQ(result, over == 0 ? CLIENT_HELLO_DONE : CLIENT_HELLO_BAD);
        CHECK(length == size || length == CLIENT_HELLO_MOST_BYTES);
        CHECK_EQ(read_first(stream, size), result);
    }
}

TEST(hellos_without_extensions)
{
    hello_begin(&hello, 0);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
    CHECK_EQ(got.server_name_length + got.alpn_length, 0);
    hello_begin(&hello, 1);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
    CHECK_EQ(got.server_name_length + got.alpn_length, 0);
}

/* A post-quantum hello that spans segments, with the name behind everything that is large. */
TEST(a_large_key_share_before_the_name)
{
    hello_begin(&hello, 1);
    hello_extension(&hello, 0x1a1a, 0, 0); /* GREASE */
    hello_number(&hello, 2, 51);           /* key_share */
    hello_open(&hello, 2);
    hello_open(&hello, 2);
    hello_number(&hello, 2, 0x11ec); /* X25519MLKEM768: 1184 bytes of ML-KEM, 32 of X25519 */
    hello_open(&hello, 2);
    hello_fill(&hello, 0xcd, 1184 + 32);
    hello_close(&hello);
    hello_number(&hello, 2, 29);
    hello_open(&hello, 2);
    hello_fill(&hello, 0xef, 32);
    hello_close(&hello);
    hello_close(&hello);
    hello_close(&hello);
    hello_extension(&hello, 0xfe0d, 0xec, 281);  /* encrypted_client_hello */
    hello_extension(&hello, 0x1234, 0x77, 2400); /* as much again */
    hello_alpn(&hello, "h2,http/1.1");
    hello_server_name(&hello, "pq.acme.example", 15);
    hello_extension(&hello, 41, 0x99, 200); /* pre_shared_key is the last */
    hello_end(&hello);
    REQUIRE(hello.size > 4096);
    struct client_hello going_on = {0};
    for (uint32_t length = 1460; length < hello.size; length += 1460) {
        CHECK_EQ(read_more(hello.bytes, length, &going_on), CLIENT_HELLO_MORE);
    }
    CHECK_EQ(read_more(hello.bytes, hello.size, &going_on), CLIENT_HELLO_DONE);
    CHECK_STRING(going_on.server_name, "pq.acme.example");
    CHECK(client_hello_offers(&going_on, "h2", 2));
}

TEST(one_reader_for_many_connections_keeps_the_progress_of_each)
{
    static uint8_t streams[2][4000];
    uint32_t sizes[2];
    static const char *const names[2] = {"one.example", "two.example"};
    struct client_hello_progress progress[2] = {{0}, {0}};
    struct client_hello shared = {0};
    unsigned done = 0;
    for (unsigned i = 0; i < 2; i++) {
        hello_begin(&hello, 1);
        hello_server_name(&hello, names[i], 11);
        hello_end(&hello);
        sizes[i] = records_split(hello.bytes + RECORDS_HEADER, hello.size - RECORDS_HEADER, 3 + 4 * i, streams[i]);
    }
    for (uint32_t length = 0; length <= sizes[0] || length <= sizes[1]; length++) {
        for (unsigned i = 0; i < 2 && done < 2; i++) {
            if (length <= sizes[i]) {
                shared.progress = progress[i];
                enum client_hello_result result = read_more(streams[i], length, &shared);
                progress[i] = shared.progress;
                CHECK_EQ(result, length < sizes[i] ? CLIENT_HELLO_MORE : CLIENT_HELLO_DONE);
                CHECK_STRING(shared.server_name, length < sizes[i] ? "" : names[i]);
                done += result == CLIENT_HELLO_DONE;
            }
        }
    }
    CHECK_EQ(done, 2);
}

TEST(fewer_bytes_than_before_begin_again)
{
    REQUIRE(load_recorded());
    static uint8_t stream[CLIENT_HELLO_MOST_BYTES];
    const struct seed *seed = &seeds.all[0];
    uint32_t size = records_split(seed->bytes + RECORDS_HEADER, (uint32_t)seed->size - RECORDS_HEADER, 50, stream);
    struct client_hello going_on = {0};
    CHECK_EQ(read_more(stream, size - 1, &going_on), CLIENT_HELLO_MORE);
    CHECK_EQ(read_more(stream, 60, &going_on), CLIENT_HELLO_MORE);
    CHECK_EQ(read_more(stream, size, &going_on), CLIENT_HELLO_DONE);
    check_recorded(0, &going_on);
}

/* Reads all of a stream but its last byte, and then all of it with a byte that has changed meanwhile. */
static void check_changed(uint8_t *stream, uint32_t size, uint32_t at, uint8_t byte)
{
    struct client_hello going_on = {0};
    uint8_t before = stream[at];
    CHECK_EQ(read_more(stream, size - 1, &going_on), CLIENT_HELLO_MORE);
    CHECK(going_on.progress.record > at);
    stream[at] = byte;
    CHECK_EQ(read_more(stream, size, &going_on), CLIENT_HELLO_BAD);
    CHECK_EQ(going_on.server_name_length + going_on.alpn_length, 0);
    stream[at] = before;
    CHECK_EQ(read_more(stream, size, &going_on), CLIENT_HELLO_DONE);
}

TEST(bytes_that_changed_are_not_trusted)
{
    static uint8_t stream[4000];
    hello_begin(&hello, 1);
    hello_alpn(&hello, "h2");
    hello_number(&hello, 2, 21);
    hello_open(&hello, 2);
    for (unsigned i = 0; i < 100; i++) {
        hello_bytes(&hello, "\x16\x03\x01\0\1", 6); /* looks like a record of one byte */
    }
    hello_bytes(&hello, "\x16\x03\x01\0\2", 6); /* and one that is cut short */
    hello_end(&hello);
    uint32_t content = hello.size - RECORDS_HEADER;
    uint32_t size = records_split(hello.bytes + RECORDS_HEADER, content, 200, stream);
    check_changed(stream, size, 0, 21);                       /* no handshake any more */
    check_changed(stream, size, 5, 2);                        /* another message */
    check_changed(stream, size, 8, (uint8_t)(stream[8] + 1)); /* of another length */
    check_changed(stream, size, 8, (uint8_t)(stream[8] - 1));
    check_changed(stream, size, 3, 0x40); /* a record that is longer than the stream */
    /* A record that ends among what looks like records: then there are more headers than there is room for. */
    for (uint32_t part = 300; part < 312; part++) {
        size = records_split(hello.bytes + RECORDS_HEADER, content, part, stream);
        check_changed(stream, size, 3, (uint8_t)(stream[3] + 1));
    }
}
