/**
 * Medians and their spread. Pure; used by the tables.
 *
 * @module
 */

/** A value with the interval in which it lies with 95 % confidence. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2000;
const SEED = 0x9e3779b9;

/** The value that `share` (0 to 1) of the values do not exceed, between two of them by proportion; NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)];
  const above = sorted[Math.ceil(position)];
  if (below === undefined || above === undefined) return NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** The middle value; NaN for none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The median and its bootstrap interval; the same for the same values each time. */
export function estimateMedian(values: readonly number[]): Estimate {
  const random = randomNumbers(SEED);
  const medians = Array.from({ length: RESAMPLES }, () => {
    return median(values.map(() => values[Math.floor(random() * values.length)] ?? NaN));
  });
  return { value: median(values), low: quantile(medians, 0.025), high: quantile(medians, 0.975) };
}

/** Numbers from 0 to below 1 by Marsaglia's xorshift with 32 bits. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
