/* SPDX-License-Identifier: MIT
 * Passive ejection. Called by workers. */
#include "policy/outlier.h"

#include "sys/util.h"

#define PPM UINT64_C(1000000)
#define LONGEST 10u         /* times eject_ns */
#define EJECTIONS_MAX 1000u /* where the count stays, so that it can be forgotten in time */
#define DOUBLINGS_MAX 4u    /* 2^4 is beyond LONGEST */

enum outlier_event outlier_look(struct outlier *outlier, uint64_t now_ns)
{
    uint64_t end_ns = atomic_load_explicit(&outlier->untold_ns, memory_order_relaxed);
    if (likely(end_ns == 0) || end_ns > now_ns) {
        return OUTLIER_NONE;
    }
    bool is_first = atomic_compare_exchange_strong_explicit(&outlier->untold_ns, &end_ns, 0, memory_order_relaxed,
                                                            memory_order_relaxed);
    return is_first ? OUTLIER_ENDED : OUTLIER_NONE;
}

/* Whether one more may be ejected. */
static bool has_room(const struct outlier_settings *settings, const struct balance_pool *pool, uint64_t now_ns)
{
    uint32_t ejected = 0;
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct balance_member *member = &pool->members[i];
        ejected += balance_is_offered(member) && balance_is_ejected(member->signals, now_ns);
    }
    uint64_t most = (uint64_t)pool->offered_count * settings->max_ejected_ppm / PPM;
    if (most == 0 && settings->max_ejected_ppm != 0) {
        most = 1;
    }
    return pool->offered_count > 1 && ejected < most;
}

/* Ejections before this one that still count. */
static uint32_t remembered(const struct outlier_settings *settings, const struct outlier *outlier,
                           const struct balance_signals *signals, uint64_t now_ns)
{
    uint32_t ejections = atomic_load_explicit(&outlier->ejections, memory_order_relaxed);
    uint64_t ended_ns = atomic_load_explicit(&signals->ejected_until_ns, memory_order_relaxed);
    uint64_t each_ns = settings->eject_ns > settings->window_ns ? settings->eject_ns : settings->window_ns;
    uint64_t good_ns = now_ns > ended_ns ? now_ns - ended_ns : 0;
    uint64_t forgotten = each_ns == 0 ? ejections : good_ns / each_ns;
    return forgotten < ejections ? ejections - (uint32_t)forgotten : 0;
}

/* Inside of the claim. */
static void eject(const struct outlier_settings *settings, struct outlier *outlier, struct balance_signals *signals,
                  uint64_t now_ns)
{
    uint32_t before = remembered(settings, outlier, signals, now_ns);
    uint64_t times = before < DOUBLINGS_MAX ? UINT64_C(1) << before : LONGEST;
    uint64_t until_ns = add_saturating_u64(now_ns, mul_saturating_u64(settings->eject_ns, times));
    uint32_t ejections = before < EJECTIONS_MAX ? before + 1 : before;
    atomic_store_explicit(&outlier->ejections, ejections, memory_order_relaxed);
    atomic_store_explicit(&signals->ejected_until_ns, until_ns, memory_order_relaxed);
    window_clear(&outlier->failures);
    atomic_store_explicit(&outlier->untold_ns, until_ns, memory_order_relaxed);
}

static bool is_due(const struct outlier_settings *settings, const struct outlier *outlier, uint64_t now_ns)
{
    return window_sum(&outlier->failures, settings->window_ns, now_ns) >= settings->failures;
}

enum outlier_event outlier_failed(const struct outlier_settings *settings, struct outlier_backend *backend,
                                  const struct balance_pool *pool, uint32_t index, struct outlier *outlier,
                                  uint64_t now_ns)
{
    const struct balance_member *member = &pool->members[index];
    struct balance_signals *signals = member->signals;
    if (balance_is_ejected(signals, now_ns)) {
        return OUTLIER_NONE;
    }
    enum outlier_event event = outlier_look(outlier, now_ns);
    if (settings->failures == 0 || !balance_is_offered(member)) {
        return event;
    }
    window_add(&outlier->failures, settings->window_ns, now_ns);
    /* Of two events only one can be told: then the ejection is left to the next failure. */
    if (event != OUTLIER_NONE || !is_due(settings, outlier, now_ns)) {
        return event;
    }
    uint32_t unclaimed = 0;
    if (!atomic_compare_exchange_strong_explicit(&backend->claim, &unclaimed, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        return OUTLIER_NONE;
    }
    /* Another worker may have been first with the same endpoint. */
    if (!balance_is_ejected(signals, now_ns) && is_due(settings, outlier, now_ns) && has_room(settings, pool, now_ns)) {
        eject(settings, outlier, signals, now_ns);
        event = OUTLIER_EJECTED;
    }
    atomic_store_explicit(&backend->claim, 0, memory_order_release); /* what was ejected is seen by the next */
    return event;
}

enum outlier_event outlier_reset(struct outlier *outlier, struct balance_signals *signals)
{
    if (atomic_load_explicit(&signals->ejected_until_ns, memory_order_relaxed) == 0) {
        return OUTLIER_NONE; /* never was, as with almost all */
    }
    atomic_store_explicit(&outlier->ejections, 0, memory_order_relaxed);
    atomic_store_explicit(&signals->ejected_until_ns, 0, memory_order_relaxed);
    uint64_t untold_ns = atomic_exchange_explicit(&outlier->untold_ns, 0, memory_order_relaxed);
    return untold_ns == 0 ? OUTLIER_NONE : OUTLIER_ENDED;
}

uint64_t outlier_wait_ns(const struct balance_pool *pool, uint64_t now_ns)
{
    uint64_t wait_ns = UINT64_MAX;
    for (uint32_t i = 0; i < pool->member_count; i++) {
        const _Atomic uint64_t *until = &pool->members[i].signals->ejected_until_ns;
        uint64_t until_ns = atomic_load_explicit(until, memory_order_relaxed);
        if (until_ns > now_ns && until_ns - now_ns < wait_ns) {
            wait_ns = until_ns - now_ns;
        }
    }
    return wait_ns;
}
