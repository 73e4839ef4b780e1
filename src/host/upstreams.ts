/**
 * What is told of endpoints and circuits: by the data plane while traffic flows, and by active checks. It goes into the
 * log, is an event, and, where a backend says so (`health.on_down: close`), ends the sessions of an endpoint that is
 * ejected or down; what checks say is told to the data plane first. Owned by `host.ts`, on whose thread it runs; the
 * notices come by `logs.ts`, the transitions by the checker.
 *
 * @module
 */

import type { EventView } from "../admin/control.ts";
import type { Plan } from "../config/mod.ts";
import {
  type CircuitNotice,
  type EndpointHealth,
  type EndpointNotice,
  formatAddress,
  type NoticeRecord,
  type SessionFilter,
} from "../ffi/mod.ts";
import type { HealthTransition } from "../health/mod.ts";
import type { Log } from "../log.ts";
import { Throttle } from "./throttle.ts";

/** Between two lines of one kind about one backend or endpoint: an endpoint may be ejected every few ms. */
const TELL_EVERY_MS = 5_000;

/** A notice about an endpoint or a circuit. */
export type UpstreamNotice = NoticeRecord & (EndpointNotice | CircuitNotice);

/** What this works with. */
export interface UpstreamsDeps {
  readonly engine: {
    setHealth(healths: readonly EndpointHealth[]): number;
    killSessions(filter: SessionFilter, reason: "endpoint_down"): number;
  };
  readonly log: Log;
  /** In force. */
  plan(): Pick<Plan, "tenants">;
  onEvent(kind: EventView["kind"], tenant: string, data: EventView["data"]): void;
  /** Monotonic, ms. */
  now(): number;
}

/** Tells of endpoints and circuits. */
export class Upstreams {
  readonly #deps: UpstreamsDeps;
  readonly #throttle: Throttle;

  constructor(deps: UpstreamsDeps) {
    this.#deps = deps;
    this.#throttle = new Throttle(TELL_EVERY_MS, deps.now);
  }

  /** Takes a notice. What it is about may be gone by now: then it concerns nobody. */
  take(notice: UpstreamNotice): void {
    const { tenant, backend } = notice;
    if (tenant === null || backend === null) return;
    if (notice.notice === "circuit") this.#takeCircuit(tenant, backend, notice);
    else if (notice.endpoint !== null) this.#takeEndpoint(tenant, backend, notice.endpoint, notice);
  }

  /** Takes what checks have found. An endpoint that is not in force any more concerns nobody. */
  takeHealth(transitions: readonly HealthTransition[]): void {
    this.#deps.engine.setHealth(transitions);
    for (const transition of transitions) this.#tellHealth(transition);
  }

  #tellHealth({ tenant, backend, endpoint, address: plain, health, before, detail }: HealthTransition): void {
    const address = formatAddress(plain);
    const plan = this.#deps.plan().tenants.get(tenant)?.backends.find(({ id }) => id === backend);
    const isThere = plan?.endpoints.some((one) => one.id === endpoint && formatAddress(one.address) === address);
    if (isThere !== true) return;
    const closed = health === "down" ? this.#close(tenant, backend, endpoint, address) : null;
    const fields = { backend, endpoint, address };
    const extra = { detail, ...closed === null ? {} : { closed } };
    this.#deps.onEvent("health", tenant, { ...fields, health, ...extra });
    const words = { tenant, ...fields };
    switch (health) {
      case "down":
        return this.#tell("warn", "the endpoint is down", { ...words, ...extra });
      case "up":
        // After a start that is what everybody expects.
        return this.#tell(before === "down" ? "info" : "debug", "the endpoint is up", words);
      case "unknown":
        return this.#tell("debug", "the endpoint is not checked any more", words);
    }
  }

  #takeCircuit(tenant: string, backend: string, { circuit }: CircuitNotice): void {
    this.#deps.onEvent("breaker", tenant, { backend, circuit });
    const fields = { tenant, backend };
    switch (circuit) {
      case "open":
        return this.#tell("warn", "the circuit is open, sessions are refused", fields);
      case "half_open":
        return this.#tell("info", "the circuit is half-open, some connects are let through", fields);
      case "closed":
        return this.#tell("info", "the circuit is closed", fields);
    }
  }

  #takeEndpoint(tenant: string, backend: string, endpoint: string, notice: EndpointNotice): void {
    const { address } = notice;
    const ejected = notice.notice === "ejected";
    const closed = ejected ? this.#close(tenant, backend, endpoint, address) : null;
    const fields = { backend, endpoint, address };
    this.#deps.onEvent("health", tenant, { ...fields, ejected, ...closed === null ? {} : { closed } });
    const words = { tenant, backend, endpoint, ...address === null ? {} : { address } };
    if (!ejected) return this.#tell("info", "the endpoint takes part again", words);
    this.#tell("warn", "the endpoint is ejected, connects have failed", {
      ...words,
      ...closed === null ? {} : { closed },
    });
  }

  /** Closes the sessions of an endpoint whose backend says so; null where it does not. */
  #close(tenant: string, backend: string, endpoint: string, address: string | null): number | null {
    const plan = this.#deps.plan().tenants.get(tenant)?.backends.find(({ id }) => id === backend);
    if (plan?.onDown !== "close") return null;
    const filter = { tenant, backend, endpoint, ...address === null ? {} : { address } };
    try {
      return this.#deps.engine.killSessions(filter, "endpoint_down");
    } catch (error) {
      // The last notices are read when the workers have ended: then there is nobody left to close.
      this.#deps.log.debug("sessions of an endpoint could not be closed", {
        ...filter,
        error: error instanceof Error ? error : String(error),
      });
      return null;
    }
  }

  #tell(level: "warn" | "info" | "debug", message: string, fields: Readonly<Record<string, string | number>>): void {
    const held = this.#throttle.pass(`${level} ${message} ${keyOf(fields)}`);
    if (held === null) return;
    this.#deps.log[level](message, held === 0 ? fields : { ...fields, more: held });
  }
}

/** What a line is about: of an endpoint with several addresses, one of them. */
function keyOf(fields: Readonly<Record<string, string | number>>): string {
  return ["tenant", "backend", "endpoint", "address"].map((key) => fields[key] ?? "").join(" ");
}
