/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: caps, shares, and what happens when something runs out. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "scene.h"

TEST(a_tenants_cap_refuses_and_gives_back)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.max_connections = 3;
    REQUIRE(scene_start(&scene, 2));
    int fds[3];
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = peer_connect(scene.port);
        CHECK(scene_echoes(fds[i], "in"));
    }
    for (unsigned i = 0; i < 5; i++) {
        int fd = peer_connect(scene.port);
        CHECK_STRING(peer_fate(fd, 10000), "end");
        close(fd);
        struct sluice_log_session session = scene_ended(&scene, "PR", SLUICE_REASON_TENANT_CONNECTIONS);
        CHECK_EQ(session.attempts, 0);
        CHECK_EQ(session.backend, 0);
    }
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).sessions_active, 3);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_TENANT_CONNECTIONS], 5);
    close(fds[0]);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    fds[0] = peer_connect(scene.port);
    CHECK(scene_echoes(fds[0], "a place was given back"));
    for (unsigned i = 0; i < 3; i++) {
        close(fds[i]);
    }
    scene_end(&scene);
}

TEST(a_refusal_may_be_a_reset)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.max_connections = 0;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_RESET;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "reset");
    scene_ended(&scene, "PR", SLUICE_REASON_TENANT_CONNECTIONS);
    scene_end(&scene);
}

TEST(a_cap_lowered_under_use_lets_sessions_live)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "in"));
    scene.tenant.record.limits.max_connections = 1;
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    int fd = peer_connect(scene.port);
    CHECK_STRING(peer_fate(fd, 10000), "end");
    close(fd);
    scene_ended(&scene, "PR", SLUICE_REASON_TENANT_CONNECTIONS);
    CHECK(scene_echoes(scene.client, "still in"));
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    REQUIRE(scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "in again"));
    scene_end(&scene);
}

TEST(the_processes_cap_goes_before_the_tenants)
{
    struct scene scene = scene_echo();
    struct sluice_process_record process = host_process();
    process.max_connections = 1;
    scene.tenant.record.limits.max_connections = 1;
    REQUIRE(scene_start(&scene, 1));
    REQUIRE(host_change(&scene.host, &(struct host_change){.process = &process}) == SLUICE_OK);
    REQUIRE(scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "in"));
    int fd = peer_connect(scene.port);
    CHECK_STRING(peer_fate(fd, 10000), "end");
    close(fd);
    scene_ended(&scene, "RR", SLUICE_REASON_PROCESS_CONNECTIONS);
    process.max_connections = SLUICE_UNLIMITED32;
    REQUIRE(host_change(&scene.host, &(struct host_change){.process = &process}) == SLUICE_OK);
    fd = peer_connect(scene.port);
    CHECK_STRING(peer_fate(fd, 10000), "end");
    close(fd);
    scene_ended(&scene, "PR", SLUICE_REASON_TENANT_CONNECTIONS);
    scene_end(&scene);
}

TEST(an_endpoints_cap_sends_sessions_to_the_next_one)
{
    struct scene scene = scene_echo();
    struct peer_echo *other = peer_echo_start();
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_echo_port(other)));
    scene.tenant.backends[0].endpoints[0].record.max_connections = 2;
    scene.tenant.backends[0].endpoints[1].record.max_connections = 3;
    REQUIRE(scene_start(&scene, 2));
    int fds[6];
    for (unsigned i = 0; i < 5; i++) {
        fds[i] = peer_connect(scene.port);
        CHECK(scene_echoes(fds[i], "in"));
    }
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).sessions_active, 2);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 1)).sessions_active, 3);
    fds[5] = peer_connect(scene.port);
    CHECK_STRING(peer_fate(fds[5], 10000), "end");
    scene_ended(&scene, "SC", SLUICE_REASON_NO_ENDPOINT);
    for (unsigned i = 0; i < 6; i++) {
        close(fds[i]);
    }
    scene_end(&scene);
    peer_echo_stop(other);
}

/* Clients that all come at once and stay until told. */
struct crowd {
    pthread_t thread;
    uint32_t port;
    unsigned in;
    unsigned out;
    atomic_uint *over; /* how often more than the cap were inside */
    atomic_uint *inside;
    unsigned cap;
};

static void *run_crowd(void *argument)
{
    struct crowd *crowd = argument;
    for (unsigned i = 0; i < 60; i++) {
        int fd = peer_connect(crowd->port);
        if (scene_echoes(fd, "in?")) {
            crowd->in++;
            if (atomic_fetch_add(crowd->inside, 1) + 1 > crowd->cap) {
                atomic_fetch_add(crowd->over, 1);
            }
            CHECK(scene_echoes(fd, "yes"));
            atomic_fetch_sub(crowd->inside, 1);
        } else {
            crowd->out++;
        }
        if (fd != -1) {
            close(fd);
        }
    }
    return NULL;
}

