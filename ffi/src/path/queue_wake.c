/* SPDX-License-Identifier: MIT
 * Waking workers for waiting sessions. */
#include "path/queue_wake.h"

uint32_t queue_wake_oldest(const struct tenant_shared *shared, uint32_t workers, bool held, uint64_t after)
{
    uint32_t worker = UINT32_MAX;
    uint64_t lowest = NO_TICKET;
    for (uint32_t i = 0; i < workers; i++) {
        const struct waiting_room *room = &shared->locals[i].room;
        uint64_t ticket = atomic_load(held ? &room->held_head : &room->waiting_head);
        if (ticket < lowest && (after == NO_TICKET || ticket > after)) {
            lowest = ticket;
            worker = i;
        }
    }
    return worker;
}

void queue_wake_worker(struct waker *wakers, struct tenant *version, uint32_t worker)
{
    struct waiting_room *room = &version->shared->locals[worker].room;
    if (waker_claim(&room->node)) {
        tenant_pin(version); /* until the node is taken this stands for the caller's hold */
        room->pinned = version;
        waker_push(&wakers[worker], &room->node);
    }
}

void queue_wake_first(struct waker *wakers, uint32_t workers, struct tenant *version)
{
    const struct tenant_shared *shared = version->shared;
    if (likely(atomic_load(&shared->queue_length) == 0)) {
        return;
    }
    for (unsigned held = 0; held <= 1; held++) {
        uint32_t worker = queue_wake_oldest(shared, workers, held != 0, NO_TICKET);
        if (worker != UINT32_MAX) {
            queue_wake_worker(wakers, version, worker);
        }
    }
}
