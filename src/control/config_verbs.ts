/**
 * Changing the configuration as a whole: replacing it, and going back to an earlier generation. Called from tasks of the
 * control plane's queue.
 *
 * @module
 */

import {
  ControlError,
  type Fault,
  type Json,
  type JsonObject,
  type Versioned,
  type WriteOptions,
  type WriteResult,
} from "../admin/control.ts";
import { canonicalJson, digestOf, type FileWrite, isMapValue, sameValue } from "../config/mod.ts";
import { authorizeProcess } from "./authorize.ts";
import type { ControlPlane } from "./control_plane.ts";
import { checkMatch } from "./etag.ts";
import type { History } from "./history.ts";
import { edited, tenantWrite, valueOf } from "./targets.ts";
import { evaluateWrite, writeFiles, type WriterDeps } from "./writer.ts";

/** A configuration that was sent. */
export type SentConfig = { readonly value: JsonObject } | { readonly yaml: string };

/** The whole as one object: the main file, with the tenants of `tenants_dir` behind its own. */
export function wholeConfig(control: ControlPlane): Versioned {
  const tenants = orderedUnits(control).map(valueOf);
  return { value: { ...control.main.written, tenants }, etag: wholeEtag(control) };
}

/** Validator of the whole. */
export function wholeEtag(control: ControlPlane): string {
  const tenants = orderedUnits(control).map((unit) => canonicalJson(valueOf(unit)));
  return `"${digestOf([canonicalJson(control.main.written), ...tenants].join("\n"))}"`;
}

function orderedUnits(control: ControlPlane) {
  const units = [...control.units.values()];
  const position = (base: readonly (string | number)[]) => Number(base[1] ?? 0);
  return [
    ...units.filter(({ inMain }) => inMain).sort((one, other) => position(one.base) - position(other.base)),
    ...units.filter(({ inMain }) => !inMain).sort((one, other) => one.id < other.id ? -1 : 1),
  ];
}

/** Puts a configuration in place of the whole. */
export async function replaceConfig(sent: SentConfig, options: WriteOptions, deps: WriterDeps): Promise<WriteResult> {
  authorizeProcess(options.actor);
  checkWhole(options, deps.control);
  const files = filesOf(sent, deps);
  return await writeWhole(files, "replace the configuration", "yaml" in sent, options, deps);
}

/** What is wrong with a configuration. */
export async function validateConfig(sent: SentConfig, deps: WriterDeps): Promise<readonly Fault[]> {
  try {
    await evaluateWrite({ what: "check", files: filesOf(sent, deps), withLines: "yaml" in sent }, deps);
    return [];
  } catch (error) {
    if (error instanceof ControlError && error.kind === "invalid") return error.faults;
    throw error;
  }
}

/** Writes the files back as they were in an earlier generation. */
export async function rollback(
  generation: number,
  history: History,
  options: WriteOptions,
  deps: WriterDeps,
): Promise<WriteResult> {
  authorizeProcess(options.actor);
  checkWhole(options, deps.control);
  const texts = history.filesAt(generation);
  if (texts === null) {
    throw new ControlError("not_found", `Cannot go back: generation ${generation} must be one that is kept: it is not`);
  }
  const files = [...texts].map(([path, text]) => ({ path, text }));
  return await writeWhole(files, `go back to generation ${generation}`, false, options, deps);
}

async function writeWhole(
  files: readonly FileWrite[],
  what: string,
  withLines: boolean,
  options: WriteOptions,
  deps: WriterDeps,
): Promise<WriteResult> {
  const { control } = deps;
  const dryRun = options.dryRun === true;
  const written = files.length === 0
    ? { generation: control.generation, changes: [], sessions: { kept: 0, drained: 0 } }
    : await writeFiles({ by: options.actor.name, what, files, dryRun, withLines }, deps);
  return { ...written, created: false, object: wholeConfig(control) };
}

function checkWhole(options: WriteOptions, control: ControlPlane): void {
  if (options.ifMatch === undefined) {
    throw new ControlError("precondition_required", "Cannot change the whole configuration: If-Match must be given");
  }
  checkMatch(options.ifMatch, wholeEtag(control), "the configuration");
}

/** The files that have to be written so that a configuration is in force; those that say so already are left out. */
function filesOf(sent: SentConfig, { control, path }: WriterDeps): FileWrite[] {
  const { main } = control;
  if ("yaml" in sent) return sent.yaml === main.text ? [] : [{ path, text: sent.yaml }];
  const { tenants: listed = [], ...settings } = sent.value;
  if (!Array.isArray(listed)) {
    throw new ControlError("invalid", "Cannot replace the configuration: tenants must be a list", [
      { pointer: "/tenants", detail: "must be a list" },
    ]);
  }
  if (!sameValue(settings["tenants_dir"], main.written["tenants_dir"])) {
    const detail = "cannot be changed together with the tenants in it; send the main file as YAML";
    throw new ControlError("invalid", `Cannot replace the configuration: tenants_dir ${detail}`, [
      { pointer: "/tenants_dir", detail },
    ]);
  }
  const files: FileWrite[] = [];
  const inMain: Json[] = [];
  const named = new Set<string>();
  for (const tenant of listed as readonly Json[]) {
    const id = isMapValue(tenant) && typeof tenant["id"] === "string" ? tenant["id"] : undefined;
    const unit = id === undefined ? undefined : control.units.get(id);
    const goesToMain = id === undefined || unit?.inMain === true || unit === undefined && main.folder === null ||
      named.has(id);
    if (id !== undefined) named.add(id);
    if (goesToMain || id === undefined) inMain.push(tenant);
    else if (unit === undefined || !sameValue(valueOf(unit), tenant)) {
      files.push(tenantWrite(path, main, id, unit, tenant as JsonObject).file);
    }
  }
  for (const unit of control.units.values()) {
    if (!unit.inMain && !named.has(unit.id)) files.push({ path: unit.file, text: null });
  }
  const hadTenants = main.source.value["tenants"] !== undefined;
  const value = inMain.length > 0 || hadTenants ? { ...settings, tenants: inMain } : settings;
  if (!sameValue(value, main.source.value)) files.push({ path, text: edited(path, main.text, [], value) });
  return files;
}
