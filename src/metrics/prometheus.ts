/**
 * Samples as Prometheus text, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/. Pure.
 *
 * @module
 */

import type { Distribution, Family } from "./collect.ts";

/** What the text is served as. */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The text of families: HELP and TYPE once, then the samples. */
export function formatPrometheus(families: readonly Family[]): string {
  return families.map(formatFamily).join("");
}

function formatFamily(family: Family): string {
  const head = `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`;
  if (family.type === "histogram") {
    const upper = [...family.bounds.map(numberText), "+Inf"].map((bound) => `le="${bound}"} `);
    return family.samples.reduce((text, sample) => text + formatHistogram(family, sample, upper), head);
  }
  return family.samples.reduce((text, { labels, value }) => {
    return `${text}${family.name}${braced(labelText(family.labels, labels))} ${numberText(value)}\n`;
  }, head);
}

/** A histogram's lines: buckets count all values up to their bound, the last one is the count. */
function formatHistogram(family: Family, sample: Distribution, upper: readonly string[]): string {
  const own = labelText(family.labels, sample.labels);
  const start = `${family.name}_bucket{${own}${own === "" ? "" : ","}`;
  let text = "";
  let count = 0;
  for (let index = 0; index < upper.length; index++) {
    count += sample.buckets[index] ?? 0;
    text += start + upper[index] + count + "\n";
  }
  const labels = braced(own);
  return `${text}${family.name}_sum${labels} ${numberText(sample.sum)}\n${family.name}_count${labels} ${count}\n`;
}

function braced(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, index) => `${name}="${escapeLabel(values[index] ?? "")}"`).join(",");
}

const IN_LABEL = /[\\"\n]/;

function escapeLabel(value: string): string {
  if (!IN_LABEL.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
