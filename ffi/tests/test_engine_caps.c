/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: caps are exact over four workers, whatever clients and endpoints do, and all that they
 * count is 0 afterwards. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "scene.h"
#include "storm.h"

#define WORKERS 4u
#define ALL_WAYS (STORM_CLOSE | STORM_RESET | STORM_HALF_CLOSE | STORM_VANISH)

static struct storm make_storm(const struct scene *scene, uint64_t seed)
{
    return (struct storm){.port = scene->port, .threads = 16, .rounds = 100, .ways = ALL_WAYS, .seed = seed};
}

/* Nothing is left of a storm; host_verify of scene_end compares the rest with the log. */
static void check_nothing_left(struct scene *scene, const struct storm *storm)
{
    REQUIRE(host_wait_active(&scene->host, 0));
    uint64_t clients = (uint64_t)storm->in + storm->out + storm->vanished;
    CHECK_EQ(storm->lost, 0);
    CHECK_EQ(clients, (uint64_t)storm->threads * storm->rounds);
    /* A client that vanishes before it is accepted may never be seen. */
    uint64_t seen = host_tenant_stats(&scene->host, TENANT).sessions_total;
    CHECK(seen >= (uint64_t)storm->in + storm->out && seen <= clients);
    CHECK_STRING(host_verify(&scene->host), "");
    CHECK_EQ(host_session_fds(&scene->host), 0);
}

TEST(the_tenants_cap)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.max_connections = 5;
    REQUIRE(scene_start(&scene, WORKERS));
    struct storm storm = make_storm(&scene, 1);
    REQUIRE(storm_run(&storm));
    check_nothing_left(&scene, &storm);
    CHECK(storm.all.most > 0 && storm.all.most <= 5);
    CHECK(storm.in > 0 && storm.out > 0);
    CHECK(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_TENANT_CONNECTIONS] >= storm.out);
    scene_end(&scene);
}

TEST(the_processs_cap)
{
    struct scene scene = scene_echo();
    struct sluice_process_record process = host_process();
    process.max_connections = 5;
    REQUIRE(scene_start(&scene, WORKERS));
    REQUIRE(host_change(&scene.host, &(struct host_change){.process = &process}) == SLUICE_OK);
    struct storm storm = make_storm(&scene, 2);
    REQUIRE(storm_run(&storm));
    check_nothing_left(&scene, &storm);
    CHECK(storm.all.most > 0 && storm.all.most <= 5);
    CHECK(storm.in > 0 && storm.out > 0);
    CHECK(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_PROCESS_CONNECTIONS] >= storm.out);
    scene_end(&scene);
}

TEST(the_cap_of_each_source)
{
    enum { SOURCES = 5, CAP = 2 };
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_max_connections = CAP;
    REQUIRE(scene_start(&scene, WORKERS));
    struct storm storm = make_storm(&scene, 3);
    storm.sources = SOURCES;
    REQUIRE(storm_run(&storm));
    check_nothing_left(&scene, &storm);
    for (unsigned i = 0; i < SOURCES; i++) {
        CHECK(storm.by_source[i].most > 0 && storm.by_source[i].most <= CAP);
    }
    CHECK(storm.in > 0 && storm.out > 0);
    CHECK(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_SOURCE_CONNECTIONS] >= storm.out);
    scene_end(&scene);
}

/* All addresses with the same leading bits are one source. */
TEST(the_cap_of_a_prefix)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_max_connections = 3;
    scene.tenant.record.limits.source_ipv4_bits = 24;
    REQUIRE(scene_start(&scene, WORKERS));
    struct storm storm = make_storm(&scene, 4);
    storm.sources = STORM_MOST_SOURCES;
    REQUIRE(storm_run(&storm));
    check_nothing_left(&scene, &storm);
    CHECK(storm.all.most > 0 && storm.all.most <= 3);
    CHECK(storm.out > 0);
    scene_end(&scene);
}

TEST(the_caps_of_endpoints)
{
    struct scene scene = scene_echo();
    struct peer_echo *other = peer_echo_start();
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_echo_port(other)));
    scene.tenant.backends[0].endpoints[0].record.max_connections = 2;
    scene.tenant.backends[0].endpoints[1].record.max_connections = 3;
    scene.tenant.backends[0].record.balance = SLUICE_BALANCE_LEAST_CONNECTIONS;
    REQUIRE(scene_start(&scene, WORKERS));
    struct storm storm = make_storm(&scene, 5);
    storm.ways = STORM_CLOSE | STORM_RESET | STORM_HALF_CLOSE;
    REQUIRE(storm_run(&storm));
    check_nothing_left(&scene, &storm);
    CHECK(storm.all.most > 0 && storm.all.most <= 5);
    CHECK(peer_echo_most(scene.echo) > 0 && peer_echo_most(scene.echo) <= 2);
    CHECK(peer_echo_most(other) > 0 && peer_echo_most(other) <= 3);
    CHECK(storm.out > 0);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_NO_ENDPOINT], storm.out);
    scene_end(&scene);
    peer_echo_stop(other);
}

