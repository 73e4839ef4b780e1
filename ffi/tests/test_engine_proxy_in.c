/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: PROXY headers that clients' proxies send. */
#include "hello.h"
#include "scene.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct scene proxied(void)
{
    struct scene scene = scene_echo();
    struct host_listener *listener = &scene.tenant.listeners[0];
    listener->proxy_accept = SLUICE_PROXY_REQUIRED;
    listener->trusted[0] = host_loopback();
    listener->trusted_count = 1;
    listener->proxy_timeout_ms = 10000;
    return scene;
}

/* A header, what the log calls the client then, and its length where it holds a NUL. */
struct header {
    const char *bytes;
    size_t size;
    uint32_t family;
    uint8_t ip[16];
    uint32_t port;
};

#define TEXT(text) text, sizeof(text) - 1

static const struct header good[] = {
    {TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"), SLUICE_FAMILY_IPV4, {192, 0, 2, 7}, 4711},
    {TEXT("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"), SLUICE_FAMILY_IPV6, {0x20, 1, 0xd, 0xb8, [15] = 7}, 4711},
    {TEXT("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 4711 443\r\n"), SLUICE_FAMILY_IPV4, {192, 0, 2, 7}, 4711},
    {TEXT("PROXY UNKNOWN\r\n"), SLUICE_FAMILY_IPV4, {127, 0, 0, 1}, 0},
    {TEXT("PROXY UNKNOWN 192.0.2.7 198.51.100.1 4711 443\r\n"), SLUICE_FAMILY_IPV4, {127, 0, 0, 1}, 0},
    {TEXT(SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\x12\x67\x01\xbb"),
     SLUICE_FAMILY_IPV4,
     {192, 0, 2, 7},
     4711},
    {TEXT(SIGNATURE "\x21\x11\0\x10\xc0\0\x02\x07\xc6\x33\x64\x01\x12\x67\x01\xbb\x04\0\x01\0"),
     SLUICE_FAMILY_IPV4,
     {192, 0, 2, 7},
     4711},
    /* LOCAL with addresses: those are not believed. */
    {TEXT(SIGNATURE "\x20\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\x12\x67\x01\xbb"),
     SLUICE_FAMILY_IPV4,
     {127, 0, 0, 1},
     0},
    {TEXT(SIGNATURE "\x20\0\0\0"), SLUICE_FAMILY_IPV4, {127, 0, 0, 1}, 0},
};

static const struct header bad[] = {
    {.bytes = TEXT("GET / HTTP/1.1\r\n\r\n")},
    {.bytes = TEXT("PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n")},
    {.bytes = TEXT("PROXY TCP4 192.0.2.700 198.51.100.1 4711 443\r\n")},
    {.bytes = TEXT(SIGNATURE "\x31\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\x12\x67\x01\xbb")},
    {.bytes = TEXT(SIGNATURE "\x21\x11\0\x04\xc0\0\x02\x07")},
};

static void is_client(const struct sluice_log_session *session, const struct header *header)
{
    CHECK_EQ(session->client_family, header->family);
    CHECK(memcmp(session->client_ip, header->ip, 16) == 0);
    CHECK(header->port == 0 || session->client_port == header->port);
    CHECK_EQ(session->bytes_up, 5);
}

TEST(a_header_tells_whose_session_it_is)
{
    struct scene scene = proxied();
    REQUIRE(scene_start(&scene, 2));
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int fd = peer_connect(scene.port);
        CHECK(peer_send(fd, good[i].bytes, good[i].size));
        CHECK(scene_echoes(fd, "hello"));
        scene_close_fd(&fd);
        struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
        is_client(&session, &good[i]);
    }
    scene_end(&scene);
}

TEST(a_header_may_come_byte_by_byte)
{
    struct scene scene = proxied();
    REQUIRE(scene_start(&scene, 1));
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int fd = peer_connect(scene.port);
        for (size_t at = 0; at < good[i].size; at++) {
            CHECK(peer_send(fd, good[i].bytes + at, 1));
        }
        CHECK(scene_echoes(fd, "hello"));
        scene_close_fd(&fd);
        struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
        is_client(&session, &good[i]);
    }
    scene_end(&scene);
}

TEST(a_header_and_what_follows_may_come_at_once)
{
    char bytes[256];
    struct scene scene = proxied();
    REQUIRE(scene_start(&scene, 1));
    memcpy(bytes, good[0].bytes, good[0].size);
    memcpy(bytes + good[0].size, "hello", 5);
    int fd = peer_connect(scene.port);
    CHECK(peer_send(fd, bytes, good[0].size + 5));
    peer_end(fd);
    CHECK(peer_receive(fd, bytes, 5) && memcmp(bytes, "hello", 5) == 0 && peer_at_end(fd));
    scene_close_fd(&fd);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    is_client(&session, &good[0]);
    scene_end(&scene);
}

TEST(what_is_no_header_is_refused)
{
    struct scene scene = proxied();
    REQUIRE(scene_start(&scene, 1));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int fd = peer_connect(scene.port);
        CHECK(peer_send(fd, bad[i].bytes, bad[i].size));
        CHECK_STRING(peer_fate(fd, 10000), "end");
        scene_close_fd(&fd);
        struct sluice_log_session session = scene_ended(&scene, "PR", SLUICE_REASON_BAD_PROXY_HEADER);
        CHECK_EQ(session.attempts, 0);
    }
    scene_end(&scene);
}

