/* SPDX-License-Identifier: MIT
 *
 * Choice of an endpoint among the members of a backend. Pure: what changes is in the endpoints' signals and in a few
 * counters, which all workers share, so that a choice is exact for the process and not for each worker.
 *
 * Who takes part. A member is *offered* when its operator lets it have sessions: it is ready, and neither its weight
 * nor its cap is 0. Of those, it is *open* when it is not down, not ejected, and this session has not tried it. It has
 * a *place* when it is open and below its cap.
 *
 * Tiers. A session goes to the first tier in which a member is open. As with backup servers of HAProxy, a full one is
 * not down: while tier 0 has open members that are all full, there is no place, and tier 1 stays unused. For a session
 * that has tried all of tier 0, none is left there, so its further attempts go to tier 1.
 *
 * Panic. When fewer than panic_ppm of the offered members, all tiers together, are neither down nor ejected, what is
 * known of health is not believed: every offered member that was not tried is open. So sessions are back at tier 0.
 *
 * Slow start. A member that came up, whose ejection has ended, or that was added, counts with a part of its weight that
 * grows evenly from a sixteenth to all of it. Where loads are compared, they are compared by that part of the weight.
 * Where members are drawn or take turns, a turn is passed on in proportion, by a number that is drawn from the ticket
 * or from the session. With source hash it is drawn from the client: a member has such a part of the clients that are
 * its own; they come back one by one, and stay.
 *
 * Algorithms:
 *   round robin: the smooth weighted order (balance_sequence) by tickets from one counter. A member without a place is
 *     skipped by taking the next ticket, so the others keep their proportion and their order. A second choice takes no
 *     ticket. Where hardly anything of the order has a place, members are drawn by weight.
 *   least connections: the fewest sessions for its weight, with the one that is about to come.
 *   random two: two that are drawn by weight; the second only where it has fewer sessions for its weight, so that
 *     without load shares go by weight. When one has no place it is the other.
 *   source hash: the slot of the client in a Maglev table. From a member without a place its clients go on, each by its
 *     own steps through the table, to the first slot with a place: they spread over the others by weight, nobody else
 *     moves, and they come back when it does. Only where more than nine tenths of the table have no place may others
 *     move, too.
 *   first: the first in order that has a place. Weights do not count.
 *   least time: the shortest time to connect, times sessions, for its weight. A member whose time is not known counts
 *     as the fastest one.
 *
 * Least connections, first and least time look at all members of a tier. The others look at one or two, and at all only
 * when those have no place.
 */
#ifndef SLUICE_POLICY_BALANCE_H
#define SLUICE_POLICY_BALANCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/balance_signals.h"

#define BALANCE_NONE UINT32_MAX
#define BALANCE_MAX_MEMBERS 4096u
#define BALANCE_TIERS 16u

/* An endpoint as a version of a backend has it. */
struct balance_member {
    struct balance_signals *signals;
    uint64_t key;        /* source hash: who it is, such as a hash of its address; the same in all versions */
    uint32_t max_active; /* UINT32_MAX: no cap; 0: not offered */
    uint32_t weight;     /* 0..65535; 0: not offered */
    uint32_t tier;       /* below BALANCE_TIERS */
    bool usable;         /* ready for new sessions, as far as its operator says */
};

/* Counters of a backend; they outlive versions. */
struct balance_shared {
    _Atomic uint64_t tickets[BALANCE_TIERS]; /* of round robin; where searches for the least begin; relaxed */
};

struct balance_settings {
    uint32_t algorithm;     /* SLUICE_BALANCE_* */
    uint32_t panic_ppm;     /* 0: never */
    uint64_t slow_start_ns; /* 0: none */
};

/* Offered members of one tier, at least one. */
struct balance_tier {
    const uint16_t *order; /* their indexes, in the order of members */
    uint32_t count;
    uint32_t number;       /* below BALANCE_TIERS */
    const uint16_t *slots; /* indexes, by weight: the sequence of turns (round robin, random two) or the Maglev table */
    uint32_t slot_count;   /* 0 with the other algorithms */
};

/* A version of a backend, as balancing sees it. Not changed after balance_build. */
struct balance_pool {
    const struct balance_member *members;
    uint32_t member_count;
    uint32_t offered_count;
    const struct balance_tier *tiers; /* those that have offered members, lowest first */
    uint32_t tier_count;
    struct balance_settings settings;
    struct balance_shared *shared;
};

/* Bytes of scratch that balance_bytes and balance_build need for so many members, and let go. */
size_t balance_scratch_bytes(uint32_t count);

/* Bytes that a pool of these members is built in. */
size_t balance_bytes(const struct balance_member *members, uint32_t count, uint32_t algorithm, void *scratch);

/* Builds a pool. `members` (at most BALANCE_MAX_MEMBERS), `shared` and `memory` (of balance_bytes, aligned for
 * uint64_t) are the caller's, who keeps them as long as the pool is used. Control thread. */
void balance_build(struct balance_pool *pool, const struct balance_member *members, uint32_t count,
                   const struct balance_settings *settings, struct balance_shared *shared, void *memory, void *scratch);

/* Who asks for an endpoint, and when. */
struct balance_request {
    uint64_t now_ns;
    uint64_t tried; /* balance_tried_bit of the members that the session has tried: they are passed over */
    uint64_t
        client_hash; /* source hash: of the client's address, the same at every worker; it need not be mixed well */
    uint64_t random; /* drawn for this choice */
};

/* Chooses a member, takes one of its max_active, and returns its index; BALANCE_NONE when none has a place. Whoever
 * took it gives it back with limit_give(&signals->active). Any worker. */
uint32_t balance_choose(const struct balance_pool *pool, const struct balance_request *request);

/* Whether a member has a place: a first choice would find one. */
bool balance_has_place(const struct balance_pool *pool, uint64_t now_ns);

/* Whether a member is open, full or not: then a place is worth waiting for. */
bool balance_in_use(const struct balance_pool *pool, uint64_t now_ns);

/* Whether a member is open, full or not, to a session that has tried some: then a further attempt is worth its while.
 */
bool balance_is_left(const struct balance_pool *pool, uint64_t tried, uint64_t now_ns);

/* Whether so few members are healthy that health is not looked at. */
bool balance_in_panic(const struct balance_pool *pool, uint64_t now_ns);

/* The bit of a member in `tried`. Members beyond 64 share bits. */
static inline uint64_t balance_tried_bit(uint32_t index)
{
    return UINT64_C(1) << (index & 63u);
}

/* Whether its operator lets a member have sessions. */
static inline bool balance_is_offered(const struct balance_member *member)
{
    return member->usable && member->weight != 0 && member->max_active != 0;
}

#endif