TEST(a_cap_is_exact_over_two_workers)
{
    enum { CROWDS = 12, CAP = 4 };
    struct scene scene = scene_echo();
    struct crowd crowds[CROWDS];
    atomic_uint over = 0;
    atomic_uint inside = 0;
    scene.tenant.record.limits.max_connections = CAP;
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < CROWDS; i++) {
        crowds[i] = (struct crowd){.port = scene.port, .over = &over, .inside = &inside, .cap = CAP};
        REQUIRE(pthread_create(&crowds[i].thread, NULL, run_crowd, &crowds[i]) == 0);
    }
    unsigned in = 0;
    unsigned out = 0;
    for (unsigned i = 0; i < CROWDS; i++) {
        pthread_join(crowds[i].thread, NULL);
        in += crowds[i].in;
        out += crowds[i].out;
    }
    CHECK_EQ(over, 0);
    CHECK(in > CAP && out > 0);
    REQUIRE(host_wait_active(&scene.host, 0));
    struct sluice_tenant_stats stats = host_tenant_stats(&scene.host, TENANT);
    CHECK_EQ(stats.sessions_total, in + out);
    CHECK_EQ(stats.refused[SLUICE_REASON_TENANT_CONNECTIONS], out);
    scene_end(&scene);
}

TEST(weights_share_sessions_exactly)
{
    struct scene scene = scene_echo();
    struct peer_echo *other = peer_echo_start();
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_echo_port(other)))->record.weight = 300;
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < 40; i++) {
        REQUIRE(scene_connect(&scene));
        CHECK(scene_echoes(scene.client, "x"));
        scene_close_fd(&scene.client);
    }
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).sessions_total, 10);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 1)).sessions_total, 30);
    scene_end(&scene);
    peer_echo_stop(other);
}

TEST(least_connections_goes_where_the_fewest_are)
{
    struct scene scene = scene_echo();
    struct peer_echo *other = peer_echo_start();
    host_add_endpoint(&scene.tenant, 0, host_ipv4(peer_echo_port(other)));
    scene.tenant.backends[0].record.balance = SLUICE_BALANCE_LEAST_CONNECTIONS;
    REQUIRE(scene_start(&scene, 2));
    int fds[10];
    for (unsigned i = 0; i < 10; i++) {
        fds[i] = peer_connect(scene.port);
        CHECK(scene_echoes(fds[i], "x"));
    }
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).sessions_active, 5);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 1)).sessions_active, 5);
    for (unsigned i = 0; i < 10; i++) {
        close(fds[i]);
    }
    scene_end(&scene);
    peer_echo_stop(other);
}

/* ---- Descriptors ---- */

#define FD_CLIENTS 80u /* the test's own; a worker needs two for each */
#if defined(__SANITIZE_THREAD__)
#define FD_LIMIT 200u /* of one file table, which workers share with the test under ThreadSanitizer */
#else
#define FD_LIMIT 120u /* of each worker's own file table */
#endif

static bool has_paused(void *context)
{
    struct host *host = context;
    host_read_log(host);
    return host_worker_stats(host).accept_pauses_total > 0 && host->pauses > 0;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

TEST(without_descriptors_accepting_pauses_quietly_and_resumes)
{
    struct rlimit before;
    struct rlimit few;
    struct scene scene = scene_scripted(); /* its backend accepts nothing: the kernel completes the connections */
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = FD_LIMIT;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    int fds[FD_CLIENTS];
    for (unsigned i = 0; i < FD_CLIENTS; i++) {
        fds[i] = peer_socket_ipv4();
    }
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < FD_CLIENTS; i++) {
        CHECK(peer_connect_on(fds[i], scene.port));
    }
    CHECK(host_eventually(has_paused, &scene.host, HOST_WAIT_MS));
    /* While paused it does not spin. */
    struct sluice_worker_stats paused = host_worker_stats(&scene.host);
    CHECK(paused.sessions_active > 10 && paused.sessions_active < FD_CLIENTS);
    CHECK(paused.fds_in_use <= FD_LIMIT);
    host_eventually(never, NULL, 300);
    CHECK(host_worker_stats(&scene.host).turns_total - paused.turns_total < 50);
    /* Those inside still work. */
    CHECK(peer_send(fds[0], "x", 1));
    /* Room is made: the others get in. */
    for (unsigned i = 0; i < FD_CLIENTS / 2; i++) {
        peer_reset(fds[i]);
    }
    CHECK(host_wait_total(&scene.host, TENANT, FD_CLIENTS));
    for (unsigned i = FD_CLIENTS / 2; i < FD_CLIENTS; i++) {
        peer_reset(fds[i]);
    }
    CHECK(host_wait_active(&scene.host, 0));
    CHECK(scene.host.resumes > 0);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).sessions_total, FD_CLIENTS);
    setrlimit(RLIMIT_NOFILE, &before);
    scene_end(&scene);
}

