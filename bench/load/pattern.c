/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <string.h>

static uint8_t pattern[PATTERN_PERIOD + PATTERN_SPAN];

void pattern_make(void)
{
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < PATTERN_PERIOD; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        pattern[i] = (uint8_t)(state >> 32);
    }
    memcpy(pattern + PATTERN_PERIOD, pattern, PATTERN_SPAN);
}

const uint8_t *pattern_at(uint64_t position)
{
    return pattern + position % PATTERN_PERIOD;
}

bool pattern_matches(const uint8_t *bytes, size_t length, uint64_t position)
{
    return memcmp(bytes, pattern_at(position), length) == 0;
}
