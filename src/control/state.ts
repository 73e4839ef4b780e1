/**
 * What is in force: main file, tenants, plans, bound addresses. Owned by the control plane, which alone changes it, by
 * putting an evaluation in place of it that the data plane has taken.
 *
 * @module
 */

import {
  AddressIndex,
  type Plan,
  type PlanChange,
  type Problem,
  RouteIndex,
  SHARED_HOLDER,
  type TenantPlan,
} from "../config/mod.ts";
import type { Change } from "../admin/control.ts";
import type { ListenerStats } from "../ffi/mod.ts";
import { changesBetween } from "./changes.ts";
import type { FileChange } from "./control_deps.ts";
import type { Evaluation, InForce } from "./evaluate.ts";
import { type BoundAddress, boundOf, newlyBound } from "./read_model.ts";
import { MAIN_OWNER, type MainState, ownerOf, type Unit } from "./unit_state.ts";

/** The state. */
export class ControlState {
  readonly addresses = new AddressIndex();
  readonly routes = new RouteIndex();
  readonly #units = new Map<string, Unit>();
  readonly #tenants = new Map<string, TenantPlan>();
  /** By tenant; those of shared listeners by their holder. */
  readonly #bound = new Map<string, readonly BoundAddress[]>();
  #strays: InForce["strays"] = new Map<string, readonly Problem[]>();
  #main: MainState | null = null;

  /** False before the start. */
  get isThere(): boolean {
    return this.#main !== null;
  }

  /** The main file. */
  get main(): MainState {
    if (this.#main === null) throw new TypeError("Cannot read the configuration: the control plane must be started");
    return this.#main;
  }

  get units(): ReadonlyMap<string, Unit> {
    return this.#units;
  }

  get strays(): InForce["strays"] {
    return this.#strays;
  }

  get plan(): Plan {
    const { process, shared } = this.main;
    return { process, shared, tenants: this.#tenants };
  }

  get bound(): readonly BoundAddress[] {
    return [SHARED_HOLDER, ...this.#tenants.keys()].flatMap((id) => this.#bound.get(id) ?? []);
  }

  /** Puts an evaluation in place of what is there. Returns the addresses that are bound now and were not. */
  take(evaluation: Evaluation, change: PlanChange, stats: () => readonly ListenerStats[]): readonly BoundAddress[] {
    const { main, units, removed, strays } = evaluation;
    const told = [...change.shared ? [change.shared] : [], ...change.upserts];
    const before = told.flatMap(({ id }) => this.#bound.get(id) ?? []);
    if (this.#main?.held !== main.held) this.addresses.set(MAIN_OWNER, main.held);
    this.#main = main;
    this.#strays = strays;
    for (const id of removed) {
      this.#units.delete(id);
      this.#tenants.delete(id);
      this.#bound.delete(id);
      this.addresses.delete(ownerOf(id));
      this.routes.delete(ownerOf(id));
    }
    for (const unit of units.values()) {
      this.#units.set(unit.id, unit);
      if (unit.running === null) continue;
      this.#tenants.set(unit.id, unit.running.plan);
      this.addresses.set(ownerOf(unit.id), unit.running.held);
      this.routes.set(ownerOf(unit.id), unit.running.routes);
    }
    if (change.shared === null) this.#bound.delete(SHARED_HOLDER);
    const bound = boundOf(told, stats);
    const byTenant = Map.groupBy(bound, ({ tenant }) => tenant ?? SHARED_HOLDER);
    for (const { id } of told) this.#bound.set(id, byTenant.get(id) ?? []);
    return newlyBound(before, bound);
  }

  /** The change that undoes a change of the data plane. */
  wayBack({ process, shared, upserts, removals }: PlanChange): PlanChange {
    const touched = [...upserts.map(({ id }) => id), ...removals];
    const plans = touched.map((id) => this.#tenants.get(id));
    const back = {
      upserts: plans.filter((plan) => plan !== undefined),
      removals: touched.filter((_, index) => plans[index] === undefined),
    };
    return {
      ...process === undefined ? {} : { process: this.main.process },
      ...shared === undefined ? {} : { shared: this.main.shared },
      ...back,
    };
  }

  /** What an evaluation would change, in written form. */
  changesOf({ main, isMainNew, units, removed }: Evaluation): Change[] {
    const runningOf = (id: string) => this.#units.get(id)?.running?.written;
    return [
      ...isMainNew ? changesBetween(this.#main?.written ?? {}, main.written) : [],
      ...[...removed].flatMap((id) => changesBetween(runningOf(id), undefined, `/tenants/${id}`)),
      ...[...units.values()].flatMap(({ id, running }) =>
        changesBetween(runningOf(id), running?.written, `/tenants/${id}`)
      ),
    ];
  }

  /** Files whose text is another in an evaluation. */
  filesOf({ main, isMainNew, units, removed }: Evaluation, mainPath: string): FileChange[] {
    const files: FileChange[] = isMainNew && this.#main !== null
      ? [{ path: mainPath, before: this.#main.text, after: main.text }]
      : [];
    const own = (unit: Unit | undefined) => unit === undefined || unit.inMain ? null : unit;
    const changed = [...units.values()].map((unit) => [own(this.#units.get(unit.id)), own(unit)] as const);
    const gone = [...removed].map((id) => [own(this.#units.get(id)), null] as const);
    for (const [before, after] of [...changed, ...gone]) {
      const isSameFile = before?.file === after?.file;
      if (isSameFile && before?.text === after?.text) continue;
      if (before !== null && !isSameFile) files.push({ path: before.file, before: before.text, after: null });
      if (after !== null) {
        files.push({ path: after.file, before: isSameFile ? before?.text ?? null : null, after: after.text });
      }
    }
    return files;
  }
}
