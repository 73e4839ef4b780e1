/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: sessions wait for a limit in order, within the size and the time of their queue, and
 * leave it when their client, an operator or a timeout ends them. */
#include <stdlib.h>
#include <sys/socket.h>

#include "line.h"

#define MS UINT64_C(1000) /* in us */

/* ---- Order, size, time ---- */

static void check_order(uint32_t workers)
{
    enum { CLIENTS = 30 };
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, workers));
    for (unsigned i = 0; i < CLIENTS; i++) {
        line_join(&line, false);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        CHECK_EQ(line_serve_next(&line), i);
        CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).sessions_active, 1);
        CHECK(peer_send(line.scene.server, "ok", 2));
        char answer[2];
        CHECK(peer_receive(line.clients[i], answer, 2));
        scene_close_fd(&line.clients[i]);
    }
    line_close(&line);
}

TEST(who_came_first_is_served_first)
{
    check_order(1);
}

TEST(who_came_first_is_served_first_whichever_worker_has_it)
{
    check_order(4);
}

/* What comes while others wait does not overtake them, even when a place is free just then. */
TEST(who_arrives_goes_behind_those_who_wait)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 4));
    line_join(&line, false);
    for (unsigned i = 0; i < 50; i++) {
        /* The one before may still be counted as waiting: who waits now was accepted, too. */
        CHECK(host_wait_total(&line.scene.host, TENANT, i + 2));
        host_settle(&line.scene.host);
        CHECK(host_wait_queue(&line.scene.host, TENANT, 1));
        int late = peer_connect(line.scene.port);
        uint8_t number = (uint8_t)(i + 1);
        CHECK(peer_send(late, &number, 1));
        CHECK_EQ(line_serve_next(&line), i);
        scene_close_fd(&line.clients[0]);
        line.clients[0] = late;
    }
    line_close(&line);
}

TEST(no_more_wait_than_the_queue_holds)
{
    enum { SIZE = 7, CLIENTS = 40 };
    struct line line = line_of(scene_scripted());
    line.scene.tenant.record.limits.queue_size = SIZE;
    REQUIRE(line_open(&line, 4));
    for (; line.count < CLIENTS; line.count++) {
        line.clients[line.count] = peer_connect(line.scene.port);
    }
    CHECK(host_wait_refused(&line.scene.host, TENANT, SLUICE_REASON_QUEUE_FULL, CLIENTS - SIZE));
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).queue_length, SIZE);
    unsigned waiting = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        waiting += strcmp(peer_fate(line.clients[i], 0), "open") == 0;
    }
    CHECK_EQ(waiting, SIZE);
    for (unsigned i = 0; i < CLIENTS - SIZE; i++) {
        struct sluice_log_session session = scene_ended(&line.scene, "PQ", SLUICE_REASON_QUEUE_FULL);
        CHECK_EQ(session.queue_us, SLUICE_NEVER);
    }
    line_close(&line);
}

TEST(a_queue_without_a_place_refuses)
{
    struct line line = line_of(scene_scripted());
    line.scene.tenant.record.limits.queue_size = 0;
    REQUIRE(line_open(&line, 1));
    int fd = peer_connect(line.scene.port);
    CHECK_STRING(peer_fate(fd, 10000), "end");
    close(fd);
    scene_ended(&line.scene, "PQ", SLUICE_REASON_QUEUE_FULL);
    line_close(&line);
}

TEST(who_has_waited_too_long_is_refused)
{
    struct line line = line_of(scene_scripted());
    line.scene.tenant.record.limits.queue_timeout_ms = 150;
    REQUIRE(line_open(&line, 2));
    int fd = line_join(&line, true);
    CHECK_STRING(peer_fate(fd, 20000), "end");
    struct sluice_log_session session = scene_ended(&line.scene, "sQ", SLUICE_REASON_QUEUE_TIMEOUT);
    CHECK(session.queue_us >= 150 * MS && session.queue_us <= session.total_us);
    CHECK_EQ(session.connect_us, SLUICE_NEVER);
    CHECK_EQ(session.attempts, 0);
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).refused[SLUICE_REASON_QUEUE_TIMEOUT], 1);
    line_close(&line);
}

