/* SPDX-License-Identifier: MIT
 * Changing the configuration while traffic flows. Control thread; what workers do in it is apply_worker.c. */
#include "core/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/engine.h"
#include "core/failure.h"
#include "core/limits.h"
#include "core/routes.h"
#include "core/snapshot.h"
#include "core/sources.h"
#include "path/session.h"

/* ---- Preparing ---- */

#define PROBE_TRIES 1000u /* ports of the kernel's choice that are looked at before there seem to be none */

/* All that one change needs; the control thread's. */
struct job {
    struct sluice_engine *engine;
    const struct blob *blob;
    struct sluice_error *error;
    struct tenant **versions; /* one a tenant record */
    uint32_t version_count;
    struct change change;
    struct route_change routes;
};

static int out_of_memory(struct job *job)
{
    return failure(job->error, SLUICE_E_MEMORY, ENOMEM, NO_RECORD, NO_RECORD, "", "Out of memory");
}

static struct tenant *in_force(const struct job *job, uint32_t id)
{
    return id_map_get(&job->engine->tenants, id);
}

/* Marks the tenants that the change names, and refuses one that it names twice or that cannot be removed. */
static int touch(struct job *job)
{
    const struct blob *blob = job->blob;
    for (uint32_t i = 0; i < blob->tenant_count; i++) {
        struct tenant *tenant = in_force(job, blob->tenants[i].id);
        if (tenant != NULL && tenant->shared->touched) {
            return failure(job->error, SLUICE_E_BLOB, 0, SLUICE_TABLE_TENANT, i, "id", "Tenant is named twice");
        }
        if (tenant != NULL) {
            tenant->shared->touched = true;
        }
    }
    for (uint32_t i = 0; i < blob->removed_count; i++) {
        struct tenant *tenant = in_force(job, blob->removed[i]);
        if (tenant == NULL || tenant->shared->touched) {
            return failure(job->error, SLUICE_E_BLOB, 0, SLUICE_TABLE_REMOVED, i, "id",
                           tenant == NULL ? "Tenant to remove does not exist" : "Tenant is named twice");
        }
        tenant->shared->touched = true;
    }
    return SLUICE_OK;
}

/* New limits, where they are other than those in force. */
static int build_limits(struct job *job, uint32_t index)
{
    const struct sluice_tenant_record *record = &job->blob->tenants[index];
    struct tenant *version = job->versions[index];
    struct tenant_limits *before = version->shared->limits;
    if (limits_by_source(&record->limits) && sources_open(job->engine) != 0) {
        return out_of_memory(job);
    }
    if (limits_are(before, &record->limits, version->enabled)) {
        return SLUICE_OK;
    }
    struct limits_change *change = &job->change.limits[job->change.limits_count];
    *change = (struct limits_change){.shared = version->shared, .before = before};
    change->after = limits_new(&record->limits, version->enabled, before);
    if (change->after == NULL) {
        return out_of_memory(job);
    }
    job->change.limits_count++;
    return SLUICE_OK;
}

static int build_versions(struct job *job)
{
    const struct blob *blob = job->blob;
    for (uint32_t i = 0; i < blob->tenant_count; i++) {
        int result =
            snapshot_build(blob, i, in_force(job, blob->tenants[i].id), job->engine->worker_count, &job->versions[i]);
        if (result != 0) {
            return out_of_memory(job);
        }
        job->version_count++;
        result = build_limits(job, i);
        if (result != SLUICE_OK) {
            return result;
        }
    }
    return SLUICE_OK;
}

static int refuse_address(struct job *job, uint32_t listener, const struct net_address *address, int error,
                          const char *why)
{
    char text[128];
    net_address_format(address, text, sizeof(text));
    return failure(job->error, SLUICE_E_BIND, error, SLUICE_TABLE_LISTENER, listener, "address",
                   "Cannot listen on %s: %s", text, why);
}

/* One address of one listener: takes over its binding, or makes one. */
static int claim(struct job *job, struct tenant *version, const struct listener *listener, uint32_t record,
                 const struct net_address *address)
{
    struct sluice_engine *engine = job->engine;
    struct change *change = &job->change;
    bool kernel_chooses = !net_is_unix(address) && net_address_port(address) == 0;
    uint32_t ordinal = kernel_chooses ? listener->id : 0;
    struct binding *binding = bindings_find(&engine->bindings, address, ordinal);
    if (binding == NULL) {
        binding = binding_new(address, ordinal, engine->worker_count);
        if (binding == NULL) {
            return out_of_memory(job);
        }
        binding->tenant = version->id;
        binding->listener = record;
        binding->options = version->options;
        bindings_insert(&engine->bindings, binding);
        change->opened[change->opened_count++] = binding;
    } else {
        struct tenant *owner = in_force(job, binding->tenant);
        if (binding->claimed || owner == NULL || !owner->shared->touched) {
            return refuse_address(job, record, address, EADDRINUSE, "another listener has it");
        }
    }
    binding->claimed = true;
    change->assignments[change->assignment_count++] =
        (struct assignment){.binding = binding, .tenant = version, .listener = listener};
    return SLUICE_OK;
}

