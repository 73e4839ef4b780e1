/**
 * Stands in for `jsr:@std/testing/mock` where only npm is reached, which does not carry it: spies and stubs of its
 * published API, written for this project.
 *
 * @module
 */
import { assertEquals, AssertionError } from "jsr:@std/assert@^1.0.19";

// deno-lint-ignore no-explicit-any
type AnyArgs = any[];
type Keys<Self> = {
  // deno-lint-ignore no-explicit-any
  [Key in keyof Self]: Self[Key] extends (...args: any[]) => unknown ? Key : never;
}[keyof Self];
type ArgsOf<Self, Key extends keyof Self> = Self[Key] extends (...args: infer Args) => unknown ? Args : never;
// deno-lint-ignore no-explicit-any
type ReturnOf<Self, Key extends keyof Self> = Self[Key] extends (...args: any[]) => infer Return ? Return : never;

/** Misuse of a spy or stub. */
export class MockError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MockError";
  }
}

/** What a spy saw of one call. */
export interface SpyCall<Self = unknown, Args extends unknown[] = AnyArgs, Return = unknown> {
  /** Arguments of the call. */
  args: Args;
  /** What it returned. */
  returned?: Return;
  /** What it threw. */
  error?: Error;
  /** Its `this`. */
  self?: Self;
}

/** A function that remembers its calls. */
export interface Spy<Self = unknown, Args extends unknown[] = AnyArgs, Return = unknown> {
  (this: Self, ...args: Args): Return;
  /** The function behind it. */
  original: (this: Self, ...args: Args) => Return;
  /** Its calls so far. */
  calls: SpyCall<Self, Args, Return>[];
  /** Whether the method has been put back. */
  restored: boolean;
  /** Puts the method back; throws for a spy that stands in for none. */
  restore(): void;
}

/** A method that is replaced, and remembers its calls; disposing puts the method back. */
export interface Stub<Self = unknown, Args extends unknown[] = AnyArgs, Return = unknown>
  extends Spy<Self, Args, Return>, Disposable {
  /** What runs in its place. */
  fake: (this: Self, ...args: Args) => Return;
}

/** Makes a spy: of a function, or of none. */
// deno-lint-ignore no-explicit-any
export function spy(): Spy<any, AnyArgs, undefined>;
export function spy<Self, Args extends unknown[], Return>(
  func: (this: Self, ...args: Args) => Return,
): Spy<Self, Args, Return>;
export function spy(func: (...args: unknown[]) => unknown = () => undefined): Spy<unknown, unknown[], unknown> {
  return record(func, func, () => {
    throw new MockError("Cannot restore: the spy stands in for no method");
  });
}

/** Replaces a method until `restore` or disposal; without a function, by one that returns undefined. */
export function stub<Self, Key extends Keys<Self>>(
  self: Self,
  property: Key,
  func: (this: Self, ...args: ArgsOf<Self, Key>) => ReturnOf<Self, Key> = () => undefined as ReturnOf<Self, Key>,
): Stub<Self, ArgsOf<Self, Key>, ReturnOf<Self, Key>> {
  const target = self as Record<PropertyKey, unknown>;
  const original = target[property];
  if (typeof original !== "function") throw new MockError("Cannot stub: property is not a method");
  const descriptor = Object.getOwnPropertyDescriptor(target, property);
  const double = record(original as never, func, () => {
    if (double.restored) throw new MockError("Cannot restore: instance method already restored");
    if (descriptor === undefined) delete target[property];
    else Object.defineProperty(target, property, descriptor);
    double.restored = true;
  }) as Spy<Self, ArgsOf<Self, Key>, ReturnOf<Self, Key>>;
  Object.defineProperty(target, property, {
    value: double,
    configurable: true,
    enumerable: descriptor?.enumerable ?? true,
    writable: true,
  });
  return Object.assign(double, { fake: func, [Symbol.dispose]: () => double.restore() });
}

/** Fails unless the spy was called so many times. */
export function assertSpyCalls<Self, Args extends unknown[], Return>(
  spy: Spy<Self, Args, Return>,
  expectedCalls: number,
): void {
  if (spy.calls.length !== expectedCalls) {
    throw new AssertionError(`Spy was called ${spy.calls.length} times, expected ${expectedCalls}`);
  }
}

/** Fails unless the call at this index has the given arguments, `this` and result. */
export function assertSpyCall<Self, Args extends unknown[], Return>(
  spy: Spy<Self, Args, Return>,
  callIndex: number,
  expected?: { args?: Args; self?: Self; returned?: Return },
): void {
  const call = spy.calls[callIndex];
  if (call === undefined) throw new AssertionError(`Spy was not called ${callIndex + 1} times`);
  if (expected === undefined) return;
  if ("args" in expected) assertEquals<unknown>(call.args, expected.args);
  if ("self" in expected) assertEquals<unknown>(call.self, expected.self);
  if ("returned" in expected) assertEquals<unknown>(call.returned, expected.returned);
}

function record<Self, Args extends unknown[], Return>(
  original: (this: Self, ...args: Args) => Return,
  run: (this: Self, ...args: Args) => Return,
  restore: () => void,
): Spy<Self, Args, Return> {
  const calls: SpyCall<Self, Args, Return>[] = [];
  function double(this: Self, ...args: Args): Return {
    const call: SpyCall<Self, Args, Return> = this === undefined ? { args } : { args, self: this };
    calls.push(call);
    try {
      call.returned = run.apply(this, args);
      return call.returned;
    } catch (error) {
      call.error = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }
  return Object.assign(double, { original, calls, restored: false, restore });
}
