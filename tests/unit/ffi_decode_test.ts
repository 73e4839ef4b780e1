/** Records of the log and of the statistics as values: numbers, times, addresses, names, and what did not happen. */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CODES, CONSTANTS, REASONS } from "../../src/ffi/constants.ts";
import {
  decodeBackendStats,
  decodeEndpointStats,
  decodeListenerStats,
  decodeSourceStats,
  decodeStatus,
  decodeTenantStats,
} from "../../src/ffi/decode.ts";
import { decodeLog } from "../../src/ffi/decode_log.ts";
import { RECORDS } from "../../src/ffi/layout.ts";
import { Records } from "../../src/ffi/record.ts";

const NAMES = new Map([[1, "acme"], [2, "in"], [3, "pool"], [4, "a"]]);
const nameOf = (id: number) => NAMES.get(id) ?? null;
const objectOf = (id: number) =>
  id === 4
    ? ({ kind: "endpoint", name: "a", tenant: "acme", backend: "pool", address: "10.0.0.5:5432" } as const)
    : null;
const NEVER = new Uint8Array(8).fill(0xff);
const ACCEPTED_MS = Date.parse("2026-01-31T12:00:00.000Z");

interface SessionParts {
  readonly numbers?: Partial<Record<keyof typeof RECORDS.log_session.fields, number>>;
  readonly never?: readonly (keyof typeof RECORDS.log_session.fields)[];
  readonly ip?: readonly number[];
  readonly text?: string;
  readonly kind?: number;
}

/** A session's record, as the library writes it. */
function sessionBytes(parts: SessionParts = {}): Uint8Array {
  const { size, fields } = RECORDS.log_session;
  const text = new TextEncoder().encode(parts.text ?? "");
  const total = size + Math.ceil(text.length / 8) * 8;
  const records = Records.ofSize(total);
  records.put(0, RECORDS.log_header.fields.size, total);
  records.put(0, RECORDS.log_header.fields.kind, parts.kind ?? CONSTANTS.LOG_SESSION);
  records.bytes.set(timeBytes(ACCEPTED_MS), fields.session.offset);
  records.bytes.set(parts.ip ?? [192, 0, 2, 7], fields.client_ip.offset);
  const numbers = { tenant: 1, listener: 2, backend: 3, endpoint: 4, client_family: 4, client_port: 5555, attempts: 1 };
  for (const [key, value] of Object.entries({ ...numbers, ...parts.numbers })) {
    records.put(0, fields[key as keyof typeof fields], value);
  }
  for (const key of parts.never ?? []) records.bytes.set(NEVER, fields[key].offset);
  records.bytes.set(text, size);
  return records.bytes;
}

function timeBytes(ms: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(ms));
  return bytes.subarray(2);
}

function decode(...parts: Uint8Array[]) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return decodeLog(new Records(bytes), bytes.length, { name: nameOf, object: objectOf });
}

function decodeOne(parts: SessionParts) {
  const [record] = decode(sessionBytes(parts));
  if (record?.kind !== "session") throw new Error("no session");
  return record;
}

