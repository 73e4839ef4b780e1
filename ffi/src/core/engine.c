/* SPDX-License-Identifier: MIT
 * The engine's life. Called by abi/, on the control thread. */
#include "core/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/failure.h"
#include "core/routes.h"
#include "core/snapshot.h"
#include "core/sources.h"

/* A worker that stops may leave nodes that others pushed after its last turn. */
static void release_pins(struct sluice_engine *engine)
{
    for (uint32_t i = 0; engine->wakers != NULL && i < engine->worker_count; i++) {
        for (struct waker_node *node = waker_take(&engine->wakers[i]); node != NULL; node = node->next) {
            tenant_unpin(container_of(node, struct waiting_room, node)->pinned);
        }
    }
}

static void free_engine(struct sluice_engine *engine)
{
    for (uint32_t i = 0; engine->workers != NULL && i < engine->worker_count; i++) {
        log_ring_destroy(&engine->workers[i].log);
        mailbox_close(&engine->workers[i].mailbox);
    }
    release_pins(engine);
    engine_collect(engine);
    for (uint32_t i = 0; i < engine->tenants.count; i++) {
        struct tenant_shared *shared = engine->table[i]->shared;
        list_remove(&shared->outdated);
        atomic_store_explicit(&engine->table[i]->views_held, 0, memory_order_relaxed);
        snapshot_collect(shared);
    }
    bindings_destroy(&engine->bindings);
    id_map_destroy(&engine->tenants);
    free(engine->table);
    sources_close(engine);
    routes_free(engine->routes);
    free(engine->wakers);
    free(engine->cells);
    free(engine->workers);
    free(engine);
}

