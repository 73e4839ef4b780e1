/* SPDX-License-Identifier: MIT
 * A configuration blob after decoding: every offset, count, reference and enum is checked, records have the library's
 * own size. Made by abi/decode, read by the rest of core. */
#ifndef SLUICE_CORE_BLOB_H
#define SLUICE_CORE_BLOB_H

#include <stdint.h>

#include "policy/prefix_set.h"
#include "sluice.h"
#include "sys/net.h"

struct blob_listener {
    struct sluice_listener_record record;
    struct net_address address; /* with the first port */
};

struct blob_endpoint {
    struct sluice_endpoint_record record;
    struct net_address address;
};

struct blob {
    uint64_t generation;
    struct sluice_process_record *process; /* NULL: unchanged */
    struct sluice_tenant_record *tenants;
    uint32_t tenant_count;
    uint32_t *removed; /* tenant ids */
    uint32_t removed_count;
    struct blob_listener *listeners;
    uint32_t listener_count;
    struct sluice_backend_record *backends;
    struct net_address *sources; /* one a backend: its source address; length 0: none */
    uint32_t backend_count;
    struct blob_endpoint *endpoints;
    uint32_t endpoint_count;
    struct prefix *prefixes;
    uint32_t prefix_count;
    struct sluice_route_record *routes;
    uint32_t route_count;
    struct sluice_text_record *texts;
    uint32_t text_count;
    struct sluice_split_record *splits;
    uint32_t split_count;
    const char *strings; /* the caller's bytes: as long as the blob is applied */
    uint32_t strings_length;
};

#endif
