/**
 * The part of the schema below `tenants[].backends`. Written values in, plain values with every default filled in out.
 * Semantics that need more than one value are in `semantics.ts`.
 *
 * @module
 */

import { z } from "zod";
import { endpointAddress, hostAddress } from "./address.ts";
import { bytesText } from "./bytes_text.ts";
import { boolean, choice, id, integer, text } from "./scalar.ts";
import { duration, percent } from "./units.ts";

/** The most that a limit of connections can be: one less than the data plane's "unlimited". */
export const MOST_CONNECTIONS = 4_294_967_294;

/** Attempts that the data plane can tell apart. */
const MOST_ATTEMPTS = 64;
/** Endpoints that it can choose between, each address of a name counted. */
export const MOST_ENDPOINTS = 4096;

const endpoint = z.strictObject({
  id: id().describe("Name of the endpoint, one of its kind within the backend."),
  address: endpointAddress().describe("Where to connect: address:port, name:port or unix:/path."),
  weight: integer(0, 65535).prefault(100).describe("Share of new sessions beside its neighbours; 0 gets none."),
  max_connections: integer(0, MOST_CONNECTIONS).optional().describe("Sessions at once; left out: unlimited."),
  state: choice("ready", "drain", "maintenance").prefault("ready")
    .describe("What an operator has decided: drain and maintenance get no new sessions; live ones go on."),
  tier: integer(0, 15).prefault(0).describe(
    "Used when no lower tier has an endpoint left that takes part; a full one still does.",
  ),
  srv: boolean().prefault(false).describe("The address is the name of a SRV record."),
});

/** Bytes that a check may send, or look for. */
const MOST_CHECK_BYTES = 4096;

/** Checks have slots in common: one that hangs must give its own back. */
const LONGEST_CHECK_MS = 60_000;

const hostName = text(
  /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?(?::\d{1,5})?$/,
  "a name such as acme.example, with or without a port",
  "write the name that the endpoint knows itself by",
);

const activeCheck = z.strictObject({
  type: choice("tcp", "expect", "http", "tls").describe("What is tried."),
  interval: duration({ leastMs: 10 }).prefault("5s").describe("From one check to the next."),
  timeout: duration({ leastMs: 1, mostMs: LONGEST_CHECK_MS }).prefault("2s")
    .describe("A check without an answer by then has failed."),
  rise: integer(1, 1000).prefault(2).describe("Good checks in a row that bring an endpoint up."),
  fall: integer(1, 1000).prefault(3).describe("Bad checks in a row that take it down."),
  jitter: percent().prefault("10%").describe("Share by which the interval varies, so that checks spread."),
  send: bytesText({ mostBytes: MOST_CHECK_BYTES }).optional().describe("For expect: what is sent first."),
  expect: bytesText({ leastBytes: 1, mostBytes: MOST_CHECK_BYTES }).optional()
    .describe("For expect: what the answer must contain, in its first 64 KiB."),
  path: text(/^\/[!-~]*$/, "a path that starts with /", "write a path such as /health").optional()
    .describe("For http: the path that is asked for; left out: /."),
  host: hostName.optional()
    .describe("For http the Host header, for tls the server name; left out: as the endpoint's address is written."),
  status: integer(100, 599).optional().describe("For http: the status that is good; left out: 200 to 399."),
  verify: boolean().prefault(false).describe("For tls: whether a certificate that is not trusted is bad."),
});

const passiveCheck = z.strictObject({
  failures: integer(1, 1_000_000).prefault(5).describe("Failed connects within the window that eject an endpoint."),
  window: duration({ leastMs: 10 }).prefault("10s").describe("How long a failure counts."),
  eject_for: duration({ leastMs: 10 }).prefault("30s").describe("First ejection; doubles up to ten times this."),
  max_ejected: percent().prefault("50%").describe("Share of the endpoints that may be out at once."),
});

