/* SPDX-License-Identifier: MIT
 * policy/client_hello: which server names count, what the list of protocols keeps, and vectors that are wrong. Hellos
 * are copied into memory of exactly their size, so that a sanitizer sees what is read behind them. */
#include <stdlib.h>

#include "hello.h"
#include "policy/client_hello.h"
#include "test.h"

static struct hello hello;
static struct client_hello got;

static enum client_hello_result read_hello(void)
{
    hello_end(&hello);
    uint8_t *copy = malloc(hello.size);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, hello.bytes, hello.size);
    memset(&got, 0, sizeof got);
    enum client_hello_result result = client_hello_read(copy, hello.size, &got);
    free(copy);
    return result;
}

static void check_name(const char *sent, uint32_t length, const char *expected)
{
    hello_begin(&hello, 1);
    hello_server_name(&hello, sent, length);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
    CHECK_STRING(got.server_name, expected);
    CHECK_EQ(got.server_name_length, strlen(expected));
}

TEST(names_that_count)
{
    static const char *const names[][2] = {
        {"acme.example", "acme.example"},
        {"ACME.Example", "acme.example"},
        {"acme.example.", "acme.example"},
        {"localhost", "localhost"},
        {"a", "a"},
        {"_sip._tcp.a-b.example", NULL},
        {"xn--bcher-kva.example", NULL},
        {"-a-.example", NULL},
        {"1.2.3.example", NULL},
        {"1.2.3", NULL},
        {"1.2.3.4.5", NULL},
        {"1-2-3-4.example", NULL},
        {"0123456789.example", NULL},
        {"12345", NULL},
        {"AZaz09.example", "azaz09.example"},
        {"1.2.3.4.in-addr.example.", "1.2.3.4.in-addr.example"},
    };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        check_name(names[i][0], (uint32_t)strlen(names[i][0]), names[i][1] != NULL ? names[i][1] : names[i][0]);
    }
}

TEST(names_that_count_as_none)
{
    static const char *const names[] = {
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "a..",
        "a b",
        "a/b",
        "*.example",
        "a:443",
        "192.0.2.1",
        "192.0.2.1.",
        "255.255.255.255",
        "2001:db8::1",
        "[::1]",
        "::ffff:1.2.3.4",
        "b\xc3\xbc"
        "cher.example",
        "a\n.example",
        "a@example",
        "\x7f",
        "a\xff",
    };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        check_name(names[i], (uint32_t)strlen(names[i]), "");
    }
    check_name("acme.example\0.evil", 18, "");
    check_name("acme.example\0", 13, "");
    check_name("\0", 1, "");
}

TEST(every_character)
{
    for (unsigned c = 0; c < 256; c++) {
        const char name[] = {'a', (char)c, 'b', '\0'};
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool allowed = letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        hello_begin(&hello, 1);
        hello_server_name(&hello, name, 3);
        CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
        const char lower[] = {'a', (char)(c >= 'A' && c <= 'Z' ? c + 32 : c), 'b', '\0'};
        CHECK_STRING(got.server_name, allowed ? lower : "");
    }
}

/* A name of `length` bytes in labels of `label`; `kept` of them are kept. */
static void check_long_name(uint32_t length, uint32_t label, uint32_t kept)
{
    char name[600];
    char expected[600];
    for (uint32_t i = 0; i < length; i++) {
        name[i] = i % (label + 1) == label ? '.' : 'x';
    }
    memcpy(expected, name, kept);
    expected[kept] = '\0';
    check_name(name, length, expected);
}

TEST(lengths_of_names_and_labels)
{
    check_long_name(63, 63, 63);
    check_long_name(64, 64, 0);
    check_long_name(127, 63, 127);
    check_long_name(129, 64, 0);
    check_long_name(255, 63, 255);
    check_long_name(255, 50, 254); /* with a last dot */
    check_long_name(256, 31, 255); /* 255, and a last dot */
    check_long_name(256, 60, 0);
    check_long_name(257, 42, 0); /* 256, and a last dot */
    check_long_name(500, 60, 0);
}

/* The data of a server_name extension, or of ALPN, as it is given. */
static enum client_hello_result read_raw(uint32_t type, const char *data, uint32_t size)
{
    hello_begin(&hello, 1);
    hello_number(&hello, 2, type);
    hello_open(&hello, 2);
    hello_bytes(&hello, data, size);
    return read_hello();
}

#define RAW(type, data) read_raw(type, data, sizeof(data) - 1)

