/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: each timeout, what it counts as, and what puts it off. */
#include <sys/socket.h>

#include "scene.h"

#define MS UINT64_C(1000) /* in us */
#define LATE_MS 8000u     /* later than that is not in time on any machine */

/* The session lasted at least so long, and not much longer. */
static void check_duration(const struct sluice_log_session *session, uint64_t least_ms)
{
    CHECK(session->total_us >= least_ms * MS);
    CHECK(session->total_us < (least_ms + LATE_MS) * MS);
}

TEST(idle_after_the_endpoint_spoke_is_the_clients)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.idle_ms = 150;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 10) && peer_check_stream(scene.server, 1, 10));
    CHECK(peer_send_stream(scene.server, 2, 10) && peer_check_stream(scene.client, 2, 10));
    CHECK_STRING(peer_fate(scene.client, 20000), "end");
    CHECK_STRING(peer_fate(scene.server, 20000), "end");
    struct sluice_log_session session = scene_ended(&scene, "cD", SLUICE_REASON_IDLE_TIMEOUT);
    check_duration(&session, 150);
    scene_end(&scene);
}

TEST(idle_after_the_client_spoke_is_the_endpoints)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.idle_ms = 150;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 10) && peer_check_stream(scene.server, 1, 10));
    CHECK_STRING(peer_fate(scene.client, 20000), "end");
    struct sluice_log_session session = scene_ended(&scene, "sD", SLUICE_REASON_IDLE_TIMEOUT);
    check_duration(&session, 150);
    scene_end(&scene);
}

TEST(a_session_without_a_byte_is_idle_too)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.idle_ms = 100;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    struct sluice_log_session session = scene_ended(&scene, "cD", SLUICE_REASON_IDLE_TIMEOUT);
    check_duration(&session, 100);
    scene_end(&scene);
}

TEST(bytes_in_either_direction_put_idle_off)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.idle_ms = 400;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    for (unsigned i = 0; i < 12; i++) {
        int from = i % 2 == 0 ? scene.client : scene.server;
        int to = i % 2 == 0 ? scene.server : scene.client;
        REQUIRE(peer_send(from, "x", 1));
        char byte;
        REQUIRE(peer_receive(to, &byte, 1));
        CHECK(!peer_readable(scene.client, 100)); /* nothing happens for a while */
    }
    struct sluice_log_session session = scene_ended(&scene, "cD", SLUICE_REASON_IDLE_TIMEOUT);
    check_duration(&session, 11 * 100 + 400);
    scene_end(&scene);
}

TEST(an_endpoint_that_never_says_a_word)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.first_byte_ms = 150;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send(scene.client, "?", 1));
    CHECK_STRING(peer_fate(scene.client, 20000), "end");
    struct sluice_log_session session = scene_ended(&scene, "sD", SLUICE_REASON_FIRST_BYTE_TIMEOUT);
    check_duration(&session, 150);
    CHECK_EQ(session.first_byte_us, SLUICE_NEVER);
    scene_end(&scene);
}

TEST(after_the_first_byte_there_is_no_first_byte_timeout)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.first_byte_ms = 100;
    scene.tenant.record.idle_ms = 500;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.server, 1, 1) && peer_check_stream(scene.client, 1, 1));
    struct sluice_log_session session = scene_ended(&scene, "cD", SLUICE_REASON_IDLE_TIMEOUT);
    check_duration(&session, 500);
    scene_end(&scene);
}

/* An endpoint that ends without a word has answered: it only takes, and half_close watches over that. */
TEST(an_endpoint_that_has_finished_is_not_waited_for)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.first_byte_ms = 100;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    peer_end(scene.server);
    CHECK(peer_at_end(scene.client));
    CHECK(!peer_readable(scene.server, 300));
    CHECK(peer_send_stream(scene.client, 1, 100) && peer_check_stream(scene.server, 1, 100));
    scene_close_fd(&scene.client);
    CHECK(peer_at_end(scene.server));
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

TEST(a_client_that_has_finished_waits_for_a_silent_endpoint)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.half_close_ms = 150;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    peer_end(scene.client);
    CHECK(peer_at_end(scene.server));
    CHECK_STRING(peer_fate(scene.client, 20000), "end");
    struct sluice_log_session session = scene_ended(&scene, "sL", SLUICE_REASON_HALF_CLOSE_TIMEOUT);
    check_duration(&session, 150);
    scene_end(&scene);
}

TEST(an_endpoint_that_has_finished_waits_for_a_silent_client)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.half_close_ms = 150;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    peer_end(scene.server);
    CHECK(peer_at_end(scene.client));
    struct sluice_log_session session = scene_ended(&scene, "cL", SLUICE_REASON_HALF_CLOSE_TIMEOUT);
    check_duration(&session, 150);
    scene_end(&scene);
}

