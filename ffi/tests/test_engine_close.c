/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: how sessions end when a side aborts, refuses or is silent, and what the log says. */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "scene.h"

#define MS UINT64_C(1000) /* in us */

/* ---- Resets ---- */

TEST(a_clients_reset_reaches_the_endpoint)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 100) && peer_check_stream(scene.server, 1, 100));
    peer_reset(scene.client);
    scene.client = -1;
    CHECK(peer_at_reset(scene.server));
    CHECK_EQ(scene_ended(&scene, "CD", SLUICE_REASON_CLIENT_ABORT).bytes_up, 100);
    scene_end(&scene);
}

TEST(an_endpoints_reset_reaches_the_client)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 100) && peer_check_stream(scene.server, 1, 100));
    peer_reset(scene.server);
    scene.server = -1;
    CHECK(peer_at_reset(scene.client));
    scene_ended(&scene, "SD", SLUICE_REASON_SERVER_ABORT);
    scene_end(&scene);
}

/* A tenant's reset_propagation decides what the other side sees. */
static void propagation(uint32_t mode, bool client_resets, bool other_sees_reset)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.reset_propagation = mode;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 10) && peer_check_stream(scene.server, 1, 10));
    int *resetting = client_resets ? &scene.client : &scene.server;
    int other = client_resets ? scene.server : scene.client;
    peer_reset(*resetting);
    *resetting = -1;
    CHECK(other_sees_reset ? peer_at_reset(other) : peer_at_end(other));
    scene_ended(&scene, client_resets ? "CD" : "SD",
                client_resets ? SLUICE_REASON_CLIENT_ABORT : SLUICE_REASON_SERVER_ABORT);
    scene_end(&scene);
}

TEST(reset_propagation_decides_what_the_other_side_sees)
{
    propagation(SLUICE_RESET_NONE, true, false);
    propagation(SLUICE_RESET_NONE, false, false);
    propagation(SLUICE_RESET_TO_BACKEND, true, true);
    propagation(SLUICE_RESET_TO_BACKEND, false, false);
    propagation(SLUICE_RESET_BOTH, true, true);
    propagation(SLUICE_RESET_BOTH, false, true);
}

/* Whether the engine has read as much from the endpoint as the test sent. */
static bool server_is_drained(void *context)
{
    const struct scene *scene = context;
    struct sluice_tenant_stats stats = host_tenant_stats((struct host *)&scene->host, TENANT);
    return stats.bytes_down >= 100000;
}

TEST(a_reset_overtakes_no_byte_that_was_read_before_it)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.server, 1, 100000));
    REQUIRE(host_eventually(server_is_drained, &scene, HOST_WAIT_MS));
    peer_reset(scene.server);
    scene.server = -1;
    /* The client begins to read only now. */
    CHECK(peer_check_stream(scene.client, 1, 100000));
    CHECK(peer_at_reset(scene.client));
    CHECK_EQ(scene_ended(&scene, "SD", SLUICE_REASON_SERVER_ABORT).bytes_down, 100000);
    scene_end(&scene);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static bool client_is_drained(void *context)
{
    struct scene *scene = context;
    return host_tenant_stats(&scene->host, TENANT).bytes_up >= 300000;
}

TEST(when_both_sides_have_reset_nothing_is_waited_for)
{
    for (unsigned i = 0; i < 6; i++) {
        struct scene scene = scene_scripted();
        peer_small_buffers(scene.backend); /* inherited: most of the bytes stay in the engine's socket */
        REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
        CHECK(peer_send_stream(scene.client, 1, 300000));
        REQUIRE(host_eventually(client_is_drained, &scene, HOST_WAIT_MS));
        /* The client's reset waits for the bytes before it, which the server does not take; then that one resets. */
        peer_reset(scene.client);
        scene.client = -1;
        if (i % 2 == 0) {
            host_eventually(never, NULL, 30); /* so that the first reset is noticed before the second */
        }
        peer_reset(scene.server);
        scene.server = -1;
        struct sluice_log_session session;
        CHECK(host_next_session(&scene.host, &session));
        CHECK(session.total_us < 5000 * MS);
        scene_end(&scene);
    }
}