describe("decodeLog", () => {
  it("reads a session that ended", () => {
    const record = decodeOne({
      numbers: {
        reason: REASONS.indexOf("idle_timeout"),
        code: CODES.indexOf("cD"),
        bytes_up: 5_000_000_000,
        bytes_down: 7,
        connect_us: 1_250,
        first_byte_us: 2_500,
        total_us: 3_500_999,
        rtt_client_us: 40,
      },
      never: ["queue_us"],
    });
    assertEquals(record, {
      kind: "session",
      progress: false,
      timeMs: ACCEPTED_MS + 3_500,
      session: "01KG9YS7G00000000000000000",
      tenant: "acme",
      listener: "in",
      route: null,
      backend: "pool",
      endpoint: "a",
      client: "192.0.2.7",
      clientPort: 5555,
      serverName: null,
      alpn: null,
      bytesUp: 5_000_000_000,
      bytesDown: 7,
      queueUs: null,
      connectUs: 1_250,
      firstByteUs: 2_500,
      totalUs: 3_500_999,
      attempts: 1,
      code: "cD",
      reason: "idle_timeout",
      rttClientUs: 40,
      rttServerUs: null,
    });
  });

  it("reads the text behind a record, and goes on after its padding", () => {
    const withText = sessionBytes({ text: "www.acme.exampleh2", numbers: { server_name_length: 16, alpn_length: 2 } });
    const records = decode(withText, sessionBytes());
    assertEquals(records.length, 2);
    assertEquals(records.map((one) => one.kind === "session" && [one.serverName, one.alpn]), [
      ["www.acme.example", "h2"],
      [null, null],
    ]);
  });

  it("has no code and no reason for a session that goes on", () => {
    const record = decodeOne({ kind: CONSTANTS.LOG_PROGRESS, numbers: { code: 5, reason: 5 } });
    assertEquals([record.progress, record.code, record.reason], [true, null, null]);
  });

  it("writes IPv6 addresses in their short form, and knows no address of a unix socket", () => {
    const ip = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    assertEquals(decodeOne({ ip, numbers: { client_family: CONSTANTS.FAMILY_IPV6 } }).client, "2001:db8::1");
    const unix = decodeOne({ numbers: { client_family: CONSTANTS.FAMILY_UNIX, client_port: 0 } });
    assertEquals([unix.client, unix.clientPort], [null, null]);
  });

  it("reads notices, and skips kinds that it does not know", () => {
    const { size, fields } = RECORDS.log_notice;
    const notice = (kind: number, what: number, value = 24, tenant = 0) => {
      const records = Records.ofSize(size);
      records.put(0, RECORDS.log_header.fields.size, size);
      records.put(0, RECORDS.log_header.fields.kind, kind);
      records.put(0, RECORDS.log_header.fields.worker, 3);
      records.put(0, fields.time_ms, ACCEPTED_MS);
      records.put(0, fields.notice, what);
      records.put(0, fields.value, value);
      records.put(0, fields.tenant, tenant);
      return records.bytes;
    };
    const known = { kind: "notice", worker: 3, timeMs: ACCEPTED_MS, tenant: null } as const;
    assertEquals(
      decode(notice(77, 1), notice(CONSTANTS.LOG_NOTICE, 1), notice(CONSTANTS.LOG_NOTICE, 2), notice(3, 77)),
      [{ ...known, notice: "accept_paused", errno: 24 }, { ...known, notice: "accept_resumed", pausedUs: 24 }],
    );
    const refusing = (reason: number) => notice(CONSTANTS.LOG_NOTICE, CONSTANTS.NOTICE_REFUSING, reason, 1);
    assertEquals(decode(refusing(REASONS.indexOf("source_rate")), refusing(99)), [
      { ...known, tenant: "acme", notice: "refusing", reason: "source_rate" },
      { ...known, tenant: "acme", notice: "refusing", reason: null },
    ]);
  });

  it("reads notices of endpoints and circuits, with the names that are still known", () => {
    const { size, fields } = RECORDS.log_notice;
    const notice = (what: number, value: number) => {
      const records = Records.ofSize(size);
      records.put(0, RECORDS.log_header.fields.size, size);
      records.put(0, RECORDS.log_header.fields.kind, CONSTANTS.LOG_NOTICE);
      records.put(0, fields.notice, what);
      records.put(0, fields.tenant, 1);
      records.put(0, fields.value, value);
      return records.bytes;
    };
    const common = { kind: "notice", worker: 0, timeMs: 0, tenant: "acme" } as const;
    const endpoint = { backend: "pool", endpoint: "a", address: "10.0.0.5:5432" };
    assertEquals(
      decode(
        notice(CONSTANTS.NOTICE_EJECTED, 4),
        notice(CONSTANTS.NOTICE_EJECTION_ENDED, 4),
        notice(CONSTANTS.NOTICE_EJECTED, 77),
        notice(CONSTANTS.NOTICE_CIRCUIT_OPEN, 3),
        notice(CONSTANTS.NOTICE_CIRCUIT_HALF_OPEN, 3),
        notice(CONSTANTS.NOTICE_CIRCUIT_CLOSED, 77),
      ),
      [
        { ...common, notice: "ejected", ...endpoint },
        { ...common, notice: "ejection_ended", ...endpoint },
        { ...common, notice: "ejected", backend: null, endpoint: null, address: null },
        { ...common, notice: "circuit", backend: "pool", circuit: "open" },
        { ...common, notice: "circuit", backend: "pool", circuit: "half_open" },
        { ...common, notice: "circuit", backend: null, circuit: "closed" },
      ],
    );
  });

  it("refuses sizes that would lead it astray", () => {
    for (const size of [0, 4, 20, 4096]) {
      const bytes = sessionBytes();
      new DataView(bytes.buffer).setUint32(0, size, true);
      assertThrows(() => decode(bytes), RangeError, `current value is ${size}`);
    }
  });
});

