/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: connections ahead follow each change of the configuration, at once where they become
 * fewer, and end with the engine. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "test.h"

#include "preconnect_scene.h"
#include "storm.h"

#define LONG_MS UINT64_C(600000)

static void set_ahead(struct scene *scene, uint32_t least, uint32_t most)
{
    scene->tenant.backends[0].record.preconnect_min = least;
    scene->tenant.backends[0].record.preconnect_max = most;
    scene_apply(scene);
}

/* When an apply is over, so is what it takes away. */
static void check_ahead(struct scene *scene, uint64_t count)
{
    CHECK_EQ(ahead_now(&scene->host, &scene->tenant), count);
}

TEST(a_smaller_and_a_larger_minimum)
{
    for (uint32_t workers = 1; workers <= 4; workers += 3) {
        struct scene scene = scene_ahead(8, 8, LONG_MS);
        struct server server = server_of(&scene);
        REQUIRE(scene_start(&scene, workers) && wait_ahead(&scene, 8));
        set_ahead(&scene, 3, 8);
        check_ahead(&scene, 3);
        set_ahead(&scene, 12, 12);
        CHECK(wait_ahead(&scene, 12));
        set_ahead(&scene, 0, 0);
        check_ahead(&scene, 0);
        check_no_fds(&scene);
        set_ahead(&scene, 2, 2);
        CHECK(wait_ahead(&scene, 2));
        ahead_end(&scene, &server);
    }
}

TEST(what_demand_has_kept_goes_with_a_smaller_maximum)
{
    struct scene scene = scene_ahead(1, 5, LONG_MS);
    struct server server = server_of(&scene);
    struct peer_echo *echo = peer_echo_start();
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_echo_port(echo));
    REQUIRE(scene_start(&scene, 1) && wait_ahead(&scene, 1));
    CHECK(crowd(&scene, 5));
    set_ahead(&scene, 1, 2);
    check_ahead(&scene, 2);
    ahead_end(&scene, &server);
    peer_echo_stop(echo);
}

TEST(a_change_that_changes_nothing_keeps_them)
{
    struct scene scene = scene_ahead(4, 4, LONG_MS);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 2) && wait_ahead(&scene, 4) && server_accept(&server, 4));
    for (unsigned i = 0; i < 5; i++) {
        scene.tenant.record.idle_ms = 1000 * (i + 1);
        scene_apply(&scene);
        check_ahead(&scene, 4);
    }
    CHECK(!peer_readable(scene.backend, 50));
    int on = -1;
    visit(&scene, &server, &on); /* on a version that they were not opened for */
    CHECK(on != -1 && (on < 4 || server.count > 4));
    ahead_end(&scene, &server);
}

/* An endpoint without new sessions has none ahead. */
TEST(states_weights_and_caps_of_the_endpoint)
{
    struct scene scene = scene_ahead(3, 3, LONG_MS);
    struct server server = server_of(&scene);
    struct sluice_endpoint_record *endpoint = &scene.tenant.backends[0].endpoints[0].record;
    REQUIRE(scene_start(&scene, 2) && wait_ahead(&scene, 3));
    static const uint32_t closed[] = {SLUICE_ENDPOINT_DRAIN, SLUICE_ENDPOINT_MAINTENANCE};
    for (unsigned i = 0; i < sizeof closed / sizeof *closed; i++) {
        endpoint->state = closed[i];
        scene_apply(&scene);
        check_ahead(&scene, 0);
        endpoint->state = SLUICE_ENDPOINT_READY;
        scene_apply(&scene);
        CHECK(wait_ahead(&scene, 3));
    }
    endpoint->weight = 0;
    scene_apply(&scene);
    check_ahead(&scene, 0);
    endpoint->weight = 1;
    scene_apply(&scene);
    CHECK(wait_ahead(&scene, 3));
    endpoint->max_connections = 0;
    scene_apply(&scene);
    check_ahead(&scene, 0);
    endpoint->max_connections = 100;
    scene_apply(&scene);
    CHECK(wait_ahead(&scene, 3));
    ahead_end(&scene, &server);
}

TEST(an_endpoint_that_is_down_from_the_start)
{
    struct scene scene = scene_ahead(3, 3, LONG_MS);
    struct server server = server_of(&scene);
    scene.tenant.backends[0].endpoints[0].record.health = SLUICE_HEALTH_DOWN;
    REQUIRE(scene_start(&scene, 2));
    ahead_stays(&scene, 0, 100);
    CHECK(!peer_readable(scene.backend, 0));
    ahead_end(&scene, &server);
}

