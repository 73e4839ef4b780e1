/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: rates of new sessions, of a tenant and of each source. A burst is served to the last
 * token, and a token is given back by who never gets as far as connecting. */
#include <time.h>

#include "scene.h"
#include "storm.h"

#define NS_A_SECOND UINT64_C(1000000000)

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_A_SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t tokens_left(struct scene *scene)
{
    return host_tenant_stats(&scene->host, TENANT).session_tokens;
}

static void visits(struct scene *scene, uint32_t source, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        scene_visit(scene, source);
    }
}

/* A client that gets past the limits, and no further: its tenant has no endpoint for it. */
static void finds_no_endpoint(struct scene *scene, uint32_t source)
{
    int fd = peer_connect_from(source, scene->port);
    CHECK_STRING(peer_fate(fd, 10000), "end");
    scene_close_fd(&fd);
    scene_ended(scene, "SC", SLUICE_REASON_NO_ENDPOINT);
}

static void set_endpoint(struct scene *scene, uint32_t state)
{
    scene->tenant.backends[0].endpoints[0].record.state = state;
    scene_apply(scene);
}

/* ---- A tenant's ---- */

TEST(a_burst_is_served_to_the_last_token)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 2));
    CHECK_EQ(tokens_left(&scene), SLUICE_UNLIMITED64);
    scene.tenant.record.limits.session_rate = scene_tokens(7);
    scene_apply(&scene);
    for (unsigned i = 0; i < 7; i++) {
        CHECK_EQ(tokens_left(&scene), 7 - i);
        scene_visit(&scene, 1 + i); /* whoever they are */
    }
    CHECK_EQ(tokens_left(&scene), 0);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_TENANT_RATE);
    scene_refused(&scene, 99, SLUICE_REASON_TENANT_RATE);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_TENANT_RATE], 2);
    scene_end(&scene);
}

TEST(a_burst_is_exact_over_four_workers)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.session_rate = scene_tokens(333);
    REQUIRE(scene_start(&scene, 4));
    struct storm storm = {.port = scene.port,
                          .threads = 16,
                          .rounds = 40,
                          .ways = STORM_CLOSE | STORM_RESET | STORM_HALF_CLOSE,
                          .seed = 1};
    REQUIRE(storm_run(&storm));
    CHECK_EQ(storm.lost, 0);
    CHECK_EQ(storm.in, 333);
    CHECK_EQ(storm.out, 16 * 40 - 333);
    scene_end(&scene);
}

/* Never more than the burst and what has come since; what has come is served. */
TEST(tokens_come_back_at_the_rate)
{
    enum { RATE = 500, BURST = 20 };
    struct scene scene = scene_echo();
    scene.tenant.record.limits.session_rate = host_rate(RATE, BURST);
    uint64_t began_ns = now_ns();
    REQUIRE(scene_start(&scene, 4));
    struct storm storm = {.port = scene.port, .threads = 8, .rounds = 150, .ways = STORM_CLOSE, .seed = 2};
    REQUIRE(storm_run(&storm));
    uint64_t took_ns = now_ns() - began_ns;
    CHECK(storm.in <= BURST + RATE * took_ns / NS_A_SECOND + 1);
    CHECK(storm.in >= BURST);
    CHECK_EQ(storm.lost, 0);
    scene_end(&scene);
}

/* A client gets in sooner or later. */
static bool gets_in(void *context)
{
    const struct scene *scene = context;
    int fd = peer_connect(scene->port);
    bool in = scene_echoes(fd, "in?");
    close(fd);
    return in;
}

TEST(who_was_refused_gets_in_later)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.session_rate = host_rate(20, 1);
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < 5; i++) {
        CHECK(host_eventually(gets_in, &scene, HOST_WAIT_MS));
    }
    scene_end(&scene);
}

TEST(nothing_passes_a_rate_or_burst_of_zero)
{
    const struct sluice_bucket cases[] = {{.rate = 0, .burst = 5}, {.rate = 1000000, .burst = 0}, {0}};
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene.tenant.record.limits.session_rate = cases[i];
        scene_apply(&scene);
        scene_refused(&scene, LOOPBACK, SLUICE_REASON_TENANT_RATE);
        CHECK_EQ(tokens_left(&scene), 0);
    }
    scene_end(&scene);
}

