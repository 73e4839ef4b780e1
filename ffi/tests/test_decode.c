/* SPDX-License-Identifier: MIT
 * abi/decode: what a good blob gives, and for each rule a blob that breaks it and the field that is named. */
#include "abi/decode.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdlib.h>

#include "host.h"
#include "test.h"

#define TENANTS 2u

/* A blob with something in every table. */
static uint8_t *good_blob(uint64_t *size)
{
    static struct host_tenant tenants[TENANTS];
    struct sluice_process_record process = host_process();
    uint32_t removed[2] = {90, 91};
    for (uint32_t i = 0; i < TENANTS; i++) {
        tenants[i] = host_simple_tenant(i + 1, 8000 + i);
        host_add_endpoint(&tenants[i], 0, host_unix("/run/back"));
        host_add_backend(&tenants[i]);
        host_add_endpoint(&tenants[i], 1, host_ipv6(9000));
        host_add_listener(&tenants[i], host_abstract("front"), 1);
        host_add_listener(&tenants[i], host_ipv6(7000 + 100 * i), 1)->port_last = 7009 + 100 * i;
        tenants[i].record.allow_count = 2;
        tenants[i].record.deny_count = 1;
        tenants[i].prefixes[0] = (struct sluice_prefix_record){.family = SLUICE_FAMILY_IPV4, .ip = {10}, .bits = 8};
        tenants[i].prefixes[1] = (struct sluice_prefix_record){.family = SLUICE_FAMILY_IPV6, .ip = {0xfd}, .bits = 8};
        tenants[i].prefixes[2] = (struct sluice_prefix_record){.family = SLUICE_FAMILY_IPV4, .ip = {10, 2}, .bits = 15};
        struct host_route *route = host_add_route(&tenants[i], 9000, "www.example", 0);
        route->names[1] = "*.example";
        route->protocols[0] = "h2";
        host_add_route(&tenants[i], 9000, NULL, 1);
        struct host_backend *split = host_add_backend(&tenants[i]);
        split->record.split_count = 2;
        split->splits[0] = (struct sluice_split_record){.backend = host_backend_id(&tenants[i], 0), .weight = 95};
        split->splits[1] = (struct sluice_split_record){.backend = host_backend_id(&tenants[i], 1), .weight = 5};
    }
    struct host_change change = {
        .process = &process, .tenants = tenants, .tenant_count = TENANTS, .removed = removed, .removed_count = 2};
    return host_encode(&change, 77, size);
}

static struct sluice_blob_header *header_of(uint8_t *bytes)
{
    return (struct sluice_blob_header *)(void *)bytes;
}

/* A record in a blob. */
static void *record_of(uint8_t *bytes, uint32_t table, uint32_t index)
{
    const struct sluice_table *at = &header_of(bytes)->tables[table];
    return bytes + at->offset + (size_t)index * at->record_size;
}

/* Decodes bytes in memory that ends where they end, so that a sanitizer sees a read beyond. */
static int decode(const uint8_t *bytes, uint64_t size, struct blob *blob, struct sluice_error *error)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL) {
        abort();
    }
    memcpy(exact, bytes, size);
    int result = blob_decode(exact, size, blob, error);
    free(exact);
    return result;
}

TEST(a_good_blob_gives_its_records)
{
    uint64_t size;
    struct blob blob;
    struct sluice_error error;
    uint8_t *bytes = good_blob(&size);
    REQUIRE(decode(bytes, size, &blob, &error) == SLUICE_OK);
    CHECK_EQ(blob.generation, 77);
    CHECK(blob.process != NULL && blob.process->access_sample_ppm == 1000000);
    CHECK_EQ(blob.tenant_count, TENANTS);
    CHECK_EQ(blob.removed_count, 2);
    CHECK_EQ(blob.removed[1], 91);
    CHECK_EQ(blob.listener_count, 3 * TENANTS);
    CHECK_EQ(blob.backend_count, 3 * TENANTS);
    CHECK_EQ(blob.endpoint_count, 3 * TENANTS);
    CHECK_EQ(blob.tenants[1].first_listener, 3);
    CHECK_EQ(blob.tenants[1].idle_ms, 600000);
    CHECK_EQ(ntohs(blob.endpoints[3].address.ipv4.sin_port), 8001);
    CHECK_EQ(blob.endpoints[1].address.any.sa_family, AF_UNIX);
    CHECK_STRING(blob.endpoints[1].address.local.sun_path, "/run/back");
    CHECK_EQ(blob.endpoints[1].address.length, offsetof(struct sockaddr_un, sun_path) + 10);
    CHECK_EQ(blob.listeners[1].address.local.sun_path[0], '\0');
    CHECK_STRING(blob.listeners[1].address.local.sun_path + 1, "front");
    CHECK_EQ(blob.listeners[1].address.length, offsetof(struct sockaddr_un, sun_path) + 6);
    CHECK_EQ(blob.listeners[2].record.port_last, 7009);
    CHECK_EQ(blob.prefix_count, 3 * TENANTS);
    CHECK_EQ(blob.tenants[1].first_prefix, 3);
    CHECK_EQ(blob.prefixes[4].family, SLUICE_FAMILY_IPV6);
    CHECK_EQ(blob.prefixes[4].ip[0], 0xfd);
    CHECK_EQ(blob.prefixes[5].bits, 15);
    blob_free(&blob);
    free(bytes);
}

