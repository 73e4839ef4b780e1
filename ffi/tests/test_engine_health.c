/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: what active checks say of endpoints, and what sessions make of it. */
#include <errno.h>

#include "scene.h"
#include "storm.h"

#define FIRST host_endpoint_id(&scene.tenant, 0, 0)
#define SECOND host_endpoint_id(&scene.tenant, 0, 1)

/* Two scripted endpoints, in order. */
static struct scene two(int *first)
{
    struct scene scene = scene_scripted();
    *first = peer_listen(128);
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(*first));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(scene.backend)));
    scene.tenant.backends[0].record.balance = SLUICE_BALANCE_FIRST;
    return scene;
}

static int32_t set(struct scene *scene, uint32_t endpoint, uint32_t health)
{
    const struct sluice_health_record record = {.endpoint = endpoint, .health = health};
    return sluice_endpoints_health(scene->host.engine, &record, sizeof record);
}

/* A session comes and goes at the endpoint of a listener. */
static void visit(struct scene *scene, int listener)
{
    scene->client = peer_connect(scene->port);
    scene->server = peer_accept(listener);
    CHECK(scene->server != -1);
    scene_close_fd(&scene->client);
    scene_close_fd(&scene->server);
    CHECK_EQ(scene_ended(scene, "--", SLUICE_REASON_OK).attempts, 1);
}

static void refused(struct scene *scene)
{
    int fd = peer_connect(scene->port);
    CHECK(peer_at_end(fd));
    close(fd);
    CHECK_EQ(scene_ended(scene, "SC", SLUICE_REASON_NO_ENDPOINT).attempts, 0);
}

TEST(one_that_is_down_gets_no_sessions_until_it_is_up)
{
    int first;
    struct scene scene = two(&first);
    REQUIRE(scene_start(&scene, 2));
    visit(&scene, first);
    CHECK_EQ(set(&scene, FIRST, SLUICE_HEALTH_DOWN), 1);
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).health, SLUICE_HEALTH_DOWN);
    CHECK_EQ(host_endpoint_stats(&scene.host, SECOND).health, SLUICE_HEALTH_UNKNOWN);
    visit(&scene, scene.backend);
    CHECK_EQ(set(&scene, SECOND, SLUICE_HEALTH_DOWN), 1);
    refused(&scene);
    CHECK_EQ(set(&scene, FIRST, SLUICE_HEALTH_UP), 1);
    visit(&scene, first);
    struct sluice_backend_stats stats = host_backend_stats(&scene.host, host_backend_id(&scene.tenant, 0));
    CHECK_EQ(stats.connects_total, 4); /* who found all of them down is one of them */
    CHECK_EQ(stats.connect_failures, 1);
    close(first);
    scene_end(&scene);
}

TEST(many_records_at_once)
{
    int first;
    struct scene scene = two(&first);
    REQUIRE(scene_start(&scene, 1));
    const struct sluice_health_record records[] = {
        {.endpoint = SECOND, .health = SLUICE_HEALTH_UP},  {.endpoint = 77, .health = SLUICE_HEALTH_DOWN},
        {.endpoint = FIRST, .health = SLUICE_HEALTH_UP},   {.endpoint = 0, .health = SLUICE_HEALTH_DOWN},
        {.endpoint = FIRST, .health = SLUICE_HEALTH_DOWN}, {.endpoint = UINT32_MAX, .health = SLUICE_HEALTH_DOWN},
    };
    CHECK_EQ(sluice_endpoints_health(scene.host.engine, records, sizeof records), 3);
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).health, SLUICE_HEALTH_DOWN); /* the last one holds */
    CHECK_EQ(host_endpoint_stats(&scene.host, SECOND).health, SLUICE_HEALTH_UP);
    CHECK_EQ(sluice_endpoints_health(scene.host.engine, records, 0), 0);
    close(first);
    scene_end(&scene);
}

TEST(what_is_no_record_is_refused_and_changes_nothing)
{
    int first;
    struct scene scene = two(&first);
    REQUIRE(scene_start(&scene, 1));
    struct sluice_engine *engine = scene.host.engine;
    struct sluice_health_record records[] = {{.endpoint = FIRST, .health = SLUICE_HEALTH_DOWN},
                                             {.endpoint = SECOND, .health = 3}};
    CHECK_EQ(sluice_endpoints_health(engine, records, sizeof records), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_endpoints_health(engine, records, sizeof records[0] - 1), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_endpoints_health(engine, NULL, sizeof records[0]), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_endpoints_health(engine, (const char *)records + 1, sizeof records[0]), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_endpoints_health(NULL, records, sizeof records[0]), SLUICE_E_ARGUMENT);
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).health, SLUICE_HEALTH_UNKNOWN);
    close(first);
    scene_end(&scene);
}

