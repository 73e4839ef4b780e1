/**
 * Types of `parseArgs`: what it takes, and a result whose flags are `unknown`, so that the caller narrows each one.
 * The published types are finer; every use that is correct under these is correct under those.
 */

/** What `parseArgs` is told about the flags. */
export interface ParseOptions {
  /** Keep what stands behind `--` apart, under the key `--`. */
  "--"?: boolean;
  /** Other names of a flag. */
  alias?: Record<string, string | readonly string[]>;
  /** Flags that take no value; `true`: every `--flag` without `=`. */
  boolean?: boolean | string | readonly string[];
  /** Values of flags that are not given. */
  default?: Record<string, unknown>;
  /** Everything behind the first argument that is no flag goes to `_`. */
  stopEarly?: boolean;
  /** Flags whose value stays a string. */
  string?: string | readonly string[];
  /** Flags that may be given several times. */
  collect?: string | readonly string[];
  /** Flags that have a `--no-` form. */
  negatable?: string | readonly string[];
  /** Called with each argument that is not declared; `false` leaves it out of the result. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Flags by name, and the other arguments. */
export type Args = Record<string, unknown> & {
  _: (string | number)[];
  "--"?: string[];
};

/** Parses command line arguments. */
export declare function parseArgs(args: readonly string[], options?: ParseOptions): Args;
