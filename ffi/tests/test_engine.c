/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: its life from create to destroy, and what the calls refuse. */
#include <stdlib.h>
#include <sys/socket.h>

#include "scene.h"

static struct sluice_engine_options good_options(void)
{
    return (struct sluice_engine_options){.abi_version = SLUICE_ABI_VERSION, .workers = 1, .log_ring_bytes = 65536};
}

TEST(the_library_tells_its_version)
{
    CHECK_EQ(sluice_abi_version(), SLUICE_ABI_VERSION);
}

TEST(create_refuses_what_makes_no_sense)
{
    struct sluice_engine *engine = NULL;
    struct sluice_error error;
    struct sluice_engine_options options = good_options();
    CHECK_EQ(sluice_engine_create(NULL, sizeof options, &engine, &error), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_engine_create(&options, sizeof options, NULL, &error), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_engine_create(&options, 3, &engine, &error), SLUICE_E_ARGUMENT);
    options.abi_version = SLUICE_ABI_VERSION + 1;
    CHECK(sluice_engine_create(&options, sizeof options, &engine, &error) < 0);
    options = good_options();
    options.workers = 0;
    CHECK_EQ(sluice_engine_create(&options, sizeof options, &engine, &error), SLUICE_E_ARGUMENT);
    options.workers = SLUICE_MAX_WORKERS + 1;
    CHECK_EQ(sluice_engine_create(&options, sizeof options, &engine, &error), SLUICE_E_ARGUMENT);
    options = good_options();
    options.log_ring_bytes = 5000;
    CHECK_EQ(sluice_engine_create(&options, sizeof options, &engine, &error), SLUICE_E_ARGUMENT);
    CHECK_EQ(error.code, SLUICE_E_ARGUMENT);
    CHECK(strlen(error.message) > 0);
    options.log_ring_bytes = 2048;
    CHECK_EQ(sluice_engine_create(&options, sizeof options, &engine, &error), SLUICE_E_ARGUMENT);
    options = good_options();
    options.reserved1 = 1;
    CHECK_EQ(sluice_engine_create(&options, sizeof options, &engine, &error), SLUICE_E_ARGUMENT);
    CHECK(engine == NULL);
}

static uint32_t state_of(struct sluice_engine *engine)
{
    struct sluice_engine_status status = {.state = 99};
    CHECK_EQ(sluice_engine_status(engine, &status, sizeof status), SLUICE_OK);
    return status.state;
}

TEST(states_follow_each_other_and_other_calls_are_refused)
{
    struct sluice_engine *engine = NULL;
    struct sluice_error error;
    struct sluice_engine_options options = good_options();
    struct sluice_process_record process = host_process();
    uint64_t size;
    void *blob = host_encode(&(struct host_change){.process = &process}, 1, &size);
    REQUIRE(sluice_engine_create(&options, sizeof options, &engine, &error) == SLUICE_OK);
    CHECK_EQ(state_of(engine), SLUICE_STATE_CREATED);
    CHECK_EQ(sluice_engine_apply(engine, blob, size, 0, &error), SLUICE_E_STATE);
    CHECK_EQ(sluice_engine_drain(engine, 0), SLUICE_E_STATE);
    REQUIRE(sluice_engine_start(engine, &error) == SLUICE_OK);
    CHECK_EQ(state_of(engine), SLUICE_STATE_RUNNING);
    CHECK_EQ(sluice_engine_start(engine, &error), SLUICE_E_STATE);
    CHECK_EQ(sluice_engine_destroy(engine), SLUICE_E_STATE);
    CHECK_EQ(sluice_engine_apply(engine, blob, size, 0, &error), SLUICE_OK);
    CHECK_EQ(sluice_engine_apply(engine, blob, size, 0x80, &error), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_engine_apply(engine, NULL, size, 0, &error), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_engine_drain(engine, 1000), SLUICE_OK);
    CHECK_EQ(state_of(engine), SLUICE_STATE_DRAINING);
    CHECK_EQ(sluice_engine_stop(engine), SLUICE_OK);
    CHECK_EQ(state_of(engine), SLUICE_STATE_STOPPED);
    struct sluice_session_filter all = {0};
    struct sluice_session_record record;
    uint64_t next;
    CHECK_EQ(sluice_sessions_kill(engine, &all, sizeof all, SLUICE_REASON_KILLED), SLUICE_E_STATE);
    CHECK_EQ(sluice_sessions_drain(engine, &all, sizeof all, 1), SLUICE_E_STATE);
    CHECK_EQ(sluice_sessions_read(engine, &all, sizeof all, 0, &record, sizeof record, &next), SLUICE_E_STATE);
    CHECK_EQ(sluice_engine_destroy(engine), SLUICE_OK);
    free(blob);
}

