/**
 * Carries a change of a file that was laid out anew over to the file as somebody wrote it, so that a write changes the
 * lines that it is about and no others. Pure; `store_yaml.ts` calls it.
 *
 * Three texts are compared line by line: the file as written, the same as it would be laid out (base), and the changed
 * one in that layout (changed). Where base and changed agree, the written lines stay; where they differ, the changed
 * lines take their place, together with neighbours that were laid out in another number of lines.
 *
 * @module
 */

/** Lines `from` to `fromEnd` of one text stand for lines `to` to `toEnd` of the other. */
interface Hunk {
  readonly from: number;
  readonly fromEnd: number;
  readonly to: number;
  readonly toEnd: number;
}

/** Beyond so many lines that come or go, a comparison costs more than it gives. */
const MOST_EDITS = 500;

/** The written text with the change; null when the texts are too different to say. */
export function mergeText(written: string, base: string, changed: string): string | null {
  const [ours, from, to] = [written.split("\n"), base.split("\n"), changed.split("\n")];
  const layout = compare(from.map(bare), ours.map(bare));
  const change = compare(from, to);
  if (layout === null || change === null) return null;
  const indented = indenter({ ours, from, to, layout, change });
  const merged: string[] = [];
  let next = 0;
  for (const { hunk, within } of regions(change, layout)) {
    const before = layout.filter(({ fromEnd }) => fromEnd <= hunk.from);
    const start = hunk.from + growth(before);
    const end = start + (hunk.fromEnd - hunk.from) + growth(within);
    for (const line of ours.slice(next, start)) merged.push(line);
    for (let line = hunk.to; line < hunk.toEnd; line++) merged.push(indented(line));
    next = end;
  }
  for (const line of ours.slice(next)) merged.push(line);
  return merged.join("\n");
}

/** A line without its blanks. */
function bare(line: string): string {
  return line.replace(/\s+/g, "");
}

/** A written line, which is the base line but for blanks, with the one piece changed in which base and changed differ. */
function rewritten(written: string, base: string, changed: string): string {
  let head = 0;
  while (head < base.length && base[head] === changed[head]) head++;
  let tail = 0;
  const most = Math.min(base.length, changed.length) - head;
  while (tail < most && base[base.length - 1 - tail] === changed[changed.length - 1 - tail]) tail++;
  const gone = base.slice(head, base.length - tail);
  const start = afterBare(written, bare(base.slice(0, head)).length);
  const end = afterBare(written, bare(base.slice(0, base.length - tail)).length);
  const piece = written.slice(start, end);
  const lead = /^\s/.test(gone) ? "" : /^\s*/.exec(piece)?.[0] ?? "";
  return written.slice(0, start) + lead + changed.slice(head, changed.length - tail) + written.slice(end);
}

/** The place in a line behind so many characters that are no blanks. */
function afterBare(line: string, count: number): number {
  let place = 0;
  for (let left = count; left > 0; place++) if (/\S/.test(line[place] ?? "x")) left--;
  return place;
}

