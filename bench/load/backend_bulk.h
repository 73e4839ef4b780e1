/* SPDX-License-Identifier: MIT
 *
 * The backend's side of bulk transfers: a sink with a receipt, or a paced source, as the client's header asks.
 */
#ifndef LOAD_BACKEND_BULK_H
#define LOAD_BACKEND_BULK_H

#include <stdint.h>

#include "loop.h"

struct backend_count {
    uint64_t connections;
    uint64_t bytes_in;
    uint64_t bytes_out;
};

struct carrier;

struct bulk_backend {
    struct loop *loop;
    struct backend_count *count;
    struct carrier *sources; /* those that send, for the pace */
    /* NULL, or told what a sink received, by its header's number. */
    void (*on_bytes)(struct bulk_backend *bulk, uint64_t number, uint64_t bytes);
};

void bulk_backend_open(struct bulk_backend *bulk, struct loop *loop, struct backend_count *count);

/* Takes over fd. */
void bulk_backend_accept(struct bulk_backend *bulk, int fd);

/* Sends what is due; returns when the next is. Call it between two turns of the loop: it releases what has failed. */
uint64_t bulk_backend_push(struct bulk_backend *bulk, uint64_t now_ns);

#endif
