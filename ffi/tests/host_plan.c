/* SPDX-License-Identifier: MIT
 * Plans in C and the blobs that carry them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

struct host_address host_ipv4(uint32_t port)
{
    return (struct host_address){.address = {.family = SLUICE_FAMILY_IPV4, .port = port, .ip = {127, 0, 0, 1}}};
}

struct host_address host_ipv6(uint32_t port)
{
    return (struct host_address){.address = {.family = SLUICE_FAMILY_IPV6, .port = port, .ip = {[15] = 1}}};
}

struct host_address host_unix(const char *path)
{
    struct host_address address = {.address = {.family = SLUICE_FAMILY_UNIX}};
    snprintf(address.path, sizeof address.path, "%s", path);
    address.address.path_length = (uint32_t)strlen(address.path);
    return address;
}

struct host_address host_abstract(const char *name)
{
    struct host_address address = {.address = {.family = SLUICE_FAMILY_UNIX}};
    snprintf(address.path + 1, sizeof address.path - 1, "%s", name);
    address.address.path_length = 1 + (uint32_t)strlen(name);
    return address;
}

struct sluice_limits host_no_limits(void)
{
    const struct sluice_bucket none = {.rate = SLUICE_UNLIMITED64};
    return (struct sluice_limits){.max_connections = SLUICE_UNLIMITED32,
                                  .queue_size = 1000,
                                  .queue_timeout_ms = 5000,
                                  .session_rate = none,
                                  .up = none,
                                  .down = none,
                                  .session_up = none,
                                  .session_down = none,
                                  .source_rate = none,
                                  .source_max_connections = SLUICE_UNLIMITED32,
                                  .source_ipv4_bits = 32,
                                  .source_ipv6_bits = 64};
}

struct sluice_bucket host_rate(uint64_t per_s, uint64_t burst)
{
    return (struct sluice_bucket){.rate = per_s * 1000, .burst = burst};
}

struct host_tenant host_tenant(uint32_t id)
{
    return (struct host_tenant){.record = {.id = id,
                                           .flags = SLUICE_TENANT_ENABLED,
                                           .limits = host_no_limits(),
                                           .connect_ms = 5000,
                                           .idle_ms = 600000,
                                           .half_close_ms = 30000,
                                           .drain_ms = 30000,
                                           .keepalive_idle_s = 600,
                                           .keepalive_interval_s = 30,
                                           .keepalive_probes = 3,
                                           .reset_propagation = SLUICE_RESET_BOTH,
                                           .buffer_bytes = 64u << 20}};
}

uint32_t host_listener_id(const struct host_tenant *tenant, uint32_t number)
{
    return tenant->record.id * 1000 + number + 1;
}

uint32_t host_backend_id(const struct host_tenant *tenant, uint32_t number)
{
    return tenant->record.id * 1000 + 100 + number + 1;
}

uint32_t host_endpoint_id(const struct host_tenant *tenant, uint32_t backend, uint32_t number)
{
    return tenant->record.id * 1000 + 200 + backend * 10 + number + 1;
}

struct host_listener *host_add_listener(struct host_tenant *tenant, struct host_address address, uint32_t backend)
{
    uint32_t number = tenant->record.listener_count++;
    bool shared = (tenant->record.flags & SLUICE_TENANT_SHARED) != 0;
    tenant->listeners[number] = (struct host_listener){.id = host_listener_id(tenant, number),
                                                       .backend = shared ? 0 : host_backend_id(tenant, backend),
                                                       .address = address,
                                                       .port_last = address.address.port};
    return &tenant->listeners[number];
}

struct host_backend *host_add_backend(struct host_tenant *tenant)
{
    uint32_t number = tenant->record.backend_count++;
    tenant->backends[number] = (struct host_backend){.record = {.id = host_backend_id(tenant, number),
                                                                .balance = SLUICE_BALANCE_ROUND_ROBIN,
                                                                .attempts = 3,
                                                                .retry_budget_ppm = UINT32_MAX}};
    return &tenant->backends[number];
}

struct host_route *host_add_route(struct host_tenant *tenant, uint32_t listener, const char *name, uint32_t backend)
{
    uint32_t number = tenant->record.route_count++;
    tenant->routes[number] = (struct host_route){.id = tenant->record.id * 1000 + 500 + number,
                                                 .listener = listener,
                                                 .backend = host_backend_id(tenant, backend),
                                                 .flags = name == NULL ? SLUICE_ROUTE_DEFAULT : 0,
                                                 .names = {name}};
    return &tenant->routes[number];
}

struct host_tenant host_holder(uint32_t id)
{
    struct host_tenant holder = host_tenant(id);
    holder.record.flags |= SLUICE_TENANT_SHARED;
    return holder;
}

struct sluice_prefix_record host_loopback(void)
{
    return (struct sluice_prefix_record){.family = SLUICE_FAMILY_IPV4, .bits = 8, .ip = {127}};
}

struct host_endpoint *host_add_endpoint(struct host_tenant *tenant, uint32_t backend, struct host_address address)
{
    struct host_backend *to = &tenant->backends[backend];
    uint32_t number = to->record.endpoint_count++;
    to->endpoints[number] = (struct host_endpoint){.record = {.id = host_endpoint_id(tenant, backend, number),
                                                              .weight = 100,
                                                              .max_connections = SLUICE_UNLIMITED32,
                                                              .state = SLUICE_ENDPOINT_READY},
                                                   .address = address};
    return &to->endpoints[number];
}

struct host_tenant host_simple_tenant(uint32_t id, uint32_t endpoint_port)
{
    struct host_tenant tenant = host_tenant(id);
    host_add_backend(&tenant);
    host_add_endpoint(&tenant, 0, host_ipv4(endpoint_port));
    host_add_listener(&tenant, host_ipv4(0), 0);
    return tenant;
}

struct sluice_process_record host_process(void)
{
    return (struct sluice_process_record){
        .max_connections = SLUICE_UNLIMITED32, .access_log = 1, .access_sample_ppm = 1000000};
}

/* ---- Blobs ---- */

