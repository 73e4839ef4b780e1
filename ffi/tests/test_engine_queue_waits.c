/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: what sessions wait for, one thing or several after another, and that they are served as
 * soon as it is there. */
#include <sys/socket.h>
#include <time.h>

#include "line.h"

#define MS UINT64_C(1000) /* in us */
#define NS_A_SECOND UINT64_C(1000000000)

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_A_SECOND + (uint64_t)now.tv_nsec;
}

/* A line without the cap of one. */
static struct line open_line(void)
{
    struct line line = line_of(scene_scripted());
    line.scene.tenant.record.limits.max_connections = SLUICE_UNLIMITED32;
    line.scene.tenant.record.limits.queue_timeout_ms = 0;
    return line;
}

/* A client that is let in at once; its two sides. */
static void get_in(struct line *line, uint32_t source, int sides[2])
{
    sides[0] = peer_connect_from(source, line->scene.port);
    sides[1] = peer_accept(line->scene.backend);
    CHECK(sides[0] != -1 && sides[1] != -1);
}

static void leave(int sides[2])
{
    scene_close_fd(&sides[0]);
    scene_close_fd(&sides[1]);
}

/* Serves who is in line, in order or not, each once. */
static void check_all_served(struct line *line, bool in_order)
{
    uint64_t served = 0;
    for (unsigned i = 0; i < line->count; i++) {
        int number = line_next(line);
        CHECK(!in_order || number == (int)i);
        REQUIRE(number >= 0 && (unsigned)number < line->count && (served >> number & 1) == 0);
        served |= UINT64_C(1) << number;
        scene_close_fd(&line->clients[number]);
    }
    CHECK(host_wait_queue(&line->scene.host, TENANT, 0));
}

/* ---- Rates ---- */

TEST(for_a_token_of_the_tenant)
{
    enum { CLIENTS = 12, RATE = 50, BURST = 2 };
    struct line line = open_line();
    line.scene.tenant.record.limits.session_rate = host_rate(RATE, BURST);
    uint64_t began_ns = now_ns();
    REQUIRE(scene_start(&line.scene, 4));
    for (unsigned i = 0; i < CLIENTS; i++) {
        uint8_t number = (uint8_t)i;
        line.clients[line.count++] = peer_connect(line.scene.port);
        CHECK(peer_send(line.clients[i], &number, 1));
        CHECK(host_wait_total(&line.scene.host, TENANT, i + 1));
        host_settle(&line.scene.host); /* it is counted before it has its ticket */
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        CHECK_EQ(line_next(&line), i);
        CHECK(i + 1 <= BURST + RATE * (now_ns() - began_ns) / NS_A_SECOND + 1);
    }
    CHECK(host_wait_queue(&line.scene.host, TENANT, 0));
    line_close(&line);
}

TEST(for_ever_where_no_token_comes)
{
    struct line line = line_of(scene_scripted());
    line.scene.tenant.record.limits.session_rate = host_rate(0, 0);
    line.scene.tenant.record.limits.queue_timeout_ms = 200;
    REQUIRE(scene_start(&line.scene, 2));
    uint64_t turns = host_worker_stats(&line.scene.host).turns_total;
    line_join(&line, true);
    struct sluice_log_session session = scene_ended(&line.scene, "sQ", SLUICE_REASON_QUEUE_TIMEOUT);
    CHECK(session.queue_us >= 200 * MS);
    /* And nobody looks again and again whether it has come. */
    CHECK(host_worker_stats(&line.scene.host).turns_total - turns < 1000);
    line_close(&line);
}

TEST(for_a_token_of_the_source)
{
    struct line line = open_line();
    int sides[2];
    line.scene.tenant.record.limits.source_rate = host_rate(10, 1);
    REQUIRE(scene_start(&line.scene, 4));
    get_in(&line, 1, sides);
    leave(sides);
    for (unsigned i = 0; i < 4; i++) {
        line_join_from(&line, 1, false);
    }
    /* Others are not held up by them. */
    get_in(&line, 2, sides);
    leave(sides);
    check_all_served(&line, false);
    line_close(&line);
}

/* ---- Places ---- */

TEST(for_a_place_of_the_source)
{
    struct line line = open_line();
    int first[2][2];
    int other[2];
    line.scene.tenant.record.limits.source_max_connections = 2;
    REQUIRE(scene_start(&line.scene, 4));
    get_in(&line, 1, first[0]);
    get_in(&line, 1, first[1]);
    for (unsigned i = 0; i < 3; i++) {
        line_join_from(&line, 1, false);
    }
    get_in(&line, 2, other);
    CHECK(!peer_readable(line.scene.backend, 50));
    leave(other); /* that frees no place of theirs */
    CHECK(!peer_readable(line.scene.backend, 50));
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).queue_length, 3);
    leave(first[0]);
    CHECK_EQ(line_next(&line), 0);
    CHECK(!peer_readable(line.scene.backend, 50));
    leave(first[1]);
    int second = line.scene.server;
    line.scene.server = -1;
    CHECK_EQ(line_next(&line), 1);
    close(second);
    scene_close_fd(&line.clients[0]);
    int third = line.scene.server;
    line.scene.server = -1;
    CHECK_EQ(line_next(&line), 2);
    close(third);
    line_close(&line);
}

