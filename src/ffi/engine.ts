/**
 * The engine of the data plane: its life, and every question that it answers. Owns the loaded library, the pointer and
 * the names behind numbers; the rest of the program sees plain values only.
 *
 * Called from the main thread alone. Every call returns at once, except `apply`, which returns when every worker uses
 * the change (some ms), and `stop`, which joins the workers on a thread of its own: until it has ended, logs and
 * statistics read as empty, and every other call is refused.
 *
 * @module
 */

import { type PlanChange, SHARED_HOLDER } from "../config/plan.ts";
import { CONSTANTS, REASONS } from "./constants.ts";
import * as decode from "./decode.ts";
import { decodeLog, type LogRecord } from "./decode_log.ts";
import { encodeChange } from "./encode.ts";
import { DataPlaneError, errorOfRecord, errorOfResult } from "./error.ts";
import { encodeHealth, type EndpointHealth, knownHealth } from "./health.ts";
import { IdRegistry } from "./ids.ts";
import { RECORDS } from "./layout.ts";
import { type Library, openLibrary } from "./library.ts";
import { Records } from "./record.ts";
import {
  encodeFilter,
  type LiveSession,
  parseCursor,
  readSessions,
  type SessionFilter,
  type SessionPage,
} from "./sessions.ts";

/** Log ring of each worker, unless options say otherwise: holds 29,000 sessions between two polls. */
export const LOG_RING_BYTES = 4 * 1024 * 1024;

/** What one poll of the log takes at the most. */
const LOG_BUFFER_BYTES = 256 * 1024;
const STATS_AT_ONCE = 64;

/** How an engine is made. */
export interface EngineOptions {
  /** Worker threads, 1 to 64. */
  readonly workers: number;
  /** Log ring of each worker: a power of two, 4 KiB to 64 MiB. */
  readonly logRingBytes?: number;
  /** An open library, which the engine closes; the built one when left out. */
  readonly library?: Library;
}

/** What one poll of the log gave. */
export interface LogBatch {
  readonly records: readonly LogRecord[];
  /** True when there may be more right now. */
  readonly more: boolean;
}

type StatsCall =
  | "sluice_stats_tenants"
  | "sluice_stats_listeners"
  | "sluice_stats_endpoints"
  | "sluice_stats_backends"
  | "sluice_stats_workers";
type TenantCall = "sluice_stats_tenant" | "sluice_stats_sources";
type Read<T> = (from: Records, at: number, nameOf: decode.NameOf) => T;

/** An engine with its workers. */
export class Engine implements AsyncDisposable {
  readonly #library: Library;
  readonly #ids = new IdRegistry();
  readonly #error = Records.ofSize(RECORDS.error.size);
  readonly #status = Records.ofSize(RECORDS.engine_status.size);
  readonly #log = Records.ofSize(LOG_BUFFER_BYTES);
  readonly #nameOf: decode.NameOf = (id) => this.#ids.name(id);
  /** Its address; null when it is freed. */
  #pointer: bigint | null;
  #stopping: Promise<void> | null = null;

  private constructor(library: Library, pointer: bigint) {
    this.#library = library;
    this.#pointer = pointer;
  }

  /**
   * Makes an engine; its workers do not run yet.
   *
   * @throws {LibraryError} when the library is missing or of another version
   * @throws {DataPlaneError} when it refuses the options, or the kernel is too old
   */
  static create(options: EngineOptions): Engine {
    const library = options.library ?? openLibrary();
    const error = Records.ofSize(RECORDS.error.size);
    const out = new BigUint64Array(1);
    const { size, fields } = RECORDS.engine_options;
    const record = Records.ofSize(size);
    try {
      record.put(0, fields.abi_version, CONSTANTS.ABI_VERSION);
      record.put(0, fields.workers, options.workers);
      record.put(0, fields.log_ring_bytes, options.logRingBytes ?? LOG_RING_BYTES);
      const result = library.symbols.sluice_engine_create(record.bytes, BigInt(size), out, error.bytes);
      if (result < 0) throw errorOfRecord("create the engine", result, error);
      return new Engine(library, out[0] ?? 0n);
    } catch (cause) {
      library.close();
      throw cause;
    }
  }

