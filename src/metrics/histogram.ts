/**
 * Arithmetic on the data plane's duration buckets. Buckets are not cumulative; the last one, above all bounds, has none.
 *
 * @module
 */

/** How many values are in the buckets. */
export function countOf(buckets: readonly number[]): number {
  return buckets.reduce((sum, count) => sum + count, 0);
}

/** Bucket by bucket. */
export function addBuckets(one: readonly number[], other: readonly number[]): number[] {
  return one.map((count, index) => count + (other[index] ?? 0));
}

/**
 * The value below which the share `quantile` (0 to 1) of all lies, taken as evenly spread within a bucket; in the last
 * bucket its lower bound. Null without values.
 */
export function quantileOf(buckets: readonly number[], bounds: readonly number[], quantile: number): number | null {
  const rank = countOf(buckets) * quantile;
  if (rank === 0) return null;
  let below = 0;
  let lower = 0;
  for (const [index, upper] of bounds.entries()) {
    const count = buckets[index] ?? 0;
    if (count > 0 && below + count >= rank) return lower + (upper - lower) * (rank - below) / count;
    below += count;
    lower = upper;
  }
  return lower;
}
