/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: PROXY headers that endpoints get. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "policy/proxy_protocol.h"
#include "scene.h"

/* ---- The library's sendmsg, which only headers go through ---- */

static atomic_uint calls;      /* since it was set last */
static atomic_uint blocked;    /* so many of the first say that the socket takes nothing */
static atomic_uint most_bytes; /* that the next one takes; 0: all */

/* In the place of libc's, so that a socket can be made to take little. Not for long: it has room in truth, and the
 * kernel tells of room only when it comes. */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    uint8_t part[256];
    unsigned call = atomic_fetch_add(&calls, 1);
    unsigned most = atomic_load(&most_bytes);
    if (call < atomic_load(&blocked)) {
        errno = EAGAIN;
        return -1;
    }
    if (most == 0 || call > atomic_load(&blocked)) {
        return syscall(SYS_sendmsg, fd, message, flags);
    }
    size_t length = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const uint8_t *from = message->msg_iov[i].iov_base;
        for (size_t k = 0; k < message->msg_iov[i].iov_len && length < most && length < sizeof part; k++) {
            part[length++] = from[k];
        }
    }
    return send(fd, part, length, flags);
}

static void take(unsigned first_blocked, unsigned most)
{
    atomic_store(&most_bytes, most);
    atomic_store(&blocked, first_blocked);
    atomic_store(&calls, 0);
}

/* ---- What endpoints get ---- */

static struct scene proxying(uint32_t send_proxy)
{
    struct scene scene = scene_scripted();
    take(0, 0);
    scene.tenant.backends[0].record.send_proxy = send_proxy;
    return scene;
}

/* Reads a header byte by byte, so that nothing behind it is taken. */
static bool read_header(int fd, struct proxy_header *header)
{
    uint8_t bytes[256];
    for (uint32_t length = 0; length < sizeof bytes;) {
        if (!peer_receive(fd, bytes + length, 1)) {
            return false;
        }
        length++;
        enum proxy_header_result result = proxy_header_read(bytes, length, header);
        if (result != PROXY_HEADER_MORE) {
            return result == PROXY_HEADER_DONE;
        }
    }
    return false;
}

/* The header of a session from 127.0.0.1 to the scene's listener. */
static void check_header(const struct scene *scene)
{
    struct proxy_header header;
    REQUIRE(read_header(scene->server, &header));
    CHECK(!header.local);
    CHECK_EQ(header.family, SLUICE_FAMILY_IPV4);
    CHECK(memcmp(header.source_ip, (uint8_t[]){127, 0, 0, 1}, 4) == 0);
    CHECK(memcmp(header.destination_ip, (uint8_t[]){127, 0, 0, 1}, 4) == 0);
    CHECK_EQ(header.source_port, peer_port(scene->client));
    CHECK_EQ(header.destination_port, scene->port);
}

/* Both ways work behind a header, and it counts nowhere. */
static void check_session(struct scene *scene, uint64_t bytes_before)
{
    CHECK(peer_send_stream(scene->client, 1, 100000) && peer_check_stream(scene->server, 1, 100000));
    CHECK(peer_send_stream(scene->server, 2, 3000) && peer_check_stream(scene->client, 2, 3000));
    scene_close_fd(&scene->client);
    CHECK(peer_at_end(scene->server));
    scene_close_fd(&scene->server);
    struct sluice_log_session session = scene_ended(scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.bytes_up, bytes_before + 100000);
    CHECK_EQ(session.bytes_down, 3000);
}

TEST(a_server_that_waits_for_it_gets_it_at_once)
{
    static const uint32_t versions[] = {SLUICE_SEND_PROXY_V1, SLUICE_SEND_PROXY_V2};
    for (unsigned i = 0; i < 2; i++) {
        struct scene scene = proxying(versions[i]);
        REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
        check_header(&scene); /* the client has said nothing */
        CHECK(peer_send(scene.server, "220 hello\r\n", 11));
        char greeting[11];
        CHECK(peer_receive(scene.client, greeting, 11) && memcmp(greeting, "220 hello\r\n", 11) == 0);
        scene_close_fd(&scene.client);
        scene_close_fd(&scene.server);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
        scene_end(&scene);
    }
}

