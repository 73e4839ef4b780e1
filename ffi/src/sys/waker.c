/* SPDX-License-Identifier: MIT
 * Waking workers. Called by workers: any of them pushes, the owner takes. */
#include "sys/waker.h"

#include <unistd.h>

void waker_push(struct waker *waker, struct waker_node *node)
{
    static const uint64_t one = 1;
    struct waker_node *head = atomic_load_explicit(&waker->head, memory_order_relaxed);
    do {
        node->next = head;
        /* Pairs with the acquire of waker_take: the node's `next` is seen by who takes it. */
    } while (
        !atomic_compare_exchange_weak_explicit(&waker->head, &head, node, memory_order_release, memory_order_relaxed));
    if (head == NULL) {
        /* A counter that is full already wakes the worker as well. */
        (void)!write(waker->event_fd, &one, sizeof(one));
    }
}

struct waker_node *waker_take(struct waker *waker)
{
    if (likely(atomic_load_explicit(&waker->head, memory_order_relaxed) == NULL)) {
        return NULL;
    }
    return atomic_exchange_explicit(&waker->head, NULL, memory_order_acquire);
}
