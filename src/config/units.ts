/**
 * Durations, sizes, rates and shares as people write them. Pure readers first, then the schemas made of them.
 *
 * @module
 */

import { Refusal, type Scalar, scalar } from "./scalar.ts";

const DURATION_UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const SIZE_UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

const NUMBER = String.raw`(\d+(?:\.\d+)?)`;
const DURATION = new RegExp(`^${NUMBER}(ms|s|m|h)$`);
const SIZE = new RegExp(`^${NUMBER}(${Object.keys(SIZE_UNIT_BYTES).join("|")})$`);
const RATE = new RegExp(`^${NUMBER}/s$`);
const PERCENT = new RegExp(`^${NUMBER}%$`);

/** The longest duration that a key takes, a year: above it somebody has mistaken the unit. */
export const LONGEST_MS = 8760 * 3_600_000;

/** What a token bucket of sessions gains a second at the most; it gains a whole number in 1000 s. */
export const MOST_RATE_PER_S = 1_000_000_000;

/** What a token bucket of bytes gains a second at the most: 100GB. */
export const MOST_BYTE_RATE_PER_S = 100_000_000_000;

/** What a token bucket holds at the most. */
export const MOST_BURST = 2 ** 50;

/** Milliseconds of `250ms`, `5s`, `10m`, `1h`, `0`; undefined for anything else, also for parts of a millisecond. */
export function parseDurationMs(value: unknown): number | undefined {
  if (value === 0) return 0;
  if (typeof value !== "string") return undefined;
  return whole(DURATION.exec(value), DURATION_UNIT_MS);
}

/** Bytes of `512B`, `64KiB` (binary), `1GB` (decimal), `0`; undefined for anything else. */
export function parseSizeBytes(value: unknown): number | undefined {
  if (value === 0) return 0;
  if (typeof value !== "string") return undefined;
  return whole(SIZE.exec(value), SIZE_UNIT_BYTES);
}

/** Events a second of `200/s`, `0.5/s`, `0`; undefined for anything else. */
export function parseRatePerS(value: unknown): number | undefined {
  if (value === 0) return 0;
  const found = typeof value === "string" ? RATE.exec(value) : null;
  return found === null ? undefined : Number(found[1]);
}

/** Bytes a second of `10MiB/s`, `0`; undefined for anything else. */
export function parseByteRatePerS(value: unknown): number | undefined {
  if (value === 0) return 0;
  return typeof value === "string" && value.endsWith("/s") ? parseSizeBytes(value.slice(0, -2)) : undefined;
}

/** Parts per million of `50%` or `0.5%`, at most `100%`; undefined for anything else. */
export function parsePercentPpm(value: unknown): number | undefined {
  const found = typeof value === "string" ? PERCENT.exec(value) : null;
  const ppm = found === null ? Number.NaN : Math.round(Number(found[1]) * 10_000);
  return ppm <= 1_000_000 ? ppm : undefined;
}

function whole(found: RegExpExecArray | null, units: Readonly<Record<string, number>>): number | undefined {
  const unit = units[found?.[2] ?? ""];
  if (unit === undefined) return undefined;
  // 0.1 * 3_600_000 and the like miss a whole number by a rounding error.
  const amount = Number(found?.[1]) * unit;
  const rounded = Math.round(amount);
  return Math.abs(amount - rounded) < 1e-6 * Math.max(1, rounded) && Number.isSafeInteger(rounded)
    ? rounded
    : undefined;
}

/** A duration, read as ms. */
export function duration(limits: { leastMs?: number; mostMs?: number } = {}): Scalar<number> {
  const { leastMs = 0, mostMs = LONGEST_MS } = limits;
  const rule = "a duration such as 250ms, 5s, 10m or 1h";
  const remedy = "write a number and its unit: ms, s, m or h";
  return scalar({
    json: { type: ["string", "integer"], pattern: `${DURATION.source}`, minimum: 0, maximum: 0 },
    rule,
    remedy,
    parse: (value) => {
      const ms = parseDurationMs(value);
      if (ms === undefined) {
        if (typeof value === "number") throw new Refusal(rule, `add a unit: ${value}ms or ${value}s`);
        throw new Refusal(rule, remedy);
      }
      if (ms < leastMs) {
        throw new Refusal(`at least ${formatDuration(leastMs)}`, `raise it to ${formatDuration(leastMs)} or more`);
      }
      if (ms > mostMs) {
        throw new Refusal(`at most ${formatDuration(mostMs)}`, `lower it to ${formatDuration(mostMs)} or less`);
      }
      return ms;
    },
  });
}

