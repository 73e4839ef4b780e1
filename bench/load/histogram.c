/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <stddef.h>

#define SUB_COUNT (UINT64_C(1) << HISTOGRAM_SUB_BITS)
#define LARGEST ((UINT64_C(1) << 40) - 1)

/* Below SUB_COUNT a bucket a value; from there on SUB_COUNT buckets to each power of two. */
static size_t bucket_of(uint64_t value_ns)
{
    if (value_ns < SUB_COUNT)
        return (size_t)value_ns;
    unsigned int exponent = 63u - (unsigned int)__builtin_clzll(value_ns);
    unsigned int shift = exponent - HISTOGRAM_SUB_BITS;
    return (size_t)(((uint64_t)(shift + 1) << HISTOGRAM_SUB_BITS) + ((value_ns >> shift) - SUB_COUNT));
}

static uint64_t top_of(size_t bucket)
{
    if (bucket < SUB_COUNT)
        return bucket;
    unsigned int shift = (unsigned int)(bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t sub = (bucket & (SUB_COUNT - 1)) + SUB_COUNT;
    return ((sub + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    uint64_t value = value_ns > LARGEST ? LARGEST : value_ns;
    histogram->buckets[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->max_ns)
        histogram->max_ns = value;
}

uint64_t histogram_at(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->count * share);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (histogram->buckets[i] > 0 && seen >= wanted)
            return top_of(i) < histogram->max_ns ? top_of(i) : histogram->max_ns;
    }
    return 0;
}
