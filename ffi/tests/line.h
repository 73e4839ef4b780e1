/* SPDX-License-Identifier: MIT
 * Clients in line for the one place that a tenant has, before a backend that the test plays. Included after test.h by
 * the engine's tests of queues. */
#ifndef SLUICE_TESTS_LINE_H
#define SLUICE_TESTS_LINE_H

#include "scene.h"

#define LINE_MOST 64u

/* A tenant with one place, which is taken, before a backend that the test plays. */
struct line {
    struct scene scene;
    int clients[LINE_MOST];
    unsigned count;
};

__attribute__((unused)) static struct line line_of(struct scene scene)
{
    scene.tenant.record.limits.max_connections = 1;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    return (struct line){.scene = scene};
}

__attribute__((unused)) static bool line_open(struct line *line, uint32_t workers)
{
    return scene_start(&line->scene, workers) && scene_connect(&line->scene);
}

/* One more client comes, from a source, and waits. It has sent its number unless it is to be silent. */
__attribute__((unused)) static int line_join_from(struct line *line, uint32_t source, bool silent)
{
    uint8_t number = (uint8_t)line->count;
    uint64_t before = host_tenant_stats(&line->scene.host, TENANT).queue_length;
    int fd = peer_connect_from(source, line->scene.port);
    CHECK(silent || peer_send(fd, &number, 1));
    line->clients[line->count++] = fd;
    CHECK(host_wait_queue(&line->scene.host, TENANT, before + 1));
    return fd;
}

__attribute__((unused)) static int line_join(struct line *line, bool silent)
{
    return line_join_from(line, LOOPBACK, silent);
}

/* Who is served next: the number that it sends. The scene's server is its connection then. */
__attribute__((unused)) static int line_next(struct line *line)
{
    uint8_t number = 255;
    scene_close_fd(&line->scene.server);
    line->scene.server = peer_accept(line->scene.backend);
    CHECK(peer_receive(line->scene.server, &number, 1));
    return number;
}

/* Who is in goes, and the next is served. */
__attribute__((unused)) static int line_serve_next(struct line *line)
{
    scene_close_fd(&line->scene.client);
    return line_next(line);
}

/* Those who still wait may well have asked for something: their backend is gone by the time they reach it. */
__attribute__((unused)) static void line_close(struct line *line)
{
    for (unsigned i = 0; i < line->count; i++) {
        scene_close_fd(&line->clients[i]);
    }
    scene_close_fd(&line->scene.backend);
    scene_end(&line->scene);
}

#endif
