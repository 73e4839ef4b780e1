/** The logs of a running proxy: what a reload changes, files that were rotated, and that losses and notices are told. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { systemSinkDeps } from "../../src/access_log/mod.ts";
import type { Config } from "../../src/config/mod.ts";
import type { LogRecord, NoticeRecord, WorkerStats } from "../../src/ffi/mod.ts";
import { Logs } from "../../src/host/logs.ts";
import { createLog } from "../../src/log.ts";
import { HeldStream, session } from "./access_log_fixture.ts";
import { configText, load } from "./control_fixture.ts";

const WORKER: WorkerStats = {
  sessionsActive: 0,
  fdsInUse: 0,
  pipesInUse: 0,
  bufferBytes: 0,
  sessionBytes: 0,
  loopLagNs: 0,
  turnsTotal: 0,
  acceptPausesTotal: 0,
  logDroppedTotal: 0,
};

async function configWith(log: string): Promise<Config> {
  const { config } = await load(configText({ acme: "127.0.0.1:5000" }, `log: ${log}\n`));
  assert(config !== null);
  return config;
}

/** Logs on an engine whose log the test fills, and on a clock that the test moves. */
class Bench {
  readonly log: string[] = [];
  readonly out: string[] = [];
  readonly stdout = new HeldStream();
  readonly records: LogRecord[] = [];
  readonly refusing: (string | null)[] = [];
  readonly upstream: string[] = [];
  unread = 0;
  nowMs = 0;
  /** Ends of the waits of the watcher, which are the long ones. */
  readonly watches: (() => void)[] = [];

  open(config: Config): Promise<Logs> {
    return Logs.open(config, {
      engine: {
        drainLog: () => ({ records: this.records.splice(0), more: false }),
        workerStats: () => [{ ...WORKER, logDroppedTotal: this.unread }],
      },
      log: createLog({ level: "info", format: "json", write: (line) => this.log.push(line) }),
      sinkDeps: (onError) => ({ ...systemSinkDeps(onError), stdout: this.stdout }),
      onRefusing: (tenant) => this.refusing.push(tenant),
      onUpstream: ({ notice, tenant }) => this.upstream.push(`${notice} ${tenant}`),
      out: (text) => this.out.push(text),
      now: () => this.nowMs,
      // The pump sleeps until the end: these tests see what the end takes.
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve(), { once: true });
          if (ms >= 5_000) this.watches.push(resolve);
        }),
    });
  }

  /** Messages of the program's log with their fields. */
  lines(): Record<string, unknown>[] {
    return this.log.map((line) => JSON.parse(line));
  }
}