/* And who waits does not idle, nor is it waited for a connection or a byte. */
TEST(a_queue_timeout_of_zero_is_no_end)
{
    struct line line = line_of(scene_scripted());
    line.scene.tenant.record.limits.queue_timeout_ms = 0;
    line.scene.tenant.record.idle_ms = 1000;
    line.scene.tenant.record.connect_ms = 100;
    line.scene.tenant.record.first_byte_ms = 1000;
    REQUIRE(line_open(&line, 1));
    CHECK(peer_send(line.scene.server, "x", 1));
    int fd = line_join(&line, false);
    for (unsigned i = 0; i < 13; i++) {
        CHECK(peer_send(line.scene.server, "x", 1)); /* who is in does not idle */
        CHECK(!peer_readable(fd, 100));
    }
    CHECK_EQ(line_serve_next(&line), 0);
    line_close(&line);
}

/* ---- What is told ---- */

TEST(a_session_that_waits_is_told_as_waiting)
{
    const struct sluice_session_filter all = {0};
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 2));
    int fd = line_join(&line, false);
    struct sluice_session_record records[4];
    uint64_t cursor;
    int32_t count = sluice_sessions_read(line.scene.host.engine, &all, sizeof all, 0, records, sizeof records, &cursor);
    REQUIRE(count == 2);
    const struct sluice_session_record *waiting = &records[records[0].state == SLUICE_SESSION_QUEUED ? 0 : 1];
    const struct sluice_session_record *served = &records[records[0].state == SLUICE_SESSION_QUEUED ? 1 : 0];
    CHECK_EQ(waiting->state, SLUICE_SESSION_QUEUED);
    CHECK(waiting->session.queue_us <= waiting->session.total_us);
    CHECK_EQ(waiting->session.client_port, peer_port(fd));
    CHECK_EQ(waiting->session.attempts, 0);
    CHECK_EQ(waiting->session.endpoint, 0);
    CHECK_EQ(waiting->session.listener, host_listener_id(&line.scene.tenant, 0));
    CHECK_EQ(waiting->drain_in_ms, SLUICE_NEVER);
    CHECK_EQ(served->state, SLUICE_SESSION_RELAYING);
    CHECK_EQ(served->session.queue_us, SLUICE_NEVER);
    struct sluice_tenant_stats stats = host_tenant_stats(&line.scene.host, TENANT);
    CHECK_EQ(stats.sessions_active, 1);
    CHECK_EQ(stats.queue_length, 1);
    CHECK_EQ(stats.sessions_total, 2);
    CHECK_EQ(host_status(&line.scene.host).sessions_active, 2);
    line_close(&line);
}

TEST(how_long_a_session_has_waited_is_in_its_record)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 2));
    int fd = line_join(&line, false);
    CHECK(!peer_readable(fd, 120));
    CHECK_EQ(line_serve_next(&line), 0);
    CHECK(!peer_readable(fd, 60)); /* it goes on; it waits no more */
    scene_close_fd(&line.scene.server);
    CHECK(peer_at_end(fd));
    scene_close_fd(&line.clients[0]);
    /* The records of two workers come in any order. */
    struct sluice_log_session first = scene_ended(&line.scene, "--", SLUICE_REASON_OK);
    struct sluice_log_session session = scene_ended(&line.scene, "--", SLUICE_REASON_OK);
    if (first.queue_us != SLUICE_NEVER) {
        struct sluice_log_session swap = first;
        first = session;
        session = swap;
    }
    CHECK_EQ(first.queue_us, SLUICE_NEVER);
    CHECK(session.queue_us >= 100 * MS);
    CHECK(session.queue_us + 50 * MS <= session.total_us);
    CHECK_EQ(session.bytes_up, 1);
    line_close(&line);
}

/* ---- Clients that leave, or do not ---- */

