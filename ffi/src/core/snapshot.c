/* SPDX-License-Identifier: MIT
 * Building and freeing versions of tenants, on the control thread. */
#include "core/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Shared parts: counted by the versions that point to them ---- */

/* A zeroed, cache-aligned object with a cell a worker at its end; references 1. */
static void *shared_new(size_t head, size_t cell, uint32_t workers)
{
    size_t size = head + cell * workers;
    size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *object = aligned_alloc(CACHE_LINE, size);
    if (object != NULL) {
        memset(object, 0, size);
        *(uint32_t *)object = 1;
    }
    return object;
}

_Static_assert(offsetof(struct endpoint_shared, references) == 0, "shared_new sets it");
_Static_assert(offsetof(struct backend_shared, references) == 0, "shared_new sets it");
_Static_assert(offsetof(struct listener_shared, references) == 0, "shared_new sets it");
_Static_assert(offsetof(struct tenant_shared, references) == 0, "shared_new sets it");

static void shared_drop(void *object)
{
    if (object != NULL && --*(uint32_t *)object == 0) {
        free(object);
    }
}

static const struct backend *find_backend(const struct tenant *tenant, uint32_t id)
{
    for (uint32_t i = 0; tenant != NULL && i < tenant->backend_count; i++) {
        if (tenant->backends[i].id == id) {
            return &tenant->backends[i];
        }
    }
    return NULL;
}

static const struct listener *find_listener(const struct tenant *tenant, uint32_t id)
{
    for (uint32_t i = 0; tenant != NULL && i < tenant->listener_count; i++) {
        if (tenant->listeners[i].id == id) {
            return &tenant->listeners[i];
        }
    }
    return NULL;
}

static struct tenant_shared *share_tenant(const struct tenant *before, uint32_t id, uint32_t workers)
{
    if (before != NULL) {
        before->shared->references++;
        return before->shared;
    }
    struct tenant_shared *shared = shared_new(sizeof(*shared), sizeof(shared->cells[0]), workers);
    if (shared != NULL) {
        shared->id = id;
        list_init(&shared->versions);
        list_init(&shared->outdated);
        list_init(&shared->bindings);
    }
    return shared;
}

static struct listener_shared *share_listener(const struct tenant *before, uint32_t id, uint32_t workers)
{
    const struct listener *old = find_listener(before, id);
    if (old != NULL) {
        old->shared->references++;
        return old->shared;
    }
    struct listener_shared *shared = shared_new(sizeof(*shared), sizeof(shared->cells[0]), workers);
    if (shared != NULL) {
        shared->id = id;
    }
    return shared;
}

static struct backend_shared *share_backend(const struct backend *old, uint32_t id)
{
    if (old != NULL) {
        old->shared->references++;
        return old->shared;
    }
    struct backend_shared *shared = shared_new(sizeof(*shared), 0, 0);
    if (shared != NULL) {
        shared->id = id;
    }
    return shared;
}

static struct endpoint_shared *share_endpoint(const struct backend *old, const struct blob_endpoint *wanted,
                                              uint32_t workers)
{
    for (uint32_t i = 0; old != NULL && i < old->pool.member_count; i++) {
        struct endpoint_shared *shared = old->endpoints[i].shared;
        if (shared->id == wanted->record.id && net_address_equal(&shared->address, &wanted->address)) {
            shared->references++;
            return shared;
        }
    }
    struct endpoint_shared *shared = shared_new(sizeof(*shared), sizeof(shared->cells[0]), workers);
    if (shared != NULL) {
        shared->id = wanted->record.id;
        shared->address = wanted->address;
    }
    return shared;
}

/* ---- Building ---- */

