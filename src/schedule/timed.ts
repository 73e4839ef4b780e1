/**
 * Limits of waiting.
 *
 * @module
 */

/** A clock, and waiting by it. */
export interface Clock {
  /** Monotonic, ms. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** A timer that is so late was held up by this process. */
const LATE_MS = 50;

/**
 * Runs `task`, and aborts `stop` when it takes longer than `timeoutMs`; the task ends soon after that. A process that was
 * busy meanwhile does not take its own delay for that of others: the task gets as much time again as was lost, once.
 */
export async function timed<T>(
  task: (signal: AbortSignal) => Promise<T>,
  timeoutMs: number,
  stop: AbortController,
  { now, sleep }: Clock,
): Promise<T> {
  const over = new AbortController();
  const limit = async () => {
    const startMs = now();
    await sleep(timeoutMs, over.signal);
    const lateMs = now() - startMs - timeoutMs;
    if (!over.signal.aborted && lateMs > LATE_MS) await sleep(Math.min(lateMs, timeoutMs), over.signal);
    if (!over.signal.aborted) stop.abort();
  };
  const limited = limit();
  try {
    return await task(stop.signal);
  } finally {
    over.abort();
    await limited;
  }
}

/** Waits for `promise`, or until the signal is aborted: then it rejects with the signal's reason. */
export async function beforeAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