TEST(a_client_that_closes_without_a_word_leaves)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 2));
    line_join(&line, true);
    line_join(&line, false);
    scene_close_fd(&line.clients[0]);
    struct sluice_log_session session = scene_ended(&line.scene, "CQ", SLUICE_REASON_CLIENT_ABORT);
    CHECK(session.queue_us != SLUICE_NEVER);
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).queue_length, 1);
    CHECK_EQ(line_serve_next(&line), 1);
    line_close(&line);
}

/* Half a close without a word before it is as good as one. */
TEST(a_client_that_only_ends_leaves)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 2));
    peer_end(line_join(&line, true));
    scene_ended(&line.scene, "CQ", SLUICE_REASON_CLIENT_ABORT);
    CHECK(peer_at_end(line.clients[0]));
    line_close(&line);
}

TEST(a_client_that_was_gone_before_it_began_to_wait_leaves)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 2));
    for (unsigned i = 0; i < 20; i++) {
        close(peer_connect(line.scene.port));
        scene_ended(&line.scene, "CQ", SLUICE_REASON_CLIENT_ABORT);
    }
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).queue_length, 0);
    line_close(&line);
}

TEST(a_client_that_has_asked_and_ended_gets_its_answer)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 2));
    int fd = line_join(&line, false);
    peer_end(fd);
    CHECK(!peer_readable(fd, 100));
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).queue_length, 1);
    CHECK_EQ(line_serve_next(&line), 0);
    CHECK(peer_at_end(line.scene.server));
    CHECK(peer_send(line.scene.server, "answer", 7));
    scene_close_fd(&line.scene.server);
    char answer[7] = "";
    CHECK(peer_receive(fd, answer, 7) && peer_at_end(fd));
    CHECK_STRING(answer, "answer");
    line_close(&line);
}

TEST(a_client_that_has_asked_and_resets_leaves)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 2));
    peer_reset(line_join(&line, false));
    line.clients[0] = -1;
    scene_ended(&line.scene, "CQ", SLUICE_REASON_CLIENT_ABORT);
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).queue_length, 0);
    line_close(&line);
}

/* First it ends, which it may; then it is gone for good. */
TEST(a_client_that_resets_after_its_end_leaves)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 2));
    int fd = line_join(&line, false);
    peer_end(fd);
    CHECK(!peer_readable(fd, 50));
    peer_reset(fd);
    line.clients[0] = -1;
    scene_ended(&line.scene, "CQ", SLUICE_REASON_CLIENT_ABORT);
    line_close(&line);
}

TEST(clients_of_unix_sockets_leave_and_stay_as_others)
{
    char path[108] = {0};
    struct line line = line_of(scene_scripted());
    snprintf(path + 1, sizeof path - 1, "sluice-test-queue-%d", (int)getpid());
    size_t length = 1 + strlen(path + 1);
    host_add_listener(&line.scene.tenant, host_abstract(path + 1), 0)->port_last = 0;
    REQUIRE(line_open(&line, 2));
    int silent = peer_connect_unix(path, length);
    CHECK(host_wait_queue(&line.scene.host, TENANT, 1));
    close(silent);
    scene_ended(&line.scene, "CQ", SLUICE_REASON_CLIENT_ABORT);
    int asks = peer_connect_unix(path, length);
    uint8_t number = 42;
    CHECK(peer_send(asks, &number, 1));
    peer_end(asks);
    CHECK(host_wait_queue(&line.scene.host, TENANT, 1));
    CHECK(!peer_readable(asks, 50));
    CHECK_EQ(line_serve_next(&line), 42);
    CHECK(peer_send(line.scene.server, "ok", 2));
    scene_close_fd(&line.scene.server);
    char answer[2];
    CHECK(peer_receive(asks, answer, 2) && peer_at_end(asks));
    close(asks);
    line_close(&line);
}

/* ---- Operators and other ends ---- */