static int claim_addresses(struct job *job)
{
    const struct blob *blob = job->blob;
    for (uint32_t i = 0; i < blob->tenant_count; i++) {
        const struct sluice_tenant_record *tenant = &blob->tenants[i];
        for (uint32_t k = 0; k < tenant->listener_count; k++) {
            uint32_t record = tenant->first_listener + k;
            struct net_address address = blob->listeners[record].address;
            uint32_t last = blob->listeners[record].record.port_last;
            for (uint32_t port = net_address_port(&address); port <= last; port++) {
                net_address_set_port(&address, (uint16_t)port);
                int result = claim(job, job->versions[i], &job->versions[i]->listeners[k], record, &address);
                if (result != SLUICE_OK) {
                    return result;
                }
            }
        }
    }
    return SLUICE_OK;
}

/* Addresses of the tenants in hand that nobody claimed, and versions that the change ends. */
static void end_tenant(struct job *job, struct tenant *tenant, bool removed)
{
    struct change *change = &job->change;
    struct tenant_shared *shared = tenant->shared;
    for (struct list *node = shared->bindings.next; node != &shared->bindings; node = node->next) {
        struct binding *binding = container_of(node, struct binding, siblings);
        if (!binding->claimed) {
            change->closed[change->closed_count++] = binding;
        }
    }
    for (struct list *node = shared->versions.next; node != &shared->versions; node = node->next) {
        struct tenant *version = container_of(node, struct tenant, siblings);
        change->retirements[change->retirement_count++] = (struct retirement){
            .version = version,
            .drain_ms = tenant->timeouts.drain_ms,
            .was_current = version == tenant,
            .removed = removed,
        };
    }
}

/* Calls `each` for every tenant in force that the change names. */
static void each_touched(struct job *job, void (*each)(struct job *, struct tenant *, bool removed))
{
    for (uint32_t i = 0; i < job->blob->tenant_count; i++) {
        struct tenant *tenant = in_force(job, job->blob->tenants[i].id);
        if (tenant != NULL) {
            each(job, tenant, false);
        }
    }
    for (uint32_t i = 0; i < job->blob->removed_count; i++) {
        struct tenant *tenant = in_force(job, job->blob->removed[i]);
        if (tenant != NULL) {
            each(job, tenant, true);
        }
    }
}

static uint32_t list_length(const struct list *head)
{
    uint32_t length = 0;
    for (const struct list *node = head->next; node != head; node = node->next) {
        length++;
    }
    return length;
}

static void count_tenant(struct job *job, struct tenant *tenant, bool removed)
{
    (void)removed;
    job->change.closed_count += list_length(&tenant->shared->bindings);
    job->change.retirement_count += list_length(&tenant->shared->versions);
}

/* Memory for everything that follows, so that committing needs none. */
static int make_room(struct job *job)
{
    struct sluice_engine *engine = job->engine;
    struct change *change = &job->change;
    uint32_t addresses = 0;
    for (uint32_t i = 0; i < job->blob->listener_count; i++) {
        const struct blob_listener *listener = &job->blob->listeners[i];
        addresses += listener->record.port_last - net_address_port(&listener->address) + 1u;
    }
    each_touched(job, count_tenant);
    job->versions = calloc(job->blob->tenant_count + 1u, sizeof(*job->versions));
    change->opened = calloc(addresses + 1u, sizeof(*change->opened));
    change->assignments = calloc(addresses + 1u, sizeof(*change->assignments));
    change->closed = calloc(change->closed_count + 1u, sizeof(*change->closed));
    change->retirements = calloc(change->retirement_count + 1u, sizeof(*change->retirements));
    change->limits = calloc(job->blob->tenant_count + 1u, sizeof(*change->limits));
    change->closed_count = 0;
    change->retirement_count = 0;
    if (job->versions == NULL || change->opened == NULL || change->assignments == NULL || change->closed == NULL ||
        change->retirements == NULL || change->limits == NULL || bindings_reserve(&engine->bindings, addresses) != 0 ||
        id_map_reserve(&engine->tenants, job->blob->tenant_count) != 0) {
        return out_of_memory(job);
    }
    uint32_t most = engine->tenants.count + job->blob->tenant_count;
    if (most > engine->table_capacity) {
        struct tenant **table = realloc(engine->table, 2u * most * sizeof(*table));
        if (table == NULL) {
            return out_of_memory(job);
        }
        engine->table = table;
        engine->table_capacity = 2u * most;
    }
    return SLUICE_OK;
}

