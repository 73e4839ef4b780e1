/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: trouble on purpose. What a client sees of it, that it strikes as many as it should, and
 * that nobody else notices. */
#include "scene.h"

#define MS UINT64_C(1000) /* in us */
#define ALL 1000000u      /* a share, in ppm */

static const struct sluice_session_filter every; /* all zero: any session */

/* One session that is refused on purpose. */
static void refused(struct scene *scene)
{
    scene->client = peer_connect(scene->port);
    CHECK_STRING(peer_fate(scene->client, 10000), "end");
    scene_close_fd(&scene->client);
    CHECK_EQ(scene_ended(scene, "PC", SLUICE_REASON_FAULT).attempts, 0);
}

/* A client whose session waits on purpose. */
static void begin_delay(struct scene *scene)
{
    uint64_t before = host_tenant_stats(&scene->host, TENANT).sessions_total;
    scene->client = peer_connect(scene->port);
    CHECK(scene->client != -1 && host_wait_total(&scene->host, TENANT, before + 1));
    host_settle(&scene->host); /* the turn in which it was accepted is over */
}

TEST(refused_sessions_touch_no_endpoint_and_give_everything_back)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.fault_refuse_ppm = ALL;
    scene.tenant.record.limits.max_connections = 1;
    scene.tenant.record.limits.session_rate = scene_tokens(1);
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < 3; i++) {
        refused(&scene);
    }
    CHECK(!peer_readable(scene.backend, 0));
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_FAULT], 3);

    /* The next version has none. */
    scene.tenant.record.fault_refuse_ppm = 0;
    scene_apply(&scene);
    REQUIRE(scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 1000) && peer_check_stream(scene.server, 1, 1000));
    scene_end(&scene);
}

TEST(limits_come_before_faults)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.fault_refuse_ppm = ALL;
    scene.tenant.record.limits.max_connections = 0;
    REQUIRE(scene_start(&scene, 1));
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_TENANT_CONNECTIONS);
    scene_end(&scene);
}

TEST(who_waited_for_a_limit_may_be_refused_on_purpose)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.limits.max_connections = 1;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int waiting = peer_connect(scene.port);
    CHECK(host_wait_queue(&scene.host, TENANT, 1));
    scene.tenant.record.fault_refuse_ppm = ALL;
    scene_apply(&scene);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    CHECK_STRING(peer_fate(waiting, 10000), "end");
    close(waiting);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    struct sluice_log_session session = scene_ended(&scene, "PC", SLUICE_REASON_FAULT);
    CHECK(session.queue_us != SLUICE_NEVER);
    scene_end(&scene);
}

/* ---- Resets ---- */

TEST(a_reset_comes_as_soon_as_there_is_a_connection)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.fault_reset_ppm = ALL;
    scene.tenant.record.limits.max_connections = 1;
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < 4; i++) {
        /* The RST may be there before the client sends. */
        scene.client = peer_connect(scene.port);
        REQUIRE(scene.client != -1);
        CHECK_STRING(peer_fate(scene.client, 10000), "reset");
        scene_close_fd(&scene.client);
        scene.server = peer_accept(scene.backend);
        CHECK(peer_at_reset(scene.server));
        scene_close_fd(&scene.server);
        struct sluice_log_session session = scene_ended(&scene, "PD", SLUICE_REASON_FAULT);
        CHECK_EQ(session.attempts, 1);
        CHECK(session.connect_us != SLUICE_NEVER);
        CHECK_EQ(session.bytes_down, 0);
    }
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_FAULT], 0);
    scene_end(&scene);
}

TEST(a_session_that_finds_no_endpoint_is_not_reset)
{
    struct scene scene = {.backend = -1, .client = -1, .server = -1};
    scene.tenant = host_simple_tenant(TENANT, peer_unused_port());
    scene.tenant.record.fault_reset_ppm = ALL;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED);
    scene_end(&scene);
}

/* ---- Delays ---- */

TEST(a_delayed_session_is_whole_and_late)
{
    struct scene scene = scene_echo();
    scene.tenant.record.fault_delay_ppm = ALL;
    scene.tenant.record.fault_delay_ms = 80;
    scene.tenant.record.connect_ms = 40; /* of no meaning for it */
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "late"));
    scene_close_fd(&scene.client);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK(session.total_us >= 80 * MS && session.first_byte_us >= 80 * MS);
    CHECK(session.connect_us < 80 * MS);
    CHECK_EQ(session.attempts, 1);
    CHECK_EQ(session.bytes_up + session.bytes_down, 8);
    scene_end(&scene);
}

TEST(a_client_that_sends_and_ends_during_the_delay_loses_nothing)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.fault_delay_ppm = ALL;
    scene.tenant.record.fault_delay_ms = 50;
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    CHECK(peer_send_stream(scene.client, 7, 3000));
    scene_close_fd(&scene.client);
    scene.server = peer_accept(scene.backend);
    CHECK(peer_check_stream(scene.server, 7, 3000) && peer_at_end(scene.server));
    scene_end(&scene);
}

