/* SPDX-License-Identifier: MIT
 * The circuit breaker. Called by workers; the control thread reads its state. */
#include "policy/breaker.h"

#include "sluice.h"
#include "sys/util.h"

#define PPM UINT64_C(1000000)

/* The state is one word, so that a change of it is one compare-and-swap:
 *   2 bits   SLUICE_CIRCUIT_*
 *   46 bits  a time in ticks, which grows from period to period: since when (CLOSED, HALF_OPEN), until when (OPEN)
 *   8 bits   HALF_OPEN: passes that are out or have worked
 *   8 bits   HALF_OPEN: those of them that have worked
 * A pass is the low half of what comes before the counts, so it is that of one period. */
#define TICK_SHIFT 16u /* 65.5 us */
#define COUNT_BITS 8u
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define TICK_BITS 46u
#define TICK_MASK ((UINT64_C(1) << TICK_BITS) - 1)

_Static_assert(BREAKER_MAX_PROBES <= COUNT_MASK, "counts of probes fit");

struct state {
    uint32_t circuit;
    uint64_t tick;
    uint32_t passes;
    uint32_t worked;
};

static struct state unpack(uint64_t word)
{
    return (struct state){
        .circuit = (uint32_t)(word >> (TICK_BITS + 2 * COUNT_BITS)),
        .tick = word >> 2 * COUNT_BITS & TICK_MASK,
        .passes = (uint32_t)(word >> COUNT_BITS & COUNT_MASK),
        .worked = (uint32_t)(word & COUNT_MASK),
    };
}

static uint64_t pack(struct state state)
{
    uint64_t period = (uint64_t)state.circuit << TICK_BITS | (state.tick & TICK_MASK);
    return period << 2 * COUNT_BITS | (uint64_t)state.passes << COUNT_BITS | state.worked;
}

static uint32_t pass_of(struct state state)
{
    return (uint32_t)(state.tick << 2) | state.circuit;
}

/* Rounded up; at least 1, so that each period has a tick of its own. */
static uint64_t open_ticks(const struct breaker_settings *settings)
{
    uint64_t ticks = settings->open_ns >> TICK_SHIFT;
    return ticks + ((settings->open_ns & ((UINT64_C(1) << TICK_SHIFT) - 1)) != 0 || ticks == 0);
}

