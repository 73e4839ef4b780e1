/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: endpoints whose connects fail get no sessions for a while. */
#include "scene.h"
#include "storm.h"

#define EJECT_MS 400u
#define FIRST host_endpoint_id(&scene.tenant, 0, 0)

/* A first endpoint that refuses until peer_open on *first, and the scripted backend behind it. */
static struct scene failing(int *first, uint64_t eject_ms)
{
    struct scene scene = scene_scripted();
    struct sluice_backend_record *record = &scene.tenant.backends[0].record;
    *first = peer_reserve();
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(*first));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(scene.backend)));
    record->balance = SLUICE_BALANCE_FIRST;
    record->passive_failures = 3;
    record->passive_window_ms = 60000;
    record->eject_ms = eject_ms;
    record->max_ejected_ppm = 500000;
    return scene;
}

/* A session comes and goes; how many attempts it took. */
static uint32_t visit(struct scene *scene)
{
    scene->client = peer_connect(scene->port);
    scene->server = peer_accept(scene->backend);
    scene_close_fd(&scene->client);
    scene_close_fd(&scene->server);
    return scene_ended(scene, "--", SLUICE_REASON_OK).attempts;
}

static void eject(struct scene *scene)
{
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(visit(scene), 2);
    }
    CHECK(host_wait_notice(&scene->host, SLUICE_NOTICE_EJECTED, 1));
}

TEST(it_is_passed_over_and_comes_back)
{
    int first;
    struct scene scene = failing(&first, EJECT_MS);
    REQUIRE(scene_start(&scene, 1));
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).ejected, 0);
    eject(&scene);
    CHECK_EQ(scene.host.notice_values[SLUICE_NOTICE_EJECTED], FIRST);
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).ejected, 1);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 1)).ejected, 0);
    CHECK_EQ(visit(&scene), 1);
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).connect_failures, 3);

    REQUIRE(peer_open(first));
    CHECK(!peer_readable(first, EJECT_MS)); /* whoever comes then comes there */
    scene.client = peer_connect(scene.port);
    scene.server = peer_accept(first);
    CHECK(scene.server != -1);
    CHECK(host_wait_notice(&scene.host, SLUICE_NOTICE_EJECTION_ENDED, 1));
    CHECK_EQ(scene.host.notice_values[SLUICE_NOTICE_EJECTION_ENDED], FIRST);
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).ejected, 0);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).attempts, 1);
    close(first);
    scene_end(&scene);
}

TEST(it_outlives_a_change_of_the_configuration)
{
    int first;
    struct scene scene = failing(&first, 60000);
    REQUIRE(scene_start(&scene, 1));
    eject(&scene);
    scene.tenant.record.idle_ms = 1234;
    scene_apply(&scene);
    CHECK_EQ(visit(&scene), 1);
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).ejected, 1);
    close(first);
    scene_end(&scene);
}

TEST(a_timeout_counts_and_a_reset_after_the_connect_does_not)
{
    int first;
    struct scene scene = failing(&first, 60000);
    struct peer_silent silent = peer_silent_start();
    scene.tenant.record.connect_ms = 50;
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(silent.listener));
    REQUIRE(scene_start(&scene, 1));
    eject(&scene);
    scene_end(&scene);
    peer_silent_stop(&silent);
    close(first);

    scene = failing(&first, 60000);
    REQUIRE(peer_open(first) && scene_start(&scene, 1));
    for (unsigned i = 0; i < 10; i++) {
        scene.client = peer_connect(scene.port);
        int server = peer_accept(first);
        REQUIRE(server != -1);
        peer_reset(server);
        CHECK_STRING(peer_fate(scene.client, 20000), "reset");
        scene_close_fd(&scene.client);
        scene_ended(&scene, "SD", SLUICE_REASON_SERVER_ABORT);
    }
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).ejected, 0);
    CHECK_EQ(scene.host.notices[SLUICE_NOTICE_EJECTED], 0);
    close(first);
    scene_end(&scene);
}

/* Nothing else happens at the end of an ejection, so who waits for a place must know of it. */
TEST(who_waits_for_a_place_has_it_when_the_ejection_ends)
{
    int first;
    struct scene scene = failing(&first, EJECT_MS);
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.record.limits.queue_timeout_ms = 60000;
    REQUIRE(scene_start(&scene, 2));
    scene.tenant.backends[0].endpoints[1].record.max_connections = 1;
    eject(&scene);
    scene_apply(&scene);
    int holder = peer_connect(scene.port);
    int holder_server = peer_accept(scene.backend);
    CHECK(holder != -1 && holder_server != -1);
    scene.client = peer_connect(scene.port);
    CHECK(host_wait_queue(&scene.host, TENANT, 1));
    REQUIRE(peer_open(first));
    scene.server = peer_accept(first);
    CHECK(scene.server != -1);
    char byte;
    CHECK(peer_send(scene.server, "x", 1) && peer_receive(scene.client, &byte, 1));
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK(session.queue_us != SLUICE_NEVER && session.queue_us < 20000000);
    close(holder);
    close(holder_server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    close(first);
    scene_end(&scene);
}

TEST(a_storm_ejects_and_goes_on)
{
    struct scene scene = scene_echo();
    struct sluice_backend_record *record = &scene.tenant.backends[0].record;
    record->passive_failures = 2;
    record->passive_window_ms = 1000;
    record->eject_ms = 10;
    record->max_ejected_ppm = 700000;
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    REQUIRE(scene_start(&scene, 4));
    struct storm storm = {.port = scene.port, .threads = 8, .rounds = 100, .seed = 5};
    storm.ways = STORM_CLOSE | STORM_RESET | STORM_HALF_CLOSE | STORM_VANISH;
    REQUIRE(storm_run(&storm));
    CHECK_EQ(storm.out, 0);
    CHECK(host_wait_notice(&scene.host, SLUICE_NOTICE_EJECTED, 2));
    scene_end(&scene);
}
