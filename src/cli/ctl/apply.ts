/**
 * `sluice ctl tenants apply -f FILE`: makes tenants be what a file says, and never over what somebody else has written
 * meanwhile: each is read first, and written on the condition that it has not changed since.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { formatDryRun } from "../../ctl/changes.ts";
import { type Answer, pathOf } from "../../ctl/client.ts";
import { formatFaults } from "../../ctl/faults.ts";
import { type Manifest, readManifests } from "../../ctl/manifest.ts";
import { ApiError } from "../../ctl/problem.ts";
import { type Command, type Flag, UsageError } from "../command.ts";
import { type Ctl, ctlCommand, type CtlDeps, readFile } from "./context.ts";
import { DRY_RUN_FLAG, dryRunQuery, idOf } from "./operands.ts";
import { writeJson } from "./output.ts";

/** The flag that names the file. */
export const FILE_FLAG: Flag = { name: "file", short: "f", value: "FILE", summary: "the file; - is standard input" };

/** The file that the flag names. Throws UsageError. */
export function fileOf(values: ReadonlyMap<string, string>): string {
  const file = values.get("file");
  if (file === undefined) throw new UsageError("missing flag: -f FILE");
  return file;
}

/** The command. */
export function applyCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl tenants apply",
    summary: "create or replace tenants as a file says",
    description:
      "Reads tenants from YAML or JSON: one, a list, `tenants:` with a list, or several documents of these, and\n" +
      "writes each to the proxy. One that somebody else changes at the same moment is left alone and told as a\n" +
      "conflict. The others are written all the same; exit code 1 when one was not.",
    flags: [FILE_FLAG, DRY_RUN_FLAG],
    check: (args) => void fileOf(args.values),
    work: async (ctl) => {
      const file = fileOf(ctl.args.values);
      const manifests = readManifests(await readFile(file, ctl.deps), file);
      for (const { id } of manifests) idOf(id, `id in ${file}`);
      const results: unknown[] = [];
      let failures = 0;
      for (const manifest of manifests) {
        const outcome = await apply(ctl, manifest, file);
        if (!outcome.isDone) failures += 1;
        results.push(outcome.body);
      }
      if (ctl.isJson) writeJson(ctl, results.length === 1 ? results[0] : results);
      else if (manifests.length > 1) ctl.io.out(`${manifests.length - failures} of ${manifests.length} applied\n`);
      return failures === 0 ? 0 : 1;
    },
  });
}

interface Outcome {
  readonly isDone: boolean;
  /** What the API answered. */
  readonly body: unknown;
}

async function apply(ctl: Ctl, manifest: Manifest, file: string): Promise<Outcome> {
  const { io, args, isJson } = ctl;
  const { id, value } = manifest;
  try {
    const before = await current(ctl, id);
    const answer = await ctl.client.request("PUT", pathOf("tenants", id), {
      json: value,
      query: dryRunQuery(args),
      headers: before?.etag ? { "if-match": before.etag } : { "if-none-match": "*" },
    });
    if (!isJson) {
      io.out(
        args.switches.has("dry-run")
          ? `${id}: ${before === null ? "would be created" : "would become"}\n${
            indented(formatDryRun(answer.json(), io.color))
          }`
          : `${id}: ${outcomeOf(before, answer)}\n`,
      );
    }
    return { isDone: true, body: answer.json() };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    io.err(`sluice: ctl tenants apply: ${id}: ${whyNot(error)}\n`);
    io.err(formatFaults(error.faults, { file, placeOf: manifest.placeOf }));
    return { isDone: false, body: bodyOf(error) };
  }
}

async function current({ client }: Ctl, id: string): Promise<Answer | null> {
  try {
    return await client.request("GET", pathOf("tenants", id));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

function outcomeOf(before: Answer | null, after: Answer): string {
  const generation = after.generation === null ? "" : ` (generation ${after.generation})`;
  if (before === null) return `created${generation}`;
  const isSame = before.etag === null ? isDeepStrictEqual(before.json(), after.json()) : before.etag === after.etag;
  return isSame ? "unchanged" : `changed${generation}`;
}

function whyNot(error: ApiError): string {
  if (error.status !== 412) return error.message;
  return "conflict: somebody else has changed it at this moment, nothing of it was written; " +
    "look with --dry-run and apply it again";
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, "  ");
}

function bodyOf(error: ApiError): unknown {
  try {
    return JSON.parse(error.body);
  } catch {
    return { status: error.status, detail: error.message };
  }
}
