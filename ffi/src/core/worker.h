/* SPDX-License-Identifier: MIT
 *
 * A worker: one thread with its own file table, its own loop, and the sessions that its listeners accept. It shares
 * nothing with other workers but the atomics listed in docs/architecture.md.
 */
#ifndef SLUICE_CORE_WORKER_H
#define SLUICE_CORE_WORKER_H

#include <pthread.h>
#include <stdbool.h>

#include "core/mailbox.h"
#include "path/path.h"

struct worker {
    uint32_t number;
    bool started; /* control thread: there is a thread to join */
    bool stopping;
    pthread_t thread;
    struct mailbox mailbox;
    struct message message; /* control thread: of the round in hand, so that asking needs no memory */
    struct process_shared *process;
    struct waker *wakers; /* of all workers */
    uint32_t worker_count;
    struct worker_cell *cell;
    struct log_ring log;
    struct path path; /* the thread's own */
};

/* Starts the thread; *round is answered when its loop stands. Returns 0 or -errno. */
int worker_start(struct worker *worker, struct round *round);

/* Joins a thread that was told to stop. */
void worker_join(struct worker *worker);

#endif
