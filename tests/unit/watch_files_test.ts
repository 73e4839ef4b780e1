/** Watching: which events matter, bursts that become one, and the end. */
import { assertEquals } from "@std/assert";
import { type FileEvents, type Touched, watchFiles } from "../../src/config/mod.ts";

const WATCHED = { mainFile: "/etc/sluice.yaml", tenantsFolder: "/etc/t" };

/** A watch whose events and time the test makes. */
class Bench {
  readonly seen: Touched[] = [];
  readonly folders: string[] = [];
  readonly #events: Pick<Deno.FsEvent, "kind" | "paths" | "flag">[] = [];
  readonly #stop = new AbortController();
  #wake = Promise.withResolvers<void>();
  #sleepers: (() => void)[] = [];
  #isClosed = false;
  readonly ended: Promise<void>;

  constructor() {
    const events: FileEvents = {
      close: () => {
        this.#isClosed = true;
        this.#wake.resolve();
      },
      [Symbol.asyncIterator]: () => this.#follow(),
    };
    const sleep = (_ms: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        this.#sleepers.push(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    const open = (folders: readonly string[]) => {
      this.folders.push(...folders);
      return events;
    };
    this.ended = watchFiles(WATCHED, { open, sleep }, (touched) => void this.seen.push(touched), this.#stop.signal);
  }

  async *#follow() {
    while (!this.#isClosed) {
      const event = this.#events.shift();
      if (event !== undefined) yield event;
      else {
        await this.#wake.promise;
        this.#wake = Promise.withResolvers();
      }
    }
  }

  async happen(...paths: string[]): Promise<void> {
    await this.tell({ kind: "modify", paths });
  }

  async tell(event: Pick<Deno.FsEvent, "kind" | "paths" | "flag">): Promise<void> {
    this.#events.push(event);
    this.#wake.resolve();
    await settled();
  }

  /** Lets the quiet time pass; false when nobody waits for it. */
  async quiet(): Promise<boolean> {
    const sleepers = this.#sleepers.splice(0);
    sleepers.forEach((wake) => wake());
    await settled();
    return sleepers.length > 0;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.ended;
  }
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
const touched = (tenants: string[], main = false, all = false) => ({ tenants: new Set(tenants), main, all });

Deno.test("watch: the folders of both, so that files that are replaced are seen", async () => {
  const bench = new Bench();
  assertEquals(bench.folders, ["/etc", "/etc/t"]);
  await bench.stop();
});

Deno.test("watch: a burst is one, with everything that was touched in it", async () => {
  const bench = new Bench();
  await bench.happen("/etc/t/a.yaml");
  await bench.happen("/etc/t/b.yaml", "/etc/t/a.yaml");
  await bench.happen("/etc/sluice.yaml");
  assertEquals(bench.seen, []);
  await bench.quiet();
  assertEquals(bench.seen, [touched(["/etc/t/a.yaml", "/etc/t/b.yaml"], true)]);
  await bench.happen("/etc/t/a.yaml");
  await bench.quiet();
  assertEquals(bench.seen.length, 2);
  await bench.stop();
});

Deno.test("watch: what editors and Sluice itself leave beside the files does not matter", async () => {
  const bench = new Bench();
  const names = [".a.yaml.swp", "a.yaml~", "#a.yaml#", ".#a.yaml", ".a.yaml.sluice-tmp", "4913", "a.txt"];
  for (const name of names) await bench.happen(`/etc/t/${name}`, `/etc/${name}`, `/etc/other.yaml`);
  await bench.tell({ kind: "access", paths: ["/etc/sluice.yaml"] });
  assertEquals(await bench.quiet(), false);
  await bench.stop();
  assertEquals(bench.seen, []);
});

Deno.test("watch: a volume that is swapped, a folder that is touched, events that were lost mean everything", async () => {
  const bench = new Bench();
  for (const event of [{ paths: ["/etc/..data"] }, { paths: ["/etc/t"] }, { paths: [], flag: "rescan" as const }]) {
    await bench.tell({ kind: "any", ...event });
    await bench.quiet();
  }
  assertEquals(bench.seen.map(({ all }) => all), [true, true, true]);
  await bench.stop();
});

Deno.test("watch: on a real disk", async () => {
  const folder = await Deno.makeTempDir();
  const seen = Promise.withResolvers<Touched>();
  const stop = new AbortController();
  const ended = watchFiles(
    { mainFile: `${folder}/sluice.yaml`, tenantsFolder: null },
    {
      open: (folders) => Deno.watchFs([...folders], { recursive: false }),
      sleep: () => Promise.resolve(),
    },
    seen.resolve,
    stop.signal,
  );
  try {
    await Deno.writeTextFile(`${folder}/.next`, "version: 1\n");
    await Deno.rename(`${folder}/.next`, `${folder}/sluice.yaml`);
    assertEquals((await seen.promise).main, true);
  } finally {
    stop.abort();
    await ended;
    await Deno.remove(folder, { recursive: true });
  }
});
