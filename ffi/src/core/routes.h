/* SPDX-License-Identifier: MIT
 *
 * Changing the table of routes: prepared with all memory that it needs, put in force by stores that cannot fail, and
 * what it replaced freed when every worker has seen that. Control thread.
 */
#ifndef SLUICE_CORE_ROUTES_H
#define SLUICE_CORE_ROUTES_H

#include <stdint.h>

#include "path/plan.h"
#include "policy/route.h"

/* One key whose rules change. */
struct route_edit {
    struct route_entry *entry;
    const struct route_set *before;
    struct route_set *after; /* NULL: no rule is left */
};

struct route_change {
    struct route_edit *edits;
    uint32_t count;
    uint32_t capacity;
};

/* Adds to a change what it takes that the routes of `after` (NULL: none) stand in the table in the place of those of
 * `before`. Returns 0 or -ENOMEM. */
int routes_prepare(struct route_table *table, struct route_change *change, const struct tenant *before,
                   const struct tenant *after);

/* In force from now on. */
void routes_commit(struct route_table *table, struct route_change *change);

/* Every worker has seen it: frees what is not used any more. */
void routes_settle(struct route_change *change);

/* It does not come to pass. Empty entries that were made for it stay. */
void routes_undo(struct route_change *change);

/* An empty table; NULL without memory. Freed with all entries and sets when no worker runs. */
struct route_table *routes_new(void);
void routes_free(struct route_table *table);

#endif