TEST(it_goes_out_with_the_clients_first_bytes)
{
    struct scene scene = proxying(SLUICE_SEND_PROXY_V2);
    uint8_t byte;
    scene.tenant.record.limits.max_connections = 1;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    check_header(&scene);
    int first[] = {scene.client, scene.server};
    /* One that waits has sent its bytes long before it gets an endpoint. */
    scene.client = peer_connect(scene.port);
    CHECK(peer_send(scene.client, "x", 1) && host_wait_queue(&scene.host, TENANT, 1));
    take(0, 0);
    close(first[0]);
    close(first[1]);
    scene.server = peer_accept(scene.backend);
    check_header(&scene);
    CHECK(peer_receive(scene.server, &byte, 1) && byte == 'x');
    CHECK_EQ(atomic_load(&calls), 1);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    check_session(&scene, 1);
    scene_end(&scene);
}

TEST(a_socket_that_takes_little_gets_all_of_it_in_order)
{
    static const unsigned most[] = {1, 7, 27, 28, 29, 60, 0};
    for (unsigned i = 0; i < 2 * sizeof most / sizeof most[0]; i++) {
        for (unsigned early = 0; early < 2; early++) {
            struct scene scene = proxying(i % 2 == 0 ? SLUICE_SEND_PROXY_V1 : SLUICE_SEND_PROXY_V2);
            REQUIRE(scene_start(&scene, 1));
            take(early == 0 ? 1 : 0, most[i / 2]);
            scene.client = peer_connect(scene.port);
            CHECK(early == 0 || peer_send(scene.client, "early", 5));
            scene.server = peer_accept(scene.backend);
            check_header(&scene);
            char text[5] = "";
            CHECK(early != 0 || peer_send(scene.client, "early", 5));
            CHECK(peer_receive(scene.server, text, 5) && memcmp(text, "early", 5) == 0);
            scene_close_fd(&scene.client);
            scene_close_fd(&scene.server);
            CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).bytes_up, 5);
            scene_end(&scene);
        }
    }
    take(0, 0);
}

TEST(each_attempt_sends_it_anew)
{
    struct scene scene = proxying(SLUICE_SEND_PROXY_V1);
    scene.tenant.backends[0].record.balance = SLUICE_BALANCE_FIRST;
    scene.tenant.backends[0].record.endpoint_count = 0;
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(scene.backend)));
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < 20; i++) {
        scene.client = peer_connect(scene.port);
        CHECK(i % 2 == 0 || peer_send(scene.client, "early", 5));
        scene.server = peer_accept(scene.backend);
        check_header(&scene);
        char text[5] = "early";
        CHECK(i % 2 == 0 || (peer_receive(scene.server, text, 5) && memcmp(text, "early", 5) == 0));
        scene_close_fd(&scene.client);
        CHECK(peer_at_end(scene.server));
        scene_close_fd(&scene.server);
        CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).attempts, 3);
    }
    scene_end(&scene);
}

TEST(limits_of_bytes_do_not_hold_it_back)
{
    struct scene scene = proxying(SLUICE_SEND_PROXY_V1);
    scene.tenant.record.limits.up = host_rate(0, 0);
    scene.tenant.record.limits.session_up = host_rate(1, 1);
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK(peer_send(scene.client, "never", 5));
    scene.server = peer_accept(scene.backend);
    check_header(&scene);
    CHECK(!peer_readable(scene.server, 200));
    const struct sluice_session_filter all = {0};
    CHECK_EQ(sluice_sessions_kill(scene.host.engine, &all, sizeof all, SLUICE_REASON_KILLED), 1);
    CHECK_EQ(scene_ended(&scene, "KD", SLUICE_REASON_KILLED).bytes_up, 0);
    scene_end(&scene);
}

TEST(it_comes_before_the_end_of_a_client_that_says_nothing)
{
    struct scene scene = proxying(SLUICE_SEND_PROXY_V2);
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < 2; i++) {
        take(i, 0);
        scene.client = peer_connect(scene.port);
        peer_end(scene.client);
        scene.server = peer_accept(scene.backend);
        check_header(&scene);
        CHECK(peer_at_end(scene.server));
        CHECK(peer_send(scene.server, "bye", 3));
        scene_close_fd(&scene.server);
        char text[3];
        CHECK(peer_receive(scene.client, text, 3) && peer_at_end(scene.client));
        scene_close_fd(&scene.client);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
    }
    take(0, 0);
    scene_end(&scene);
}

/* ---- Addresses ---- */

