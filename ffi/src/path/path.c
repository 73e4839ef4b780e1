/* SPDX-License-Identifier: MIT
 * Making and unmaking of a worker's own things. Called by core/worker on the worker's thread. */
#include "path/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "path/session.h"
#include "sys/clock.h"

void path_tick(struct path *path)
{
    path->now_ns = clock_now_ns();
    path->now_ms = path->now_ns / NS_PER_MS;
    if (path->now_ms - path->unix_read_ms >= 1000u) {
        path->unix_read_ms = path->now_ms;
        path->unix_lead_ms = clock_unix_ms() - path->now_ms;
    }
}

int path_init(struct path *path, uint32_t worker, uint32_t pipe_limit, struct process_shared *process,
              struct worker_cell *cell, struct log_ring *log)
{
    memset(path, 0, sizeof(*path));
    path->worker = worker;
    path->process = process;
    path->cell = cell;
    path->log = log;
    path->loop.epoll_fd = -1;
    list_init(&path->ready);
    list_init(&path->dead);
    list_init(&path->listeners);
    timer_init(&path->accept_resume);
    path_tick(path);
    timer_wheel_init(&path->wheel, path->now_ms);
    slab_init(&path->sessions, sizeof(struct session));
    buffer_pool_init(&path->buffers);
    if (getrandom(&path->random, sizeof(path->random), 0) != (ssize_t)sizeof(path->random) || path->random == 0) {
        path->random = path->now_ns | 1;
    }
    path->scratch = aligned_alloc(4096, PATH_SCRATCH_BYTES);
    if (path->scratch == NULL) {
        return -ENOMEM;
    }
    int result = pipe_pool_init(&path->pipes, pipe_limit);
    if (result == 0) {
        result = loop_open(&path->loop);
    }
    if (result != 0) {
        path_destroy(path);
    }
    return result;
}

void path_destroy(struct path *path)
{
    loop_close(&path->loop);
    pipe_pool_destroy(&path->pipes);
    buffer_pool_destroy(&path->buffers);
    slab_destroy(&path->sessions);
    free(path->scratch);
    path->scratch = NULL;
}
