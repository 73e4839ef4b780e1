/**
 * Waiting with a deadline: the only two ways in which a test may wait. A test never sleeps for a time and hopes.
 *
 * @module
 */

/** How long a wait may take before the test fails, unless it says otherwise: generous, since the machine may be busy. */
export const PATIENCE_MS = 20_000;

/** What a wait is told. */
export interface WaitOptions {
  /** Milliseconds until the wait fails. */
  readonly deadlineMs?: number;
  /** What is waited for, for the failure's message. */
  readonly what?: string;
  /** Errors of the probe after which waiting makes no sense. */
  readonly giveUp?: (error: unknown) => boolean;
}

/**
 * Calls `probe` until it gives a truthy value without throwing, and returns that value.
 *
 * @throws {Error} when the deadline passes; its cause is the last error of `probe`.
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<NonNullable<T>> {
  const deadlineMs = options.deadlineMs ?? PATIENCE_MS;
  const end = performance.now() + deadlineMs;
  let pauseMs = 2;
  let cause: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      cause = undefined;
    } catch (error) {
      if (options.giveUp?.(error)) throw error;
      cause = error;
    }
    if (performance.now() >= end) {
      const because = cause instanceof Error ? `: ${cause.message}` : "";
      throw new Error(`Not within ${deadlineMs} ms: ${options.what ?? "the condition"}${because}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(pauseMs * 2, 50);
  }
}

/**
 * The value of `promise`, unless the deadline passes first.
 *
 * @throws {Error} when it does.
 */
export async function within<T>(promise: Promise<T>, what: string, deadlineMs = PATIENCE_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not within ${deadlineMs} ms: ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The pace of a scripted peer that is slow on purpose: what passes between two of its steps. It is a behaviour under
 * test, never a way to wait for the proxy.
 */
export function pace(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