/* Where the encoder writes: tables one after the other, each from a multiple of 8. */
struct encoder {
    uint8_t *bytes;
    struct sluice_blob_header header;
    uint64_t end;
};

static void table_begin(struct encoder *encoder, uint32_t table, uint32_t record_size)
{
    encoder->end = (encoder->end + 7u) & ~UINT64_C(7);
    encoder->header.tables[table] = (struct sluice_table){.offset = (uint32_t)encoder->end, .record_size = record_size};
}

static void table_add(struct encoder *encoder, uint32_t table, const void *record)
{
    struct sluice_table *into = &encoder->header.tables[table];
    memcpy(encoder->bytes + encoder->end, record, into->record_size);
    encoder->end += into->record_size;
    into->count++;
}

/* The address as a record holds it; its path is at *strings of the string table, which the encoder writes last. */
static struct sluice_address encode_address(const struct host_address *address, uint32_t *strings)
{
    struct sluice_address record = address->address;
    if (record.family == SLUICE_FAMILY_UNIX) {
        record.path_offset = *strings;
        *strings += record.path_length;
    }
    return record;
}

static void encode_tenants(struct encoder *encoder, const struct host_change *change)
{
    uint32_t listeners = 0;
    uint32_t backends = 0;
    uint32_t prefixes = 0;
    uint32_t routes = 0;
    table_begin(encoder, SLUICE_TABLE_TENANT, sizeof(struct sluice_tenant_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        struct sluice_tenant_record record = change->tenants[i].record;
        record.first_listener = listeners;
        record.first_backend = backends;
        record.first_prefix = prefixes;
        record.first_route = routes;
        routes += record.route_count;
        prefixes += record.allow_count + record.deny_count;
        listeners += record.listener_count;
        backends += record.backend_count;
        table_add(encoder, SLUICE_TABLE_TENANT, &record);
    }
}

static void encode_listeners(struct encoder *encoder, const struct host_change *change, uint32_t *strings,
                             uint32_t *prefixes)
{
    table_begin(encoder, SLUICE_TABLE_LISTENER, sizeof(struct sluice_listener_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.listener_count; k++) {
            const struct host_listener *listener = &tenant->listeners[k];
            struct sluice_listener_record record = {.id = listener->id,
                                                    .backend = listener->backend,
                                                    .address = encode_address(&listener->address, strings),
                                                    .port_last = listener->port_last,
                                                    .detect = listener->detect,
                                                    .proxy_accept = listener->proxy_accept,
                                                    .first_trusted = *prefixes,
                                                    .trusted_count = listener->trusted_count,
                                                    .proxy_timeout_ms = listener->proxy_timeout_ms,
                                                    .detect_timeout_ms = listener->detect_timeout_ms};
            *prefixes += listener->trusted_count;
            table_add(encoder, SLUICE_TABLE_LISTENER, &record);
        }
    }
}

static void encode_backends(struct encoder *encoder, const struct host_change *change, uint32_t *strings)
{
    uint32_t endpoints = 0;
    uint32_t splits = 0;
    table_begin(encoder, SLUICE_TABLE_BACKEND, sizeof(struct sluice_backend_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.backend_count; k++) {
            struct sluice_backend_record record = tenant->backends[k].record;
            record.first_endpoint = endpoints;
            record.first_split = splits;
            splits += record.split_count;
            endpoints += record.endpoint_count;
            table_add(encoder, SLUICE_TABLE_BACKEND, &record);
        }
    }
    table_begin(encoder, SLUICE_TABLE_ENDPOINT, sizeof(struct sluice_endpoint_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.backend_count; k++) {
            const struct host_backend *backend = &tenant->backends[k];
            for (uint32_t m = 0; m < backend->record.endpoint_count; m++) {
                struct sluice_endpoint_record record = backend->endpoints[m].record;
                record.address = encode_address(&backend->endpoints[m].address, strings);
                table_add(encoder, SLUICE_TABLE_ENDPOINT, &record);
            }
        }
    }
}

static void encode_splits(struct encoder *encoder, const struct host_change *change)
{
    table_begin(encoder, SLUICE_TABLE_SPLIT, sizeof(struct sluice_split_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.backend_count; k++) {
            for (uint32_t m = 0; m < tenant->backends[k].record.split_count; m++) {
                table_add(encoder, SLUICE_TABLE_SPLIT, &tenant->backends[k].splits[m]);
            }
        }
    }
}

static uint32_t text_count(const char *const texts[HOST_MOST_NAMES])
{
    uint32_t count = 0;
    while (count < HOST_MOST_NAMES && texts[count] != NULL) {
        count++;
    }
    return count;
}

/* Calls for each route. */
static void each_route(struct encoder *encoder, const struct host_change *change, uint32_t *state,
                       void (*each)(struct encoder *, const struct host_route *, uint32_t *))
{
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        for (uint32_t k = 0; k < change->tenants[i].record.route_count; k++) {
            each(encoder, &change->tenants[i].routes[k], state);
        }
    }
}

