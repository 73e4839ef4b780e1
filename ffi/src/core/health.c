/* SPDX-License-Identifier: MIT
 * What active checks say of endpoints: from records into the signals that balancing reads. Control thread. */
#include <stdlib.h>

#include "core/engine.h"
#include "path/queue_wake.h"
#include "sys/clock.h"

/* A record with its place among the others, so that the last of several for one endpoint wins. */
struct wanted {
    uint32_t endpoint;
    uint32_t health;
    uint64_t place;
    bool known;
};

struct wanted_list {
    struct wanted *items; /* by endpoint, then by place */
    uint64_t count;
    uint64_t now_ns;
};

static int compare(const void *a, const void *b)
{
    const struct wanted *left = a;
    const struct wanted *right = b;
    if (left->endpoint != right->endpoint) {
        return left->endpoint < right->endpoint ? -1 : 1;
    }
    return left->place < right->place ? -1 : left->place > right->place;
}

/* The last one for an endpoint, or NULL. */
static struct wanted *find(const struct wanted_list *list, uint32_t endpoint)
{
    uint64_t low = 0; /* all before it are not above */
    uint64_t high = list->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (list->items[middle].endpoint <= endpoint) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && list->items[low - 1].endpoint == endpoint ? &list->items[low - 1] : NULL;
}

/* True when one of its endpoints came up. */
static bool set_version(const struct wanted_list *list, const struct tenant *version)
{
    bool came_up = false;
    for (uint32_t i = 0; i < version->backend_count; i++) {
        const struct backend *backend = &version->backends[i];
        for (uint32_t k = 0; k < backend->pool.member_count; k++) {
            struct wanted *wanted = find(list, backend->endpoints[k].id);
            if (wanted != NULL) {
                struct balance_signals *signals = &backend->endpoints[k].shared->signals;
                uint32_t before = balance_set_health(signals, wanted->health, list->now_ns);
                came_up = came_up || (before == SLUICE_HEALTH_DOWN && wanted->health != SLUICE_HEALTH_DOWN);
                wanted->known = true;
            }
        }
    }
    return came_up;
}

/* All versions: sessions that wait may be on one that is not in force any more. */
static void set_tenant(struct sluice_engine *engine, const struct wanted_list *list, struct tenant_shared *shared)
{
    bool came_up = false;
    for (struct list *node = shared->versions.next; node != &shared->versions; node = node->next) {
        came_up = set_version(list, container_of(node, struct tenant, siblings)) || came_up;
    }
    if (came_up) {
        struct tenant *newest = container_of(shared->versions.previous, struct tenant, siblings);
        queue_wake_first(engine->wakers, engine->worker_count, newest);
    }
}

static uint64_t count_known(const struct wanted_list *list)
{
    uint64_t known = 0;
    for (uint64_t i = 0; i < list->count; i++) {
        const struct wanted *last = find(list, list->items[i].endpoint);
        known += last != NULL && last->known;
    }
    return known;
}

int32_t health_set(struct sluice_engine *engine, const struct sluice_health_record *records, uint64_t count)
{
    struct wanted_list list = {.items = calloc(count + 1u, sizeof(*list.items)), .count = count};
    if (list.items == NULL) {
        return SLUICE_E_MEMORY;
    }
    list.now_ns = clock_now_ns();
    for (uint64_t i = 0; i < count; i++) {
        list.items[i] = (struct wanted){.endpoint = records[i].endpoint, .health = records[i].health, .place = i};
    }
    qsort(list.items, count, sizeof(*list.items), compare);
    /* One walk over all endpoints, however many records there are: those of a change of the network come together. */
    for (uint32_t i = 0; i < engine->tenants.count; i++) {
        set_tenant(engine, &list, engine->table[i]->shared);
    }
    for (struct list *node = engine->outdated.next; node != &engine->outdated; node = node->next) {
        struct tenant_shared *shared = container_of(node, struct tenant_shared, outdated);
        const struct tenant *current = id_map_get(&engine->tenants, shared->id);
        if (current == NULL || current->shared != shared) {
            set_tenant(engine, &list, shared); /* removed, with sessions that live */
        }
    }
    uint64_t known = count_known(&list);
    free(list.items);
    return known < INT32_MAX ? (int32_t)known : INT32_MAX;
}
