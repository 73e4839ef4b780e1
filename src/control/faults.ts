/**
 * Problems of files as faults of what was sent: places become JSON Pointers. Pure.
 *
 * @module
 */

import { formatPath, type Path, type Problem } from "../config/mod.ts";
import { ControlError, type Fault } from "../admin/control.ts";
import { escapeStep } from "./changes.ts";

/**
 * The faults of problems.
 *
 * @param base where what was sent begins, in the file
 * @param part where what was sent begins within that: the pointer of a part of a tenant
 * @param withLines whether the file's text was sent, so that its lines mean something
 */
export function faultsOf(problems: readonly Problem[], base: Path = [], part = "", withLines = false): Fault[] {
  return problems.map(({ path, message, remedy, line, column }) => {
    const pointer = pointerFrom(path, base);
    const isWithin = part !== "" && (pointer === part || pointer.startsWith(`${part}/`));
    const detail = `${message}; ${remedy}`;
    const shown = isWithin ? pointer.slice(part.length) : pointer;
    return withLines && line > 0 ? { pointer: shown, detail, line, column } : { pointer: shown, detail };
  });
}

/** The error of a configuration that is wrong. */
export function invalid(what: string, faults: readonly Fault[]): ControlError {
  const more = faults.length === 1 ? "it is wrong at one place" : `it is wrong at ${faults.length} places`;
  return new ControlError("invalid", `Cannot ${what}: it must be valid: ${more}`, faults);
}

/** `tenants[0].backends[1].id` below `tenants[0]` → `/backends/1/id`. */
function pointerFrom(path: string, base: Path): string {
  const prefix = formatPath(base);
  const own = prefix !== "" && path.startsWith(prefix) ? path.slice(prefix.length) : path;
  const steps = own.match(/[^.[\]]+/g) ?? [];
  return steps.map((step) => `/${escapeStep(step)}`).join("");
}
