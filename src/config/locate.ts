/**
 * Where in the configuration files a listener stands, for errors that come up only when its address is bound. Called by
 * `serve` after such an error; reads the files again, so that nobody keeps positions of a configuration that works.
 *
 * @module
 */

import { basename } from "node:path";
import type { LoadDeps } from "./load_deps.ts";
import { entriesOf, isMapValue } from "./raw.ts";
import { formatPath, formatPlace, parseSource, type Path } from "./source.ts";

/**
 * The place of a listener's address as `file:line:column: path`; null when the files do not have it any more.
 *
 * @param tenant undefined: a shared listener
 * @param files as `loadConfig` gave them, the main one first
 */
export async function placeOfListener(
  files: readonly string[],
  tenant: string | undefined,
  listener: string,
  deps: Pick<LoadDeps, "readTextFile">,
): Promise<string | null> {
  for (const [index, file] of files.entries()) {
    const text = await deps.readTextFile(file).catch(() => "");
    const { source } = parseSource(file, text);
    if (source === null) continue;
    const path = index === 0
      ? pathInMain(source.value, tenant, listener)
      : tenant !== undefined && basename(file) === `${tenant}.yaml`
      ? pathInTenant(source.value, [], listener)
      : null;
    if (path !== null) return `${formatPlace({ source, path })}: ${formatPath(path)}`;
  }
  return null;
}

function pathInMain(
  value: Readonly<Record<string, unknown>>,
  tenant: string | undefined,
  listener: string,
): Path | null {
  if (tenant === undefined) return pathInTenant(value, [], listener);
  const tenants = entriesOf(value, "tenants");
  const at = tenants.findIndex((one) => isMapValue(one) && one["id"] === tenant);
  return at < 0 ? null : pathInTenant(tenants[at], ["tenants", at], listener);
}

function pathInTenant(tenant: unknown, base: Path, listener: string): Path | null {
  const at = entriesOf(tenant, "listeners").findIndex((one) => isMapValue(one) && one["id"] === listener);
  return at < 0 ? null : [...base, "listeners", at, "address"];
}
