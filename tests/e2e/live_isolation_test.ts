/** Files that somebody edits while the proxy watches: what is wrong touches its own tenant and no other. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { formatAddress, freePort, ownLoopback, refusingAddress } from "../helpers/address.ts";
import type { Backend } from "../helpers/backend.ts";
import { echo } from "../helpers/behaviours.ts";
import { type Config, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { Operator } from "../helpers/operator.ts";
import type { Sluice } from "../helpers/sluice.ts";
import type { Wire } from "../helpers/wire.ts";
import { e2e, type World } from "../helpers/world.ts";

const DRAIN_MS = 1200;
const IN_ERROR = "sluice_config_tenants_in_error";

/** A `serve` that watches a folder of tenants, each at a known address. */
class Folder {
  readonly addresses: Record<string, string> = {};

  constructor(readonly dir: string, readonly backend: Backend, readonly operator: Operator) {}

  static async create(world: World): Promise<Folder> {
    return new Folder(await world.tempDir(), await world.backend(echo), await Operator.create());
  }

  get config(): Config {
    return { ...this.operator.config([]), tenants_dir: this.dir };
  }

  path(id: string): string {
    return `${this.dir}/${id}.yaml`;
  }

  /** The address of a tenant, its own from the first time on. */
  address(id: string): string {
    const host = ownLoopback();
    return this.addresses[id] ??= formatAddress(host, freePort(host));
  }

  /** The text of a tenant's file; `version` is what it is known by. */
  text(id: string, version: string, listen = this.address(id), endpoint = this.backend.address): string {
    const tenant = tenantWith([endpoint], { id, listen, timeouts: { drain: `${DRAIN_MS}ms` } });
    return JSON.stringify({ ...tenant, labels: { version } }, null, 2);
  }

  /** Puts a file in place as careful programs do: under another name first. */
  replace(id: string, text: string): void {
    Deno.writeTextFileSync(`${this.dir}/.${id}.next`, text);
    Deno.renameSync(`${this.dir}/.${id}.next`, this.path(id));
  }

  /** Waits until exactly these tenants are in error, in the status of the process and in the metric. */
  async untilInError(...ids: string[]): Promise<{ tenant: string; errors: string[] }[]> {
    const found = await eventually(async () => {
      const { tenants_in_error } = await this.operator.get("/v1/status");
      const names = tenants_in_error.map(({ tenant }: { tenant: string }) => tenant).sort();
      return JSON.stringify(names) === JSON.stringify(ids.toSorted()) ? tenants_in_error : undefined;
    }, { what: `tenants in error: ${ids.join(", ") || "none"}` });
    assertEquals(await this.operator.metric(IN_ERROR), ids.length);
    return found;
  }
}

async function liveAt(world: World, address: string): Promise<Wire> {
  const client = await world.connect(address);
  await client.roundTrip();
  return client;
}

e2e("live isolation: a wrong file freezes its tenant and is told everywhere; all others go on", async (world) => {
  const folder = await Folder.create(world);
  const { operator } = folder;
  for (const id of ["acme", "globex"]) folder.replace(id, folder.text(id, "0"));
  const sluice = await world.sluice(folder.config);
  const live = await liveAt(world, folder.address("acme"));
  await folder.untilInError();

  const nowhere = refusingAddress();
  const wrong = (id: string, listen: string): string => folder.text(id, "wrong", listen, nowhere);
  const broken: [what: string, text: string, told: RegExp][] = [
    ["YAML that does not parse", "id: acme\nlisteners: [}\n", /acme\.yaml:2:/],
    ["a key that is unknown", wrong("acme", folder.address("acme")).replace('"labels"', '"label"'), /label/],
    ["another tenant's address", wrong("acme", folder.address("globex")), /globex/],
    ["another tenant's id", wrong("globex", folder.address("acme")), /globex/],
    ["nothing at all", "", /acme/],
  ];
  for (const [index, [what, text, told]] of broken.entries()) {
    const version = String(index + 1);
    const linesBefore = sluice.stdout.length + sluice.stderr.length;
    folder.replace("acme", text);
    const [inError] = await folder.untilInError("acme");
    assert(inError?.errors.some((error) => told.test(error)), `${what}: ${inError?.errors.join("; ")}`);
    const status = await operator.get("/v1/tenants/acme/status");
    assertEquals(status.errors, inError?.errors, what);
    await sluice.waitForLine(/acme/, linesBefore);

    folder.replace("globex", folder.text("globex", version));
    folder.replace(`late-${index}`, folder.text(`late-${index}`, version));
    await operator.untilLabel("globex", "version", version);
    await operator.untilLabel(`late-${index}`, "version", version);
    await liveAt(world, folder.address(`late-${index}`));
    await liveAt(world, folder.address("globex"));
    // Every wrong file leads to an endpoint that refuses: who is served is served by the last good version.
    await liveAt(world, folder.address("acme"));
    await live.roundTrip();

    folder.replace("acme", folder.text("acme", version));
    await operator.untilLabel("acme", "version", version);
    await folder.untilInError();
    assertEquals((await operator.get("/v1/tenants/acme/status")).errors, []);
  }
  assertEquals(sluice.matching(({ code }) => code.startsWith("K")), [], "nothing was drained");
}, { deadlineMs: 120_000 });