  /** Starts the workers. */
  start(): void {
    const result = this.#library.symbols.sluice_engine_start(this.#use(), this.#error.bytes);
    if (result < 0) throw errorOfRecord("start the workers", result, this.#error);
  }

  /**
   * Puts a change in force, all or nothing. `generation` must be greater than that in force.
   *
   * @throws {DataPlaneError} that names the part of the configuration; what was in force still is
   */
  apply(change: PlanChange, generation: number): void {
    this.#send(change, generation, 0).commit();
  }

  /** Says whether the data plane would take a change; nothing is bound or changed. Throws as {@linkcode apply}. */
  check(change: PlanChange, generation: number): void {
    this.#send(change, generation, CONSTANTS.APPLY_DRY_RUN);
  }

  #send(change: PlanChange, generation: number, flags: number): ReturnType<typeof encodeChange> {
    const draft = encodeChange(change, generation, this.#ids);
    const { bytes } = draft;
    const call = this.#library.symbols.sluice_engine_apply;
    const result = call(this.#use(), bytes, BigInt(bytes.length), flags, this.#error.bytes);
    if (result < 0) throw errorOfRecord("apply the configuration", result, this.#error, draft.describe);
    return draft;
  }

  /** The engine at a glance. */
  status(): decode.EngineStatus {
    const { bytes } = this.#status;
    this.#check(
      "read the status",
      this.#library.symbols.sluice_engine_status(this.#use(), bytes, BigInt(bytes.length)),
    );
    return decode.decodeStatus(this.#status);
  }

  /** Stops accepting; sessions run on for `graceMs`, then they are closed as drained. Returns at once. */
  drain(graceMs: number): void {
    this.#check("drain", this.#library.symbols.sluice_engine_drain(this.#use(), BigInt(Math.round(graceMs))));
  }

  /** Closes what is left and joins the workers. The log can still be drained after it. */
  async stop(): Promise<void> {
    const pointer = this.#use();
    const stopping = this.#library.symbols.sluice_engine_stop(pointer).then((result) => {
      this.#check("stop the engine", result);
    });
    this.#stopping = stopping;
    try {
      await stopping;
    } finally {
      this.#stopping = null;
    }
  }

  /**
   * Live sessions that meet a filter, at most `limit` (one or more), from `cursor` on (null: from the start). Each session that lives
   * all the while is told once; they come in no particular order.
   *
   * @throws {TypeError} when the source or the cursor is none
   * @throws {RangeError} when the limit is no such number
   */
  sessions(filter: SessionFilter, limit: number, cursor: string | null): SessionPage {
    if (!(Number.isInteger(limit) && limit > 0)) {
      throw new RangeError(`Cannot list sessions: limit must be a whole number from 1: current value is ${limit}`);
    }
    const bytes = encodeFilter(filter, this.#ids);
    parseCursor(cursor);
    if (bytes === null || this.#stopping !== null) return { sessions: [], cursor: null };
    return readSessions(this.#library, this.#use(), bytes, limit, cursor, this.#nameOf);
  }

  /** The live session with this ULID; null when there is none. */
  session(id: string): LiveSession | null {
    return this.sessions({ session: id }, 1, null).sessions[0] ?? null;
  }

  /** Closes the sessions that meet a filter, for a reason; returns how many. Throws as {@linkcode sessions}. */
  killSessions(filter: SessionFilter, reason: "killed" | "endpoint_down" = "killed"): number {
    const bytes = encodeFilter(filter, this.#ids);
    if (bytes === null) return 0;
    const call = this.#library.symbols.sluice_sessions_kill;
    const count = Number(call(this.#use(), bytes, BigInt(bytes.length), REASONS.indexOf(reason)));
    this.#check("kill sessions", count);
    return count;
  }

  /**
   * Says how endpoints do; in effect at once for new sessions, and in each later `apply` as long as the endpoint stays.
   * Endpoints that are not in force are passed over. Returns how many addresses of endpoints were known.
   */
  setHealth(healths: readonly EndpointHealth[]): number {
    const known = knownHealth(healths, this.#ids);
    if (known.length === 0) return 0;
    const { bytes } = encodeHealth(known);
    const count = this.#library.symbols.sluice_endpoints_health(this.#use(), bytes, BigInt(bytes.length));
    this.#check("set the health of endpoints", count);
    for (const { id, health } of known) this.#ids.setHealth(id, health);
    return count;
  }

  /**
   * Gives a tenant's live sessions `graceMs`, unless they have less already; then they are closed as drained. With 0
   * they are closed now. Returns how many sessions that is. New ones are not held off by it.
   */
  drainSessions(tenant: string, graceMs: number): number {
    const bytes = encodeFilter({ tenant }, this.#ids);
    if (bytes === null) return 0;
    const call = this.#library.symbols.sluice_sessions_drain;
    const count = Number(call(this.#use(), bytes, BigInt(bytes.length), BigInt(Math.round(graceMs))));
    this.#check("drain sessions", count);
    return count;
  }

  /** Takes what the workers have logged, 256 KiB at the most; nothing while the engine stops. */
  drainLog(): LogBatch {
    if (this.#stopping !== null) return { records: [], more: false };
    const { bytes } = this.#log;
    const length = Number(this.#library.symbols.sluice_log_drain(this.#use(), bytes, BigInt(bytes.length)));
    this.#check("read the log", length);
    // No worker's next record fits into what is left when it is this little: there may be more.
    return { records: decodeLog(this.#log, length, this.#ids), more: length > bytes.length / 2 };
  }

  /** Counters of every tenant in force and of shared listeners (without a name), in the engine's order. */
  tenantStats(): decode.TenantStats[] {
    return this.#stats("sluice_stats_tenants", RECORDS.tenant_stats.size, decode.decodeTenantStats);
  }

  /**
   * Counters of one tenant, null: of shared listeners. None when they are not in force, and while the engine stops.
   */
  tenantStatsOf(tenant: string | null): decode.TenantStats | null {
    const { size } = RECORDS.tenant_stats;
    const name = tenant ?? SHARED_HOLDER;
    return this.#statsOf("sluice_stats_tenant", name, size, 1, decode.decodeTenantStats)[0] ?? null;
  }

  /** The sources of a tenant with most sessions, those first, `most` of them; none where no limit is per source. */
  sourcesOf(tenant: string, most: number): decode.SourceStats[] {
    return this.#statsOf("sluice_stats_sources", tenant, RECORDS.source_stats.size, most, decode.decodeSourceStats);
  }

  /** Counters of every listener in force. */
  listenerStats(): decode.ListenerStats[] {
    return this.#stats("sluice_stats_listeners", RECORDS.listener_stats.size, decode.decodeListenerStats);
  }

  /** Counters of every endpoint in force. */
  endpointStats(): decode.EndpointStats[] {
    const addressOf: decode.NameOf = (id) => this.#ids.object(id)?.address ?? null;
    const read: Read<decode.EndpointStats> = (from, at, nameOf) =>
      decode.decodeEndpointStats(from, at, nameOf, addressOf);
    return this.#stats("sluice_stats_endpoints", RECORDS.endpoint_stats.size, read);
  }

  /** Counters of every backend in force. */
  backendStats(): decode.BackendStats[] {
    return this.#stats("sluice_stats_backends", RECORDS.backend_stats.size, decode.decodeBackendStats);
  }

  /** Counters of every worker; `loopLagNs` starts anew with each call. */
  workerStats(): decode.WorkerStats[] {
    return this.#stats("sluice_stats_workers", RECORDS.worker_stats.size, decode.decodeWorkerStats);
  }

  #stats<T>(call: StatsCall, size: number, read: Read<T>): T[] {
    const found: T[] = [];
    if (this.#stopping !== null) return found;
    const records = Records.ofSize(size * STATS_AT_ONCE);
    for (;;) {
      const count = this.#library.symbols[call](this.#use(), found.length, records.bytes, BigInt(records.bytes.length));
      this.#check("read statistics", count);
      if (count === 0) return found;
      for (let index = 0; index < count; index++) found.push(read(records, index * size, this.#nameOf));
    }
  }

  #statsOf<T>(call: TenantCall, tenant: string, size: number, most: number, read: Read<T>): T[] {
    const id = this.#ids.tenant(tenant)?.id;
    if (id === undefined || this.#stopping !== null) return [];
    const records = Records.ofSize(size * most);
    const count = this.#library.symbols[call](this.#use(), id, records.bytes, BigInt(records.bytes.length));
    this.#check("read statistics", count);
    return Array.from({ length: count }, (_, index) => read(records, index * size, this.#nameOf));
  }

  /** Stops the engine if it runs, frees it and closes the library. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#pointer === null) return;
    if (this.#stopping !== null) await this.#stopping.catch(() => {});
    const { state } = this.status();
    if (state === "running" || state === "draining") await this.stop();
    const pointer = this.#use();
    this.#pointer = null;
    this.#check("free the engine", this.#library.symbols.sluice_engine_destroy(pointer));
    this.#library.close();
  }

  #use(): bigint {
    if (this.#pointer === null || this.#stopping !== null) {
      const state = this.#pointer === null ? "disposed" : "stopping";
      const details = { code: "E_STATE", errno: null, subject: {}, detail: `it is ${state}` } as const;
      throw new DataPlaneError(`Cannot call the engine: it must be there: it is ${state}`, details);
    }
    return this.#pointer;
  }

  #check(doing: string, result: number): void {
    if (result < 0) throw errorOfResult(doing, result);
  }
}
