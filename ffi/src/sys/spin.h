/* SPDX-License-Identifier: MIT
 *
 * A lock of one word, for sections of some dozens of instructions with no system call in them. Who finds it taken
 * spins, and after a while lets another thread run: the one that holds it may have lost its core. */
#ifndef SLUICE_SYS_SPIN_H
#define SLUICE_SYS_SPIN_H

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#define SPIN_PAUSES 64u /* a few microseconds */

/* One step of waiting for another thread; `*pauses` counts them, from 0. */
static inline void spin_pause(uint32_t *pauses)
{
    if (++*pauses % SPIN_PAUSES == 0) {
        sched_yield();
        return;
    }
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* 0 is free. What one thread did before spin_unlock is seen by the next after spin_lock. */
static inline void spin_lock(_Atomic uint32_t *word)
{
    uint32_t pauses = 0;
    while (atomic_exchange_explicit(word, 1, memory_order_acquire) != 0) {
        do {
            spin_pause(&pauses);
        } while (atomic_load_explicit(word, memory_order_relaxed) != 0);
    }
}

static inline void spin_unlock(_Atomic uint32_t *word)
{
    atomic_store_explicit(word, 0, memory_order_release);
}

#endif
