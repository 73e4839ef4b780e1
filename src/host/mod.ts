/**
 * The door of the room where the proxy is put together.
 *
 * @module
 */

export { withLoadDeps } from "./names.ts";
export { type HostDeps, type HostHooks, runHost, systemHostDeps } from "./host.ts";
export { type Machine, warnOfMachine } from "./machine.ts";