/* A zeroed array whose elements stand on cache lines of their own. */
static void *aligned_array(uint32_t count, size_t size)
{
    size_t bytes = (count * size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *array = aligned_alloc(CACHE_LINE, bytes);
    if (array != NULL) {
        memset(array, 0, bytes);
    }
    return array;
}

static int make_worker(struct sluice_engine *engine, uint32_t number, uint32_t log_ring_bytes)
{
    struct worker *worker = &engine->workers[number];
    worker->number = number;
    worker->process = &engine->process;
    worker->wakers = engine->wakers;
    worker->worker_count = engine->worker_count;
    worker->cell = &engine->cells[number];
    int result = log_ring_init(&worker->log, log_ring_bytes);
    result = result != 0 ? result : mailbox_open(&worker->mailbox);
    engine->wakers[number].event_fd = worker->mailbox.event_fd;
    return result;
}

int engine_create(const struct sluice_engine_options *options, struct sluice_engine **result,
                  struct sluice_error *error)
{
    struct sluice_engine *engine = calloc(1, sizeof(*engine));
    if (engine == NULL) {
        goto no_memory;
    }
    list_init(&engine->outdated);
    id_map_init(&engine->tenants);
    engine->state = SLUICE_STATE_CREATED;
    engine->worker_count = options->workers;
    atomic_init(&engine->process.max_connections, SLUICE_UNLIMITED32);
    engine->workers = aligned_array(options->workers, sizeof(*engine->workers));
    engine->cells = aligned_array(options->workers, sizeof(*engine->cells));
    engine->wakers = aligned_array(options->workers, sizeof(*engine->wakers));
    engine->routes = routes_new();
    engine->process.routes = engine->routes;
    if (engine->workers == NULL || engine->cells == NULL || engine->wakers == NULL || engine->routes == NULL ||
        bindings_init(&engine->bindings) != 0) {
        goto no_memory;
    }
    for (uint32_t i = 0; i < options->workers; i++) {
        engine->workers[i].mailbox.event_fd = -1;
    }
    for (uint32_t i = 0; i < options->workers; i++) {
        int made = make_worker(engine, i, options->log_ring_bytes);
        if (made != 0) {
            free_engine(engine);
            return failure(error, made == -ENOMEM ? SLUICE_E_MEMORY : SLUICE_E_THREAD, -made, NO_RECORD, NO_RECORD, "",
                           "Cannot prepare worker %u: %s", i, strerror(-made));
        }
    }
    *result = engine;
    return SLUICE_OK;

no_memory:
    if (engine != NULL) {
        free_engine(engine);
    }
    return failure(error, SLUICE_E_MEMORY, ENOMEM, NO_RECORD, NO_RECORD, "", "Out of memory");
}

int engine_ask(struct sluice_engine *engine, enum message_kind kind, uint64_t argument, struct change *change)
{
    struct round round;
    round_init(&round, engine->worker_count);
    for (uint32_t i = 0; i < engine->worker_count; i++) {
        struct worker *worker = &engine->workers[i];
        worker->message = (struct message){.kind = kind, .argument = argument, .change = change, .round = &round};
        mailbox_push(&worker->mailbox, &worker->message);
    }
    int result = round_wait(&round);
    round_destroy(&round);
    return result;
}

static void stop_workers(struct sluice_engine *engine, uint32_t count)
{
    struct round round;
    round_init(&round, count);
    for (uint32_t i = 0; i < count; i++) {
        engine->workers[i].message = (struct message){.kind = MESSAGE_STOP, .round = &round};
        mailbox_push(&engine->workers[i].mailbox, &engine->workers[i].message);
    }
    for (uint32_t i = 0; i < count; i++) {
        worker_join(&engine->workers[i]);
    }
    round_destroy(&round);
}

int engine_start(struct sluice_engine *engine, struct sluice_error *error)
{
    if (engine->state != SLUICE_STATE_CREATED) {
        return failure(error, SLUICE_E_STATE, 0, NO_RECORD, NO_RECORD, "", "The engine was started before");
    }
    for (uint32_t i = 0; i < engine->worker_count; i++) {
        struct round round;
        round_init(&round, 1);
        int result = worker_start(&engine->workers[i], &round);
        if (result == 0) {
            result = round_wait(&round);
        }
        round_destroy(&round);
        if (result != 0) {
            worker_join(&engine->workers[i]);
            stop_workers(engine, i);
            int code = result == -ENOSYS ? SLUICE_E_UNSUPPORTED : SLUICE_E_THREAD;
            return failure(error, code, -result, NO_RECORD, NO_RECORD, "", "Cannot start worker %u: %s", i,
                           strerror(-result));
        }
    }
    engine->state = SLUICE_STATE_RUNNING;
    return SLUICE_OK;
}

static void remove_socket_files(struct sluice_engine *engine)
{
    for (uint32_t i = 0; i < engine->bindings.bucket_count; i++) {
        for (struct binding *binding = engine->bindings.buckets[i]; binding != NULL; binding = binding->next) {
            binding_remove_file(binding);
            binding->ours = false;
        }
    }
}

int engine_drain(struct sluice_engine *engine, uint64_t grace_ms)
{
    if (engine->state != SLUICE_STATE_RUNNING && engine->state != SLUICE_STATE_DRAINING) {
        return SLUICE_E_STATE;
    }
    engine->state = SLUICE_STATE_DRAINING;
    remove_socket_files(engine);
    engine_ask(engine, MESSAGE_DRAIN, grace_ms, NULL);
    return SLUICE_OK;
}

int engine_stop(struct sluice_engine *engine)
{
    if (engine->state != SLUICE_STATE_RUNNING && engine->state != SLUICE_STATE_DRAINING) {
        return SLUICE_E_STATE;
    }
    remove_socket_files(engine);
    stop_workers(engine, engine->worker_count);
    engine->state = SLUICE_STATE_STOPPED;
    engine_collect(engine);
    return SLUICE_OK;
}

int engine_destroy(struct sluice_engine *engine)
{
    if (engine->state != SLUICE_STATE_CREATED && engine->state != SLUICE_STATE_STOPPED) {
        return SLUICE_E_STATE;
    }
    free_engine(engine);
    return SLUICE_OK;
}

uint64_t engine_collect(struct sluice_engine *engine)
{
    uint64_t held = 0;
    struct list *node = engine->outdated.next;
    while (node != &engine->outdated) {
        struct tenant_shared *shared = container_of(node, struct tenant_shared, outdated);
        const struct tenant *current = id_map_get(&engine->tenants, shared->id);
        uint32_t in_force = current != NULL && current->shared == shared ? 1 : 0;
        node = node->next;
        list_remove(&shared->outdated); /* it may be freed in the next line */
        uint32_t left = snapshot_collect(shared);
        if (left > in_force) {
            held += left - in_force;
            list_append(node, &shared->outdated); /* before the one that is next: where it was */
        }
    }
    return held;
}

void engine_status(struct sluice_engine *engine, struct sluice_engine_status *status)
{
    *status = (struct sluice_engine_status){
        .state = engine->state,
        .workers = engine->worker_count,
        .generation = engine->generation,
        .tenants = engine->tenants.count - engine->holders,
        .listeners = engine->bindings.count,
        .snapshots_held = engine_collect(engine),
    };
    for (uint32_t i = 0; i < engine->worker_count; i++) {
        status->sessions_active += stats_get(&engine->cells[i].sessions_active);
    }
}

int64_t engine_log_drain(struct sluice_engine *engine, uint8_t *buffer, uint64_t size)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < engine->worker_count; i++) {
        uint32_t number = (engine->log_next + i) % engine->worker_count;
        used += log_ring_read(&engine->workers[number].log, buffer + used, size - used);
    }
    engine->log_next = (engine->log_next + 1) % engine->worker_count;
    return (int64_t)used;
}
