/* SPDX-License-Identifier: MIT
 * The tokens of a source. Called by workers.
 *
 * An epoch is the generation that the tokens are of, and which account counts, in the lowest bit. 0: it has no tokens
 * yet, its bucket is full. */
#include "policy/source.h"

#include "sys/spin.h"

/* As an epoch: a worker is making the next account, some dozens of instructions long. */
#define CONVERTING UINT32_MAX

static inline uint32_t generation_of(uint32_t epoch)
{
    return epoch >> 1;
}

static inline _Atomic uint64_t *account_of(struct source *source, uint32_t epoch)
{
    return &source->spent[epoch & 1];
}

/* The epoch, once nobody is converting. */
static uint32_t settled(const struct source *source)
{
    uint32_t pauses = 0;
    uint32_t epoch;
    /* Acquire: with the epoch comes the account that it names. */
    while ((epoch = atomic_load_explicit(&source->epoch, memory_order_acquire)) == CONVERTING) {
        spin_pause(&pauses);
    }
    return epoch;
}

/* When a bucket will be full, if nobody takes any more. */
static uint64_t time_of_full(const struct token_rate *rate, const _Atomic uint64_t *spent, uint64_t now_ns)
{
    return add_saturating_u64(now_ns, token_wait_ns(rate, spent, now_ns, rate->burst));
}

/* The epoch that follows, with its account made. Tokens are carried over one change; over more than one, nobody has
 * come meanwhile, and the bucket is full. */
static uint32_t convert(struct source *source, uint32_t epoch, const struct source_rate *rate, uint64_t now_ns)
{
    uint64_t spent = token_full(&rate->now, now_ns);
    if (epoch != 0 && generation_of(epoch) + 1 == rate->generation) {
        uint64_t before = atomic_load_explicit(account_of(source, epoch), memory_order_relaxed);
        spent = token_carry(&rate->before, before, &rate->now, now_ns);
    }
    uint32_t next = rate->generation << 1 | ((epoch & 1) ^ 1);
    _Atomic uint64_t *account = account_of(source, next);
    atomic_store_explicit(account, spent, memory_order_relaxed);
    atomic_store_explicit(&source->full_ns, time_of_full(&rate->now, account, now_ns), memory_order_relaxed);
    return next;
}

/* The epoch of the source, brought up to the rate's generation if it is older. */
static uint32_t epoch_for(struct source *source, const struct source_rate *rate, uint64_t now_ns)
{
    SLUICE_ASSERT(rate->generation >= 1 && rate->generation <= SOURCE_MAX_GENERATION);
    for (;;) {
        uint32_t epoch = settled(source);
        if (likely(generation_of(epoch) >= rate->generation)) {
            return epoch;
        }
        if (atomic_compare_exchange_strong_explicit(&source->epoch, &epoch, CONVERTING, memory_order_acquire,
                                                    memory_order_relaxed)) {
            uint32_t next = convert(source, epoch, rate, now_ns);
            atomic_store_explicit(&source->epoch, next, memory_order_release);
            return next;
        }
    }
}

/* For a rate older than the source's: the `spent` of a bucket under it that is full at the same time. */
static uint64_t spent_by_time(const struct source *source, const struct source_rate *rate)
{
    return token_full(&rate->now, atomic_load_explicit(&source->full_ns, memory_order_relaxed));
}

/* After a take. A later time stands: that of another worker's take, or, for a moment, one of the rate before. */
static void raise_full(struct source *source, const struct source_rate *rate, const _Atomic uint64_t *spent,
                       uint64_t now_ns)
{
    uint64_t full_ns = time_of_full(&rate->now, spent, now_ns);
    uint64_t seen = atomic_load_explicit(&source->full_ns, memory_order_relaxed);
    while (seen < full_ns && !atomic_compare_exchange_weak_explicit(&source->full_ns, &seen, full_ns,
                                                                    memory_order_relaxed, memory_order_relaxed)) {
    }
}

bool source_take_token(struct source *source, const struct source_rate *rate, uint64_t now_ns)
{
    if (!rate->limited) {
        return true;
    }
    uint32_t epoch = epoch_for(source, rate, now_ns);
    _Atomic uint64_t *account = account_of(source, epoch);
    if (likely(generation_of(epoch) == rate->generation)) {
        if (token_take(&rate->now, account, now_ns, TOKENS_A_SESSION, TOKENS_A_SESSION) == 0) {
            return false;
        }
        raise_full(source, rate, account, now_ns);
        return true;
    }
    _Atomic uint64_t spent = spent_by_time(source, rate);
    if (token_take(&rate->now, &spent, now_ns, TOKENS_A_SESSION, TOKENS_A_SESSION) == 0) {
        return false;
    }
    /* A session costs the same under any rate. */
    atomic_fetch_add_explicit(account, TOKENS_A_SESSION, memory_order_relaxed);
    raise_full(source, rate, &spent, now_ns);
    return true;
}

void source_give_token(struct source *source, const struct source_rate *rate)
{
    if (rate->limited) {
        token_give(account_of(source, settled(source)), TOKENS_A_SESSION);
    }
}

uint64_t source_wait_ns(struct source *source, const struct source_rate *rate, uint64_t now_ns)
{
    if (!rate->limited) {
        return 0;
    }
    uint32_t epoch = epoch_for(source, rate, now_ns);
    if (likely(generation_of(epoch) == rate->generation)) {
        return token_wait_ns(&rate->now, account_of(source, epoch), now_ns, TOKENS_A_SESSION);
    }
    _Atomic uint64_t spent = spent_by_time(source, rate);
    return token_wait_ns(&rate->now, &spent, now_ns, TOKENS_A_SESSION);
}
