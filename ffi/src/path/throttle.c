/* SPDX-License-Identifier: MIT
 * Giving out bytes. Called on the worker's thread. */
#include "path/throttle.h"

#include "sys/clock.h"

/* Above so many waits at a worker each of them is longer, in proportion: tens of thousands of limited sessions then
 * cost a bounded part of a core, and get larger pieces less often. */
#define CROWD 256u
#define LONGEST_PERIODS 8u

#define FRACTION 256u /* credit and fair shares are in 256ths of a byte: workers divide small amounts */

static struct tenant_shared *shared_of(const struct session *session)
{
    return session->view->tenant->shared;
}

static struct throttle_group *group_of(const struct path *path, const struct session *session, enum session_side which)
{
    return &shared_of(session)->locals[path->worker].groups[which];
}

static struct session *session_of(struct throttle *throttle)
{
    return container_of(throttle - throttle->direction, struct session_meter, throttle[0])->session;
}

static uint64_t at_least(uint64_t value, uint64_t least)
{
    return value < least ? least : value;
}

/* ---- A session's own bucket ---- */

/* Takes up to `most` of a session's own tokens. */
static uint64_t take_own(struct path *path, struct throttle *throttle, const struct source_rate *own, uint64_t most)
{
    if (!own->limited) {
        return most;
    }
    if (throttle->own_generation != own->generation) {
        uint64_t spent = atomic_load_explicit(&throttle->own_spent, memory_order_relaxed);
        bool one_behind = throttle->own_generation != 0 && throttle->own_generation + 1 == own->generation;
        spent = one_behind ? token_carry(&own->before, spent, &own->now, path->now_ns)
                           : token_full(&own->now, path->now_ns);
        atomic_store_explicit(&throttle->own_spent, spent, memory_order_relaxed);
        throttle->own_generation = own->generation;
    }
    return token_take(&own->now, &throttle->own_spent, path->now_ns, 1, most);
}

static void give_own(struct throttle *throttle, const struct source_rate *own, uint64_t tokens)
{
    if (own->limited && tokens > 0 && throttle->own_generation == own->generation) {
        token_give(&throttle->own_spent, tokens);
    }
}

static void give_all(const struct tenant_limits *limits, struct throttle *throttle, struct tenant_bucket *bucket)
{
    if (throttle->grant > 0) {
        give_own(throttle, &limits->own[throttle->direction], throttle->grant);
        if (bucket->limited) {
            token_give(&bucket->spent, throttle->grant);
        }
        throttle->grant = 0;
    }
}

/* ---- Waiting ---- */

static void end_wait(struct path *path, struct throttle *throttle)
{
    struct session *session = session_of(throttle);
    struct tenant_cell *cell = &shared_of(session)->cells[path->worker];
    uint64_t waited_us = (path->now_ns - throttle->since_ns) / NS_PER_US;
    stats_add(throttle->direction == UP ? &cell->throttled_us_up : &cell->throttled_us_down, waited_us);
    session->meter->released_ns = path->now_ns;
}

/* How long waiting sessions wait for their next turn. */
static uint64_t period_ns(const struct path *path, uint64_t usual_ns)
{
    uint64_t periods = 1 + path->paces.armed / CROWD;
    return usual_ns * (periods < LONGEST_PERIODS ? periods : LONGEST_PERIODS);
}

static void arm_group(struct path *path, struct throttle_group *group, const struct tenant_bucket *bucket)
{
    uint64_t wait_ns = token_wait_ns(&bucket->rate, &bucket->spent, path->now_ns, 1);
    pace_arm(path, &group->pace, at_least(wait_ns, period_ns(path, bucket->period_ns)));
}

