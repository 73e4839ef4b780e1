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
    tenant->listeners[number] = (struct host_listener){.id = host_listener_id(tenant, number),
                                                       .backend = host_backend_id(tenant, backend),
                                                       .address = address,
                                                       .port_last = address.address.port};
    return &tenant->listeners[number];
}

struct host_backend *host_add_backend(struct host_tenant *tenant)
{
    uint32_t number = tenant->record.backend_count++;
    tenant->backends[number] = (struct host_backend){
        .record = {.id = host_backend_id(tenant, number), .balance = SLUICE_BALANCE_ROUND_ROBIN, .attempts = 3}};
    return &tenant->backends[number];
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
    table_begin(encoder, SLUICE_TABLE_TENANT, sizeof(struct sluice_tenant_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        struct sluice_tenant_record record = change->tenants[i].record;
        record.first_listener = listeners;
        record.first_backend = backends;
        record.first_prefix = prefixes;
        prefixes += record.allow_count + record.deny_count;
        listeners += record.listener_count;
        backends += record.backend_count;
        table_add(encoder, SLUICE_TABLE_TENANT, &record);
    }
}

static void encode_listeners(struct encoder *encoder, const struct host_change *change, uint32_t *strings)
{
    table_begin(encoder, SLUICE_TABLE_LISTENER, sizeof(struct sluice_listener_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.listener_count; k++) {
            const struct host_listener *listener = &tenant->listeners[k];
            struct sluice_listener_record record = {.id = listener->id,
                                                    .backend = listener->backend,
                                                    .address = encode_address(&listener->address, strings),
                                                    .port_last = listener->port_last};
            table_add(encoder, SLUICE_TABLE_LISTENER, &record);
        }
    }
}

static void encode_backends(struct encoder *encoder, const struct host_change *change, uint32_t *strings)
{
    uint32_t endpoints = 0;
    table_begin(encoder, SLUICE_TABLE_BACKEND, sizeof(struct sluice_backend_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.backend_count; k++) {
            struct sluice_backend_record record = tenant->backends[k].record;
            record.first_endpoint = endpoints;
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

static void encode_prefixes(struct encoder *encoder, const struct host_change *change)
{
    table_begin(encoder, SLUICE_TABLE_PREFIX, sizeof(struct sluice_prefix_record));
    for (uint32_t i = 0; i < change->tenant_count; i++) {
        const struct host_tenant *tenant = &change->tenants[i];
        for (uint32_t k = 0; k < tenant->record.allow_count + tenant->record.deny_count; k++) {
            table_add(encoder, SLUICE_TABLE_PREFIX, &tenant->prefixes[k]);
        }
    }
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
    encode_listeners(&encoder, change, &strings);
    encode_backends(&encoder, change, &strings);
    encode_prefixes(&encoder, change);
    encode_strings(&encoder, change);
    encoder.end = (encoder.end + 7u) & ~UINT64_C(7);
    encoder.header.total_size = encoder.end;
    memcpy(encoder.bytes, &encoder.header, sizeof encoder.header);
    *size = encoder.end;
    return encoder.bytes;
}
