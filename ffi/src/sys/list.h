/* SPDX-License-Identifier: MIT
 * Intrusive doubly linked ring. A head that points to itself is empty; so does a node that is on no list. */
#ifndef SLUICE_SYS_LIST_H
#define SLUICE_SYS_LIST_H

#include <stdbool.h>

struct list {
    struct list *next;
    struct list *previous;
};

static inline void list_init(struct list *node)
{
    node->next = node;
    node->previous = node;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

/* Puts a node that is on no list at the end. */
static inline void list_append(struct list *head, struct list *node)
{
    node->previous = head->previous;
    node->next = head;
    head->previous->next = node;
    head->previous = node;
}

/* Takes a node off its list; harmless when it is on none. */
static inline void list_remove(struct list *node)
{
    node->next->previous = node->previous;
    node->previous->next = node->next;
    list_init(node);
}

/* Moves all nodes of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_empty(from)) {
        return;
    }
    from->next->previous = to->previous;
    to->previous->next = from->next;
    from->previous->next = to;
    to->previous = from->previous;
    list_init(from);
}

#endif
