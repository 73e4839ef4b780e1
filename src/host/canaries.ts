/**
 * Canaries put together with the engine and the control plane, and what they do told to everybody who wants to know: a
 * line in the log, an event, an entry in the audit. Called by `host.ts`.
 *
 * @module
 */

import { Canaries, type CanaryMove } from "../canary/mod.ts";
import type { Audit, ControlPlane, Events } from "../control/mod.ts";
import { BUCKET_BOUNDS_US, type Engine } from "../ffi/mod.ts";
import type { Log } from "../log.ts";
import { sleep } from "./sleep.ts";

/** Who changes weights, in the audit. */
const ACTOR = "canary";

const US_PER_MS = 1_000;
/** The largest connect time that is measured. */
const MOST_US = Math.max(...BUCKET_BOUNDS_US);

/** What canaries work with; the control plane is there when the first one begins. */
export interface CanaryParts extends Omit<CanaryNewsDeps, "generation"> {
  readonly engine: Pick<Engine, "backendStats">;
  control(): Pick<ControlPlane, "reweigh" | "generation">;
}

/** Starts the canaries' loop; whoever calls it disposes of them before the engine. */
export function startCanaries(parts: CanaryParts): Canaries {
  const { engine, log, control } = parts;
  const news = { ...parts, generation: () => control().generation };
  return new Canaries({
    counters: () => engine.backendStats(),
    boundsUs: BUCKET_BOUNDS_US,
    apply: (tenant) => control().reweigh(tenant),
    onMove: (move) => tellMove(move, news),
    onError: (error, tenant) =>
      log.warn("a canary cannot move, it tries again", {
        tenant: tenant ?? undefined,
        error: error instanceof Error ? error : String(error),
      }),
    now: () => performance.now(),
    unixMs: () => Date.now(),
    sleep,
  });
}

/** Where it is told. */
export interface CanaryNewsDeps {
  readonly log: Log;
  readonly audit: Pick<Audit, "add">;
  readonly events: Pick<Events, "add">;
  /** In force. */
  generation(): number;
}

/** Tells of a move. */
export function tellMove(move: CanaryMove, deps: CanaryNewsDeps): void {
  const { tenant, backend, canary, kind, step, weight, reason } = move;
  const parts = { backend, canary, step, weight, ...figuresOf(move) };
  const why = reason === null ? {} : { reason };
  deps.events.add("canary", tenant, { move: kind, ...parts, ...why });
  deps.log[kind === "rolled_back" ? "warn" : "info"](messageOf(kind), { tenant, ...parts, ...why });
  deps.audit.add({
    actor: ACTOR,
    verb: kind,
    target: `/tenants/${tenant}/backends/${backend}`,
    tenant,
    // The configuration stays as it is written.
    changes: [],
    generation: deps.generation(),
    result: `ok: ${canary} has ${weight}%${reason === null ? "" : `: ${reason}`}`,
  });
}

function messageOf(kind: CanaryMove["kind"]): string {
  switch (kind) {
    case "started":
      return "a canary begins";
    case "step":
      return "a canary goes on";
    case "promoted":
      return "a canary is promoted";
    case "rolled_back":
      return "a canary is rolled back";
  }
}

/** How the step went that is over; nothing at the start. A time beyond all that is measured is told as the largest. */
function figuresOf({ figures }: CanaryMove): Readonly<Record<string, number | null>> {
  if (figures === null) return {};
  const { connects, failures, connectP99Us } = figures;
  return {
    connects,
    failures,
    connect_p99_ms: connectP99Us === null ? null : Math.min(connectP99Us, MOST_US) / US_PER_MS,
  };
}