static void join_group(struct path *path, struct session *session, struct throttle *throttle,
                       struct tenant_bucket *bucket)
{
    struct throttle_group *group = group_of(path, session, throttle->direction);
    if (throttle->state != THROTTLE_SERVED) {
        atomic_fetch_add_explicit(&shared_of(session)->throttled[throttle->direction], 1, memory_order_relaxed);
        group->count++;
    }
    bool fresh = throttle->state != THROTTLE_SERVED && throttle->fair <= group->fair;
    throttle->fair = at_least(throttle->fair, group->fair);
    throttle->state = THROTTLE_GROUP;
    throttle->since_ns = path->now_ns;
    list_append(fresh ? &group->fresh : &group->waiting, &throttle->node);
    if (!timer_armed(&group->pace.timer)) {
        arm_group(path, group, bucket);
    }
}

static void leave_group(struct path *path, struct session *session, struct throttle *throttle)
{
    struct throttle_group *group = group_of(path, session, throttle->direction);
    list_remove(&throttle->node);
    throttle->state = THROTTLE_FREE;
    atomic_fetch_sub_explicit(&shared_of(session)->throttled[throttle->direction], 1, memory_order_relaxed);
    group->count--;
    if (group->count == 0) {
        pace_cancel(path, &group->pace);
    }
}

static void wait_alone(struct path *path, struct session *session, struct throttle *throttle,
                       const struct source_rate *own, uint64_t period)
{
    struct throttle_group *group = group_of(path, session, throttle->direction);
    uint64_t wait_ns = token_wait_ns(&own->now, &throttle->own_spent, path->now_ns, 1);
    throttle->state = THROTTLE_OWN;
    throttle->since_ns = path->now_ns;
    list_append(&group->alone, &throttle->node);
    pace_arm(path, &throttle->pace, at_least(wait_ns, period_ns(path, period)));
}

static void end_alone(struct path *path, struct throttle *throttle)
{
    pace_cancel(path, &throttle->pace);
    list_remove(&throttle->node);
    throttle->state = THROTTLE_FREE;
    end_wait(path, throttle);
}

/* A session's own bucket has tokens again. */
static void fire_alone(struct path *path, struct pace *pace)
{
    struct throttle *throttle = container_of(pace, struct throttle, pace);
    end_alone(path, throttle);
    session_resume(path, session_of(throttle));
}

/* ---- Asking ---- */

uint64_t throttle_ask_limited(struct path *path, struct session *session, enum session_side which, uint64_t most,
                              bool may_wait)
{
    struct tenant_limits *limits = tenant_limits(shared_of(session));
    struct session_meter *meter = meter_of(path, session);
    if (meter == NULL) {
        if (may_wait) {
            struct session_end end = {.reason = SLUICE_REASON_MEMORY, .phase = session_phase(session)};
            session_close(path, session, end);
        }
        return 0;
    }
    struct throttle *throttle = &meter->throttle[which];
    struct tenant_bucket *bucket = &limits->bytes[which];
    const struct source_rate *own = &limits->own[which];
    if (throttle->grant > 0 || throttle->state == THROTTLE_OWN || throttle->state == THROTTLE_GROUP) {
        return throttle->grant;
    }
    if (throttle->state == THROTTLE_SERVED && bucket->limited) {
        join_group(path, session, throttle, bucket);
        return 0;
    }
    if (throttle->state == THROTTLE_SERVED) {
        leave_group(path, session, throttle); /* that limit is gone */
    }
    uint64_t tokens = take_own(path, throttle, own, most);
    if (tokens == 0) {
        if (may_wait) {
            wait_alone(path, session, throttle, own, limits->own_period_ns[which]);
        }
        return 0;
    }
    if (bucket->limited) {
        /* Others wait: nobody overtakes them. */
        bool others = atomic_load_explicit(&shared_of(session)->throttled[which], memory_order_relaxed) > 0;
        uint64_t got = others ? 0 : token_take(&bucket->rate, &bucket->spent, path->now_ns, 1, tokens);
        give_own(throttle, own, tokens - got);
        tokens = got;
        if (got == 0 && may_wait) {
            join_group(path, session, throttle, bucket);
        }
    }
    throttle->grant = tokens;
    return tokens;
}

