/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: configurations that change while traffic flows, all or nothing. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "scene.h"

#define MS UINT64_C(1000) /* in us */

TEST(what_is_applied_again_keeps_its_sockets_and_sessions)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "one"));
    for (unsigned i = 0; i < 10; i++) {
        scene.tenant.record.idle_ms += 1000;
        REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
        CHECK_EQ(host_port(&scene.host, host_listener_id(&scene.tenant, 0)), scene.port);
    }
    struct sluice_engine_status status = host_status(&scene.host);
    CHECK_EQ(status.generation, 11);
    CHECK_EQ(status.tenants, 1);
    CHECK_EQ(status.listeners, 1);
    CHECK_EQ(status.sessions_active, 1);
    CHECK(scene_echoes(scene.client, "two"));
    scene_close_fd(&scene.client);
    REQUIRE(scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "three"));
    scene_close_fd(&scene.client);
    REQUIRE(host_wait_active(&scene.host, 0));
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).sessions_total, 2);
    scene_end(&scene);
}

TEST(listeners_come_and_go)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 2));
    host_add_listener(&scene.tenant, host_ipv4(0), 0);
    scene.tenant.record.drain_ms = 300;
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    uint32_t second = host_port(&scene.host, host_listener_id(&scene.tenant, 1));
    CHECK(second != 0 && second != scene.port);
    CHECK_EQ(host_status(&scene.host).listeners, 2);
    scene.client = peer_connect(second);
    CHECK(scene_echoes(scene.client, "second"));

    /* A session on a listener that is removed runs on for the drain time. */
    scene.tenant.record.listener_count = 1;
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    CHECK(peer_port_is_free(second));
    CHECK_EQ(host_status(&scene.host).listeners, 1);
    CHECK(scene_echoes(scene.client, "still here"));
    int other = peer_connect(scene.port);
    CHECK(scene_echoes(other, "first"));
    CHECK_STRING(peer_fate(scene.client, 20000), "end");
    struct sluice_log_session session = scene_ended(&scene, "KD", SLUICE_REASON_DRAINED);
    CHECK_EQ(session.listener, host_listener_id(&scene.tenant, 1));
    CHECK(session.total_us >= 299 * MS); /* ticks are whole milliseconds */
    CHECK(scene_echoes(other, "first again"));
    close(other);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

TEST(a_drain_time_of_zero_ends_sessions_at_once)
{
    struct scene scene = scene_echo();
    scene.tenant.record.drain_ms = 0;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "x"));
    uint32_t id = TENANT;
    CHECK_EQ(host_change(&scene.host, &(struct host_change){.removed = &id, .removed_count = 1}), SLUICE_OK);
    CHECK_STRING(peer_fate(scene.client, 5000), "end");
    scene_ended(&scene, "KD", SLUICE_REASON_DRAINED);
    CHECK(peer_port_is_free(scene.port));
    CHECK_EQ(host_status(&scene.host).tenants, 0);
    scene_end(&scene);
}

TEST(a_removed_tenant_is_drained_and_may_come_back)
{
    struct scene scene = scene_echo();
    scene.tenant.record.drain_ms = 60000;
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "before"));
    uint32_t id = TENANT;
    REQUIRE(host_change(&scene.host, &(struct host_change){.removed = &id, .removed_count = 1}) == SLUICE_OK);
    CHECK(peer_port_is_free(scene.port));
    CHECK(scene_echoes(scene.client, "after"));
    CHECK_EQ(host_status(&scene.host).sessions_active, 1);
    CHECK_EQ(host_status(&scene.host).snapshots_held, 1);
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    scene.port = host_port(&scene.host, host_listener_id(&scene.tenant, 0));
    REQUIRE(scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "again"));
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).sessions_total, 1); /* it is a new one */
    CHECK_STRING(host_close(&scene.host), "");
    peer_echo_stop(scene.echo);
}

