/**
 * A drawing of how far rates were from their limit. Pure; called by limits_accuracy.ts.
 *
 * @module
 */
import type { Accuracy } from "./limits_accuracy.ts";

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 70;
const RIGHT = 190;
const TOP = 40;
const BOTTOM = 50;
/** The axis is logarithmic: shares from 0.01 % to 100 %. */
const LEAST_EXPONENT = -4;
const COLOURS = ["#0b6e4f", "#c8553d", "#2f4b7c", "#a05195"];

/** Height of a share on the page. */
export function heightOf(share: number): number {
  const exponent = Math.min(0, Math.max(LEAST_EXPONENT, Math.log10(Math.max(Math.abs(share), Number.MIN_VALUE))));
  return TOP + (HEIGHT - TOP - BOTTOM) * exponent / LEAST_EXPONENT;
}

/** The worst deviation at each rate: windows of 1 s drawn through, of 100 ms dashed. */
export function deviationSvg(results: readonly Accuracy[]): string {
  const rates = [...new Set(results.map(({ rate }) => rate))];
  const kinds = [...new Set(results.map(({ kind }) => kind))];
  const step = (WIDTH - LEFT - RIGHT) / Math.max(1, rates.length - 1);
  const x = (rate: string) => LEFT + step * rates.indexOf(rate);
  const text = (left: number, top: number, words: string, anchor = "start") =>
    `<text x="${left.toFixed(0)}" y="${top.toFixed(0)}" text-anchor="${anchor}">${words}</text>`;
  const grid = [0, -1, -2, -3, -4].map((exponent) => {
    const top = heightOf(10 ** exponent).toFixed(0);
    return `<path d="M${LEFT} ${top}H${WIDTH - RIGHT}" stroke="#ddd"/>` +
      text(LEFT - 8, Number(top) + 4, `${10 ** (exponent + 2)} %`, "end");
  });
  const lines = kinds.flatMap((kind, index) => {
    const colour = COLOURS[index % COLOURS.length];
    const ofKind = results.filter((result) => result.kind === kind);
    const path = (share: (result: Accuracy) => number) =>
      ofKind.map((result, at) =>
        `${at === 0 ? "M" : "L"}${x(result.rate).toFixed(1)} ${heightOf(share(result)).toFixed(1)}`
      ).join("");
    const line = (share: (result: Accuracy) => number, dash: string) =>
      `<path d="${path(share)}" fill="none" stroke="${colour}" stroke-width="2"${dash}/>`;
    const top = TOP + 20 * index;
    return [
      line(({ group }) => Math.max(-group.long.least, group.long.most), ""),
      line(({ group }) => Math.max(-group.short.least, group.short.most), ' stroke-dasharray="5 4"'),
      `<path d="M${WIDTH - RIGHT + 20} ${top}h24" stroke="${colour}" stroke-width="2"/>`,
      text(WIDTH - RIGHT + 50, top + 4, kind),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 20, "Worst deviation from the limit: windows of 1 s (line) and 100 ms (dashes)"),
    ...grid,
    ...rates.map((rate) => text(x(rate), HEIGHT - BOTTOM + 20, rate, "middle")),
    ...lines,
    "</svg>",
  ].join("\n") + "\n";
}