TEST(nobody_else_may_say_who_he_is)
{
    struct scene scene = proxied();
    struct header stranger = {.family = SLUICE_FAMILY_IPV4, .ip = {127, 0, 9, 1}};
    scene.tenant.listeners[0].trusted[0] =
        (struct sluice_prefix_record){.family = SLUICE_FAMILY_IPV4, .bits = 32, .ip = {127, 0, 0, 1}};
    REQUIRE(scene_start(&scene, 1));
    int fd = peer_connect_from(0x000901, scene.port);
    CHECK_STRING(peer_fate(fd, 10000), "end"); /* before it has said anything */
    scene_close_fd(&fd);
    struct sluice_log_session session = scene_ended(&scene, "PR", SLUICE_REASON_BAD_PROXY_HEADER);
    CHECK(memcmp(session.client_ip, stranger.ip, 16) == 0);
    scene_end(&scene);
}

TEST(a_header_that_does_not_come_is_not_waited_for)
{
    struct scene scene = proxied();
    scene.tenant.listeners[0].proxy_timeout_ms = 300;
    REQUIRE(scene_start(&scene, 1));
    for (uint32_t i = 0; i < 2; i++) {
        int fd = peer_connect(scene.port);
        CHECK(peer_send(fd, good[0].bytes, i * 20));
        CHECK_STRING(peer_fate(fd, 10000), "end");
        scene_close_fd(&fd);
        scene_ended(&scene, "cR", SLUICE_REASON_ROUTE_TIMEOUT);
    }
    scene_end(&scene);
}

TEST(lists_and_limits_go_by_the_address_of_the_header)
{
    struct scene scene = proxied();
    scene.tenant.prefixes[0] =
        (struct sluice_prefix_record){.family = SLUICE_FAMILY_IPV4, .bits = 24, .ip = {192, 0, 2}};
    scene.tenant.record.deny_count = 1;
    scene.tenant.record.limits.source_max_connections = 1;
    REQUIRE(scene_start(&scene, 2));
    int fd = peer_connect(scene.port);
    CHECK(peer_send(fd, good[0].bytes, good[0].size));
    CHECK_STRING(peer_fate(fd, 10000), "end");
    scene_close_fd(&fd);
    scene_ended(&scene, "PR", SLUICE_REASON_DENIED);

    int held = peer_connect(scene.port);
    CHECK(peer_send(held, good[1].bytes, good[1].size) && scene_echoes(held, "hello"));
    fd = peer_connect(scene.port);
    CHECK(peer_send(fd, good[1].bytes, good[1].size));
    CHECK_STRING(peer_fate(fd, 10000), "end");
    scene_close_fd(&fd);
    scene_ended(&scene, "PR", SLUICE_REASON_SOURCE_CONNECTIONS);
    fd = peer_connect(scene.port);
    CHECK(peer_send(fd, good[3].bytes, good[3].size) && scene_echoes(fd, "hello"));
    scene_close_fd(&fd);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_close_fd(&held);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

TEST(who_comes_by_a_unix_socket_is_trusted)
{
    char path[64];
    struct scene scene = proxied();
    snprintf(path, sizeof path, "/tmp/sluice-test-%d.sock", getpid());
    scene.tenant.listeners[0].address = host_unix(path);
    scene.tenant.listeners[0].port_last = 0;
    REQUIRE(host_open(&scene.host, 1, &scene.tenant, 1) == SLUICE_OK);
    int fd = peer_connect_unix(path, strlen(path));
    CHECK(peer_send(fd, good[5].bytes, good[5].size) && scene_echoes(fd, "hello"));
    scene_close_fd(&fd);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    is_client(&session, &good[5]);
    scene_end(&scene);
}

TEST(a_hello_behind_a_header_finds_its_route)
{
    static struct hello hello;
    static uint8_t all[HELLO_MOST_BYTES + 256];
    struct scene scene = scene_echo();
    struct host_tenant holder = host_holder(9);
    struct host_listener *listener = host_add_listener(&holder, host_ipv4(0), 0);
    listener->detect = SLUICE_DETECT_TLS;
    listener->proxy_accept = SLUICE_PROXY_REQUIRED;
    listener->trusted[0] = host_loopback();
    listener->trusted_count = 1;
    scene.tenant.record.listener_count = 0;
    host_add_route(&scene.tenant, host_listener_id(&holder, 0), "acme.example", 0);
    struct host_tenant tenants[] = {holder, scene.tenant};
    REQUIRE(host_open(&scene.host, 1, tenants, 2) == SLUICE_OK);
    scene.port = host_port(&scene.host, host_listener_id(&holder, 0));
    hello_begin(&hello, 1);
    hello_server_name(&hello, "acme.example", 12);
    hello_end(&hello);
    memcpy(all, good[5].bytes, good[5].size);
    memcpy(all + good[5].size, hello.bytes, hello.size);
    size_t size = good[5].size + hello.size;
    const size_t steps[] = {size, 1, 7};
    for (size_t i = 0; i < 3; i++) {
        static uint8_t answer[HELLO_MOST_BYTES];
        int fd = peer_connect(scene.port);
        for (size_t at = 0; at < size; at += steps[i]) {
            CHECK(peer_send(fd, all + at, size - at < steps[i] ? size - at : steps[i]));
        }
        CHECK(peer_receive(fd, answer, hello.size) && memcmp(answer, hello.bytes, hello.size) == 0);
        scene_close_fd(&fd);
        struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
        CHECK_EQ(session.bytes_up, hello.size);
        CHECK_EQ(session.client_port, 4711);
    }
    scene_end(&scene);
}
