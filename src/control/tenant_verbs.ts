/**
 * Changing one tenant, or a part of it: from the edit that was asked for to the file that says so. Called from tasks of
 * the control plane's queue.
 *
 * @module
 */

import {
  ControlError,
  type Edit,
  type JsonObject,
  type ObjectPath,
  type WriteOptions,
  type WriteResult,
} from "../admin/control.ts";
import { sameValue } from "../config/mod.ts";
import { authorizeChange, authorizeTenant } from "./authorize.ts";
import { checkConditions, versioned } from "./etag.ts";
import { mergePatch, partOf, pointerOf, withPart } from "./parts.ts";
import { tenantWrite, valueOf } from "./targets.ts";
import { writeFiles, type WriterDeps } from "./writer.ts";

/** `backend pg of tenant acme`, for messages. */
export function nameOf({ tenant, part }: ObjectPath): string {
  if (part === undefined) return `tenant ${tenant}`;
  if (part.kind === "endpoints") return `endpoint ${part.id} of backend ${part.backend} of tenant ${tenant}`;
  return `${part.kind.slice(0, -1)} ${part.id} of tenant ${tenant}`;
}

/** Makes an edit. Throws ControlError when it cannot be made; then nothing has changed. */
export async function editTenant(
  path: ObjectPath,
  edit: Edit,
  options: WriteOptions,
  deps: WriterDeps,
): Promise<WriteResult> {
  const { control } = deps;
  const { tenant, part } = path;
  authorizeTenant(options.actor, tenant);
  const unit = control.units.get(tenant);
  const before = unit === undefined ? null : valueOf(unit);
  const what = nameOf(path);
  if (part !== undefined) {
    if (before === null) throw new ControlError("not_found", `Cannot find tenant ${tenant}`);
    if (part.kind === "endpoints" && partOf(before, { kind: "backends", id: part.backend }) === null) {
      throw new ControlError("not_found", `Cannot find backend ${part.backend} of tenant ${tenant}`);
    }
  }
  const object = before === null ? null : part === undefined ? before : partOf(before, part);
  if (edit.kind !== "put" && edit.kind !== "create" && object === null) {
    throw new ControlError("not_found", `Cannot find ${what}`);
  }
  checkConditions(options, object, what);
  const next = nextObject(path, edit, object, what);
  if (unit !== undefined && unit.written === null && (part !== undefined || edit.kind === "patch")) {
    const message =
      `Cannot change ${what}: the file ${unit.file} must be readable: it is not; mend it, or put the whole tenant`;
    throw new ControlError("conflict", message);
  }
  const after = part === undefined || before === null ? next : withPart(before, part, next);
  authorizeChange(options.actor, before, after, control.main.source.value["defaults"]);

  if (before !== null && sameValue(before, after)) {
    return {
      generation: control.generation,
      created: false,
      object: next === null ? null : versioned(next),
      changes: [],
      sessions: { kept: 0, drained: 0 },
    };
  }
  const { file, base } = tenantWrite(deps.path, control.main, tenant, unit, after);
  const drainMs = edit.kind === "delete" ? edit.drainMs : undefined;
  const written = await writeFiles({
    by: options.actor.name,
    what: `change ${what}`,
    files: [file],
    dryRun: options.dryRun === true,
    isTenants: options.actor.role === "tenant",
    base,
    ...(part === undefined || after === null ? {} : { part: pointerOf(after, part) }),
    ...(drainMs === undefined ? {} : { drainMs }),
  }, deps);
  return { ...written, created: object === null, object: next === null ? null : versioned(next) };
}

/** What the object shall be; null: not there. */
function nextObject(path: ObjectPath, edit: Edit, object: JsonObject | null, what: string): JsonObject | null {
  const id = path.part?.id ?? path.tenant;
  switch (edit.kind) {
    case "delete":
      return null;
    case "create":
      if (object !== null) throw new ControlError("exists", `Cannot create ${what}: it must not be there: it is`);
      return withId(edit.value, id, what);
    case "put":
      return withId(edit.value, id, what);
    case "patch":
      return withId(mergePatch(object ?? {}, edit.patch) as JsonObject, id, what);
  }
}

function withId(value: JsonObject, id: string, what: string): JsonObject {
  const written = value["id"];
  if (written === id) return value;
  if (written === undefined) return { id, ...value };
  const detail = `must be ${JSON.stringify(id)}, as in the path: current value is ${JSON.stringify(written)}`;
  throw new ControlError("invalid", `Cannot change ${what}: id ${detail}`, [{ pointer: "/id", detail }]);
}
