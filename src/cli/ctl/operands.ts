/**
 * Operands and values of flags of `ctl`, checked before anything is sent: a wrong one is wrong usage, not a refusal.
 *
 * @module
 */
import { parseDurationMs } from "../../config/mod.ts";
import { type Arguments, type Flag, UsageError } from "../command.ts";

const ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
const ULID = /^[0-9A-HJKMNP-TV-Z]{26}$/;

/** The flag of a drain. */
export const DRAIN_FLAG: Flag = {
  name: "drain",
  value: "TIME",
  summary: "how long live sessions may run on, such as 30s (else the tenant's timeouts.drain)",
};

/** The flags of a wait. */
export const WAIT_FLAGS: readonly Flag[] = [
  { name: "wait", summary: "wait until no session is left, and show how many are" },
  { name: "timeout", value: "TIME", summary: "longest wait, such as 10m (else 1h); exit code 1 when it is over" },
];

/** The flag of a write that only shows. */
export const DRY_RUN_FLAG: Flag = { name: "dry-run", summary: "show what would change, change nothing" };

/** The flag that ends a list early. */
export const LIMIT_FLAG: Flag = { name: "limit", value: "N", summary: "the first N only" };

const LONGEST_WAIT_MS = 3_600_000;

/** An id. Throws UsageError. */
export function idOf(text: string, what: string): string {
  if (ID.test(text)) return text;
  throw new UsageError(`${what} must be an id such as acme-1: current value is ${JSON.stringify(text)}`);
}

/** The id that is the first operand. Throws UsageError. */
export function tenantOf(args: Arguments): string {
  return idOf(args.operands[0] ?? "", "TENANT");
}

/** The id that a flag gives, if it does. Throws UsageError. */
export function idFlag(args: Arguments, name: string): string | undefined {
  const value = args.values.get(name);
  return value === undefined ? undefined : idOf(value, `--${name}`);
}

/** The ULID of a session. Throws UsageError. */
export function sessionOf(text: string): string {
  if (ULID.test(text.toUpperCase())) return text.toUpperCase();
  throw new UsageError(`ID must be a session's, 26 letters and digits: current value is ${JSON.stringify(text)}`);
}

/** The duration that a flag gives, as it is written. Throws UsageError. */
export function durationFlag(args: Arguments, name: string): string | undefined {
  const value = args.values.get(name);
  if (value !== undefined && parseDurationMs(value) === undefined) {
    throw new UsageError(`--${name} must be a duration such as 30s or 5m: current value is ${JSON.stringify(value)}`);
  }
  return value;
}

/** Longest wait. Throws UsageError. */
export function timeoutMs(args: Arguments): number {
  const value = durationFlag(args, "timeout");
  if (value !== undefined && !args.switches.has("wait")) throw new UsageError("--timeout needs --wait");
  return (value === undefined ? undefined : parseDurationMs(value)) ?? LONGEST_WAIT_MS;
}

/** How many of a list. Throws UsageError. */
export function limitOf(args: Arguments): number {
  const value = args.values.get("limit");
  if (value === undefined) return Infinity;
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
  throw new UsageError(`--limit must be a number from 1: current value is ${JSON.stringify(value)}`);
}

/** `?dry_run=true`, if it was asked for. */
export function dryRunQuery(args: Arguments): { readonly dry_run?: string } {
  return args.switches.has("dry-run") ? { dry_run: "true" } : {};
}