/* It begins with the end of a side, however long nothing had moved before. */
TEST(half_close_begins_when_a_side_ends)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.half_close_ms = 400;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(!peer_readable(scene.client, 700)); /* quiet for longer than half_close allows */
    peer_end(scene.client);
    CHECK(peer_at_end(scene.server));
    CHECK(!peer_readable(scene.client, 250)); /* not ended at once: the endpoint still may answer */
    CHECK(peer_send_stream(scene.server, 1, 100) && peer_check_stream(scene.client, 1, 100));
    CHECK_STRING(peer_fate(scene.client, 20000), "end");
    struct sluice_log_session session = scene_ended(&scene, "sL", SLUICE_REASON_HALF_CLOSE_TIMEOUT);
    check_duration(&session, 700 + 250 + 400);
    scene_end(&scene);
}

TEST(bytes_put_half_close_off_and_it_takes_the_place_of_idle)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.half_close_ms = 400;
    scene.tenant.record.idle_ms = 50;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    peer_end(scene.client);
    CHECK(peer_at_end(scene.server));
    for (unsigned i = 0; i < 8; i++) {
        char byte;
        REQUIRE(peer_send(scene.server, "x", 1) && peer_receive(scene.client, &byte, 1));
        CHECK(!peer_readable(scene.client, 100));
    }
    struct sluice_log_session session = scene_ended(&scene, "sL", SLUICE_REASON_HALF_CLOSE_TIMEOUT);
    check_duration(&session, 7 * 100 + 400);
    scene_end(&scene);
}

TEST(nothing_puts_max_duration_off)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.max_duration_ms = 400;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    char byte;
    unsigned rounds = 0;
    while (rounds < 1000 && peer_send(scene.client, "x", 1) && peer_receive(scene.server, &byte, 1)) {
        rounds++;
        peer_readable(scene.client, 20);
    }
    CHECK(rounds > 1 && rounds < 1000);
    struct sluice_log_session session = scene_ended(&scene, "PD", SLUICE_REASON_MAX_DURATION);
    check_duration(&session, 400);
    scene_end(&scene);
}

TEST(jitter_shortens_max_duration_differently_for_each_session)
{
    enum { SESSIONS = 20 };
    struct scene scene = scene_scripted();
    scene.tenant.record.max_duration_ms = 1000;
    scene.tenant.record.max_duration_jitter_ppm = 900000;
    REQUIRE(scene_start(&scene, 1));
    int fds[SESSIONS][2];
    for (unsigned i = 0; i < SESSIONS; i++) {
        REQUIRE(scene_connect(&scene));
        fds[i][0] = scene.client;
        fds[i][1] = scene.server;
    }
    scene.client = -1;
    scene.server = -1;
    uint64_t shortest = UINT64_MAX;
    uint64_t longest = 0;
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct sluice_log_session session = scene_ended(&scene, "PD", SLUICE_REASON_MAX_DURATION);
        shortest = session.total_us < shortest ? session.total_us : shortest;
        longest = session.total_us > longest ? session.total_us : longest;
        CHECK(session.total_us >= 99 * MS);
    }
    CHECK(longest - shortest > 200 * MS); /* 20 draws from 900 ms: closer together once in 10^11 runs */
    for (unsigned i = 0; i < SESSIONS; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    scene_end(&scene);
}

/* The stuck side takes no more within the time that the caller waits. */
static bool push(void *context)
{
    static char bytes[65536];
    while (send(*(const int *)context, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
    }
    return false;
}

TEST(bytes_stuck_towards_the_endpoint_make_idle_the_endpoints)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.idle_ms = 300;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    host_eventually(push, &scene.client, 100);
    scene_ended(&scene, "sD", SLUICE_REASON_IDLE_TIMEOUT);
    scene_end(&scene);
}

static bool has_progress(void *context)
{
    struct host *host = context;
    host_read_log(host);
    return host->progress_count >= 3;
}

TEST(a_long_session_tells_of_its_progress)
{
    struct scene scene = scene_scripted();
    struct sluice_process_record process = host_process();
    process.access_progress_ms = 50;
    REQUIRE(scene_start(&scene, 1));
    CHECK_EQ(host_change(&scene.host, &(struct host_change){.process = &process}), SLUICE_OK);
    REQUIRE(scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 77) && peer_check_stream(scene.server, 1, 77));
    CHECK(host_eventually(has_progress, &scene.host, HOST_WAIT_MS));
    CHECK_EQ(scene.host.progress.bytes_up, 77);
    CHECK_EQ(scene.host.progress.tenant, TENANT);
    CHECK(scene.host.progress.total_us >= 50 * MS);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}
