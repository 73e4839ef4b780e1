/* SPDX-License-Identifier: MIT
 * Shared listeners while clients storm them and routes go from tenant to tenant, listeners and tenants come and go:
 * who finds a route is served by an owner of it, nothing is lost, and nothing is left. */
#include <pthread.h>
#include <stdatomic.h>

#include "hello.h"
#include "scene.h"

#define HOLDER 9u
#define THREADS 4u
#define CLIENTS 120u /* of each thread */
#define CHANGES 150u
#define NAMES 4u

static const char *const names[NAMES] = {"a.example", "b.example", "c.b.example", "d.example"};
static struct hello hellos[NAMES];

struct crowd {
    pthread_t thread;
    uint32_t port;
    uint64_t random;
    unsigned served;
    unsigned refused;
    unsigned wrong; /* an answer that is not what was sent */
};

static uint32_t draw(uint64_t *random, uint32_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 33) % below;
}

static void visit(struct crowd *crowd)
{
    static const unsigned most_parts = 3;
    uint8_t answer[1024];
    const struct hello *hello = &hellos[draw(&crowd->random, NAMES)];
    bool leaves = draw(&crowd->random, 8) == 0;
    unsigned parts = 1 + draw(&crowd->random, most_parts);
    int fd = peer_connect(crowd->port);
    bool sent = fd != -1;
    for (unsigned i = 0; sent && i < parts - (leaves ? 1 : 0); i++) {
        uint32_t from = hello->size * i / parts;
        sent = peer_send(fd, hello->bytes + from, hello->size * (i + 1) / parts - from);
    }
    if (leaves && fd != -1) {
        peer_reset(fd);
        return;
    }
    if (sent && peer_receive(fd, answer, hello->size)) {
        crowd->served++;
        crowd->wrong += memcmp(answer, hello->bytes, hello->size) != 0;
    } else {
        crowd->refused++;
    }
    scene_close_fd(&fd);
}

static void *run(void *argument)
{
    struct crowd *crowd = argument;
    for (unsigned i = 0; i < CLIENTS; i++) {
        visit(crowd);
    }
    return NULL;
}

/* The tenants with routes drawn anew; a name has one owner at the most. */
static void draw_routes(struct host_tenant *tenants, uint32_t listener, uint64_t *random)
{
    for (uint32_t i = 0; i < 2; i++) {
        tenants[i].record.route_count = 0;
    }
    for (uint32_t i = 0; i < NAMES; i++) {
        uint32_t owner = draw(random, 3);
        if (owner < 2) {
            host_add_route(&tenants[owner], listener, names[i], 0);
        }
    }
    if (draw(random, 2) == 0) {
        host_add_route(&tenants[draw(random, 2)], listener, "*.b.example", 0);
    }
}

TEST(routes_and_listeners_change_in_a_storm)
{
    struct scene scene = scene_echo();
    struct peer_echo *other_echo = peer_echo_start();
    struct host_tenant holder = host_holder(HOLDER);
    struct host_tenant tenants[3] = {scene.tenant, host_simple_tenant(2, peer_echo_port(other_echo))};
    uint64_t random = 77;
    host_add_listener(&holder, host_ipv4(0), 0)->detect = SLUICE_DETECT_TLS;
    holder.listeners[0].detect_timeout_ms = 10000;
    uint32_t listener = host_listener_id(&holder, 0);
    tenants[0].record.listener_count = 0;
    tenants[1].record.listener_count = 0;
    for (uint32_t i = 0; i < NAMES; i++) {
        hello_begin(&hellos[i], 1);
        hello_server_name(&hellos[i], names[i], (uint32_t)strlen(names[i]));
        hello_end(&hellos[i]);
    }
    tenants[2] = holder;
    draw_routes(tenants, listener, &random);
    REQUIRE(host_open(&scene.host, 3, tenants, 3) == SLUICE_OK);
    uint32_t port = host_port(&scene.host, listener);

    struct crowd crowds[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){.port = port, .random = 1000 + i};
        REQUIRE(pthread_create(&crowds[i].thread, NULL, run, &crowds[i]) == 0);
    }
    for (uint32_t i = 0; i < CHANGES; i++) {
        draw_routes(tenants, listener, &random);
        /* The holder's second listener comes and goes: versions of it are replaced under live sessions. */
        tenants[2].record.listener_count = 1;
        if (draw(&random, 2) == 0) {
            host_add_listener(&tenants[2], host_ipv4(0), 0)->detect = SLUICE_DETECT_TLS;
        }
        struct host_change change = {.tenants = tenants, .tenant_count = 3};
        const uint32_t removed[] = {tenants[1].record.id};
        if (draw(&random, 6) == 0) { /* a tenant goes with its routes, and another one comes with them */
            struct host_tenant next = host_simple_tenant(10 + i, peer_echo_port(other_echo));
            next.record.listener_count = 0;
            tenants[1] = next;
            draw_routes(tenants, listener, &random);
            change.removed = removed;
            change.removed_count = 1;
        }
        CHECK_EQ(host_change(&scene.host, &change), SLUICE_OK);
    }
    unsigned served = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(crowds[i].thread, NULL);
        CHECK_EQ(crowds[i].wrong, 0);
        served += crowds[i].served;
    }
    CHECK(served > 0);
    /* In the end every name has an owner, and is served. */
    tenants[0].record.route_count = 0;
    tenants[1].record.route_count = 0;
    for (uint32_t i = 0; i < NAMES; i++) {
        host_add_route(&tenants[i % 2], listener, names[i], 0);
    }
    CHECK_EQ(host_apply(&scene.host, tenants, 3), SLUICE_OK);
    struct crowd last = {.port = port, .random = 5};
    run(&last);
    CHECK_EQ(last.refused, 0);
    CHECK_EQ(last.wrong, 0);
    scene_end(&scene);
    peer_echo_stop(other_echo);
}