/** Gives a changed line, set in as far as the written line that it replaces, or else as those above it are. */
function indenter({ ours, from, to, layout, change }: {
  readonly ours: readonly string[];
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly layout: readonly Hunk[];
  readonly change: readonly Hunk[];
}): (line: number) => string {
  const back = change.map(turned);
  const pairAt = (line: number): { written: string; base: string } | null => {
    const base = counterpart(line, back);
    const written = base === null ? null : counterpart(base, layout);
    return base === null || written === null ? null : { written: ours[written] ?? "", base: from[base] ?? "" };
  };
  const shiftOf = (line: number): number => {
    let most = Infinity;
    for (let above = line; above >= 0; above--) {
      const text = to[above] ?? "";
      if (text.trim() === "" || indentOf(text) > most) continue;
      most = indentOf(text);
      const pair = pairAt(above);
      if (pair !== null) return indentOf(pair.written) - indentOf(pair.base);
    }
    return 0;
  };
  return (line) => {
    const text = to[line] ?? "";
    const pair = pairAt(line);
    if (pair !== null && bare(pair.written) === bare(pair.base)) return rewritten(pair.written, pair.base, text);
    return text.trim() === "" ? "" : " ".repeat(Math.max(0, indentOf(text) + shiftOf(line))) + text.trimStart();
  };
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** The other text's line for a line; null where there is none of its own. */
function counterpart(line: number, hunks: readonly Hunk[]): number | null {
  const hunk = hunks.find(({ from, fromEnd }) => from <= line && line < fromEnd);
  if (hunk === undefined) return line + growth(hunks.filter(({ fromEnd }) => fromEnd <= line));
  return hunk.fromEnd - hunk.from === hunk.toEnd - hunk.to ? hunk.to + (line - hunk.from) : null;
}

function turned({ from, fromEnd, to, toEnd }: Hunk): Hunk {
  return { from: to, fromEnd: toEnd, to: from, toEnd: fromEnd };
}

/** Lines that a text has more than the other. */
function growth(hunks: readonly Hunk[]): number {
  return hunks.reduce((sum, { from, fromEnd, to, toEnd }) => sum + (toEnd - to) - (fromEnd - from), 0);
}

/** The hunks of a change, grown until no hunk of the layout lies across an edge of one; within: those inside. */
function regions(change: readonly Hunk[], layout: readonly Hunk[]): { hunk: Hunk; within: readonly Hunk[] }[] {
  const found: { hunk: Hunk; within: readonly Hunk[] }[] = [];
  for (const one of change) {
    let hunk = one;
    for (;;) {
      const overlapping = layout.filter(({ from, fromEnd }) => from < hunk.fromEnd && fromEnd > hunk.from);
      const last = found.at(-1)?.hunk;
      const grown = last !== undefined && last.fromEnd >= hunk.from
        ? joined(last, hunk)
        : overlapping.reduce(grow, hunk);
      if (last !== undefined && last.fromEnd >= hunk.from) found.pop();
      else if (grown.from === hunk.from && grown.fromEnd === hunk.fromEnd) {
        found.push({ hunk, within: overlapping });
        break;
      }
      hunk = grown;
    }
  }
  return found;
}

function joined(first: Hunk, second: Hunk): Hunk {
  // What lies between two hunks is the same in both texts, and so is what they were grown by.
  const fromEnd = Math.max(first.fromEnd, second.fromEnd);
  const toEnd = second.toEnd + (fromEnd - second.fromEnd);
  const from = Math.min(first.from, second.from);
  return { from, fromEnd, to: first.to - (first.from - from), toEnd };
}

function grow(hunk: Hunk, { from, fromEnd }: Hunk): Hunk {
  const before = Math.max(0, hunk.from - from);
  const after = Math.max(0, fromEnd - hunk.fromEnd);
  return {
    from: hunk.from - before,
    fromEnd: hunk.fromEnd + after,
    to: hunk.to - before,
    toEnd: hunk.toEnd + after,
  };
}

/** Where two texts differ, by E. W. Myers' greedy algorithm (An O(ND) Difference Algorithm, 1986); null: too much. */
function compare(one: readonly string[], other: readonly string[]): Hunk[] | null {
  let head = 0;
  while (head < one.length && head < other.length && one[head] === other[head]) head++;
  let tail = 0;
  const most = Math.min(one.length, other.length) - head;
  while (tail < most && one[one.length - 1 - tail] === other[other.length - 1 - tail]) tail++;
  const pairs = matches(one.slice(head, one.length - tail), other.slice(head, other.length - tail));
  if (pairs === null) return null;
  const hunks: Hunk[] = [];
  let [from, to] = [head, head];
  const ends: [number, number][] = [...pairs.map(([x, y]): [number, number] => [x + head, y + head]), [
    one.length - tail,
    other.length - tail,
  ]];
  for (const [fromEnd, toEnd] of ends) {
    if (fromEnd > from || toEnd > to) hunks.push({ from, fromEnd, to, toEnd });
    [from, to] = [fromEnd + 1, toEnd + 1];
  }
  return hunks;
}

/** Places of lines that both have, in order. */
function matches(one: readonly string[], other: readonly string[]): [number, number][] | null {
  let furthest: Furthest = new Map([[1, 0]]);
  const history: Furthest[] = [];
  for (let edits = 0; edits <= Math.min(MOST_EDITS, one.length + other.length); edits++) {
    const now = new Map<number, number>();
    history.push(furthest);
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = startOf(furthest, diagonal, edits);
      while (x < one.length && x - diagonal < other.length && one[x] === other[x - diagonal]) x++;
      now.set(diagonal, x);
      if (x >= one.length && x - diagonal >= other.length) return trace(history, x, diagonal);
    }
    furthest = now;
  }
  return null;
}

/** How far into the first text each diagonal has come; on diagonal d, line x stands beside line x - d of the other. */
type Furthest = ReadonlyMap<number, number>;

/** Whether a diagonal is entered by a line that comes, from the one above it, and not by one that goes. */
function isEnteredFromAbove(furthest: Furthest, diagonal: number, edits: number): boolean {
  const [below, above] = [furthest.get(diagonal - 1) ?? -1, furthest.get(diagonal + 1) ?? -1];
  return diagonal === -edits || (diagonal !== edits && below < above);
}

function startOf(furthest: Furthest, diagonal: number, edits: number): number {
  return isEnteredFromAbove(furthest, diagonal, edits)
    ? furthest.get(diagonal + 1) ?? 0
    : (furthest.get(diagonal - 1) ?? -1) + 1;
}

/** Goes back from the end; each step along a diagonal is a line that both have. */
function trace(history: readonly Furthest[], end: number, last: number): [number, number][] {
  const pairs: [number, number][] = [];
  let [x, diagonal] = [end, last];
  for (const [edits, furthest] of [...history.entries()].reverse()) {
    const start = startOf(furthest, diagonal, edits);
    for (; x > start; x--) pairs.push([x - 1, x - 1 - diagonal]);
    if (isEnteredFromAbove(furthest, diagonal, edits)) diagonal++;
    else {
      diagonal--;
      x--;
    }
  }
  return pairs.reverse();
}
