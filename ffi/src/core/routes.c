/* SPDX-License-Identifier: MIT
 * The table of routes. Called by core/apply and core/engine on the control thread. */
#include "core/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sys/clock.h"

/* ---- One key ---- */

static _Atomic(struct route_entry *) *bucket_of(struct route_table *table, uint64_t hash)
{
    return &table->buckets[hash % ROUTE_BUCKETS];
}

/* Makes an entry without rules, which readers may meet from now on. */
static struct route_entry *new_entry(struct route_table *table, const struct route_key *key, uint64_t hash)
{
    struct route_entry *entry = calloc(1, sizeof(*entry) + key->length);
    if (entry == NULL) {
        return NULL;
    }
    entry->hash = hash;
    entry->listener = key->listener;
    entry->kind = key->kind;
    entry->length = key->length;
    memcpy(entry->bytes, key->bytes, key->length);
    _Atomic(struct route_entry *) *bucket = bucket_of(table, hash);
    struct route_entry *first = atomic_load_explicit(bucket, memory_order_relaxed);
    atomic_store_explicit(&entry->next, first, memory_order_relaxed);
    atomic_store_explicit(bucket, entry, memory_order_release);
    return entry;
}

/* A place for one more edit; NULL without memory. */
static struct route_edit *next_place(struct route_change *change)
{
    if (change->count == change->capacity) {
        uint32_t capacity = change->capacity == 0 ? 16 : 2 * change->capacity;
        struct route_edit *edits = realloc(change->edits, capacity * sizeof(*edits));
        if (edits == NULL) {
            return NULL;
        }
        change->edits = edits;
        change->capacity = capacity;
    }
    return &change->edits[change->count];
}

/* The edit of a key, begun where there is none yet: `after` is what stands in the table. NULL without memory. */
static struct route_edit *edit(struct route_table *table, struct route_change *change, const struct route_key *key)
{
    uint64_t hash = route_key_hash(table, key);
    struct route_entry *entry = route_entry_find(table, key, hash);
    entry = entry != NULL ? entry : new_entry(table, key, hash);
    if (entry == NULL || entry->edit != 0) {
        return entry == NULL ? NULL : &change->edits[entry->edit - 1];
    }
    const struct route_set *before = atomic_load_explicit(&entry->set, memory_order_relaxed);
    uint32_t count = before == NULL ? 0 : before->count;
    struct route_edit *place = next_place(change);
    struct route_set *after = malloc(sizeof(*after) + (count + 1u) * sizeof(after->rules[0]));
    if (place == NULL || after == NULL) {
        free(after);
        return NULL;
    }
    after->count = count;
    for (uint32_t i = 0; i < count; i++) {
        after->rules[i] = before->rules[i];
    }
    *place = (struct route_edit){.entry = entry, .before = before, .after = after};
    entry->edit = ++change->count;
    return place;
}

static int add_rule(struct route_table *table, struct route_change *change, const struct route_key *key,
                    const struct route_rule *rule)
{
    struct route_edit *at = edit(table, change, key);
    if (at == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < at->after->count; i++) {
        if (at->after->rules[i] == rule) {
            return 0; /* the route names it twice */
        }
    }
    struct route_set *after = realloc(at->after, sizeof(*after) + (at->after->count + 1u) * sizeof(after->rules[0]));
    if (after == NULL) {
        return -ENOMEM;
    }
    after->rules[after->count++] = rule;
    at->after = after;
    return 0;
}

static int remove_rule(struct route_table *table, struct route_change *change, const struct route_key *key,
                       const struct route_rule *rule)
{
    struct route_edit *at = edit(table, change, key);
    if (at == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < at->after->count; i++) {
        if (at->after->rules[i] == rule) {
            /* The rest keeps its order: of rules that fit equally well, a tenant's first one counts. */
            at->after->count--;
            for (; i < at->after->count; i++) {
                at->after->rules[i] = at->after->rules[i + 1];
            }
            return 0;
        }
    }
    return 0;
}

/* ---- A route ---- */

static void name_key(const struct route *route, const struct route_text *name, struct route_key *key)
{
    bool wildcard = name->length > 2 && name->bytes[0] == '*';
    uint32_t skipped = wildcard ? 2 : 0;
    key->listener = route->listener;
    key->kind = wildcard ? ROUTE_WILDCARD : ROUTE_NAME;
    key->length = (uint8_t)(name->length - skipped);
    memcpy(key->bytes, name->bytes + skipped, key->length);
}

