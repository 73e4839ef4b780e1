/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: connections ahead are kept, taken and replaced, grow with what is asked for, and are not
 * used when they are of no use. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "test.h"

#include "preconnect_scene.h"
#include "storm.h"

#define LONG_MS UINT64_C(600000)

TEST(the_minimum_is_kept_and_what_is_taken_is_replaced)
{
    struct scene scene = scene_ahead(2, 2, LONG_MS);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 1) && wait_ahead(&scene, 2));
    for (unsigned i = 0; i < 20; i++) {
        int on = -1;
        REQUIRE(server_accept(&server, 2 + i));
        struct sluice_log_session session = visit(&scene, &server, &on);
        CHECK(on != -1 && on < (int)(2 + i)); /* it stood before the client came */
        CHECK_EQ(session.attempts, 1);
        CHECK(session.connect_us != SLUICE_NEVER);
        REQUIRE(wait_ahead(&scene, 2));
    }
    REQUIRE(server_accept(&server, 22));
    CHECK(!peer_readable(scene.backend, 50)); /* and no more were opened than that */
    struct sluice_endpoint_stats stats = host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0));
    CHECK_EQ(stats.sessions_total, 20);
    CHECK_EQ(stats.connect_failures, 0);
    CHECK_EQ(stats.sessions_active, 0);
    check_no_fds(&scene);
    ahead_end(&scene, &server);
}

TEST(the_minimum_is_one_number_for_all_workers)
{
    for (uint32_t least = 1; least <= 6; least++) {
        struct scene scene = scene_ahead(least, least, LONG_MS);
        struct server server = server_of(&scene);
        REQUIRE(scene_start(&scene, 4) && wait_ahead(&scene, least) && server_accept(&server, least));
        CHECK(!peer_readable(scene.backend, 20));
        ahead_end(&scene, &server);
    }
}

TEST(a_unix_socket_ahead)
{
    struct scene scene = scene_ahead(3, 3, LONG_MS);
    struct server server = server_of(&scene);
    char name[64];
    snprintf(name, sizeof name, "sluice-ahead-%ld", (long)getpid());
    scene.tenant.backends[0].endpoints[0].address = host_abstract(name);
    char path[64] = "";
    memcpy(path + 1, name, strlen(name));
    server.listener = peer_listen_unix(path, strlen(name) + 1);
    REQUIRE(server.listener != -1 && scene_start(&scene, 1) && wait_ahead(&scene, 3) && server_accept(&server, 3));
    int on = -1;
    visit(&scene, &server, &on);
    CHECK(on != -1 && on < 3);
    CHECK(wait_ahead(&scene, 3));
    ahead_end(&scene, &server);
    close(server.listener);
}

/* A PROXY header goes out when the connection is taken: it is of the client that takes it. */
TEST(a_proxy_header_is_sent_when_it_is_taken)
{
    struct scene scene = scene_ahead(1, 1, LONG_MS);
    struct server server = server_of(&scene);
    char wanted[108];
    char text[108];
    scene.tenant.backends[0].record.send_proxy = SLUICE_SEND_PROXY_V1;
    REQUIRE(scene_start(&scene, 1) && wait_ahead(&scene, 1) && server_accept(&server, 1));
    for (unsigned i = 0; i < 3; i++) {
        CHECK(!peer_readable(server.fds[i], 20));
        int client = peer_connect(scene.port);
        int length = snprintf(wanted, sizeof wanted, "PROXY TCP4 127.0.0.1 127.0.0.1 %" PRIu32 " %" PRIu32 "\r\n%s",
                              peer_port(client), scene.port, i == 2 ? "ask" : "");
        CHECK(i != 2 || peer_send(client, "ask", 3)); /* else it does not wait for the client to say something */
        CHECK(peer_receive(server.fds[i], text, (size_t)length) && memcmp(text, wanted, (size_t)length) == 0);
        close(client);
        CHECK(peer_at_end(server.fds[i]));
        server_close(&server, i);
        CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).bytes_up, i == 2 ? 3 : 0);
        REQUIRE(wait_ahead(&scene, 1) && server_accept(&server, i + 2));
    }
    ahead_end(&scene, &server);
}

/* ---- Demand ---- */

