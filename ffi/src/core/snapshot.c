/* SPDX-License-Identifier: MIT
 * Building and freeing versions of tenants, on the control thread. */
#include "core/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/snapshot_routes.h"
#include "path/queue.h"
#include "path/throttle.h"
#include "sys/clock.h"

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

static void tenant_shared_drop(struct tenant_shared *shared)
{
    if (shared != NULL && shared->references == 1) {
        limits_free(shared->limits);
    }
    shared_drop(shared);
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
    struct tenant_shared *shared =
        shared_new(sizeof(*shared), sizeof(shared->cells[0]) + sizeof(shared->locals[0]), workers);
    if (shared != NULL) {
        shared->id = id;
        shared->locals = (struct tenant_local *)(void *)&shared->cells[workers];
        for (uint32_t i = 0; i < workers; i++) {
            queue_init(&shared->locals[i].room);
            throttle_group_init(&shared->locals[i].groups[UP]);
            throttle_group_init(&shared->locals[i].groups[DOWN]);
        }
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

static struct backend_shared *share_backend(const struct backend *old, uint32_t id, uint32_t workers)
{
    if (old != NULL) {
        old->shared->references++;
        return old->shared;
    }
    struct backend_shared *shared = shared_new(sizeof(*shared), sizeof(shared->cells[0]), workers);
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
        balance_set_health(&shared->signals, wanted->record.health, 0);
        if (old != NULL) {
            shared->signals.up_since_ns = clock_now_ns(); /* new among others: it starts slowly */
        }
    }
    return shared;
}

/* ---- Building ---- */

/* Tables for choosing among the members. */
static int build_balancing(struct backend *backend, const struct balance_member *members, uint32_t count,
                           const struct sluice_backend_record *record)
{
    struct balance_settings settings = {
        .algorithm = record->balance,
        .panic_ppm = record->panic_ppm,
        .slow_start_ns = mul_saturating_u64(record->slow_start_ms, NS_PER_MS),
    };
    void *scratch = malloc(balance_scratch_bytes(count) + 1u);
    if (scratch == NULL) {
        return -ENOMEM;
    }
    backend->balancing = malloc(balance_bytes(members, count, record->balance, scratch) + 1u);
    if (backend->balancing != NULL) {
        balance_build(&backend->pool, members, count, &settings, &backend->shared->balance, backend->balancing,
                      scratch);
    }
    free(scratch);
    return backend->balancing == NULL ? -ENOMEM : 0;
}

/* A number that stands for an address: the same in each version and each process (FNV-1a). */
static uint64_t address_key(const struct net_address *address)
{
    uint64_t key = UINT64_C(0xcbf29ce484222325);
    const uint8_t *bytes = (const uint8_t *)&address->any;
    for (socklen_t i = 0; i < address->length; i++) {
        key = (key ^ bytes[i]) * UINT64_C(0x100000001b3);
    }
    return key;
}

static void set_resilience(const struct sluice_backend_record *record, const struct net_address *source,
                           struct backend *backend)
{
    backend->id = record->id;
    backend->attempts = record->attempts;
    backend->send_proxy = record->send_proxy;
    backend->split_seed = record->split_seed;
    backend->source_address = *source;
    backend->backoff_ms = record->backoff_ms;
    backend->retry_budget_ppm = record->retry_budget_ppm;
    backend->outliers = (struct outlier_settings){
        .failures = record->passive_failures,
        .max_ejected_ppm = record->max_ejected_ppm,
        .window_ns = mul_saturating_u64(record->passive_window_ms, NS_PER_MS),
        .eject_ns = mul_saturating_u64(record->eject_ms, NS_PER_MS),
    };
    backend->breaker = (struct breaker_settings){
        .requests = record->breaker_requests,
        .error_ppm = record->breaker_error_ppm,
        .probes = record->breaker_probes,
        .window_ns = mul_saturating_u64(record->breaker_window_ms, NS_PER_MS),
        .open_ns = mul_saturating_u64(record->breaker_open_ms, NS_PER_MS),
    };
    backend->preconnect_min = record->preconnect_min;
    backend->preconnect_max = record->preconnect_max;
    backend->preconnect_idle_ms = record->preconnect_idle_ms;
}

static int build_backend(const struct blob *blob, const struct sluice_backend_record *record,
                         const struct tenant *before, uint32_t workers, struct backend *backend)
{
    const struct backend *old = find_backend(before, record->id);
    const struct blob_endpoint *wanted = &blob->endpoints[record->first_endpoint];
    struct balance_member *members = calloc(record->endpoint_count + 1u, sizeof(*members));

    set_resilience(record, &blob->sources[record - blob->backends], backend);
    backend->pool.members = members;
    backend->pool.member_count = record->endpoint_count;
    backend->shared = share_backend(old, record->id, workers);
    backend->endpoints = calloc(record->endpoint_count + 1u, sizeof(*backend->endpoints));
    if (members == NULL || backend->shared == NULL || backend->endpoints == NULL) {
        return -ENOMEM;
    }
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
            .signals = &endpoint->shared->signals,
            .key = address_key(&wanted[i].address),
            .max_active = source->max_connections,
            .weight = source->weight,
            .tier = source->tier,
            .usable = source->state == SLUICE_ENDPOINT_READY,
        };
    }
    return build_balancing(backend, members, record->endpoint_count, record);
}