TEST(a_removed_endpoint_keeps_its_sessions_and_gets_no_new_ones)
{
    struct scene scene = scene_scripted();
    struct peer_echo *echo = peer_echo_start();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 10) && peer_check_stream(scene.server, 1, 10));
    struct host_tenant next = host_simple_tenant(TENANT, peer_echo_port(echo));
    next.backends[0].endpoints[0].record.id = 777;
    REQUIRE(host_apply(&scene.host, &next, 1) == SLUICE_OK);
    for (unsigned i = 0; i < 5; i++) {
        int fd = peer_connect(scene.port);
        CHECK(scene_echoes(fd, "new"));
        close(fd);
        CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).endpoint, 777);
    }
    CHECK(peer_send_stream(scene.server, 2, 10) && peer_check_stream(scene.client, 2, 10));
    scene_close_fd(&scene.client);
    CHECK(peer_at_end(scene.server));
    scene_close_fd(&scene.server);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).endpoint, host_endpoint_id(&scene.tenant, 0, 0));
    scene_end(&scene);
    peer_echo_stop(echo);
}

TEST(a_disabled_tenant_refuses_and_goes_on_when_enabled)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "x"));
    scene.tenant.record.flags = 0;
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    CHECK(scene_echoes(scene.client, "live sessions run on"));
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    REQUIRE(scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    scene_close_fd(&scene.client);
    scene_ended(&scene, "PR", SLUICE_REASON_TENANT_DISABLED);
    scene.tenant.record.flags = SLUICE_TENANT_ENABLED;
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    REQUIRE(scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "y"));
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

TEST(a_port_that_is_taken_changes_nothing)
{
    struct scene scene = scene_echo();
    int stranger = peer_listen(1);
    REQUIRE(scene_start(&scene, 2));
    uint32_t free_port = peer_unused_port();
    struct host_tenant next = scene.tenant;
    host_add_listener(&next, host_ipv4(free_port), 0);
    host_add_listener(&next, host_ipv4(peer_port(stranger)), 0);
    next.record.flags = 0;
    CHECK_EQ(host_apply(&scene.host, &next, 1), SLUICE_E_BIND);
    CHECK_EQ(scene.host.error.code, SLUICE_E_BIND);
    CHECK_EQ(scene.host.error.sys_errno, EADDRINUSE);
    CHECK_EQ(scene.host.error.table, SLUICE_TABLE_LISTENER);
    CHECK_EQ(scene.host.error.record, 2);
    CHECK(strlen(scene.host.error.message) > 0);
    CHECK(peer_port_is_free(free_port));
    CHECK_EQ(host_status(&scene.host).listeners, 1);
    CHECK_EQ(host_status(&scene.host).generation, 1);
    REQUIRE(scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "the old one goes on"));
    scene_close_fd(&scene.client);
    /* The same change works once the port is free. */
    close(stranger);
    next.record.flags = SLUICE_TENANT_ENABLED;
    CHECK_EQ(host_apply(&scene.host, &next, 1), SLUICE_OK);
    scene.client = peer_connect(free_port);
    CHECK(scene_echoes(scene.client, "now"));
    scene_end(&scene);
}

TEST(a_second_engine_does_not_share_a_port_by_accident)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1));
    struct host other;
    struct host_tenant same = scene.tenant;
    same.listeners[0].address.address.port = scene.port;
    same.listeners[0].port_last = scene.port;
    CHECK_EQ(host_open(&other, 1, &same, 1), SLUICE_E_BIND);
    CHECK_EQ(other.error.sys_errno, EADDRINUSE);
    CHECK_STRING(host_close(&other), "");
    scene_end(&scene);
}