TEST(a_reset_that_waited_in_vain_is_not_passed_on)
{
    struct scene scene = scene_scripted();
    int window = 4096; /* inherited: much less than is sent */
    setsockopt(scene.backend, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    scene.tenant.record.half_close_ms = 150;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 60000));
    peer_reset(scene.client);
    scene.client = -1;
    scene_ended(&scene, "CD", SLUICE_REASON_CLIENT_ABORT);
    /* The endpoint begins to read only now: what the client sent is still on its way, and then comes the end. */
    CHECK(peer_check_stream(scene.server, 1, 60000));
    CHECK(peer_at_end(scene.server));
    scene_end(&scene);
}

TEST(a_client_that_aborts_after_the_endpoint_had_finished)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    peer_end(scene.server);
    CHECK(peer_at_end(scene.client));
    peer_reset(scene.client);
    scene.client = -1;
    scene_ended(&scene, "CL", SLUICE_REASON_CLIENT_ABORT);
    scene_end(&scene);
}

TEST(an_endpoint_that_aborts_after_the_client_had_finished)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    peer_end(scene.client);
    CHECK(peer_at_end(scene.server));
    peer_reset(scene.server);
    scene.server = -1;
    CHECK(peer_at_reset(scene.client));
    scene_ended(&scene, "SL", SLUICE_REASON_SERVER_ABORT);
    scene_end(&scene);
}

TEST(resets_at_once_after_connecting_leave_nothing_behind)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < 100; i++) {
        int client = peer_connect(scene.port);
        REQUIRE(client != -1);
        if (i % 3 == 1) {
            CHECK(peer_send(client, "data", 4));
        } else if (i % 3 == 2) {
            scene.server = peer_accept(scene.backend);
            peer_reset(scene.server);
            scene.server = -1;
        }
        peer_reset(client);
    }
    /* Some were gone before they were accepted, and were never sessions. */
    REQUIRE(host_wait_active(&scene.host, 0));
    CHECK(host_tenant_stats(&scene.host, TENANT).sessions_total > 0);
    scene_end(&scene);
}

/* ---- Connecting ---- */

TEST(an_endpoint_that_refuses)
{
    struct scene scene = {.backend = -1, .client = -1, .server = -1};
    scene.tenant = host_simple_tenant(TENANT, peer_unused_port());
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    struct sluice_log_session session = scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED);
    CHECK_EQ(session.attempts, 1);
    CHECK_EQ(session.connect_us, SLUICE_NEVER);
    CHECK_EQ(session.first_byte_us, SLUICE_NEVER);
    CHECK_EQ(session.bytes_up, 0);
    struct sluice_tenant_stats stats = host_tenant_stats(&scene.host, TENANT);
    CHECK_EQ(stats.refused[SLUICE_REASON_CONNECT_REFUSED], 1);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).connect_failures, 1);
    scene_end(&scene);
}

TEST(a_unix_endpoint_that_is_not_there)
{
    struct scene scene = {.backend = -1, .client = -1, .server = -1};
    scene.tenant = host_simple_tenant(TENANT, 1);
    scene.tenant.backends[0].endpoints[0].address = host_unix("/nonexistent/sluice/socket");
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    CHECK_EQ(scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED).attempts, 1);
    scene_end(&scene);
}

TEST(an_endpoint_that_refuses_a_client_that_has_sent_already)
{
    struct scene scene = {.backend = -1, .client = -1, .server = -1};
    scene.tenant = host_simple_tenant(TENANT, peer_unused_port());
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < 30; i++) {
        REQUIRE(scene_connect(&scene));
        peer_send(scene.client, "GET / HTTP/1.0\r\n\r\n", 18);
        CHECK(strcmp(peer_fate(scene.client, 10000), "open") != 0);
        scene_close_fd(&scene.client);
        CHECK_EQ(scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED).bytes_up, 0);
    }
    scene_end(&scene);
}

