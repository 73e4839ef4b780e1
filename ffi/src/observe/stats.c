/* SPDX-License-Identifier: MIT
 * Sums of cells. Called by the control thread, except stats_bucket. */
#include "observe/stats.h"

static const uint64_t bucket_bounds_us[] = {
#define BUCKET(bound) bound,
    SLUICE_BUCKET_LIST(BUCKET)
#undef BUCKET
};
_Static_assert(sizeof(bucket_bounds_us) / sizeof(bucket_bounds_us[0]) == SLUICE_BUCKET_COUNT - 1,
               "one bucket more than bounds");

uint32_t stats_bucket(uint64_t duration_us)
{
    uint32_t bucket = 0;
    while (bucket < SLUICE_BUCKET_COUNT - 1 && duration_us > bucket_bounds_us[bucket]) {
        bucket++;
    }
    return bucket;
}

void stats_sum_tenant(struct sluice_tenant_stats *sum, const struct tenant_cell *cell)
{
#define SUM_FIELD(name) sum->name += stats_get(&cell->name);
#define SUM_ARRAY(name, length)                                                                                        \
    for (uint32_t i = 0; i < (length); i++) {                                                                          \
        sum->name[i] += stats_get(&cell->name[i]);                                                                     \
    }
    STATS_TENANT_LIST(SUM_FIELD)
    STATS_TENANT_ARRAYS(SUM_ARRAY)
#undef SUM_FIELD
#undef SUM_ARRAY
}
