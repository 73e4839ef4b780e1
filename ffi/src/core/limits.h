/* SPDX-License-Identifier: MIT
 *
 * Limits of tenants: made from records, and put in force for all sessions of a tenant at once. Control thread only;
 * what workers do with them is path/admit, path/queue and path/throttle.
 *
 * What is in a tenant's buckets goes on in the new ones, at most their burst. Workers take from the old ones until they
 * have seen the new; what they took after the look that the new ones were filled by is charged afterwards.
 */
#ifndef SLUICE_CORE_LIMITS_H
#define SLUICE_CORE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "path/limits.h"
#include "path/plan.h"

/* Whether `limits` (NULL: none yet) say just this. */
bool limits_are(const struct tenant_limits *limits, const struct sluice_limits *settings, bool enabled);

/* Makes limits that follow `before` (NULL: none). NULL without memory. */
struct tenant_limits *limits_new(const struct sluice_limits *settings, bool enabled,
                                 const struct tenant_limits *before);

void limits_free(struct tenant_limits *limits);

/* A change of limits that is under way. */
struct limits_change {
    struct tenant_shared *shared;
    struct tenant_limits *after;
    struct tenant_limits *before; /* NULL: none */
    uint64_t spent[3];            /* of the buckets of `before`, when those of `after` were filled */
};

/* From now on `after` is in force. */
void limits_swap(struct limits_change *change);

/* Every worker has seen it: charges what was taken meanwhile, and frees `before`. */
void limits_settle(struct limits_change *change);

/* Whether sources are counted under these settings. */
static inline bool limits_by_source(const struct sluice_limits *settings)
{
    return settings->source_max_connections != SLUICE_UNLIMITED32 || settings->source_rate.rate != SLUICE_UNLIMITED64;
}

#endif
