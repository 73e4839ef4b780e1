/* SPDX-License-Identifier: MIT
 * Everything at once: sessions by a listener that takes PROXY headers and by a shared one, through a split with
 * breakers, ejection, retries, connections ahead, queues for places, mirrors and faults, while all of that changes,
 * endpoints go down and up, and sessions are killed. Whoever is answered is answered right, and nothing is left. */
#include <pthread.h>
#include <stdatomic.h>

#include "scene.h"

#define HOLDER 9u
#define THREADS 6u
#define CLIENTS 250u /* of each thread */
#define WHOLE 0u     /* backends, by number */
#define STABLE 1u
#define CANARY 2u
#define SHADOW 3u

struct crowd {
    pthread_t thread;
    atomic_uint *done; /* threads that have ended */
    uint32_t shared_port;
    _Atomic uint32_t *own_port; /* 0: there is none. It may be gone in a moment */
    uint64_t random;
    unsigned served;
    unsigned wrong; /* an answer that is not what was sent */
};

static uint32_t draw(uint64_t *random, uint32_t below)
{
    return (uint32_t)(test_random(random) % below);
}

/* Sends in two parts what a listener with PROXY headers wants. */
static bool send_header(int fd, uint64_t *random)
{
    static const char header[] = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";
    size_t size = sizeof header - 1;
    size_t first = draw(random, (uint32_t)size);
    return peer_send(fd, header, first) && peer_send(fd, header + first, size - first);
}

static void visit(struct crowd *crowd)
{
    uint8_t sent[3000];
    uint8_t answer[3000];
    uint32_t own_port = atomic_load(crowd->own_port);
    bool own = own_port != 0 && draw(&crowd->random, 2) == 0;
    uint32_t way = draw(&crowd->random, 6);
    uint32_t size = 1 + draw(&crowd->random, sizeof sent);
    int fd = peer_connect(own ? own_port : crowd->shared_port);
    memset(sent, (int)size, size);
    bool goes_on = fd != -1 && way != 0 && (!own || send_header(fd, &crowd->random)) && peer_send(fd, sent, size);
    if (goes_on && way == 1) {
        peer_reset(fd);
        return;
    }
    if (goes_on && way == 2) {
        peer_end(fd);
    }
    if (goes_on && way != 3 && peer_receive(fd, answer, size)) {
        crowd->served++;
        crowd->wrong += memcmp(answer, sent, size) != 0;
    }
    scene_close_fd(&fd);
}

static void *run(void *argument)
{
    struct crowd *crowd = argument;
    for (unsigned i = 0; i < CLIENTS; i++) {
        visit(crowd);
    }
    atomic_fetch_add(crowd->done, 1);
    return NULL;
}

/* What the storm is before. */
struct sky {
    struct host_tenant tenants[2]; /* the holder, the tenant */
    uint32_t echo;                 /* ports */
    uint32_t shadow;
    uint32_t refusing;
    uint64_t random;
};

static uint32_t some(struct sky *sky, uint32_t value, uint32_t otherwise)
{
    return draw(&sky->random, 2) == 0 ? value : otherwise;
}

static void draw_backend(struct sky *sky, struct host_backend *backend)
{
    struct sluice_backend_record *record = &backend->record;
    record->attempts = 1 + draw(&sky->random, 3);
    record->backoff_ms = draw(&sky->random, 4);
    record->breaker_requests = some(sky, 4, 0);
    record->breaker_error_ppm = 500000;
    record->breaker_probes = 1 + draw(&sky->random, 2);
    record->breaker_window_ms = 1000;
    record->breaker_open_ms = 5;
    record->passive_failures = some(sky, 2, 0);
    record->passive_window_ms = 1000;
    record->eject_ms = 5;
    record->max_ejected_ppm = 1000000;
    record->preconnect_max = some(sky, 1 + draw(&sky->random, 4), 0);
    record->preconnect_min = draw(&sky->random, record->preconnect_max + 1);
    record->preconnect_idle_ms = 20;
    for (uint32_t i = 0; i < record->endpoint_count; i++) {
        backend->endpoints[i].record.max_connections = some(sky, 1 + draw(&sky->random, 3), SLUICE_UNLIMITED32);
    }
}

static void draw_part(struct sky *sky, uint32_t number)
{
    struct host_tenant *tenant = &sky->tenants[1];
    host_add_backend(tenant);
    host_add_endpoint(tenant, number, host_ipv4(number == SHADOW ? sky->shadow : sky->echo));
    if (draw(&sky->random, 2) == 0) {
        host_add_endpoint(tenant, number, host_ipv4(sky->refusing));
    }
    draw_backend(sky, &tenant->backends[number]);
    tenant->backends[number].record.send_proxy =
        number == SHADOW ? some(sky, SLUICE_SEND_PROXY_V2, SLUICE_SEND_PROXY_OFF) : SLUICE_SEND_PROXY_OFF;
}

static void draw_ways_in(struct sky *sky)
{
    struct host_tenant *tenant = &sky->tenants[1];
    if (draw(&sky->random, 8) != 0) {
        host_add_route(tenant, host_listener_id(&sky->tenants[0], 0), NULL, WHOLE);
    }
    if (draw(&sky->random, 8) != 0) {
        struct host_listener *own = host_add_listener(tenant, host_ipv4(0), WHOLE);
        own->proxy_accept = SLUICE_PROXY_REQUIRED;
        own->trusted[0] = host_loopback();
        own->trusted_count = 1;
        own->proxy_timeout_ms = 100;
    }
}

