/* SPDX-License-Identifier: MIT
 * Statistics: sums of the workers' cells, in the order of the engine's table of tenants. Control thread. */
#include <string.h>

#include "core/engine.h"

int32_t report_tenants(const struct sluice_engine *engine, uint32_t first, struct sluice_tenant_stats *records,
                       uint64_t room)
{
    uint64_t count = 0;
    for (uint64_t i = first; i < engine->tenants.count && count < room; i++) {
        struct tenant_shared *shared = engine->table[i]->shared;
        struct sluice_tenant_stats *record = &records[count++];
        *record = (struct sluice_tenant_stats){
            .id = shared->id,
            .sessions_active = atomic_load_explicit(&shared->active, memory_order_relaxed),
            .buffered_bytes = atomic_load_explicit(&shared->buffered_bytes, memory_order_relaxed),
        };
        for (uint32_t worker = 0; worker < engine->worker_count; worker++) {
            stats_sum_tenant(record, &shared->cells[worker]);
        }
    }
    return (int32_t)count;
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
                            const struct backend *backend, uint32_t index, struct sluice_endpoint_stats *record)
{
    const struct endpoint *endpoint = &backend->endpoints[index];
    *record = (struct sluice_endpoint_stats){
        .tenant = tenant->id,
        .backend = backend->id,
        .id = endpoint->id,
        .state = endpoint->state,
        .sessions_active = atomic_load_explicit(&endpoint->shared->active, memory_order_relaxed),
    };
    for (uint32_t worker = 0; worker < engine->worker_count; worker++) {
        record->sessions_total += stats_get(&endpoint->shared->cells[worker].sessions_total);
        record->connect_failures += stats_get(&endpoint->shared->cells[worker].connect_failures);
    }
}

int32_t report_endpoints(const struct sluice_engine *engine, uint32_t first, struct sluice_endpoint_stats *records,
                         uint64_t room)
{
    uint64_t count = 0;
    uint64_t position = 0;
    for (uint32_t i = 0; i < engine->tenants.count; i++) {
        const struct tenant *tenant = engine->table[i];
        for (uint32_t k = 0; k < tenant->backend_count; k++) {
            const struct backend *backend = &tenant->backends[k];
            for (uint32_t m = 0; m < backend->pool.member_count && count < room; m++, position++) {
                if (position >= first) {
                    report_endpoint(engine, tenant, backend, m, &records[count++]);
                }
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