void throttle_settle(struct path *path, struct session *session, enum session_side which)
{
    struct throttle *throttle = &session->meter->throttle[which];
    struct tenant_limits *limits = tenant_limits(shared_of(session));
    give_all(limits, throttle, &limits->bytes[which]);
    if (throttle->state == THROTTLE_SERVED) {
        leave_group(path, session, throttle);
    }
}

/* ---- Serving ---- */

/* Bytes that the waiting sessions of this worker may have now: all that is there if nobody waits elsewhere, else this
 * worker's part of what came since it last looked. */
static uint64_t allowance(struct path *path, struct throttle_group *group, const struct tenant_limits *limits,
                          const struct tenant_bucket *bucket, uint32_t everywhere)
{
    uint64_t clock = token_clock(&bucket->rate, path->now_ns);
    uint64_t level = token_level(&bucket->rate, &bucket->spent, path->now_ns);
    if (group->generation != limits->generation) {
        group->generation = limits->generation;
        group->clock = clock;
        group->credit = 0;
    }
    int64_t came = (int64_t)(clock - group->clock);
    group->clock = came > 0 ? clock : group->clock;
    if (group->count >= everywhere) {
        group->credit = 0;
        return level;
    }
    uint64_t fresh = came > 0 ? (uint64_t)came : 0;
    fresh = fresh < bucket->rate.burst ? fresh : bucket->rate.burst;
    if (level > bucket->spare) {
        fresh += level - bucket->spare; /* of sessions that waited and went */
    }
    unsigned __int128 part = (unsigned __int128)fresh * group->count * FRACTION / everywhere;
    unsigned __int128 credit = part + group->credit;
    unsigned __int128 most = (unsigned __int128)level * FRACTION;
    group->credit = (uint64_t)(credit < most ? credit : most);
    return group->credit / FRACTION;
}

/* Whose turn it is: one of `fresh`, and then one of `waiting` where there is one, so that newcomers without end do not
 * starve streams. */
static struct throttle *next_in_turn(const struct throttle_group *group)
{
    bool waits = !list_empty(&group->waiting);
    bool fresh = !list_empty(&group->fresh) && !(waits && group->fresh_waits);
    const struct list *list = fresh ? &group->fresh : &group->waiting;
    return list_empty(list) ? NULL : container_of(list->next, struct throttle, node);
}

/* Gives one waiting direction up to `most` and lets it read. Returns what it was given; *dry says that the tenant's
 * bucket is empty. */
static uint64_t serve_one(struct path *path, struct throttle *throttle, const struct tenant_limits *limits,
                          struct tenant_bucket *bucket, uint64_t most, bool *dry)
{
    struct session *session = session_of(throttle);
    const struct source_rate *own = &limits->own[throttle->direction];
    uint64_t tokens = take_own(path, throttle, own, most);
    if (tokens == 0) {
        end_wait(path, throttle);
        leave_group(path, session, throttle);
        wait_alone(path, session, throttle, own, limits->own_period_ns[throttle->direction]);
        return 0;
    }
    uint64_t got = token_take(&bucket->rate, &bucket->spent, path->now_ns, 1, tokens);
    give_own(throttle, own, tokens - got);
    *dry = got == 0;
    if (got == 0) {
        return 0;
    }
    list_remove(&throttle->node);
    throttle->state = THROTTLE_SERVED;
    throttle->grant = got;
    throttle->fair += got * FRACTION;
    end_wait(path, throttle);
    session_resume(path, session);
    return got;
}

/* The limit is gone: everybody goes on. */
static void release_group(struct path *path, struct throttle_group *group)
{
    for (struct throttle *throttle; (throttle = next_in_turn(group)) != NULL;) {
        struct session *session = session_of(throttle);
        end_wait(path, throttle);
        leave_group(path, session, throttle);
        session_resume(path, session);
    }
}

