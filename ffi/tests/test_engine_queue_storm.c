/* SPDX-License-Identifier: MIT
 * The queue of sessions that wait, when places go from hand to hand between the workers: nobody is forgotten. */
#include <pthread.h>
#include <string.h>

#include "scene.h"

#define CROWD 12u
#define VISITS 60u

struct visitor {
    pthread_t thread;
    uint32_t port;
    unsigned served;
};

static void *run_visitor(void *argument)
{
    struct visitor *visitor = argument;
    for (unsigned i = 0; i < VISITS; i++) {
        int fd = peer_connect(visitor->port);
        if (!scene_echoes(fd, "?")) {
            close(fd);
            break; /* one that is forgotten: no need for more of them */
        }
        visitor->served++;
        close(fd);
    }
    return NULL;
}

TEST(everybody_has_his_turn_with_one_place_and_many_workers)
{
    struct scene scene = scene_echo();
    scene.tenant.record.limits.max_connections = 1;
    scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    scene.tenant.record.limits.queue_size = 1000;
    scene.tenant.record.limits.queue_timeout_ms = 0;
    REQUIRE(scene_start(&scene, 4));
    struct visitor visitors[CROWD];
    for (unsigned i = 0; i < CROWD; i++) {
        visitors[i] = (struct visitor){.port = scene.port};
        REQUIRE(pthread_create(&visitors[i].thread, NULL, run_visitor, &visitors[i]) == 0);
    }
    for (unsigned i = 0; i < CROWD; i++) {
        pthread_join(visitors[i].thread, NULL);
        CHECK_EQ(visitors[i].served, VISITS);
    }
    scene_end(&scene);
}
