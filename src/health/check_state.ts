/**
 * What results of checks make of an endpoint's health. Pure; `checker.ts` keeps one state for each endpoint.
 *
 * An endpoint starts as unknown, and unknown ones are used. Its first result settles it at once, for better or worse:
 * after a start nobody waits for `rise` checks to be served, nor is sent to a dead endpoint for `fall` checks. From then
 * on it takes `fall` bad results in a row to go down and `rise` good ones to come up.
 *
 * @module
 */

/** What active checks say of an endpoint. */
export type Health = "unknown" | "up" | "down";

/** Health, and how many results in a row spoke against it. */
export interface CheckState {
  readonly health: Health;
  readonly against: number;
}

/** How many results in a row it takes. */
export interface Thresholds {
  /** Good ones, from down to up. */
  readonly rise: number;
  /** Bad ones, from up to down. */
  readonly fall: number;
}

/** Before the first result. */
export const UNCHECKED: CheckState = { health: "unknown", against: 0 };

/** The state after one more result. */
export function afterResult(state: CheckState, isGood: boolean, { rise, fall }: Thresholds): CheckState {
  const told: Health = isGood ? "up" : "down";
  if (state.health === told || state.health === "unknown") return { health: told, against: 0 };
  const against = state.against + 1;
  return against >= (isGood ? rise : fall) ? { health: told, against: 0 } : { health: state.health, against };
}
