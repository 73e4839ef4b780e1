/* SPDX-License-Identifier: MIT
 *
 * Connections that are kept for a while, then answered and closed: how many a proxy has open at once shows here. The
 * backend closes first, so a session is over here before it is over in the proxy. One thread.
 */
#ifndef LOAD_BACKEND_HOLD_H
#define LOAD_BACKEND_HOLD_H

#include <stddef.h>
#include <stdint.h>

struct held;

struct hold_backend {
    size_t request_size;
    struct held *first; /* the next that is due */
    struct held *last;
    uint64_t open;
    uint64_t most_open; /* since its reader set it back */
};

/* Takes the descriptor. */
void hold_backend_accept(struct hold_backend *hold, int fd, uint64_t now_ns);

/* Answers and closes those that are due. Returns when the next is; UINT64_MAX: none waits. */
uint64_t hold_backend_release(struct hold_backend *hold, uint64_t now_ns);

#endif
