/**
 * The schema of a tenant: one of `tenants`, or a whole file of `tenants_dir`. Written values in, plain values with
 * every default filled in out.
 *
 * @module
 */

import { z } from "zod";
import { addressRange, listenAddress } from "./address.ts";
import { addressGrant } from "./grants.ts";
import { boolean, choice, id, integer, text } from "./scalar.ts";
import { backendSchema, MOST_CONNECTIONS } from "./schema_backend.ts";
import { serverName } from "./server_name.ts";
import { byteRate, duration, MOST_BURST, percent, rate, seconds, size } from "./units.ts";

const maxConnections = () => integer(0, MOST_CONNECTIONS).optional().describe("Sessions at once; left out: unlimited.");

const connectionRate = () =>
  z.strictObject({
    rate: rate().describe("New sessions a second."),
    burst: integer(0, MOST_BURST).optional().describe("Saved up at the most; left out: what a second gives."),
  }).optional().describe("How fast new sessions may come.");

const byteBucket = () =>
  z.strictObject({
    rate: byteRate().describe("Bytes a second."),
    burst: size(MOST_BURST).optional().describe("Saved up at the most; left out: what 100ms give, at least 64KiB."),
  }).optional();

const bandwidth = () =>
  z.strictObject({
    up: byteBucket().describe("From clients to endpoints."),
    down: byteBucket().describe("From endpoints to clients."),
  }).optional().describe("Bytes a second.");

const limits = z.strictObject({
  max_connections: maxConnections(),
  connection_rate: connectionRate(),
  bandwidth: bandwidth(),
  per_source: z.strictObject({
    max_connections: maxConnections(),
    connection_rate: connectionRate(),
    ipv4_prefix: integer(0, 32).prefault(32).describe("Leading bits that make an IPv4 source."),
    ipv6_prefix: integer(0, 128).prefault(64).describe("Leading bits that make an IPv6 source."),
  }).optional().describe("Limits of each client address."),
  per_connection: z.strictObject({ bandwidth: bandwidth() }).optional().describe("Limits of each session."),
  on_limit: choice("close", "reset", "queue").prefault("close").describe("What a session over a limit gets."),
  queue: z.strictObject({
    size: integer(0, 1_000_000).prefault(1000).describe("Sessions that wait at the most."),
    timeout: duration().prefault("5s").describe("How long a session waits; 0s: without an end."),
  }).optional().describe("Where sessions over a limit wait, with on_limit: queue."),
  dry_run: boolean().prefault(false).describe("Count and log what would be refused or held back, and let it pass."),
});

const timeouts = z.strictObject({
  connect: duration().prefault("5s").describe("For one attempt to connect to an endpoint."),
  first_byte: duration().prefault("0s").describe("From the connection to the endpoint's first byte."),
  idle: duration().prefault("10m").describe("No byte moved in either direction."),
  half_close: duration().prefault("30s").describe("Replaces idle once one direction has ended."),
  max_duration: duration().prefault("0s").describe("From accept to the end of a session."),
  max_duration_jitter: percent().prefault("0%").describe("max_duration is shortened by a random share up to this."),
  drain: duration().prefault("30s").describe("How long sessions run on when what they run on is removed."),
});

/** Milliseconds that TCP_USER_TIMEOUT takes: a positive int. */
const MOST_USER_TIMEOUT_MS = 2_147_483_000;

const tcp = z.strictObject({
  keepalive: z.strictObject({
    idle: seconds({ mostS: 32767 }).prefault("600s").describe("Silence before the first probe; 0s: no probes."),
    interval: seconds({ leastS: 1, mostS: 32767 }).prefault("30s").describe("From one probe to the next."),
    probes: integer(1, 127).prefault(3).describe("Unanswered probes that end a connection."),
  }).prefault({}).describe("Probes on silent connections, both sides."),
  user_timeout: duration({ mostMs: MOST_USER_TIMEOUT_MS }).prefault("0s")
    .describe("How long sent bytes may stay unacknowledged; 0s: the kernel's own."),
  reset_propagation: choice("none", "to_backend", "both").prefault("both").describe("Which resets are passed on."),
});