TEST(demand_keeps_more_until_that_gets_old)
{
    struct scene scene = scene_ahead(1, 4, 4000);
    struct server server = server_of(&scene);
    struct peer_echo *echo = peer_echo_start();
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_echo_port(echo));
    REQUIRE(scene_start(&scene, 1) && wait_ahead(&scene, 1));
    CHECK(crowd(&scene, 4));
    CHECK(wait_ahead(&scene, 1));
    ahead_stays(&scene, 1, 100);
    ahead_end(&scene, &server);
    peer_echo_stop(echo);
}

TEST(the_maximum_alone_keeps_none_without_demand)
{
    struct scene scene = scene_ahead(0, 2, 400);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 1));
    CHECK(!peer_readable(scene.backend, 50));
    int on = -1;
    visit(&scene, &server, &on);
    CHECK_EQ(on, 0);
    REQUIRE(server_accept(&server, 2)); /* for the next one like it */
    CHECK_STRING(peer_fate(server.fds[1], 10000), "end");
    CHECK(wait_ahead(&scene, 0));
    CHECK(!peer_readable(scene.backend, 50));
    ahead_end(&scene, &server);
}

TEST(what_gets_old_is_renewed)
{
    struct scene scene = scene_ahead(2, 2, 200);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 1) && server_accept(&server, 6));
    for (unsigned i = 0; i < 4; i++) {
        CHECK_STRING(peer_fate(server.fds[i], 10000), "end");
    }
    ahead_end(&scene, &server);
}

TEST(sessions_and_connections_ahead_share_the_endpoints_cap)
{
    struct scene scene = scene_ahead(4, 4, LONG_MS);
    struct server server = server_of(&scene);
    int clients[3] = {-1, -1, -1};
    scene.tenant.backends[0].endpoints[0].record.max_connections = 3;
    REQUIRE(scene_start(&scene, 4) && wait_ahead(&scene, 3));
    for (unsigned i = 0; i < 3; i++) {
        int on;
        clients[i] = peer_connect(scene.port);
        CHECK(talk(&scene, &server, clients[i], &on));
        CHECK(wait_ahead(&scene, 2 - i)); /* those of other workers go within a second */
    }
    for (unsigned i = 0; i < 3; i++) {
        close(clients[i]);
    }
    server_close_all(&server);
    CHECK(host_wait_active(&scene.host, 0));
    CHECK(wait_ahead(&scene, 3));
    ahead_end(&scene, &server);
}

/* ---- Of no use ---- */

TEST(one_that_the_endpoint_closes_is_replaced)
{
    struct scene scene = scene_ahead(2, 2, LONG_MS);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 1) && wait_ahead(&scene, 2) && server_accept(&server, 2));
    server_close(&server, 0);
    CHECK(wait_ahead(&scene, 1) && wait_ahead(&scene, 2));
    REQUIRE(server_accept(&server, 3));
    peer_reset(server.fds[2]);
    server.fds[2] = -1;
    CHECK(wait_ahead(&scene, 1) && wait_ahead(&scene, 2));
    ahead_end(&scene, &server);
}

/* The event of the end and that of the client are on their way together. */
TEST(one_that_closes_right_before_its_use_is_not_used)
{
    struct scene scene = scene_ahead(2, 2, LONG_MS);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 1) && wait_ahead(&scene, 2) && server_accept(&server, 2));
    for (unsigned i = 0; i < 20; i++) {
        int on = -1;
        unsigned newest = server.count - 1;
        if (i % 2 == 0) {
            server_close(&server, newest);
        } else {
            peer_reset(server.fds[newest]);
            server.fds[newest] = -1;
        }
        struct sluice_log_session session = visit(&scene, &server, &on);
        CHECK(on != -1);
        CHECK_EQ(session.attempts, 1);
        CHECK_EQ(session.bytes_up, 3);
        CHECK_EQ(session.bytes_down, 3);
        REQUIRE(wait_ahead(&scene, 2));
        while (server.listener != -1 && peer_readable(server.listener, 0)) {
            REQUIRE(server_accept(&server, server.count + 1));
        }
    }
    ahead_end(&scene, &server);
}

