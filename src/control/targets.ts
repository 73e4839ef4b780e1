/**
 * Which file says what about a tenant, and what its text has to be to say something else. Pure.
 *
 * @module
 */

import { editYaml, type FileWrite, isId, type Path, yamlText } from "../config/mod.ts";
import { ControlError, type JsonObject } from "../admin/control.ts";
import { join } from "node:path";
import type { MainState, Unit } from "./unit_state.ts";

/** A write of one tenant. */
export interface TenantWrite {
  readonly file: FileWrite;
  /** Where the tenant is in the file. */
  readonly base: Path;
}

/** The object that a tenant is: as its file says, or as it runs where the file cannot be read. */
export function valueOf(unit: Unit): JsonObject {
  const value = unit.written ?? unit.running?.written ?? {};
  return value["id"] === undefined ? { id: unit.id, ...value } : value;
}

/** The file that has to be written so that a tenant is `after`; null: so that it is not there. */
export function tenantWrite(
  mainPath: string,
  main: MainState,
  id: string,
  unit: Unit | undefined,
  after: JsonObject | null,
): TenantWrite {
  if (unit === undefined) {
    if (!isId(id)) {
      const detail = `must be lower-case letters, digits and -, 63 at the most: current value is ${JSON.stringify(id)}`;
      throw new ControlError("invalid", `Cannot create a tenant: id ${detail}`, [{ pointer: "/id", detail }]);
    }
    if (main.folder !== null) {
      const path = join(main.folder, `${id}.yaml`);
      return { file: { path, text: said(path, () => yamlText(after)) }, base: [] };
    }
    const listed = main.source.value["tenants"];
    const base = ["tenants", Array.isArray(listed) ? listed.length : 0];
    return { file: { path: mainPath, text: edited(mainPath, main.text, base, after ?? undefined) }, base };
  }
  if (unit.inMain) {
    const text = edited(mainPath, main.text, unit.base, after ?? undefined);
    return { file: { path: mainPath, text }, base: unit.base };
  }
  if (after === null) return { file: { path: unit.file, text: null }, base: [] };
  // A file that says no map holds nothing that could be kept.
  if (unit.written === null) {
    return { file: { path: unit.file, text: said(unit.file, () => yamlText(after)) }, base: [] };
  }
  return { file: { path: unit.file, text: edited(unit.file, unit.text, [], withoutOwnId(unit, after)) }, base: [] };
}

/** The file's name says the id; where only that says it, it stays so. */
function withoutOwnId(unit: Unit, after: JsonObject): JsonObject {
  if (/^\s*(?:\{\s*)?["']?id["']?\s*:/m.test(unit.text)) return after;
  const { id: _, ...rest } = after;
  return rest;
}

/** The text with one edit made; throws ControlError where it cannot be made in place. */
export function edited(file: string, text: string, path: Path, value: unknown): string {
  return said(file, () => editYaml(text, [{ path, value }]));
}

function said(file: string, text: () => string): string {
  try {
    return text();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ControlError("conflict", `Cannot change ${file}: ${error.message}`, [], { cause: error });
  }
}
