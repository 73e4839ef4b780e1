/** kill -9 between writes of the API: the files parse, and what was acknowledged is there. */
import { assert, assertEquals } from "@std/assert";
import { tenantWith } from "../helpers/config.ts";
import { EchoProcess } from "../helpers/flock.ts";
import { pace } from "../helpers/eventually.ts";
import { Operator, Unanswered } from "../helpers/operator.ts";
import { Random } from "../helpers/random.ts";
import { runProgram, Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

const WRITES = 200;
const WRITERS = 3;
const SEEDS = [20_261, 7, 999_983, 4_242];
const MAIN_TENANTS = 6;

/** What a tenant must say after a crash: one of two when its last write was not answered. Null: it must not be there. */
type Expected = readonly (string | null)[];

/** The main file as somebody wrote it by hand; what is kept of it is looked for by text. */
function mainFile(operator: Operator, echo: string): string {
  const tenants = Array.from({ length: MAIN_TENANTS }, (_, index) => `
  # tenant ${index}: ask somebody before you change it
  - id: main-${index}        # the id of tenant ${index}
    labels: { v: "0", kept: "yes" }
    listeners:
      - { id: in, address: "127.0.0.1:0", backend: out }   # ports from the kernel
    backends:
      - id: out
        # one endpoint, as ever
        endpoints:
          - { id: a, address: "${echo}" }`).join("\n");
  return `# The head of the file.
version: 1
workers: 1
tenants_dir: tenants.d   # one a file
admin:
  listen: ${operator.listen}
  tokens:   # who may come in
    - ${JSON.stringify(operator.admin.tokens[0])}

tenants:${tenants}
# The end of the file.
`;
}

/** Writes that go on until the process dies; each writer has tenants of its own. */
class Writers {
  readonly #operator: Operator;
  readonly #echo: string;
  readonly #expected: Map<string, Expected>;
  readonly #random: Random;
  #serial: number;
  acknowledged = 0;

  constructor(operator: Operator, echo: string, expected: Map<string, Expected>, random: Random, serial: number) {
    this.#operator = operator;
    this.#echo = echo;
    this.#expected = expected;
    this.#random = random;
    this.#serial = serial;
  }

  /** Writes until the process is gone, or until all writers together have done so many. Calls `tell` after each. */
  async run(writer: number, tell: () => void): Promise<void> {
    while (this.acknowledged < WRITES) {
      const id = this.#random.below(3) === 0
        ? `main-${writer + WRITERS * this.#random.below(MAIN_TENANTS / WRITERS)}`
        : `file-${writer + WRITERS * this.#random.below(5)}`;
      const before = this.#expected.get(id)?.[0] ?? null;
      const version = String(this.#serial++);
      const isDelete = before !== null && id.startsWith("file-") && this.#random.below(4) === 0;
      const after = isDelete ? null : version;
      this.#expected.set(id, [before, after]);
      try {
        await this.#write(id, before, after);
      } catch (error) {
        if (error instanceof Unanswered) return;
        throw error;
      }
      this.#expected.set(id, [after]);
      this.acknowledged++;
      tell();
    }
  }

  async #write(id: string, before: string | null, after: string | null): Promise<void> {
    const path = `/v1/tenants/${id}`;
    if (after === null) return void await this.#operator.must("DELETE", path);
    const labels = { v: after };
    if (before !== null) return void await this.#operator.must("PATCH", path, { labels });
    await this.#operator.must("PUT", path, { ...tenantWith([this.#echo], { id }), labels }, { ifNoneMatch: "*" });
  }
}

/** The label `v` of every tenant. */
async function versions(operator: Operator): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let cursor: string | null = null, first = true; first || cursor !== null; first = false) {
    const query: string = cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`;
    const { items, next_cursor } = await operator.get(`/v1/tenants${query}`);
    for (const { id, labels } of items) found.set(id, labels.v);
    cursor = next_cursor;
  }
  return found;
}

async function serve(world: World, dir: string, text: string): Promise<Sluice> {
  return world.use(await Sluice.start(dir, text, { ownLog: true }));
}

e2e("live crash: kill -9 in the middle of 200 writes, four times over, loses nothing acknowledged", async (world) => {
  const echo = world.use(await EchoProcess.start());
  const operator = await Operator.create();
  const dir = await world.tempDir();
  Deno.mkdirSync(`${dir}/tenants.d`);
  const original = mainFile(operator, echo.address);
  let expected = new Map<string, Expected>();
  for (let index = 0; index < MAIN_TENANTS; index++) expected.set(`main-${index}`, ["0"]);
  let serial = 1;
  let sluice = await serve(world, dir, original);

  for (const seed of SEEDS) {
    const random = new Random(seed);
    const lastWrites = WRITES / 4 + random.below(WRITES / 2);
    const pauseMs = random.below(6);
    const writers = new Writers(operator, echo.address, expected, random, serial);
    let killing: Promise<void> | undefined;
    const kill = async (): Promise<void> => {
      await pace(pauseMs);
      sluice.kill("SIGKILL");
    };
    const tell = (): void => {
      if (writers.acknowledged >= lastWrites) killing ??= kill();
    };
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => writers.run(writer, tell)));
    await killing;
    assertEquals((await sluice.exit()).signal, "SIGKILL");
    assert(writers.acknowledged < WRITES, "killed in the middle");
    serial += 10 * WRITES;

    const check = await runProgram("check", "--config", sluice.configPath);
    assertEquals([check.code, check.stderr], [0, ""], `seed ${seed}: ${check.stdout}`);
    const text = Deno.readTextFileSync(sluice.configPath);
    assertEquals(withoutVersions(text), withoutVersions(original), "comments and order of the main file");
    sluice = await serve(world, dir, text);
    const found = await versions(operator);
    const whole = new Map<string, Expected>();
    for (const [id, possible] of expected) {
      const now = found.get(id) ?? null;
      assert(possible.includes(now), `seed ${seed}: ${id} must be one of ${possible.join(", ")}: it is ${now}`);
      whole.set(id, [now]);
    }
    for (const id of found.keys()) assert(expected.has(id), `seed ${seed}: nobody wrote ${id}`);
    expected = whole;
    const files = [...Deno.readDirSync(`${dir}/tenants.d`), ...Deno.readDirSync(dir)].map(({ name }) => name);
    assertEquals(files.filter((name) => name.includes("tmp")), [], "the start clears away what the crash has left");
  }
}, { deadlineMs: 180_000 });

/** The text with every version the same: writes change nothing else of it. */
function withoutVersions(text: string): string {
  return text.replace(/\bv: "?\d+"?/g, "v: N");
}