TEST(ipv6_and_a_dual_stack_listener)
{
    struct scene scene = proxying(SLUICE_SEND_PROXY_V1);
    int probe = peer_listen_ipv6(1);
    if (probe == -1) {
        printf("  skipped: this machine has no IPv6\n");
        close(scene.backend);
        return;
    }
    close(probe);
    struct host_address any = host_ipv6(0);
    memset(any.address.ip, 0, sizeof any.address.ip);
    scene.tenant.listeners[0].address = any;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    check_header(&scene); /* from 127.0.0.1: TCP4 */
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);

    struct proxy_header header;
    scene.client = peer_connect_ipv6(scene.port);
    scene.server = peer_accept(scene.backend);
    REQUIRE(scene.client != -1 && read_header(scene.server, &header));
    CHECK_EQ(header.family, SLUICE_FAMILY_IPV6);
    CHECK_EQ(header.source_ip[15], 1);
    CHECK_EQ(header.destination_ip[15], 1);
    CHECK_EQ(header.source_port, peer_port(scene.client));
    CHECK_EQ(header.destination_port, scene.port);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

TEST(of_a_unix_socket_nothing_is_told)
{
    static const uint32_t versions[] = {SLUICE_SEND_PROXY_V1, SLUICE_SEND_PROXY_V2};
    for (unsigned i = 0; i < 2; i++) {
        struct scene scene = proxying(versions[i]);
        char name[64];
        int length = snprintf(name, sizeof name, "%csluice-proxy-out-%d-%u", 0, (int)getpid(), i);
        scene.tenant.listeners[0].address = host_abstract(name + 1);
        CHECK_EQ(host_open(&scene.host, 1, &scene.tenant, 1), SLUICE_OK);
        scene.client = peer_connect_unix(name, (size_t)length);
        scene.server = peer_accept(scene.backend);
        struct proxy_header header;
        CHECK(read_header(scene.server, &header));
        CHECK(header.local);
        check_session(&scene, 0);
        scene_end(&scene);
    }
}

TEST(an_endpoint_on_a_unix_socket_gets_it_too)
{
    struct scene scene = proxying(SLUICE_SEND_PROXY_V2);
    char name[64];
    int length = snprintf(name, sizeof name, "%csluice-proxy-end-%d", 0, (int)getpid());
    close(scene.backend);
    scene.backend = peer_listen_unix(name, (size_t)length);
    scene.tenant.backends[0].endpoints[0].address = host_abstract(name + 1);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    check_header(&scene);
    check_session(&scene, 0);
    scene_end(&scene);
}

TEST(what_a_clients_proxy_said_is_passed_on)
{
    struct scene scene = proxying(SLUICE_SEND_PROXY_V1);
    struct host_listener *listener = &scene.tenant.listeners[0];
    listener->proxy_accept = SLUICE_PROXY_REQUIRED;
    listener->trusted[0] = host_loopback();
    listener->trusted_count = 1;
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    const char *given = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\nhi";
    CHECK(peer_send(scene.client, given, strlen(given)));
    scene.server = peer_accept(scene.backend);
    char got[64] = "";
    CHECK(peer_receive(scene.server, got, strlen(given)));
    CHECK_STRING(got, given);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).bytes_up, 2);
    scene_end(&scene);
}

static bool is_ahead(void *context)
{
    struct scene *scene = context;
    return host_endpoint_stats(&scene->host, host_endpoint_id(&scene->tenant, 0, 0)).preconnect_idle == 1;
}

TEST(a_connection_ahead_gets_it_when_it_is_taken)
{
    struct scene scene = proxying(SLUICE_SEND_PROXY_V1);
    struct sluice_backend_record *record = &scene.tenant.backends[0].record;
    record->preconnect_min = 1;
    record->preconnect_max = 1;
    record->preconnect_idle_ms = 60000;
    REQUIRE(scene_start(&scene, 1));
    CHECK(host_eventually(is_ahead, &scene, HOST_WAIT_MS));
    REQUIRE(scene_connect(&scene));
    check_header(&scene);
    check_session(&scene, 0);
    scene_end(&scene);
}

TEST(many_at_once_on_several_workers)
{
    enum { SESSIONS = 60 };
    struct scene scene = proxying(SLUICE_SEND_PROXY_V2);
    int clients[SESSIONS];
    REQUIRE(scene_start(&scene, 4));
    for (unsigned i = 0; i < SESSIONS; i++) {
        clients[i] = peer_connect(scene.port);
        uint8_t number = (uint8_t)i;
        CHECK(peer_send(clients[i], &number, 1) && peer_send_stream(clients[i], i, 5000));
    }
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct proxy_header header;
        uint8_t number = SESSIONS;
        int server = peer_accept(scene.backend);
        REQUIRE(read_header(server, &header) && peer_receive(server, &number, 1) && number < SESSIONS);
        CHECK_EQ(header.source_port, peer_port(clients[number]));
        CHECK(peer_check_stream(server, number, 5000));
        close(server);
        close(clients[number]);
    }
    CHECK(host_wait_active(&scene.host, 0));
    scene_end(&scene);
}