TEST(a_server_that_speaks_first_gets_none)
{
    struct scene scene = scene_ahead(1, 1, LONG_MS);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 1) && server_accept(&server, 1));
    CHECK(peer_send(server.fds[0], "220 hello", 9));
    CHECK(!peer_readable(scene.backend, 1200)); /* no other is tried soon */
    CHECK(wait_ahead(&scene, 0));
    int client = peer_connect(scene.port);
    REQUIRE(client != -1 && server_accept(&server, 2));
    char text[9];
    CHECK(peer_send(server.fds[1], "220 again", 9) && peer_receive(client, text, 9));
    CHECK(memcmp(text, "220 again", 9) == 0);
    close(client);
    server_close_all(&server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    ahead_end(&scene, &server);
}

/* A bound socket: connects to it are refused until it listens. */
static int bound_socket(void)
{
    int fd = peer_socket_ipv4();
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(fd, (const struct sockaddr *)&any, sizeof any) == 0);
    return fd;
}

TEST(an_endpoint_that_refuses_is_tried_again_and_counts_for_no_session)
{
    struct scene scene = scene_ahead(2, 2, LONG_MS);
    struct server server = server_of(&scene);
    server.listener = bound_socket();
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(server.listener));
    REQUIRE(scene_start(&scene, 2));
    ahead_stays(&scene, 0, 50);
    struct sluice_endpoint_stats stats = host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0));
    CHECK_EQ(stats.connect_failures, 0);
    CHECK_EQ(stats.health, SLUICE_HEALTH_UNKNOWN);
    int client = peer_connect(scene.port);
    CHECK_STRING(peer_fate(client, 10000), "end");
    close(client);
    scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED);
    stats = host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0));
    CHECK_EQ(stats.connect_failures, 1);
    REQUIRE(listen(server.listener, 16) == 0);
    CHECK(wait_ahead(&scene, 2));
    int on = -1;
    visit(&scene, &server, &on);
    ahead_end(&scene, &server);
    close(server.listener);
}

/* ---- Many ---- */

TEST(descriptors_go_to_sessions_first)
{
    enum { AHEAD = 100, CLIENTS = 40, FEW = 170 };
    struct rlimit before;
    struct scene scene = scene_ahead(AHEAD, AHEAD, LONG_MS);
    struct server server = {.listener = peer_listen(512)}; /* the kernel answers for it */
    int clients[CLIENTS];
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(server.listener));
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = peer_socket_ipv4();
    }
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    struct rlimit few = before;
    few.rlim_cur = FEW;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    REQUIRE(scene_start(&scene, 1) && wait_ahead(&scene, AHEAD));
    for (unsigned i = 0; i < CLIENTS; i++) {
        CHECK(peer_connect_on(clients[i], scene.port));
    }
    CHECK(host_wait_active(&scene.host, CLIENTS));
    CHECK(ahead_now(&scene.host, &scene.tenant) < AHEAD);
#if !defined(__SANITIZE_THREAD__) /* there, all share one file table, and the worker does not count the others' */
    CHECK_EQ(host_worker_stats(&scene.host).accept_pauses_total, 0);
#endif
    for (unsigned i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    close(server.listener); /* with that all sessions have ended */
    CHECK(host_wait_active(&scene.host, 0));
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    ahead_end(&scene, &server);
}

TEST(a_storm_leaves_nothing)
{
    struct scene scene = scene_ahead(8, 32, 700);
    struct peer_echo *echo = peer_echo_start();
    struct server server = server_of(&scene);
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_echo_port(echo));
    REQUIRE(scene_start(&scene, 4) && wait_ahead(&scene, 8));
    struct storm storm = {.port = scene.port,
                          .threads = 16,
                          .rounds = 100,
                          .ways = STORM_CLOSE | STORM_RESET | STORM_HALF_CLOSE | STORM_VANISH,
                          .seed = 7};
    REQUIRE(storm_run(&storm));
    CHECK_EQ(storm.lost, 0);
    CHECK_EQ(storm.out, 0);
    CHECK(storm.in > 0);
    REQUIRE(host_wait_active(&scene.host, 0));
    CHECK(ahead_now(&scene.host, &scene.tenant) <= 32);
    CHECK(wait_ahead(&scene, 8));
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).connect_failures, 0);
    ahead_end(&scene, &server);
    peer_echo_stop(echo);
}