/* How a session that is delayed for an hour ends otherwise; it holds no place at the endpoint. */
static void delayed(void (*end)(struct scene *scene), const char *code, enum sluice_reason reason)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.fault_delay_ppm = ALL;
    scene.tenant.record.fault_delay_ms = 3600 * 1000;
    REQUIRE(scene_start(&scene, 1));
    begin_delay(&scene);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).sessions_active, 1);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).sessions_active, 0);
    end(&scene);
    CHECK_EQ(scene_ended(&scene, code, reason).attempts, 0);
    CHECK(!peer_readable(scene.backend, 0));
    scene_end(&scene);
}

static void by_abort(struct scene *scene)
{
    peer_reset(scene->client);
    scene->client = -1;
}

static void by_kill(struct scene *scene)
{
    CHECK_EQ(sluice_sessions_kill(scene->host.engine, &every, sizeof every, SLUICE_REASON_KILLED), 1);
    CHECK_STRING(peer_fate(scene->client, 10000), "end");
}

static void by_drain(struct scene *scene)
{
    CHECK_EQ(sluice_sessions_drain(scene->host.engine, &every, sizeof every, 20), 1);
    CHECK_STRING(peer_fate(scene->client, 10000), "end");
}

static void by_removal(struct scene *scene)
{
    static const uint32_t id = TENANT;
    struct host_change change = {.removed = &id, .removed_count = 1};
    scene->tenant.record.drain_ms = 10;
    scene_apply(scene);
    CHECK_EQ(host_change(&scene->host, &change), SLUICE_OK);
    CHECK_STRING(peer_fate(scene->client, 10000), "end");
}

TEST(a_delay_ends_with_its_session)
{
    delayed(by_abort, "CC", SLUICE_REASON_CLIENT_ABORT);
    delayed(by_kill, "KC", SLUICE_REASON_KILLED);
    delayed(by_drain, "KC", SLUICE_REASON_DRAINED);
}

TEST(a_delay_ends_with_its_tenant)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.fault_delay_ppm = ALL;
    scene.tenant.record.fault_delay_ms = 3600 * 1000;
    REQUIRE(scene_start(&scene, 1));
    begin_delay(&scene);
    by_removal(&scene);
    scene_ended(&scene, "KC", SLUICE_REASON_DRAINED);
    scene_end(&scene);
}

TEST(an_engine_that_stops_waits_for_no_delay)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.fault_delay_ppm = ALL;
    scene.tenant.record.fault_delay_ms = 3600 * 1000;
    REQUIRE(scene_start(&scene, 2));
    begin_delay(&scene);
    CHECK_STRING(host_close(&scene.host), "");
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.backend);
}

/* A delay counts for the limits, and whoever waits for one is served after it. */
TEST(a_delayed_session_holds_its_place_in_the_limits)
{
    struct scene scene = scene_echo();
    scene.tenant.record.fault_delay_ppm = ALL;
    scene.tenant.record.fault_delay_ms = 30;
    scene.tenant.record.limits.max_connections = 1;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    REQUIRE(scene_start(&scene, 2));
    int clients[4];
    for (unsigned i = 0; i < 4; i++) {
        clients[i] = peer_connect(scene.port);
        CHECK(peer_send(clients[i], "turn", 4));
        peer_end(clients[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        char answer[4];
        CHECK(peer_receive(clients[i], answer, 4) && memcmp(answer, "turn", 4) == 0);
        close(clients[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
        uint64_t waited_us = session.queue_us == SLUICE_NEVER ? 0 : session.queue_us;
        CHECK(session.total_us - waited_us >= 30 * MS); /* each its own, after its wait */
    }
    scene_end(&scene);
}

/* ---- Shares ---- */

/* So many of `count` draws of a share are likely but for once in billions: within 6.5 deviations. */
static bool is_likely(uint64_t hits, uint64_t count, double share)
{
    double distance = (double)hits - (double)count * share;
    return distance * distance <= 6.5 * 6.5 * (double)count * share * (1 - share);
}

TEST(each_strikes_its_share_by_itself)
{
    enum { SESSIONS = 1500 };
    struct scene scene = scene_echo();
    scene.tenant.record.fault_refuse_ppm = 200000;
    scene.tenant.record.fault_reset_ppm = 300000;
    scene.tenant.record.fault_delay_ppm = 500000;
    scene.tenant.record.fault_delay_ms = 2;
    REQUIRE(scene_start(&scene, 2));
    unsigned counts[3] = {0}; /* refused, reset, delayed of the rest */
    for (unsigned i = 0; i < SESSIONS; i++) {
        char answer[4];
        int fd = peer_connect(scene.port);
        bool answered = peer_send(fd, "any?", 4) && peer_receive(fd, answer, 4);
        close(fd);
        struct sluice_log_session session;
        REQUIRE(host_next_session(&scene.host, &session));
        counts[0] += strcmp(host_code(session.code), "PC") == 0;
        counts[1] += strcmp(host_code(session.code), "PD") == 0;
        counts[2] += session.reason == SLUICE_REASON_OK && session.first_byte_us >= 2 * MS;
        CHECK_EQ(session.reason, answered ? SLUICE_REASON_OK : SLUICE_REASON_FAULT);
    }
    CHECK(is_likely(counts[0], SESSIONS, 0.2));
    CHECK(is_likely(counts[1], SESSIONS, 0.8 * 0.3));
    CHECK(counts[2] >= (SESSIONS - counts[0] - counts[1]) * 4 / 10); /* slow machines add to it */
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_FAULT], counts[0]);
    scene_end(&scene);
}
