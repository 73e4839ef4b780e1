/* SPDX-License-Identifier: MIT */
#include "schedule.h"

#include "clock.h"

#define SEED UINT64_C(0x2545f4914f6cdd1d)

struct schedule schedule_make(uint64_t count, double rate_per_s, uint64_t now_ns)
{
    struct schedule schedule = {.next_ns = now_ns,
                                .remaining = count,
                                .gap_ns = rate_per_s > 0 ? (double)NS_PER_S / rate_per_s : 0,
                                .random = SEED};
    return schedule;
}

/* Gaps are uniform between nothing and twice the mean: some operations meet, as they do in life. */
static uint64_t random_gap(struct schedule *schedule)
{
    schedule->random ^= schedule->random << 13;
    schedule->random ^= schedule->random >> 7;
    schedule->random ^= schedule->random << 17;
    double unit = (double)(schedule->random >> 11) / (double)(UINT64_C(1) << 53);
    return (uint64_t)(2 * unit * schedule->gap_ns);
}

bool schedule_take(struct schedule *schedule, uint64_t now_ns, uint64_t *intended_ns)
{
    if (schedule_next(schedule, now_ns) > now_ns)
        return false;
    *intended_ns = schedule->gap_ns > 0 ? schedule->next_ns : now_ns;
    schedule->remaining--;
    schedule->next_ns += random_gap(schedule);
    return true;
}

uint64_t schedule_next(const struct schedule *schedule, uint64_t now_ns)
{
    if (schedule->remaining == 0)
        return UINT64_MAX;
    return schedule->gap_ns > 0 ? schedule->next_ns : now_ns;
}