TEST(a_change_keeps_what_is_known_and_new_ones_begin_as_it_says)
{
    int first;
    struct scene scene = two(&first);
    scene.tenant.backends[0].endpoints[0].record.health = SLUICE_HEALTH_DOWN;
    REQUIRE(scene_start(&scene, 1));
    visit(&scene, scene.backend);
    CHECK_EQ(set(&scene, FIRST, SLUICE_HEALTH_UP), 1);
    scene_apply(&scene); /* it still says down, of an endpoint that is not new */
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).health, SLUICE_HEALTH_UP);
    visit(&scene, first);
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()))->record.health = SLUICE_HEALTH_DOWN;
    scene_apply(&scene);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 2)).health, SLUICE_HEALTH_DOWN);
    close(first);
    scene_end(&scene);
}

TEST(under_the_panic_threshold_health_is_not_believed)
{
    int first;
    struct scene scene = two(&first);
    scene.tenant.backends[0].record.panic_ppm = 600000;
    REQUIRE(scene_start(&scene, 1));
    CHECK_EQ(set(&scene, FIRST, SLUICE_HEALTH_DOWN), 1);
    visit(&scene, first); /* half of them are up, which is less than 60 % */
    scene.tenant.backends[0].record.panic_ppm = 500000;
    scene_apply(&scene);
    visit(&scene, scene.backend);
    CHECK_EQ(set(&scene, SECOND, SLUICE_HEALTH_DOWN), 1);
    visit(&scene, first);
    close(first);
    scene_end(&scene);
}

/* ---- Who connects ---- */

static bool is_connecting(void *context)
{
    struct scene *scene = context;
    return host_endpoint_stats(&scene->host, host_endpoint_id(&scene->tenant, 0, 0)).sessions_active == 1;
}

/* A session whose connect the first endpoint does not answer; the others are there or not. */
static struct scene connecting(struct peer_silent *silent, uint32_t endpoints)
{
    struct scene scene = scene_scripted();
    *silent = peer_silent_start();
    scene.tenant.record.connect_ms = 60000;
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(silent->listener));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(scene.backend)));
    scene.tenant.backends[0].record.balance = SLUICE_BALANCE_FIRST;
    scene.tenant.backends[0].record.endpoint_count = endpoints;
    if (scene_start(&scene, 1)) {
        scene.client = peer_connect(scene.port);
        CHECK(peer_send_stream(scene.client, 1, 1000));
        CHECK(host_eventually(is_connecting, &scene, HOST_WAIT_MS));
    }
    return scene;
}

/* Closes the sessions of the first endpoint, as after a verdict with on_down: close. */
static int64_t close_first(struct scene *scene)
{
    const struct {
        struct sluice_session_filter record;
        uint32_t id;
    } filter = {{.id_kind = SLUICE_FILTER_ENDPOINT, .id_count = 1}, host_endpoint_id(&scene->tenant, 0, 0)};
    uint64_t size = sizeof filter.record + sizeof filter.id;
    return sluice_sessions_kill(scene->host.engine, &filter, size, SLUICE_REASON_ENDPOINT_DOWN);
}

TEST(who_still_connects_to_one_that_goes_down_goes_on_to_the_next)
{
    struct peer_silent silent;
    struct scene scene = connecting(&silent, 2);
    CHECK_EQ(set(&scene, FIRST, SLUICE_HEALTH_DOWN), 1);
    CHECK_EQ(close_first(&scene), 1);
    scene.server = peer_accept(scene.backend);
    CHECK(peer_check_stream(scene.server, 1, 1000));
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).attempts, 2);
    CHECK_EQ(host_endpoint_stats(&scene.host, FIRST).connect_failures, 0); /* it had time left to answer */
    scene_end(&scene);
    peer_silent_stop(&silent);
}

TEST(who_still_connects_to_the_only_one_ends_with_it)
{
    struct peer_silent silent;
    struct scene scene = connecting(&silent, 1);
    CHECK_EQ(set(&scene, FIRST, SLUICE_HEALTH_DOWN), 1);
    CHECK_EQ(close_first(&scene), 1);
    CHECK(peer_drain(scene.client) || errno == ECONNRESET); /* what it has sent was not read */
    CHECK_EQ(scene_ended(&scene, "DC", SLUICE_REASON_ENDPOINT_DOWN).attempts, 1);
    scene_end(&scene);
    peer_silent_stop(&silent);
}

static bool has_failed(void *context)
{
    struct scene *scene = context;
    return host_endpoint_stats(&scene->host, host_endpoint_id(&scene->tenant, 0, 0)).connect_failures == 1;
}

