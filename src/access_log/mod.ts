/**
 * The access log: one line for each session, from the data plane to a stream, without ever holding a session up.
 *
 * @module
 */

export { accessFields, type AccessFormat, formatAccess } from "./format.ts";
export { LogPump, type LogSource, type PumpDeps } from "./pump.ts";
export { FLUSH_MS, openSink, type Sink, type SinkDeps, type SinkTarget, systemSinkDeps } from "./sink.ts";
