/**
 * What a check of the doctor answers.
 *
 * @module
 */

/** How bad it is: fine, could be better, or the configuration cannot be met. */
export type Verdict = "ok" | "advice" | "will-fail";

/** The answer of one check. */
export interface Finding {
  /** Name of the check, stable for scripts. */
  readonly id: string;
  readonly verdict: Verdict;
  /** What is, as text. */
  readonly found: string;
  /** What should be, as text. */
  readonly wanted: string;
  /** Why it matters. */
  readonly why: string;
  /** The command that mends it; null when there is nothing to mend, or no command does. */
  readonly mend: string | null;
}

/** A whole number with its thousands apart, or "unlimited". */
export function count(value: number | null): string {
  return value === null || value === Infinity ? "unlimited" : Math.round(value).toLocaleString("en-US");
}

/** The command that sets a kernel parameter now and at every start. */
export function sysctl(name: string, value: number | string): string {
  return `sysctl -w ${name}="${value}" && echo '${name} = ${value}' >> /etc/sysctl.d/90-sluice.conf`;
}