/* The tenant drawn anew, with an id. */
static void draw_tenant(struct sky *sky, uint32_t id)
{
    struct host_tenant *tenant = &sky->tenants[1];
    *tenant = host_tenant(id);
    struct host_backend *whole = host_add_backend(tenant);
    for (uint32_t number = STABLE; number <= SHADOW; number++) {
        draw_part(sky, number);
    }
    whole->record.split_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        whole->splits[i].backend = host_backend_id(tenant, STABLE + i);
        whole->splits[i].weight = draw(&sky->random, 5);
    }
    draw_ways_in(sky);
    struct sluice_tenant_record *record = &tenant->record;
    record->drain_ms = draw(&sky->random, 50);
    record->limits.max_connections = some(sky, 1 + draw(&sky->random, 6), SLUICE_UNLIMITED32);
    record->limits.on_limit = draw(&sky->random, 4) != 0 ? SLUICE_ON_LIMIT_QUEUE : SLUICE_ON_LIMIT_CLOSE;
    record->limits.queue_timeout_ms = 2000;
    record->mirror_backend = some(sky, host_backend_id(tenant, SHADOW), 0);
    record->mirror_share_ppm = record->mirror_backend != 0 ? 700000 : 0;
    record->fault_delay_ms = 1 + draw(&sky->random, 5);
    record->fault_delay_ppm = some(sky, 500000, 0);
    record->fault_refuse_ppm = some(sky, 50000, 0);
    record->fault_reset_ppm = some(sky, 50000, 0);
}

/* What checks and operators do. */
static void meddle(struct scene *scene, struct sky *sky)
{
    const struct host_tenant *tenant = &sky->tenants[1];
    struct {
        struct sluice_session_filter filter;
        uint32_t id;
    } of_endpoint = {.filter = {.id_kind = SLUICE_FILTER_ENDPOINT, .id_count = 1}};
    of_endpoint.id = host_endpoint_id(tenant, STABLE + draw(&sky->random, 2), draw(&sky->random, 2));
    struct sluice_health_record health = {.endpoint = of_endpoint.id,
                                          .health = draw(&sky->random, 8) == 0 ? SLUICE_HEALTH_DOWN : SLUICE_HEALTH_UP};
    CHECK(sluice_endpoints_health(scene->host.engine, &health, sizeof health) >= 0);
    if (health.health == SLUICE_HEALTH_DOWN) {
        CHECK(sluice_sessions_kill(scene->host.engine, &of_endpoint, sizeof of_endpoint.filter + sizeof of_endpoint.id,
                                   SLUICE_REASON_ENDPOINT_DOWN) >= 0);
    }
    if (draw(&sky->random, 40) == 0) {
        static const struct sluice_session_filter every;
        CHECK(sluice_sessions_kill(scene->host.engine, &every, sizeof every, SLUICE_REASON_KILLED) >= 0);
    }
}

static int32_t change(struct scene *scene, struct sky *sky)
{
    const uint32_t before = sky->tenants[1].record.id;
    bool removed = draw(&sky->random, 8) == 0;
    draw_tenant(sky, before + (removed ? 1 : 0));
    const struct host_change change = {
        .tenants = sky->tenants, .tenant_count = 2, .removed = &before, .removed_count = removed ? 1 : 0};
    return host_change(&scene->host, &change);
}

TEST(all_of_it_changes_in_a_storm)
{
    struct scene scene = scene_echo();
    struct peer_echo *shadow = peer_echo_start();
    struct sky sky = {.tenants = {host_holder(HOLDER)}, .random = 4711};
    sky.echo = peer_echo_port(scene.echo);
    sky.shadow = peer_echo_port(shadow);
    sky.refusing = peer_unused_port();
    host_add_listener(&sky.tenants[0], host_ipv4(0), 0);
    draw_tenant(&sky, 10);
    REQUIRE(host_open(&scene.host, 3, sky.tenants, 2) == SLUICE_OK);
    uint32_t shared_port = host_port(&scene.host, host_listener_id(&sky.tenants[0], 0));
    _Atomic uint32_t own_port = 0;
    atomic_uint done = 0;
    struct crowd crowds[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        crowds[i] =
            (struct crowd){.done = &done, .shared_port = shared_port, .own_port = &own_port, .random = 1000 + i};
        REQUIRE(pthread_create(&crowds[i].thread, NULL, run, &crowds[i]) == 0);
    }
    while (atomic_load(&done) < THREADS) {
        CHECK_EQ(change(&scene, &sky), SLUICE_OK);
        atomic_store(&own_port, host_port(&scene.host, host_listener_id(&sky.tenants[1], 0)));
        for (unsigned i = 0; i < 4; i++) {
            meddle(&scene, &sky);
        }
        host_read_log(&scene.host);
        host_settle(&scene.host);
    }
    unsigned served = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(crowds[i].thread, NULL);
        CHECK_EQ(crowds[i].wrong, 0);
        served += crowds[i].served;
    }
    CHECK(served > 0);
    scene_end(&scene);
    peer_echo_stop(shadow);
}
