/* SPDX-License-Identifier: MIT
 * Statistics: sums of the workers' cells, in the order of the engine's table of tenants. Control thread. */
#include <string.h>

#include "core/engine.h"
#include "path/session.h"
#include "sys/clock.h"

static uint64_t tokens_of(const struct tenant_bucket *bucket, uint64_t now_ns)
{
    return bucket->limited ? token_level(&bucket->rate, &bucket->spent, now_ns) : SLUICE_UNLIMITED64;
}

/* Sessions for which there are tokens. */
static uint64_t sessions_of(const struct tenant_bucket *bucket, uint64_t now_ns)
{
    uint64_t tokens = tokens_of(bucket, now_ns);
    return tokens == SLUICE_UNLIMITED64 ? tokens : tokens / TOKENS_A_SESSION;
}

static void describe_tenant(const struct sluice_engine *engine, const struct tenant_shared *shared, uint64_t now_ns,
                            struct sluice_tenant_stats *record)
{
    const struct tenant_limits *limits = tenant_limits(shared);
    *record = (struct sluice_tenant_stats){
        .id = shared->id,
        .queue_length = atomic_load_explicit(&shared->queue_length, memory_order_relaxed),
        .session_tokens = sessions_of(&limits->session_rate, now_ns),
        .up_tokens = tokens_of(&limits->bytes[UP], now_ns),
        .down_tokens = tokens_of(&limits->bytes[DOWN], now_ns),
        .sessions_active = atomic_load_explicit(&shared->active, memory_order_relaxed),
        .buffered_bytes = atomic_load_explicit(&shared->buffered_bytes, memory_order_relaxed),
    };
    for (uint32_t worker = 0; worker < engine->worker_count; worker++) {
        stats_sum_tenant(record, &shared->cells[worker]);
    }
}

int32_t report_tenants(const struct sluice_engine *engine, uint32_t first, struct sluice_tenant_stats *records,
                       uint64_t room)
{
    uint64_t count = 0;
    uint64_t now_ns = clock_now_ns();
    for (uint64_t i = first; i < engine->tenants.count && count < room; i++) {
        describe_tenant(engine, engine->table[i]->shared, now_ns, &records[count++]);
    }
    return (int32_t)count;
}

int32_t report_tenant(const struct sluice_engine *engine, uint32_t tenant, struct sluice_tenant_stats *record)
{
    const struct tenant *version = id_map_get(&engine->tenants, tenant);
    if (version == NULL) {
        return 0;
    }
    describe_tenant(engine, version->shared, clock_now_ns(), record);
    return 1;
}

/* The sources with most sessions, those first. */
struct busiest {
    struct sluice_source_stats *records;
    uint64_t count;
    uint64_t room;
};

static void note_source(void *context, const struct source_key *key, uint32_t sessions)
{
    struct busiest *busiest = context;
    uint64_t place = busiest->count;
    while (place > 0 && busiest->records[place - 1].sessions < sessions) {
        place--;
    }
    if (sessions == 0 || place == busiest->room) {
        return;
    }
    if (busiest->count < busiest->room) {
        busiest->count++;
    }
    struct sluice_source_stats *record = &busiest->records[place];
    memmove(record + 1, record, (busiest->count - 1 - place) * sizeof(*record));
    *record = (struct sluice_source_stats){.family = key->family, .sessions = sessions};
    memcpy(record->ip, key->ip, sizeof(record->ip));
}

int32_t report_sources(struct sluice_engine *engine, uint32_t tenant, struct sluice_source_stats *records,
                       uint64_t room)
{
    struct busiest busiest = {.records = records, .room = room};
    if (engine->sources_memory != NULL) {
        source_table_visit(&engine->sources, tenant, note_source, &busiest);
    }
    return (int32_t)busiest.count;
}

static void describe(const struct net_address *from, struct sluice_address *to)
{
    memset(to, 0, sizeof(*to));
    to->port = net_address_port(from);
    switch (from->any.sa_family) {
    case AF_INET:
        to->family = SLUICE_FAMILY_IPV4;
        memcpy(to->ip, &from->ipv4.sin_addr, 4);
        break;
    case AF_INET6:
        to->family = SLUICE_FAMILY_IPV6;
        memcpy(to->ip, &from->ipv6.sin6_addr, 16);
        to->scope_id = from->ipv6.sin6_scope_id;
        break;
    default:
        to->family = SLUICE_FAMILY_UNIX;
        break;
    }
}

static void add_addresses(struct sluice_listener_stats *record, const struct tenant_shared *shared)
{
    for (struct list *node = shared->bindings.next; node != &shared->bindings; node = node->next) {
        const struct binding *binding = container_of(node, struct binding, siblings);
        if (binding->listener != record->id) {
            continue;
        }
        if (record->addresses++ == 0 || net_address_port(&binding->address) < record->bound.port) {
            describe(&binding->address, &record->bound);
        }
    }
}

