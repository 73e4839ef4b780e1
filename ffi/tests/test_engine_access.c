/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: lists of who may connect and who may not. */
#include "scene.h"

/* "127.0.2.0/24" in parts; the last three bytes as of peer_connect_from. */
static struct sluice_prefix_record ipv4(uint32_t source, uint32_t bits)
{
    return (struct sluice_prefix_record){
        .ip = {127, (uint8_t)(source >> 16), (uint8_t)(source >> 8), (uint8_t)source},
        .family = SLUICE_FAMILY_IPV4,
        .bits = bits,
    };
}

static const struct sluice_prefix_record all_ipv4 = {.family = SLUICE_FAMILY_IPV4};
static const struct sluice_prefix_record all_ipv6 = {.family = SLUICE_FAMILY_IPV6};
static const struct sluice_prefix_record loopback_ipv6 = {.ip = {[15] = 1}, .family = SLUICE_FAMILY_IPV6, .bits = 128};

/* Denied ones come behind the allowed ones. */
static void allow(struct scene *scene, struct sluice_prefix_record prefix)
{
    scene->tenant.record.flags |= SLUICE_TENANT_ALLOW_LIST;
    scene->tenant.prefixes[scene->tenant.record.allow_count++] = prefix;
}

static void deny(struct scene *scene, struct sluice_prefix_record prefix)
{
    uint32_t number = scene->tenant.record.allow_count + scene->tenant.record.deny_count++;
    scene->tenant.prefixes[number] = prefix;
}

static void clear(struct scene *scene)
{
    scene->tenant.record.flags = SLUICE_TENANT_ENABLED;
    scene->tenant.record.allow_count = 0;
    scene->tenant.record.deny_count = 0;
}

static void ipv6_visit(struct scene *scene, bool served)
{
    int fd = peer_connect_ipv6(scene->port);
    CHECK_EQ(scene_echoes(fd, "in?"), served);
    scene_close_fd(&fd);
    struct sluice_log_session session =
        scene_ended(scene, served ? "--" : "PR", served ? SLUICE_REASON_OK : SLUICE_REASON_DENIED);
    CHECK_EQ(session.client_family, SLUICE_FAMILY_IPV6);
}

/* A listener for clients of both families. */
static void listen_on_both(struct scene *scene)
{
    struct host_address any = host_ipv6(0);
    memset(any.address.ip, 0, sizeof any.address.ip);
    scene->tenant.listeners[0].address = any;
}

TEST(without_lists_everybody_may_connect)
{
    struct scene scene = scene_echo();
    listen_on_both(&scene);
    REQUIRE(scene_start(&scene, 1));
    scene_visit(&scene, LOOPBACK);
    ipv6_visit(&scene, true);
    scene_end(&scene);
}

TEST(only_the_allowed_may_connect)
{
    struct scene scene = scene_echo();
    allow(&scene, ipv4(0x000200, 24));
    allow(&scene, ipv4(0x000305, 32));
    REQUIRE(scene_start(&scene, 2));
    scene_visit(&scene, 0x000201);
    scene_visit(&scene, 0x0002ff);
    scene_visit(&scene, 0x000305);
    scene_refused(&scene, 0x000306, SLUICE_REASON_DENIED);
    scene_refused(&scene, 0x0001ff, SLUICE_REASON_DENIED);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_DENIED);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).refused[SLUICE_REASON_DENIED], 3);
    scene_end(&scene);
}

TEST(the_denied_may_not_connect)
{
    struct scene scene = scene_echo();
    deny(&scene, ipv4(0x000200, 24));
    REQUIRE(scene_start(&scene, 2));
    scene_visit(&scene, LOOPBACK);
    scene_refused(&scene, 0x000201, SLUICE_REASON_DENIED);
    scene_visit(&scene, 0x000301);
    scene_end(&scene);
}

/* However long or short the prefixes are. */
TEST(denied_wins)
{
    struct scene scene = scene_echo();
    allow(&scene, ipv4(0x000200, 24));
    allow(&scene, ipv4(0x000401, 32));
    deny(&scene, ipv4(0x000210, 28));
    deny(&scene, ipv4(0x000400, 22));
    REQUIRE(scene_start(&scene, 1));
    scene_visit(&scene, 0x000220);
    scene_refused(&scene, 0x000215, SLUICE_REASON_DENIED);
    scene_refused(&scene, 0x000401, SLUICE_REASON_DENIED);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_DENIED);
    scene_end(&scene);
}

TEST(an_empty_list_of_the_allowed_refuses_everybody)
{
    struct scene scene = scene_echo();
    scene.tenant.record.flags |= SLUICE_TENANT_ALLOW_LIST;
    listen_on_both(&scene);
    REQUIRE(scene_start(&scene, 1));
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_DENIED);
    ipv6_visit(&scene, false);
    scene_end(&scene);
}

