/* SPDX-License-Identifier: MIT
 * Hash table of bound addresses, on the control thread. */
#include "core/bindings.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_BUCKETS 64u

static uint32_t hash(const struct net_address *wanted, uint32_t ordinal)
{
    const uint8_t *bytes = (const uint8_t *)&wanted->any;
    uint32_t value = 2166136261u ^ ordinal; /* FNV-1a */
    for (socklen_t i = 0; i < wanted->length; i++) {
        value = (value ^ bytes[i]) * 16777619u;
    }
    return value;
}

int bindings_init(struct bindings *bindings)
{
    bindings->count = 0;
    bindings->bucket_count = FIRST_BUCKETS;
    bindings->buckets = calloc(bindings->bucket_count, sizeof(struct binding *));
    return bindings->buckets == NULL ? -ENOMEM : 0;
}

void bindings_destroy(struct bindings *bindings)
{
    for (uint32_t i = 0; bindings->buckets != NULL && i < bindings->bucket_count; i++) {
        while (bindings->buckets[i] != NULL) {
            struct binding *binding = bindings->buckets[i];
            bindings->buckets[i] = binding->next;
            free(binding);
        }
    }
    free(bindings->buckets);
    bindings->buckets = NULL;
}

static struct binding **bucket(const struct bindings *bindings, const struct net_address *wanted, uint32_t ordinal)
{
    return &bindings->buckets[hash(wanted, ordinal) & (bindings->bucket_count - 1)];
}

struct binding *bindings_find(const struct bindings *bindings, const struct net_address *wanted, uint32_t ordinal)
{
    struct binding *binding = *bucket(bindings, wanted, ordinal);
    while (binding != NULL && (binding->ordinal != ordinal || !net_address_equal(&binding->wanted, wanted))) {
        binding = binding->next;
    }
    return binding;
}

bool bindings_overlap_others(const struct bindings *bindings, const struct binding *binding)
{
    uint16_t port = net_address_port(&binding->address);
    for (uint32_t i = 0; port != 0 && i < bindings->bucket_count; i++) {
        for (struct binding *other = bindings->buckets[i]; other != NULL; other = other->next) {
            if (other != binding && net_address_port(&other->address) == port &&
                (net_is_wildcard(&binding->address) || net_is_wildcard(&other->address))) {
                return true;
            }
        }
    }
    return false;
}

bool bindings_share_port(const struct bindings *bindings, const struct binding *binding)
{
    uint16_t port = net_address_port(&binding->address);
    for (uint32_t i = 0; i < bindings->bucket_count; i++) {
        for (struct binding *other = bindings->buckets[i]; other != NULL; other = other->next) {
            if (other != binding && net_address_port(&other->address) == port) {
                return true;
            }
        }
    }
    return false;
}

struct binding *binding_new(const struct net_address *wanted, uint32_t ordinal, uint32_t workers)
{
    struct binding *binding = calloc(1, sizeof(*binding) + workers * sizeof(binding->sockets[0]));
    if (binding == NULL) {
        return NULL;
    }
    list_init(&binding->siblings);
    binding->wanted = *wanted;
    binding->address = *wanted;
    binding->ordinal = ordinal;
    binding->only_worker = net_is_unix(wanted) ? hash(wanted, ordinal) % workers : ALL_WORKERS;
    for (uint32_t i = 0; i < workers; i++) {
        listener_init(&binding->sockets[i]);
    }
    return binding;
}

void binding_remove_file(const struct binding *binding)
{
    if (binding->ours && net_is_unix(&binding->address) && binding->address.local.sun_path[0] != '\0') {
        unlink(binding->address.local.sun_path);
    }
}

int bindings_reserve(struct bindings *bindings, uint32_t extra)
{
    uint32_t wanted = bindings->bucket_count;
    while (wanted < bindings->count + extra) {
        wanted *= 2;
    }
    if (wanted == bindings->bucket_count) {
        return 0;
    }
    struct bindings larger = {.bucket_count = wanted, .buckets = calloc(wanted, sizeof(struct binding *))};
    if (larger.buckets == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < bindings->bucket_count; i++) {
        while (bindings->buckets[i] != NULL) {
            struct binding *binding = bindings->buckets[i];
            bindings->buckets[i] = binding->next;
            bindings_insert(&larger, binding);
        }
    }
    free(bindings->buckets);
    *bindings = larger;
    return 0;
}

void bindings_insert(struct bindings *bindings, struct binding *binding)
{
    struct binding **head = bucket(bindings, &binding->wanted, binding->ordinal);
    binding->next = *head;
    *head = binding;
    bindings->count++;
}

void bindings_remove(struct bindings *bindings, struct binding *binding)
{
    struct binding **link = bucket(bindings, &binding->wanted, binding->ordinal);
    while (*link != binding) {
        link = &(*link)->next;
    }
    *link = binding->next;
    bindings->count--;
}