/* state: text, prefix */
static void encode_route(struct encoder *encoder, const struct host_route *route, uint32_t *state)
{
    uint32_t names = text_count(route->names);
    uint32_t protocols = text_count(route->protocols);
    struct sluice_route_record record = {.id = route->id,
                                         .listener = route->listener,
                                         .backend = route->backend,
                                         .flags = route->flags,
                                         .first_name = state[0],
                                         .name_count = names,
                                         .first_protocol = state[0] + names,
                                         .protocol_count = protocols,
                                         .first_source = state[1],
                                         .source_count = route->source_count};
    state[0] += names + protocols;
    state[1] += route->source_count;
    table_add(encoder, SLUICE_TABLE_ROUTE, &record);
}

/* state: place in the table of strings */
static void encode_texts(struct encoder *encoder, const struct host_route *route, uint32_t *state)
{
    const char *const *lists[] = {route->names, route->protocols};
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t k = 0; k < text_count(lists[i]); k++) {
            struct sluice_text_record record = {.offset = *state, .length = (uint32_t)strlen(lists[i][k])};
            *state += record.length;
            table_add(encoder, SLUICE_TABLE_TEXT, &record);
        }
    }
}

static void encode_text_bytes(struct encoder *encoder, const struct host_route *route, uint32_t *state)
{
    const char *const *lists[] = {route->names, route->protocols};
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t k = 0; k < text_count(lists[i]); k++) {
            for (const char *c = lists[i][k]; *c != '\0'; c++) {
                table_add(encoder, SLUICE_TABLE_STRING, c);
            }
        }
    }
}

