/** The verbs of the admin API on a control plane of the fixtures. */
import { type Actor, type AdminControl, ControlError, type ControlErrorKind } from "../../src/admin/control.ts";
import { Audit, createAdminControl, Events, History, type StateFolder } from "../../src/control/mod.ts";
import { assertEquals } from "@std/assert";
import { ControlBench, MAIN, tenantText } from "./control_fixture.ts";

export const ADMIN: Actor = { name: "ops", role: "admin" };
export const VIEWER: Actor = { name: "eye", role: "viewer" };
export const ACME: Actor = { name: "acme-ci", role: "tenant", tenant: "acme" };

/** A folder in memory. */
export class MemoryFolder implements StateFolder {
  readonly texts = new Map<string, string>();
  failing = false;

  read(name: string): Promise<string | null> {
    return Promise.resolve(this.texts.get(name) ?? null);
  }

  append(name: string, text: string): Promise<void> {
    if (this.failing) return Promise.reject(new Error("no room"));
    this.texts.set(name, (this.texts.get(name) ?? "") + text);
    return Promise.resolve();
  }

  replace(name: string, text: string): Promise<void> {
    this.texts.set(name, text);
    return Promise.resolve();
  }

  rename(from: string, to: string): Promise<void> {
    this.texts.set(to, this.texts.get(from) ?? "");
    this.texts.delete(from);
    return Promise.resolve();
  }
}

/** Everything behind the API. */
export class VerbsBench {
  private constructor(
    readonly bench: ControlBench,
    readonly verbs: AdminControl,
    readonly history: History,
    readonly audit: Audit,
    readonly events: Events,
    readonly folder: MemoryFolder,
  ) {}

  static async started(
    text: string,
    tenants: Readonly<Record<string, string>> = {},
    folder = new MemoryFolder(),
  ): Promise<VerbsBench> {
    const bench = await ControlBench.started(text, tenants);
    const deps = { folder, log: bench.log, now: () => 1_000 };
    const texts = [...bench.control.units.values()].filter(({ inMain }) => !inMain)
      .map(({ file, text }) => [file, text] as const);
    const history = await History.open(new Map([[MAIN, text], ...texts]), deps);
    const audit = await Audit.open(deps);
    const events = new Events(() => 1_000);
    const record = bench.changes.push.bind(bench.changes);
    bench.changes.push = (...changes) => {
      for (const change of changes) {
        history.record(change);
        events.tellChange(change);
      }
      return record(...changes);
    };
    const verbs = createAdminControl({
      control: bench.control,
      dataPlane: bench.dataPlane,
      store: bench.files,
      path: MAIN,
      history,
      audit,
      events,
      metrics: () => "",
      stats: () => ({}),
      canaryOf: (tenant, backend) => bench.canaryOf(tenant, backend),
      version: "1.2.3",
      isReady: () => true,
      uptimeMs: () => 5_500,
    });
    return new VerbsBench(bench, verbs, history, audit, events, folder);
  }

  /** A main file with `inline`, and a file of `acme`. */
  static standard(rest = ""): Promise<VerbsBench> {
    const inline = `{ id: inline, ${tenantText("127.0.0.1:1000").trim().replaceAll("\n", ", ")} }`;
    return VerbsBench.started(
      `# main\nversion: 1\ntenants_dir: t # folder\n${rest}tenants:\n  - ${inline} # the first\n`,
      { acme: `# acme's own\n${tenantText("127.0.0.1:1001", "limits: { max_connections: 10 } # agreed\n")}` },
    );
  }
}

/** The error that a write ends with. */
export async function refusalOf(kind: ControlErrorKind, write: () => Promise<unknown>): Promise<ControlError> {
  try {
    await write();
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    assertEquals(error.kind, kind, error.message);
    return error;
  }
  throw new Error(`expected ${kind}, it was done`);
}
