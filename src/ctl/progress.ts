/**
 * How many sessions are left while something drains: a bar that redraws itself on a terminal, a line now and then
 * anywhere else.
 *
 * @module
 */
import { count, formatSpan } from "./format.ts";

/** Where progress is shown. */
export interface ProgressScreen {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Columns of the terminal. */
  readonly columns: number;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

/** Time between two lines, where there is no terminal. The first and the last do not wait. */
const LINE_EVERY_MS = 5000;

/** Columns of the widest bar, and columns by which the text behind it may grow. */
const WIDEST = 40;
const TAIL_GROWTH = 8;

/** One bar. Its whole is the largest number seen. */
export class Progress implements Disposable {
  readonly #label: string;
  readonly #screen: ProgressScreen;
  readonly #startedAt: number;
  #most = 0;
  #drawnAt = -Infinity;
  #drawn = "";
  #width: number | undefined;

  /** Draws nothing yet. */
  constructor(label: string, screen: ProgressScreen) {
    this.#label = label;
    this.#screen = screen;
    this.#startedAt = screen.now();
  }

  /** So many are left. Nothing is shown of a wait that has nothing to wait for. */
  update(left: number): void {
    const { isTerminal } = this.#screen;
    if (left === 0 && this.#drawn === "") return;
    this.#most = Math.max(this.#most, left);
    const now = this.#screen.now();
    const text = `${count(left, "session")} left`;
    if (isTerminal) {
      this.#redraw(this.#bar(left, `${text} of ${this.#most}`));
      return;
    }
    const isDue = left === 0 ? text !== this.#drawn : now - this.#drawnAt >= LINE_EVERY_MS;
    if (!isDue) return;
    this.#screen.write(`${this.#label}: ${text} after ${formatSpan(now - this.#startedAt)}\n`);
    this.#drawn = text;
    this.#drawnAt = now;
  }

  /** Takes the bar away. */
  [Symbol.dispose](): void {
    if (this.#screen.isTerminal && this.#drawn !== "") this.#screen.write("\r\x1b[K");
  }

  #bar(left: number, text: string): string {
    const tail = ` ${text}, ${formatSpan(this.#screen.now() - this.#startedAt)}`;
    const room = this.#screen.columns - this.#label.length - tail.length - 4;
    if (room < 5) return `${this.#label}:${tail}`.slice(0, Math.max(this.#screen.columns - 1, 1));
    // The tail grows and shrinks with its numbers; the bar keeps still beside it.
    this.#width ??= Math.min(Math.max(room - TAIL_GROWTH, 5), WIDEST);
    const width = Math.min(this.#width, room);
    const done = this.#most === 0 ? width : Math.round((width * (this.#most - left)) / this.#most);
    return `${this.#label} [${"#".repeat(done)}${"-".repeat(width - done)}]${tail}`;
  }

  #redraw(line: string): void {
    if (line === this.#drawn) return;
    this.#screen.write(`\r${line}\x1b[K`);
    this.#drawn = line;
  }
}