TEST(all_caps_at_once)
{
    enum { SOURCES = 3 };
    struct scene scene = scene_echo();
    struct sluice_process_record process = host_process();
    process.max_connections = 9;
    scene.tenant.record.limits.max_connections = 6;
    scene.tenant.record.limits.source_max_connections = 3;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_RESET;
    scene.tenant.backends[0].endpoints[0].record.max_connections = 5;
    REQUIRE(scene_start(&scene, WORKERS));
    REQUIRE(host_change(&scene.host, &(struct host_change){.process = &process}) == SLUICE_OK);
    struct storm storm = make_storm(&scene, 6);
    storm.sources = SOURCES;
    REQUIRE(storm_run(&storm));
    check_nothing_left(&scene, &storm);
    CHECK(storm.all.most > 0 && storm.all.most <= 5);
    for (unsigned i = 0; i < SOURCES; i++) {
        CHECK(storm.by_source[i].most > 0 && storm.by_source[i].most <= 3);
    }
    scene_end(&scene);
}

/* ---- Endpoints that fail ---- */

/* Accepts and resets at once, until its listener is shut down. */
static void *run_resetter(void *argument)
{
    int listener = *(const int *)argument;
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
        peer_reset(fd);
    }
    return NULL;
}

/* A listener whose queue is full: the kernel does not answer another connect. */
struct silent {
    int listener;
    int first;
    int second;
};

static struct silent silent_open(void)
{
    struct silent silent = {.listener = peer_listen(0), .second = peer_socket_ipv4()};
    silent.first = peer_connect(peer_port(silent.listener));
    fcntl(silent.second, F_SETFL, O_NONBLOCK);
    (void)!peer_connect_on(silent.second, peer_port(silent.listener));
    return silent;
}

static void silent_close(struct silent *silent)
{
    close(silent->first);
    close(silent->second);
    close(silent->listener);
}

/* One endpoint works, one refuses, one resets, one never answers; each has a cap, and so have tenant and sources. */
TEST(caps_are_given_back_whatever_endpoints_do)
{
    struct scene scene = scene_echo();
    struct silent silent = silent_open();
    pthread_t resetter;
    int resetting = peer_listen(128);
    struct timeval for_ever = {0};
    setsockopt(resetting, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof for_ever);
    REQUIRE(pthread_create(&resetter, NULL, run_resetter, &resetting) == 0);
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_unused_port()));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(resetting)));
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(silent.listener)));
    for (unsigned i = 0; i < 4; i++) {
        scene.tenant.backends[0].endpoints[i].record.max_connections = 3;
    }
    scene.tenant.record.connect_ms = 20;
    scene.tenant.record.limits.max_connections = 8;
    scene.tenant.record.limits.source_max_connections = 4;
    REQUIRE(scene_start(&scene, WORKERS));
    struct storm storm = make_storm(&scene, 7);
    storm.sources = 4;
    REQUIRE(storm_run(&storm));
    check_nothing_left(&scene, &storm);
    CHECK(storm.all.most > 0 && storm.all.most <= 3);
    CHECK(storm.in > 0 && storm.out > 0);
    shutdown(resetting, SHUT_RDWR);
    pthread_join(resetter, NULL);
    close(resetting);
    silent_close(&silent);
    scene_end(&scene);
}

/* In all of their states. */
TEST(caps_are_given_back_by_killed_sessions)
{
    const struct sluice_session_filter all = {0};
    struct scene scene = scene_echo();
    struct silent silent = silent_open();
    pthread_t thread;
    int64_t killed = 0;
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_port(silent.listener)));
    scene.tenant.record.connect_ms = 20;
    scene.tenant.record.limits.max_connections = 8;
    scene.tenant.record.limits.source_max_connections = 4;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.backends[0].endpoints[0].record.max_connections = 3;
    REQUIRE(scene_start(&scene, WORKERS));
    struct storm storm = make_storm(&scene, 8);
    storm.sources = 4;
    REQUIRE(storm_start(&storm, &thread));
    while (!storm_is_over(thread)) {
        host_read_log(&scene.host);
        killed += sluice_sessions_kill(scene.host.engine, &all, sizeof all, SLUICE_REASON_KILLED);
    }
    CHECK(killed > 0);
    REQUIRE(host_wait_active(&scene.host, 0));
    CHECK_STRING(host_verify(&scene.host), "");
    CHECK_EQ(host_session_fds(&scene.host), 0);
    silent_close(&silent);
    scene_end(&scene);
}