TEST(a_blob_of_nothing_is_good)
{
    uint64_t size;
    struct blob blob;
    uint8_t *bytes = host_encode(&(struct host_change){0}, 5, &size);
    CHECK_EQ(decode(bytes, size, &blob, NULL), SLUICE_OK);
    CHECK(blob.process == NULL && blob.tenant_count == 0 && blob.removed_count == 0);
    blob_free(&blob);
    free(bytes);
}

TEST(no_length_but_the_whole_is_accepted)
{
    uint64_t size;
    struct blob blob;
    struct sluice_error error;
    uint8_t *bytes = good_blob(&size);
    for (uint64_t length = 0; length < size; length++) {
        header_of(bytes)->total_size = size;
        CHECK_EQ(decode(bytes, length, &blob, &error), SLUICE_E_BLOB);
        /* Also when the header says that it is whole: then a table is outside, or a path. */
        header_of(bytes)->total_size = length;
        int result = decode(bytes, length, &blob, &error);
        if (result == SLUICE_OK) {
            CHECK(size - length < 8); /* only padding is missing */
            blob_free(&blob);
        }
    }
    free(bytes);
}

/* ---- One broken rule at a time ---- */

/* Expects that a broken blob is refused, and for what. Frees it. */
static void expect_refused(const char *what, uint8_t *bytes, uint64_t size, uint32_t table, uint32_t record,
                           const char *field)
{
    struct blob blob;
    struct sluice_error error;
    memset(&error, 0xee, sizeof error);
    int result = decode(bytes, size, &blob, &error);
    if (result != SLUICE_E_BLOB) {
        TEST_FAIL("%s: decoding says %d", what, result);
        if (result == SLUICE_OK) {
            blob_free(&blob);
        }
    } else if (error.code != SLUICE_E_BLOB || error.table != table || error.record != record ||
               strcmp(error.field, field) != 0 || error.message[0] == '\0') {
        TEST_FAIL("%s: table %u, record %u, field \"%s\": %s", what, error.table, error.record, error.field,
                  error.message);
    }
    free(bytes);
}