TEST(two_listeners_cannot_have_one_address)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1));
    uint32_t port = peer_unused_port();
    struct host_tenant next = scene.tenant;
    host_add_listener(&next, host_ipv4(port), 0);
    host_add_listener(&next, host_ipv4(port), 0);
    CHECK(host_apply(&scene.host, &next, 1) < 0);
    CHECK(peer_port_is_free(port));
    /* Nor can two tenants. */
    struct host_tenant tenants[2] = {host_simple_tenant(2, peer_echo_port(scene.echo)),
                                     host_simple_tenant(3, peer_echo_port(scene.echo))};
    for (unsigned i = 0; i < 2; i++) {
        tenants[i].listeners[0].address.address.port = port;
        tenants[i].listeners[0].port_last = port;
    }
    CHECK(host_apply(&scene.host, tenants, 2) < 0);
    CHECK(peer_port_is_free(port));
    CHECK_EQ(host_apply(&scene.host, tenants, 1), SLUICE_OK);
    CHECK(host_apply(&scene.host, &tenants[1], 1) < 0);
    scene.client = peer_connect(port);
    CHECK(scene_echoes(scene.client, "the first has it"));
    scene_close_fd(&scene.client);
    struct sluice_log_session session;
    CHECK(host_next_session(&scene.host, &session));
    CHECK_EQ(session.tenant, 2);
    scene_end(&scene);
}

TEST(an_address_moves_from_one_tenant_to_another_in_one_change)
{
    struct scene scene = scene_echo();
    uint32_t port = peer_unused_port();
    scene.tenant.listeners[0].address.address.port = port;
    scene.tenant.listeners[0].port_last = port;
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "one"));
    struct host_tenant heir = host_simple_tenant(2, peer_echo_port(scene.echo));
    heir.listeners[0].address.address.port = port;
    heir.listeners[0].port_last = port;
    uint32_t id = TENANT;
    struct host_change change = {.tenants = &heir, .tenant_count = 1, .removed = &id, .removed_count = 1};
    REQUIRE(host_change(&scene.host, &change) == SLUICE_OK);
    CHECK(scene_echoes(scene.client, "drains"));
    int fd = peer_connect(port);
    CHECK(scene_echoes(fd, "two"));
    close(fd);
    struct sluice_log_session session;
    CHECK(host_next_session(&scene.host, &session));
    CHECK_EQ(session.tenant, 2);
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

TEST(a_range_of_ports_is_bound_and_counted)
{
    struct scene scene = scene_echo();
    uint32_t first = peer_unused_range(5);
    scene.tenant.listeners[0].address.address.port = first;
    scene.tenant.listeners[0].port_last = first + 4;
    REQUIRE(scene_start(&scene, 2));
    CHECK_EQ(host_status(&scene.host).listeners, 5);
    for (uint32_t port = first; port <= first + 4; port++) {
        scene.client = peer_connect(port);
        CHECK(scene_echoes(scene.client, "in range"));
        scene_close_fd(&scene.client);
        CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).listener, host_listener_id(&scene.tenant, 0));
    }
    struct sluice_listener_stats stats;
    CHECK_EQ(sluice_stats_listeners(scene.host.engine, 0, &stats, sizeof stats), 1);
    CHECK_EQ(stats.addresses, 5);
    CHECK_EQ(stats.sessions_total, 5);
    CHECK_EQ(stats.bound.port, first);
    scene.tenant.listeners[0].port_last = first + 1;
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    CHECK(peer_port_is_free(first + 2) && peer_port_is_free(first + 4));
    scene.client = peer_connect(first + 1);
    CHECK(scene_echoes(scene.client, "kept"));
    scene_end(&scene);
}

