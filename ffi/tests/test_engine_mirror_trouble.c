/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: mirrors that do not work, go, or want what sessions need. Whatever becomes of one, the
 * session does not notice. */
#include "mirror_scene.h"

/* ---- Mirrors that are of no use ---- */

/* A stream that its mirror cannot follow: `bytes` go up, and as many down. */
static void stream_both_ways(struct scene *scene, uint64_t bytes)
{
    struct peer_task *tasks[] = {peer_start_send(scene->client, 1, bytes, false),
                                 peer_start_check(scene->server, 1, bytes),
                                 peer_start_send(scene->server, 2, bytes, false)};
    CHECK(peer_check_stream(scene->client, 2, bytes));
    for (unsigned i = 0; i < 3; i++) {
        CHECK(peer_join(tasks[i]));
    }
}

TEST(a_mirror_that_does_not_read_is_cut)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    peer_small_buffers(shadow);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    stream_both_ways(&scene, 16 * MIB);
    CHECK(!peer_drain(copy)); /* ends with a reset */
    CHECK_EQ(shadow_stats(&scene).sessions_active, 0);
    check_alive(&scene);
    scene_close_fd(&scene.client);
    CHECK(peer_at_end(scene.server));
    scene_close_fd(&scene.server);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.bytes_up, 16 * MIB + 5000);
    CHECK_EQ(session.bytes_down, 16 * MIB + 5000);
    close(copy);
    end_mirrored(&scene, &shadow);
}

TEST(a_mirror_that_refuses)
{
    int none = -1;
    struct scene scene = scene_scripted();
    add_mirror(&scene, host_ipv4(peer_unused_port()));
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    check_alive(&scene);
    wait_fds(&scene, 2);
    stream_both_ways(&scene, 4 * MIB);
    end_mirrored(&scene, &none);
}

TEST(a_mirror_that_resets)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    CHECK(peer_send_stream(scene.client, 1, 100) && peer_check_stream(scene.server, 1, 100));
    peer_reset(copy);
    wait_fds(&scene, 2);
    stream_both_ways(&scene, 4 * MIB);
    end_mirrored(&scene, &shadow);
}

TEST(a_mirror_that_closes)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    close(copy);
    stream_both_ways(&scene, 4 * MIB);
    CHECK_EQ(shadow_stats(&scene).sessions_active, 0);
    end_mirrored(&scene, &shadow);
}

TEST(a_mirror_that_says_its_end_first_still_gets_the_rest)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    CHECK(peer_send(copy, "bye", 3));
    peer_end(copy);
    check_alive(&scene);
    CHECK(peer_check_stream(copy, 77, 5000));
    scene_close_fd(&scene.client);
    CHECK(peer_at_end(copy) && peer_at_end(scene.server));
    wait_fds(&scene, 2); /* it needs no time after its session */
    close(copy);
    end_mirrored(&scene, &shadow);
}

TEST(a_mirror_that_answers_much)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    struct peer_task *answers = peer_start_send(copy, 9, 32 * MIB, false);
    for (unsigned i = 0; i < 50; i++) {
        check_alive(&scene);
        CHECK(peer_check_stream(copy, 77, 5000));
    }
    CHECK(peer_join(answers)); /* all of it was taken */
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).bytes_down, 50 * 5000);
    close(copy);
    end_mirrored(&scene, &shadow);
}

/* A listener whose queue is full: further connects get no answer. */
static int deaf_listener(int fillers[4])
{
    int listener = peer_listen(0);
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    CHECK(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    for (unsigned i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fillers[i], (struct sockaddr *)&address, length);
        struct pollfd poll_fd = {.fd = fillers[i], .events = POLLOUT};
        poll(&poll_fd, 1, 50);
    }
    return listener;
}

TEST(a_mirror_that_does_not_answer_is_cut_when_it_holds_too_much_or_its_time_is_over)
{
    int fillers[4];
    int shadow = deaf_listener(fillers);
    struct scene scene = scene_scripted();
    add_mirror(&scene, host_ipv4(peer_port(shadow)));
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    check_alive(&scene);
    CHECK_EQ(host_session_fds(&scene.host), 3);
    for (unsigned i = 0; i < 20; i++) {
        CHECK(peer_send_stream(scene.client, i, 4000) && peer_check_stream(scene.server, i, 4000));
    }
    CHECK_EQ(host_session_fds(&scene.host), 2);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);

    /* One that holds little has some time when its session is over; two, so that one timer serves both. */
    for (unsigned i = 0; i < 2; i++) {
        REQUIRE(scene_connect(&scene));
        check_alive(&scene);
        scene_close_fd(&scene.client);
        scene_close_fd(&scene.server);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
    }
    CHECK_EQ(host_session_fds(&scene.host), 2);
    wait_fds(&scene, 0);
    end_mirrored(&scene, &shadow);
    for (unsigned i = 0; i < 4; i++) {
        close(fillers[i]);
    }
}

