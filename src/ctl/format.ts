/**
 * Numbers as people read them: sizes, spans of time, shares. Pure; used by the commands that draw tables.
 *
 * @module
 */

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** `1536` as `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), SIZES.length - 1);
  const amount = bytes / 1024 ** power;
  // 1023.96 KiB would round up to 1024.0.
  const [shown, unit] = amount >= 1023.95 && power < SIZES.length - 1 ? [1, power + 1] : [amount, power];
  return `${unit === 0 ? shown : shown.toFixed(1)} ${SIZES[unit]}`;
}

/** Milliseconds in the two largest units that matter: `640ms`, `12.3s`, `4m 05s`, `2h 07m`, `3d 04h`. */
export function formatSpan(ms: number): string {
  if (ms < 1000) return `${Math.floor(ms)}ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)}s`;
  const pair = (large: number, mark: string, small: number, smallMark: string) =>
    `${Math.floor(ms / large)}${mark} ${String(Math.floor((ms % large) / small)).padStart(2, "0")}${smallMark}`;
  if (ms < 3_600_000) return pair(60_000, "m", 1000, "s");
  if (ms < 86_400_000) return pair(3_600_000, "h", 60_000, "m");
  return pair(86_400_000, "d", 3_600_000, "h");
}

/** `3` of `12` as `25%`; nothing of nothing is `-`. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? "-" : `${Math.round((part / whole) * 100)}%`;
}

/** `1 session`, `2 sessions`. */
export function count(amount: number, word: string): string {
  return `${amount} ${word}${amount === 1 ? "" : "s"}`;
}