/** `proxy_protocol` of a listener. */
export const proxyProtocolSchema = z.strictObject({
  accept: choice("off", "required").prefault("off").describe("Whether connections start with a PROXY header."),
  trusted: z.array(addressRange()).prefault([]).describe("Who may send one."),
  timeout: duration({ leastMs: 1 }).prefault("3s").describe("For the whole header."),
});

const listener = z.strictObject({
  id: id().describe("Name of the listener, one of its kind within the tenant."),
  address: listenAddress().describe("Where to listen: address:port, a range of ports, or unix:/path."),
  backend: id("name a backend of this tenant").describe("A backend of the same tenant."),
  proxy_protocol: proxyProtocolSchema.optional().describe("PROXY header of incoming connections."),
});

const route = z.strictObject({
  id: id().describe("Name of the route, one of its kind within the tenant."),
  listener: id("name a shared listener, one of `listeners` of the main file").describe("A shared listener."),
  sni: z.array(serverName()).optional().describe("Server names, exact or with * as the first label."),
  alpn: z.array(text(/^[\x21-\x7e]{1,255}$/, "the name of a protocol such as h2", "write the ALPN name")).optional()
    .describe("Protocols, one of which the client must offer."),
  sources: z.array(addressRange()).optional().describe("Client addresses."),
  default: boolean().prefault(false).describe("Takes what no other route of the listener takes."),
  backend: id("name a backend of this tenant").describe("A backend of the same tenant."),
});

const access = z.strictObject({
  allow: z.array(addressRange()).optional().describe("Who may connect; left out: everybody."),
  deny: z.array(addressRange()).prefault([]).describe("Who may not; wins over allow."),
});

const mirror = z.strictObject({
  backend: id("name a backend of this tenant").describe(
    "Gets a copy of the clients' bytes; its answers are discarded.",
  ),
  share: percent().prefault("100%").describe("Share of the sessions that are copied."),
});

const fault = z.strictObject({
  delay: duration().prefault("0ms").describe("Pause before connecting."),
  delay_share: percent().prefault("0%").describe("Share of the sessions that are delayed."),
  reset_share: percent().prefault("0%").describe("Share of the sessions that are reset."),
  refuse_share: percent().prefault("0%").describe("Share of the sessions that are refused."),
});

const labelKey = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;
const labelText = text(/^[^\0\n\r]{0,255}$/, "text of 255 characters at the most, on one line", "shorten it");

/** Keys that a tenant and `defaults` share: all but ids, and the lists of things that have ids. */
const shared = {
  enabled: boolean().prefault(true).describe("false: sessions are refused, listeners stay bound."),
  labels: z.record(z.string().regex(labelKey), labelText).prefault({}).describe("Free words about the tenant."),
  limits: limits.prefault({}).describe("What the tenant may use."),
  access: access.optional().describe("Who may connect."),
  timeouts: timeouts.prefault({}).describe("How long things may take; 0s is off."),
  tcp: tcp.prefault({}).describe("Socket options and resets."),
  mirror: mirror.optional().describe("Copies traffic to a second backend."),
  fault: fault.optional().describe("Trouble on purpose, for drills."),
};

/** One of `tenants`. */
export const tenantSchema = z.strictObject({
  id: id().describe("Name of the tenant. In a file of tenants_dir it may be left out: it is the file's name."),
  ...shared,
  grants: z.strictObject({
    addresses: z.array(addressGrant()).prefault([])
      .describe("Addresses that the tenant's own tokens may listen on; address:* is every port."),
    listeners: z.array(id()).prefault([]).describe("Shared listeners that they may attach routes to."),
  }).prefault({}).describe("What the tenant's own tokens may take. Only admins change it."),
  listeners: z.array(listener).prefault([]).describe("Addresses of the tenant's own."),
  routes: z.array(route).prefault([]).describe("What the tenant takes from shared listeners."),
  backends: z.array(backendSchema).prefault([]).describe("Where its sessions go."),
}).meta({ id: "tenant" });

/** `defaults`: lies beneath every tenant. */
export const tenantDefaultsSchema = z.strictObject(shared);