int32_t report_listeners(const struct sluice_engine *engine, uint32_t first, struct sluice_listener_stats *records,
                         uint64_t room)
{
    uint64_t count = 0;
    uint64_t position = 0;
    for (uint32_t i = 0; i < engine->tenants.count; i++) {
        const struct tenant *tenant = engine->table[i];
        for (uint32_t k = 0; k < tenant->listener_count && count < room; k++, position++) {
            if (position < first) {
                continue;
            }
            struct sluice_listener_stats *record = &records[count++];
            *record = (struct sluice_listener_stats){.tenant = tenant->id, .id = tenant->listeners[k].id};
            for (uint32_t worker = 0; worker < engine->worker_count; worker++) {
                record->sessions_total += stats_get(&tenant->listeners[k].shared->cells[worker].sessions_total);
            }
            add_addresses(record, tenant->shared);
        }
    }
    return (int32_t)count;
}

static void report_endpoint(const struct sluice_engine *engine, const struct tenant *tenant,
                            const struct backend *backend, uint32_t index, uint64_t now_ns,
                            struct sluice_endpoint_stats *record)
{
    const struct endpoint *endpoint = &backend->endpoints[index];
    const struct balance_signals *signals = &endpoint->shared->signals;
    *record = (struct sluice_endpoint_stats){
        .tenant = tenant->id,
        .backend = backend->id,
        .id = endpoint->id,
        .state = endpoint->state,
        .sessions_active = atomic_load_explicit(&signals->active, memory_order_relaxed),
        .health = atomic_load_explicit(&signals->health, memory_order_relaxed),
        .ejected = balance_is_ejected(signals, now_ns),
    };
    for (uint32_t worker = 0; worker < engine->worker_count; worker++) {
        record->sessions_total += stats_get(&endpoint->shared->cells[worker].sessions_total);
        record->connect_failures += stats_get(&endpoint->shared->cells[worker].connect_failures);
        record->preconnect_idle += stats_get(&endpoint->shared->cells[worker].preconnect_idle);
    }
}

int32_t report_endpoints(const struct sluice_engine *engine, uint32_t first, struct sluice_endpoint_stats *records,
                         uint64_t room)
{
    uint64_t count = 0;
    uint64_t position = 0;
    uint64_t now_ns = clock_now_ns();
    for (uint32_t i = 0; i < engine->tenants.count; i++) {
        const struct tenant *tenant = engine->table[i];
        for (uint32_t k = 0; k < tenant->backend_count; k++) {
            const struct backend *backend = &tenant->backends[k];
            for (uint32_t m = 0; m < backend->pool.member_count && count < room; m++, position++) {
                if (position >= first) {
                    report_endpoint(engine, tenant, backend, m, now_ns, &records[count++]);
                }
            }
        }
    }
    return (int32_t)count;
}

static void report_backend(const struct sluice_engine *engine, const struct tenant *tenant,
                           const struct backend *backend, struct sluice_backend_stats *record)
{
    *record = (struct sluice_backend_stats){
        .tenant = tenant->id,
        .id = backend->id,
        .circuit = breaker_circuit(&backend->breaker, &backend->shared->breaker),
    };
    for (uint32_t worker = 0; worker < engine->worker_count; worker++) {
        const struct backend_cell *cell = &backend->shared->cells[worker];
        record->connects_total += stats_get(&cell->connects_total);
        record->connect_failures += stats_get(&cell->connect_failures);
        record->connect_us_sum += stats_get(&cell->connect_us_sum);
        for (uint32_t i = 0; i < SLUICE_BUCKET_COUNT; i++) {
            record->connect_bucket[i] += stats_get(&cell->connect_bucket[i]);
        }
    }
}

int32_t report_backends(const struct sluice_engine *engine, uint32_t first, struct sluice_backend_stats *records,
                        uint64_t room)
{
    uint64_t count = 0;
    uint64_t position = 0;
    for (uint32_t i = 0; i < engine->tenants.count; i++) {
        const struct tenant *tenant = engine->table[i];
        for (uint32_t k = 0; k < tenant->backend_count && count < room; k++, position++) {
            if (position >= first) {
                report_backend(engine, tenant, &tenant->backends[k], &records[count++]);
            }
        }
    }
    return (int32_t)count;
}

int32_t report_workers(struct sluice_engine *engine, uint32_t first, struct sluice_worker_stats *records, uint64_t room)
{
    uint64_t count = 0;
    for (uint64_t i = first; i < engine->worker_count && count < room; i++) {
        struct worker_cell *cell = &engine->cells[i];
        records[count++] = (struct sluice_worker_stats){
            .sessions_active = stats_get(&cell->sessions_active),
            .fds_in_use = stats_get(&cell->fds_in_use),
            .pipes_in_use = stats_get(&cell->pipes_in_use),
            .buffer_bytes = stats_get(&cell->buffer_bytes),
            .session_bytes = stats_get(&cell->session_bytes),
            .loop_lag_ns = atomic_exchange_explicit(&cell->loop_lag_ns, 0, memory_order_relaxed),
            .turns_total = stats_get(&cell->turns_total),
            .accept_pauses_total = stats_get(&cell->accept_pauses_total),
            .log_dropped_total = stats_get(&engine->workers[i].log.dropped),
        };
    }
    return (int32_t)count;
}
