/* SPDX-License-Identifier: MIT
 * Building and freeing the routes of versions, on the control thread. */
#include "core/snapshot_routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What all routes of a tenant point to together. */
struct sizes {
    uint32_t texts;
    size_t bytes;
    uint32_t prefixes;
};

static void measure(const struct blob *blob, const struct sluice_route_record *record, struct sizes *sizes)
{
    for (uint32_t i = 0; i < record->name_count; i++) {
        sizes->bytes += blob->texts[record->first_name + i].length;
    }
    for (uint32_t i = 0; i < record->protocol_count; i++) {
        sizes->bytes += blob->texts[record->first_protocol + i].length;
    }
    sizes->texts += record->name_count + record->protocol_count;
    sizes->prefixes += record->source_count;
}

/* Copies texts behind those that are there already. */
static const struct route_text *copy_texts(const struct blob *blob, uint32_t first, uint32_t count,
                                           struct tenant *tenant, struct sizes *used)
{
    struct route_text *texts = &tenant->texts[used->texts];
    for (uint32_t i = 0; i < count; i++) {
        const struct sluice_text_record *from = &blob->texts[first + i];
        char *bytes = tenant->text_bytes + used->bytes;
        memcpy(bytes, blob->strings + from->offset, from->length);
        texts[i] = (struct route_text){.bytes = bytes, .length = from->length};
        used->bytes += from->length;
    }
    used->texts += count;
    return texts;
}

static int longer_first(const void *a, const void *b)
{
    return ((const struct prefix *)b)->bits - ((const struct prefix *)a)->bits;
}

static const struct backend *backend_of(const struct tenant *tenant, uint32_t id)
{
    for (uint32_t i = 0; i < tenant->backend_count; i++) {
        if (tenant->backends[i].id == id) {
            return &tenant->backends[i];
        }
    }
    return NULL;
}

static void build_route(const struct blob *blob, const struct sluice_route_record *record, struct tenant *tenant,
                        struct route *route, struct sizes *used)
{
    struct prefix *sources = &tenant->route_prefixes[used->prefixes];
    memcpy(sources, &blob->prefixes[record->first_source], record->source_count * sizeof(*sources));
    qsort(sources, record->source_count, sizeof(*sources), longer_first);
    used->prefixes += record->source_count;

    route->id = record->id;
    route->listener = record->listener;
    route->is_default = (record->flags & SLUICE_ROUTE_DEFAULT) != 0;
    route->backend = backend_of(tenant, record->backend);
    route->tenant = tenant;
    route->names = copy_texts(blob, record->first_name, record->name_count, tenant, used);
    route->name_count = record->name_count;
    route->rule = (struct route_rule){.sources = sources, .source_count = record->source_count};
    route->rule.protocols = copy_texts(blob, record->first_protocol, record->protocol_count, tenant, used);
    route->rule.protocol_count = record->protocol_count;
}

int snapshot_build_routes(const struct blob *blob, const struct sluice_tenant_record *record, struct tenant *tenant)
{
    const struct sluice_route_record *records = &blob->routes[record->first_route];
    struct sizes all = {0};
    struct sizes used = {0};
    if (record->route_count == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < record->route_count; i++) {
        measure(blob, &records[i], &all);
    }
    tenant->routes = calloc(record->route_count, sizeof(*tenant->routes));
    tenant->texts = calloc(all.texts + 1u, sizeof(*tenant->texts));
    tenant->text_bytes = malloc(all.bytes + 1u);
    tenant->route_prefixes = calloc(all.prefixes + 1u, sizeof(*tenant->route_prefixes));
    if (tenant->routes == NULL || tenant->texts == NULL || tenant->text_bytes == NULL ||
        tenant->route_prefixes == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < record->route_count; i++) {
        build_route(blob, &records[i], tenant, &tenant->routes[i], &used);
    }
    tenant->route_count = record->route_count;
    return 0;
}

void snapshot_free_routes(struct tenant *tenant)
{
    free(tenant->routes);
    free(tenant->texts);
    free(tenant->text_bytes);
    free(tenant->route_prefixes);
}