static void serve_waiting(struct path *path, struct throttle_group *group, struct tenant_shared *shared,
                          uint32_t direction)
{
    struct tenant_limits *limits = tenant_limits(shared);
    struct tenant_bucket *bucket = &limits->bytes[direction];
    if ((limits->metered & 1u << direction) == 0 || !bucket->limited) {
        release_group(path, group);
        return;
    }
    uint32_t turns = group->count;
    uint32_t everywhere = atomic_load_explicit(&shared->throttled[direction], memory_order_relaxed);
    uint64_t left = allowance(path, group, limits, bucket, everywhere);
    uint64_t share = at_least(left / turns, bucket->quantum);
    uint64_t given = 0;
    bool dry = false;
    /* A piece that is far smaller than a turn's waits for more. */
    for (uint32_t i = 0; i < turns && left > bucket->quantum / 2 && !dry; i++) {
        struct throttle *throttle = next_in_turn(group);
        if (throttle == NULL) {
            break;
        }
        group->fresh_waits = &throttle->node == group->fresh.next;
        uint64_t got = serve_one(path, throttle, limits, bucket, share < left ? share : left, &dry);
        left -= got;
        given += got;
    }
    uint64_t spent = given * FRACTION;
    group->credit -= spent < group->credit ? spent : group->credit;
    group->fair += spent / turns;
    if (group->count > 0) {
        arm_group(path, group, bucket);
    }
}

static void serve_group(struct path *path, struct pace *pace)
{
    struct throttle_group *group = container_of(pace, struct throttle_group, pace);
    struct throttle *first = next_in_turn(group);
    if (first == NULL) {
        return; /* who is of the group uses what it got, and says when it wants more */
    }
    /* Sessions may end in this; the group must not, with the last of them. */
    struct tenant *version = session_of(first)->view->tenant;
    tenant_pin(version);
    serve_waiting(path, group, version->shared, first->direction);
    tenant_unpin(version);
}

/* ---- The rest ---- */

void throttle_init(struct throttle *throttle, enum session_side direction)
{
    list_init(&throttle->node);
    pace_init(&throttle->pace, fire_alone);
    throttle->direction = (uint8_t)direction;
}

void throttle_group_init(struct throttle_group *group)
{
    list_init(&group->fresh);
    list_init(&group->waiting);
    list_init(&group->alone);
    pace_init(&group->pace, serve_group);
}

void throttle_drop(struct path *path, struct session *session)
{
    if (session->meter == NULL) {
        return;
    }
    for (enum session_side which = UP; which <= DOWN; which++) {
        struct throttle *throttle = &session->meter->throttle[which];
        struct tenant_limits *limits = tenant_limits(shared_of(session));
        give_all(limits, throttle, &limits->bytes[which]);
        if (throttle->state == THROTTLE_OWN) {
            end_alone(path, throttle);
        } else if (throttle->state != THROTTLE_FREE) {
            if (throttle->state == THROTTLE_GROUP) {
                end_wait(path, throttle);
            }
            leave_group(path, session, throttle);
        }
    }
}

bool throttle_holds(const struct session *session)
{
    const struct session_meter *meter = session->meter;
    if (likely(meter == NULL)) {
        return false;
    }
    for (enum session_side which = UP; which <= DOWN; which++) {
        uint8_t state = meter->throttle[which].state;
        if (state == THROTTLE_OWN || state == THROTTLE_GROUP) {
            return true;
        }
    }
    return false;
}

void throttle_refresh(struct path *path, struct tenant_local *local)
{
    for (enum session_side which = UP; which <= DOWN; which++) {
        struct throttle_group *group = &local->groups[which];
        if (group->count > 0) {
            pace_arm(path, &group->pace, 0);
        }
        for (struct list *node = group->alone.next; node != &group->alone; node = node->next) {
            pace_arm(path, &container_of(node, struct throttle, node)->pace, 0);
        }
    }
}