/* Calls a step for every key of a route. */
static int each_key(struct route_table *table, struct route_change *change, const struct route *route,
                    int (*step)(struct route_table *, struct route_change *, const struct route_key *,
                                const struct route_rule *))
{
    struct route_key key = {.listener = route->listener, .kind = ROUTE_DEFAULT};
    int result = 0;
    for (uint32_t i = 0; i < route->name_count && result == 0; i++) {
        name_key(route, &route->names[i], &key);
        result = step(table, change, &key, &route->rule);
    }
    if (route->name_count > 0 && !route->is_default) {
        return result;
    }
    for (uint32_t i = 0; i < route->rule.source_count && result == 0; i++) {
        route_table_add_length(table, &route->rule.sources[i]);
        route_key_of_prefix(route->listener, &route->rule.sources[i], &key);
        result = step(table, change, &key, &route->rule);
    }
    if (route->rule.source_count == 0 && result == 0) {
        key = (struct route_key){.listener = route->listener, .kind = ROUTE_DEFAULT};
        result = step(table, change, &key, &route->rule);
    }
    return result;
}

int routes_prepare(struct route_table *table, struct route_change *change, const struct tenant *before,
                   const struct tenant *after)
{
    int result = 0;
    for (uint32_t i = 0; before != NULL && i < before->route_count && result == 0; i++) {
        result = each_key(table, change, &before->routes[i], remove_rule);
    }
    for (uint32_t i = 0; after != NULL && i < after->route_count && result == 0; i++) {
        result = each_key(table, change, &after->routes[i], add_rule);
    }
    return result;
}

/* ---- A change ---- */

void routes_commit(struct route_table *table, struct route_change *change)
{
    for (uint32_t i = 0; i < change->count; i++) {
        struct route_edit *at = &change->edits[i];
        if (at->after->count > 0) {
            atomic_store_explicit(&at->entry->set, at->after, memory_order_release);
            continue;
        }
        free(at->after);
        at->after = NULL;
        atomic_store_explicit(&at->entry->set, NULL, memory_order_release);
        /* An empty entry leaves its chain; who stands on it still finds the rest behind it. */
        _Atomic(struct route_entry *) *link = bucket_of(table, at->entry->hash);
        while (atomic_load_explicit(link, memory_order_relaxed) != at->entry) {
            link = &atomic_load_explicit(link, memory_order_relaxed)->next;
        }
        struct route_entry *behind = atomic_load_explicit(&at->entry->next, memory_order_relaxed);
        atomic_store_explicit(link, behind, memory_order_release);
    }
}

static void free_change(struct route_change *change)
{
    free(change->edits);
    *change = (struct route_change){0};
}

void routes_settle(struct route_change *change)
{
    for (uint32_t i = 0; i < change->count; i++) {
        struct route_edit *at = &change->edits[i];
        free((void *)(uintptr_t)at->before);
        at->entry->edit = 0;
        if (at->after == NULL) {
            free(at->entry);
        }
    }
    free_change(change);
}

void routes_undo(struct route_change *change)
{
    for (uint32_t i = 0; i < change->count; i++) {
        free(change->edits[i].after);
        change->edits[i].entry->edit = 0;
    }
    free_change(change);
}

struct route_table *routes_new(void)
{
    struct route_table *table = calloc(1, sizeof(*table));
    if (table != NULL && getrandom(&table->seed, sizeof(table->seed), 0) != (ssize_t)sizeof(table->seed)) {
        table->seed = clock_now_ns();
    }
    return table;
}

void routes_free(struct route_table *table)
{
    for (uint32_t i = 0; table != NULL && i < ROUTE_BUCKETS; i++) {
        struct route_entry *entry = atomic_load_explicit(&table->buckets[i], memory_order_relaxed);
        while (entry != NULL) {
            struct route_entry *next = atomic_load_explicit(&entry->next, memory_order_relaxed);
            free((void *)(uintptr_t)atomic_load_explicit(&entry->set, memory_order_relaxed));
            free(entry);
            entry = next;
        }
    }
    free(table);
}