static void check_place_at_endpoint(uint32_t workers)
{
    struct line line = open_line();
    line.scene.tenant.backends[0].endpoints[0].record.max_connections = 1;
    REQUIRE(line_open(&line, workers));
    for (unsigned i = 0; i < 20; i++) {
        line_join(&line, false);
    }
    CHECK(!peer_readable(line.scene.backend, 50));
    CHECK_EQ(host_endpoint_stats(&line.scene.host, host_endpoint_id(&line.scene.tenant, 0, 0)).sessions_active, 1);
    scene_close_fd(&line.scene.client);
    check_all_served(&line, workers == 1);
    line_close(&line);
}

TEST(for_a_place_at_an_endpoint)
{
    check_place_at_endpoint(1);
    check_place_at_endpoint(4);
}

/* Places of two endpoints; whichever comes free. */
TEST(for_a_place_at_any_endpoint)
{
    struct line line = open_line();
    int other = peer_listen(16);
    int sides[2][2];
    host_add_endpoint(&line.scene.tenant, 0, host_ipv4(peer_port(other)));
    line.scene.tenant.backends[0].endpoints[0].record.max_connections = 1;
    line.scene.tenant.backends[0].endpoints[1].record.max_connections = 1;
    REQUIRE(scene_start(&line.scene, 2));
    get_in(&line, LOOPBACK, sides[0]); /* round robin: the first endpoint, then the second */
    sides[1][0] = peer_connect(line.scene.port);
    sides[1][1] = peer_accept(other);
    line_join(&line, false);
    leave(sides[1]);
    int first = peer_accept(other);
    uint8_t number = 255;
    CHECK(peer_receive(first, &number, 1));
    CHECK_EQ(number, 0);
    CHECK(host_wait_queue(&line.scene.host, TENANT, 0));
    line_join(&line, false);
    leave(sides[0]);
    CHECK_EQ(line_next(&line), 1);
    close(first);
    close(other);
    line_close(&line);
}

/* Where no endpoint is in use there is nothing to wait for. */
TEST(not_for_an_endpoint_that_does_not_come)
{
    struct line line = open_line();
    line.scene.tenant.backends[0].endpoints[0].record.state = SLUICE_ENDPOINT_DRAIN;
    REQUIRE(scene_start(&line.scene, 1));
    for (unsigned i = 0; i < 3; i++) {
        int fd = peer_connect(line.scene.port);
        CHECK_STRING(peer_fate(fd, 10000), "end");
        close(fd);
        struct sluice_log_session session = scene_ended(&line.scene, "SC", SLUICE_REASON_NO_ENDPOINT);
        CHECK_EQ(session.queue_us, SLUICE_NEVER);
        line.scene.tenant.backends[0].endpoints[0].record.state = SLUICE_ENDPOINT_READY;
        line.scene.tenant.backends[0].endpoints[0].record.weight = i == 0 ? 0 : 100;
        line.scene.tenant.backends[0].endpoints[0].record.max_connections = i == 0 ? SLUICE_UNLIMITED32 : 0;
        scene_apply(&line.scene);
    }
    line_close(&line);
}

/* An endpoint that fails gives its place to who waits for it, who finds out by itself. Places come and go so quickly
 * that workers are called again while they still see to the last call; none of these may be lost. */
TEST(for_the_place_of_one_that_fails_to_connect)
{
    enum { ROUNDS = 300, CLIENTS = 12 };
    struct line line = open_line();
    line.scene.tenant.backends[0].endpoints[0].record.max_connections = 1;
    line.scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_unused_port());
    REQUIRE(scene_start(&line.scene, 4));
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (line.count = 0; line.count < CLIENTS; line.count++) {
            line.clients[line.count] = peer_connect(line.scene.port);
        }
        for (unsigned i = 0; i < CLIENTS; i++) {
            const char *fate = peer_fate(line.clients[i], 20000);
            close(line.clients[i]);
            REQUIRE(strcmp(fate, "end") == 0);
        }
        host_read_log(&line.scene.host);
    }
    line.count = 0;
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).refused[SLUICE_REASON_CONNECT_REFUSED], ROUNDS * CLIENTS);
    line_close(&line);
}

/* ---- One after another ---- */

