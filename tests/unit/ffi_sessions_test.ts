/** Filters of live sessions as bytes, live sessions as values, cursors as text. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CONSTANTS } from "../../src/ffi/constants.ts";
import { IdRegistry } from "../../src/ffi/ids.ts";
import { RECORDS } from "../../src/ffi/layout.ts";
import { Records } from "../../src/ffi/record.ts";
import {
  decodeLiveSession,
  encodeFilter,
  formatCursor,
  isSessionSource,
  parseCursor,
  type SessionFilter,
} from "../../src/ffi/sessions.ts";
import { backendPlan, endpoint, ipv4, tenant } from "./ffi_fixture.ts";

const { size, fields } = RECORDS.session_filter;

function registryOf(...names: string[]): IdRegistry {
  const registry = new IdRegistry();
  registry.commit(new Map(names.map((name) => [name, registry.assign(tenant(name))])), []);
  return registry;
}

function encoded(filter: SessionFilter, registry = registryOf("acme")): Records {
  const bytes = encodeFilter(filter, registry);
  assert(bytes !== null);
  return new Records(bytes);
}

function idsOf(records: Records): number[] {
  assertEquals(records.bytes.length, size + records.number(0, fields.id_count) * 4);
  return Array.from(
    { length: records.number(0, fields.id_count) },
    (_, index) => records.number(size + index * 4, { offset: 0, size: 4, kind: "u32" }),
  );
}

function sourceOf(text: string): readonly unknown[] {
  const records = encoded({ source: text });
  return [
    records.number(0, fields.source_family),
    records.number(0, fields.source_bits),
    [...records.slice(0, fields.source_ip)],
  ];
}

const padded = (...bytes: number[]) => [...bytes, ...new Array(16 - bytes.length).fill(0)];

describe("encodeFilter", () => {
  it("says nothing of what is not asked", () => {
    assertEquals([...encoded({}).bytes], new Array(size).fill(0));
  });

  it("names the narrowest kind by its numbers", () => {
    const registry = registryOf("acme", "globex");
    const acme = registry.tenant("acme");
    const pool = acme?.backends.get("pool");
    assert(acme !== undefined && pool !== undefined);
    const rows: [SessionFilter, number, number[]][] = [
      [{ tenant: "acme" }, CONSTANTS.FILTER_TENANT, [acme.id]],
      [{ tenant: "acme", backend: "pool" }, CONSTANTS.FILTER_BACKEND, [pool.id]],
      [{ tenant: "acme", backend: "pool", endpoint: "a" }, CONSTANTS.FILTER_ENDPOINT, [...pool.endpoints.values()]],
    ];
    for (const [filter, kind, ids] of rows) {
      const records = encoded(filter, registry);
      assertEquals([records.number(0, fields.id_kind), idsOf(records)], [kind, ids]);
    }
  });

  it("is null when no session can meet it", () => {
    const registry = registryOf("acme");
    for (
      const filter of [
        { tenant: "nobody" },
        { tenant: "acme", backend: "other" },
        { tenant: "nobody", endpoint: "a" },
        { backend: "other", endpoint: "a" },
        { session: "01ARZ3NDEKTSV4RRFFQ69G5FA" },
        { session: "" },
      ]
    ) assertEquals(encodeFilter(filter, registry), null, JSON.stringify(filter));
  });

  it("reads addresses and prefixes", () => {
    assertEquals(sourceOf("192.0.2.7"), [4, 32, padded(192, 0, 2, 7)]);
    assertEquals(sourceOf("10.0.0.0/8"), [4, 8, padded(10, 0, 0, 0)]);
    assertEquals(sourceOf("0.0.0.0/0"), [4, 0, padded()]);
    assertEquals(sourceOf("2001:db8::/33"), [6, 33, padded(0x20, 0x01, 0x0d, 0xb8)]);
    assertEquals(sourceOf("::1"), [6, 128, [...new Array(15).fill(0), 1]]);
    assertEquals(sourceOf("::ffff:192.0.2.7"), [4, 32, padded(192, 0, 2, 7)]);
    assertEquals(sourceOf("::ffff:192.0.2.0/120"), [4, 24, padded(192, 0, 2, 0)]);
    assertEquals(sourceOf("unix"), [1, 0, padded()]);
  });

  it("refuses a source that is none", () => {
    for (
      const source of [
        "",
        "acme",
        "10.1",
        "0x7f.0.0.1",
        "10.0.0.0/33",
        "10.0.0.0/",
        "::/129",
        "fe80::1%eth0",
        "1.2.3.4/8/8",
      ]
    ) {
      assertEquals(isSessionSource(source), false, source);
      assertThrows(
        () => encodeFilter({ source }, registryOf()),
        TypeError,
        "source must be an address, a prefix or unix",
      );
    }
  });

  it("carries age and ULID", () => {
    const records = encoded({ olderThanMs: 1500.2, session: "01ARZ3NDEKTSV4RRFFQ69G5FAV" });
    assertEquals(records.number(0, fields.older_than_ms), 1501);
    assertEquals(
      records.slice(0, fields.session).toHex(),
      "01563e3ab5d3d6764c61efb99302bd5b",
    );
    assertEquals(encoded({ olderThanMs: Infinity }).number(0, fields.older_than_ms), Number.MAX_SAFE_INTEGER);
  });
});

describe("IdRegistry.find", () => {
  it("finds every endpoint of a name, and what has had the name before", () => {
    const registry = new IdRegistry();
    const apply = (...ports: number[]) => {
      const endpoints = ports.map((port) => endpoint("db", ipv4("10.0.0.1", port)));
      const plan = tenant("acme", { backends: [backendPlan("pool", { endpoints })] });
      registry.commit(new Map([["acme", registry.assign(plan)]]), []);
    };
    apply(1, 2);
    assertEquals(registry.find({ tenant: "acme", endpoint: "db" })?.ids.length, 2);
    assertEquals(registry.find({ tenant: "acme", endpoint: "db", address: "10.0.0.1:2" })?.ids.length, 1);
    apply(2, 3);
    const found = registry.find({ endpoint: "db" })?.ids ?? [];
    assertEquals(found.length, 3);
    assertEquals(found, found.toSorted((left, right) => left - right));
    registry.commit(new Map(), ["acme"]);
    apply(2);
    assertEquals(registry.find({ tenant: "acme" })?.ids.length, 2);
    assertEquals(registry.find({ tenant: "acme", backend: "pool", endpoint: "db" })?.ids.length, 4);
    assertEquals(registry.find({}), null);
  });
});

describe("decodeLiveSession", () => {
  it("tells the record so far, the state and the deadline", () => {
    const layout = RECORDS.session_record;
    const records = Records.ofSize(layout.size * 2);
    const at = layout.size;
    records.put(at, RECORDS.log_session.fields.tenant, 7);
    records.put(at, RECORDS.log_session.fields.bytes_up, 5);
    records.put(at, RECORDS.log_session.fields.server_name_length, 12);
    records.put(at, RECORDS.log_session.fields.alpn_length, 2);
    records.bytes.set(new TextEncoder().encode("acme.exampleh2"), at + layout.fields.text.offset);
    records.put(at, layout.fields.state, CONSTANTS.SESSION_CONNECTING);
    records.put(at, layout.fields.drain_in_ms, 250);
    const live = decodeLiveSession(records, at, (id) => id === 7 ? "acme" : null);
    assertEquals(
      [live.tenant, live.bytesUp, live.state, live.drainInMs, live.code, live.reason, live.progress],
      ["acme", 5, "connecting", 250, null, null, true],
    );
    assertEquals([live.serverName, live.alpn], ["acme.example", "h2"]);
    records.put(at, layout.fields.state, CONSTANTS.SESSION_QUEUED);
    assertEquals(decodeLiveSession(records, at, () => null).state, "queued");
    records.put(at, layout.fields.state, CONSTANTS.SESSION_READING);
    assertEquals(decodeLiveSession(records, at, () => null).state, "reading");
    records.bytes.fill(0xff, at + layout.fields.drain_in_ms.offset, at + layout.size);
    assertEquals(decodeLiveSession(records, at, () => null).drainInMs, null);
  });
});

describe("cursors", () => {
  it("come back from their text", () => {
    for (const cursor of [1n, 35n, 36n, 1n << 32n, (63n << 32n) + 0xffff_ffffn]) {
      assertEquals(parseCursor(formatCursor(cursor)), cursor);
    }
    assertEquals(parseCursor(null), 0n);
  });

  it("are refused when they are no text that was given", () => {
    for (const text of ["", "0", "-1", "Z", "1.5", "zzzzzzzzzz", " 1"]) {
      assertThrows(() => parseCursor(text), TypeError, "cursor must be one that a list gave");
    }
  });
});