describe("statistics", () => {
  it("reads counters, and leaves out reasons and codes that did not occur", () => {
    const { size, fields } = RECORDS.tenant_stats;
    const records = Records.ofSize(size * 2);
    const at = size;
    records.put(at, fields.id, 1);
    records.put(at, fields.sessions_total, 10);
    records.put(at, fields.bytes_down, 2 ** 40);
    const view = new DataView(records.bytes.buffer);
    view.setBigUint64(at + fields.refused.offset + REASONS.indexOf("tenant_connections") * 8, 4n, true);
    view.setBigUint64(at + fields.closed.offset + CODES.indexOf("PR") * 8, 4n, true);
    view.setBigUint64(at + fields.closed.offset, 6n, true);
    view.setBigUint64(at + fields.session_bucket.offset + 19 * 8, 3n, true);
    const stats = decodeTenantStats(records, at, nameOf);
    assertEquals([stats.tenant, stats.sessionsTotal, stats.bytesDown], ["acme", 10, 2 ** 40]);
    assertEquals([...stats.refused], [["tenant_connections", 4]]);
    assertEquals([...stats.dryRefused], []);
    assertEquals([...stats.closed], [["--", 6], ["PR", 4]]);
    assertEquals(stats.connectBuckets, Array(CONSTANTS.BUCKET_COUNT).fill(0));
    assertEquals(stats.sessionBuckets, [...Array(19).fill(0), 3]);
  });

  it("reads what is queued, held back and left in the buckets; nothing is left of no limit", () => {
    const { size, fields } = RECORDS.tenant_stats;
    const records = Records.ofSize(size);
    const numbers = { queue_length: 1, throttled_us_up: 2, throttled_us_down: 3, session_tokens: 4, up_tokens: 5 };
    for (const [key, value] of Object.entries(numbers)) records.put(0, fields[key as keyof typeof fields], value);
    records.bytes.set(NEVER, fields.down_tokens.offset);
    const view = new DataView(records.bytes.buffer);
    view.setBigUint64(fields.dry_refused.offset + REASONS.indexOf("denied") * 8, 6n, true);
    const { queueLength, throttledUsUp, throttledUsDown, ...stats } = decodeTenantStats(records, 0, nameOf);
    assertEquals([queueLength, throttledUsUp, throttledUsDown], [1, 2, 3]);
    assertEquals([stats.sessionTokens, stats.upTokens, stats.downTokens], [4, 5, null]);
    assertEquals([[...stats.dryRefused], [...stats.refused]], [[["denied", 6]], []]);
  });

  it("reads sources", () => {
    const { size, fields } = RECORDS.source_stats;
    const records = Records.ofSize(size * 2);
    records.bytes.set([203, 0, 113, 0], fields.ip.offset);
    records.put(0, fields.family, CONSTANTS.FAMILY_IPV4);
    records.put(0, fields.sessions, 7);
    records.bytes.set([0x20, 1, 0x0d, 0xb8], size + fields.ip.offset);
    records.put(size, fields.family, CONSTANTS.FAMILY_IPV6);
    assertEquals([0, size].map((at) => decodeSourceStats(records, at)), [
      { family: "ipv4", ip: "203.0.113.0", sessions: 7 },
      { family: "ipv6", ip: "2001:db8::", sessions: 0 },
    ]);
  });

  it("reads the address that a listener has", () => {
    const { size, fields } = RECORDS.listener_stats;
    const records = Records.ofSize(size);
    records.put(0, fields.tenant, 1);
    records.put(0, fields.id, 2);
    records.put(0, fields.addresses, 1);
    assertEquals(decodeListenerStats(records, 0, nameOf).bound, null);
    const at = fields.bound.offset;
    records.put(at, RECORDS.address.fields.family, CONSTANTS.FAMILY_IPV4);
    records.put(at, RECORDS.address.fields.port, 40_001);
    records.bytes.set([127, 0, 0, 1], at + RECORDS.address.fields.ip.offset);
    assertEquals(decodeListenerStats(records, 0, nameOf), {
      tenant: "acme",
      listener: "in",
      sessionsTotal: 0,
      addresses: 1,
      bound: { family: "ipv4", ip: "127.0.0.1", port: 40_001, scopeId: 0 },
    });
  });

  it("reads a status", () => {
    const { size, fields } = RECORDS.engine_status;
    const records = Records.ofSize(size);
    records.put(0, fields.state, CONSTANTS.STATE_DRAINING);
    records.put(0, fields.sessions_active, 12);
    const status = decodeStatus(records);
    assertEquals([status.state, status.sessionsActive, status.generation], ["draining", 12, 0]);
  });
});

