/**
 * Stands in for `jsr:@std/testing/time` where only npm is reached, which does not carry it: the fake clock of its
 * published API, written for this project.
 *
 * @module
 */

/** Misuse of the fake clock. */
export class TimeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TimeError";
  }
}

interface Timer {
  readonly id: number;
  dueMs: number;
  /** Milliseconds between two calls; undefined: called once. */
  readonly everyMs: number | undefined;
  readonly call: () => void;
}

type TimerCallback = (...args: unknown[]) => void;

const real = {
  Date: globalThis.Date,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
};

/** The clock in force. */
let current: FakeTime | undefined;

/**
 * Replaces `Date` and the timers until `restore` or disposal. Time stands still but for `tick`, `next`, `runAll` and
 * assignments to `now`, which run the timers that become due, in their order.
 */
export class FakeTime implements Disposable {
  readonly #startMs: number;
  readonly #timers = new Map<number, Timer>();
  #nowMs: number;
  #nextId = 1;

  constructor(start?: number | string | Date | null) {
    if (current !== undefined) throw new TimeError("Cannot construct FakeTime: time is already faked");
    this.#startMs = start === undefined || start === null ? real.Date.now() : new real.Date(start).getTime();
    if (Number.isNaN(this.#startMs)) throw new TimeError(`Cannot construct FakeTime: invalid start ${start}`);
    this.#nowMs = this.#startMs;
    // deno-lint-ignore no-this-alias
    const clock = this;
    globalThis.Date = class extends real.Date {
      constructor(...args: unknown[]) {
        super(...(args.length === 0 ? [clock.now] : args) as [number]);
      }
      static override now(): number {
        return clock.now;
      }
    } as DateConstructor;
    const add = (callback: TimerCallback, delayMs: number, args: unknown[], repeat: boolean) =>
      this.#add(callback, delayMs, args, repeat);
    const clear = (id?: number) => {
      if (id !== undefined) this.#timers.delete(id);
    };
    Object.assign(globalThis, {
      setTimeout: (callback: TimerCallback, delayMs = 0, ...args: unknown[]) => add(callback, delayMs, args, false),
      setInterval: (callback: TimerCallback, delayMs = 0, ...args: unknown[]) => add(callback, delayMs, args, true),
      clearTimeout: clear,
      clearInterval: clear,
    });
    current = this;
  }

  /** Restores the real time. */
  static restore(): void {
    if (current === undefined) throw new TimeError("Cannot restore time: time is already restored");
    current.restore();
  }

  /** The fake time, in ms since 1970. Setting it runs what becomes due. */
  get now(): number {
    return this.#nowMs;
  }
  set now(value: number) {
    if (value < this.#nowMs) throw new RangeError("Cannot set time in the past, time must always go forward");
    for (let timer = this.#first(value); timer !== undefined; timer = this.#first(value)) this.#run(timer);
    this.#nowMs = value;
  }

  /** The fake time at which it started. */
  get start(): number {
    return this.#startMs;
  }

  /** Moves time on. */
  tick(ms = 0): void {
    this.now += ms;
  }

  /** Lets pending promises run, then moves time on. */
  async tickAsync(ms = 0): Promise<void> {
    await this.runMicrotasks();
    this.now += ms;
  }

  /** Moves to the next timer and runs it; false when there is none. */
  next(): boolean {
    const timer = this.#first(Infinity);
    if (timer === undefined) return false;
    this.now = timer.dueMs;
    return true;
  }

  /** Lets pending promises run, then does as `next`. */
  async nextAsync(): Promise<boolean> {
    await this.runMicrotasks();
    return this.next();
  }

  /** Runs timers until none is left. */
  runAll(): void {
    while (this.next());
  }

  /** Does as `runAll`, and lets pending promises run before each timer. */
  async runAllAsync(): Promise<void> {
    while (await this.nextAsync());
  }

  /** Lets pending promises run. */
  async runMicrotasks(): Promise<void> {
    await this.delay(0);
  }

  /** Resolves after so many milliseconds of real time. */
  delay(ms: number): Promise<void> {
    return new Promise((resolve) => real.setTimeout(resolve, ms));
  }

  /** Gives `Date` and the timers back. */
  restore(): void {
    if (current !== this) throw new TimeError("Cannot restore time: time is already restored");
    Object.assign(globalThis, real);
    current = undefined;
  }

  [Symbol.dispose](): void {
    this.restore();
  }

  #add(callback: TimerCallback, delayMs: number, args: unknown[], repeat: boolean): number {
    const id = this.#nextId++;
    // An interval of 0 would never let time go on.
    const waitMs = Math.max(repeat ? 1 : 0, Math.floor(delayMs));
    const call = () => callback(...args);
    this.#timers.set(id, { id, dueMs: this.#nowMs + waitMs, everyMs: repeat ? waitMs : undefined, call });
    return id;
  }

  /** The timer that is due first, up to a time; of several, the oldest. */
  #first(untilMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (timer.dueMs <= untilMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  }

  #run(timer: Timer): void {
    this.#nowMs = timer.dueMs;
    this.#timers.delete(timer.id);
    if (timer.everyMs !== undefined) {
      this.#timers.set(timer.id, { ...timer, dueMs: timer.dueMs + timer.everyMs });
    }
    timer.call();
  }
}
