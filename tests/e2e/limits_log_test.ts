/** Refusals in the program's log and as events: seldom, with counts that leave nothing out. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { banner } from "../helpers/behaviours.ts";
import { enter, refusal } from "../helpers/clients.ts";
import { type LimitsConfig, oneTenant, tenantWith } from "../helpers/config.ts";
import { eventually } from "../helpers/eventually.ts";
import { type Body, Operator, OPERATOR_TOKEN } from "../helpers/operator.ts";
import { runProgramWith, type Sluice } from "../helpers/sluice.ts";
import { e2e, type World } from "../helpers/world.ts";

/** What the log says of refusals so far. */
function told(sluice: Sluice, message = "sessions are refused"): { tenant: string; reason: string; count: number }[] {
  return [...sluice.stdout, ...sluice.stderr].flatMap((line) => {
    if (!line.startsWith("{")) return [];
    const record = JSON.parse(line);
    return record.msg === message ? [record] : [];
  });
}

async function refuse(world: World, sluice: Sluice, times: number, tenant = "acme"): Promise<void> {
  await Promise.all(Array.from({ length: times }, () => refusal(world, sluice, { tenant })));
}

e2e("log: a storm of refusals is a line a tenant and reason, and the rest comes with the next", async (world) => {
  const backend = await world.backend(banner("hi"));
  const limits: LimitsConfig = { max_connections: 0 };
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config([
    tenantWith([backend.address], { id: "acme", limits }),
    tenantWith([backend.address], { id: "globex", access: { allow: [] } }),
  ]));
  await Promise.all([refuse(world, sluice, 150), refuse(world, sluice, 50, "globex")]);
  await sluice.waitForRecords(200, { code: "PR" });
  const sum = (tenant: string) =>
    told(sluice).filter((one) => one.tenant === tenant).reduce((all, { count }) => all + count, 0);
  await eventually(() => sum("acme") > 0 && sum("globex") > 0);
  await refuse(world, sluice, 30);
  // Ten seconds after the first line.
  await eventually(() => sum("acme") === 180 && sum("globex") === 50, { what: "each refusal in the log" });
  assert(told(sluice).length <= 6, `seldom: ${JSON.stringify(told(sluice))}`);
  assertEquals(
    new Set(told(sluice).map(({ tenant, reason }) => `${tenant} ${reason}`)),
    new Set([
      "acme tenant_connections",
      "globex denied",
    ]),
  );
});

e2e("log: what was not told yet is told at the end", async (world) => {
  const backend = await world.backend(banner("hi"));
  const sluice = await world.sluice(oneTenant([backend.address], { limits: { connection_rate: { rate: "0/s" } } }));
  await refuse(world, sluice, 40);
  await sluice.waitForRecords(40, { reason: "tenant_rate" });
  assertEquals((await sluice.stop()).code, 0);
  assertEquals(told(sluice).reduce((all, { count }) => all + count, 0), 40);
});

e2e("log: text says the same in one line", async (world) => {
  const backend = await world.backend(banner("hi"));
  const config = oneTenant([backend.address], { limits: { max_connections: 0 } }, { log: { format: "text" } });
  const sluice = await world.sluice(config, { ownLog: true });
  await refusal(world, sluice);
  const line = await sluice.waitForLine(/sessions are refused/);
  assertMatch(line, /^\S+ WARN {2}sessions are refused tenant=acme reason=tenant_connections count=1$/);
  await sluice.waitForLine(/ tenant=acme listener=in .* code=PR reason=tenant_connections /);
});

e2e(
  "log: a client that leaves the queue was not refused",
  async (world) => {
    const backend = await world.backend(banner("hi"));
    const operator = await Operator.create();
    const limits: LimitsConfig = { max_connections: 1, on_limit: "queue", queue: { size: 1, timeout: "0s" } };
    const sluice = await world.sluice(operator.config(oneTenant([backend.address], { limits }).tenants));
    const inside = await enter(world, sluice);
    const waits = await world.connect(sluice.address());
    await operator.untilQueued(1);
    assertEquals(await refusal(world, sluice), "eof");
    waits.close();
    await sluice.waitForRecord({ code: "CQ" });
    await sluice.waitForLine(/sessions are refused/);
    inside.close();
    assertEquals((await sluice.stop("SIGINT")).code, 0);
    assertEquals(told(sluice).map(({ reason, count }) => [reason, count]), [["queue_full", 1]]);
  },
);

e2e("log: the same comes as events, to a tenant those of its own, and by ctl", async (world) => {
  const backend = await world.backend(banner("hi"));
  const operator = await Operator.create();
  const sluice = await world.sluice(operator.config([
    tenantWith([backend.address], { id: "acme", limits: { max_connections: 0 } }),
    tenantWith([backend.address], { id: "globex", limits: { connection_rate: { rate: "0/s" }, dry_run: true } }),
  ]));
  await using events = await Events.open(operator);
  await refuse(world, sluice, 25);
  await enter(world, sluice, { tenant: "globex" });
  const limit = (tenant: string) => events.seen.filter((one) => one.kind === "limit" && one.tenant === tenant);
  const sum = (tenant: string) => limit(tenant).reduce((all, { data }) => all + data.count, 0);
  await eventually(() => sum("acme") === 25 && sum("globex") === 1, { what: "an event of each" });
  assertEquals(limit("globex")[0].data, { reason: "tenant_rate", count: 1, dry_run: true });
  assertEquals([limit("acme")[0].data.reason, limit("acme")[0].data.dry_run], ["tenant_connections", false]);
  const env = { SLUICE_ADMIN: `http://${operator.listen}`, SLUICE_TOKEN: OPERATOR_TOKEN };
  const { stdout } = await runProgramWith(env, "ctl", "events");
  assertMatch(stdout, /\S+ +limit +globex +reason=tenant_rate count=1 dry_run=true\n/);
  assertMatch(stdout, /\S+ +limit +acme +reason=tenant_connections count=\d+ dry_run=false\n/);
});

/** A reader of `/v1/events`. */
class Events implements AsyncDisposable {
  private constructor(
    readonly seen: readonly Body[],
    readonly stop: AbortController,
    readonly reading: Promise<void>,
  ) {}

  static async open(operator: Operator): Promise<Events> {
    const stop = new AbortController();
    const response = await fetch(`http://${operator.listen}/v1/events`, {
      headers: { Authorization: `Bearer ${OPERATOR_TOKEN}` },
      signal: stop.signal,
    });
    assertEquals(response.status, 200);
    const seen: Body[] = [];
    const read = async () => {
      let rest = "";
      for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + text).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const data = block.split("\n").find((line) => line.startsWith("data:"));
          if (data !== undefined) seen.push(JSON.parse(data.slice(5)));
        }
      }
    };
    return new Events(seen, stop, read().catch(() => {}));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    await this.reading;
  }
}
