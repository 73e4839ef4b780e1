/* SPDX-License-Identifier: MIT
 * observe/stats: buckets, and sums that name every field. */
#include "observe/stats.h"

#include "test.h"

static const uint64_t bounds_us[] = {
#define BOUND(us) us,
    SLUICE_BUCKET_LIST(BOUND)
#undef BOUND
};

TEST(a_duration_on_a_bound_is_in_the_bucket_below_it)
{
    CHECK_EQ(stats_bucket(0), 0);
    for (unsigned i = 0; i < SLUICE_BUCKET_COUNT - 1; i++) {
        CHECK_EQ(stats_bucket(bounds_us[i]), i);
        CHECK_EQ(stats_bucket(bounds_us[i] + 1), i + 1);
        CHECK(i == 0 || bounds_us[i] > bounds_us[i - 1]);
    }
    CHECK_EQ(stats_bucket(UINT64_MAX), SLUICE_BUCKET_COUNT - 1);
}

/* Gives every counter of a cell a value of its own: `from` and what follows. Returns how many there are. */
static uint64_t fill(struct tenant_cell *cell, uint64_t from)
{
    uint64_t next = from;
#define FILL_FIELD(name) stats_add(&cell->name, next++);
#define FILL_ARRAY(name, length)                                                                                       \
    for (unsigned i = 0; i < (length); i++) {                                                                          \
        stats_add(&cell->name[i], next++);                                                                             \
    }
    STATS_TENANT_LIST(FILL_FIELD)
    STATS_TENANT_ARRAYS(FILL_ARRAY)
#undef FILL_FIELD
#undef FILL_ARRAY
    return next - from;
}

TEST(the_sum_of_cells_names_every_counter)
{
    static struct tenant_cell cells[3];
    uint64_t counters = fill(&cells[0], 1000);
    fill(&cells[1], 500000);
    struct sluice_tenant_stats sum;
    memset(&sum, 0, sizeof sum);
    sum.id = 7;
    sum.sessions_active = 3;
    for (unsigned i = 0; i < 3; i++) {
        stats_sum_tenant(&sum, &cells[i]);
    }
    uint64_t next = 501000;
#define CHECK_FIELD(name)                                                                                              \
    CHECK_EQ(sum.name, next);                                                                                          \
    next += 2;
#define CHECK_ARRAY(name, length)                                                                                      \
    for (unsigned i = 0; i < (length); i++) {                                                                          \
        CHECK_EQ(sum.name[i], next);                                                                                   \
        next += 2;                                                                                                     \
    }
    STATS_TENANT_LIST(CHECK_FIELD)
    STATS_TENANT_ARRAYS(CHECK_ARRAY)
#undef CHECK_FIELD
#undef CHECK_ARRAY
    CHECK_EQ(sum.id, 7);
    CHECK_EQ(sum.sessions_active, 3);
    /* What the record has beside the cells' counters: id with padding, sessions_active, buffered_bytes, queue_length
     * and what is left in three buckets. */
    CHECK_EQ(sizeof sum, 8 * (counters + 7));
}

TEST(cells_of_two_workers_share_no_cache_line)
{
    CHECK_EQ(sizeof(struct tenant_cell) % CACHE_LINE, 0);
    CHECK_EQ(sizeof(struct listener_cell) % CACHE_LINE, 0);
    CHECK_EQ(sizeof(struct endpoint_cell) % CACHE_LINE, 0);
    CHECK_EQ(sizeof(struct worker_cell) % CACHE_LINE, 0);
}
