/* SPDX-License-Identifier: MIT
 *
 * The routes of a version, with the texts and prefixes that they point to. Called by core/snapshot. Control thread. */
#ifndef SLUICE_CORE_SNAPSHOT_ROUTES_H
#define SLUICE_CORE_SNAPSHOT_ROUTES_H

#include "core/blob.h"
#include "path/plan.h"

/* Makes them; the version's backends are there. Returns 0 or -ENOMEM. */
int snapshot_build_routes(const struct blob *blob, const struct sluice_tenant_record *record, struct tenant *tenant);

void snapshot_free_routes(struct tenant *tenant);

#endif