/** `tenants[].backends[].health`. */
const health = z.strictObject({
  active: activeCheck.optional().describe("Checks that Sluice makes by itself."),
  passive: passiveCheck.optional().describe("What failures of real sessions do."),
  on_down: choice("keep", "close").prefault("keep").describe("Live sessions of an endpoint that goes down."),
});

const circuitBreaker = z.strictObject({
  requests: integer(1, 1_000_000).prefault(20).describe("Connects within the window before the share counts."),
  error_ratio: percent().prefault("50%").describe("Share of failed connects that opens the circuit."),
  window: duration({ leastMs: 10 }).prefault("10s").describe("How long a connect counts."),
  open_for: duration({ leastMs: 10 }).prefault("5s").describe("How long an open circuit refuses before it probes."),
  probes: integer(1, 1000).prefault(1).describe("Connects let through while half-open."),
});

const retry = z.strictObject({
  attempts: integer(1, MOST_ATTEMPTS).prefault(3).describe("Endpoints that a session tries at the most."),
  backoff: duration().prefault("0s").describe("Pause before the next attempt."),
  budget: percent().optional().describe("Share of a backend's connects that may be retries; left out: unlimited."),
});

/** Connections ahead of one endpoint: each takes a descriptor of the process. */
const MOST_PRECONNECTED = 1000;

const preconnect = z.strictObject({
  min: integer(0, MOST_PRECONNECTED).prefault(0).describe("Connections kept open ahead for each endpoint."),
  max: integer(0, MOST_PRECONNECTED).optional().describe(
    "Open ahead at the most while sessions come; left out: as many as min.",
  ),
  idle: duration().prefault("60s").describe("A connection that waited so long is closed."),
});

const splitPart = z.strictObject({
  backend: id("name a backend of this tenant").describe("A backend of the same tenant."),
  weight: integer(0, 65535).describe("Share of new sources beside the other parts."),
});

/** Steps of a canary. */
const MOST_STEPS = 20;

const canary = z.strictObject({
  steps: z.array(integer(1, 100)).min(1).max(MOST_STEPS)
    .describe("The last part's share of new sources in percent, one after the other."),
  step_for: duration({ leastMs: 1000 }).prefault("10m").describe("How long a step lasts."),
  abort_when: z.strictObject({
    error_ratio: percent().optional().describe("Share of failed connects above which it goes back."),
    connect_p99: duration({ leastMs: 1 }).optional()
      .describe("Connect time of the slowest hundredth above which it goes back."),
  }).optional().describe("When to go back to the first part; left out: never."),
});

/** One of `tenants[].backends`. */
export const backendSchema = z.strictObject({
  id: id().describe("Name of the backend, one of its kind within the tenant."),
  balance: choice("round_robin", "least_connections", "random_two", "source_hash", "first", "least_time")
    .prefault("round_robin").describe("How an endpoint is chosen for a session."),
  endpoints: z.array(endpoint).max(MOST_ENDPOINTS).optional().describe("Where its sessions go."),
  send_proxy_protocol: choice("off", "v1", "v2").prefault("off").describe("PROXY header sent to the endpoint."),
  source_address: hostAddress().optional().describe("Local address of connections to endpoints."),
  retry: retry.prefault({}).describe("What follows a connect that failed."),
  health: health.optional().describe("Which endpoints are fit for use."),
  circuit_breaker: circuitBreaker.optional().describe("Stops connecting to a backend that fails."),
  slow_start: duration().prefault("0s").describe("How long the share of an endpoint that comes up grows."),
  panic_threshold: percent().prefault("0%").describe("Under this share of healthy endpoints all are used."),
  preconnect: preconnect.optional().describe("Connections opened ahead."),
  split: z.array(splitPart).min(1).optional().describe("Other backends that share the sessions, by weight."),
  canary: canary.optional().describe("Moves the weights of a split by itself."),
}).meta({ id: "backend" });