e2e("live isolation: a file that is wrong from the start keeps its tenant out until it is mended", async (world) => {
  const folder = await Folder.create(world);
  folder.replace("acme", folder.text("acme", "0"));
  folder.replace("late", "listeners: 7\n");
  await world.sluice(folder.config);
  await folder.untilInError("late");
  await liveAt(world, folder.address("acme"));
  folder.replace("late", folder.text("late", "1"));
  await folder.untilInError();
  await folder.operator.untilLabel("late", "version", "1");
  await liveAt(world, folder.address("late"));
});

e2e("live isolation: a file that is deleted drains its tenant; so does one that was wrong", async (world) => {
  const folder = await Folder.create(world);
  for (const id of ["acme", "globex", "stays"]) folder.replace(id, folder.text(id, "0"));
  const sluice = await world.sluice(folder.config);
  const [acme, globex, stays] = [
    await liveAt(world, folder.address("acme")),
    await liveAt(world, folder.address("globex")),
    await liveAt(world, folder.address("stays")),
  ];
  folder.replace("globex", "{");
  await folder.untilInError("globex");
  const since = performance.now();
  for (const id of ["acme", "globex"]) Deno.removeSync(folder.path(id));
  for (const id of ["acme", "globex"]) {
    await eventually(async () => !await world.accepts(folder.address(id)), { what: `the end of ${id}` });
    await folder.operator.refused(404, "GET", `/v1/tenants/${id}`);
  }
  await folder.untilInError();
  await Promise.all([acme, globex].map(async (client) => {
    await client.roundTrip("while it drains");
    assertEquals(await client.end(), "eof");
    assert(performance.now() - since >= DRAIN_MS - 50);
  }));
  await sluice.waitForRecords(2, { code: "KD", reason: "drained" });
  await stays.roundTrip();
});

e2e("live isolation: a main file that is wrong changes nothing, and its tenants' files go on", async (world) => {
  const folder = await Folder.create(world);
  const { operator } = folder;
  folder.replace("acme", folder.text("acme", "0"));
  const inline = tenantWith([folder.backend.address], { id: "inline" });
  const config: Config = { ...folder.config, tenants: [inline] };
  const sluice = await world.sluice(config);
  const live = await liveAt(world, sluice.address("inline"));
  const before = await operator.read("/v1/config");
  const wrongs: [string, RegExp][] = [
    ["tenants: [}\n", /sluice\.yaml:1:/],
    [JSON.stringify({ ...config, tenant: [] }, null, 1), /tenant/],
    [JSON.stringify({ ...config, tenants: [inline, inline] }, null, 1), /inline/],
    ["", /./],
  ];
  for (const [index, [text, told]] of wrongs.entries()) {
    const { generation } = await operator.get("/v1/status");
    sluice.write(text);
    const last = await eventually(async () => {
      const { last_reload } = await operator.get("/v1/status");
      return last_reload?.ok === false && last_reload.errors.some((error: string) => told.test(error)) && last_reload;
    }, { what: `the refusal of main file ${index}` });
    assertEquals(last.changed, false);
    assertEquals(await operator.metric("sluice_config_last_reload_successful"), 0);
    assertEquals((await operator.get("/v1/status")).generation, generation);
    assertEquals((await operator.read("/v1/config")).etag, before.etag);
    await live.roundTrip();
    await liveAt(world, sluice.address("inline"));
    await liveAt(world, folder.address("acme"));
    sluice.write(config);
    await eventually(async () => (await operator.get("/v1/status")).last_reload.ok, { what: "the mended file" });
    assertEquals(await operator.metric("sluice_config_last_reload_successful"), 1);
  }
});