TEST(an_engine_that_was_never_started_can_be_destroyed)
{
    struct sluice_engine *engine = NULL;
    struct sluice_error error;
    struct sluice_engine_options options = good_options();
    REQUIRE(sluice_engine_create(&options, sizeof options, &engine, &error) == SLUICE_OK);
    CHECK_EQ(sluice_engine_destroy(engine), SLUICE_OK);
}

TEST(readers_refuse_buffers_that_hold_no_record)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "x"));
    scene_close_fd(&scene.client);
    REQUIRE(host_wait_total(&scene.host, TENANT, 1));
    struct sluice_engine *engine = scene.host.engine;
    char small[8];
    CHECK_EQ(sluice_stats_tenants(engine, 0, small, sizeof small), SLUICE_E_BUFFER);
    CHECK_EQ(sluice_stats_listeners(engine, 0, small, sizeof small), SLUICE_E_BUFFER);
    CHECK_EQ(sluice_stats_endpoints(engine, 0, small, sizeof small), SLUICE_E_BUFFER);
    CHECK_EQ(sluice_stats_workers(engine, 0, small, sizeof small), SLUICE_E_BUFFER);
    CHECK_EQ(sluice_stats_tenants(engine, 0, NULL, 100000), SLUICE_E_ARGUMENT);
    CHECK(sluice_engine_status(engine, small, sizeof small) < 0);
    CHECK(sluice_engine_status(engine, NULL, 64) < 0);
    CHECK(sluice_log_drain(engine, NULL, 64) < 0);
    struct sluice_tenant_stats tenants[3];
    CHECK_EQ(sluice_stats_tenants(engine, 0, tenants, sizeof tenants), 1);
    CHECK_EQ(sluice_stats_tenants(engine, 1, tenants, sizeof tenants), 0);
    CHECK_EQ(sluice_stats_tenants(engine, UINT32_MAX, tenants, sizeof tenants), 0);
    scene_end(&scene);
}

TEST(the_layout_covers_every_record_and_pages_on)
{
    struct sluice_layout_row rows[16];
    uint32_t first = 0;
    uint32_t records = 0;
    uint32_t constants = 0;
    int32_t count;
    bool found = false;
    CHECK_EQ(sluice_abi_layout(0, rows, sizeof rows[0] - 1), SLUICE_E_BUFFER);
    while ((count = sluice_abi_layout(first, rows, sizeof rows)) > 0) {
        for (int32_t i = 0; i < count; i++) {
            CHECK(memchr(rows[i].record, '\0', sizeof rows[i].record) != NULL);
            CHECK(memchr(rows[i].field, '\0', sizeof rows[i].field) != NULL);
            constants += strcmp(rows[i].record, "const") == 0;
            records += rows[i].field[0] == '\0';
            if (rows[i].field[0] == '\0') {
                CHECK_EQ(rows[i].size % 8, 0);
            }
            if (strcmp(rows[i].record, "tenant_record") == 0 && strcmp(rows[i].field, "drain_ms") == 0) {
                found = true;
                CHECK_EQ(rows[i].offset, offsetof(struct sluice_tenant_record, drain_ms));
                CHECK_EQ(rows[i].size, 8);
            }
        }
        first += (uint32_t)count;
    }
    CHECK_EQ(count, 0);
    CHECK(found);
    CHECK(records >= 18);
    CHECK(constants >= 40);
}