/* ---- Ends of sessions ---- */

TEST(a_client_that_resets)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    CHECK(peer_send_stream(scene.client, 1, 100) && peer_check_stream(scene.server, 1, 100));
    peer_reset(scene.client);
    scene.client = -1;
    CHECK(peer_at_reset(scene.server));
    CHECK(peer_check_stream(copy, 1, 100) && peer_at_end(copy));
    scene_ended(&scene, "CD", SLUICE_REASON_CLIENT_ABORT);
    close(copy);
    end_mirrored(&scene, &shadow);
}

TEST(an_endpoint_that_refuses_has_no_mirror)
{
    int shadow = peer_listen(16);
    struct scene scene = {.backend = -1, .client = -1, .server = -1};
    scene.tenant = host_simple_tenant(TENANT, peer_unused_port());
    add_mirror(&scene, host_ipv4(peer_port(shadow)));
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    scene_ended(&scene, "SC", SLUICE_REASON_CONNECT_REFUSED);
    CHECK(!peer_readable(shadow, 0));
    end_mirrored(&scene, &shadow);
}

TEST(a_mirror_goes_when_its_backend_does_and_the_session_stays)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    check_alive(&scene);
    struct host_tenant without = scene.tenant;
    without.record.backend_count = 1;
    without.record.mirror_backend = 0;
    CHECK_EQ(host_apply(&scene.host, &without, 1), SLUICE_OK);
    CHECK(!peer_drain(copy));
    check_alive(&scene);
    wait_fds(&scene, 2);
    close(copy);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_end(&scene);
    scene_close_fd(&shadow);
}

TEST(a_mirror_goes_with_its_tenant)
{
    static const uint32_t id = TENANT;
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    struct host_change change = {.removed = &id, .removed_count = 1};
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    check_alive(&scene);
    CHECK_EQ(host_change(&scene.host, &change), SLUICE_OK);
    CHECK(!peer_drain(copy));
    check_alive(&scene); /* it has the tenant's drain */
    close(copy);
    scene_end(&scene);
    scene_close_fd(&shadow);
}

TEST(an_engine_that_stops_waits_for_no_mirror)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    check_alive(&scene);
    int copies[2] = {peer_accept(shadow), -1};
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_ended(&scene, "--", SLUICE_REASON_OK); /* its mirror goes on for a while */
    REQUIRE(scene_connect(&scene));
    check_alive(&scene);
    copies[1] = peer_accept(shadow);
    CHECK_STRING(host_close(&scene.host), "");
    for (unsigned i = 0; i < 2; i++) {
        CHECK(peer_check_stream(copies[i], 77, 5000));
        close(copies[i]);
    }
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_close_fd(&scene.backend);
    scene_close_fd(&shadow);
}

/* ---- Shares and places ---- */

TEST(a_share_of_the_sessions_is_mirrored)
{
    enum { SESSIONS = 600 };
    int shadow;
    struct scene scene = mirrored_scene(scene_echo(), &shadow);
    scene.tenant.record.mirror_share_ppm = 250000;
    REQUIRE(scene_start(&scene, 2));
    unsigned copies = 0;
    for (unsigned i = 0; i < SESSIONS; i++) {
        scene.client = peer_connect(scene.port);
        CHECK(scene_echoes(scene.client, "one of many"));
        scene_close_fd(&scene.client);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
        while (peer_readable(shadow, 0)) {
            char text[11];
            int copy = peer_accept(shadow);
            CHECK(peer_receive(copy, text, 11) && memcmp(text, "one of many", 11) == 0 && peer_at_end(copy));
            close(copy);
            copies++;
        }
    }
    /* Within 6.5 deviations of a quarter. */
    double distance = copies - SESSIONS * 0.25;
    CHECK(distance * distance <= 6.5 * 6.5 * SESSIONS * 0.25 * 0.75);
    scene.tenant.record.mirror_share_ppm = 0;
    scene_apply(&scene);
    for (unsigned i = 0; i < 30; i++) {
        scene_visit(&scene, LOOPBACK);
    }
    CHECK(!peer_readable(shadow, 0));
    wait_fds(&scene, 0);
    end_mirrored(&scene, &shadow);
}