TEST(who_is_refused_may_be_reset)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.session_rate = scene_tokens(0);
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_RESET;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "reset");
    scene_ended(&scene, "PR", SLUICE_REASON_TENANT_RATE);
    scene_end(&scene);
}

/* ---- Given back ---- */

TEST(who_finds_no_endpoint_gives_its_tokens_back)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.session_rate = scene_tokens(2);
    scene.tenant.record.limits.source_rate = scene_tokens(2);
    scene.tenant.backends[0].endpoints[0].record.state = SLUICE_ENDPOINT_DRAIN;
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < 5; i++) {
        finds_no_endpoint(&scene, LOOPBACK);
        CHECK_EQ(tokens_left(&scene), 2);
    }
    set_endpoint(&scene, SLUICE_ENDPOINT_READY);
    visits(&scene, LOOPBACK, 2);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_SOURCE_RATE);
    scene_refused(&scene, 2, SLUICE_REASON_TENANT_RATE);
    scene_end(&scene);
}

/* One that has tried has cost its endpoint a connection. */
TEST(who_has_tried_to_connect_keeps_its_token)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.session_rate = scene_tokens(2);
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_unused_port());
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < 2; i++) {
        REQUIRE(scene_connect(&scene));
        CHECK_STRING(peer_fate(scene.client, 10000), "end");
        scene_close_fd(&scene.client);
        scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED);
    }
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_TENANT_RATE);
    scene_end(&scene);
}

/* Who is over the cap takes no token of the tenant, and gives back that of its source. */
TEST(the_cap_costs_no_token)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.max_connections = 1;
    scene.tenant.record.limits.session_rate = scene_tokens(2);
    scene.tenant.record.limits.source_rate = scene_tokens(2);
    REQUIRE(scene_start(&scene, 2));
    scene.client = scene_enter(&scene, LOOPBACK);
    for (unsigned i = 0; i < 4; i++) {
        scene_refused(&scene, LOOPBACK, SLUICE_REASON_TENANT_CONNECTIONS);
    }
    CHECK_EQ(tokens_left(&scene), 1);
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_visit(&scene, LOOPBACK);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_SOURCE_RATE);
    scene_refused(&scene, 2, SLUICE_REASON_TENANT_RATE);
    scene_end(&scene);
}

TEST(a_source_over_its_cap_costs_no_token)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_max_connections = 1;
    scene.tenant.record.limits.session_rate = scene_tokens(3);
    scene.tenant.record.limits.source_rate = scene_tokens(2);
    REQUIRE(scene_start(&scene, 2));
    scene.client = scene_enter(&scene, LOOPBACK);
    for (unsigned i = 0; i < 4; i++) {
        scene_refused(&scene, LOOPBACK, SLUICE_REASON_SOURCE_CONNECTIONS);
    }
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(tokens_left(&scene), 2);
    scene_visit(&scene, LOOPBACK);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_SOURCE_RATE);
    scene_end(&scene);
}

/* ---- A source's ---- */

TEST(each_source_has_its_own_burst)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_rate = scene_tokens(3);
    REQUIRE(scene_start(&scene, 4));
    for (uint32_t source = 1; source <= 4; source++) {
        visits(&scene, source, 3);
        scene_refused(&scene, source, SLUICE_REASON_SOURCE_RATE);
    }
    for (uint32_t source = 1; source <= 4; source++) {
        scene_refused(&scene, source, SLUICE_REASON_SOURCE_RATE);
    }
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_SOURCE_RATE], 8);
    scene_end(&scene);
}

TEST(a_sources_burst_is_exact_over_four_workers)
{
    enum { SOURCES = 4, BURST = 37 };
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_rate = scene_tokens(BURST);
    REQUIRE(scene_start(&scene, 4));
    struct storm storm = {
        .port = scene.port, .threads = 16, .rounds = 40, .sources = SOURCES, .ways = STORM_CLOSE, .seed = 3};
    REQUIRE(storm_run(&storm));
    CHECK_EQ(storm.lost, 0);
    CHECK_EQ(storm.in, SOURCES * BURST);
    scene_end(&scene);
}