/* Access lists. */
static int build_prefixes(const struct blob *blob, const struct sluice_tenant_record *record, struct tenant *tenant)
{
    tenant->has_allow_list = (record->flags & SLUICE_TENANT_ALLOW_LIST) != 0;
    if (record->allow_count == 0 && record->deny_count == 0) {
        return 0;
    }
    const struct prefix *allow = &blob->prefixes[record->first_prefix];
    size_t allow_bytes = prefix_set_bytes(record->allow_count);
    tenant->prefixes = malloc(allow_bytes + prefix_set_bytes(record->deny_count));
    if (tenant->prefixes == NULL) {
        return -ENOMEM;
    }
    void *deny_memory = (uint8_t *)tenant->prefixes + allow_bytes;
    prefix_set_build(allow, record->allow_count, tenant->prefixes, &tenant->allow);
    prefix_set_build(allow + record->allow_count, record->deny_count, deny_memory, &tenant->deny);
    return 0;
}

/* The parts of a split, when all backends are there. */
static int build_splits(const struct blob *blob, const struct sluice_backend_record *record,
                        const struct tenant *tenant, struct backend *backend)
{
    if (record->split_count == 0) {
        return 0;
    }
    backend->splits = calloc(record->split_count, sizeof(*backend->splits));
    if (backend->splits == NULL) {
        return -ENOMEM;
    }
    uint32_t weights = 0;
    for (uint32_t i = 0; i < record->split_count; i++) {
        const struct sluice_split_record *part = &blob->splits[record->first_split + i];
        weights += part->weight;
        backend->splits[i] = (struct split){.backend = find_backend(tenant, part->backend), .weights = weights};
    }
    backend->split_count = record->split_count;
    return 0;
}

static int build_backends(const struct blob *blob, const struct sluice_tenant_record *record,
                          const struct tenant *before, uint32_t workers, struct tenant *tenant)
{
    const struct sluice_backend_record *sources = &blob->backends[record->first_backend];
    for (uint32_t i = 0; i < record->backend_count; i++) {
        int result = build_backend(blob, &sources[i], before, workers, &tenant->backends[i]);
        if (result != 0) {
            return result;
        }
    }
    for (uint32_t i = 0; i < record->backend_count; i++) {
        int result = build_splits(blob, &sources[i], tenant, &tenant->backends[i]);
        if (result != 0) {
            return result;
        }
    }
    tenant->mirror = find_backend(tenant, record->mirror_backend);
    tenant->mirror_ppm = record->mirror_share_ppm;
    return 0;
}

static int build_listener(const struct blob *blob, const struct sluice_listener_record *record,
                          const struct tenant *before, uint32_t workers, struct tenant *tenant,
                          struct listener *listener)
{
    listener->id = record->id;
    listener->backend = find_backend(tenant, record->backend);
    listener->detects_tls = record->detect == SLUICE_DETECT_TLS;
    listener->takes_proxy_header = record->proxy_accept == SLUICE_PROXY_REQUIRED;
    listener->proxy_timeout_ms = record->proxy_timeout_ms;
    listener->detect_timeout_ms = record->detect_timeout_ms;
    listener->shared = share_listener(before, record->id, workers);
    listener->trusted_memory = malloc(prefix_set_bytes(record->trusted_count) + 1u);
    if (listener->shared == NULL || listener->trusted_memory == NULL) {
        return -ENOMEM;
    }
    prefix_set_build(&blob->prefixes[record->first_trusted], record->trusted_count, listener->trusted_memory,
                     &listener->trusted);
    return 0;
}

static int build_parts(const struct blob *blob, uint32_t index, const struct tenant *before, uint32_t workers,
                       struct tenant *tenant)
{
    const struct sluice_tenant_record *record = &blob->tenants[index];
    int result = build_prefixes(blob, record, tenant);
    result = result != 0 ? result : build_backends(blob, record, before, workers, tenant);
    for (uint32_t i = 0; i < record->listener_count && result == 0; i++) {
        result = build_listener(blob, &blob->listeners[record->first_listener + i].record, before, workers, tenant,
                                &tenant->listeners[i]);
    }
    return result != 0 ? result : snapshot_build_routes(blob, record, tenant);
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
    tenant->is_shared = (record->flags & SLUICE_TENANT_SHARED) != 0;
    tenant->faults = (struct faults){
        .delay_ms = record->fault_delay_ms,
        .delay_ppm = record->fault_delay_ppm,
        .reset_ppm = record->fault_reset_ppm,
        .refuse_ppm = record->fault_refuse_ppm,
    };
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
        build_parts(blob, index, before, workers, tenant) != 0) {
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
    free(backend->balancing);
    free(backend->splits);
    shared_drop(backend->shared);
}

void snapshot_free(struct tenant *tenant)
{
    for (uint32_t i = 0; tenant->backends != NULL && i < tenant->backend_count; i++) {
        free_backend(&tenant->backends[i]);
    }
    for (uint32_t i = 0; tenant->listeners != NULL && i < tenant->listener_count; i++) {
        free(tenant->listeners[i].trusted_memory);
        shared_drop(tenant->listeners[i].shared);
    }
    snapshot_free_routes(tenant);
    free(tenant->backends);
    free(tenant->listeners);
    free(tenant->prefixes);
    list_remove(&tenant->siblings);
    tenant_shared_drop(tenant->shared);
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
    tenant_shared_drop(shared);
    return left;
}