/* One row: record type, table, index, what is done to it, and the field that is named. */
#define RULES(X)                                                                                                       \
    X(sluice_process_record, PROCESS, 0, access_log = 2, "access_log")                                                 \
    X(sluice_process_record, PROCESS, 0, access_sample_ppm = 1000001, "access_sample_ppm")                             \
    X(sluice_process_record, PROCESS, 0, reserved0[1] = 1, "reserved0")                                                \
    X(sluice_tenant_record, TENANT, 1, id = 0, "id")                                                                   \
    X(sluice_tenant_record, TENANT, 1, flags = 4, "flags")                                                             \
    X(sluice_tenant_record, TENANT, 1, limits.on_limit = 3, "limits.on_limit")                                         \
    X(sluice_tenant_record, TENANT, 1, limits.flags = 2, "limits.flags")                                               \
    X(sluice_tenant_record, TENANT, 1, limits.queue_timeout_ms = UINT64_MAX, "limits.queue_timeout_ms")                \
    X(sluice_tenant_record, TENANT, 1, limits.up.rate = SLUICE_RATE_MAX + 1, "limits.up")                              \
    X(sluice_tenant_record, TENANT, 1, limits.session_down = (struct sluice_bucket){.burst = UINT64_MAX},              \
      "limits.session_down")                                                                                           \
    X(sluice_tenant_record, TENANT, 1, limits.source_ipv4_bits = 33, "limits.source_ipv4_bits")                        \
    X(sluice_tenant_record, TENANT, 1, limits.source_ipv6_bits = 129, "limits.source_ipv4_bits")                       \
    X(sluice_tenant_record, TENANT, 1, limits.reserved0 = 1, "limits.reserved0")                                       \
    X(sluice_tenant_record, TENANT, 1, first_prefix = 7, "allow_count")                                                \
    X(sluice_tenant_record, TENANT, 1, allow_count = UINT32_MAX, "allow_count")                                        \
    X(sluice_tenant_record, TENANT, 1, deny_count = UINT32_MAX - 1, "allow_count")                                     \
    X(sluice_prefix_record, PREFIX, 4, family = SLUICE_FAMILY_UNIX, "family")                                          \
    X(sluice_prefix_record, PREFIX, 3, bits = 33, "bits")                                                              \
    X(sluice_prefix_record, PREFIX, 4, bits = 129, "bits")                                                             \
    X(sluice_prefix_record, PREFIX, 5, ip[1] = 3, "ip")                                                                \
    X(sluice_prefix_record, PREFIX, 5, ip[15] = 1, "ip")                                                               \
    X(sluice_tenant_record, TENANT, 1, reset_propagation = 3, "reset_propagation")                                     \
    X(sluice_tenant_record, TENANT, 1, first_listener = 7, "listener_count")                                           \
    X(sluice_tenant_record, TENANT, 1, listener_count = UINT32_MAX, "listener_count")                                  \
    X(sluice_tenant_record, TENANT, 1, first_backend = UINT32_MAX, "backend_count")                                    \
    X(sluice_tenant_record, TENANT, 1, backend_count = 4, "backend_count")                                             \
    X(sluice_tenant_record, TENANT, 1, reserved0 = 1, "reserved0")                                                     \
    X(sluice_tenant_record, TENANT, 1, connect_ms = UINT64_MAX, "connect_ms")                                          \
    X(sluice_tenant_record, TENANT, 1, first_byte_ms = UINT64_MAX, "first_byte_ms")                                    \
    X(sluice_tenant_record, TENANT, 1, idle_ms = UINT64_MAX, "idle_ms")                                                \
    X(sluice_tenant_record, TENANT, 1, half_close_ms = UINT64_MAX, "half_close_ms")                                    \
    X(sluice_tenant_record, TENANT, 1, max_duration_ms = UINT64_MAX, "max_duration_ms")                                \
    X(sluice_tenant_record, TENANT, 1, drain_ms = UINT64_MAX, "drain_ms")                                              \
    X(sluice_tenant_record, TENANT, 1, max_duration_jitter_ppm = 1000001, "max_duration_jitter_ppm")                   \
    X(sluice_tenant_record, TENANT, 1, user_timeout_ms = UINT32_MAX, "user_timeout_ms")                                \
    X(sluice_tenant_record, TENANT, 1, keepalive_idle_s = 32768, "keepalive_idle_s")                                   \
    X(sluice_tenant_record, TENANT, 1, keepalive_interval_s = 0, "keepalive_idle_s")                                   \
    X(sluice_tenant_record, TENANT, 1, keepalive_probes = 128, "keepalive_idle_s")                                     \
    X(sluice_listener_record, LISTENER, 3, id = 0, "id")                                                               \
    X(sluice_listener_record, LISTENER, 4, id = 2001, "id")                                                            \
    X(sluice_listener_record, LISTENER, 3, backend = 1101, "backend")                                                  \
    X(sluice_listener_record, LISTENER, 3, port_last = 1, "port_last")                                                 \
    X(sluice_listener_record, LISTENER, 5, port_last = 65536, "port_last")                                             \
    X(sluice_listener_record, LISTENER, 5, port_last = 7099, "port_last")                                              \
    X(sluice_listener_record, LISTENER, 3, reserved0 = 1, "reserved0")                                                 \
    X(sluice_listener_record, LISTENER, 3, address.family = 5, "address")                                              \
    X(sluice_listener_record, LISTENER, 3, address.port = 65536, "address")                                            \
    X(sluice_listener_record, LISTENER, 3, address.reserved0 = 1, "address")                                           \
    X(sluice_listener_record, LISTENER, 4, address.path_length = 0, "address")                                         \
    X(sluice_listener_record, LISTENER, 4, address.path_length = 1, "address")                                         \
    X(sluice_listener_record, LISTENER, 4, address.path_length = 108, "address")                                       \
    X(sluice_listener_record, LISTENER, 4, address.path_offset = UINT32_MAX, "address")                                \
    X(sluice_backend_record, BACKEND, 2, id = 0, "id")                                                                 \
    X(sluice_backend_record, BACKEND, 4, id = 2101, "id")                                                              \
    X(sluice_backend_record, BACKEND, 2, balance = 6, "balance")                                                       \
    X(sluice_backend_record, BACKEND, 2, attempts = 0, "attempts")                                                     \
    X(sluice_backend_record, BACKEND, 2, attempts = 65, "attempts")                                                    \
    X(sluice_backend_record, BACKEND, 2, endpoint_count = 4, "endpoint_count")                                         \
    X(sluice_backend_record, BACKEND, 2, first_endpoint = UINT32_MAX, "endpoint_count")                                \
    X(sluice_backend_record, BACKEND, 2, panic_ppm = 1000001, "panic_ppm")                                             \
    X(sluice_backend_record, BACKEND, 3, send_proxy = 3, "send_proxy")                                                 \
    X(sluice_backend_record, BACKEND, 3, split_count = 1, "split_count")                                               \
    X(sluice_backend_record, BACKEND, 5, split_count = 7, "split_count")                                               \
    X(sluice_backend_record, BACKEND, 3, retry_budget_ppm = 1000001, "retry_budget_ppm")                               \
    X(sluice_backend_record, BACKEND, 3, backoff_ms = UINT64_MAX, "backoff_ms")                                        \
    X(sluice_backend_record, BACKEND, 3, passive_failures = 1, "passive_window_ms")                                    \
    X(sluice_backend_record, BACKEND, 3, breaker_requests = 1, "breaker_window_ms")                                    \
    X(sluice_backend_record, BACKEND, 3, max_ejected_ppm = 1000001, "max_ejected_ppm")                                 \
    X(sluice_backend_record, BACKEND, 3, breaker_error_ppm = 1000001, "breaker_error_ppm")                             \
    X(sluice_backend_record, BACKEND, 3, preconnect_min = 1, "preconnect_max")                                         \
    X(sluice_backend_record, BACKEND, 3, preconnect_max = 1025, "preconnect_max")                                      \
    X(sluice_backend_record, BACKEND, 3, source_address.family = SLUICE_FAMILY_UNIX, "source_address")                 \
    X(sluice_backend_record, BACKEND, 3, reserved0 = 1, "reserved0")                                                   \
    X(sluice_split_record, SPLIT, 2, weight = 65536, "weight")                                                         \
    X(sluice_split_record, SPLIT, 2, backend = 1101, "backend")                                                        \
    X(sluice_split_record, SPLIT, 3, backend = 2103, "backend")                                                        \
    X(sluice_text_record, TEXT, 3, length = 0, "length")                                                               \
    X(sluice_text_record, TEXT, 3, length = 256, "length")                                                             \
    X(sluice_text_record, TEXT, 3, offset = UINT32_MAX, "length")                                                      \
    X(sluice_route_record, ROUTE, 2, id = 0, "id")                                                                     \
    X(sluice_route_record, ROUTE, 3, id = 2500, "id")                                                                  \
    X(sluice_route_record, ROUTE, 2, listener = 0, "listener")                                                         \
    X(sluice_route_record, ROUTE, 2, backend = 1101, "backend")                                                        \
    X(sluice_route_record, ROUTE, 2, flags = 2, "flags")                                                               \
    X(sluice_route_record, ROUTE, 2, name_count = 5, "name_count")                                                     \
    X(sluice_route_record, ROUTE, 2, first_protocol = UINT32_MAX, "protocol_count")                                    \
    X(sluice_route_record, ROUTE, 2, source_count = 100, "source_count")                                               \
    X(sluice_route_record, ROUTE, 2, reserved0 = 1, "reserved0")                                                       \
    X(sluice_listener_record, LISTENER, 3, detect = SLUICE_DETECT_TLS, "detect")                                       \
    X(sluice_listener_record, LISTENER, 3, proxy_accept = 2, "proxy_accept")                                           \
    X(sluice_listener_record, LISTENER, 3, trusted_count = 100, "trusted_count")                                       \
    X(sluice_listener_record, LISTENER, 3, detect_timeout_ms = UINT64_MAX, "proxy_timeout_ms")                         \
    X(sluice_tenant_record, TENANT, 1, flags = SLUICE_TENANT_SHARED, "flags")                                          \
    X(sluice_tenant_record, TENANT, 1, first_route = UINT32_MAX, "route_count")                                        \
    X(sluice_tenant_record, TENANT, 1, mirror_share_ppm = 1000001, "mirror_share_ppm")                                 \
    X(sluice_tenant_record, TENANT, 1, fault_reset_ppm = 1000001, "fault_delay_ppm")                                   \
    X(sluice_tenant_record, TENANT, 1, fault_delay_ms = UINT64_MAX, "fault_delay_ms")                                  \
    X(sluice_endpoint_record, ENDPOINT, 3, id = 0, "id")                                                               \
    X(sluice_endpoint_record, ENDPOINT, 3, weight = 65536, "weight")                                                   \
    X(sluice_endpoint_record, ENDPOINT, 3, state = 3, "state")                                                         \
    X(sluice_endpoint_record, ENDPOINT, 3, health = 3, "health")                                                       \
    X(sluice_endpoint_record, ENDPOINT, 3, address.port = 0, "address")                                                \
    X(sluice_endpoint_record, ENDPOINT, 3, address.family = 0, "address")

