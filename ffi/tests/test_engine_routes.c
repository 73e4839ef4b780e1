/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: shared listeners, whose sessions go to tenants by what their clients say first. */
#include "hello.h"
#include "scene.h"

#define HOLDER 9u

/* The scene's tenant has its routes on a shared listener; a second tenant beside it. Each has an echo server. */
struct shared {
    struct scene scene;
    struct host_tenant holder;
    struct host_tenant other;
    struct peer_echo *other_echo;
};

static struct shared shared_scene(void)
{
    struct shared shared = {.scene = scene_echo(), .holder = host_holder(HOLDER), .other_echo = peer_echo_start()};
    shared.scene.tenant.record.listener_count = 0;
    shared.other = host_simple_tenant(2, peer_echo_port(shared.other_echo));
    shared.other.record.listener_count = 0;
    struct host_listener *listener = host_add_listener(&shared.holder, host_ipv4(0), 0);
    listener->detect = SLUICE_DETECT_TLS;
    listener->detect_timeout_ms = 10000;
    return shared;
}

static uint32_t listener_id(const struct shared *shared)
{
    return host_listener_id(&shared->holder, 0);
}

static int32_t apply(struct shared *shared)
{
    struct host_tenant tenants[] = {shared->holder, shared->scene.tenant, shared->other};
    return host_apply(&shared->scene.host, tenants, 3);
}

static bool start(struct shared *shared, uint32_t workers)
{
    struct host_tenant tenants[] = {shared->holder, shared->scene.tenant, shared->other};
    CHECK_EQ(host_open(&shared->scene.host, workers, tenants, 3), SLUICE_OK);
    shared->scene.port = host_port(&shared->scene.host, listener_id(shared));
    return shared->scene.port != 0;
}

static void end(struct shared *shared)
{
    scene_end(&shared->scene);
    peer_echo_stop(shared->other_echo);
}

static void hello_for(struct hello *hello, const char *name, const char *alpn)
{
    *hello = (struct hello){0};
    hello_begin(hello, 1);
    if (name != NULL) {
        hello_server_name(hello, name, (uint32_t)strlen(name));
    }
    if (alpn != NULL) {
        hello_alpn(hello, alpn);
    }
    hello_end(hello);
}

/* The echo of a hello: it went through untouched. */
static bool echoes(int fd, const struct hello *hello)
{
    static uint8_t answer[HELLO_MOST_BYTES];
    return peer_receive(fd, answer, hello->size) && memcmp(answer, hello->bytes, hello->size) == 0;
}

/* A client that asks for a name is served; which session that was. */
static struct sluice_log_session visit(struct shared *shared, const char *name, const char *alpn)
{
    static struct hello hello;
    struct sluice_log_session session = {0};
    hello_for(&hello, name, alpn);
    int fd = peer_connect(shared->scene.port);
    CHECK(peer_send(fd, hello.bytes, hello.size));
    CHECK(echoes(fd, &hello));
    scene_close_fd(&fd);
    CHECK(host_next_session(&shared->scene.host, &session));
    CHECK_STRING(host_code(session.code), "--");
    CHECK_EQ(session.bytes_up, hello.size);
    return session;
}

static void turned_away(struct shared *shared, const void *bytes, size_t size, enum sluice_reason reason)
{
    struct sluice_log_session session;
    int fd = peer_connect(shared->scene.port);
    CHECK(peer_send(fd, bytes, size));
    CHECK_STRING(peer_fate(fd, 10000), "end");
    scene_close_fd(&fd);
    CHECK(host_next_session(&shared->scene.host, &session));
    CHECK_STRING(host_code(session.code), "PR");
    CHECK_EQ(session.reason, reason);
    CHECK_EQ(session.tenant, 0);
    CHECK_EQ(session.attempts, 0);
}

