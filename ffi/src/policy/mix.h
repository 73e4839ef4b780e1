/* SPDX-License-Identifier: MIT
 * Mixing of bits: from numbers that are near each other to numbers that look random. Not for secrets. */
#ifndef SLUICE_POLICY_MIX_H
#define SLUICE_POLICY_MIX_H

#include <stdint.h>

#define MIX_STEP UINT64_C(0x9e3779b97f4a7c15) /* 2^64 over the golden ratio, odd */

/* The output function of splitmix64 (Steele, Lea, Flood 2014): one to one, and 0 does not stay 0. Of a state that goes
 * up by MIX_STEP it makes a sequence in which every number comes once. */
static inline uint64_t mix_bits(uint64_t value)
{
    value += MIX_STEP;
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* A number below `count` by the upper half of mixed bits. */
static inline uint32_t mix_below(uint64_t mixed, uint32_t count)
{
    return (uint32_t)((mixed >> 32) * count >> 32);
}

#endif
