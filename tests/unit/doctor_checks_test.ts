/** The doctor's verdicts: each check at its edge, on machines that exist only here. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { fdsPerWorker, sessionCapacity } from "../../src/doctor/checks_process.ts";
import { defaultDemand, type Demand, examine, type Facts, type Finding } from "../../src/doctor/mod.ts";

const goodFacts: Facts = {
  kernelRelease: "6.1.0-18-amd64",
  nofile: { soft: 1024, hard: 1048576 },
  fileMax: 9223372036854775807,
  somaxconn: 4096,
  synBacklog: 4096,
  synCookies: 1,
  portRange: { first: 32768, last: 60999 },
  timeWaitReuse: 2,
  congestionControl: "cubic",
  congestionControls: ["reno", "cubic"],
  pipeMaxBytes: 1048576,
  pipeUserPages: 65536,
  conntrack: null,
  unprivilegedPortStart: 1024,
  capabilities: { bindLowPorts: false, sysResource: false },
  cores: 4,
  library: { usable: true, detail: "there" },
};

const demand: Demand = {
  file: "sluice.yaml",
  workers: 4,
  sessions: 10_000,
  endpoints: [{ name: "acme/web/a", sessions: 10_000 }],
  remoteEndpoints: false,
  lowestPort: 8080,
};

function find(id: string, facts: Partial<Facts>, asked: Partial<Demand> = {}): Finding {
  const finding = examine({ ...goodFacts, ...facts }, { ...demand, ...asked }).find((one) => one.id === id);
  if (finding === undefined) throw new Error(`no check ${id}`);
  return finding;
}

function verdict(id: string, facts: Partial<Facts>, asked: Partial<Demand> = {}): string {
  return find(id, facts, asked).verdict;
}

describe("examine", () => {
  it("finds nothing to mend on a good machine, with or without a configuration", () => {
    for (const asked of [demand, defaultDemand(4)]) {
      for (const finding of examine(goodFacts, asked)) {
        assertEquals([finding.verdict, finding.mend], ["ok", null], finding.id);
      }
    }
  });

  it("says what it found, what is wanted, why, and what mends it, for everything bad", () => {
    const bad: Facts = {
      ...goodFacts,
      kernelRelease: "4.19.0",
      nofile: { soft: 256, hard: 256 },
      fileMax: 1000,
      somaxconn: 128,
      synBacklog: 128,
      synCookies: 0,
      portRange: { first: 40000, last: 40099 },
      timeWaitReuse: 0,
      congestionControl: "reno",
      pipeMaxBytes: 65536,
      pipeUserPages: 16384,
      conntrack: { max: 1000, count: 999 },
      unprivilegedPortStart: 1024,
      cores: 2,
      library: { usable: false, detail: "not there" },
    };
    const findings = examine(bad, { ...demand, lowestPort: 80 });
    assertEquals(findings.filter((finding) => finding.verdict === "ok"), []);
    for (const finding of findings) {
      for (const text of [finding.found, finding.wanted, finding.why, finding.mend ?? ""]) {
        assertEquals(text === "", false, finding.id);
      }
    }
    assertEquals(
      findings.filter((finding) => finding.verdict === "will-fail").map((finding) => finding.id),
      ["kernel", "library", "nofile", "file_max", "low_ports", "port_range", "conntrack"],
    );
  });
});

describe("checks", () => {
  it("kernel: 5.9 is the first that will do", () => {
    assertEquals(verdict("kernel", { kernelRelease: "5.8.18" }), "will-fail");
    assertEquals(verdict("kernel", { kernelRelease: "5.9.0-rc1" }), "ok");
    assertEquals(verdict("kernel", { kernelRelease: "5.10.0" }), "ok");
    assertEquals(verdict("kernel", { kernelRelease: null }), "advice");
  });

  it("nofile: fails one descriptor short of what sessions need, and advises where pipes do not fit too", () => {
    const need = fdsPerWorker(10_000, 4);
    const short = find("nofile", { nofile: { soft: need - 1, hard: need - 1 } });
    assertEquals(short.verdict, "will-fail");
    assertEquals(verdict("nofile", { nofile: { soft: need, hard: need } }), "advice");
    const mended = Number(/ulimit -n (\d+)/.exec(short.mend ?? "")?.[1]);
    assertEquals(verdict("nofile", { nofile: { soft: mended, hard: mended } }), "ok");
    assertEquals(sessionCapacity(mended, 4) >= 10_000, true);
  });

  it("nofile: a low soft limit is no trouble, Deno raises it", () => {
    assertEquals(verdict("nofile", { nofile: { soft: 1024, hard: 1048576 } }), "ok");
  });

  it("nofile: more workers hold more sessions with the same limit", () => {
    assertEquals(verdict("nofile", { nofile: { soft: 4096, hard: 4096 }, cores: 16 }, { workers: 1 }), "will-fail");
    assertEquals(verdict("nofile", { nofile: { soft: 4096, hard: 4096 }, cores: 16 }, { workers: 16 }), "ok");
    assertEquals(sessionCapacity(100, 4), 0);
    for (const workers of [1, 2, 7, 64]) {
      const capacity = sessionCapacity(20_000, workers);
      assertEquals(fdsPerWorker(capacity, workers) <= 20_001, true, `${workers}`);
    }
  });

  it("nofile: without max_connections it only tells the capacity, with advice when that is small", () => {
    assertEquals(verdict("nofile", { nofile: { soft: 1024, hard: 1024 } }, { sessions: null }), "advice");
    assertEquals(verdict("nofile", { nofile: { soft: 1024, hard: Infinity } }, { sessions: null }), "ok");
  });

  it("low ports: need the capability only below the start", () => {
    assertEquals(verdict("low_ports", {}, { lowestPort: 1023 }), "will-fail");
    assertEquals(verdict("low_ports", {}, { lowestPort: 1024 }), "ok");
    assertEquals(verdict("low_ports", { unprivilegedPortStart: 0 }, { lowestPort: 80 }), "ok");
    const root = { capabilities: { bindLowPorts: true, sysResource: true } };
    assertEquals(verdict("low_ports", root, { lowestPort: 80 }), "ok");
  });

  it("pipes: the user's soft limit does not count for the privileged, 0 is unlimited", () => {
    assertEquals(verdict("pipe_user_pages", { pipeUserPages: 65535 }), "advice");
    assertEquals(verdict("pipe_user_pages", { pipeUserPages: 0 }), "ok");
    const root = { capabilities: { bindLowPorts: true, sysResource: true } };
    assertEquals(verdict("pipe_user_pages", { pipeUserPages: 1, ...root }), "ok");
  });

  it("port range: counts the busiest endpoint's sessions, and says when no range can do", () => {
    const sessions = (count: number | null) => ({ endpoints: [{ name: "t/b/e", sessions: count }] });
    assertEquals(verdict("port_range", {}, sessions(28_232)), "ok");
    const short = find("port_range", {}, sessions(28_233));
    assertEquals(short.verdict, "will-fail");
    assertStringIncludes(short.mend ?? "", "ip_local_port_range");
    assertStringIncludes(find("port_range", {}, sessions(70_000)).mend ?? "", "no port range is wide enough");
    assertEquals(verdict("port_range", {}, sessions(null)), "ok");
    assertEquals(verdict("port_range", { portRange: { first: 50000, last: 60999 } }, sessions(null)), "advice");
  });

  it("tcp_tw_reuse: loopback only is enough only for loopback", () => {
    assertEquals(verdict("tcp_tw_reuse", { timeWaitReuse: 2 }, { remoteEndpoints: true }), "advice");
    assertEquals(verdict("tcp_tw_reuse", { timeWaitReuse: 1 }, { remoteEndpoints: true }), "ok");
    assertEquals(verdict("tcp_tw_reuse", { timeWaitReuse: 0 }), "advice");
  });

  it("conntrack: two connections a session, with as much again to spare", () => {
    assertEquals(verdict("conntrack", { conntrack: { max: 19_999, count: 0 } }), "will-fail");
    assertEquals(verdict("conntrack", { conntrack: { max: 20_000, count: 0 } }), "advice");
    assertEquals(verdict("conntrack", { conntrack: { max: 40_000, count: 0 } }), "ok");
    assertEquals(verdict("conntrack", { conntrack: { max: 100, count: 81 } }, { sessions: null }), "advice");
    assertEquals(verdict("conntrack", { conntrack: { max: 100, count: 80 } }, { sessions: null }), "ok");
  });
});
