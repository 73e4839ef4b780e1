/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: further attempts, the pauses before them, what they may cost, and where connects come
 * from. */
#include "scene.h"
#include "storm.h"

#define MS UINT64_C(1000)  /* in us */
#define FOR_EVER_MS 60000u /* a pause that no test waits for */

/* Endpoints in order: `refusing` ports on which nobody listens, then the scripted backend. */
static struct scene behind(uint32_t refusing, uint64_t backoff_ms)
{
    struct scene scene = scene_scripted();
    struct sluice_backend_record *record = &scene.tenant.backends[0].record;
    record->balance = SLUICE_BALANCE_FIRST;
    record->backoff_ms = backoff_ms;
    record->attempts = refusing + 1;
    record->endpoint_count = 0;
    for (uint32_t i = 0; i < refusing; i++) {
        host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    }
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(scene.backend)));
    return scene;
}

/* ---- Pauses ---- */

TEST(a_pause_comes_before_each_further_attempt_and_nothing_is_lost)
{
    struct scene scene = behind(2, 80);
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK(peer_send_stream(scene.client, 1, 100000));
    scene.server = peer_accept(scene.backend);
    CHECK(peer_check_stream(scene.server, 1, 100000));
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.attempts, 3);
    CHECK_EQ(session.bytes_up, 100000);
    CHECK(session.connect_us >= (40 + 80) * MS); /* 80 and 160 ms, by up to half shorter */
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).retries_total, 2);
    scene_end(&scene);
}

TEST(without_backoff_the_next_attempt_follows_at_once)
{
    struct scene scene = behind(3, 0);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.attempts, 4);
    scene_end(&scene);
}

TEST(there_is_no_pause_where_no_endpoint_is_left)
{
    struct scene scene = behind(2, 30);
    scene.tenant.backends[0].record.endpoint_count = 2;
    scene.tenant.backends[0].record.attempts = 10;
    scene.tenant.backends[0].record.backoff_ms = 1;
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK(peer_at_end(scene.client));
    CHECK_EQ(scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED).attempts, 2);
    scene_end(&scene);

    scene = behind(1, FOR_EVER_MS);
    scene.tenant.backends[0].record.endpoint_count = 1;
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK(peer_at_end(scene.client));
    CHECK_EQ(scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED).attempts, 1);
    scene_end(&scene);
}

TEST(the_connect_timeout_counts_from_the_attempt)
{
    struct scene scene = behind(1, 300);
    struct peer_silent silent = peer_silent_start();
    scene.tenant.record.connect_ms = 200; /* less than the pause may be */
    scene.tenant.backends[0].record.attempts = 3;
    scene.tenant.backends[0].endpoints[1].address = host_ipv4(peer_port(silent.listener));
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK(peer_at_end(scene.client));
    struct sluice_log_session session = scene_ended(&scene, "sC", SLUICE_REASON_CONNECT_TIMEOUT);
    CHECK_EQ(session.attempts, 2);
    CHECK(session.total_us >= (150 + 200) * MS);
    scene_end(&scene);
    peer_silent_stop(&silent);
}

/* ---- What ends a pause ---- */

static bool has_failed(void *context)
{
    struct scene *scene = context;
    uint32_t endpoint = host_endpoint_id(&scene->tenant, 0, 0);
    return host_endpoint_stats(&scene->host, endpoint).connect_failures > 0;
}

/* A session that pauses, for longer than any test. */
static struct scene pausing(uint32_t workers)
{
    struct scene scene = behind(1, FOR_EVER_MS);
    if (!scene_start(&scene, workers)) {
        return scene;
    }
    scene.client = peer_connect(scene.port);
    CHECK(host_eventually(has_failed, &scene, HOST_WAIT_MS));
    return scene;
}

TEST(a_client_that_closes_ends_it)
{
    struct scene scene = pausing(1);
    scene_close_fd(&scene.client);
    struct sluice_log_session session = scene_ended(&scene, "CC", SLUICE_REASON_CLIENT_ABORT);
    CHECK_EQ(session.attempts, 1);
    CHECK(session.total_us < (FOR_EVER_MS / 2) * MS);
    scene_end(&scene);
}

TEST(a_client_that_resets_ends_it)
{
    struct scene scene = pausing(1);
    CHECK(peer_send(scene.client, "lost", 4));
    peer_reset(scene.client);
    scene.client = -1;
    scene_ended(&scene, "CC", SLUICE_REASON_CLIENT_ABORT);
    scene_end(&scene);
}

TEST(a_client_that_was_gone_before_does_not_pause)
{
    struct scene scene = behind(1, FOR_EVER_MS);
    struct peer_silent silent = peer_silent_start();
    scene.tenant.record.connect_ms = 300;
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(silent.listener));
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    scene_close_fd(&scene.client);
    scene_ended(&scene, "CC", SLUICE_REASON_CLIENT_ABORT);
    scene_end(&scene);
    peer_silent_stop(&silent);
}

