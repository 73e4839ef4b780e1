/** A control plane on a data plane that only remembers what it was told. */
import { loadConfig, type LoadResult, type PlanChange } from "../../src/config/mod.ts";
import { type BoundAddress, ControlPlane, type DataPlane } from "../../src/control/mod.ts";
import type { EngineStatus, ListenerStats } from "../../src/ffi/mod.ts";
import type { Log, LogFields } from "../../src/log.ts";
import { fakeDeps } from "./config_fixture.ts";

/** The text of a configuration with these tenants, each with one listener of this address. */
export function configText(addresses: Readonly<Record<string, string>>, rest = ""): string {
  const tenants = Object.entries(addresses).map(([id, address]) =>
    `  - id: ${id}
    listeners: [{ id: in, address: "${address}", backend: pool }]
    backends: [{ id: pool, endpoints: [{ id: a, address: "127.0.0.1:9" }] }]
`
  );
  return `version: 1\n${rest}tenants:\n${tenants.join("")}`;
}

export function load(text: string): Promise<LoadResult> {
  return loadConfig("/etc/sluice.yaml", fakeDeps({ files: { "/etc/sluice.yaml": text } }));
}

export class FakeDataPlane implements DataPlane {
  readonly applied: { readonly change: PlanChange; readonly generation: number }[] = [];
  readonly drained: number[] = [];
  stops = 0;
  sessions = 0;
  /** What the next apply throws. */
  refusal: Error | null = null;
  listeners: ListenerStats[] = [];

  apply(change: PlanChange, generation: number): void {
    const { refusal } = this;
    this.refusal = null;
    if (refusal !== null) throw refusal;
    this.applied.push({ change, generation });
  }

  status(): EngineStatus {
    return {
      state: "running",
      workers: 1,
      generation: this.applied.length,
      sessionsActive: this.sessions,
      tenants: 1,
      listeners: 1,
      snapshotsHeld: 0,
    };
  }

  drain(graceMs: number): void {
    this.drained.push(graceMs);
  }

  stop(): Promise<void> {
    this.stops++;
    return Promise.resolve();
  }

  listenerStats(): readonly ListenerStats[] {
    return this.listeners;
  }
}

/** A log that keeps its lines. */
export class FakeLog implements Log {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];
  debug = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "debug", message, fields });
  info = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "info", message, fields });
  warn = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "warn", message, fields });
  error = (message: string, fields: LogFields = {}) => void this.lines.push({ level: "error", message, fields });

  messages(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map((line) => line.message);
  }
}

/** A control plane with all that it touches. */
export class ControlBench {
  readonly dataPlane = new FakeDataPlane();
  readonly log = new FakeLog();
  readonly bound: BoundAddress[] = [];
  /** What settings were asked: `prepare`, `commit`, `discard`. */
  readonly settings: string[] = [];
  /** What the next prepare throws. */
  settingsFailure: Error | null = null;
  text: string;
  /** Held back while it is there. */
  gate: Promise<void> | null = null;
  loads = 0;
  readonly control: ControlPlane;

  constructor(text: string) {
    this.text = text;
    this.control = new ControlPlane({
      dataPlane: this.dataPlane,
      load: async () => {
        this.loads++;
        await this.gate;
        return await load(this.text);
      },
      settings: {
        prepare: () => {
          this.settings.push("prepare");
          const failure = this.settingsFailure;
          this.settingsFailure = null;
          if (failure !== null) return Promise.reject(failure);
          return Promise.resolve({
            commit: () => void this.settings.push("commit"),
            discard: () => void this.settings.push("discard"),
          });
        },
      },
      log: this.log,
      onBound: (bound) => void this.bound.push(...bound),
      now: () => 1_000,
    });
  }

  /** A bench that has been started. */
  static async started(text: string): Promise<ControlBench> {
    const bench = new ControlBench(text);
    bench.control.start(await load(text));
    return bench;
  }
}