static uint32_t probes(const struct breaker_settings *settings)
{
    uint32_t wanted = settings->probes == 0 ? 1 : settings->probes;
    return wanted < BREAKER_MAX_PROBES ? wanted : BREAKER_MAX_PROBES;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool swap(struct breaker *breaker, uint64_t *seen, struct state next)
{
    return atomic_compare_exchange_strong(&breaker->state, seen, pack(next));
}

/* ---- In ---- */

/* The state after somebody was let through; false when nobody may be. */
static bool let_through(const struct breaker_settings *settings, struct state *state, uint64_t now_ns)
{
    uint64_t tick = now_ns >> TICK_SHIFT;
    switch (state->circuit) {
    case SLUICE_CIRCUIT_CLOSED:
        return true;
    case SLUICE_CIRCUIT_OPEN:
        if (tick < state->tick) {
            return false;
        }
        *state = (struct state){.circuit = SLUICE_CIRCUIT_HALF_OPEN, .tick = tick, .passes = 1};
        return true;
    default:
        if (state->passes >= probes(settings)) {
            if (tick < state->tick + open_ticks(settings)) {
                return false;
            }
            state->tick = tick; /* the passes that are out are void */
            state->passes = state->worked;
        }
        state->passes++;
        return true;
    }
}

bool breaker_enter(const struct breaker_settings *settings, struct breaker *breaker, uint64_t now_ns, uint32_t *pass,
                   enum breaker_event *event)
{
    *event = BREAKER_NONE;
    *pass = 0;
    if (settings->requests == 0) {
        return true;
    }
    uint64_t word = atomic_load(&breaker->state);
    for (;;) {
        struct state before = unpack(word);
        struct state after = before;
        if (!let_through(settings, &after, now_ns)) {
            return false;
        }
        *pass = pass_of(after);
        if (likely(before.circuit == SLUICE_CIRCUIT_CLOSED)) {
            return true;
        }
        if (swap(breaker, &word, after)) {
            *event = before.circuit == SLUICE_CIRCUIT_OPEN ? BREAKER_HALF_OPENED : BREAKER_NONE;
            return true;
        }
    }
}

/* ---- Out ---- */

static void forget(struct breaker *breaker)
{
    window_clear(&breaker->outcomes);
    window_clear(&breaker->failures);
}

static struct state opened(const struct breaker_settings *settings, struct state state, uint64_t now_ns)
{
    /* From the end of the tick that runs: open for no less than open_ns. */
    uint64_t until = later((now_ns >> TICK_SHIFT) + 1, state.tick) + open_ticks(settings);
    return (struct state){.circuit = SLUICE_CIRCUIT_OPEN, .tick = until < TICK_MASK ? until : TICK_MASK};
}

static bool has_failed(const struct breaker_settings *settings, const struct breaker *breaker, uint64_t now_ns)
{
    /* Failures first: an outcome is counted before its failure, so there are never more of the latter. */
    uint64_t failures = window_sum(&breaker->failures, settings->window_ns, now_ns);
    uint64_t outcomes = window_sum(&breaker->outcomes, settings->window_ns, now_ns);
    return outcomes >= settings->requests && failures * PPM >= outcomes * settings->error_ppm;
}

static enum breaker_event leave_closed(const struct breaker_settings *settings, struct breaker *breaker, uint64_t word,
                                       bool failed, uint64_t now_ns)
{
    window_add(&breaker->outcomes, settings->window_ns, now_ns);
    if (likely(!failed)) {
        return BREAKER_NONE;
    }
    window_add(&breaker->failures, settings->window_ns, now_ns);
    if (!has_failed(settings, breaker, now_ns) || !swap(breaker, &word, opened(settings, unpack(word), now_ns))) {
        return BREAKER_NONE;
    }
    return BREAKER_OPENED;
}

/* The state after a probe; what it means is in *event. */
static struct state after_probe(const struct breaker_settings *settings, struct state state,
                                enum breaker_outcome outcome, uint64_t now_ns, enum breaker_event *event)
{
    *event = BREAKER_NONE;
    switch (outcome) {
    case BREAKER_FAILED:
        *event = BREAKER_OPENED;
        return opened(settings, state, now_ns);
    case BREAKER_CANCELLED:
        state.passes--;
        return state;
    default:
        state.worked++;
        if (state.worked < probes(settings)) {
            return state;
        }
        *event = BREAKER_CLOSED;
        return (struct state){.circuit = SLUICE_CIRCUIT_CLOSED, .tick = later(now_ns >> TICK_SHIFT, state.tick)};
    }
}

enum breaker_event breaker_leave(const struct breaker_settings *settings, struct breaker *breaker, uint32_t pass,
                                 enum breaker_outcome outcome, uint64_t now_ns)
{
    if (settings->requests == 0) {
        return BREAKER_NONE;
    }
    uint64_t word = atomic_load(&breaker->state);
    for (;;) {
        struct state state = unpack(word);
        if (pass_of(state) != pass || state.circuit == SLUICE_CIRCUIT_OPEN) {
            return BREAKER_NONE; /* of a period that is over */
        }
        if (state.circuit == SLUICE_CIRCUIT_CLOSED) {
            bool counts = outcome != BREAKER_CANCELLED;
            bool failed = outcome == BREAKER_FAILED;
            return counts ? leave_closed(settings, breaker, word, failed, now_ns) : BREAKER_NONE;
        }
        SLUICE_ASSERT(state.passes > state.worked); /* each pass is handed in once */
        enum breaker_event event;
        struct state after = after_probe(settings, state, outcome, now_ns, &event);
        if (event == BREAKER_CLOSED) {
            forget(breaker); /* before anybody counts in the new period */
        }
        if (swap(breaker, &word, after)) {
            return event;
        }
    }
}

enum breaker_event breaker_reset(struct breaker *breaker, uint64_t now_ns)
{
    uint64_t word = atomic_load(&breaker->state);
    for (;;) {
        struct state state = unpack(word);
        if (state.circuit == SLUICE_CIRCUIT_CLOSED) {
            return BREAKER_NONE;
        }
        /* A tick of no pass that is out; there are none of an open period, whose tick is yet to come. */
        uint64_t since = state.circuit == SLUICE_CIRCUIT_OPEN ? 0 : state.tick;
        uint64_t tick = later(now_ns >> TICK_SHIFT, since) + 1;
        forget(breaker);
        if (swap(breaker, &word, (struct state){.circuit = SLUICE_CIRCUIT_CLOSED, .tick = tick})) {
            return BREAKER_CLOSED;
        }
    }
}

uint32_t breaker_circuit(const struct breaker_settings *settings, const struct breaker *breaker)
{
    return settings->requests == 0 ? SLUICE_CIRCUIT_CLOSED : unpack(atomic_load(&breaker->state)).circuit;
}