/** How editors save `text` at `path`. */
const EDITORS: Record<string, (path: string, text: string) => void> = {
  "in place": (path, text) => Deno.writeTextFileSync(path, text),
  "in two halves": (path, text) => {
    using file = Deno.openSync(path, { write: true, truncate: true });
    const bytes = new TextEncoder().encode(text);
    const half = bytes.length >> 1;
    file.writeSync(bytes.subarray(0, half));
    file.writeSync(bytes.subarray(half));
  },
  "vim: the old one becomes a backup, a new file is written": (path, text) => {
    const probe = path.replace(/[^/]+$/, "4913");
    Deno.writeTextFileSync(probe, "");
    Deno.removeSync(probe);
    Deno.writeTextFileSync(path.replace(/([^/]+)$/, ".$1.swp"), "b0VIM 9.0");
    Deno.renameSync(path, `${path}~`);
    Deno.writeTextFileSync(path, text);
    Deno.removeSync(`${path}~`);
    Deno.removeSync(path.replace(/([^/]+)$/, ".$1.swp"));
  },
  "emacs: lock, autosave and backup stay": (path, text) => {
    new Deno.Command("ln", { args: ["-sf", "user@host.4711:1", path.replace(/([^/]+)$/, ".#$1")] }).outputSync();
    Deno.writeTextFileSync(path.replace(/([^/]+)$/, "#$1#"), "half a thought: [");
    Deno.copyFileSync(path, `${path}~`);
    Deno.writeTextFileSync(path, text);
  },
  "renamed over, as careful programs do": (path, text) => {
    Deno.writeTextFileSync(`${path}.tmp.4711`, text);
    Deno.renameSync(`${path}.tmp.4711`, path);
  },
};

e2e(
  "live watch: however an editor saves, the tenant changes, is never drained, and nobody else comes",
  async (world) => {
    const folder = await Folder.create(world);
    const { operator } = folder;
    for (const id of ["acme", "globex"]) folder.replace(id, folder.text(id, "0"));
    const sluice = await world.sluice(folder.config);
    const live = await liveAt(world, folder.address("acme"));
    let turn = 0;
    for (const [what, save] of Object.entries(EDITORS)) {
      for (const id of ["acme", "globex"]) {
        turn++;
        save(folder.path(id), folder.text(id, String(turn)));
        await operator.untilLabel(id, "version", String(turn));
        await live.roundTrip(what);
        const { items } = await operator.get("/v1/tenants");
        assertEquals(items.map((tenant: { id: string }) => tenant.id), ["acme", "globex"], what);
        await folder.untilInError();
      }
    }
    assertEquals(sluice.matching(({ code }) => code !== "--"), []);
  },
);

e2e("live watch: the main file is watched too, and both at once make no mess", async (world) => {
  const folder = await Folder.create(world);
  const { operator } = folder;
  folder.replace("acme", folder.text("acme", "0"));
  const configAt = (version: number): Config => ({
    ...folder.config,
    limits: { max_connections: 1000 + version },
    tenants: [{
      ...tenantWith([folder.backend.address], { id: "inline" }),
      labels: { version: String(version) },
    }],
  });
  const sluice = await world.sluice(configAt(0));
  const live = await liveAt(world, sluice.address("inline"));
  for (let version = 1; version <= 10; version++) {
    sluice.write(configAt(version));
    folder.replace("acme", folder.text("acme", String(version)));
    await operator.untilLabel("inline", "version", String(version));
    await operator.untilLabel("acme", "version", String(version));
    await live.roundTrip();
  }
  assertEquals(await operator.metric("sluice_config_last_reload_successful"), 1);
  assertStringIncludes(sluice.output(), "reloaded");
});

e2e("live watch: watch: false leaves edits alone until the reload", async (world) => {
  const folder = await Folder.create(world);
  const { operator } = folder;
  folder.replace("acme", folder.text("acme", "0"));
  const config = { ...folder.config, watch: false };
  const sluice: Sluice = await world.sluice(config);
  const { generation } = await operator.get("/v1/status");
  folder.replace("acme", folder.text("acme", "1"));
  // A round trip through the whole program, so that a watcher would have had its say.
  await operator.must("POST", "/v1/config/validate", { version: 1 });
  await liveAt(world, folder.address("acme"));
  assertEquals((await operator.get("/v1/status")).generation, generation);
  assertEquals((await operator.get("/v1/tenants/acme")).labels.version, "0");
  await sluice.reload();
  assertEquals((await operator.get("/v1/tenants/acme")).labels.version, "1");
});
