/** Where a listener stands whose address could not be bound: shared, of a tenant in the main file, or in a file of its own. */
import { assertEquals } from "@std/assert";
import { placeOfListener } from "../../src/config/mod.ts";
import { fakeDeps } from "./config_fixture.ts";

const MAIN = `version: 1
listeners:
  - { id: in, address: "127.0.0.1:1" }
tenants:
  - id: acme
    listeners: [{ id: in, address: "127.0.0.1:2", backend: b }]
`;
const FILES = ["/etc/sluice.yaml", "/etc/t/globex.yaml", "/etc/t/undefined.yaml"];
const OWN = 'listeners:\n  - id: in\n    address: "127.0.0.1:3"\n';
const DEPS = fakeDeps({ files: { [FILES[0]!]: MAIN, [FILES[1]!]: OWN, [FILES[2]!]: OWN } });

Deno.test("place of a listener: by tenant, or shared", async () => {
  const rows = [
    [undefined, "in", "/etc/sluice.yaml:3:24: listeners[0].address"],
    ["acme", "in", "/etc/sluice.yaml:6:36: tenants[0].listeners[0].address"],
    ["globex", "in", "/etc/t/globex.yaml:3:14: listeners[0].address"],
    [undefined, "other", null],
    ["acme", "other", null],
    ["nobody", "in", null],
  ] as const;
  for (const [tenant, listener, place] of rows) {
    assertEquals(await placeOfListener(FILES, tenant, listener, DEPS), place, `${tenant} ${listener}`);
  }
});