TEST(the_most_specific_name_wins)
{
    struct shared shared = shared_scene();
    struct host_tenant *tenant = &shared.scene.tenant;
    uint32_t exact = host_add_route(tenant, listener_id(&shared), "www.acme.example", 0)->id;
    uint32_t wide = host_add_route(tenant, listener_id(&shared), "*.acme.example", 0)->id;
    uint32_t longer = host_add_route(tenant, listener_id(&shared), "*.eu.acme.example", 0)->id;
    uint32_t other = host_add_route(&shared.other, listener_id(&shared), NULL, 0)->id;
    REQUIRE(start(&shared, 2));
    CHECK_EQ(visit(&shared, "www.acme.example", NULL).route, exact);
    CHECK_EQ(visit(&shared, "WWW.Acme.Example.", NULL).route, exact);
    CHECK_EQ(visit(&shared, "api.acme.example", NULL).route, wide);
    CHECK_EQ(visit(&shared, "a.b.acme.example", NULL).route, wide);
    CHECK_EQ(visit(&shared, "a.eu.acme.example", NULL).route, longer);
    CHECK_EQ(visit(&shared, "acme.example", NULL).route, other);
    CHECK_EQ(visit(&shared, "wacme.example", NULL).route, other);
    struct sluice_log_session session = visit(&shared, NULL, NULL);
    CHECK_EQ(session.route, other);
    CHECK_EQ(session.tenant, 2);
    CHECK_EQ(session.listener, listener_id(&shared));
    end(&shared);
}

TEST(protocols_and_sources_decide_among_routes_of_one_name)
{
    struct shared shared = shared_scene();
    struct host_tenant *tenant = &shared.scene.tenant;
    struct host_route *route = host_add_route(tenant, listener_id(&shared), "acme.example", 0);
    uint32_t any = route->id;
    route = host_add_route(tenant, listener_id(&shared), "acme.example", 0);
    route->protocols[0] = "h2";
    route->protocols[1] = "mqtt";
    uint32_t h2 = route->id;
    route = host_add_route(tenant, listener_id(&shared), "acme.example", 0);
    route->sources[0] = (struct sluice_prefix_record){.family = SLUICE_FAMILY_IPV4, .bits = 24, .ip = {127, 0, 9}};
    route->source_count = 1;
    uint32_t near = route->id;
    REQUIRE(start(&shared, 1));
    CHECK_EQ(visit(&shared, "acme.example", NULL).route, any);
    CHECK_EQ(visit(&shared, "acme.example", "http/1.1").route, any);
    CHECK_EQ(visit(&shared, "acme.example", "http/1.1,h2").route, h2);
    CHECK_EQ(visit(&shared, "acme.example", "mqtt").route, h2);
    static struct hello hello;
    struct sluice_log_session session = {0};
    hello_for(&hello, "acme.example", "h2");
    int fd = peer_connect_from(0x000907, shared.scene.port);
    CHECK(peer_send(fd, hello.bytes, hello.size) && echoes(fd, &hello));
    scene_close_fd(&fd);
    CHECK(host_next_session(&shared.scene.host, &session));
    CHECK_EQ(session.route, near);
    end(&shared);
}

TEST(without_names_the_longest_source_then_the_default)
{
    struct shared shared = shared_scene();
    struct host_tenant *tenant = &shared.scene.tenant;
    const uint32_t bits[] = {8, 24};
    uint32_t ids[2];
    shared.holder.listeners[0].detect = SLUICE_DETECT_NONE;
    for (uint32_t i = 0; i < 2; i++) {
        struct host_route *route = host_add_route(tenant, listener_id(&shared), NULL, 0);
        route->sources[0] = (struct sluice_prefix_record){.family = SLUICE_FAMILY_IPV4, .bits = bits[i], .ip = {127}};
        route->source_count = 1;
        ids[i] = route->id;
    }
    REQUIRE(start(&shared, 2));
    for (uint32_t i = 0; i < 2; i++) {
        struct sluice_log_session session = {0};
        int fd = peer_connect_from(i == 0 ? 0x010001 : 0x000002, shared.scene.port);
        CHECK(scene_echoes(fd, "nothing is read before the route is chosen"));
        scene_close_fd(&fd);
        CHECK(host_next_session(&shared.scene.host, &session));
        CHECK_EQ(session.route, ids[i]);
    }
    end(&shared);
}

TEST(a_hello_may_come_in_any_pieces)
{
    static struct hello hello;
    struct shared shared = shared_scene();
    host_add_route(&shared.scene.tenant, listener_id(&shared), "acme.example", 0);
    REQUIRE(start(&shared, 1));
    hello_for(&hello, "acme.example", "h2");
    hello.size = hello.size < 400 ? hello.size : 400;
    for (uint32_t step = 1; step < 8; step += 3) {
        struct sluice_log_session session = {0};
        int fd = peer_connect(shared.scene.port);
        for (uint32_t at = 0; at < hello.size; at += step) {
            uint32_t size = hello.size - at < step ? hello.size - at : step;
            CHECK(peer_send(fd, hello.bytes + at, size));
        }
        CHECK(echoes(fd, &hello));
        CHECK(scene_echoes(fd, "and on"));
        scene_close_fd(&fd);
        CHECK(host_next_session(&shared.scene.host, &session));
        CHECK_EQ(session.tenant, TENANT);
        CHECK_EQ(session.bytes_up, hello.size + 6);
    }
    end(&shared);
}

