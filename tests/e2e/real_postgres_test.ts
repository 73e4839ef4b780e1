/** psql and pgbench through the proxy to a PostgreSQL, over a unix socket and over TCP. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseTarget } from "../helpers/address.ts";
import { oneTenant } from "../helpers/config.ts";
import { findProgram, reportAbsent, run, Service } from "../helpers/programs.ts";
import { e2e } from "../helpers/world.ts";

const FOLDERS = ["18", "17", "16", "15", "14"].map((version) => `/usr/lib/postgresql/${version}/bin`);
const initdb = findProgram("initdb", FOLDERS);
const postgres = findProgram("postgres", FOLDERS);
const pgbench = findProgram("pgbench", FOLDERS);
const psql = findProgram("psql", FOLDERS);
const runuser = findProgram("runuser");
const present = [initdb, postgres, pgbench, psql, runuser].every((path) => path !== undefined);
if (!present) reportAbsent("PostgreSQL through the proxy", "postgresql postgresql-contrib");

/** PostgreSQL refuses to run as root; its package brings a user for it. */
const asUser = Deno.uid() === 0 ? ["-u", "postgres", "--"] : [];

e2e("real: psql and pgbench through the proxy", async (world) => {
  if (!initdb || !postgres || !pgbench || !psql || !runuser) {
    throw new Error("unreachable: the test is ignored without the programs");
  }
  const as = (path: string, args: string[]): [string, string[]] =>
    asUser.length > 0 ? [runuser, [...asUser, path, ...args]] : [path, args];
  const dir = await world.tempDir();
  if (asUser.length > 0) await run("/bin/chown", ["postgres", dir]);
  const data = `${dir}/data`;
  const made = await run(...as(initdb, ["-D", data, "-U", "sluice", "--auth=trust", "--no-sync", "-E", "UTF8"]));
  assertEquals(made.code, 0, made.text);
  const sql = async (place: string[], text: string): Promise<string> => {
    const { code, text: answer } = await run(psql, [...place, "-U", "sluice", "-d", "postgres", "-XAtc", text]);
    assertEquals(code, 0, answer);
    return answer.trim();
  };
  const [program, args] = as(postgres, ["-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off"]);
  world.use(
    await Service.start(program, args, () => sql(["-h", dir], "select 1").then(() => true, () => false)),
  );
  const sluice = await world.sluice(oneTenant([`unix:${dir}/.s.PGSQL.5432`]));
  const target = parseTarget(sluice.address());
  if (target.transport !== "tcp") throw new Error("the listener must be TCP");
  const place = ["-h", target.hostname, "-p", String(target.port)];

  assertEquals(await sql(place, "select 6 * 7"), "42");
  assertEquals((await sql(place, "select repeat('x', 20000000)")).length, 20_000_000);
  const prepared = await run(pgbench, [...place, "-U", "sluice", "-i", "-s", "1", "-q", "postgres"]);
  assertEquals(prepared.code, 0, prepared.text);
  for (const flags of [["-c", "10", "-j", "2", "-t", "100"], ["-c", "4", "-j", "2", "-t", "50", "-C", "-S"]]) {
    const { code, text } = await run(pgbench, [...place, "-U", "sluice", ...flags, "postgres"]);
    assertEquals(code, 0, text);
    assertMatch(text, /number of failed transactions: 0/);
    assertStringIncludes(text, "tps");
  }
  const wrong = sluice.matching((record) => !["--", "CD", "CL"].includes(record.code));
  assertEquals(wrong, []);
}, { ignore: !present });
