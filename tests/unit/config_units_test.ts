/** Durations, sizes, rates and shares: what is read, and what is refused. */
import { assertEquals } from "@std/assert";
import {
  formatDuration,
  parseByteRatePerS,
  parseDurationMs,
  parsePercentPpm,
  parseRatePerS,
  parseSizeBytes,
} from "../../src/config/units.ts";

type Row = readonly [written: unknown, read: number | undefined];

function table(name: string, parse: (value: unknown) => number | undefined, rows: readonly Row[]): void {
  Deno.test(`config units: ${name}`, () => {
    for (const [written, read] of rows) assertEquals(parse(written), read, JSON.stringify(written));
  });
}

table("durations", parseDurationMs, [
  ["250ms", 250],
  ["5s", 5000],
  ["10m", 600_000],
  ["1h", 3_600_000],
  ["0s", 0],
  [0, 0],
  ["1.5s", 1500],
  ["0.1h", 360_000],
  ["0.5ms", undefined],
  ["5", undefined],
  [5, undefined],
  ["5 s", undefined],
  ["-5s", undefined],
  ["5S", undefined],
  ["1d", undefined],
  ["1h30m", undefined],
  ["", undefined],
  [true, undefined],
  ["99999999999999999h", undefined],
]);

table("sizes", parseSizeBytes, [
  ["512B", 512],
  ["64KiB", 65_536],
  ["10MiB", 10_485_760],
  ["1GiB", 1_073_741_824],
  ["64KB", 64_000],
  ["10MB", 10_000_000],
  ["1GB", 1_000_000_000],
  ["1.5KiB", 1536],
  [0, 0],
  ["0.5B", undefined],
  ["64K", undefined],
  ["64kb", undefined],
  ["64", undefined],
  [64, undefined],
]);

table("rates", parseRatePerS, [
  ["200/s", 200],
  ["0.5/s", 0.5],
  ["0/s", 0],
  [0, 0],
  ["200", undefined],
  ["200/m", undefined],
  [200, undefined],
]);

table("rates of bytes", parseByteRatePerS, [
  ["10MiB/s", 10_485_760],
  ["512B/s", 512],
  ["0B/s", 0],
  [0, 0],
  ["0.5B/s", undefined],
  ["10MiB", undefined],
  ["10/s", undefined],
  [10, undefined],
]);

table("shares", parsePercentPpm, [
  ["50%", 500_000],
  ["0.5%", 5000],
  ["100%", 1_000_000],
  ["0%", 0],
  ["100.1%", undefined],
  ["50", undefined],
  [0.5, undefined],
]);

Deno.test("config units: a duration is written in the largest unit that divides it", () => {
  assertEquals([0, 250, 5000, 90_000, 600_000, 3_600_000].map(formatDuration), [
    "0s",
    "250ms",
    "5s",
    "90s",
    "10m",
    "1h",
  ]);
});