TEST(what_is_no_tls_takes_the_default_route_at_once)
{
    struct shared shared = shared_scene();
    host_add_route(&shared.scene.tenant, listener_id(&shared), "acme.example", 0);
    host_add_route(&shared.other, listener_id(&shared), NULL, 0);
    REQUIRE(start(&shared, 1));
    int fd = peer_connect(shared.scene.port);
    CHECK(scene_echoes(fd, "S"));
    CHECK(scene_echoes(fd, "SH-2.0"));
    scene_close_fd(&fd);
    struct sluice_log_session session = {0};
    CHECK(host_next_session(&shared.scene.host, &session));
    CHECK_EQ(session.tenant, 2);
    end(&shared);
}

TEST(who_finds_no_route_is_turned_away)
{
    static struct hello hello;
    struct shared shared = shared_scene();
    host_add_route(&shared.scene.tenant, listener_id(&shared), "acme.example", 0);
    REQUIRE(start(&shared, 1));
    hello_for(&hello, "other.example", NULL);
    turned_away(&shared, hello.bytes, hello.size, SLUICE_REASON_NO_ROUTE);
    turned_away(&shared, "GET / HTTP/1.0\r\n\r\n", 18, SLUICE_REASON_NO_ROUTE);
    hello_for(&hello, "acme.example", NULL);
    hello.bytes[9] ^= 0xff; /* a legacy version that no client says, then lengths that do not fit */
    hello.bytes[6] = 0xff;
    hello.bytes[7] = 0xff;
    hello.bytes[8] = 0xff;
    turned_away(&shared, hello.bytes, hello.size, SLUICE_REASON_BAD_CLIENT_HELLO);
    CHECK_EQ(host_tenant_stats(&shared.scene.host, HOLDER).refused[SLUICE_REASON_NO_ROUTE], 2);
    CHECK_EQ(host_status(&shared.scene.host).tenants, 2);
    end(&shared);
}

TEST(who_says_nothing_or_goes_is_not_waited_for)
{
    static struct hello hello;
    struct shared shared = shared_scene();
    struct sluice_log_session session = {0};
    shared.holder.listeners[0].detect_timeout_ms = 300;
    host_add_route(&shared.scene.tenant, listener_id(&shared), "acme.example", 0);
    REQUIRE(start(&shared, 1));
    int fd = peer_connect(shared.scene.port);
    CHECK_STRING(peer_fate(fd, 10000), "end");
    scene_close_fd(&fd);
    CHECK(host_next_session(&shared.scene.host, &session));
    CHECK_STRING(host_code(session.code), "cR");
    CHECK_EQ(session.reason, SLUICE_REASON_ROUTE_TIMEOUT);
    CHECK(session.total_us >= 300000);

    hello_for(&hello, "acme.example", NULL);
    for (uint32_t i = 0; i < 2; i++) {
        fd = peer_connect(shared.scene.port);
        CHECK(peer_send(fd, hello.bytes, 40));
        if (i == 0) {
            peer_end(fd); /* what is missing will not come */
            CHECK_STRING(peer_fate(fd, 10000), "end");
            scene_close_fd(&fd);
        } else {
            peer_reset(fd);
        }
        CHECK(host_next_session(&shared.scene.host, &session));
        CHECK_STRING(host_code(session.code), "CR");
        CHECK_EQ(session.reason, SLUICE_REASON_CLIENT_ABORT);
    }
    end(&shared);
}

