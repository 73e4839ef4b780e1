/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: sources are counted by address or prefix, over all workers, and told of. */
#include "scene.h"

#define MOST 8u

static uint32_t source(unsigned network, unsigned host)
{
    return network << 8 | host; /* 127.0.network.host */
}

/* The tenant's sources, those with most sessions first. */
struct seen {
    struct sluice_source_stats records[MOST];
    int32_t count;
};

static struct seen look(struct scene *scene)
{
    struct seen seen = {0};
    seen.count = sluice_stats_sources(scene->host.engine, TENANT, seen.records, sizeof seen.records);
    return seen;
}

static void check_source(const struct sluice_source_stats *record, uint32_t last_bytes, uint32_t sessions)
{
    const uint8_t expected[16] = {127, (uint8_t)(last_bytes >> 16), (uint8_t)(last_bytes >> 8), (uint8_t)last_bytes};
    CHECK_EQ(record->family, SLUICE_FAMILY_IPV4);
    CHECK(memcmp(record->ip, expected, sizeof expected) == 0);
    CHECK_EQ(record->sessions, sessions);
}

TEST(each_address_has_its_own_cap_over_all_workers)
{
    enum { CAP = 6 };
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_max_connections = CAP;
    REQUIRE(scene_start(&scene, 4));
    int fds[2][CAP];
    for (unsigned i = 0; i < 2 * CAP; i++) {
        fds[i % 2][i / 2] = scene_enter(&scene, source(0, 1 + i % 2));
    }
    for (unsigned i = 0; i < 4; i++) {
        scene_refused(&scene, source(0, 1 + i % 2), SLUICE_REASON_SOURCE_CONNECTIONS);
    }
    int third = scene_enter(&scene, source(0, 3));
    scene_close_fd(&fds[0][2]);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_refused(&scene, source(0, 2), SLUICE_REASON_SOURCE_CONNECTIONS);
    fds[0][2] = scene_enter(&scene, source(0, 1));
    scene_refused(&scene, source(0, 1), SLUICE_REASON_SOURCE_CONNECTIONS);
    for (unsigned i = 0; i < 2 * CAP; i++) {
        close(fds[i % 2][i / 2]);
    }
    close(third);
    scene_end(&scene);
}

TEST(sources_are_told_with_their_sessions_the_busiest_first)
{
    struct scene scene = scene_echo();
    int fds[6];
    scene.tenant.record.limits.source_max_connections = 100;
    REQUIRE(scene_start(&scene, 2));
    CHECK_EQ(look(&scene).count, 0);
    for (unsigned i = 0; i < 6; i++) {
        fds[i] = scene_enter(&scene, source(0, i < 1 ? 5 : i < 3 ? 6 : 7));
    }
    struct seen seen = look(&scene);
    REQUIRE(seen.count == 3);
    check_source(&seen.records[0], source(0, 7), 3);
    check_source(&seen.records[1], source(0, 6), 2);
    check_source(&seen.records[2], source(0, 5), 1);
    /* No more than there is room for; nothing of other tenants. */
    struct sluice_source_stats one;
    CHECK_EQ(sluice_stats_sources(scene.host.engine, TENANT, &one, sizeof one), 1);
    check_source(&one, source(0, 7), 3);
    CHECK_EQ(sluice_stats_sources(scene.host.engine, TENANT + 1, &one, sizeof one), 0);
    for (unsigned i = 3; i < 6; i++) {
        close(fds[i]);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
    }
    seen = look(&scene);
    REQUIRE(seen.count == 2);
    check_source(&seen.records[0], source(0, 6), 2);
    for (unsigned i = 0; i < 3; i++) {
        close(fds[i]);
    }
    scene_end(&scene);
}

TEST(without_a_limit_of_sources_none_is_counted)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1));
    int fd = scene_enter(&scene, LOOPBACK);
    CHECK_EQ(look(&scene).count, 0);
    close(fd);
    scene_end(&scene);
}

TEST(a_cap_of_zero_refuses_every_address)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_max_connections = 0;
    REQUIRE(scene_start(&scene, 1));
    scene_refused(&scene, source(0, 1), SLUICE_REASON_SOURCE_CONNECTIONS);
    scene_refused(&scene, source(0, 2), SLUICE_REASON_SOURCE_CONNECTIONS);
    scene_end(&scene);
}

