/**
 * The only door to the data plane: everything that the rest of the program uses of it.
 *
 * @module
 */

export { BUCKET_BOUNDS_US, CODES, type Reason, REASONS } from "./constants.ts";
export type {
  BackendStats,
  Circuit,
  EndpointStats,
  EngineState,
  EngineStatus,
  Health,
  ListenerStats,
  SourceStats,
  TenantStats,
  WorkerStats,
} from "./decode.ts";
export type { CircuitNotice, EndpointNotice, LogRecord, NoticeRecord, SessionRecord } from "./decode_log.ts";
export { Engine, type EngineOptions, type LogBatch } from "./engine.ts";
export type { EndpointHealth } from "./health.ts";
export { DataPlaneError, type DataPlaneErrorCode, errnoName, type ErrorSubject } from "./error.ts";
export { isSessionSource, type LiveSession, type SessionFilter, type SessionPage } from "./sessions.ts";
export { formatAddress } from "./address.ts";
export { type Library, LibraryError, libraryPath, openLibrary } from "./library.ts";