/** A duration in whole seconds, read as seconds: what the kernel's keepalive options take. */
export function seconds(limits: { leastS?: number; mostS: number }): Scalar<number> {
  const { leastS = 0, mostS } = limits;
  const rule = `whole seconds from ${leastS}s to ${mostS}s`;
  return scalar({
    json: { type: ["string", "integer"], pattern: DURATION.source, minimum: 0, maximum: 0 },
    rule,
    remedy: "write a number and its unit: s, m or h",
    parse: (value) => {
      const ms = parseDurationMs(value);
      if (ms === undefined || ms % 1000 !== 0) return undefined;
      return ms / 1000 >= leastS && ms / 1000 <= mostS ? ms / 1000 : undefined;
    },
  });
}

/** A size, read as bytes. */
export function size(mostBytes: number): Scalar<number> {
  const remedy = "write a number and its unit: B, KiB, MiB, GiB, KB, MB or GB";
  const rule = "a size such as 512B, 64KiB or 1GB";
  return scalar({
    json: { type: ["string", "integer"], pattern: SIZE.source, minimum: 0, maximum: 0 },
    rule,
    remedy,
    parse: (value) => {
      if (typeof value === "number" && value !== 0) throw new Refusal(rule, `add a unit: ${value}B or ${value}KiB`);
      const bytes = parseSizeBytes(value);
      if (bytes !== undefined && bytes > mostBytes) {
        throw new Refusal(`at most ${formatSize(mostBytes)}`, `lower it to ${formatSize(mostBytes)} or less`);
      }
      return bytes;
    },
  });
}

/** A rate of events, read as events a second: 0, or a whole number in 1000 s. */
export function rate(): Scalar<number> {
  const rule = "a rate such as 200/s";
  const remedy = "write a number and /s";
  return scalar({
    json: { type: ["string", "integer"], pattern: RATE.source, minimum: 0, maximum: 0 },
    rule,
    remedy,
    parse: (value) => {
      const perS = parseRatePerS(value);
      if (perS === undefined) {
        throw new Refusal(rule, typeof value === "number" ? `add the unit: ${value}/s` : remedy);
      }
      if (perS > MOST_RATE_PER_S) {
        throw new Refusal(`at most ${MOST_RATE_PER_S}/s`, `lower it to ${MOST_RATE_PER_S}/s or less`);
      }
      if (perS > 0 && perS < 0.001) {
        throw new Refusal("0, or at least 0.001/s", "raise it to 0.001/s, or write 0/s, which lets nothing through");
      }
      if (Math.round(perS * 1000) / 1000 !== perS) {
        throw new Refusal("a rate in steps of 0.001/s", "write three decimals at the most");
      }
      return perS;
    },
  });
}

/** A rate of bytes, read as bytes a second. */
export function byteRate(): Scalar<number> {
  const rule = "a rate of whole bytes such as 512KiB/s or 10MiB/s";
  const remedy = "write a size and /s";
  return scalar({
    json: {
      type: ["string", "integer"],
      pattern: `${SIZE.source.slice(0, -1)}/s$`,
      minimum: 0,
      maximum: 0,
    },
    rule,
    remedy,
    parse: (value) => {
      const perS = parseByteRatePerS(value);
      if (perS === undefined) {
        if (typeof value === "number") throw new Refusal(rule, `add the unit: ${value}B/s or ${value}KiB/s`);
        throw new Refusal(rule, parseSizeBytes(value) === undefined ? remedy : `add the unit: ${value}/s`);
      }
      if (perS > MOST_BYTE_RATE_PER_S) throw new Refusal("at most 100GB/s", "lower it to 100GB/s or less");
      return perS;
    },
  });
}

/** A share, read as parts per million. */
export function percent(): Scalar<number> {
  return scalar({
    json: { type: "string", pattern: PERCENT.source },
    rule: "a share from 0% to 100%",
    remedy: "write a number and %",
    parse: parsePercentPpm,
  });
}

/** A duration in the largest unit that divides it. */
export function formatDuration(ms: number): string {
  for (const [unit, unitMs] of [["h", 3_600_000], ["m", 60_000], ["s", 1000]] as const) {
    if (ms !== 0 && ms % unitMs === 0) return `${ms / unitMs}${unit}`;
  }
  return ms === 0 ? "0s" : `${ms}ms`;
}

/** A size in the largest unit of 1024 that divides it. */
function formatSize(bytes: number): string {
  for (const [unit, unitBytes] of [["TiB", 2 ** 40], ["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]] as const) {
    if (bytes !== 0 && bytes % unitBytes === 0) return `${bytes / unitBytes}${unit}`;
  }
  return `${bytes}B`;
}
