/** One tenant a file: they come, change and go with their files. */
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

e2e(
  "tenants_dir: tenants come, change and go with their files; one whose file is wrong stays as it was",
  async (world) => {
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
    const sluice = await world.sluice({ ...configOf([]), watch: false, tenants_dir: dir });
    assertEquals(await answer(world, addresses["acme"] ?? ""), "old");
    assertEquals(await answer(world, addresses["globex"] ?? ""), "old");

    const good = tenant("acme", fresh.address);
    for (const wrong of ["id: acme\nlisteners: [}\n", good.replace('"endpoints"', '"endpoint"')]) {
      file("acme", wrong);
      file("globex", tenant("globex", fresh.address));
      const before = sluice.stderr.length;
      await sluice.reload();
      assert(sluice.stderr.slice(before).some((line) => line.includes("acme.yaml")), "the file is named");
      assertEquals(await answer(world, addresses["acme"] ?? ""), "old", "the last good version goes on");
      assertEquals(await answer(world, addresses["globex"] ?? ""), "fresh", "the others go on to change");
    }

    file("acme", good);
    file("late", tenant("late", fresh.address));
    await sluice.reload();
    assertEquals(await answer(world, addresses["acme"] ?? ""), "fresh");
    assertEquals(await answer(world, addresses["globex"] ?? ""), "fresh");
    assertEquals(await answer(world, addresses["late"] ?? ""), "fresh");

    Deno.removeSync(`${dir}/acme.yaml`);
    await sluice.reload();
    assert(!await world.accepts(addresses["acme"] ?? ""));
    assertEquals(await answer(world, addresses["late"] ?? ""), "fresh");
  },
);