TEST(the_first_host_name_counts)
{
    CHECK_EQ(RAW(0, "\0\12\0\0\2aa\0\0\2bb"), CLIENT_HELLO_DONE);
    CHECK_STRING(got.server_name, "aa");
    CHECK_EQ(RAW(0, "\0\12\0\0\2!!\0\0\2bb"), CLIENT_HELLO_DONE); /* also where it is of no use */
    CHECK_STRING(got.server_name, "");
    CHECK_EQ(RAW(0, "\0\12\7\0\2aa\0\0\2bb"), CLIENT_HELLO_DONE); /* behind a name of another type */
    CHECK_STRING(got.server_name, "bb");
    CHECK_EQ(RAW(0, "\0\5\7\0\2aa"), CLIENT_HELLO_DONE);
    CHECK_STRING(got.server_name, "");
}

TEST(lists_of_names_that_are_wrong)
{
    CHECK_EQ(RAW(0, ""), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(0, "\0"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(0, "\0\0"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(0, "\0\1\0"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(0, "\0\3\0\0\2"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(0, "\0\5\0\0\3aa"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(0, "\0\5\0\0\1aa"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(0, "\0\4\0\0\2aa"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(0, "\0\5\0\0\2aa!"), CLIENT_HELLO_BAD); /* more behind the list */
    CHECK_EQ(RAW(0, "\0\6\0\0\2aa!"), CLIENT_HELLO_BAD);
    CHECK_EQ(got.server_name_length, 0); /* nothing stays of what was read before */
    CHECK_STRING(got.server_name, "");
    CHECK_EQ(RAW(16, ""), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(16, "\0\0"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(16, "\0\1\0"), CLIENT_HELLO_BAD); /* an empty name */
    CHECK_EQ(RAW(16, "\0\4\2h2\0"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(16, "\0\3\3h2"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(16, "\0\3\1h2"), CLIENT_HELLO_BAD);
    CHECK_EQ(RAW(16, "\0\3\2h2!"), CLIENT_HELLO_BAD);
    CHECK_EQ(got.alpn_length, 0);
    CHECK_EQ(RAW(0, "\0\5\0\0\2aa"), CLIENT_HELLO_DONE); /* and what is right about them */
    CHECK_EQ(RAW(16, "\0\3\2h2"), CLIENT_HELLO_DONE);
}

TEST(an_extension_that_comes_twice)
{
    hello_begin(&hello, 1);
    hello_server_name(&hello, "one.example", 11);
    hello_alpn(&hello, "h2");
    hello_server_name(&hello, "two.example", 11);
    CHECK_EQ(read_hello(), CLIENT_HELLO_BAD);
    CHECK_EQ(got.server_name_length + got.alpn_length, 0);
    hello_begin(&hello, 1);
    hello_alpn(&hello, "h2");
    hello_alpn(&hello, "h2");
    CHECK_EQ(read_hello(), CLIENT_HELLO_BAD);
    hello_begin(&hello, 1); /* what is not read is not judged */
    hello_extension(&hello, 0x2a2a, 0, 3);
    hello_extension(&hello, 0x2a2a, 0, 3);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
}

TEST(a_length_that_is_one_off)
{
    hello_begin(&hello, 1);
    hello_extension(&hello, 0x3a3a, 0xff, 0);
    hello_server_name(&hello, "acme.example", 12);
    hello_alpn(&hello, "h2,http/1.1");
    hello_extension(&hello, 21, 0xff, 10);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
    for (uint32_t i = 0; i < hello.vector_count; i++) {
        uint8_t *last = hello.bytes + hello.vectors[i].at + hello.vectors[i].width - 1;
        for (int off = -1; off <= 1; off += 2) {
            uint8_t right = *last;
            *last = (uint8_t)(right + off);
            enum client_hello_result result = read_hello();
            *last = right;
            /* A record that is longer may hold more messages; a message that is longer is not whole. */
            enum client_hello_result longer = i == 0 ? CLIENT_HELLO_DONE : CLIENT_HELLO_MORE;
            CHECK_EQ(result, off > 0 && i < 2 ? longer : CLIENT_HELLO_BAD);
        }
    }
    CHECK_EQ(hello.vector_count, 15);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
}

TEST(vectors_before_the_extensions)
{
    static const struct {
        uint32_t session_id;
        uint32_t ciphers;
        uint32_t compressions;
        enum client_hello_result result;
    } cases[] = {
        {0, 2, 1, CLIENT_HELLO_DONE},   {32, 2, 1, CLIENT_HELLO_DONE},   {33, 2, 1, CLIENT_HELLO_BAD},
        {255, 2, 1, CLIENT_HELLO_BAD},  {0, 0, 1, CLIENT_HELLO_BAD},     {0, 3, 1, CLIENT_HELLO_BAD},
        {0, 1, 1, CLIENT_HELLO_BAD},    {0, 1000, 1, CLIENT_HELLO_DONE}, {0, 2, 0, CLIENT_HELLO_BAD},
        {0, 2, 255, CLIENT_HELLO_DONE}, {0, 8192, 1, CLIENT_HELLO_DONE},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&hello, 0, sizeof hello);
        hello_number(&hello, 3, 0x160301);
        hello_open(&hello, 2);
        hello_number(&hello, 1, 1);
        hello_open(&hello, 3);
        hello_fill(&hello, 3, 2 + 32);
        const uint32_t vectors[3][2] = {{1, cases[i].session_id}, {2, cases[i].ciphers}, {1, cases[i].compressions}};
        for (unsigned k = 0; k < 3; k++) {
            hello_open(&hello, vectors[k][0]);
            hello_fill(&hello, 0, vectors[k][1]);
            hello_close(&hello);
        }
        hello_open(&hello, 2);
        hello_alpn(&hello, "h2");
        CHECK_EQ(read_hello(), cases[i].result);
        CHECK_EQ(client_hello_offers(&got, "h2", 2), cases[i].result == CLIENT_HELLO_DONE);
    }
}

TEST(a_message_that_ends_early)
{
    hello_begin(&hello, 0);
    hello_end(&hello);
    uint32_t whole = hello.size - 9;
    for (uint32_t body = 0; body < whole; body++) {
        hello.bytes[8] = (uint8_t)body; /* the message ends there, in a record that has more */
        CHECK_EQ(read_hello(), CLIENT_HELLO_BAD);
    }
    hello_begin(&hello, 0);
    hello_fill(&hello, 0, 1); /* half of the length of the extensions */
    CHECK_EQ(read_hello(), CLIENT_HELLO_BAD);
    hello_begin(&hello, 0);
    hello_fill(&hello, 0, 3); /* a byte behind no extensions */
    CHECK_EQ(read_hello(), CLIENT_HELLO_BAD);
}

TEST(protocols_that_are_offered)
{
    hello_begin(&hello, 1);
    hello_alpn(&hello, "h2,http/1.1,\x0a\x0a");
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
    CHECK(client_hello_offers(&got, "h2", 2));
    CHECK(client_hello_offers(&got, "http/1.1", 8));
    CHECK(client_hello_offers(&got, "\x0a\x0a", 2));
    CHECK(!client_hello_offers(&got, "H2", 2));
    CHECK(!client_hello_offers(&got, "h", 1));
    CHECK(!client_hello_offers(&got, "h2c", 3));
    CHECK(!client_hello_offers(&got, "http/1.0", 8));
    CHECK(!client_hello_offers(&got, "", 0));
    CHECK(!client_hello_offers(&got, "2\10http", 6)); /* bytes that lie across two names */
}

TEST(protocols_that_are_too_many)
{
    /* As many as there is room for, to the last byte; then one more, and one behind it that would have fitted. */
    char names[600] = "";
    for (unsigned i = 0; i < 15; i++) {
        strcat(names, "protocol-number,"); /* 15 and their length */
    }
    hello_begin(&hello, 1);
    strcpy(names + 240, "protocol-the-17");
    hello_alpn(&hello, names);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
    CHECK_EQ(got.alpn_length, CLIENT_HELLO_MOST_ALPN);
    CHECK(client_hello_offers(&got, "protocol-the-17", 15));

    hello_begin(&hello, 1);
    strcpy(names + 240, "protocol-the-17-,h2");
    hello_alpn(&hello, names);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
    CHECK_EQ(got.alpn_length, 240);
    CHECK(!client_hello_offers(&got, "protocol-the-17-", 16));
    CHECK(!client_hello_offers(&got, "h2", 2));
    CHECK(client_hello_offers(&got, "protocol-number", 15));

    memset(names, 'p', 255);
    names[255] = '\0';
    hello_begin(&hello, 1);
    hello_alpn(&hello, names);
    CHECK_EQ(read_hello(), CLIENT_HELLO_DONE);
    CHECK(client_hello_offers(&got, names, 255));
}