TEST(limits_are_those_of_the_tenant_that_the_route_finds)
{
    static struct hello hello;
    struct shared shared = shared_scene();
    struct sluice_log_session session = {0};
    shared.scene.tenant.record.limits.max_connections = 1;
    host_add_route(&shared.scene.tenant, listener_id(&shared), "acme.example", 0);
    host_add_route(&shared.other, listener_id(&shared), "other.example", 0);
    REQUIRE(start(&shared, 2));
    hello_for(&hello, "acme.example", NULL);
    int first = peer_connect(shared.scene.port);
    CHECK(peer_send(first, hello.bytes, hello.size) && echoes(first, &hello));
    int second = peer_connect(shared.scene.port);
    CHECK(peer_send(second, hello.bytes, hello.size));
    CHECK_STRING(peer_fate(second, 10000), "end");
    scene_close_fd(&second);
    CHECK(host_next_session(&shared.scene.host, &session));
    CHECK_STRING(host_code(session.code), "PR");
    CHECK_EQ(session.reason, SLUICE_REASON_TENANT_CONNECTIONS);
    CHECK_EQ(session.tenant, TENANT);
    CHECK(session.route != 0);
    CHECK_EQ(visit(&shared, "other.example", NULL).tenant, 2);
    scene_close_fd(&first);
    CHECK(host_next_session(&shared.scene.host, &session));
    end(&shared);
}

TEST(routes_change_while_sessions_live)
{
    static struct hello hello;
    struct shared shared = shared_scene();
    struct sluice_log_session session = {0};
    host_add_route(&shared.scene.tenant, listener_id(&shared), "acme.example", 0);
    REQUIRE(start(&shared, 2));
    hello_for(&hello, "acme.example", NULL);
    int fd = peer_connect(shared.scene.port);
    CHECK(peer_send(fd, hello.bytes, hello.size) && echoes(fd, &hello));
    int reading = peer_connect(shared.scene.port); /* has said a part of it when the route goes to another */
    CHECK(peer_send(reading, hello.bytes, 30));

    shared.scene.tenant.record.route_count = 0;
    host_add_route(&shared.other, listener_id(&shared), "acme.example", 0);
    CHECK_EQ(apply(&shared), SLUICE_OK);
    CHECK_EQ(visit(&shared, "acme.example", NULL).tenant, 2);
    CHECK(peer_send(reading, hello.bytes + 30, hello.size - 30) && echoes(reading, &hello));
    CHECK(scene_echoes(fd, "still the old one"));
    scene_close_fd(&reading);
    CHECK(host_next_session(&shared.scene.host, &session));
    CHECK_EQ(session.tenant, 2);
    scene_close_fd(&fd);
    CHECK(host_next_session(&shared.scene.host, &session));
    CHECK_EQ(session.tenant, TENANT);
    end(&shared);
}

TEST(readers_of_live_sessions_see_what_they_asked_for)
{
    static struct hello hello;
    struct sluice_session_record record;
    const struct sluice_session_filter all = {0};
    uint64_t next;
    struct shared shared = shared_scene();
    host_add_route(&shared.scene.tenant, listener_id(&shared), "acme.example", 0);
    REQUIRE(start(&shared, 1));
    hello_for(&hello, "acme.example", "h2");
    int fd = peer_connect(shared.scene.port);
    CHECK(peer_send(fd, hello.bytes, hello.size));
    CHECK(echoes(fd, &hello));
    CHECK_EQ(sluice_sessions_read(shared.scene.host.engine, &all, sizeof all, 0, &record, sizeof record, &next), 1);
    CHECK_EQ(record.session.server_name_length, 12);
    CHECK_EQ(record.session.alpn_length, 2);
    CHECK(memcmp(record.text, "acme.exampleh2", 15) == 0);
    scene_close_fd(&fd);
    end(&shared);
}

TEST(a_shared_listener_that_goes_drains_whoever_came_by_it)
{
    static struct hello hello;
    struct shared shared = shared_scene();
    struct sluice_log_session session = {0};
    shared.holder.record.drain_ms = 200;
    host_add_route(&shared.scene.tenant, listener_id(&shared), "acme.example", 0);
    REQUIRE(start(&shared, 2));
    hello_for(&hello, "acme.example", NULL);
    int fd = peer_connect(shared.scene.port);
    CHECK(peer_send(fd, hello.bytes, hello.size) && echoes(fd, &hello));
    int reading = peer_connect(shared.scene.port);
    CHECK(peer_send(reading, hello.bytes, 30));
    CHECK(host_wait_active(&shared.scene.host, 2));

    const uint32_t removed[] = {HOLDER};
    CHECK_EQ(host_change(&shared.scene.host, &(struct host_change){.removed = removed, .removed_count = 1}), SLUICE_OK);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(host_next_session(&shared.scene.host, &session));
        CHECK_EQ(session.reason, SLUICE_REASON_DRAINED);
    }
    scene_close_fd(&fd);
    scene_close_fd(&reading);
    CHECK_EQ(host_status(&shared.scene.host).snapshots_held, 0);
    end(&shared);
}
