/* SPDX-License-Identifier: MIT
 *
 * The smooth weighted order, as nginx made it known: the one with the largest current weight goes next. It depends on
 * weights alone, so it is written down once, when a version is built. Pure. By the control thread.
 */
#ifndef SLUICE_POLICY_BALANCE_SEQUENCE_H
#define SLUICE_POLICY_BALANCE_SEQUENCE_H

#include <stdint.h>

#define BALANCE_MAX_SEQUENCE 4096u

/* Length of the sequence for these weights: their sum over their greatest common divisor, or, when that is more than
 * BALANCE_MAX_SEQUENCE, of weights scaled down in proportion (each at least 1). At most BALANCE_MAX_SEQUENCE + count.
 */
uint32_t balance_sequence_length(const uint32_t *weights, uint32_t count);

/* Writes that sequence, of indexes below `count`. `scratch` has room for 2 * count int64_t. */
void balance_sequence_build(const uint32_t *weights, uint32_t count, uint16_t *sequence, int64_t *scratch);

#endif
