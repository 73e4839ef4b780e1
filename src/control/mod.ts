/**
 * The control room's door.
 *
 * @module
 */

export { type ControlDeps, ControlPlane, type PreparedSettings, type Settings } from "./control_plane.ts";
export type { DataPlane } from "./data_plane.ts";
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