TEST(a_dry_run_changes_nothing)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1));
    struct host_change change = {.tenants = &scene.tenant, .tenant_count = 1};
    uint64_t size;
    uint8_t *blob = host_encode(&change, 2, &size);
    struct sluice_error error;
    CHECK_EQ(sluice_engine_apply(scene.host.engine, blob, size, SLUICE_APPLY_DRY_RUN, &error), SLUICE_OK);
    CHECK_EQ(host_status(&scene.host).generation, 1);
    blob[0] ^= 1;
    CHECK_EQ(sluice_engine_apply(scene.host.engine, blob, size, SLUICE_APPLY_DRY_RUN, &error), SLUICE_E_BLOB);
    free(blob);
    /* A generation that is not newer is refused. */
    blob = host_encode(&change, 1, &size);
    CHECK_EQ(sluice_engine_apply(scene.host.engine, blob, size, 0, &error), SLUICE_E_BLOB);
    CHECK_STRING(error.field, "generation");
    free(blob);
    scene_end(&scene);
}

/* ---- Under load ---- */

#define CLIENTS 6u

struct load {
    pthread_t thread;
    uint32_t port;
    uint64_t seed;
    atomic_uint sessions; /* so far */
    atomic_uint *stop;
    bool lost;
};

/* Sessions one after the other: short ones and some with more bytes, each byte expected back. */
static void *run_load(void *argument)
{
    struct load *load = argument;
    while (atomic_load(load->stop) == 0 && !load->lost) {
        uint64_t size = test_random_below(&load->seed, 8) == 0 ? 200000 : 1 + test_random_below(&load->seed, 2000);
        int fd = peer_connect(load->port);
        struct peer_task *send = peer_start_send(fd, load->seed, size, true);
        load->lost = fd == -1 || !peer_check_stream(fd, load->seed, size) || !peer_at_end(fd);
        load->lost = !peer_join(send) || load->lost;
        close(fd);
        atomic_fetch_add(&load->sessions, 1);
    }
    return NULL;
}

/* Whether every client has had enough sessions to be disturbed by a change. */
static bool all_have_begun(const struct load *loads)
{
    bool all = true;
    for (unsigned i = 0; i < CLIENTS; i++) {
        all = all && atomic_load(&loads[i].sessions) >= 3;
    }
    return all;
}

TEST(a_hundred_changes_under_load_lose_no_session)
{
    struct scene scene = scene_echo();
    struct peer_echo *other_echo = peer_echo_start();
    struct load loads[CLIENTS];
    atomic_uint stop = 0;
    uint64_t random = 31;
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "from the beginning"));
    for (unsigned i = 0; i < CLIENTS; i++) {
        loads[i] = (struct load){.port = scene.port, .seed = i + 1, .stop = &stop};
        REQUIRE(pthread_create(&loads[i].thread, NULL, run_load, &loads[i]) == 0);
    }
    struct host_tenant tenants[3];
    for (unsigned change = 0; change < 100 || (change < 10000 && !all_have_begun(loads)); change++) {
        struct host_tenant next = scene.tenant;
        uint32_t id = 2 + change % 3;
        if (test_random_below(&random, 2) == 0) {
            host_add_endpoint(&next, 0, host_ipv4(peer_echo_port(other_echo)));
        }
        if (test_random_below(&random, 2) == 0) {
            host_add_listener(&next, host_ipv4(0), 0);
        }
        if (test_random_below(&random, 3) == 0) {
            host_add_backend(&next);
            host_add_endpoint(&next, 1, host_ipv4(peer_echo_port(other_echo)));
        }
        next.backends[0].record.balance = (uint32_t)test_random_below(&random, 2);
        next.record.idle_ms = 60000 + change;
        next.record.keepalive_idle_s = 60 + change % 5;
        tenants[0] = next;
        tenants[1] = host_simple_tenant(id, peer_echo_port(other_echo));
        bool remove = host_tenant_stats(&scene.host, id).id != 0 && change % 2 == 0;
        struct host_change step = {.tenants = tenants,
                                   .tenant_count = remove ? 1 : 2,
                                   .removed = remove ? &id : NULL,
                                   .removed_count = remove ? 1 : 0};
        CHECK_EQ(host_change(&scene.host, &step), SLUICE_OK);
        CHECK_EQ(host_port(&scene.host, host_listener_id(&scene.tenant, 0)), scene.port);
        host_read_log(&scene.host);
    }
    CHECK(scene_echoes(scene.client, "to the end"));
    atomic_store(&stop, 1);
    uint64_t sessions = 1;
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(loads[i].thread, NULL);
        CHECK(!loads[i].lost);
        CHECK(atomic_load(&loads[i].sessions) > 0);
        sessions += atomic_load(&loads[i].sessions);
    }
    scene_close_fd(&scene.client);
    REQUIRE(host_wait_active(&scene.host, 0));
    struct sluice_tenant_stats stats = host_tenant_stats(&scene.host, TENANT);
    CHECK_EQ(stats.sessions_total, sessions);
    CHECK_EQ(stats.closed[0], sessions);
    scene_end(&scene);
    peer_echo_stop(other_echo);
}

