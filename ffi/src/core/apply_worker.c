/* SPDX-License-Identifier: MIT
 * What each worker does in a change of the configuration: opens, closes, switches over. Called by core/worker. */
#include "core/apply.h"
#include "path/outcome.h"
#include "path/preconnect.h"
#include "path/preread.h"
#include "path/queue.h"
#include "path/session.h"
#include "path/throttle.h"

static bool serves(const struct path *path, const struct binding *binding)
{
    return binding->only_worker == ALL_WORKERS || binding->only_worker == path->worker;
}

/* Where the step in hand ends. */
static uint32_t step_end(const struct change *change, uint32_t count)
{
    return count - change->first < CHANGE_STEP ? count : change->first + CHANGE_STEP;
}

int apply_open(struct path *path, struct change *change)
{
    for (uint32_t i = change->first; i < step_end(change, change->opened_count); i++) {
        struct binding *binding = change->opened[i];
        if (!serves(path, binding)) {
            continue;
        }
        int result = listener_open(path, &binding->sockets[path->worker], &binding->address, &binding->options);
        if (result != 0) {
            atomic_store_explicit(&change->failed, i, memory_order_relaxed);
            return result;
        }
    }
    return 0;
}

void apply_close_opened(struct path *path, const struct change *change)
{
    for (uint32_t i = 0; i < change->opened_count; i++) {
        listener_close(path, &change->opened[i]->sockets[path->worker], false);
    }
}

void apply_close(struct path *path, const struct change *change)
{
    for (uint32_t i = change->first; i < step_end(change, change->closed_count); i++) {
        listener_close(path, &change->closed[i]->sockets[path->worker], true);
    }
}

void apply_commit(struct path *path, const struct change *change)
{
    for (uint32_t i = 0; i < change->assignment_count; i++) {
        const struct assignment *assignment = &change->assignments[i];
        if (serves(path, assignment->binding)) {
            listener_serve(path, &assignment->binding->sockets[path->worker], &assignment->tenant->views[path->worker],
                           assignment->listener);
        }
    }
    for (uint32_t i = 0; i < change->version_count; i++) {
        outcome_serve(path, change->versions[i]);
        preconnect_serve(path, change->versions[i]);
    }
    for (uint32_t i = 0; i < change->retirement_count; i++) {
        const struct retirement *retirement = &change->retirements[i];
        struct tenant_view *view = &retirement->version->views[path->worker];
        if (!retirement->removed) {
            queue_move(path, view);
        }
        session_drain_view(path, view, retirement->removed, retirement->drain_ms);
        if (retirement->version->is_shared) {
            preread_drain(path, view, retirement->drain_ms);
        }
        preconnect_retire(path, retirement->version);
        /* The limits of its tenant may have changed for those that wait for them. */
        throttle_refresh(path, &retirement->version->shared->locals[path->worker]);
        queue_refresh(path, retirement->version);
        if (retirement->was_current) {
            view->current = false;
            session_retire_view(view);
        }
    }
}