TEST(a_client_that_has_sent_something_may_end_its_direction)
{
    struct scene scene = behind(1, 300);
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK(host_eventually(has_failed, &scene, HOST_WAIT_MS));
    CHECK(peer_send(scene.client, "question", 8));
    peer_end(scene.client);
    scene.server = peer_accept(scene.backend);
    char text[8];
    CHECK(peer_receive(scene.server, text, 8) && memcmp(text, "question", 8) == 0 && peer_at_end(scene.server));
    CHECK(peer_send(scene.server, "answer", 6));
    scene_close_fd(&scene.server);
    CHECK(peer_receive(scene.client, text, 6) && peer_at_end(scene.client));
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

TEST(a_kill_ends_it)
{
    struct scene scene = pausing(2);
    const struct sluice_session_filter all = {0};
    struct sluice_session_record live;
    uint64_t cursor;
    CHECK_EQ(sluice_sessions_read(scene.host.engine, &all, sizeof all, 0, &live, sizeof live, &cursor), 1);
    CHECK_EQ(live.state, SLUICE_SESSION_CONNECTING);
    CHECK_EQ(live.session.attempts, 1);
    CHECK_EQ(sluice_sessions_kill(scene.host.engine, &all, sizeof all, SLUICE_REASON_KILLED), 1);
    scene_ended(&scene, "KC", SLUICE_REASON_KILLED);
    scene_end(&scene);
}

TEST(a_drain_ends_it)
{
    struct scene scene = pausing(1);
    CHECK_EQ(sluice_engine_drain(scene.host.engine, 50), SLUICE_OK);
    scene_ended(&scene, "KC", SLUICE_REASON_DRAINED);
    scene_end(&scene);
}

TEST(its_endpoint_is_given_back)
{
    struct scene scene = pausing(1);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).sessions_active, 0);
    CHECK_EQ(host_session_fds(&scene.host), 1);
    scene_close_fd(&scene.client);
    scene_ended(&scene, "CC", SLUICE_REASON_CLIENT_ABORT);
    scene_end(&scene);
}

/* ---- The budget ---- */

/* Further attempts of so many sessions, one after the other, that no endpoint takes. */
static uint64_t retried(uint32_t budget_ppm, uint32_t sessions)
{
    struct scene scene = behind(2, 0);
    scene.tenant.backends[0].record.endpoint_count = 2;
    scene.tenant.backends[0].record.retry_budget_ppm = budget_ppm;
    if (!scene_start(&scene, 1)) {
        return UINT64_MAX;
    }
    for (uint32_t i = 0; i < sessions; i++) {
        scene.client = peer_connect(scene.port);
        CHECK(peer_at_end(scene.client));
        scene_close_fd(&scene.client);
        scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED);
    }
    uint64_t retries = host_tenant_stats(&scene.host, TENANT).retries_total;
    scene_end(&scene);
    return retries;
}

TEST(a_budget_bounds_further_attempts)
{
    CHECK_EQ(retried(0, 5), 0);
    CHECK_EQ(retried(UINT32_MAX, 20), 20);
    CHECK_EQ(retried(500000, 20), 10);
    CHECK_EQ(retried(10000, 20), 3); /* a few are always allowed */
}

TEST(a_storm_that_pauses_leaves_nothing_behind)
{
    struct scene scene = scene_echo();
    struct sluice_backend_record *record = &scene.tenant.backends[0].record;
    record->backoff_ms = 2;
    record->retry_budget_ppm = 900000;
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    REQUIRE(scene_start(&scene, 4));
    struct storm storm = {.port = scene.port, .threads = 8, .rounds = 60, .seed = 7};
    storm.ways = STORM_CLOSE | STORM_RESET | STORM_HALF_CLOSE | STORM_VANISH;
    REQUIRE(storm_run(&storm));
    CHECK(storm.in > 0);
    CHECK_EQ(storm.lost, 0);
    CHECK(host_tenant_stats(&scene.host, TENANT).retries_total > 0);
    scene_end(&scene);
}

/* ---- Where connects come from ---- */

TEST(connects_come_from_the_source_address)
{
    struct scene scene = scene_scripted();
    struct sluice_address *source = &scene.tenant.backends[0].record.source_address;
    *source = (struct sluice_address){.family = SLUICE_FAMILY_IPV4, .ip = {127, 0, 0, 99}};
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK_EQ(peer_accept_from(scene.backend), UINT32_C(0x7f000063));
    scene_close_fd(&scene.client);
    CHECK(host_wait_active(&scene.host, 0));
    /* One of another family than the endpoint's is not used. */
    *source = (struct sluice_address){.family = SLUICE_FAMILY_IPV6, .ip = {[15] = 1}};
    scene_apply(&scene);
    scene.client = peer_connect(scene.port);
    CHECK_EQ(peer_accept_from(scene.backend), UINT32_C(0x7f000001));
    scene_close_fd(&scene.client);
    CHECK(host_wait_active(&scene.host, 0));
    /* One that this machine does not have is as good as no endpoint. */
    *source = (struct sluice_address){.family = SLUICE_FAMILY_IPV4, .ip = {192, 0, 2, 1}};
    scene_apply(&scene);
    scene.client = peer_connect(scene.port);
    CHECK(peer_at_end(scene.client));
    CHECK(host_wait_active(&scene.host, 0));
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_CONNECT_REFUSED], 1);
    scene_end(&scene);
}
