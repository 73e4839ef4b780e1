/** The pump: what it writes where, how often it looks, and that neither a bad source nor an end loses records. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LogPump, type Sink } from "../../src/access_log/mod.ts";
import type { LogRecord, NoticeRecord } from "../../src/ffi/mod.ts";
import { session } from "./access_log_fixture.ts";

const NOTICE: NoticeRecord = {
  kind: "notice",
  notice: "accept_paused",
  worker: 0,
  timeMs: 0,
  tenant: null,
  errno: 24,
};

class TextSink implements Sink {
  text = "";
  lines = 0;
  readonly dropped = 0;
  push(text: string, count: number): void {
    this.text += text;
    this.lines += count;
  }
  async flush(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A pump whose polls are answered from a list, and whose waits the test ends. */
class Bench {
  readonly batches: (readonly LogRecord[] | Error)[] = [];
  readonly notices: NoticeRecord[] = [];
  readonly errors: unknown[] = [];
  readonly waits: number[] = [];
  readonly sink = new TextSink();
  readonly pump: LogPump;
  #waiting = Promise.withResolvers<void>();
  #go = Promise.withResolvers<void>();

  constructor(...batches: (readonly LogRecord[] | Error)[]) {
    this.batches = batches;
    this.pump = new LogPump(
      {
        source: {
          drainLog: () => {
            const next = this.batches.shift() ?? [];
            if (next instanceof Error) throw next;
            return { records: next, more: next.length > 1 };
          },
        },
        onNotice: (notice) => this.notices.push(notice),
        onError: (error) => this.errors.push(error),
        sleep: async (ms, signal) => {
          this.waits.push(ms);
          this.#waiting.resolve();
          const ended = Promise.withResolvers<void>();
          signal.addEventListener("abort", () => ended.resolve(), { once: true });
          await Promise.race([this.#go.promise, ended.promise]);
        },
      },
      this.sink,
      "text",
    );
  }

  /** Lets the pump poll `count` times more. */
  async polls(count: number): Promise<void> {
    for (let done = 0; done < count; done++) {
      await this.#waiting.promise;
      this.#waiting = Promise.withResolvers();
      const go = this.#go;
      this.#go = Promise.withResolvers();
      go.resolve();
    }
    await this.#waiting.promise;
  }
}

describe("LogPump", () => {
  it("looks often while records come, ever less often while none do, and at once when there are more", async () => {
    const bench = new Bench([session()], [], [], [], [], [], [], [], [session(), session()], [session()]);
    await using _ = bench.pump;
    await bench.polls(9);
    assertEquals(bench.waits, [5, 10, 20, 40, 80, 160, 250, 250, 0, 5]);
    assertEquals(bench.sink.lines, 4);
  });

  it("hands on what is no session, and writes the rest in order", async () => {
    const bench = new Bench([session({ tenant: "one" }), NOTICE, session({ tenant: "two" })]);
    await using _ = bench.pump;
    await bench.polls(1);
    assertEquals(bench.notices, [NOTICE]);
    assertEquals([...bench.sink.text.matchAll(/tenant=(\w+)/g)].map(([, name]) => name), ["one", "two"]);
    assertEquals(bench.sink.lines, 2);
  });

  it("hands on what several workers tell in the order in which it was", async () => {
    const [first, second, third] = [1, 2, 3].map((timeMs) => ({ ...NOTICE, timeMs, worker: timeMs % 2 }));
    const bench = new Bench([second!, session(), first!, third!]);
    await using _ = bench.pump;
    await bench.polls(1);
    assertEquals(bench.notices, [first!, second!, third!]);
    assertEquals(bench.sink.lines, 1);
  });

  it("goes on after a poll that fails", async () => {
    const failure = new Error("no log");
    const bench = new Bench(failure, [session()]);
    await using _ = bench.pump;
    await bench.polls(1);
    assertEquals(bench.errors, [failure]);
    assertEquals(bench.sink.lines, 1);
  });

  it("writes elsewhere, in another format, from one record to the next", async () => {
    const bench = new Bench([session()], [session()]);
    await using _ = bench.pump;
    const other = new TextSink();
    assertEquals(bench.pump.redirect(other, "json"), bench.sink);
    await bench.polls(1);
    assertEquals(bench.sink.lines, 1);
    assertEquals(JSON.parse(other.text).tenant, "acme");
  });

  it("takes all that is left when it ends", async () => {
    const bench = new Bench([], [session(), session()], [session(), session()], [session()]);
    await bench.pump[Symbol.asyncDispose]();
    assertEquals(bench.sink.lines, 5);
  });
});
