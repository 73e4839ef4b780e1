/** The exposition format, to the letter: HELP and TYPE once, escapes, numbers, cumulative buckets. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { collectMetrics, type Family, formatPrometheus } from "../../src/metrics/mod.ts";
import { sources } from "./metrics_fixture.ts";

function gauge(parts: Partial<Family & { type: "gauge" }> = {}): Family {
  return { name: "sluice_x", help: "An x.", type: "gauge", labels: ["tenant"], samples: [], ...parts };
}

/** A label's value as a reader of the format takes it. */
function unescape(text: string): string {
  return text.replace(/\\(.)/g, (_, letter) => letter === "n" ? "\n" : letter);
}

describe("formatPrometheus", () => {
  it("says help and type once, then each sample", () => {
    const samples = [{ labels: ["acme"], value: 1 }, { labels: ["globex"], value: 2.5 }];
    assertEquals(
      formatPrometheus([
        gauge({ samples }),
        gauge({ name: "sluice_y", labels: [], samples: [{ labels: [], value: 0 }] }),
      ]),
      "# HELP sluice_x An x.\n# TYPE sluice_x gauge\n" +
        'sluice_x{tenant="acme"} 1\nsluice_x{tenant="globex"} 2.5\n' +
        "# HELP sluice_y An x.\n# TYPE sluice_y gauge\nsluice_y 0\n",
    );
    assertEquals(formatPrometheus([]), "");
  });

  it("escapes what would end a label or a line", () => {
    const nasty = 'a"b\\c\nd} 1\n';
    const text = formatPrometheus([gauge({ help: "One \\ two\nthree", samples: [{ labels: [nasty], value: 1 }] })]);
    const lines = text.split("\n");
    assertEquals(lines.length, 4);
    assertEquals(lines[0], "# HELP sluice_x One \\\\ two\\nthree");
    const [, value] = /^sluice_x\{tenant="((?:[^"\\\n]|\\.)*)"\} 1$/.exec(lines[2] ?? "") ?? [];
    assertEquals(unescape(value ?? ""), nasty);
  });

  it("writes numbers as the format wants them", () => {
    const numbers = [0, 1e21, 0.0001, Infinity, -Infinity, NaN, 9007199254740991];
    const samples = numbers.map((value) => ({ labels: ["t"], value }));
    const written = formatPrometheus([gauge({ samples })]).trim().split("\n").slice(2).map((line) =>
      line.split(" ")[1]
    );
    assertEquals(written, ["0", "1e+21", "0.0001", "+Inf", "-Inf", "NaN", "9007199254740991"]);
  });

  it("counts a histogram up to its bounds", () => {
    const family: Family = {
      name: "sluice_d_seconds",
      help: "A d.",
      type: "histogram",
      labels: ["tenant"],
      bounds: [0.0001, 0.5, 3600],
      samples: [{ labels: ["acme"], buckets: [1, 0, 4, 2], sum: 9.25 }],
    };
    assertEquals(
      formatPrometheus([family]),
      "# HELP sluice_d_seconds A d.\n# TYPE sluice_d_seconds histogram\n" +
        'sluice_d_seconds_bucket{tenant="acme",le="0.0001"} 1\n' +
        'sluice_d_seconds_bucket{tenant="acme",le="0.5"} 1\n' +
        'sluice_d_seconds_bucket{tenant="acme",le="3600"} 5\n' +
        'sluice_d_seconds_bucket{tenant="acme",le="+Inf"} 7\n' +
        'sluice_d_seconds_sum{tenant="acme"} 9.25\nsluice_d_seconds_count{tenant="acme"} 7\n',
    );
    const plain = formatPrometheus([{ ...family, labels: [], samples: [{ labels: [], buckets: [1], sum: 1 }] }]);
    assert(plain.includes('sluice_d_seconds_bucket{le="0.0001"} 1\n'), plain);
    assert(plain.includes("sluice_d_seconds_sum 1\nsluice_d_seconds_count 1\n"), plain);
  });

  it("writes every metric in lines of the format, each series once", () => {
    for (const perTenant of [true, false]) {
      const lines = formatPrometheus(collectMetrics(sources({ perTenant }))).trimEnd().split("\n");
      const series = lines.filter((line) => !line.startsWith("#"));
      for (const line of series) {
        assert(/^sluice_[a-z_]+(?:\{(?:[a-z_]+="[^"\\\n]*",?)+\})? [-+0-9.e]+$/.test(line), line);
      }
      const names = series.map((line) => line.slice(0, line.lastIndexOf(" ")));
      assertEquals(new Set(names).size, names.length);
      const headers = lines.filter((line) => line.startsWith("#"));
      assertEquals(new Set(headers).size, headers.length);
    }
  });
});
