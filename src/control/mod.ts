/**
 * The control room's door.
 *
 * @module
 */

export { type AdminControlDeps, createAdminControl } from "./admin_control.ts";
export { Audit } from "./audit.ts";
export type { AppliedChange, ControlDeps, FileChange, PreparedSettings, Settings } from "./control_deps.ts";
export { ControlPlane, type ReloadRequest } from "./control_plane.ts";
export type { DataPlane } from "./data_plane.ts";
export type { Evaluation } from "./evaluate.ts";
export { Events } from "./events.ts";
export { History } from "./history.ts";
export {
  type Controlled,
  EXIT_FORCED,
  type LifecycleDeps,
  processSignals,
  runUntilStopped,
  type SignalSource,
} from "./lifecycle.ts";
export { type BoundAddress, boundAddresses, countListeners, listeningLine, newlyBound } from "./read_model.ts";
export { ConfigError, type ReloadReport } from "./reload.ts";
export { openStateFolder, type StateFolder } from "./state_folder.ts";
export { tenantsInError } from "./status_view.ts";
export type { MainState, RunningTenant, Unit } from "./unit_state.ts";