TEST(tenants_do_not_share_sources)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_max_connections = 1;
    REQUIRE(scene_start(&scene, 2));
    struct host_tenant other = host_simple_tenant(TENANT + 1, peer_echo_port(scene.echo));
    other.record.limits.source_max_connections = 1;
    REQUIRE(host_apply(&scene.host, &other, 1) == SLUICE_OK);
    int first = scene_enter(&scene, LOOPBACK);
    int second = peer_connect(host_port(&scene.host, host_listener_id(&other, 0)));
    CHECK(scene_echoes(second, "another tenant's"));
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_SOURCE_CONNECTIONS);
    close(first);
    close(second);
    scene_end(&scene);
}

/* ---- Prefixes and families ---- */

TEST(addresses_with_the_same_leading_bits_are_one_source)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_max_connections = 2;
    scene.tenant.record.limits.source_ipv4_bits = 24;
    REQUIRE(scene_start(&scene, 2));
    int fds[4] = {scene_enter(&scene, source(3, 1)), scene_enter(&scene, source(3, 255)),
                  scene_enter(&scene, source(4, 1)), -1};
    scene_refused(&scene, source(3, 77), SLUICE_REASON_SOURCE_CONNECTIONS);
    fds[3] = scene_enter(&scene, source(4, 2));
    scene_refused(&scene, source(4, 3), SLUICE_REASON_SOURCE_CONNECTIONS);
    struct seen seen = look(&scene);
    REQUIRE(seen.count == 2);
    uint32_t first = seen.records[0].ip[2];
    check_source(&seen.records[0], source(first, 0), 2);
    check_source(&seen.records[1], source(7 - first, 0), 2);
    for (unsigned i = 0; i < 4; i++) {
        close(fds[i]);
    }
    scene_end(&scene);
}

/* With no bits at all, all clients of a family are one source; the families stay apart. */
TEST(ipv4_and_ipv6_are_not_one_source)
{
    struct scene scene = scene_echo();
    struct host_address any = host_ipv6(0);
    memset(any.address.ip, 0, sizeof any.address.ip);
    scene.tenant.listeners[0].address = any;
    scene.tenant.record.limits.source_max_connections = 2;
    scene.tenant.record.limits.source_ipv4_bits = 0;
    scene.tenant.record.limits.source_ipv6_bits = 0;
    REQUIRE(scene_start(&scene, 2));
    int fds[4] = {scene_enter(&scene, source(1, 1)), scene_enter(&scene, source(2, 2)), peer_connect_ipv6(scene.port),
                  peer_connect_ipv6(scene.port)};
    CHECK(scene_echoes(fds[2], "in") && scene_echoes(fds[3], "in"));
    scene_refused(&scene, source(3, 3), SLUICE_REASON_SOURCE_CONNECTIONS);
    int refused = peer_connect_ipv6(scene.port);
    CHECK_STRING(peer_fate(refused, 10000), "end");
    close(refused);
    struct sluice_log_session session = scene_ended(&scene, "PR", SLUICE_REASON_SOURCE_CONNECTIONS);
    CHECK_EQ(session.client_family, SLUICE_FAMILY_IPV6);
    struct host_sources sources = host_sources(&scene.host, TENANT);
    CHECK_EQ(sources.sources, 2);
    CHECK_EQ(sources.most, 2);
    for (unsigned i = 0; i < 4; i++) {
        close(fds[i]);
    }
    scene_end(&scene);
}

/* On a socket of both families an IPv4 client comes as a mapped address. It is IPv4 to limits and to who looks. */
TEST(a_mapped_address_is_ipv4)
{
    struct scene scene = scene_echo();
    struct host_address any = host_ipv6(0);
    memset(any.address.ip, 0, sizeof any.address.ip);
    scene.tenant.listeners[0].address = any;
    scene.tenant.record.limits.source_max_connections = 1;
    scene.tenant.record.limits.source_ipv6_bits = 64;
    REQUIRE(scene_start(&scene, 2));
    int first = scene_enter(&scene, source(0, 1));
    int second = scene_enter(&scene, source(0, 2));
    scene_refused(&scene, source(0, 1), SLUICE_REASON_SOURCE_CONNECTIONS);
    struct seen seen = look(&scene);
    REQUIRE(seen.count == 2);
    uint32_t host = seen.records[0].ip[3];
    check_source(&seen.records[0], source(0, host), 1);
    check_source(&seen.records[1], source(0, 3 - host), 1);
    close(first);
    close(second);
    scene_end(&scene);
}

