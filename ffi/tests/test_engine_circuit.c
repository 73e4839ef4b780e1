/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: circuit breakers. */
#include "scene.h"
#include "storm.h"

#define OPEN_MS 300u
#define BACKEND host_backend_id(&scene.tenant, 0)

/* A backend that refuses until peer_open, with a breaker that opens at the third failure. */
static struct scene breaking(uint64_t open_ms)
{
    struct scene scene = {.backend = peer_reserve(), .client = -1, .server = -1};
    scene.tenant = host_simple_tenant(TENANT, peer_port(scene.backend));
    struct sluice_backend_record *record = &scene.tenant.backends[0].record;
    record->breaker_requests = 3;
    record->breaker_error_ppm = 500000;
    record->breaker_probes = 1;
    record->breaker_window_ms = 60000;
    record->breaker_open_ms = open_ms;
    return scene;
}

/* A client that gets no endpoint. */
static void fails(struct scene *scene, enum sluice_reason reason)
{
    int fd = peer_connect(scene->port);
    CHECK(peer_at_end(fd));
    close(fd);
    struct sluice_log_session session = scene_ended(scene, "SC", reason);
    CHECK_EQ(session.attempts, reason == SLUICE_REASON_CIRCUIT_OPEN ? 0 : 1);
    CHECK_EQ(session.backend, host_backend_id(&scene->tenant, 0));
}

/* By as many failures. */
static void open_circuit(struct scene *scene, unsigned failures)
{
    for (unsigned i = 0; i < failures; i++) {
        fails(scene, SLUICE_REASON_CONNECT_REFUSED);
    }
    CHECK(host_wait_notice(&scene->host, SLUICE_NOTICE_CIRCUIT_OPEN, 1));
}

static uint32_t circuit(struct scene *scene)
{
    return host_backend_stats(&scene->host, host_backend_id(&scene->tenant, 0)).circuit;
}

/* Clients come until one is let through: the circuit is half open then. It is the scene's session, or a failure. */
struct knocking {
    struct scene *scene;
    struct sluice_log_session last;
};

static bool is_let_through(void *context)
{
    struct knocking *knocking = context;
    struct scene *scene = knocking->scene;
    scene->client = peer_connect(scene->port);
    if (!peer_readable(scene->client, 50)) {
        return true; /* it is connected, or tries to */
    }
    scene_close_fd(&scene->client);
    CHECK(host_next_session(&scene->host, &knocking->last));
    return knocking->last.reason != SLUICE_REASON_CIRCUIT_OPEN;
}

TEST(it_opens_probes_and_closes)
{
    struct scene scene = breaking(OPEN_MS);
    REQUIRE(scene_start(&scene, 1));
    CHECK_EQ(circuit(&scene), SLUICE_CIRCUIT_CLOSED);
    open_circuit(&scene, 3);
    CHECK_EQ(scene.host.notice_values[SLUICE_NOTICE_CIRCUIT_OPEN], BACKEND);
    CHECK_EQ(circuit(&scene), SLUICE_CIRCUIT_OPEN);
    fails(&scene, SLUICE_REASON_CIRCUIT_OPEN);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_CIRCUIT_OPEN], 1);

    /* The first probe fails, and it is open again. */
    struct knocking knocking = {.scene = &scene};
    CHECK(host_eventually(is_let_through, &knocking, HOST_WAIT_MS));
    CHECK_EQ(knocking.last.reason, SLUICE_REASON_CONNECT_REFUSED);
    CHECK(host_wait_notice(&scene.host, SLUICE_NOTICE_CIRCUIT_HALF_OPEN, 1));
    CHECK(host_wait_notice(&scene.host, SLUICE_NOTICE_CIRCUIT_OPEN, 2));

    REQUIRE(peer_open(scene.backend));
    CHECK(host_eventually(is_let_through, &knocking, HOST_WAIT_MS));
    scene.server = peer_accept(scene.backend);
    CHECK(host_wait_notice(&scene.host, SLUICE_NOTICE_CIRCUIT_CLOSED, 1));
    CHECK_EQ(scene.host.notice_values[SLUICE_NOTICE_CIRCUIT_CLOSED], BACKEND);
    CHECK_EQ(circuit(&scene), SLUICE_CIRCUIT_CLOSED);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

TEST(what_backends_count)
{
    struct scene scene = breaking(60000);
    REQUIRE(scene_start(&scene, 1));
    fails(&scene, SLUICE_REASON_CONNECT_REFUSED);
    REQUIRE(peer_open(scene.backend) && scene_connect(&scene));
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    struct sluice_backend_stats stats = host_backend_stats(&scene.host, BACKEND);
    uint64_t connected = 0;
    for (uint32_t i = 0; i < SLUICE_BUCKET_COUNT; i++) {
        connected += stats.connect_bucket[i];
    }
    CHECK_EQ(stats.tenant, TENANT);
    CHECK_EQ(stats.connects_total, 2);
    CHECK_EQ(stats.connect_failures, 1);
    CHECK_EQ(connected, 1);
    CHECK_EQ(stats.connect_us_sum, session.connect_us);
    scene_end(&scene);
}

