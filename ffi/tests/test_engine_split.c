/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: backends that are split between others. */
#include "scene.h"

#define WHOLE 0u /* backends, by number */
#define STABLE 1u
#define CANARY 2u

/* The listener goes to a backend that is split between two with an endpoint each: the scene's and *canary. */
static struct scene split_scene(int *canary, uint32_t stable_weight, uint32_t canary_weight)
{
    struct scene scene = scene_scripted();
    struct host_backend *whole = &scene.tenant.backends[WHOLE];
    *canary = peer_listen(128);
    whole->record.endpoint_count = 0;
    whole->record.split_count = 2;
    host_add_backend(&scene.tenant);
    host_add_backend(&scene.tenant);
    host_add_endpoint(&scene.tenant, STABLE, host_ipv4(peer_port(scene.backend)));
    host_add_endpoint(&scene.tenant, CANARY, host_ipv4(peer_port(*canary)));
    whole->splits[0].backend = host_backend_id(&scene.tenant, STABLE);
    whole->splits[0].weight = stable_weight;
    whole->splits[1].backend = host_backend_id(&scene.tenant, CANARY);
    whole->splits[1].weight = canary_weight;
    return scene;
}

static void set_weights(struct scene *scene, uint32_t stable_weight, uint32_t canary_weight)
{
    scene->tenant.backends[WHOLE].splits[0].weight = stable_weight;
    scene->tenant.backends[WHOLE].splits[1].weight = canary_weight;
    scene_apply(scene);
}

/* Which part a session went to that ended so; by number. */
static uint32_t went_to(struct scene *scene, const char *code, enum sluice_reason reason)
{
    return scene_ended(scene, code, reason).backend - host_backend_id(&scene->tenant, 0);
}

