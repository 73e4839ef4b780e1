/* SPDX-License-Identifier: MIT
 * Tells AddressSanitizer which memory of a pool is not lent, so that a use after release is found although the pool
 * keeps the memory. Nothing in other builds. */
#ifndef SLUICE_SYS_POISON_H
#define SLUICE_SYS_POISON_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_POISON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_POISON 1
#endif

#ifdef SLUICE_POISON
#include <sanitizer/asan_interface.h>
#endif

static inline void poison(void *memory, size_t bytes)
{
#ifdef SLUICE_POISON
    __asan_poison_memory_region(memory, bytes);
#else
    (void)memory;
    (void)bytes;
#endif
}

static inline void unpoison(void *memory, size_t bytes)
{
#ifdef SLUICE_POISON
    __asan_unpoison_memory_region(memory, bytes);
#else
    (void)memory;
    (void)bytes;
#endif
}

#endif