/* A client that goes away before its session has an endpoint is nobody's failure. */
TEST(clients_that_leave_do_not_open_it)
{
    struct scene scene = breaking(60000);
    struct peer_silent silent = peer_silent_start();
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(silent.listener));
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < 10; i++) {
        scene.client = peer_connect(scene.port);
        CHECK(host_wait_active(&scene.host, 1));
        peer_reset(scene.client);
        scene.client = -1;
        scene_ended(&scene, "CC", SLUICE_REASON_CLIENT_ABORT);
    }
    CHECK_EQ(circuit(&scene), SLUICE_CIRCUIT_CLOSED);
    struct sluice_backend_stats stats = host_backend_stats(&scene.host, BACKEND);
    CHECK_EQ(stats.connects_total, 10);
    CHECK_EQ(stats.connect_failures, 0);
    scene_end(&scene);
    peer_silent_stop(&silent);
}

TEST(a_probe_whose_client_leaves_makes_room_for_another)
{
    struct scene scene = breaking(OPEN_MS);
    struct peer_silent silent = peer_silent_start();
    REQUIRE(scene_start(&scene, 1));
    open_circuit(&scene, 3);
    scene.tenant.backends[0].record.breaker_open_ms = OPEN_MS;
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(silent.listener));
    scene.tenant.backends[0].endpoints[0].record.id += 5;
    scene_apply(&scene);
    struct knocking knocking = {.scene = &scene};
    CHECK(host_eventually(is_let_through, &knocking, HOST_WAIT_MS));
    CHECK_EQ(circuit(&scene), SLUICE_CIRCUIT_HALF_OPEN);
    peer_reset(scene.client);
    scene.client = -1;
    scene_ended(&scene, "CC", SLUICE_REASON_CLIENT_ABORT);
    scene.client = peer_connect(scene.port);
    CHECK(!peer_readable(scene.client, 50)); /* let through at once */
    const struct sluice_session_filter all = {0};
    CHECK_EQ(sluice_sessions_kill(scene.host.engine, &all, sizeof all, SLUICE_REASON_KILLED), 1);
    scene_ended(&scene, "KC", SLUICE_REASON_KILLED);
    CHECK_EQ(circuit(&scene), SLUICE_CIRCUIT_HALF_OPEN);
    scene_end(&scene);
    peer_silent_stop(&silent);
}

/* With the one probe out, who waits for a place must not keep it. */
TEST(who_waits_for_a_place_holds_no_pass)
{
    struct scene scene = breaking(OPEN_MS);
    int other = peer_reserve();
    int holder[2];
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.record.limits.queue_timeout_ms = 60000;
    scene.tenant.backends[0].endpoints[0].record.max_connections = 1;
    REQUIRE(peer_open(scene.backend) && scene_start(&scene, 1) && scene_connect(&scene));
    holder[0] = scene.client;
    holder[1] = scene.server;
    /* The circuit opens by another endpoint, which then goes. */
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(other)));
    scene_apply(&scene);
    open_circuit(&scene, 2); /* the holder's connect has worked */
    scene.tenant.backends[0].record.endpoint_count = 1;
    scene_apply(&scene);
    /* The circuit is half open when the first waits, and each of them has handed its pass in. */
    int clients[3];
    struct knocking knocking = {.scene = &scene};
    CHECK(host_eventually(is_let_through, &knocking, HOST_WAIT_MS));
    clients[0] = scene.client;
    clients[1] = peer_connect(scene.port);
    clients[2] = peer_connect(scene.port);
    scene.client = -1;
    scene.server = -1;
    CHECK(host_wait_queue(&scene.host, TENANT, 3));
    CHECK_EQ(circuit(&scene), SLUICE_CIRCUIT_HALF_OPEN);
    close(holder[0]);
    close(holder[1]);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    for (unsigned i = 0; i < 3; i++) {
        int server = peer_accept(scene.backend);
        CHECK(server != -1);
        peer_end(clients[i]);
        close(server);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
        close(clients[i]);
    }
    CHECK_EQ(circuit(&scene), SLUICE_CIRCUIT_CLOSED);
    close(other);
    scene_end(&scene);
}

static bool serves(void *context)
{
    const struct scene *scene = context;
    int fd = peer_connect(scene->port);
    bool in = scene_echoes(fd, "in?");
    close(fd);
    return in;
}

TEST(a_storm_hands_every_pass_in)
{
    struct scene scene = scene_echo();
    struct sluice_backend_record *record = &scene.tenant.backends[0].record;
    record->attempts = 1;
    record->breaker_requests = 5;
    record->breaker_error_ppm = 300000;
    record->breaker_probes = 3;
    record->breaker_window_ms = 1000;
    record->breaker_open_ms = 5;
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    REQUIRE(scene_start(&scene, 4));
    struct storm storm = {.port = scene.port, .threads = 8, .rounds = 100, .seed = 3};
    storm.ways = STORM_CLOSE | STORM_RESET | STORM_HALF_CLOSE | STORM_VANISH;
    REQUIRE(storm_run(&storm));
    CHECK(host_wait_notice(&scene.host, SLUICE_NOTICE_CIRCUIT_OPEN, 1));
    CHECK(host_wait_notice(&scene.host, SLUICE_NOTICE_CIRCUIT_HALF_OPEN, 1));
    /* With the bad endpoint gone it closes, as no probe is missing for good. */
    record->endpoint_count = 1;
    scene_apply(&scene);
    uint32_t closed = scene.host.notices[SLUICE_NOTICE_CIRCUIT_CLOSED];
    while (circuit(&scene) != SLUICE_CIRCUIT_CLOSED && host_eventually(serves, &scene, HOST_WAIT_MS)) {
    }
    CHECK(circuit(&scene) == SLUICE_CIRCUIT_CLOSED);
    CHECK(host_wait_notice(&scene.host, SLUICE_NOTICE_CIRCUIT_CLOSED, closed));
    scene_end(&scene);
}
