/** The tour of docs/admin_api.md, executed as it is written. */
import { assert, assertEquals } from "@std/assert";
import { within } from "../helpers/eventually.ts";
import { adminConfig, adminUrl, TOKEN } from "../helpers/admin_process.ts";
import { e2e } from "../helpers/world.ts";

const MARK = "----- the next block";

e2e("admin docs: the tour does what it says", async (world) => {
  const sluice = await world.sluice(adminConfig());
  const text = await Deno.readTextFile(new URL("../../docs/admin_api.md", import.meta.url));
  const steps = [...text.matchAll(/```sh\n([\s\S]*?)```(?:\s*```text\n([\s\S]*?)```)?/g)]
    .map(([, script = "", expected = ""]) => ({ script, expected: expected.trim().split("\n") }));
  assert(steps.length > 8);
  const child = new Deno.Command("sh", {
    args: ["-euc", steps.map(({ script }) => `${script}\necho\necho '${MARK}'`).join("\n")],
    cwd: await world.tempDir(),
    env: { SLUICE: adminUrl(sluice), SLUICE_TOKEN: TOKEN },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { code, stdout, stderr } = await within(child.output(), "the end of the tour", 40_000);
  const output = new TextDecoder().decode(stdout);
  assertEquals(code, 0, `${output}\n${new TextDecoder().decode(stderr)}`);
  const answers = output.split(MARK);
  for (const [index, { script, expected }] of steps.entries()) {
    const answer = answers[index] ?? "";
    let from = 0;
    for (const line of expected) {
      const pattern = new RegExp(
        line.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*?"),
        "g",
      );
      pattern.lastIndex = from;
      assert(pattern.test(answer), `not as documented:\n${script}\nwanted: ${line}\ngot: ${answer.slice(from)}`);
      from = pattern.lastIndex;
    }
  }
});