TEST(a_mirror_needs_a_place_at_its_endpoint)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_echo(), &shadow);
    scene.tenant.backends[SHADOW].endpoints[0].record.max_connections = 1;
    REQUIRE(scene_start(&scene, 2));
    for (unsigned round = 0; round < 3; round++) {
        int clients[3];
        for (unsigned i = 0; i < 3; i++) {
            clients[i] = scene_enter(&scene, LOOPBACK);
        }
        CHECK_EQ(shadow_stats(&scene).sessions_active, 1);
        int copy = peer_accept(shadow);
        CHECK(!peer_readable(shadow, 0));
        close(copy);
        for (unsigned i = 0; i < 3; i++) {
            scene_close_fd(&clients[i]);
        }
        wait_fds(&scene, 0);
    }
    end_mirrored(&scene, &shadow);
}

/* A session of another listener waits for the place that a mirror has. */
TEST(a_place_that_a_mirror_gives_back_is_given_to_who_waits)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_echo(), &shadow);
    host_add_listener(&scene.tenant, host_ipv4(0), SHADOW);
    scene.tenant.backends[SHADOW].endpoints[0].record.max_connections = 1;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.record.limits.queue_timeout_ms = 0;
    REQUIRE(scene_start(&scene, 2));
    scene.client = scene_enter(&scene, LOOPBACK);
    int copy = peer_accept(shadow);
    int waiting = peer_connect(host_port(&scene.host, host_listener_id(&scene.tenant, 1)));
    CHECK(host_wait_queue(&scene.host, TENANT, 1));
    int other = scene_enter(&scene, LOOPBACK); /* gets no mirror in front of it */
    CHECK(peer_readable(copy, 10000));
    close(copy);
    CHECK(host_wait_queue(&scene.host, TENANT, 0));
    copy = peer_accept(shadow);
    CHECK(peer_send(waiting, "in?", 3) && peer_readable(copy, 10000));
    close(copy);
    close(waiting);
    close(other);
    scene_close_fd(&scene.client);
    scene_end(&scene);
    scene_close_fd(&shadow);
}

TEST(mirrors_leave_descriptors_to_sessions)
{
    enum { TABLE = 256, SESSIONS = 34 };
    struct rlimit before;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    struct rlimit small = {.rlim_cur = TABLE, .rlim_max = before.rlim_max};
    int shadow;
    int clients[SESSIONS];
    struct scene scene = mirrored_scene(scene_echo(), &shadow);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &small) == 0);
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < SESSIONS; i++) {
        clients[i] = scene_enter(&scene, LOOPBACK);
    }
    CHECK_EQ(shadow_stats(&scene).sessions_active, TABLE / 8);
    for (unsigned i = 0; i < SESSIONS; i++) {
        scene_close_fd(&clients[i]);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
    }
    scene_close_fd(&shadow);
    end_mirrored(&scene, &shadow);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

/* ---- All at once ---- */

TEST(many_streams_with_mirrors_of_every_kind)
{
    enum { ROUNDS = 12, WIDE = 8 };
    int shadow = peer_listen(128); /* reads nothing, and lets go late */
    struct peer_echo *mirror_echo = peer_echo_start();
    struct scene scene = scene_echo();
    add_mirror(&scene, host_ipv4(peer_echo_port(mirror_echo)));
    host_add_endpoint(&scene.tenant, SHADOW, host_ipv4(peer_port(shadow)));
    host_add_endpoint(&scene.tenant, SHADOW, host_ipv4(peer_unused_port()));
    REQUIRE(scene_start(&scene, 2));
    uint64_t sum = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        int clients[WIDE];
        struct peer_task *sends[WIDE];
        struct peer_task *checks[WIDE];
        for (unsigned i = 0; i < WIDE; i++) {
            uint64_t size = (round * WIDE + i) % 7 == 0 ? MIB : 1000u * i + round;
            clients[i] = peer_connect(scene.port);
            sends[i] = peer_start_send(clients[i], i, size, true);
            checks[i] = peer_start_check(clients[i], i, size);
            sum += size;
        }
        for (unsigned i = 0; i < WIDE; i++) {
            CHECK(peer_join(sends[i]) && peer_join(checks[i]) && peer_at_end(clients[i]));
            close(clients[i]);
        }
        while (round % 3 == 0 && peer_readable(shadow, 0)) {
            int copy = peer_accept(shadow);
            if (copy != -1) {
                close(copy);
            }
        }
    }
    close(shadow); /* resets what nobody has accepted */
    CHECK_STRING(host_verify(&scene.host), "");
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).bytes_up, sum);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).bytes_down, sum);
    scene_end(&scene);
    peer_echo_stop(mirror_echo);
}
