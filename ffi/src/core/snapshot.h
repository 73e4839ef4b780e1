/* SPDX-License-Identifier: MIT
 *
 * Versions of tenants: made from records, linked to what outlives them, freed when no worker uses them any more.
 * Control thread only; workers just read what is published.
 */
#ifndef SLUICE_CORE_SNAPSHOT_H
#define SLUICE_CORE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/blob.h"
#include "path/plan.h"

/* Makes a version from record `index` of the blob. `before` is the version in force, or NULL: counters and balancing
 * state of the same objects go on. Returns 0 or -ENOMEM; *tenant is the caller's until it is published. */
int snapshot_build(const struct blob *blob, uint32_t index, const struct tenant *before, uint32_t workers,
                   struct tenant **tenant);

/* Publishes: the version joins its tenant's versions and is held by every worker. */
void snapshot_publish(struct tenant *tenant, uint32_t workers);

/* Marks in every live version of the tenant which listeners and backends are not in `newest` (NULL: all of them). */
void snapshot_mark_gone(struct tenant_shared *shared, const struct tenant *newest);

/* Frees a version: one that was never published, or one whose views_held is 0. */
void snapshot_free(struct tenant *tenant);

/* Frees those versions of a tenant that no worker holds. Returns how many are left. The tenant's shared part is gone
 * with the last. */
uint32_t snapshot_collect(struct tenant_shared *shared);

#endif