TEST(a_prefix_has_one_burst)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_rate = scene_tokens(3);
    scene.tenant.record.limits.source_ipv4_bits = 24;
    REQUIRE(scene_start(&scene, 2));
    for (uint32_t source = 1; source <= 3; source++) {
        scene_visit(&scene, source);
    }
    scene_refused(&scene, 4, SLUICE_REASON_SOURCE_RATE);
    scene_visit(&scene, 0x000101);
    scene_end(&scene);
}

/* ---- Changes ---- */

TEST(tokens_are_kept_over_a_change_at_most_the_new_burst)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.session_rate = scene_tokens(10);
    REQUIRE(scene_start(&scene, 2));
    visits(&scene, LOOPBACK, 4);
    scene.tenant.record.limits.session_rate = (struct sluice_bucket){.rate = 2, .burst = 100};
    scene_apply(&scene);
    CHECK_EQ(tokens_left(&scene), 6);
    scene.tenant.record.limits.session_rate = scene_tokens(3);
    scene_apply(&scene);
    CHECK_EQ(tokens_left(&scene), 3);
    scene.tenant.record.limits.session_rate = scene_tokens(10);
    scene_apply(&scene);
    CHECK_EQ(tokens_left(&scene), 3);
    /* A change of something else, and of nothing, leaves them alone. */
    scene.tenant.record.limits.max_connections = 50;
    scene_apply(&scene);
    scene_apply(&scene);
    CHECK_EQ(tokens_left(&scene), 3);
    visits(&scene, LOOPBACK, 3);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_TENANT_RATE);
    /* One that was gone begins full. */
    scene.tenant.record.limits.session_rate.rate = SLUICE_UNLIMITED64;
    scene_apply(&scene);
    CHECK_EQ(tokens_left(&scene), SLUICE_UNLIMITED64);
    scene_visit(&scene, LOOPBACK);
    scene.tenant.record.limits.session_rate = scene_tokens(2);
    scene_apply(&scene);
    visits(&scene, LOOPBACK, 2);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_TENANT_RATE);
    scene_end(&scene);
}

TEST(a_sources_tokens_are_kept_over_a_change)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_rate = scene_tokens(5);
    REQUIRE(scene_start(&scene, 2));
    visits(&scene, 1, 3);
    visits(&scene, 2, 5);
    scene.tenant.record.limits.source_rate = scene_tokens(50);
    scene_apply(&scene);
    visits(&scene, 1, 2);
    scene_refused(&scene, 1, SLUICE_REASON_SOURCE_RATE);
    scene_refused(&scene, 2, SLUICE_REASON_SOURCE_RATE);
    scene.tenant.record.limits.source_rate = scene_tokens(2);
    scene_apply(&scene);
    scene_refused(&scene, 1, SLUICE_REASON_SOURCE_RATE);
    visits(&scene, 3, 2);
    scene_refused(&scene, 3, SLUICE_REASON_SOURCE_RATE);
    scene_end(&scene);
}

/* Changes that come while clients do neither lose tokens nor make any; but a worker that is just taking the last one
 * from a bucket that has been replaced takes it on credit. */
TEST(changes_under_a_storm_make_no_token)
{
    enum { BURST = 400, WORKERS = 4 };
    struct scene scene = scene_echo();
    scene.tenant.record.limits.session_rate = scene_tokens(BURST);
    REQUIRE(scene_start(&scene, WORKERS));
    struct storm storm = {.port = scene.port, .threads = 16, .rounds = 60, .ways = STORM_CLOSE, .seed = 4};
    pthread_t thread;
    REQUIRE(storm_start(&storm, &thread));
    unsigned changes = 0;
    while (!storm_is_over(thread)) {
        host_read_log(&scene.host);
        scene.tenant.record.limits.session_rate = (struct sluice_bucket){.rate = 1 + changes++ % 3, .burst = BURST};
        scene_apply(&scene);
    }
    CHECK(changes > 1);
    CHECK_EQ(storm.lost, 0);
    CHECK(storm.in >= BURST && storm.in <= BURST + WORKERS);
    scene_end(&scene);
}
