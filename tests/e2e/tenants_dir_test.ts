/** One tenant a file: a file that is wrong freezes its own tenant, and no other. */
import { assert, assertEquals } from "@std/assert";
import { formatAddress, freePort, ownLoopback } from "../helpers/address.ts";
import { sayAndClose } from "../helpers/behaviours.ts";
import { configOf, type TenantConfig, tenantWith } from "../helpers/config.ts";
import { e2e, type World } from "../helpers/world.ts";

async function answer(world: World, address: string): Promise<string> {
  const client = await world.connect(address);
  const { text } = await client.readToEnd();
  client.close();
  return text;
}

e2e("tenants_dir: tenants come, change, freeze when their file is wrong, and go", async (world) => {
  const dir = await world.tempDir();
  const [old, fresh] = [await world.backend(sayAndClose("old")), await world.backend(sayAndClose("fresh"))];
  const addresses = Object.fromEntries(["acme", "globex", "late"].map((id) => {
    const host = ownLoopback();
    return [id, formatAddress(host, freePort(host))];
  }));
  const file = (id: string, text: string): void => Deno.writeTextFileSync(`${dir}/${id}.yaml`, text);
  const tenant = (id: string, endpoint: string): string => {
    const one: TenantConfig = tenantWith([endpoint], { id, listen: addresses[id] ?? "" });
    return JSON.stringify(one, null, 2);
  };
  file("acme", tenant("acme", old.address));
  file("globex", tenant("globex", old.address));
  const sluice = await world.sluice({ ...configOf([]), tenants_dir: dir });
  assertEquals(await answer(world, addresses["acme"] ?? ""), "old");
  assertEquals(await answer(world, addresses["globex"] ?? ""), "old");

  for (
    const wrong of ["id: acme\nlisteners: [}\n", tenant("acme", fresh.address).replace('"endpoints"', '"endpoint"')]
  ) {
    file("acme", wrong);
    file("globex", tenant("globex", fresh.address));
    file("late", tenant("late", fresh.address));
    await sluice.reload();
    assertEquals(await answer(world, addresses["acme"] ?? ""), "old", "the last good version goes on");
    assertEquals(await answer(world, addresses["globex"] ?? ""), "fresh", "the others go on to change");
    assertEquals(await answer(world, addresses["late"] ?? ""), "fresh", "and to come");
    assert(sluice.stderr.some((line) => line.includes("acme.yaml")), "the file is named");
  }

  file("acme", tenant("acme", fresh.address));
  Deno.removeSync(`${dir}/late.yaml`);
  await sluice.reload();
  assertEquals(await answer(world, addresses["acme"] ?? ""), "fresh");
  assert(!await world.accepts(addresses["late"] ?? ""));
});