TEST(who_pauses_after_it_is_left_alone)
{
    int first;
    struct scene scene = two(&first);
    close(first); /* it refuses now */
    scene.tenant.backends[0].record.attempts = 2;
    scene.tenant.backends[0].record.backoff_ms = 1000;
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK(host_eventually(has_failed, &scene, HOST_WAIT_MS));
    CHECK_EQ(set(&scene, FIRST, SLUICE_HEALTH_DOWN), 1);
    (void)close_first(&scene);
    scene.server = peer_accept(scene.backend);
    CHECK(scene.server != -1);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.attempts, 2);
    CHECK(session.connect_us >= 500 * 1000); /* by up to half shorter */
    scene_end(&scene);
}

/* ---- Who waits ---- */

/* One session at the second endpoint, which has room for one; another waits, as the first endpoint is down. */
static struct scene waiting(int *first, int holder[2])
{
    struct scene scene = two(first);
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.record.limits.queue_timeout_ms = 60000;
    scene.tenant.backends[0].endpoints[0].record.health = SLUICE_HEALTH_DOWN;
    scene.tenant.backends[0].endpoints[1].record.max_connections = 1;
    if (scene_start(&scene, 4)) {
        holder[0] = peer_connect(scene.port);
        holder[1] = peer_accept(scene.backend);
        scene.client = peer_connect(scene.port);
        CHECK(host_wait_queue(&scene.host, TENANT, 1));
    }
    return scene;
}

static void is_served(struct scene *scene, int first, int holder[2])
{
    scene->server = peer_accept(first);
    CHECK(scene->server != -1);
    CHECK(host_wait_queue(&scene->host, TENANT, 0));
    scene_close_fd(&scene->client);
    scene_close_fd(&scene->server);
    close(holder[0]);
    close(holder[1]);
    CHECK(host_wait_active(&scene->host, 0));
    close(first);
    scene_end(scene);
}

TEST(who_waits_for_a_place_is_served_when_one_comes_up)
{
    int first;
    int holder[2];
    struct scene scene = waiting(&first, holder);
    CHECK_EQ(set(&scene, FIRST, SLUICE_HEALTH_UP), 1);
    is_served(&scene, first, holder);
}

TEST(so_is_one_whose_tenant_was_removed)
{
    int first;
    int holder[2];
    struct scene scene = waiting(&first, holder);
    const uint32_t removed = TENANT;
    CHECK_EQ(host_change(&scene.host, &(struct host_change){.removed = &removed, .removed_count = 1}), SLUICE_OK);
    CHECK_EQ(set(&scene, FIRST, SLUICE_HEALTH_UP), 1);
    scene.server = peer_accept(first);
    CHECK(scene.server != -1);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    close(holder[0]);
    close(holder[1]);
    CHECK(host_wait_active(&scene.host, 0));
    close(first);
    CHECK_STRING(host_close(&scene.host), "");
    scene_close_fd(&scene.backend);
}

/* ---- While sessions run ---- */

struct flapping {
    struct scene *scene;
    pthread_t storm;
    uint32_t turn;
};

static bool flap(void *context)
{
    struct flapping *flapping = context;
    uint32_t turn = flapping->turn++;
    uint32_t health = turn % 2 == 0 ? SLUICE_HEALTH_DOWN : SLUICE_HEALTH_UP;
    CHECK_EQ(set(flapping->scene, host_endpoint_id(&flapping->scene->tenant, 0, turn / 2 % 2), health), 1);
    return storm_is_over(flapping->storm);
}

TEST(a_storm_while_endpoints_go_down_and_up)
{
    struct scene scene = scene_echo();
    struct peer_echo *other = peer_echo_start();
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_echo_port(other)));
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.record.limits.queue_timeout_ms = 60000;
    scene.tenant.backends[0].endpoints[0].record.max_connections = 2;
    scene.tenant.backends[0].endpoints[1].record.max_connections = 2;
    scene.tenant.backends[0].record.slow_start_ms = 20;
    REQUIRE(scene_start(&scene, 4));
    struct storm storm = {.port = scene.port, .threads = 8, .rounds = 60, .ways = STORM_CLOSE | STORM_RESET};
    struct flapping flapping = {.scene = &scene};
    REQUIRE(storm_start(&storm, &flapping.storm));
    CHECK(host_eventually(flap, &flapping, 60000));
    CHECK_EQ(storm.out, 0); /* one is up at any time, and who finds no place waits */
    CHECK_EQ(storm.in, 8 * 60);
    scene_end(&scene);
    peer_echo_stop(other);
}
