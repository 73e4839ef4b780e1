/* SPDX-License-Identifier: MIT
 *
 * The bytes that travel: pseudo-random, the same in every process, and different at each position, so that a byte that
 * is lost, doubled or moved shows.
 */
#ifndef LOAD_PATTERN_H
#define LOAD_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The period; a prime, so that no buffer of a usual size is a multiple of it. */
#define PATTERN_PERIOD 1048573u
/* As many bytes as this may be read from any position on. */
#define PATTERN_SPAN (256u * 1024u)

/* Makes the pattern. Call it once before anything else. */
void pattern_make(void);

/* PATTERN_SPAN bytes of the stream from `position` on. */
const uint8_t *pattern_at(uint64_t position);

/* Whether `length` bytes (at most PATTERN_SPAN) are those of the stream from `position` on. */
bool pattern_matches(const uint8_t *bytes, size_t length, uint64_t position);

#endif