TEST(listeners_on_ports_of_the_kernels_choice_never_share_one)
{
    /* So many that by chance alone some would: each probe of a port ends before it is bound for good. */
    enum { TENANTS = 60 };
    static struct host_tenant tenants[TENANTS];
    static uint32_t owner[65536];
    struct host host;
    for (uint32_t i = 0; i < TENANTS; i++) {
        tenants[i] = host_simple_tenant(i + 1, 1);
        while (tenants[i].record.listener_count < HOST_MOST_LISTENERS) {
            host_add_listener(&tenants[i], host_ipv4(0), 0);
        }
    }
    REQUIRE(host_open(&host, 2, tenants, TENANTS) == SLUICE_OK);
    struct sluice_listener_stats stats;
    uint32_t count = 0;
    for (; sluice_stats_listeners(host.engine, count, &stats, sizeof stats) == 1; count++) {
        uint32_t port = stats.bound.port;
        REQUIRE(port > 0 && port < 65536);
        if (owner[port] != 0) {
            TEST_FAIL("listeners %u and %u share port %u", owner[port], stats.id, port);
        }
        owner[port] = stats.id;
    }
    CHECK_EQ(count, TENANTS * HOST_MOST_LISTENERS);
    CHECK_STRING(host_close(&host), "");
}

TEST(many_tenants_in_one_blob)
{
    enum { TENANTS = 50 };
    static struct host_tenant tenants[TENANTS];
    struct peer_echo *echo = peer_echo_start();
    struct host host;
    for (uint32_t i = 0; i < TENANTS; i++) {
        tenants[i] = host_simple_tenant(i + 1, peer_echo_port(echo));
    }
    REQUIRE(host_open(&host, 2, tenants, TENANTS) == SLUICE_OK);
    CHECK_EQ(host_status(&host).tenants, TENANTS);
    CHECK_EQ(host_status(&host).listeners, TENANTS);
    for (uint32_t i = 0; i < TENANTS; i++) {
        int fd = peer_connect(host_port(&host, host_listener_id(&tenants[i], 0)));
        CHECK(scene_echoes(fd, "whose?"));
        close(fd);
        struct sluice_log_session session;
        CHECK(host_next_session(&host, &session));
        CHECK_EQ(session.tenant, i + 1);
    }
    uint32_t removed[TENANTS / 2];
    for (uint32_t i = 0; i < TENANTS / 2; i++) {
        removed[i] = 2 * i + 1;
    }
    CHECK_EQ(host_change(&host, &(struct host_change){.removed = removed, .removed_count = TENANTS / 2}), SLUICE_OK);
    CHECK_EQ(host_status(&host).tenants, TENANTS - TENANTS / 2);
    for (uint32_t i = 0; i < TENANTS; i++) {
        CHECK_EQ(host_tenant_stats(&host, i + 1).id, i % 2 == 0 ? 0 : i + 1);
    }
    CHECK_STRING(host_verify(&host), "");
    CHECK_STRING(host_close(&host), "");
    peer_echo_stop(echo);
}
