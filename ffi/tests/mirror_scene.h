/* SPDX-License-Identifier: MIT
 * What the tests of mirrors begin and end with: a scene whose sessions are mirrored. Included by
 * test_engine_mirror*.c in the place of scene.h. */
#ifndef SLUICE_TESTS_MIRROR_SCENE_H
#define SLUICE_TESTS_MIRROR_SCENE_H

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "scene.h"

#define MIB (UINT64_C(1) << 20)
#define ALL 1000000u /* a share, in ppm */
#define SHADOW 1u    /* the mirror's backend, by number */

/* A scene whose sessions are mirrored to a port. */
__attribute__((unused)) static void add_mirror(struct scene *scene, struct host_address address)
{
    host_add_backend(&scene->tenant);
    host_add_endpoint(&scene->tenant, SHADOW, address);
    scene->tenant.record.mirror_backend = host_backend_id(&scene->tenant, SHADOW);
    scene->tenant.record.mirror_share_ppm = ALL;
}

/* The same, before a listener of the test, which goes to *shadow. */
__attribute__((unused)) static struct scene mirrored_scene(struct scene scene, int *shadow)
{
    *shadow = peer_listen(512);
    add_mirror(&scene, host_ipv4(peer_port(*shadow)));
    return scene;
}

__attribute__((unused)) static struct sluice_endpoint_stats shadow_stats(struct scene *scene)
{
    return host_endpoint_stats(&scene->host, host_endpoint_id(&scene->tenant, SHADOW, 0));
}

/* Nothing is counted of mirrors, and they have left nothing. */
__attribute__((unused)) static void end_mirrored(struct scene *scene, int *shadow)
{
    scene_close_fd(&scene->client);
    scene_close_fd(&scene->server);
    CHECK_STRING(host_verify(&scene->host), "");
    struct sluice_endpoint_stats stats = shadow_stats(scene);
    CHECK_EQ(stats.sessions_active, 0);
    CHECK_EQ(stats.sessions_total, 0);
    CHECK_EQ(stats.connect_failures, 0);
    scene_end(scene);
    scene_close_fd(shadow);
}

struct fds_wanted {
    struct host *host;
    uint64_t fds;
};

__attribute__((unused)) static bool has_fds(void *context)
{
    const struct fds_wanted *wanted = context;
    return host_session_fds(wanted->host) == wanted->fds;
}

/* Waits until so many descriptors are in use: two a session, one a mirror, where nothing streams. */
__attribute__((unused)) static void wait_fds(struct scene *scene, uint64_t fds)
{
    struct fds_wanted wanted = {&scene->host, fds};
    CHECK(host_eventually(has_fds, &wanted, HOST_WAIT_MS));
}

/* The session goes on in both directions, whatever has become of its mirror. */
__attribute__((unused)) static void check_alive(struct scene *scene)
{
    CHECK(peer_send_stream(scene->client, 77, 5000) && peer_check_stream(scene->server, 77, 5000));
    CHECK(peer_send_stream(scene->server, 78, 5000) && peer_check_stream(scene->client, 78, 5000));
}

#endif