TEST(a_session_that_waits_can_be_killed)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 4));
    for (unsigned i = 0; i < 10; i++) {
        line_join(&line, false);
    }
    const struct sluice_session_filter others = {.source_family = SLUICE_FAMILY_IPV6};
    CHECK_EQ(sluice_sessions_kill(line.scene.host.engine, &others, sizeof others, SLUICE_REASON_KILLED), 0);
    const struct sluice_session_filter all = {0};
    CHECK_EQ(sluice_sessions_kill(line.scene.host.engine, &all, sizeof all, SLUICE_REASON_KILLED), 11);
    unsigned queued = 0;
    for (unsigned i = 0; i < 11; i++) {
        struct sluice_log_session session;
        REQUIRE(host_next_session(&line.scene.host, &session));
        CHECK_EQ(session.reason, SLUICE_REASON_KILLED);
        queued += strcmp(host_code(session.code), "KQ") == 0;
    }
    /* As those go that were in before them, some are let in, to be killed a moment later. */
    CHECK(queued >= 6 && queued <= 10);
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).queue_length, 0);
    line_close(&line);
}

TEST(a_session_that_waits_can_be_drained)
{
    const struct sluice_session_filter all = {0};
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 2));
    line_join(&line, false);
    CHECK_EQ(sluice_sessions_drain(line.scene.host.engine, &all, sizeof all, 100), 2);
    for (unsigned i = 0; i < 2; i++) {
        struct sluice_log_session session;
        REQUIRE(host_next_session(&line.scene.host, &session));
        CHECK_EQ(session.reason, SLUICE_REASON_DRAINED);
        CHECK(session.total_us >= 100 * MS || session.queue_us != SLUICE_NEVER);
    }
    line_close(&line);
}

/* Who waits keeps the time that it was given for all of its life. */
TEST(waiting_counts_as_duration)
{
    struct line line = line_of(scene_scripted());
    line.scene.tenant.record.max_duration_ms = 300;
    REQUIRE(line_open(&line, 1));
    int fd = line_join(&line, true);
    CHECK_STRING(peer_fate(fd, 20000), "end");
    scene_ended(&line.scene, "PD", SLUICE_REASON_MAX_DURATION);
    struct sluice_log_session session;
    REQUIRE(host_next_session(&line.scene.host, &session));
    CHECK_EQ(session.reason, SLUICE_REASON_MAX_DURATION);
    CHECK(session.total_us >= 300 * MS);
    line_close(&line);
}

TEST(an_engine_that_stops_ends_those_who_wait)
{
    struct line line = line_of(scene_scripted());
    struct host *host = &line.scene.host;
    REQUIRE(line_open(&line, 4));
    for (unsigned i = 0; i < 10; i++) {
        line_join(&line, false);
    }
    CHECK_EQ(sluice_engine_stop(host->engine), SLUICE_OK);
    host_read_log(host);
    CHECK_EQ(host->session_count, 11);
    unsigned queued = 0;
    for (unsigned i = 0; i < host->session_count; i++) {
        CHECK_EQ(host->sessions[i].reason, SLUICE_REASON_DRAINED);
        queued += strcmp(host_code(host->sessions[i].code), "KQ") == 0;
    }
    /* A worker that stops later than another may let in who waited for what that gives back. */
    CHECK(queued > 0 && queued <= 10);
    CHECK_EQ(host_tenant_stats(host, TENANT).queue_length, 0);
    for (unsigned i = 0; i < 10; i++) {
        CHECK_STRING(peer_fate(line.clients[i], 1000), "end");
        close(line.clients[i]);
    }
    CHECK_EQ(sluice_engine_destroy(host->engine), SLUICE_OK);
    free(host->sessions);
    scene_close_fd(&line.scene.client);
    scene_close_fd(&line.scene.server);
    scene_close_fd(&line.scene.backend);
}

TEST(an_engine_that_drains_serves_those_who_wait_while_it_may)
{
    struct line line = line_of(scene_scripted());
    REQUIRE(line_open(&line, 4));
    for (unsigned i = 0; i < 5; i++) {
        line_join(&line, false);
    }
    CHECK_EQ(sluice_engine_drain(line.scene.host.engine, 500), SLUICE_OK);
    CHECK_EQ(line_serve_next(&line), 0);
    REQUIRE(host_wait_active(&line.scene.host, 0));
    for (unsigned i = 0; i < 5; i++) {
        CHECK_STRING(peer_fate(line.clients[i], 1000), "end");
    }
    line_close(&line);
}