async function inFolder(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("Logs", () => {
  it("writes sessions in the configuration's format, to its sink", async () => {
    const bench = new Bench();
    {
      await using _ = await bench.open(await configWith("{ format: json }"));
      bench.records.push(session());
    }
    assertEquals(JSON.parse(bench.stdout.text).reason, "ok");
  });

  it("opens a file anew with each reload, so that a rotated one is left alone", async () => {
    await inFolder(async (dir) => {
      const bench = new Bench();
      const path = `${dir}/access.log`;
      const config = await configWith(`{ access: { sink: "file:${path}" } }`);
      {
        await using logs = await bench.open(config);
        await Deno.rename(path, `${path}.1`);
        (await logs.prepare(config)).commit();
        bench.records.push(session());
      }
      assertEquals(await Deno.readTextFile(`${path}.1`), "");
      assert((await Deno.readTextFile(path)).includes(" reason=ok "));
    });
  });

  it("changes sink, format and level at a commit, not before, and not when it is discarded", async () => {
    await inFolder(async (dir) => {
      const bench = new Bench();
      const other = await configWith(`{ level: error, format: json, access: { sink: "file:${dir}/access.log" } }`);
      {
        await using logs = await bench.open(await configWith("{ format: text }"));
        (await logs.prepare(other)).discard();
        bench.records.push(session());
        logs.announce("listening tenant=a");
        const prepared = await logs.prepare(other);
        prepared.commit();
        logs.announce("listening tenant=b");
      }
      // A line of our own goes the way of the access log's, so that neither tears the other.
      assert(bench.stdout.text.startsWith("listening tenant=a\n"));
      assertEquals(bench.out, ["listening tenant=b\n"]);
      assertEquals(JSON.parse(await Deno.readTextFile(`${dir}/access.log`)).tenant, "acme");
    });
  });

  it("keeps what is in force when a file cannot be opened", async () => {
    const bench = new Bench();
    {
      await using logs = await bench.open(await configWith("{ format: text }"));
      const wrong = await configWith('{ access: { sink: "file:/tmp/no/such/folder/access.log" } }');
      await assertRejects(() => logs.prepare(wrong), Error, "log.access.sink");
      bench.records.push(session());
    }
    assert(bench.stdout.text.includes(" reason=ok "));
  });

  it("tells how many records were lost, those unread and those unwritten, and each only once", async () => {
    const bench = new Bench();
    bench.stdout.failures.push(new Error("no space"));
    {
      await using logs = await bench.open(await configWith("{ format: json }"));
      bench.unread = 7;
      bench.watches.shift()?.();
      await turn();
      bench.watches.shift()?.();
      await turn();
      assertEquals(logs.dropped, 7);
      bench.records.push(session(), session());
    }
    const found = bench.lines().map(({ level, msg, records, total, error }) => ({ level, msg, records, total, error }));
    const lost = { level: "warn", msg: "access records were dropped, the log cannot keep up", error: undefined };
    assertEquals(found, [
      { ...lost, records: 7, total: 7 },
      {
        level: "warn",
        msg: "the access log cannot be written",
        records: undefined,
        total: undefined,
        error: "no space",
      },
      { ...lost, records: 2, total: 9 },
    ]);
  });

  it("tells that accepting is paused and goes on, once for many", async () => {
    const bench = new Bench();
    const common = { kind: "notice", worker: 1, timeMs: 0, tenant: null } as const;
    const paused: NoticeRecord = { ...common, notice: "accept_paused", errno: 24 };
    const resumed: NoticeRecord = { ...common, notice: "accept_resumed", pausedUs: 2_500 };
    {
      await using _ = await bench.open(await configWith("{ format: json }"));
      bench.records.push(...Array(50).fill(paused), resumed);
    }
    assertEquals(bench.lines().map(({ level, worker, errno, paused_ms }) => ({ level, worker, errno, paused_ms })), [
      { level: "warn", worker: 1, errno: "EMFILE", paused_ms: undefined },
      { level: "info", worker: 1, errno: undefined, paused_ms: 2.5 },
    ]);
  });

  it("passes on whose sessions are refused, each time, and says nothing of it itself", async () => {
    const bench = new Bench();
    const notice = { kind: "notice", worker: 0, timeMs: 0, notice: "refusing", reason: "tenant_rate" } as const;
    {
      await using _ = await bench.open(await configWith("{ format: json }"));
      bench.records.push({ ...notice, tenant: "acme" }, { ...notice, tenant: null }, { ...notice, tenant: "acme" });
    }
    assertEquals([bench.refusing, bench.lines()], [["acme", null, "acme"], []]);
  });

  it("passes on what happens to endpoints and circuits, and says nothing of it itself", async () => {
    const bench = new Bench();
    const common = { kind: "notice", worker: 0, timeMs: 0, tenant: "acme", backend: "pool" } as const;
    const endpoint = { ...common, endpoint: "a", address: "10.0.0.1:1" };
    {
      await using _ = await bench.open(await configWith("{ format: json }"));
      bench.records.push(
        { ...endpoint, notice: "ejected" },
        { ...endpoint, notice: "ejection_ended" },
        { ...common, notice: "circuit", circuit: "open" },
      );
    }
    assertEquals(bench.upstream, ["ejected acme", "ejection_ended acme", "circuit acme"]);
    assertEquals(bench.lines(), []);
  });
});
