/* SPDX-License-Identifier: MIT
 * The wheel of tokens. Called on the worker's thread. */
#include "path/pace.h"

#include "path/path.h"

#define BUDGET 4096u /* that fire in one turn at the most */

void pace_init(struct pace *pace, void (*fire)(struct path *path, struct pace *pace))
{
    timer_init(&pace->timer);
    pace->fire = fire;
}

static void fire(struct timer *timer, void *context)
{
    struct pace *pace = container_of(timer, struct pace, timer);
    pace->fire(context, pace);
}

void pace_arm(struct path *path, struct pace *pace, uint64_t wait_ns)
{
    uint64_t at_ns = add_saturating_u64(path->now_ns, wait_ns);
    if (at_ns == UINT64_MAX) {
        pace_cancel(path, pace);
        return;
    }
    if (path->paces.armed == 0) {
        timer_wheel_turn(&path->paces, path->now_ns >> PACE_TICK_SHIFT, 0, fire, path); /* it has stood still */
    }
    timer_wheel_arm(&path->paces, &pace->timer, (at_ns >> PACE_TICK_SHIFT) + 1);
}

void pace_cancel(struct path *path, struct pace *pace)
{
    timer_wheel_cancel(&path->paces, &pace->timer);
}

void pace_turn(struct path *path)
{
    if (likely(path->paces.armed == 0)) {
        return;
    }
    timer_wheel_turn(&path->paces, path->now_ns >> PACE_TICK_SHIFT, BUDGET, fire, path);
}

int64_t pace_wait_ns(const struct path *path)
{
    if (likely(path->paces.armed == 0)) {
        return -1;
    }
    uint64_t tick = path->now_ns >> PACE_TICK_SHIFT;
    int32_t ticks = timer_wheel_wait_ms(&path->paces, tick);
    if (ticks <= 0) {
        return ticks < 0 ? -1 : 0;
    }
    return (int64_t)(((tick + (uint64_t)ticks) << PACE_TICK_SHIFT) - path->now_ns);
}