/* ---- Drain, stop, kill ---- */

TEST(drain_lets_sessions_finish_and_takes_no_new_ones)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "before"));
    int other = peer_connect(scene.port);
    CHECK(scene_echoes(other, "other"));
    CHECK_EQ(sluice_engine_drain(scene.host.engine, 300), SLUICE_OK);
    CHECK(peer_port_is_free(scene.port));
    CHECK(scene_echoes(scene.client, "during"));
    close(other);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_STRING(peer_fate(scene.client, 20000), "end");
    struct sluice_log_session session = scene_ended(&scene, "KD", SLUICE_REASON_DRAINED);
    CHECK(session.total_us >= 299000);
    CHECK(host_wait_active(&scene.host, 0));
    scene_end(&scene);
}

TEST(what_the_kernel_has_queued_is_served_before_draining)
{
    struct scene scene = scene_echo();
    int fds[30];
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < 30; i++) {
        fds[i] = peer_connect(scene.port);
        CHECK(fds[i] != -1);
    }
    CHECK_EQ(sluice_engine_drain(scene.host.engine, 60000), SLUICE_OK);
    for (unsigned i = 0; i < 30; i++) {
        CHECK(scene_echoes(fds[i], "served"));
        close(fds[i]);
    }
    REQUIRE(host_wait_active(&scene.host, 0));
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).closed[0], 30);
    scene_end(&scene);
}

TEST(a_second_drain_may_shorten_the_first)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "x"));
    CHECK_EQ(sluice_engine_drain(scene.host.engine, 60000), SLUICE_OK);
    CHECK_EQ(sluice_engine_drain(scene.host.engine, 0), SLUICE_OK);
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    scene_ended(&scene, "KD", SLUICE_REASON_DRAINED);
    scene_end(&scene);
}

TEST(stop_closes_what_is_alive_and_says_so)
{
    enum { SESSIONS = 20 };
    struct scene scene = scene_scripted();
    int fds[SESSIONS][2];
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < SESSIONS; i++) {
        REQUIRE(scene_connect(&scene));
        fds[i][0] = scene.client;
        fds[i][1] = scene.server;
    }
    scene.client = -1;
    scene.server = -1;
    /* Some with bytes stuck on the way. */
    static char bytes[1 << 20];
    for (unsigned i = 0; i < SESSIONS; i += 2) {
        while (send(fds[i][1], bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
        }
    }
    REQUIRE(host_wait_active(&scene.host, SESSIONS));
    CHECK_EQ(sluice_engine_stop(scene.host.engine), SLUICE_OK);
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct sluice_log_session session;
        REQUIRE(host_next_session(&scene.host, &session));
        CHECK_EQ(session.reason, SLUICE_REASON_DRAINED);
        CHECK_STRING(host_code(session.code), "KD");
    }
    CHECK_STRING(host_verify(&scene.host), "");
    CHECK_EQ(sluice_engine_destroy(scene.host.engine), SLUICE_OK);
    scene.host.engine = NULL;
    for (unsigned i = 0; i < SESSIONS; i++) {
        CHECK(strcmp(peer_fate(fds[i][1], 10000), "open") != 0);
        close(fds[i][0]);
        close(fds[i][1]);
    }
    free(scene.host.sessions);
    close(scene.backend);
}

TEST(engines_come_and_go_without_leaving_anything)
{
    for (unsigned i = 0; i < 10; i++) {
        struct scene scene = scene_echo();
        REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
        CHECK(scene_echoes(scene.client, "x"));
        scene_end(&scene);
    }
}
