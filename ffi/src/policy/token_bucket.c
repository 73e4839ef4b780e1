/* SPDX-License-Identifier: MIT
 * Token buckets. Called by workers for what they read and accept; by the control thread when a limit changes. */
#include "policy/token_bucket.h"

#include "sys/util.h"

/* A rate is given in tokens per so many nanoseconds: 1000 seconds. */
#define RATE_SPAN_NS UINT64_C(1000000000000)

void token_rate_init(struct token_rate *rate, uint64_t tokens_per_1000s, uint64_t burst, uint64_t now_ns)
{
    SLUICE_ASSERT(tokens_per_1000s <= TOKEN_MAX_RATE && burst <= TOKEN_MAX_BURST);
    unsigned __int128 rest = tokens_per_1000s % RATE_SPAN_NS;
    *rate = (struct token_rate){
        .rate = tokens_per_1000s,
        .burst = tokens_per_1000s == 0 ? 0 : burst,
        .base_ns = now_ns,
        .whole_per_ns = tokens_per_1000s / RATE_SPAN_NS,
        .fraction_per_ns = (uint64_t)((rest << 64) / RATE_SPAN_NS),
    };
}

void token_rate_init_sessions(struct token_rate *rate, uint64_t sessions_per_1000s, uint64_t burst, uint64_t now_ns)
{
    uint64_t tokens = mul_saturating_u64(sessions_per_1000s, TOKENS_A_SESSION);
    tokens = tokens < TOKEN_MAX_RATE ? tokens : TOKEN_MAX_RATE;
    token_rate_init(rate, tokens, mul_saturating_u64(burst, TOKENS_A_SESSION), now_ns);
}

/* A time before the base counts as the base: unsigned, it would be centuries after it. */
static uint64_t elapsed_ns(const struct token_rate *rate, uint64_t now_ns)
{
    return now_ns > rate->base_ns ? now_ns - rate->base_ns : 0;
}

uint64_t token_clock(const struct token_rate *rate, uint64_t now_ns)
{
    uint64_t elapsed = elapsed_ns(rate, now_ns);
    unsigned __int128 fractions = (unsigned __int128)elapsed * rate->fraction_per_ns;
    return elapsed * rate->whole_per_ns + (uint64_t)(fractions >> 64);
}

uint64_t token_full(const struct token_rate *rate, uint64_t now_ns)
{
    return token_clock(rate, now_ns) - rate->burst;
}

/* Tokens in the bucket; below 0 it has a debt, or `clock` is behind that of the last take. */
static int64_t credit(const struct token_rate *rate, uint64_t clock, uint64_t spent)
{
    int64_t unspent = (int64_t)(clock - spent);
    int64_t burst = (int64_t)rate->burst;
    return unspent < burst ? unspent : burst;
}

static uint64_t credit_or_none(const struct token_rate *rate, uint64_t clock, uint64_t spent)
{
    int64_t tokens = credit(rate, clock, spent);
    return tokens > 0 ? (uint64_t)tokens : 0;
}

uint64_t token_level(const struct token_rate *rate, const _Atomic uint64_t *spent, uint64_t now_ns)
{
    return credit_or_none(rate, token_clock(rate, now_ns), atomic_load_explicit(spent, memory_order_relaxed));
}

uint64_t token_take(const struct token_rate *rate, _Atomic uint64_t *spent, uint64_t now_ns, uint64_t least,
                    uint64_t most)
{
    uint64_t clock = token_clock(rate, now_ns);
    uint64_t seen = atomic_load_explicit(spent, memory_order_relaxed);
    uint64_t taken;
    uint64_t after;
    do {
        uint64_t level = credit_or_none(rate, clock, seen);
        taken = level < most ? level : most;
        if (taken < least || taken == 0) {
            return 0;
        }
        after = clock - (level - taken); /* not seen + taken: what was above the burst is lost */
    } while (!atomic_compare_exchange_weak_explicit(spent, &seen, after, memory_order_relaxed, memory_order_relaxed));
    return taken;
}

void token_give(_Atomic uint64_t *spent, uint64_t tokens)
{
    atomic_fetch_sub_explicit(spent, tokens, memory_order_relaxed);
}

uint64_t token_wait_ns(const struct token_rate *rate, const _Atomic uint64_t *spent, uint64_t now_ns, uint64_t tokens)
{
    if (tokens > rate->burst) {
        return TOKEN_NEVER;
    }
    uint64_t seen = atomic_load_explicit(spent, memory_order_relaxed);
    int64_t there = credit(rate, token_clock(rate, now_ns), seen);
    if (tokens == 0 || there >= (int64_t)tokens) {
        return 0;
    }
    /* All in 2^-64 of a token. Missing are tokens, less the fraction that the clock has and does not show. */
    uint64_t hidden = elapsed_ns(rate, now_ns) * rate->fraction_per_ns;
    unsigned __int128 missing = ((unsigned __int128)(tokens - (uint64_t)there) << 64) - hidden;
    unsigned __int128 per_ns = (unsigned __int128)rate->whole_per_ns << 64 | rate->fraction_per_ns;
    unsigned __int128 wait_ns = (missing + per_ns - 1) / per_ns;
    if (now_ns < rate->base_ns) {
        wait_ns += rate->base_ns - now_ns;
    }
    return wait_ns < UINT64_MAX - now_ns ? (uint64_t)wait_ns : TOKEN_NEVER;
}

uint64_t token_carry(const struct token_rate *from, uint64_t from_spent, const struct token_rate *to, uint64_t now_ns)
{
    int64_t level = credit(from, token_clock(from, now_ns), from_spent);
    int64_t most = (int64_t)to->burst;
    return token_clock(to, now_ns) - (uint64_t)(level < most ? level : most);
}

uint64_t token_taken(const struct token_rate *rate, uint64_t spent_before, uint64_t spent_after, uint64_t now_ns)
{
    uint64_t full = token_full(rate, now_ns);
    uint64_t from = (int64_t)(full - spent_before) > 0 ? full : spent_before;
    int64_t taken = (int64_t)(spent_after - from);
    return taken > 0 ? (uint64_t)taken : 0;
}