TEST(the_next_endpoint_gets_all_that_the_client_sent)
{
    struct scene scene = scene_scripted();
    scene.tenant = host_simple_tenant(TENANT, peer_unused_port());
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(scene.backend)));
    REQUIRE(scene_start(&scene, 1));
    unsigned second = 0;
    for (unsigned i = 0; i < 20; i++) {
        scene.client = peer_connect(scene.port);
        REQUIRE(scene.client != -1 && peer_send_stream(scene.client, i, 3000));
        scene.server = peer_accept(scene.backend);
        CHECK(scene.server != -1 && peer_check_stream(scene.server, i, 3000));
        scene_close_fd(&scene.client);
        CHECK(peer_at_end(scene.server));
        scene_close_fd(&scene.server);
        struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
        CHECK(session.attempts == 1 || session.attempts == 2);
        CHECK_EQ(session.endpoint, host_endpoint_id(&scene.tenant, 0, 1));
        CHECK_EQ(session.bytes_up, 3000);
        second += session.attempts == 2;
    }
    CHECK(second >= 5); /* round robin began with the other one half of the time */
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).retries_total, second);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).connect_failures, second);
    scene_end(&scene);
}

TEST(no_more_attempts_than_the_backend_allows)
{
    struct scene scene = {.backend = -1, .client = -1, .server = -1};
    scene.tenant = host_simple_tenant(TENANT, peer_unused_port());
    for (unsigned i = 0; i < 3; i++) {
        host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    }
    scene.tenant.backends[0].record.attempts = 2;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    CHECK_EQ(scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED).attempts, 2);
    scene_end(&scene);
}

/* A listener whose queue is full: further connects get no answer. The fds that fill it go to fillers. */
static int black_hole(int fillers[4])
{
    int listener = peer_listen(0);
    uint32_t port = peer_port(listener);
    for (unsigned i = 0; i < 4; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (getsockname(listener, (struct sockaddr *)&address, &length) == 0) {
            (void)!connect(fillers[i], (struct sockaddr *)&address, length);
        }
        struct pollfd poll_fd = {.fd = fillers[i], .events = POLLOUT};
        poll(&poll_fd, 1, 50);
    }
    return port == 0 ? -1 : listener;
}

TEST(an_endpoint_that_does_not_answer)
{
    int fillers[4];
    struct scene scene = {.backend = -1, .client = -1, .server = -1};
    int hole = black_hole(fillers);
    scene.tenant = host_simple_tenant(TENANT, peer_port(hole));
    scene.tenant.record.connect_ms = 150;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send(scene.client, "hello", 5)); /* must not count as delivered */
    CHECK(strcmp(peer_fate(scene.client, 10000), "open") != 0);
    struct sluice_log_session session = scene_ended(&scene, "sC", SLUICE_REASON_CONNECT_TIMEOUT);
    CHECK(session.total_us >= 150 * MS && session.total_us < 5000 * MS);
    CHECK_EQ(session.attempts, 1);
    CHECK_EQ(session.bytes_up, 0);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).connect_failures, 1);

    /* A client that goes away meanwhile is noticed at once. */
    scene.tenant.record.connect_ms = 60000;
    CHECK_EQ(host_apply(&scene.host, &scene.tenant, 1), SLUICE_OK);
    scene_close_fd(&scene.client);
    REQUIRE(scene_connect(&scene) && host_wait_active(&scene.host, 1));
    peer_reset(scene.client);
    scene.client = -1;
    session = scene_ended(&scene, "CC", SLUICE_REASON_CLIENT_ABORT);
    CHECK(session.total_us < 30000 * MS);
    scene_end(&scene);
    for (unsigned i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(hole);
}

