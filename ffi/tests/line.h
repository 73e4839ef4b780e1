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

__attribute__((unused)) static bool line_open(struct line *line, uint32_t workers)
{
    line->scene.tenant.record.limits.max_connections = 1;
    line->scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    if (!scene_start(&line->scene, workers)) {
        return false;
    }
    return scene_connect(&line->scene);
}

__attribute__((unused)) static struct line line_of(struct scene scene)
{
    return (struct line){.scene = scene};
}

/* One more client comes, and waits. It has sent its number unless it is to be silent. */
__attribute__((unused)) static int line_join(struct line *line, bool silent)
{
    uint8_t number = (uint8_t)line->count;
    int fd = peer_connect(line->scene.port);
    CHECK(silent || peer_send(fd, &number, 1));
    line->clients[line->count++] = fd;
    CHECK(host_wait_queue(&line->scene.host, TENANT, line->count));
    return fd;
}

/* Who is in goes, and the next is served; the number that it sends. */
__attribute__((unused)) static int line_serve_next(struct line *line)
{
    uint8_t number = 255;
    scene_close_fd(&line->scene.client);
    scene_close_fd(&line->scene.server);
    line->scene.server = peer_accept(line->scene.backend);
    CHECK(peer_receive(line->scene.server, &number, 1));
    return number;
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
