/* SPDX-License-Identifier: MIT
 *
 * Token buckets that are exact over all workers: behind limits on bandwidth and on the rate of sessions. Pure; the time
 * is an argument.
 *
 * What the rate has given since base_ns, in whole tokens, is the clock of a bucket. The bucket itself is one atomic
 * number, `spent`: a value of that clock. Its level is the clock minus `spent`, at most `burst` and at least 0. Time
 * moves the clock and a take moves `spent`, so nothing has to run for a bucket to fill, and full is only a level.
 *
 * `spent` guards nothing but itself: relaxed order is enough. Its owner sets it with token_full or token_carry; any
 * thread takes, gives and looks.
 *
 * Exactness: clock = floor(elapsed_ns * k / 2^64), where k is rate / 10^12 * 2^64 rounded down. The clock is therefore
 * never ahead of the rate, and behind it by less than elapsed_ns / 2^64 before the last rounding: below one token for
 * as long as 64 bits count nanoseconds, 584 years. In any span of time a bucket gives less than one token more than
 * burst + rate * span; that fraction is there because the clock shows whole tokens.
 *
 * Workers keep the time for a turn, so one may bring a `now_ns` before that of another, or before base_ns: it finds
 * less in the bucket, or nothing, and what it takes is taken from the same account.
 *
 * Differences are signed, modulo 2^64. A bucket that nobody takes from may stand for 2^63 tokens, then looks empty: 2.9
 * years at 100 GB a second, 292 years at 1 GB a second. A take, or token_carry, begins that time anew.
 */
#ifndef SLUICE_POLICY_TOKEN_BUCKET_H
#define SLUICE_POLICY_TOKEN_BUCKET_H

#include <stdatomic.h>
#include <stdint.h>

#define TOKEN_MAX_RATE UINT64_C(100000000000000) /* tokens in 1000 seconds: 100 GB a second */
#define TOKEN_MAX_BURST (UINT64_C(1) << 60)
#define TOKEN_NEVER UINT64_MAX /* as a wait */

/* What a session costs of a bucket of sessions. Were it one, the next session after a full bucket might come just after
 * the last of the burst, whatever the rate: with the clock's next whole token. So that comes early by a part of one in
 * 1024 at the most. */
#define TOKENS_A_SESSION UINT64_C(1024)

/* How fast a bucket fills and how much it holds. Never changes once made; several buckets may use one. */
struct token_rate {
    uint64_t rate;            /* tokens in 1000 seconds; 0: never any */
    uint64_t burst;           /* tokens that a bucket holds; 0, also where the rate is 0: never any */
    uint64_t base_ns;         /* monotonic time at which the clock stood at 0 */
    uint64_t whole_per_ns;    /* tokens in a nanosecond, the whole ones */
    uint64_t fraction_per_ns; /* and the fraction, in 2^-64 of a token, rounded down */
};

/* At most TOKEN_MAX_RATE and TOKEN_MAX_BURST, which the caller has checked. */
void token_rate_init(struct token_rate *rate, uint64_t tokens_per_1000s, uint64_t burst, uint64_t now_ns);

/* The rate of a bucket of sessions, of which each takes TOKENS_A_SESSION. At most 2^50 of them as the burst; a rate
 * above TOKEN_MAX_RATE, some 10^8 sessions a second, counts as that: nobody accepts so many. */
void token_rate_init_sessions(struct token_rate *rate, uint64_t sessions_per_1000s, uint64_t burst, uint64_t now_ns);

/* Tokens that the rate gave since base_ns, modulo 2^64; 0 before it. */
uint64_t token_clock(const struct token_rate *rate, uint64_t now_ns);

/* The `spent` of a bucket that is full now. */
uint64_t token_full(const struct token_rate *rate, uint64_t now_ns);

/* Tokens that are there now. */
uint64_t token_level(const struct token_rate *rate, const _Atomic uint64_t *spent, uint64_t now_ns);

/* Takes what is there, but no more than `most`, and nothing where that is less than `least`. Returns what it took. */
uint64_t token_take(const struct token_rate *rate, _Atomic uint64_t *spent, uint64_t now_ns, uint64_t least,
                    uint64_t most);

/* Gives back tokens that were taken and not used. What is then above the burst is lost, as if it had never been taken.
 * Others may take what is given on top of what the rate gives, so it should not be kept for long. */
void token_give(_Atomic uint64_t *spent, uint64_t tokens);

/* Nanoseconds until so many tokens are there if nobody takes any: at now_ns plus that, and no earlier, a take of
 * `tokens` succeeds. 0: they are there. TOKEN_NEVER: more than the burst, or not before the nanoseconds run out. */
uint64_t token_wait_ns(const struct token_rate *rate, const _Atomic uint64_t *spent, uint64_t now_ns, uint64_t tokens);

/* The `spent` with which a bucket has under `to` the level that it has under `from`, or the burst of `to` where that is
 * less. A debt is kept too: `spent` ahead of the clock. A `now_ns` behind that of the last take counts as a debt, at
 * the rate of `from`, so it has to be fresh. */
uint64_t token_carry(const struct token_rate *from, uint64_t from_spent, const struct token_rate *to, uint64_t now_ns);

/* Tokens taken, less those given back, between two looks at `spent` under one rate: what a bucket that was carried over
 * at the first look owes for takes that still came in under the old rate. With now_ns the time of the first look it is
 * never too little, and exact unless a take found the bucket full after that; then it counts in what overflowed
 * meanwhile, at most what the rate gave between the looks. With the time of the second look it is never too much. */
uint64_t token_taken(const struct token_rate *rate, uint64_t spent_before, uint64_t spent_after, uint64_t now_ns);

#endif