TEST(every_rule_of_a_record)
{
    uint64_t size;
    unsigned rules = 0;
#define CHECK_RULE(type, table, index, assignment, named)                                                              \
    {                                                                                                                  \
        uint8_t *bytes = good_blob(&size);                                                                             \
        struct type *at = record_of(bytes, SLUICE_TABLE_##table, index);                                               \
        at->assignment;                                                                                                \
        expect_refused(#table " " #assignment, bytes, size, SLUICE_TABLE_##table, index, named);                       \
        rules++;                                                                                                       \
    }
    RULES(CHECK_RULE)
#undef CHECK_RULE
    CHECK(rules > 40);
}

TEST(rules_of_paths_and_of_removed_tenants)
{
    uint64_t size;
    uint8_t *bytes = good_blob(&size);
    /* The path of tenant 1's endpoint stands behind the two listeners'. */
    uint8_t *strings = record_of(bytes, SLUICE_TABLE_STRING, 0);
    struct sluice_endpoint_record *endpoint = record_of(bytes, SLUICE_TABLE_ENDPOINT, 1);
    strings[endpoint->address.path_offset + 3] = '\0';
    expect_refused("a NUL in a path", bytes, size, SLUICE_TABLE_ENDPOINT, 1, "address");

    bytes = good_blob(&size);
    uint32_t *pair = record_of(bytes, SLUICE_TABLE_REMOVED, 1);
    pair[0] = 0;
    expect_refused("remove 0", bytes, size, SLUICE_TABLE_REMOVED, 1, "id");
    bytes = good_blob(&size);
    pair = record_of(bytes, SLUICE_TABLE_REMOVED, 1);
    pair[1] = 1;
    expect_refused("remove with a rest", bytes, size, SLUICE_TABLE_REMOVED, 1, "id");
    bytes = good_blob(&size);
    pair = record_of(bytes, SLUICE_TABLE_REMOVED, 1);
    pair[0] = 90;
    expect_refused("remove twice", bytes, size, SLUICE_TABLE_TENANT, UINT32_MAX, "id");
    bytes = good_blob(&size);
    pair = record_of(bytes, SLUICE_TABLE_REMOVED, 1);
    pair[0] = 2;
    expect_refused("change and remove", bytes, size, SLUICE_TABLE_TENANT, UINT32_MAX, "id");
}

TEST(every_rule_of_header_and_tables)
{
    uint64_t size;
    uint32_t none = UINT32_MAX;
    uint8_t *bytes = good_blob(&size);
    header_of(bytes)->magic ^= 1;
    expect_refused("magic", bytes, size, none, none, "magic");
    bytes = good_blob(&size);
    header_of(bytes)->abi_version++;
    expect_refused("version", bytes, size, none, none, "abi_version");
    bytes = good_blob(&size);
    header_of(bytes)->total_size++;
    expect_refused("total size", bytes, size, none, none, "total_size");
    for (uint32_t table = 0; table < SLUICE_TABLE_COUNT; table++) {
        bytes = good_blob(&size);
        header_of(bytes)->tables[table].reserved0 = 1;
        expect_refused("reserved", bytes, size, table, none, "reserved0");
        static const uint32_t sizes[] = {0, 4, 12, UINT32_MAX - 7};
        for (unsigned i = 0; i < 4; i++) {
            bytes = good_blob(&size);
            header_of(bytes)->tables[table].record_size = sizes[i];
            expect_refused("record size", bytes, size, table, none, "record_size");
        }
        uint32_t offsets[] = {0, 4, 1000, (uint32_t)size, UINT32_MAX - 7};
        for (unsigned i = 0; i < 5; i++) {
            bytes = good_blob(&size);
            header_of(bytes)->tables[table].offset = i == 2 ? header_of(bytes)->tables[table].offset + 4 : offsets[i];
            expect_refused("offset", bytes, size, table, none, "offset");
        }
        bytes = good_blob(&size);
        header_of(bytes)->tables[table].count = UINT32_MAX;
        expect_refused("count", bytes, size, table, none, "offset");
    }
    bytes = good_blob(&size);
    header_of(bytes)->tables[SLUICE_TABLE_PROCESS].count = 2;
    expect_refused("two process records", bytes, size, SLUICE_TABLE_PROCESS, 1, "");
}

TEST(more_addresses_than_can_be_counted)
{
    /* Ranges whose sizes would add up beyond 32 bits. */
    enum { LISTENERS = 65540 };
    uint32_t offset = (uint32_t)sizeof(struct sluice_blob_header);
    uint64_t size = offset + LISTENERS * sizeof(struct sluice_listener_record);
    uint8_t *bytes = calloc(1, size);
    REQUIRE(bytes != NULL);
    *header_of(bytes) = (struct sluice_blob_header){
        .magic = SLUICE_BLOB_MAGIC,
        .abi_version = SLUICE_ABI_VERSION,
        .total_size = size,
        .generation = 1,
        .tables[SLUICE_TABLE_LISTENER] = {offset, LISTENERS, sizeof(struct sluice_listener_record), 0}};
    for (uint32_t i = 0; i < LISTENERS; i++) {
        struct sluice_listener_record *record = record_of(bytes, SLUICE_TABLE_LISTENER, i);
        *record = (struct sluice_listener_record){.id = i + 1, .backend = 1, .port_last = 65535};
        record->address = (struct sluice_address){.family = SLUICE_FAMILY_IPV4, .port = 1};
        memcpy(record->address.ip, &i, 4);
    }
    expect_refused("too many addresses", bytes, size, SLUICE_TABLE_LISTENER, 16, "port_last");
}

/* ---- Records of other versions ---- */

/* A blob of one process record of another size; bytes beyond the library's are `fill`. */
static uint8_t *other_size(uint32_t record_size, uint8_t fill, uint64_t *size)
{
    struct sluice_process_record process = host_process();
    uint32_t offset = (uint32_t)sizeof(struct sluice_blob_header);
    process.access_progress_ms = 5;
    *size = offset + record_size;
    uint8_t *bytes = calloc(1, *size);
    if (bytes == NULL) {
        abort();
    }
    struct sluice_blob_header header = {.magic = SLUICE_BLOB_MAGIC,
                                        .abi_version = SLUICE_ABI_VERSION,
                                        .total_size = *size,
                                        .generation = 1,
                                        .tables[SLUICE_TABLE_PROCESS] = {offset, 1, record_size, 0}};
    memcpy(bytes, &header, sizeof header);
    memset(bytes + offset, fill, record_size);
    memcpy(bytes + offset, &process, record_size < sizeof process ? record_size : sizeof process);
    return bytes;
}

TEST(a_longer_record_is_accepted_if_the_rest_is_zero)
{
    uint64_t size;
    struct blob blob;
    uint32_t known = sizeof(struct sluice_process_record);
    uint8_t *bytes = other_size(known + 16, 0, &size);
    CHECK_EQ(decode(bytes, size, &blob, NULL), SLUICE_OK);
    CHECK_EQ(blob.process->access_progress_ms, 5);
    blob_free(&blob);
    free(bytes);
    bytes = other_size(known + 16, 1, &size);
    expect_refused("something unknown", bytes, size, SLUICE_TABLE_PROCESS, 0, "");
    bytes = other_size(8192, 0, &size);
    expect_refused("a very long record", bytes, size, SLUICE_TABLE_PROCESS, UINT32_MAX, "record_size");
}

TEST(a_shorter_record_reads_as_zero_beyond)
{
    uint64_t size;
    struct blob blob;
    uint8_t *bytes = other_size(8, 0, &size);
    CHECK_EQ(decode(bytes, size, &blob, NULL), SLUICE_OK);
    CHECK_EQ(blob.process->access_log, 1);
    CHECK_EQ(blob.process->access_sample_ppm, 0);
    CHECK_EQ(blob.process->access_progress_ms, 0);
    blob_free(&blob);
    free(bytes);
}
