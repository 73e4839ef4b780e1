/* SPDX-License-Identifier: MIT
 * Making and unmaking of a worker's own things. Called by core/worker on the worker's thread. */
#include "path/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "path/meter.h"
#include "path/mirror.h"
#include "path/preconnect_pool.h"
#include "path/session.h"
#include "path/session_text.h"
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

void path_notice(const struct path *path, uint32_t what, uint32_t tenant, uint64_t value)
{
    struct sluice_log_notice record = {
        .header = {.size = sizeof(record), .kind = SLUICE_LOG_NOTICE, .worker = (uint16_t)path->worker},
        .time_ms = path_unix_ms(path),
        .notice = what,
        .tenant = tenant,
        .value = value,
    };
    struct log_part part = {&record, sizeof(record)};
    log_ring_write(path->log, &part, 1);
}

int path_init(struct path *path, const struct path_parts *parts)
{
    memset(path, 0, sizeof(*path));
    path->worker = parts->worker;
    path->worker_count = parts->worker_count;
    path->process = parts->process;
    path->wakers = parts->wakers;
    path->cell = parts->cell;
    path->log = parts->log;
    path->loop.epoll_fd = -1;
    list_init(&path->ready);
    list_init(&path->dead);
    list_init(&path->listeners);
    list_init(&path->mirrors_left);
    timer_init(&path->mirror_expiry);
    timer_init(&path->accept_resume);
    path_tick(path);
    timer_wheel_init(&path->wheel, path->now_ms);
    timer_wheel_init(&path->paces, path->now_ns >> PACE_TICK_SHIFT);
    slab_init(&path->sessions, sizeof(struct session));
    slab_init(&path->meters, sizeof(struct session_meter));
    slab_init(&path->texts, SESSION_TEXT_SMALL);
    slab_init(&path->long_texts, SESSION_TEXT_LARGE);
    slab_init(&path->mirrors, sizeof(struct mirror));
    slab_init(&path->preconnects, sizeof(struct preconnect));
    slab_init(&path->preconnect_pools, sizeof(struct preconnect_pool));
    buffer_pool_init(&path->buffers);
    if (getrandom(&path->random, sizeof(path->random), 0) != (ssize_t)sizeof(path->random) || path->random == 0) {
        path->random = path->now_ns | 1;
    }
    path->scratch = aligned_alloc(4096, PATH_SCRATCH_BYTES);
    if (path->scratch == NULL) {
        return -ENOMEM;
    }
    int result = pipe_pool_init(&path->pipes, parts->pipe_limit);
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
    slab_destroy(&path->meters);
    slab_destroy(&path->texts);
    slab_destroy(&path->long_texts);
    slab_destroy(&path->mirrors);
    slab_destroy(&path->preconnects);
    slab_destroy(&path->preconnect_pools);
    free(path->scratch);
    path->scratch = NULL;
}