/* A client comes from an address and goes; which part it was served by. */
static uint32_t visit(struct scene *scene, int canary, uint32_t source)
{
    int client = peer_connect_from(source, scene->port);
    peer_end(client);
    bool by_canary = false;
    while (!by_canary && !peer_readable(scene->backend, 1)) {
        by_canary = peer_readable(canary, 1);
    }
    int server = peer_accept(by_canary ? canary : scene->backend);
    close(server);
    CHECK(peer_at_end(client));
    close(client);
    uint32_t part = went_to(scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(part, by_canary ? CANARY : STABLE);
    return part;
}

TEST(sessions_go_by_address_at_every_worker_and_stay)
{
    enum { SOURCES = 200 };
    int canary;
    uint32_t before[SOURCES];
    uint32_t in_canary = 0;
    struct scene scene = split_scene(&canary, 70, 30);
    REQUIRE(scene_start(&scene, 4));
    for (uint32_t i = 0; i < SOURCES; i++) {
        before[i] = visit(&scene, canary, 1000 + i);
        in_canary += before[i] == CANARY;
    }
    CHECK(in_canary > SOURCES / 5 && in_canary < SOURCES * 2 / 5);
    set_weights(&scene, 40, 60);
    for (uint32_t i = 0; i < SOURCES; i += 2) {
        uint32_t part = visit(&scene, canary, 1000 + i);
        CHECK(part == CANARY || before[i] == STABLE);
    }
    set_weights(&scene, 70, 30);
    for (uint32_t i = 0; i < SOURCES; i += 2) {
        CHECK_EQ(visit(&scene, canary, 1000 + i), before[i]);
    }
    struct sluice_backend_stats stable = host_backend_stats(&scene.host, host_backend_id(&scene.tenant, STABLE));
    struct sluice_backend_stats other = host_backend_stats(&scene.host, host_backend_id(&scene.tenant, CANARY));
    CHECK_EQ(stable.connects_total + other.connects_total, SOURCES * 2);
    close(canary);
    scene_end(&scene);
}

TEST(a_split_backend_is_listed_with_nothing)
{
    int canary;
    struct scene scene = split_scene(&canary, 1, 0);
    REQUIRE(scene_start(&scene, 1));
    CHECK_EQ(visit(&scene, canary, LOOPBACK), STABLE);
    struct sluice_backend_stats records[4] = {0};
    CHECK_EQ(sluice_stats_backends(scene.host.engine, 0, records, sizeof records), 3);
    CHECK_EQ(records[WHOLE].id, host_backend_id(&scene.tenant, WHOLE));
    CHECK_EQ(records[WHOLE].connects_total, 0);
    CHECK_EQ(records[STABLE].connects_total, 1);
    CHECK_EQ(sluice_stats_backends(scene.host.engine, 1, records, sizeof records[0]), 1);
    CHECK_EQ(records[0].id, host_backend_id(&scene.tenant, STABLE));
    CHECK_EQ(sluice_stats_backends(scene.host.engine, 3, records, sizeof records), 0);
    CHECK_EQ(sluice_stats_backends(scene.host.engine, 0, records, sizeof records[0] - 1), SLUICE_E_BUFFER);
    close(canary);
    scene_end(&scene);
}

TEST(a_part_without_weight_gets_none_and_with_none_there_is_no_endpoint)
{
    int canary;
    struct scene scene = split_scene(&canary, 0, 1);
    REQUIRE(scene_start(&scene, 1));
    for (uint32_t i = 0; i < 20; i++) {
        CHECK_EQ(visit(&scene, canary, 1 + i), CANARY);
    }
    set_weights(&scene, 0, 0);
    int fd = peer_connect(scene.port);
    CHECK(peer_at_end(fd));
    close(fd);
    CHECK_EQ(went_to(&scene, "SC", SLUICE_REASON_NO_ENDPOINT), WHOLE);
    close(canary);
    scene_end(&scene);
}

TEST(clients_without_an_address_are_spread)
{
    enum { CLIENTS = 100 };
    int canary;
    char name[64];
    uint32_t in_canary = 0;
    int length = snprintf(name, sizeof name, "%csluice-split-%d", 0, (int)getpid());
    struct scene scene = split_scene(&canary, 1, 1);
    scene.tenant.listeners[0].address = host_abstract(name + 1);
    CHECK_EQ(host_open(&scene.host, 1, &scene.tenant, 1), SLUICE_OK);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        int client = peer_connect_unix(name, (size_t)length);
        CHECK(host_wait_total(&scene.host, TENANT, i + 1));
        close(client);
        const struct sluice_session_filter all = {0};
        sluice_sessions_kill(scene.host.engine, &all, sizeof all, SLUICE_REASON_KILLED);
        struct sluice_log_session session;
        CHECK(host_next_session(&scene.host, &session));
        in_canary += session.backend == host_backend_id(&scene.tenant, CANARY);
    }
    CHECK(in_canary > 10 && in_canary < 90); /* 50 +- 40: beyond that once in 10^16 runs */
    close(canary);
    scene_end(&scene);
}

/* A session that waits at one part goes on at another, when the weights say so; or ends when there are none. */
TEST(who_waits_moves_with_the_weights)
{
    for (unsigned to_nowhere = 0; to_nowhere < 2; to_nowhere++) {
        int canary;
        struct scene scene = split_scene(&canary, 1, 0);
        scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
        scene.tenant.record.limits.queue_timeout_ms = 60000;
        scene.tenant.backends[STABLE].endpoints[0].record.max_connections = 1;
        REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
        int waiting = peer_connect(scene.port);
        CHECK(host_wait_queue(&scene.host, TENANT, 1));
        set_weights(&scene, 0, to_nowhere == 0 ? 1 : 0);
        if (to_nowhere == 0) {
            int server = peer_accept(canary);
            CHECK(server != -1);
            peer_end(waiting);
            CHECK(peer_at_end(server));
            close(server);
            CHECK_EQ(went_to(&scene, "--", SLUICE_REASON_OK), CANARY);
        } else {
            CHECK(peer_at_end(waiting));
            CHECK_EQ(went_to(&scene, "SC", SLUICE_REASON_NO_ENDPOINT), WHOLE);
        }
        close(waiting);
        scene_close_fd(&scene.client);
        scene_close_fd(&scene.server);
        CHECK(host_wait_active(&scene.host, 0));
        close(canary);
        scene_end(&scene);
    }
}
