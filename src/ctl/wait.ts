/**
 * Waiting until something has drained: asks again and again, less often as it lasts.
 *
 * @module
 */
import { ClientError } from "./problem.ts";
import { formatSpan } from "./format.ts";

/** The shortest and the longest pause between two questions. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1000;

/** How a wait goes. */
export interface WaitOptions {
  /** Sessions left. */
  left(): Promise<number>;
  /** Told each answer. */
  onLeft(left: number): void;
  /** Longest wait. */
  readonly deadlineMs: number;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  pause(ms: number): Promise<void>;
}

/**
 * Resolves when no session is left.
 *
 * @throws {ClientError} at the deadline; what drains goes on draining.
 */
export async function untilDrained(options: WaitOptions): Promise<void> {
  const end = options.now() + options.deadlineMs;
  for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    const left = await options.left();
    options.onLeft(left);
    if (left === 0) return;
    const remaining = end - options.now();
    if (remaining <= 0) {
      throw new ClientError(
        `Cannot wait longer than ${
          formatSpan(options.deadlineMs)
        }: sessions left must be 0: current value is ${left}; ` +
          "the drain goes on",
      );
    }
    await options.pause(Math.min(pauseMs, remaining));
  }
}