/* Whether an address can be bound; finds a port where the kernel is to choose it. The kernel may give the port of one
 * probe, which ends before the workers bind, to the next: then both would share it, so another one is asked for. */
static int probe(struct job *job, struct binding *binding)
{
    bool kernel_chooses = !net_is_unix(&binding->address) && net_address_port(&binding->address) == 0;
    for (unsigned tries = 0; tries < PROBE_TRIES; tries++) {
        int result = net_probe(&binding->address);
        if (result != 0 || !kernel_chooses || !bindings_share_port(&job->engine->bindings, binding)) {
            return result;
        }
        net_address_set_port(&binding->address, 0);
    }
    return -EADDRINUSE;
}

/* Asks the workers to open or close `count` addresses, step by step. Returns the first error, or 0. */
static int ask_in_steps(struct job *job, enum message_kind kind, uint32_t count)
{
    int result = 0;
    for (uint32_t first = 0; first < count && result == 0; first += CHANGE_STEP) {
        job->change.first = first;
        result = engine_ask(job->engine, kind, 0, &job->change);
    }
    return result;
}

/* Every worker binds the new addresses, or none does. */
static int open_addresses(struct job *job)
{
    struct change *change = &job->change;
    for (uint32_t i = 0; i < change->opened_count; i++) {
        struct binding *binding = change->opened[i];
        int result = probe(job, binding);
        /* A wildcard and a specific address of ours may change places in one change; the bind itself will tell. */
        if (result == -EADDRINUSE && bindings_overlap_others(&job->engine->bindings, binding)) {
            result = 0;
        }
        if (result != 0) {
            return refuse_address(job, binding->listener, &binding->address, -result, strerror(-result));
        }
        binding->ours = true;
    }
    int result = ask_in_steps(job, MESSAGE_BIND, change->opened_count);
    if (result != 0) {
        struct binding *binding = change->opened[atomic_load_explicit(&change->failed, memory_order_relaxed)];
        engine_ask(job->engine, MESSAGE_UNBIND, 0, change);
        return refuse_address(job, binding->listener, &binding->address, -result, strerror(-result));
    }
    return SLUICE_OK;
}

/* Routes of the tenants in hand, in the place of those in force. */
static int prepare_routes(struct job *job)
{
    struct route_table *table = job->engine->process.routes;
    int result = 0;
    for (uint32_t i = 0; i < job->version_count && result == 0; i++) {
        struct tenant *version = job->versions[i];
        result = routes_prepare(table, &job->routes, in_force(job, version->id), version);
    }
    for (uint32_t i = 0; i < job->blob->removed_count && result == 0; i++) {
        result = routes_prepare(table, &job->routes, in_force(job, job->blob->removed[i]), NULL);
    }
    return result == 0 ? SLUICE_OK : out_of_memory(job);
}

static int prepare(struct job *job)
{
    int result = touch(job);
    if (result == SLUICE_OK) {
        result = make_room(job);
    }
    if (result == SLUICE_OK) {
        result = build_versions(job);
    }
    if (result == SLUICE_OK) {
        result = prepare_routes(job);
    }
    if (result == SLUICE_OK) {
        result = claim_addresses(job);
    }
    if (result == SLUICE_OK) {
        each_touched(job, end_tenant);
        result = open_addresses(job);
    }
    return result;
}

/* ---- Committing ---- */

static void table_set(struct sluice_engine *engine, struct tenant *tenant, bool is_new)
{
    if (is_new) {
        tenant->shared->position = engine->tenants.count;
    }
    engine->table[tenant->shared->position] = tenant;
}

static void table_remove(struct sluice_engine *engine, const struct tenant *tenant)
{
    struct tenant *last = engine->table[engine->tenants.count - 1];
    last->shared->position = tenant->shared->position;
    engine->table[last->shared->position] = last;
}

/* Counts a version in or out. */
static void count_version(struct sluice_engine *engine, const struct tenant *version, int32_t by)
{
    uint32_t amount = (uint32_t)by; /* wraps, and back */
    engine->enabled_tenants += version->enabled && !version->is_shared ? amount : 0;
    engine->holders += version->is_shared ? amount : 0;
}

static void register_versions(struct job *job)
{
    struct sluice_engine *engine = job->engine;
    for (uint32_t i = 0; i < job->blob->removed_count; i++) {
        struct tenant *tenant = in_force(job, job->blob->removed[i]);
        snapshot_mark_gone(tenant->shared, NULL);
        count_version(engine, tenant, -1);
        list_remove(&tenant->shared->outdated);
        list_append(&engine->outdated, &tenant->shared->outdated);
        table_remove(engine, tenant);
        id_map_remove(&engine->tenants, tenant->id);
    }
    for (uint32_t i = 0; i < job->version_count; i++) {
        struct tenant *version = job->versions[i];
        struct tenant *before = in_force(job, version->id);
        count_version(engine, version, 1);
        if (before != NULL) {
            count_version(engine, before, -1);
        }
        snapshot_publish(version, engine->worker_count);
        table_set(engine, version, before == NULL);
        id_map_put(&engine->tenants, version->id, version);
        if (before != NULL) {
            snapshot_mark_gone(version->shared, version);
            list_remove(&version->shared->outdated);
            list_append(&engine->outdated, &version->shared->outdated);
        }
    }
}