TEST(the_whole_of_a_family)
{
    struct scene scene = scene_echo();
    listen_on_both(&scene);
    REQUIRE(scene_start(&scene, 1));
    allow(&scene, all_ipv6);
    scene_apply(&scene);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_DENIED);
    ipv6_visit(&scene, true);
    clear(&scene);
    allow(&scene, all_ipv4);
    scene_apply(&scene);
    scene_visit(&scene, LOOPBACK);
    ipv6_visit(&scene, false);
    clear(&scene);
    deny(&scene, all_ipv4);
    deny(&scene, all_ipv6);
    scene_apply(&scene);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_DENIED);
    ipv6_visit(&scene, false);
    scene_end(&scene);
}

TEST(an_ipv6_address)
{
    struct scene scene = scene_echo();
    scene.tenant.listeners[0].address = host_ipv6(0);
    allow(&scene, loopback_ipv6);
    REQUIRE(scene_start(&scene, 1));
    ipv6_visit(&scene, true);
    clear(&scene);
    deny(&scene, loopback_ipv6);
    scene_apply(&scene);
    ipv6_visit(&scene, false);
    scene_end(&scene);
}

/* An IPv4 client of a socket of both families is looked up as what it is. */
TEST(a_mapped_address_is_ipv4)
{
    struct scene scene = scene_echo();
    listen_on_both(&scene);
    allow(&scene, ipv4(0x000200, 24));
    allow(&scene, all_ipv6); /* ::ffff:127.0.0.1 would be in it */
    deny(&scene, ipv4(0x000205, 32));
    REQUIRE(scene_start(&scene, 1));
    scene_visit(&scene, 0x000201);
    scene_refused(&scene, 0x000205, SLUICE_REASON_DENIED);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_DENIED);
    ipv6_visit(&scene, true);
    scene_end(&scene);
}

/* A client on a unix socket has no address; the mode of the file has let it in. */
TEST(clients_of_unix_sockets_pass)
{
    char path[108] = {0};
    struct scene scene = scene_echo();
    snprintf(path + 1, sizeof path - 1, "sluice-test-access-%d", (int)getpid());
    scene.tenant.listeners[0].address = host_abstract(path + 1);
    scene.tenant.listeners[0].port_last = 0;
    scene.tenant.record.flags |= SLUICE_TENANT_ALLOW_LIST;
    deny(&scene, all_ipv4);
    deny(&scene, all_ipv6);
    REQUIRE(host_open(&scene.host, 1, &scene.tenant, 1) == SLUICE_OK);
    scene.client = peer_connect_unix(path, 1 + strlen(path + 1));
    CHECK(scene_echoes(scene.client, "in"));
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

/* Lists are of the version that a session begins on. */
TEST(a_change_is_for_new_sessions)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 2));
    scene.client = scene_enter(&scene, LOOPBACK);
    deny(&scene, ipv4(LOOPBACK, 32));
    scene_apply(&scene);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_DENIED);
    scene_visit(&scene, 2);
    CHECK(scene_echoes(scene.client, "still in"));
    clear(&scene);
    scene_apply(&scene);
    scene_visit(&scene, LOOPBACK);
    CHECK(scene_echoes(scene.client, "still in"));
    scene_close_fd(&scene.client);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

/* Who is denied counts nowhere: it takes no token, no place, and is not told as a source. */
TEST(the_denied_take_nothing)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.session_rate = scene_tokens(2);
    scene.tenant.record.limits.source_rate = scene_tokens(2);
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    deny(&scene, ipv4(2, 32));
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < 5; i++) {
        scene_refused(&scene, 2, SLUICE_REASON_DENIED);
    }
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).session_tokens, 2);
    CHECK_EQ(host_session_fds(&scene.host), 0);
    clear(&scene);
    scene_apply(&scene);
    scene_visit(&scene, 2);
    scene_visit(&scene, 2);
    scene_end(&scene);
}

TEST(lists_are_each_tenants_own)
{
    struct scene scene = scene_echo();
    deny(&scene, ipv4(LOOPBACK, 32));
    REQUIRE(scene_start(&scene, 2));
    struct host_tenant other = host_simple_tenant(TENANT + 1, peer_echo_port(scene.echo));
    REQUIRE(host_apply(&scene.host, &other, 1) == SLUICE_OK);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_DENIED);
    int fd = peer_connect(host_port(&scene.host, host_listener_id(&other, 0)));
    CHECK(scene_echoes(fd, "in"));
    close(fd);
    scene_end(&scene);
}

TEST(denied_may_be_a_reset)
{
    struct scene scene = scene_echo();
    deny(&scene, ipv4(LOOPBACK, 32));
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_RESET;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK_STRING(peer_fate(scene.client, 10000), "reset");
    scene_ended(&scene, "PR", SLUICE_REASON_DENIED);
    scene_end(&scene);
}