TEST(an_ipv6_source_is_told_as_its_prefix)
{
    static const uint8_t loopback[16] = {[15] = 1};
    static const uint8_t zeros[16] = {0};
    const struct {
        uint32_t bits;
        const uint8_t *ip;
    } cases[] = {{128, loopback}, {127, zeros}, {64, zeros}, {0, zeros}};
    struct scene scene = scene_echo();
    scene.tenant.listeners[0].address = host_ipv6(0);
    scene.tenant.record.limits.source_max_connections = 1;
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene.tenant.record.limits.source_ipv6_bits = cases[i].bits;
        scene_apply(&scene);
        int fd = peer_connect_ipv6(scene.port);
        CHECK(scene_echoes(fd, "in"));
        struct seen seen = look(&scene);
        REQUIRE(seen.count == 1);
        CHECK_EQ(seen.records[0].family, SLUICE_FAMILY_IPV6);
        CHECK(memcmp(seen.records[0].ip, cases[i].ip, 16) == 0);
        close(fd);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
    }
    scene_end(&scene);
}

/* Who comes by a unix socket has no address to be counted by. */
TEST(clients_of_unix_sockets_are_not_counted)
{
    char path[108] = {0};
    struct scene scene = scene_echo();
    snprintf(path + 1, sizeof path - 1, "sluice-test-sources-%d", (int)getpid());
    scene.tenant.listeners[0].address = host_abstract(path + 1);
    scene.tenant.listeners[0].port_last = 0;
    scene.tenant.record.limits.source_max_connections = 1;
    scene.tenant.record.limits.source_rate = scene_tokens(1);
    REQUIRE(host_open(&scene.host, 2, &scene.tenant, 1) == SLUICE_OK);
    int fds[3];
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = peer_connect_unix(path, 1 + strlen(path + 1));
        CHECK(scene_echoes(fds[i], "in"));
    }
    CHECK_EQ(look(&scene).count, 0);
    for (unsigned i = 0; i < 3; i++) {
        close(fds[i]);
    }
    scene_end(&scene);
}

/* ---- Changes ---- */

TEST(a_cap_that_changes_counts_those_who_are_in)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_max_connections = 3;
    REQUIRE(scene_start(&scene, 2));
    int fds[3];
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = scene_enter(&scene, LOOPBACK);
    }
    scene.tenant.record.limits.source_max_connections = 2;
    scene_apply(&scene);
    for (unsigned i = 0; i < 2; i++) {
        scene_refused(&scene, LOOPBACK, SLUICE_REASON_SOURCE_CONNECTIONS);
        CHECK(scene_echoes(fds[0], "those inside stay"));
        scene_close_fd(&fds[2 - i]);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
    }
    scene_visit(&scene, LOOPBACK);
    scene.tenant.record.limits.source_max_connections = 5;
    scene_apply(&scene);
    int more[4];
    for (unsigned i = 0; i < 4; i++) {
        more[i] = scene_enter(&scene, LOOPBACK);
    }
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_SOURCE_CONNECTIONS);
    for (unsigned i = 0; i < 4; i++) {
        close(more[i]);
    }
    close(fds[0]);
    scene_end(&scene);
}

/* Sessions are counted from their beginning or not at all, and leave what they are counted in. */
TEST(a_limit_of_sources_comes_and_goes_while_they_are_in)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 2));
    int before = scene_enter(&scene, LOOPBACK);
    scene.tenant.record.limits.source_max_connections = 1;
    scene_apply(&scene);
    int counted = scene_enter(&scene, LOOPBACK);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_SOURCE_CONNECTIONS);
    CHECK_EQ(host_sources(&scene.host, TENANT).sessions, 1);
    scene.tenant.record.limits.source_max_connections = SLUICE_UNLIMITED32;
    scene_apply(&scene);
    int after = scene_enter(&scene, LOOPBACK);
    close(counted);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(host_sources(&scene.host, TENANT).sessions, 0);
    scene.tenant.record.limits.source_max_connections = 1;
    scene_apply(&scene);
    counted = scene_enter(&scene, LOOPBACK);
    scene_refused(&scene, LOOPBACK, SLUICE_REASON_SOURCE_CONNECTIONS);
    close(before);
    close(counted);
    close(after);
    scene_end(&scene);
}

TEST(other_prefixes_are_other_sources)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.source_max_connections = 1;
    scene.tenant.record.limits.source_ipv4_bits = 24;
    REQUIRE(scene_start(&scene, 2));
    int first = scene_enter(&scene, source(0, 1));
    scene_refused(&scene, source(0, 2), SLUICE_REASON_SOURCE_CONNECTIONS);
    scene.tenant.record.limits.source_ipv4_bits = 32;
    scene_apply(&scene);
    int second = scene_enter(&scene, source(0, 2));
    scene_refused(&scene, source(0, 2), SLUICE_REASON_SOURCE_CONNECTIONS);
    CHECK_EQ(host_sources(&scene.host, TENANT).sources, 2);
    close(first);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    close(second);
    scene_end(&scene);
}