static int build_sequence(struct backend *backend, const struct blob_endpoint *endpoints)
{
    uint32_t count = backend->pool.member_count;
    int result = -ENOMEM;
    uint32_t *weights = calloc(count + 1u, sizeof(*weights));
    int64_t *scratch = calloc((size_t)count * 2 + 1, sizeof(*scratch));
    uint16_t *sequence = NULL;
    if (weights == NULL || scratch == NULL) {
        goto cleanup;
    }
    for (uint32_t i = 0; i < count; i++) {
        bool ready = endpoints[i].record.state == SLUICE_ENDPOINT_READY;
        weights[i] = ready ? endpoints[i].record.weight : 0;
    }
    uint32_t length = balance_sequence_length(weights, count);
    sequence = calloc(length == 0 ? 1 : length, sizeof(*sequence));
    if (sequence == NULL) {
        goto cleanup;
    }
    balance_sequence_build(weights, count, sequence, scratch);
    backend->pool.sequence = sequence;
    backend->pool.sequence_length = length;
    result = 0;
cleanup:
    free(weights);
    free(scratch);
    return result;
}

static int build_backend(const struct blob *blob, const struct sluice_backend_record *record,
                         const struct tenant *before, uint32_t workers, struct backend *backend)
{
    const struct backend *old = find_backend(before, record->id);
    const struct blob_endpoint *wanted = &blob->endpoints[record->first_endpoint];
    struct balance_member *members = calloc(record->endpoint_count + 1u, sizeof(*members));

    backend->id = record->id;
    backend->balance = record->balance;
    backend->attempts = record->attempts;
    backend->pool.members = members;
    backend->pool.member_count = record->endpoint_count;
    backend->shared = share_backend(old, record->id);
    backend->endpoints = calloc(record->endpoint_count + 1u, sizeof(*backend->endpoints));
    if (members == NULL || backend->shared == NULL || backend->endpoints == NULL) {
        return -ENOMEM;
    }
    backend->pool.ticket = &backend->shared->ticket;
    for (uint32_t i = 0; i < record->endpoint_count; i++) {
        struct endpoint *endpoint = &backend->endpoints[i];
        const struct sluice_endpoint_record *source = &wanted[i].record;
        endpoint->id = source->id;
        endpoint->state = source->state;
        endpoint->shared = share_endpoint(old, &wanted[i], workers);
        if (endpoint->shared == NULL) {
            return -ENOMEM;
        }
        members[i] = (struct balance_member){
            .active = &endpoint->shared->active,
            .max_active = source->max_connections,
            .weight = source->weight,
            .usable = source->state == SLUICE_ENDPOINT_READY,
        };
    }
    return build_sequence(backend, wanted);
}

static int build_parts(const struct blob *blob, const struct sluice_tenant_record *record, const struct tenant *before,
                       uint32_t workers, struct tenant *tenant)
{
    for (uint32_t i = 0; i < record->backend_count; i++) {
        const struct sluice_backend_record *source = &blob->backends[record->first_backend + i];
        int result = build_backend(blob, source, before, workers, &tenant->backends[i]);
        if (result != 0) {
            return result;
        }
    }
    for (uint32_t i = 0; i < record->listener_count; i++) {
        const struct sluice_listener_record *source = &blob->listeners[record->first_listener + i].record;
        struct listener *listener = &tenant->listeners[i];
        listener->id = source->id;
        listener->backend = find_backend(tenant, source->backend);
        listener->shared = share_listener(before, source->id, workers);
        if (listener->shared == NULL) {
            return -ENOMEM;
        }
        SLUICE_ASSERT(listener->backend != NULL); /* decoding has checked the reference */
    }
    return 0;
}