describe("decodeBackendStats", () => {
  it("reads the circuit, and how connecting went", () => {
    const { size, fields } = RECORDS.backend_stats;
    const records = Records.ofSize(size);
    const numbers = { tenant: 1, id: 3, connects_total: 9, connect_failures: 2, connect_us_sum: 2 ** 40 };
    for (const [key, value] of Object.entries(numbers)) records.put(0, fields[key as keyof typeof fields], value);
    new DataView(records.bytes.buffer).setBigUint64(fields.connect_bucket.offset + 19 * 8, 7n, true);
    const circuits = [CONSTANTS.CIRCUIT_CLOSED, CONSTANTS.CIRCUIT_OPEN, CONSTANTS.CIRCUIT_HALF_OPEN].map((circuit) => {
      records.put(0, fields.circuit, circuit);
      return decodeBackendStats(records, 0, nameOf).circuit;
    });
    assertEquals(circuits, ["closed", "open", "half_open"]);
    assertEquals(decodeBackendStats(records, 0, nameOf), {
      tenant: "acme",
      backend: "pool",
      circuit: "half_open",
      connectsTotal: 9,
      connectFailures: 2,
      connectUsSum: 2 ** 40,
      connectBuckets: [...Array(19).fill(0), 7],
    });
  });
});

describe("decodeEndpointStats", () => {
  const addressOf = (id: number) => `10.0.0.${id}:1`;

  it("names the endpoint, its backend, its tenant and its state", () => {
    const { size, fields } = RECORDS.endpoint_stats;
    const records = Records.ofSize(size);
    const numbers = {
      tenant: 1,
      backend: 3,
      id: 4,
      sessions_active: 5,
      sessions_total: 6,
      connect_failures: 7,
      preconnect_idle: 8,
    };
    for (const [key, value] of Object.entries(numbers)) records.put(0, fields[key as keyof typeof fields], value);
    const states = [CONSTANTS.ENDPOINT_READY, CONSTANTS.ENDPOINT_DRAIN, CONSTANTS.ENDPOINT_MAINTENANCE].map((state) => {
      records.put(0, fields.state, state);
      return decodeEndpointStats(records, 0, nameOf, addressOf).state;
    });
    assertEquals(states, ["ready", "drain", "maintenance"]);
    assertEquals(decodeEndpointStats(records, 0, nameOf, addressOf), {
      tenant: "acme",
      backend: "pool",
      endpoint: "a",
      address: "10.0.0.4:1",
      state: "maintenance",
      sessionsActive: 5,
      sessionsTotal: 6,
      connectFailures: 7,
      preconnectIdle: 8,
      health: "unknown",
      ejected: false,
    });
    const healths = [CONSTANTS.HEALTH_UNKNOWN, CONSTANTS.HEALTH_UP, CONSTANTS.HEALTH_DOWN].map((health) => {
      records.put(0, fields.health, health);
      return decodeEndpointStats(records, 0, nameOf, addressOf).health;
    });
    assertEquals(healths, ["unknown", "up", "down"]);
    records.put(0, fields.ejected, 1);
    assertEquals(decodeEndpointStats(records, 0, nameOf, addressOf).ejected, true);
  });
});
