/* SPDX-License-Identifier: MIT
 *
 * How one worker tells another that there is something to look at: a stack of nodes that any thread pushes to and one
 * takes whole, and the event fd that ends the taker's wait. A node is on one stack at a time at the most; pushing one
 * that is there already does nothing.
 */
#ifndef SLUICE_SYS_WAKER_H
#define SLUICE_SYS_WAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sys/util.h"

struct waker_node {
    struct waker_node *next; /* on the stack; the pusher's, then the taker's */
    _Atomic bool pushed;     /* from waker_claim until waker_clear */
};

struct waker {
    _Alignas(CACHE_LINE) _Atomic(struct waker_node *) head;
    int event_fd; /* in the file table of every worker under the same number */
};

/* Claims a node for pushing. False when it is claimed already: then the taker is going to look anyway. What the caller
 * wrote before is seen by a taker that has cleared the node (sequentially consistent, as is waker_clear). */
static inline bool waker_claim(struct waker_node *node)
{
    return !atomic_exchange(&node->pushed, true);
}

/* Pushes a claimed node and ends the taker's wait. */
void waker_push(struct waker *waker, struct waker_node *node);

/* Takes all nodes, in no order; NULL when there are none. The caller clears each before it looks at what it stands
 * for, and reads `next` before that. */
struct waker_node *waker_take(struct waker *waker);

static inline void waker_clear(struct waker_node *node)
{
    atomic_store(&node->pushed, false);
}

#endif
