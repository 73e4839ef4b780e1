/* SPDX-License-Identifier: MIT
 *
 * A timer lies on the level of the highest 6-bit group in which its tick differs from now, in the slot that this group
 * of its tick names. Hence, between two turns:
 *
 *   - on each level but the last, occupied slots lie strictly after the slot of now, and never wrap around;
 *   - everything on a level fires before anything on the next one.
 *
 * The last level is a ring: deadlines are clamped to 63 of its slots ahead, so that a slot never means two times.
 */
#include "sys/timer_wheel.h"

#include "sys/util.h"

#define SLOT_MASK (TIMER_WHEEL_SLOTS - 1u)
#define LAST_LEVEL (TIMER_WHEEL_LEVELS - 1u)
#define FARTHEST_MS ((uint64_t)SLOT_MASK << (LAST_LEVEL * TIMER_WHEEL_BITS))

_Static_assert(TIMER_WHEEL_SLOTS == 64u, "a level's occupied slots are the bits of a uint64_t");

static unsigned slot_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * TIMER_WHEEL_BITS)) & SLOT_MASK;
}

/* The bits of the `count` slots that follow slot `after` on a ring of 64. */
static uint64_t ring_bits(unsigned after, unsigned count)
{
    uint64_t bits = count >= 64u ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1u;
    unsigned shift = (after + 1u) & SLOT_MASK;
    return shift == 0 ? bits : (bits << shift) | (bits >> (64u - shift));
}

/* Puts a timer, which is on no list, where its tick belongs. */
static void place(struct timer_wheel *wheel, struct timer *timer)
{
    if (timer->expiry_ms <= wheel->now_ms) {
        list_append(&wheel->due, &timer->node);
        return;
    }
    uint64_t difference = timer->expiry_ms ^ wheel->now_ms;
    unsigned highest_bit = 63u - (unsigned)__builtin_clzll(difference);
    unsigned level = highest_bit / TIMER_WHEEL_BITS;
    if (level > LAST_LEVEL) {
        level = LAST_LEVEL;
    }
    unsigned slot = slot_of(timer->expiry_ms, level);
    list_append(&wheel->slots[level][slot], &timer->node);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

/* Takes an armed timer off its list, and clears the bit of a slot that this empties. */
static void detach(struct timer_wheel *wheel, struct timer *timer)
{
    struct list *neighbour = timer->node.next;
    bool last = neighbour == timer->node.previous;
    list_remove(&timer->node);
    if (last) {
        /* The only neighbour is the head of the list: a slot, the due list, or the list of a turn in progress. */
        uintptr_t offset = (uintptr_t)neighbour - (uintptr_t)&wheel->slots[0][0];
        if (offset < sizeof wheel->slots) {
            size_t position = offset / sizeof(struct list);
            wheel->occupied[position / TIMER_WHEEL_SLOTS] &= ~(UINT64_C(1) << (position & SLOT_MASK));
        }
    }
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms)
{
    wheel->now_ms = now_ms;
    wheel->armed = 0;
    list_init(&wheel->due);
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned slot = 0; slot < TIMER_WHEEL_SLOTS; slot++) {
            list_init(&wheel->slots[level][slot]);
        }
    }
}

void timer_init(struct timer *timer)
{
    list_init(&timer->node);
    timer->expiry_ms = 0;
}

bool timer_armed(const struct timer *timer)
{
    return !list_empty(&timer->node);
}

void timer_wheel_arm(struct timer_wheel *wheel, struct timer *timer, uint64_t expiry_ms)
{
    uint64_t farthest = add_saturating_u64(wheel->now_ms, FARTHEST_MS);
    if (expiry_ms > farthest) {
        expiry_ms = farthest;
    }
    if (timer_armed(timer)) {
        if (timer->expiry_ms == expiry_ms) {
            return;
        }
        detach(wheel, timer);
    } else {
        wheel->armed++;
    }
    timer->expiry_ms = expiry_ms;
    place(wheel, timer);
}