TEST(after_an_endpoint_that_does_not_answer_comes_the_next)
{
    int fillers[4];
    struct scene scene = scene_scripted();
    int hole = black_hole(fillers);
    scene.tenant = host_simple_tenant(TENANT, peer_port(hole));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(scene.backend)));
    scene.tenant.record.connect_ms = 100;
    REQUIRE(scene_start(&scene, 1));
    unsigned second = 0;
    for (unsigned i = 0; i < 4; i++) {
        REQUIRE(scene_connect(&scene));
        CHECK(peer_send_stream(scene.client, i, 100) && peer_check_stream(scene.server, i, 100));
        scene_close_fd(&scene.client);
        scene_close_fd(&scene.server);
        struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
        CHECK_EQ(session.bytes_up, 100);
        CHECK(session.attempts == 1 || session.connect_us >= 100 * MS);
        second += session.attempts == 2;
    }
    CHECK_EQ(second, 2);
    scene_end(&scene);
    for (unsigned i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(hole);
}

/* A backend without any endpoint that may be used. */
static void no_endpoint(void (*spoil)(struct host_tenant *tenant))
{
    struct scene scene = scene_scripted();
    spoil(&scene.tenant);
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    struct sluice_log_session session = scene_ended(&scene, "SC", SLUICE_REASON_NO_ENDPOINT);
    CHECK_EQ(session.attempts, 0);
    CHECK_EQ(session.endpoint, 0);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_NO_ENDPOINT], 1);
    CHECK(!peer_readable(scene.backend, 0));
    scene_end(&scene);
}

static void spoil_weight(struct host_tenant *tenant)
{
    tenant->backends[0].endpoints[0].record.weight = 0;
}

static void spoil_state(struct host_tenant *tenant)
{
    tenant->backends[0].endpoints[0].record.state = SLUICE_ENDPOINT_DRAIN;
}

static void spoil_by_maintenance(struct host_tenant *tenant)
{
    tenant->backends[0].endpoints[0].record.state = SLUICE_ENDPOINT_MAINTENANCE;
}

static void spoil_cap(struct host_tenant *tenant)
{
    tenant->backends[0].endpoints[0].record.max_connections = 0;
}

/* A close of a unix socket says more than the end of a TCP stream does, but loses no byte before it either. */
TEST(a_unix_client_that_sends_and_closes_before_there_is_an_endpoint)
{
    int fillers[4];
    char name[40];
    snprintf(name, sizeof name, "sluice-close-%d", getpid());
    struct scene scene = scene_scripted();
    int hole = black_hole(fillers);
    scene.tenant = host_tenant(TENANT);
    host_add_backend(&scene.tenant);
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(hole)));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(scene.backend)));
    host_add_listener(&scene.tenant, host_abstract(name), 0);
    scene.tenant.record.connect_ms = 150;
    REQUIRE(host_open(&scene.host, 1, &scene.tenant, 1) == SLUICE_OK);
    char path[41] = "";
    memcpy(path + 1, name, strlen(name));
    scene.client = peer_connect_unix(path, 1 + strlen(name));
    REQUIRE(scene.client != -1);
    CHECK(peer_send_stream(scene.client, 1, 100));
    scene_close_fd(&scene.client);
    CHECK(peer_readable(scene.backend, 10000));
    scene.server = peer_readable(scene.backend, 0) ? peer_accept(scene.backend) : -1;
    CHECK(peer_check_stream(scene.server, 1, 100) && peer_at_end(scene.server));
    scene_close_fd(&scene.server);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).attempts, 2);
    scene_end(&scene);
    for (unsigned i = 0; i < 4; i++) {
        close(fillers[i]);
    }
    close(hole);
}

TEST(a_backend_without_a_usable_endpoint)
{
    no_endpoint(spoil_weight);
    no_endpoint(spoil_state);
    no_endpoint(spoil_by_maintenance);
    no_endpoint(spoil_cap);
}