static void set_health(struct scene *scene, uint32_t health)
{
    struct sluice_health_record record = {.endpoint = host_endpoint_id(&scene->tenant, 0, 0), .health = health};
    CHECK(sluice_endpoints_health(scene->host.engine, &record, sizeof record) >= 0);
}

TEST(an_endpoint_goes_down_and_comes_up)
{
    struct scene scene = scene_ahead(3, 3, LONG_MS);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 2) && wait_ahead(&scene, 3) && server_accept(&server, 3));
    set_health(&scene, SLUICE_HEALTH_DOWN);
    CHECK(wait_ahead(&scene, 0));
    for (unsigned i = 0; i < 3; i++) {
        CHECK_STRING(peer_fate(server.fds[i], 10000), "end");
    }
    check_no_fds(&scene);
    set_health(&scene, SLUICE_HEALTH_UP);
    CHECK(wait_ahead(&scene, 3));
    ahead_end(&scene, &server);
}

/* Where a connection ahead comes from, as the backend sees it; 0: none came. */
static uint32_t comes_from(int listener, int *fd)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    *fd = accept4(listener, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
    return *fd == -1 ? 0 : ntohl(address.sin_addr.s_addr);
}

TEST(another_source_address_opens_them_anew)
{
    struct scene scene = scene_ahead(2, 2, LONG_MS);
    struct server server = server_of(&scene);
    struct sluice_address *source = &scene.tenant.backends[0].record.source_address;
    int fds[4];
    static const uint8_t from[3] = {1, 2, 2};
    for (unsigned i = 0; i < 3; i++) {
        *source = (struct sluice_address){.family = SLUICE_FAMILY_IPV4, .ip = {127, 0, 0, from[i]}};
        if (i == 0) {
            REQUIRE(scene_start(&scene, 2));
        } else {
            scene_apply(&scene);
        }
        for (unsigned k = 0; k < 2 && i < 2; k++) {
            CHECK_EQ(comes_from(scene.backend, &fds[2 * i + k]), INADDR_LOOPBACK - 1 + from[i]);
        }
        CHECK(wait_ahead(&scene, 2));
    }
    CHECK(!peer_readable(scene.backend, 20)); /* the same address as before changes nothing */
    for (unsigned i = 0; i < 4; i++) {
        CHECK(i >= 2 || peer_at_end(fds[i]));
        close(fds[i]);
    }
    ahead_end(&scene, &server);
}

TEST(another_address_is_another_endpoint)
{
    struct scene scene = scene_ahead(2, 2, LONG_MS);
    struct server server = server_of(&scene);
    struct server other = {.listener = peer_listen(16)};
    REQUIRE(scene_start(&scene, 2) && wait_ahead(&scene, 2) && server_accept(&server, 2));
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(other.listener));
    scene_apply(&scene);
    CHECK_STRING(peer_fate(server.fds[0], 10000), "end");
    CHECK_STRING(peer_fate(server.fds[1], 10000), "end");
    CHECK(wait_ahead(&scene, 2) && server_accept(&other, 2));
    CHECK(!peer_readable(scene.backend, 20));
    check_no_fds(&scene);
    server_close_all(&server);
    ahead_end(&scene, &other);
    close(other.listener);
}

TEST(endpoints_come_and_go)
{
    struct scene scene = scene_ahead(2, 2, LONG_MS);
    struct server server = server_of(&scene);
    int other = peer_listen(16);
    uint32_t second = host_endpoint_id(&scene.tenant, 0, 1);
    REQUIRE(scene_start(&scene, 2) && wait_ahead(&scene, 2));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(other)));
    scene_apply(&scene);
    int fds[2] = {peer_accept(other), peer_accept(other)};
    CHECK(wait_ahead(&scene, 2));
    scene.tenant.backends[0].record.endpoint_count = 1;
    scene_apply(&scene);
    CHECK_STRING(peer_fate(fds[0], 10000), "end");
    CHECK_STRING(peer_fate(fds[1], 10000), "end");
    CHECK_EQ(host_endpoint_stats(&scene.host, second).id, 0);
    check_no_fds(&scene);
    close(fds[0]);
    close(fds[1]);
    close(other);
    ahead_end(&scene, &server);
}

