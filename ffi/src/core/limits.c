/* SPDX-License-Identifier: MIT
 * Making limits and putting them in force, on the control thread. */
#include "core/limits.h"

#include <stdlib.h>
#include <string.h>

#include "sys/clock.h"

#define USUAL_PERIOD_NS (2 * NS_PER_MS)   /* how often a waiting session gets what there is: 50 times in 100 ms */
#define MOST_QUANTUM 131072u              /* bytes: a piece of a stream */
#define TOKENS_NS UINT64_C(1000000000000) /* ns for which sluice_bucket.rate is told */

/* How often waiting sessions get what there is: often enough that the bucket does not overflow meanwhile. */
static uint64_t period_ns(const struct token_rate *rate)
{
    if (rate->rate == 0) {
        return USUAL_PERIOD_NS;
    }
    uint64_t half_ns = (uint64_t)((unsigned __int128)rate->burst * TOKENS_NS / rate->rate / 2 & UINT64_MAX);
    half_ns = half_ns < USUAL_PERIOD_NS ? half_ns : USUAL_PERIOD_NS;
    return half_ns > PACE_TICK_NS ? half_ns : PACE_TICK_NS;
}

static void make_bucket(struct tenant_bucket *bucket, const struct sluice_bucket *settings, uint64_t now_ns)
{
    bucket->limited = settings->rate != SLUICE_UNLIMITED64;
    if (!bucket->limited) {
        return;
    }
    token_rate_init(&bucket->rate, settings->rate, settings->burst, now_ns);
    uint64_t in_a_ms = settings->rate / (TOKENS_NS / NS_PER_MS);
    /* What a period gives, in one piece: many small ones cost several times as much, and by turns all get the same. */
    bucket->quantum = 2 * in_a_ms < MOST_QUANTUM ? 2 * in_a_ms : MOST_QUANTUM;
    bucket->quantum = bucket->quantum < settings->burst ? bucket->quantum : settings->burst;
    bucket->quantum = bucket->quantum > 0 ? bucket->quantum : 1;
    bucket->period_ns = period_ns(&bucket->rate);
    bucket->spare = 4 * in_a_ms + 2;
    atomic_init(&bucket->spent, token_full(&bucket->rate, now_ns));
}

static void make_session_bucket(struct tenant_bucket *bucket, const struct sluice_bucket *settings, uint64_t now_ns)
{
    bucket->limited = settings->rate != SLUICE_UNLIMITED64;
    if (bucket->limited) {
        token_rate_init_sessions(&bucket->rate, settings->rate, settings->burst, now_ns);
        atomic_init(&bucket->spent, token_full(&bucket->rate, now_ns));
    }
}

/* Makes a rate of tokens: token_rate_init or token_rate_init_sessions. */
typedef void rate_init(struct token_rate *rate, uint64_t per_1000s, uint64_t burst, uint64_t now_ns);

/* A rate of which each session or source has a bucket of its own. */
static void make_rate(struct source_rate *rate, rate_init *init, const struct sluice_bucket *settings,
                      const struct sluice_bucket *settings_before, const struct source_rate *before, uint64_t now_ns)
{
    if (before != NULL && memcmp(settings, settings_before, sizeof(*settings)) == 0) {
        *rate = *before;
        return;
    }
    rate->generation = before == NULL ? 1 : before->generation + 1;
    rate->limited = settings->rate != SLUICE_UNLIMITED64;
    if (before != NULL) {
        rate->before = before->now;
    }
    if (rate->limited) {
        init(&rate->now, settings->rate, settings->burst, now_ns);
    }
}

bool limits_are(const struct tenant_limits *limits, const struct sluice_limits *settings, bool enabled)
{
    return limits != NULL && limits->enabled == enabled && memcmp(&limits->settings, settings, sizeof(*settings)) == 0;
}

struct tenant_limits *limits_new(const struct sluice_limits *settings, bool enabled, const struct tenant_limits *before)
{
    uint64_t now_ns = clock_now_ns();
    struct tenant_limits *limits = aligned_alloc(CACHE_LINE, sizeof(*limits));
    if (limits == NULL) {
        return NULL;
    }
    memset(limits, 0, sizeof(*limits));
    limits->settings = *settings;
    limits->generation = before == NULL ? 1 : before->generation + 1;
    limits->enabled = enabled;
    limits->dry_run = (settings->flags & SLUICE_LIMITS_DRY_RUN) != 0;
    limits->by_source = limits_by_source(settings);
    make_session_bucket(&limits->session_rate, &settings->session_rate, now_ns);
    const struct sluice_bucket *bytes[2] = {&settings->up, &settings->down};
    const struct sluice_bucket *own[2] = {&settings->session_up, &settings->session_down};
    const struct sluice_limits *old = before == NULL ? settings : &before->settings;
    const struct sluice_bucket *own_before[2] = {&old->session_up, &old->session_down};
    for (unsigned i = 0; i < 2; i++) {
        make_bucket(&limits->bytes[i], bytes[i], now_ns);
        make_rate(&limits->own[i], token_rate_init, own[i], own_before[i], before == NULL ? NULL : &before->own[i],
                  now_ns);
        limits->own_period_ns[i] = limits->own[i].limited ? period_ns(&limits->own[i].now) : USUAL_PERIOD_NS;
        if (!limits->dry_run && (limits->bytes[i].limited || limits->own[i].limited)) {
            limits->metered |= (uint8_t)(1u << i);
        }
    }
    make_rate(&limits->source, token_rate_init_sessions, &settings->source_rate, &old->source_rate,
              before == NULL ? NULL : &before->source, now_ns);
    return limits;
}

void limits_free(struct tenant_limits *limits)
{
    free(limits);
}

static struct tenant_bucket *bucket_of(struct tenant_limits *limits, unsigned number)
{
    return number == 2 ? &limits->session_rate : &limits->bytes[number];
}

void limits_swap(struct limits_change *change)
{
    uint64_t now_ns = clock_now_ns();
    for (unsigned i = 0; change->before != NULL && i < 3; i++) {
        const struct tenant_bucket *from = bucket_of(change->before, i);
        struct tenant_bucket *to = bucket_of(change->after, i);
        if (from->limited && to->limited) {
            change->spent[i] = atomic_load_explicit(&from->spent, memory_order_relaxed);
            uint64_t spent = token_carry(&from->rate, change->spent[i], &to->rate, now_ns);
            atomic_store_explicit(&to->spent, spent, memory_order_relaxed);
        }
    }
    atomic_store_explicit(&change->shared->limits, change->after, memory_order_release);
}

void limits_settle(struct limits_change *change)
{
    uint64_t now_ns = clock_now_ns();
    for (unsigned i = 0; change->before != NULL && i < 3; i++) {
        const struct tenant_bucket *from = bucket_of(change->before, i);
        struct tenant_bucket *to = bucket_of(change->after, i);
        if (from->limited && to->limited) {
            uint64_t spent = atomic_load_explicit(&from->spent, memory_order_relaxed);
            uint64_t taken = token_taken(&from->rate, change->spent[i], spent, now_ns);
            /* A burst at the most: a rate that is far lower now must not pay for a moment of the old one for hours. */
            taken = taken < to->rate.burst ? taken : to->rate.burst;
            atomic_fetch_add_explicit(&to->spent, taken, memory_order_relaxed);
        }
    }
    limits_free(change->before);
    change->before = NULL;
}