static void encode_sources(struct encoder *encoder, const struct host_route *route, uint32_t *state)
{
    (void)state;
    for (uint32_t i = 0; i < route->source_count; i++) {
        table_add(encoder, SLUICE_TABLE_PREFIX, &route->sources[i]);
    }
}

/* Those of tenants, then of listeners, then of routes. */
static void encode_prefixes(struct encoder *encoder, const struct host_change *change)
{
    table_begin(encoder, SLUICE_TABLE_PREFIX, sizeof(struct sluice_prefix_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.allow_count + tenant->record.deny_count; k++) {
            table_add(encoder, SLUICE_TABLE_PREFIX, &tenant->prefixes[k]);
        }
    }
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.listener_count; k++) {
            for (uint32_t m = 0; m < tenant->listeners[k].trusted_count; m++) {
                table_add(encoder, SLUICE_TABLE_PREFIX, &tenant->listeners[k].trusted[m]);
            }
        }
    }
    each_route(encoder, change, NULL, encode_sources);
}

static void encode_path(struct encoder *encoder, const struct host_address *address)
{
    if (address->address.family == SLUICE_FAMILY_UNIX) {
        for (uint32_t i = 0; i < address->address.path_length; i++) {
            table_add(encoder, SLUICE_TABLE_STRING, &address->path[i]);
        }
    }
}

/* Paths in the order in which encode_address was asked for them. */
static void encode_strings(struct encoder *encoder, const struct host_change *change)
{
    table_begin(encoder, SLUICE_TABLE_STRING, 1);
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.listener_count; k++) {
            encode_path(encoder, &tenant->listeners[k].address);
        }
    }
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.backend_count; k++) {
            const struct host_backend *backend = &tenant->backends[k];
            for (uint32_t m = 0; m < backend->record.endpoint_count; m++) {
                encode_path(encoder, &backend->endpoints[m].address);
            }
        }
    }
}

void *host_encode(const struct host_change *change, uint64_t generation, uint64_t *size)
{
    /* More than any record with what hangs on it takes. */
    size_t most = 4096 + change->tenant_count * (sizeof(struct host_tenant) + 4096) + change->removed_count * 8u;
    struct encoder encoder = {.bytes = calloc(1, most), .end = sizeof(struct sluice_blob_header)};
    if (encoder.bytes == NULL) {
        abort();
    }
    uint32_t strings = 0;
    encoder.header.magic = SLUICE_BLOB_MAGIC;
    encoder.header.abi_version = SLUICE_ABI_VERSION;
    encoder.header.generation = generation;
    table_begin(&encoder, SLUICE_TABLE_PROCESS, sizeof(struct sluice_process_record));
    if (change->process != NULL) {
        table_add(&encoder, SLUICE_TABLE_PROCESS, change->process);
    }
    encode_tenants(&encoder, change);
    table_begin(&encoder, SLUICE_TABLE_REMOVED, 8);
    for (uint32_t i = 0; i < change->removed_count; i++) {
        uint32_t pair[2] = {change->removed[i], 0};
        table_add(&encoder, SLUICE_TABLE_REMOVED, pair);
    }
    uint32_t prefixes = 0;
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        prefixes += change->tenants[i].record.allow_count + change->tenants[i].record.deny_count;
    }
    encode_listeners(&encoder, change, &strings, &prefixes);
    encode_backends(&encoder, change, &strings);
    encode_splits(&encoder, change);
    encode_prefixes(&encoder, change);
    table_begin(&encoder, SLUICE_TABLE_ROUTE, sizeof(struct sluice_route_record));
    each_route(&encoder, change, (uint32_t[]){0, prefixes}, encode_route);
    table_begin(&encoder, SLUICE_TABLE_TEXT, sizeof(struct sluice_text_record));
    each_route(&encoder, change, &strings, encode_texts);
    encode_strings(&encoder, change);
    each_route(&encoder, change, NULL, encode_text_bytes);
    encoder.end = (encoder.end + 7u) & ~UINT64_C(7);
    encoder.header.total_size = encoder.end;
    memcpy(encoder.bytes, &encoder.header, sizeof encoder.header);
    *size = encoder.end;
    return encoder.bytes;
}