/* A place of the source, then one of the tenant, then one at the endpoint: it keeps its turn, and waits once. */
static void check_one_after_another(uint32_t workers)
{
    struct line line = open_line();
    int sides[2][2];
    line.scene.tenant.record.limits.max_connections = 3;
    line.scene.tenant.record.limits.source_max_connections = 1;
    line.scene.tenant.backends[0].endpoints[0].record.max_connections = 2;
    REQUIRE(scene_start(&line.scene, workers));
    get_in(&line, 1, sides[0]);
    get_in(&line, 2, sides[1]);
    line_join_from(&line, 3, false); /* passes source and tenant; both places at the endpoint are taken */
    line_join_from(&line, 1, false); /* its source has its one */
    line_join_from(&line, 4, false); /* the tenant has its three */
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).sessions_active, 3);
    leave(sides[0]); /* a place of source 1, of the tenant and at the endpoint */
    CHECK_EQ(line_next(&line), 0);
    int first = line.scene.server;
    line.scene.server = -1;
    CHECK(!peer_readable(line.scene.backend, 50));
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).queue_length, 2);
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).sessions_active, 3);
    leave(sides[1]);
    int second = line_next(&line);
    close(first);
    scene_close_fd(&line.clients[0]);
    first = line.scene.server;
    line.scene.server = -1;
    int third = line_next(&line);
    /* When the first went, its source and the tenant had a place more at once: whoever was looked at sooner. */
    CHECK((second == 1 && third == 2) || (second == 2 && third == 1));
    close(first);
    line_close(&line);
}

TEST(for_one_thing_after_another)
{
    check_one_after_another(1);
}

/* Those who wait for their source do not hold up who does not need that. */
static void check_others_pass(uint32_t workers)
{
    struct line line = open_line();
    int sides[8][2];
    line.scene.tenant.record.limits.source_max_connections = 1;
    REQUIRE(scene_start(&line.scene, workers));
    get_in(&line, 1, sides[0]);
    for (unsigned i = 0; i < 20; i++) {
        line_join_from(&line, 1, false);
    }
    for (uint32_t i = 1; i < 8; i++) {
        get_in(&line, 1 + i, sides[i]);
    }
    CHECK_EQ(host_tenant_stats(&line.scene.host, TENANT).queue_length, 20);
    for (unsigned i = 1; i < 8; i++) {
        leave(sides[i]);
    }
    leave(sides[0]);
    check_all_served(&line, workers == 1);
    line_close(&line);
}

TEST(others_pass_by_who_waits_for_its_source)
{
    check_others_pass(1);
    check_others_pass(4);
}

/* ---- At once ---- */

/* What one worker's session gives back, another worker's session gets, without delay: nobody looks from time to time
 * whether there is something, so a call that is lost would leave it waiting for ever. */
static void check_handover(uint32_t workers, bool endpoint)
{
    enum { ROUNDS = 600 };
    struct scene scene = scene_echo();
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.record.limits.queue_timeout_ms = 0;
    if (endpoint) {
        scene.tenant.backends[0].endpoints[0].record.max_connections = 1;
    } else {
        scene.tenant.record.limits.max_connections = 1;
    }
    REQUIRE(scene_start(&scene, workers));
    int inside = scene_enter(&scene, LOOPBACK);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int next = peer_connect(scene.port);
        close(inside);
        for (unsigned asked = 0; asked < i % 16; asked++) {
            host_settle(&scene.host); /* what a worker hears of this must not take the place of its being called */
        }
        REQUIRE(scene_echoes(next, "in"));
        inside = next;
        if (i % 64 == 0) {
            host_read_log(&scene.host);
        }
    }
    close(inside);
    scene_end(&scene);
}

TEST(a_place_goes_from_worker_to_worker)
{
    check_handover(4, false);
}

TEST(a_place_at_an_endpoint_goes_from_worker_to_worker)
{
    check_handover(4, true);
}

TEST(several_places_that_come_free_at_once_are_all_used)
{
    enum { PLACES = 8, ROUNDS = 40 };
    struct scene scene = scene_echo();
    int fds[2][PLACES];
    scene.tenant.record.limits.max_connections = PLACES;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.record.limits.queue_timeout_ms = 0;
    REQUIRE(scene_start(&scene, 4));
    for (unsigned i = 0; i < PLACES; i++) {
        fds[0][i] = scene_enter(&scene, LOOPBACK);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < PLACES; i++) {
            fds[1][i] = peer_connect(scene.port);
        }
        CHECK(host_wait_queue(&scene.host, TENANT, PLACES));
        for (unsigned i = 0; i < PLACES; i++) {
            close(fds[0][i]);
        }
        for (unsigned i = 0; i < PLACES; i++) {
            CHECK(scene_echoes(fds[1][i], "in"));
            fds[0][i] = fds[1][i];
        }
    }
    for (unsigned i = 0; i < PLACES; i++) {
        close(fds[0][i]);
    }
    scene_end(&scene);
}
