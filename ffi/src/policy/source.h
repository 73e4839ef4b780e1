/* SPDX-License-Identifier: MIT
 *
 * One source: what a tenant's limits for each client count. It lives in a source table (policy/source_table.h), whose
 * source_table_enter pins it. All here is for a source that the caller has pinned; any worker may call it at any time,
 * it takes no lock, and what it counts is exact over all workers. Time is an argument.
 *
 * The tokens of a source are in units of one generation of its tenant's rate. Whoever first comes with a newer one
 * converts them: it computes a second account from the first, then says that the second counts. A worker that was just
 * taking from the first still may; nobody reads that account again. Who still has an older rate than the source, such
 * as a session that began to wait under it, is held against the time at which the bucket will be full.
 *
 * Contract: every worker has begun to use a generation before any uses the next, so that an account is not made anew
 * under one who is still taking from it.
 */
#ifndef SLUICE_POLICY_SOURCE_H
#define SLUICE_POLICY_SOURCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/limit.h"
#include "policy/source_key.h"
#include "policy/token_bucket.h"
#include "sys/util.h"

/* A tenant's rate of new sessions for each of its sources. A new one is made, with a generation more, when it changes;
 * the sources need not be told. */
struct source_rate {
    struct token_rate now;    /* of sources: made by token_rate_init_sessions */
    struct token_rate before; /* of generation - 1; not looked at when generation is 1 */
    uint32_t generation;      /* of `now`: 1 to SOURCE_MAX_GENERATION */
    bool limited;             /* false: there is no such limit, and the rest is not looked at */
};

#define SOURCE_MAX_GENERATION ((UINT32_C(1) << 31) - 2)

struct source {
    _Alignas(CACHE_LINE) _Atomic uint64_t key[SOURCE_KEY_WORDS]; /* packed; written by its table only */
    _Atomic uint32_t pins;     /* who holds it; rises under the lock of its bucket; release, read with acquire */
    _Atomic uint32_t sessions; /* live ones; relaxed */
    _Atomic uint32_t waiting;  /* sessions that wait for it, counted by the queue; relaxed */
    _Atomic uint32_t epoch;    /* of its tokens, see source.c; release and acquire */
    _Atomic uint64_t spent[2]; /* of its token bucket; one of them counts; relaxed */
    _Atomic uint64_t full_ns;  /* when the bucket is full again and tells nothing any more, or later; relaxed */
};
_Static_assert(sizeof(struct source) == CACHE_LINE, "a source is a cache line");

/* Unpins. The caller has given back its session and waits no more. */
static inline void source_leave(struct source *source)
{
    atomic_fetch_sub_explicit(&source->pins, 1,
                              memory_order_release); /* pairs with the table's look for unpinned ones */
}

/* Takes one of the source's sessions; false, and nothing taken, when it has `cap`. UINT32_MAX is no cap. */
static inline bool source_take(struct source *source, uint32_t cap)
{
    return limit_take(&source->sessions, cap);
}

static inline void source_give(struct source *source)
{
    limit_give(&source->sessions);
}

/* Takes the tokens of one new session; false when there is none. True, and nothing taken, where nothing is limited. */
bool source_take_token(struct source *source, const struct source_rate *rate, uint64_t now_ns);

/* Gives them back, with the rate by which they were taken: the session has not come about. */
void source_give_token(struct source *source, const struct source_rate *rate);

/* Nanoseconds until those of a session are there if nobody takes any; 0: they are; TOKEN_NEVER. */
uint64_t source_wait_ns(struct source *source, const struct source_rate *rate, uint64_t now_ns);

#endif