#define RANGE 200u /* ports: more than a worker opens in one turn, and than it has descriptors for */

/* Whether the ports that tell of each step are all free. */
static bool range_is_free(uint32_t first)
{
    return peer_port_is_free(first) && peer_port_is_free(first + RANGE / 2) && peer_port_is_free(first + RANGE - 1);
}

TEST(a_change_that_fails_half_way_leaves_no_trace_and_works_later)
{
    struct rlimit before;
    struct rlimit few;
    struct scene scene = scene_echo();
    uint32_t first = peer_unused_range(RANGE);
    REQUIRE(first != 0 && getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = FD_LIMIT;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    struct host_tenant larger = scene.tenant;
    host_add_listener(&larger, host_ipv4(first), 0)->port_last = first + RANGE - 1;
    CHECK_EQ(host_apply(&scene.host, &larger, 1), SLUICE_E_BIND);
    CHECK_EQ(scene.host.error.sys_errno, EMFILE);
    CHECK_EQ(host_status(&scene.host).listeners, 1);
    CHECK(range_is_free(first));
    CHECK(scene_echoes(scene.client, "still there"));

    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE(host_apply(&scene.host, &larger, 1) == SLUICE_OK);
    CHECK_EQ(host_status(&scene.host).listeners, 1 + RANGE);
    for (uint32_t port = first; port < first + RANGE; port++) {
        int fd = peer_connect(port);
        CHECK(scene_echoes(fd, "in range"));
        close(fd);
    }
    CHECK_EQ(host_apply(&scene.host, &scene.tenant, 1), SLUICE_OK);
    CHECK_EQ(host_status(&scene.host).listeners, 1);
    CHECK(range_is_free(first));
    CHECK(scene_echoes(scene.client, "to the end"));
    scene_end(&scene);
}

/* ---- Log ---- */

TEST(what_the_log_leaves_out)
{
    struct scene scene = scene_echo();
    struct sluice_process_record process = host_process();
    REQUIRE(scene_start(&scene, 1));
    /* A sample of none: only refused sessions are told. */
    process.access_sample_ppm = 0;
    REQUIRE(host_change(&scene.host, &(struct host_change){.process = &process}) == SLUICE_OK);
    REQUIRE(scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "x"));
    scene_close_fd(&scene.client);
    REQUIRE(host_wait_active(&scene.host, 0));
    scene.tenant.record.flags = 0;
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    REQUIRE(scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    scene_close_fd(&scene.client);
    scene_ended(&scene, "PR", SLUICE_REASON_TENANT_DISABLED);
    /* No log at all. */
    process.access_log = 0;
    REQUIRE(host_change(&scene.host, &(struct host_change){.process = &process}) == SLUICE_OK);
    REQUIRE(scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    scene_close_fd(&scene.client);
    REQUIRE(host_wait_total(&scene.host, TENANT, 3) && host_wait_active(&scene.host, 0));
    host_read_log(&scene.host);
    CHECK_EQ(scene.host.session_count, 1);
    CHECK_STRING(host_close(&scene.host), "");
    peer_echo_stop(scene.echo);
}

TEST(a_log_that_nobody_reads_drops_and_counts)
{
    struct peer_echo *echo = peer_echo_start();
    struct host_tenant tenant = host_simple_tenant(TENANT, peer_echo_port(echo));
    struct sluice_engine_options options = {.abi_version = SLUICE_ABI_VERSION, .workers = 1, .log_ring_bytes = 4096};
    struct sluice_process_record process = host_process();
    struct host_change change = {.process = &process, .tenants = &tenant, .tenant_count = 1};
    struct host host = {0};
    uint64_t size;
    void *blob = host_encode(&change, 1, &size);
    REQUIRE(sluice_engine_create(&options, sizeof options, &host.engine, &host.error) == SLUICE_OK);
    REQUIRE(sluice_engine_start(host.engine, &host.error) == SLUICE_OK);
    REQUIRE(sluice_engine_apply(host.engine, blob, size, 0, &host.error) == SLUICE_OK);
    free(blob);
    uint32_t port = host_port(&host, host_listener_id(&tenant, 0));
    for (unsigned i = 0; i < 60; i++) {
        int fd = peer_connect(port);
        CHECK(scene_echoes(fd, "x"));
        close(fd);
        /* Waits without reading the log. */
        while (host_tenant_stats(&host, TENANT).closed[0] < i + 1) {
            host_eventually(never, NULL, 1);
        }
    }
    host_read_log(&host);
    CHECK(host.session_count > 0);
    CHECK_EQ(host.session_count + host_worker_stats(&host).log_dropped_total, 60);
    CHECK_STRING(host_close(&host), "");
    peer_echo_stop(echo);
}
