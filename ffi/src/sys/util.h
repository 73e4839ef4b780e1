/* SPDX-License-Identifier: MIT
 * Small things that every room uses: assertions, checked arithmetic, container_of. No state. */
#ifndef SLUICE_SYS_UTIL_H
#define SLUICE_SYS_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* An invariant of ours. Nothing that a peer or a configuration sends may reach one: input is handled, not asserted. */
#define SLUICE_ASSERT(condition)                                                                                       \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0)) {                                                                       \
            fprintf(stderr, "sluice: %s:%d: invariant broken: %s\n", __FILE__, __LINE__, #condition);                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define CACHE_LINE 64

/* a + b, or UINT64_MAX where it does not fit. */
static inline uint64_t add_saturating_u64(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* a * b, or UINT64_MAX where it does not fit. */
static inline uint64_t mul_saturating_u64(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

#endif