int snapshot_build(const struct blob *blob, uint32_t index, const struct tenant *before, uint32_t workers,
                   struct tenant **result)
{
    const struct sluice_tenant_record *record = &blob->tenants[index];
    struct tenant *tenant = calloc(1, sizeof(*tenant) + workers * sizeof(tenant->views[0]));
    if (tenant == NULL) {
        return -ENOMEM;
    }
    tenant->id = record->id;
    tenant->enabled = (record->flags & SLUICE_TENANT_ENABLED) != 0;
    tenant->on_limit = record->on_limit;
    tenant->max_connections = record->max_connections;
    tenant->reset_propagation = record->reset_propagation;
    tenant->buffer_bytes = record->buffer_bytes;
    tenant->timeouts = (struct timeouts){
        .connect_ms = record->connect_ms,
        .first_byte_ms = record->first_byte_ms,
        .idle_ms = record->idle_ms,
        .half_close_ms = record->half_close_ms,
        .max_duration_ms = record->max_duration_ms,
        .drain_ms = record->drain_ms,
        .max_duration_jitter_ppm = record->max_duration_jitter_ppm,
    };
    tenant->options = (struct net_options){
        .keepalive_idle_s = record->keepalive_idle_s,
        .keepalive_interval_s = record->keepalive_interval_s,
        .keepalive_probes = record->keepalive_probes,
        .user_timeout_ms = record->user_timeout_ms,
    };
    list_init(&tenant->siblings);
    tenant->backend_count = record->backend_count;
    tenant->listener_count = record->listener_count;
    tenant->backends = calloc(record->backend_count + 1u, sizeof(*tenant->backends));
    tenant->listeners = calloc(record->listener_count + 1u, sizeof(*tenant->listeners));
    tenant->shared = share_tenant(before, record->id, workers);
    if (tenant->backends == NULL || tenant->listeners == NULL || tenant->shared == NULL ||
        build_parts(blob, record, before, workers, tenant) != 0) {
        snapshot_free(tenant);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < workers; i++) {
        tenant->views[i] = (struct tenant_view){.tenant = tenant, .current = true};
        list_init(&tenant->views[i].sessions);
    }
    *result = tenant;
    return 0;
}

void snapshot_publish(struct tenant *tenant, uint32_t workers)
{
    atomic_store_explicit(&tenant->views_held, workers, memory_order_relaxed);
    list_append(&tenant->shared->versions, &tenant->siblings);
}

void snapshot_mark_gone(struct tenant_shared *shared, const struct tenant *newest)
{
    for (struct list *node = shared->versions.next; node != &shared->versions; node = node->next) {
        struct tenant *version = container_of(node, struct tenant, siblings);
        for (uint32_t i = 0; i < version->listener_count; i++) {
            version->listeners[i].gone = find_listener(newest, version->listeners[i].id) == NULL;
        }
        for (uint32_t i = 0; i < version->backend_count; i++) {
            version->backends[i].gone = find_backend(newest, version->backends[i].id) == NULL;
        }
    }
}

/* ---- Freeing ---- */

static void free_backend(struct backend *backend)
{
    for (uint32_t i = 0; backend->endpoints != NULL && i < backend->pool.member_count; i++) {
        shared_drop(backend->endpoints[i].shared);
    }
    free(backend->endpoints);
    free((void *)(uintptr_t)backend->pool.members);
    free((void *)(uintptr_t)backend->pool.sequence);
    shared_drop(backend->shared);
}

void snapshot_free(struct tenant *tenant)
{
    for (uint32_t i = 0; tenant->backends != NULL && i < tenant->backend_count; i++) {
        free_backend(&tenant->backends[i]);
    }
    for (uint32_t i = 0; tenant->listeners != NULL && i < tenant->listener_count; i++) {
        shared_drop(tenant->listeners[i].shared);
    }
    free(tenant->backends);
    free(tenant->listeners);
    list_remove(&tenant->siblings);
    shared_drop(tenant->shared);
    free(tenant);
}

uint32_t snapshot_collect(struct tenant_shared *shared)
{
    uint32_t left = 0;
    struct list *node = shared->versions.next;
    shared->references++; /* so that it stands until the end of the walk */
    while (node != &shared->versions) {
        struct tenant *version = container_of(node, struct tenant, siblings);
        node = node->next;
        /* Pairs with the release of session_retire_view. */
        if (atomic_load_explicit(&version->views_held, memory_order_acquire) == 0) {
            snapshot_free(version);
        } else {
            left++;
        }
    }
    shared_drop(shared);
    return left;
}
