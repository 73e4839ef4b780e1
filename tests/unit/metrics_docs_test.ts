/** docs/metrics.md says what the table of metrics says, and the table keeps the conventions of Prometheus. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { BUCKET_BOUNDS_US } from "../../src/ffi/mod.ts";
import { type Metric, METRICS } from "../../src/metrics/mod.ts";

const DOCUMENT = await Deno.readTextFile("docs/metrics.md");
const ALL: readonly Metric[] = Object.values(METRICS);

Deno.test("metrics docs: every metric is described as the code has it, in its order, and no other", () => {
  const rows = DOCUMENT.split("\n").filter((line) => line.startsWith("| `sluice_")).map((line) =>
    line.split("|").slice(1, 5).map((cell) => cell.trim().replaceAll("`", ""))
  );
  assertEquals(rows, ALL.map(({ name, type, labels, help }) => [name, type, labels.join(" "), help]));
});

Deno.test("metrics docs: the bounds of the histograms are those of the data plane", () => {
  const seconds = BUCKET_BOUNDS_US.map((us) => String(us / 1_000_000)).join(" ");
  assert(DOCUMENT.includes(`\`${seconds}\``), seconds);
});

Deno.test("metrics: names say prefix, unit and kind", () => {
  assertEquals(new Set(ALL.map(({ name }) => name)).size, ALL.length);
  for (const { name, type, help } of ALL) {
    assertMatch(name, /^sluice_[a-z]+(?:_[a-z]+)*$/);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    if (type === "histogram") assert(name.endsWith("_seconds"), name);
    assertMatch(help, /^[A-Z1].*\.$/);
  }
});
