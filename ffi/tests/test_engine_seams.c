/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: where one part of a session's life meets another: mirrors and waiting, delays and
 * waiting, shared listeners and what their tenants want. */
#include <stdio.h>

#include "scene.h"

#define HOLDER 9u
#define ALL 1000000u /* a share, in ppm */
#define SHADOW 1u    /* the mirror's backend, by number */

/* A scene whose endpoint has one place, for which sessions wait. */
static struct scene one_place(void)
{
    struct scene scene = scene_scripted();
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.record.limits.queue_timeout_ms = 0;
    scene.tenant.backends[0].endpoints[0].record.max_connections = 1;
    return scene;
}

/* What was drawn for a session before it waited is of no meaning for the version that it goes on with. */
TEST(who_waits_has_no_mirror_when_mirror_and_listener_go)
{
    struct scene scene = one_place();
    int shadow = peer_listen(16);
    host_add_backend(&scene.tenant);
    host_add_endpoint(&scene.tenant, SHADOW, host_ipv4(peer_port(shadow)));
    scene.tenant.record.mirror_backend = host_backend_id(&scene.tenant, SHADOW);
    scene.tenant.record.mirror_share_ppm = ALL;
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int waiting = peer_connect(scene.port);
    CHECK(peer_send(waiting, "turn", 4) && host_wait_queue(&scene.host, TENANT, 1));

    scene.tenant.record.mirror_backend = 0;
    scene.tenant.record.mirror_share_ppm = 0;
    scene_apply(&scene);
    scene.tenant.record.listener_count = 0;
    scene_apply(&scene);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).queue_length, 1);

    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene.server = peer_accept(scene.backend);
    char text[4];
    CHECK(peer_receive(scene.server, text, 4) && memcmp(text, "turn", 4) == 0);
    close(waiting);
    close(shadow);
    scene_end(&scene);
}

/* The end of a client is told once, here while it is not looked at. */
TEST(a_client_that_left_during_a_delay_does_not_wait_for_a_place)
{
    struct scene scene = one_place();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    scene.tenant.record.fault_delay_ppm = ALL;
    scene.tenant.record.fault_delay_ms = 100;
    scene_apply(&scene);
    int gone = peer_connect(scene.port);
    close(gone);
    scene_ended(&scene, "CQ", SLUICE_REASON_CLIENT_ABORT);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).queue_length, 0);
    scene_end(&scene);
}

/* ---- Shared listeners ---- */

/* The scene's tenant has a listener of its own, and the default route of a shared one that waits for a ClientHello
 * where `detect` says so; its port goes to *port. */
static bool start_shared(struct scene *scene, uint32_t detect, const struct sluice_process_record *process,
                         uint32_t *port)
{
    struct host_tenant tenants[2] = {host_holder(HOLDER)};
    struct host_listener *listener = host_add_listener(&tenants[0], host_ipv4(0), 0);
    listener->detect = detect;
    listener->detect_timeout_ms = 60000;
    tenants[0].record.keepalive_idle_s = 0;
    tenants[0].record.user_timeout_ms = 0;
    host_add_route(&scene->tenant, host_listener_id(&tenants[0], 0), NULL, 0);
    tenants[1] = scene->tenant;
    const struct host_change change = {.process = process, .tenants = tenants, .tenant_count = 2};
    bool started = host_open(&scene->host, 1, tenants, 2) == SLUICE_OK &&
                   (process == NULL || host_change(&scene->host, &change) == SLUICE_OK);
    scene->port = host_port(&scene->host, host_listener_id(&scene->tenant, 0));
    *port = host_port(&scene->host, host_listener_id(&tenants[0], 0));
    return started;
}

struct connection {
    uint32_t local; /* ports */
    uint32_t remote;
};

/* Whether the kernel keeps a timer for a silent connection of 127.0.0.1: that is keepalive. */
static bool is_kept_alive(void *context)
{
    const struct connection *connection = context;
    char line[256];
    bool found = false;
    FILE *file = fopen("/proc/net/tcp", "r");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        unsigned local;
        unsigned remote;
        unsigned timer;
        found = sscanf(line, " %*u: %*x:%x %*x:%x %*x %*x:%*x %x", &local, &remote, &timer) == 3 &&
                local == connection->local && remote == connection->remote && timer == 2;
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

/* The listener is nobody's and has none of its own. */
TEST(clients_of_a_shared_listener_are_kept_alive_as_their_tenant_wants)
{
    struct scene scene = scene_echo();
    uint32_t port;
    scene.tenant.record.keepalive_idle_s = 600;
    REQUIRE(start_shared(&scene, SLUICE_DETECT_NONE, NULL, &port));
    scene.client = peer_connect(port);
    CHECK(scene_echoes(scene.client, "in?"));
    struct connection connection = {.local = port, .remote = peer_port(scene.client)};
    CHECK(host_eventually(is_kept_alive, &connection, HOST_WAIT_MS));
    scene_end(&scene);
}

/* Silent clients of the shared listener count as one tenant more. */
TEST(clients_without_a_route_leave_something_to_those_that_have_one)
{
    enum { CAP = 64, SILENT = 80 };
    struct scene scene = scene_echo();
    struct sluice_process_record process = host_process();
    uint32_t port;
    int silent[SILENT];
    process.max_connections = CAP;
    REQUIRE(start_shared(&scene, SLUICE_DETECT_TLS, &process, &port));
    for (unsigned i = 0; i < SILENT; i++) {
        silent[i] = peer_connect(port);
        CHECK(silent[i] != -1);
    }
    CHECK_STRING(peer_fate(silent[SILENT - 1], 10000), "end"); /* those before it were accepted before it */
    scene.client = peer_connect(scene.port);
    CHECK(scene_echoes(scene.client, "in?"));
    for (unsigned i = 0; i < SILENT; i++) {
        close(silent[i]);
    }
    scene_end(&scene);
}
