/**
 * What the API found wrong, line by line.
 *
 * @module
 */
import { escapeControls } from "../log.ts";
import type { Place } from "./manifest.ts";
import type { Fault } from "./problem.ts";

/** Where faults are told to be. */
export interface FaultPlaces {
  /** The file that was sent. */
  readonly file: string;
  /** Where a pointer leads in it; without it, the place that the fault itself names. */
  placeOf?(pointer: string): Place;
}

/** One line a fault: `file:line:column: pointer: detail` as far as it is known; more where the detail has more. */
export function formatFaults(faults: readonly Fault[], places?: FaultPlaces): string {
  return faults.map((fault) => {
    const { pointer, detail, parameter, line, column } = fault;
    const at = places === undefined ? "" : whereIs(fault, places);
    const stated = places === undefined && line !== undefined ? ` (line ${line}, column ${column ?? 1})` : "";
    const what = parameter ?? pointer;
    const told = `${at}${what === "" ? "" : `${what}: `}${detail}${stated}`;
    return told.split("\n").map((line) => `  ${escapeControls(line)}\n`).join("");
  }).join("");
}

function whereIs({ pointer, line, column }: Fault, { file, placeOf }: FaultPlaces): string {
  const place = line === undefined ? placeOf?.(pointer) : { line, column: column ?? 1 };
  return place === undefined ? `${file}: ` : `${file}:${place.line}:${place.column}: `;
}