void timer_wheel_cancel(struct timer_wheel *wheel, struct timer *timer)
{
    if (timer_armed(timer)) {
        detach(wheel, timer);
        wheel->armed--;
    }
}

/* Moves now to now_ms: all that is due then goes to the due list, roughly in order of its ticks; the timers of a slot
 * that now has entered go to the levels below. The cost follows levels and occupied slots, not the ticks jumped. */
static void advance(struct timer_wheel *wheel, uint64_t now_ms)
{
    uint64_t before_ms = wheel->now_ms;
    struct list entered;
    list_init(&entered);
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        unsigned shift = level * TIMER_WHEEL_BITS;
        uint64_t steps = (now_ms >> shift) - (before_ms >> shift);
        if (steps == 0) {
            break;
        }
        unsigned before_slot = slot_of(before_ms, level);
        unsigned now_slot = slot_of(now_ms, level);
        /* Slots passed, the one of now included. */
        uint64_t passed = ring_bits(before_slot, steps < TIMER_WHEEL_SLOTS ? (unsigned)steps : TIMER_WHEEL_SLOTS);
        uint64_t pending = wheel->occupied[level] & passed;
        wheel->occupied[level] &= ~passed;
        /* Rotated, so that the lowest bit is the slot after the one of before, and slots come in order of time. */
        unsigned first_slot = (before_slot + 1u) & SLOT_MASK;
        uint64_t rotated = first_slot == 0 ? pending : (pending >> first_slot) | (pending << (64u - first_slot));
        while (rotated != 0) {
            unsigned slot = (first_slot + (unsigned)__builtin_ctzll(rotated)) & SLOT_MASK;
            rotated &= rotated - 1u;
            bool all_due = level == 0 || slot != now_slot;
            list_move_all(all_due ? &wheel->due : &entered, &wheel->slots[level][slot]);
        }
    }
    wheel->now_ms = now_ms;
    while (!list_empty(&entered)) {
        struct timer *timer = container_of(entered.next, struct timer, node);
        list_remove(&timer->node);
        place(wheel, timer);
    }
}

uint32_t timer_wheel_turn(struct timer_wheel *wheel, uint64_t now_ms, uint32_t budget, timer_fire fire, void *context)
{
    if (now_ms > wheel->now_ms) {
        advance(wheel, now_ms);
    }
    if (list_empty(&wheel->due)) {
        return 0;
    }
    /* A timer that is armed for the past while this turn fires goes to the due list, and so to the next turn. */
    struct list firing;
    list_init(&firing);
    list_move_all(&firing, &wheel->due);
    uint32_t fired = 0;
    while (fired < budget && !list_empty(&firing)) {
        struct timer *timer = container_of(firing.next, struct timer, node);
        list_remove(&timer->node);
        wheel->armed--;
        fired++;
        fire(timer, context);
    }
    /* What the budget left goes before what was armed meanwhile. */
    list_move_all(&firing, &wheel->due);
    list_move_all(&wheel->due, &firing);
    return fired;
}

int32_t timer_wheel_wait_ms(const struct timer_wheel *wheel, uint64_t now_ms)
{
    if (!list_empty(&wheel->due)) {
        return 0;
    }
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        uint64_t occupied = wheel->occupied[level];
        if (occupied == 0) {
            continue;
        }
        /* The start of the first occupied slot after the one of now. */
        unsigned shift = level * TIMER_WHEEL_BITS;
        unsigned first_slot = (slot_of(wheel->now_ms, level) + 1u) & SLOT_MASK;
        uint64_t rotated = first_slot == 0 ? occupied : (occupied >> first_slot) | (occupied << (64u - first_slot));
        uint64_t steps = (uint64_t)__builtin_ctzll(rotated) + 1u;
        uint64_t start_ms = ((wheel->now_ms >> shift) + steps) << shift;
        if (start_ms <= now_ms) {
            return 0;
        }
        uint64_t wait_ms = start_ms - now_ms;
        return wait_ms > INT32_MAX ? INT32_MAX : (int32_t)wait_ms;
    }
    return -1;
}