static void settle_bindings(struct job *job)
{
    const struct change *change = &job->change;
    for (uint32_t i = 0; i < change->closed_count; i++) {
        struct binding *binding = change->closed[i];
        binding_remove_file(binding);
        list_remove(&binding->siblings);
        bindings_remove(&job->engine->bindings, binding);
        free(binding);
    }
    for (uint32_t i = 0; i < change->assignment_count; i++) {
        struct binding *binding = change->assignments[i].binding;
        const struct tenant *tenant = change->assignments[i].tenant;
        binding->tenant = tenant->id;
        binding->listener = change->assignments[i].listener->id;
        list_remove(&binding->siblings);
        list_append(&tenant->shared->bindings, &binding->siblings);
    }
}

static void set_process(struct process_shared *process, const struct sluice_process_record *record)
{
    if (record != NULL) {
        atomic_store_explicit(&process->max_connections, record->max_connections, memory_order_relaxed);
        atomic_store_explicit(&process->access_log, record->access_log, memory_order_relaxed);
        atomic_store_explicit(&process->access_sample_ppm, record->access_sample_ppm, memory_order_relaxed);
        atomic_store_explicit(&process->access_progress_ms, record->access_progress_ms, memory_order_relaxed);
    }
}

static void commit(struct job *job)
{
    struct sluice_engine *engine = job->engine;
    register_versions(job);
    set_process(&engine->process, job->blob->process);
    atomic_store_explicit(&engine->process.tenants, engine->enabled_tenants, memory_order_relaxed);
    for (uint32_t i = 0; i < job->change.limits_count; i++) {
        limits_swap(&job->change.limits[i]);
    }
    /* Published above, so a client may take a new route at once; an old one ends for a worker with its commit. */
    routes_commit(engine->process.routes, &job->routes);
    /* Before the commit: what the kernel has queued for them still is of the versions that it ends. */
    ask_in_steps(job, MESSAGE_CLOSE, job->change.closed_count);
    job->change.versions = job->versions;
    job->change.version_count = job->version_count;
    engine_ask(engine, MESSAGE_COMMIT, 0, &job->change);
    for (uint32_t i = 0; i < job->change.limits_count; i++) {
        limits_settle(&job->change.limits[i]);
    }
    routes_settle(&job->routes);
    settle_bindings(job);
    engine->generation = job->blob->generation;
}

/* ---- The whole ---- */

/* After a failure: the table of bindings and the versions are as before. */
static void undo(struct job *job)
{
    for (uint32_t i = 0; i < job->change.opened_count; i++) {
        bindings_remove(&job->engine->bindings, job->change.opened[i]);
        binding_remove_file(job->change.opened[i]);
        free(job->change.opened[i]);
    }
    for (uint32_t i = 0; i < job->change.limits_count; i++) {
        limits_free(job->change.limits[i].after);
    }
    routes_undo(&job->routes);
    for (uint32_t i = 0; i < job->version_count; i++) {
        snapshot_free(job->versions[i]);
    }
}

static void untouch(struct job *job, struct tenant *tenant, bool removed)
{
    (void)job;
    (void)removed;
    tenant->shared->touched = false;
    for (struct list *node = tenant->shared->bindings.next; node != &tenant->shared->bindings; node = node->next) {
        container_of(node, struct binding, siblings)->claimed = false;
    }
}

int apply_blob(struct sluice_engine *engine, const struct blob *blob, struct sluice_error *error)
{
    struct job job = {.engine = engine, .blob = blob, .error = error};
    if (engine->state != SLUICE_STATE_RUNNING) {
        return failure(error, SLUICE_E_STATE, 0, NO_RECORD, NO_RECORD, "", "The engine is not running");
    }
    if (blob->generation <= engine->generation) {
        return failure(error, SLUICE_E_BLOB, 0, NO_RECORD, NO_RECORD, "generation",
                       "Generation must be greater than %llu", (unsigned long long)engine->generation);
    }
    int result = prepare(&job);
    if (result == SLUICE_OK) {
        commit(&job);
    } else {
        undo(&job);
    }
    each_touched(&job, untouch);
    engine_collect(engine);
    free(job.versions);
    free(job.change.opened);
    free(job.change.closed);
    free(job.change.assignments);
    free(job.change.retirements);
    free(job.change.limits);
    return result;
}