TEST(a_tenant_is_disabled_and_removed)
{
    struct scene scene = scene_ahead(4, 4, LONG_MS);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 2) && wait_ahead(&scene, 4) && server_accept(&server, 4));
    scene.tenant.record.flags &= ~SLUICE_TENANT_ENABLED;
    scene_apply(&scene);
    check_ahead(&scene, 0);
    scene.tenant.record.flags |= SLUICE_TENANT_ENABLED;
    scene_apply(&scene);
    CHECK(wait_ahead(&scene, 4) && server_accept(&server, 8));
    const uint32_t removed[] = {TENANT};
    REQUIRE(host_change(&scene.host, &(struct host_change){.removed = removed, .removed_count = 1}) == SLUICE_OK);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_STRING(peer_fate(server.fds[i], 10000), "end");
    }
    check_no_fds(&scene);
    CHECK_EQ(host_status(&scene.host).snapshots_held, 0);
    server_close_all(&server);
    scene_end(&scene);
}

TEST(a_session_on_one_outlives_its_endpoint)
{
    struct scene scene = scene_ahead(1, 1, LONG_MS);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 1) && wait_ahead(&scene, 1));
    int client = peer_connect(scene.port);
    int on = -1;
    REQUIRE(talk(&scene, &server, client, &on));
    CHECK_EQ(on, 0);
    scene.tenant.backends[0].record.endpoint_count = 0;
    scene_apply(&scene);
    CHECK(talk(&scene, &server, client, &on));
    CHECK_EQ(on, 0);
    close(client);
    server_close_all(&server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    ahead_end(&scene, &server);
}

TEST(a_drain_closes_them_and_so_does_a_stop)
{
    struct scene scene = scene_ahead(4, 4, LONG_MS);
    struct server server = server_of(&scene);
    REQUIRE(scene_start(&scene, 2) && wait_ahead(&scene, 4) && server_accept(&server, 4));
    CHECK_EQ(sluice_engine_drain(scene.host.engine, 60000), SLUICE_OK);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_STRING(peer_fate(server.fds[i], 10000), "end");
    }
    check_ahead(&scene, 0);
    check_no_fds(&scene);
    server_close_all(&server);
    scene_end(&scene);

    scene = scene_ahead(4, 4, LONG_MS);
    server = server_of(&scene);
    REQUIRE(scene_start(&scene, 2) && wait_ahead(&scene, 4) && server_accept(&server, 4));
    CHECK_STRING(host_close(&scene.host), "");
    for (unsigned i = 0; i < 4; i++) {
        CHECK_STRING(peer_fate(server.fds[i], 10000), "end");
    }
    server_close_all(&server);
    close(scene.backend);
}

struct progress {
    struct storm *storm;
    pthread_t thread;
    unsigned clients;
    bool over;
};

static bool goes_on(void *context)
{
    struct progress *progress = context;
    progress->over = storm_is_over(progress->thread);
    return progress->over || atomic_load(&progress->storm->in) >= progress->clients;
}

/* Settings change while clients come and go: after every tenth, so that the backend is not drowned in connections. */
TEST(changes_in_a_storm)
{
    struct scene scene = scene_ahead(4, 16, 300);
    struct peer_echo *echo = peer_echo_start();
    struct server server = server_of(&scene);
    uint64_t seed = 11;
    pthread_t thread;
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_echo_port(echo));
    REQUIRE(scene_start(&scene, 4) && wait_ahead(&scene, 4));
    struct storm storm = {
        .port = scene.port, .threads = 8, .rounds = 100, .ways = STORM_CLOSE | STORM_RESET | STORM_HALF_CLOSE};
    REQUIRE(storm_start(&storm, &thread));
    struct progress progress = {.storm = &storm, .thread = thread};
    while (!progress.over) {
        uint32_t most = (uint32_t)test_random_below(&seed, 20);
        set_ahead(&scene, (uint32_t)test_random_below(&seed, most + 1), most);
        CHECK(ahead_now(&scene.host, &scene.tenant) <= 20);
        host_read_log(&scene.host);
        progress.clients = atomic_load(&storm.in) + 10;
        REQUIRE(host_eventually(goes_on, &progress, HOST_WAIT_MS));
    }
    CHECK_EQ(storm.lost, 0);
    CHECK_EQ(storm.out, 0);
    CHECK_EQ(storm.in, 800);
    REQUIRE(host_wait_active(&scene.host, 0));
    set_ahead(&scene, 5, 5);
    CHECK(wait_ahead(&scene, 5));
    ahead_end(&scene, &server);
    peer_echo_stop(echo);
}
