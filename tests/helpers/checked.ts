/**
 * A backend that is checked: tells checks from sessions by what they say first, and answers checks as the test wants.
 *
 * @module
 */
import { Backend, type BackendOptions } from "./backend.ts";
import { echo } from "./behaviours.ts";
import type { Wire } from "./wire.ts";

/** What a check is answered; null: nothing, and the connection stays open. */
export type Answer = string | null;

/** First bytes of checks, the last one that of a ClientHello; a session says anything else. */
const OF_CHECKS = ["PING", "GET ", "\x16"] as const;

/** The backend. Its sessions are answered with its name, and then with what they say. */
export class CheckedBackend implements AsyncDisposable {
  /** Answers of the next checks, in turn; then `answer` is. */
  readonly script: Answer[] = [];
  answer: Answer;
  /** What checks have said, whole or in part. */
  readonly checks: string[] = [];
  readonly #name: string;
  #backend: Backend | undefined;

  private constructor(name: string, answer: Answer) {
    this.#name = name;
    this.answer = answer;
  }

  /** Starts one that is named, and answers checks so. */
  static async listen(name: string, answer: Answer, options: BackendOptions = {}): Promise<CheckedBackend> {
    const checked = new CheckedBackend(name, answer);
    checked.#backend = await Backend.listen((wire) => checked.#serve(wire), options);
    return checked;
  }

  get address(): string {
    return this.#backend?.address ?? "";
  }

  async #serve(wire: Wire): Promise<void> {
    const buffer = new Uint8Array(4096);
    const got = await wire.readInto(buffer, 600_000);
    if (got === "eof" || got === "reset") return;
    const text = new TextDecoder("latin1").decode(buffer.subarray(0, got));
    if (OF_CHECKS.some((first) => text.startsWith(first))) {
      this.checks.push(text);
      const answer = this.script.shift() ?? this.answer;
      if (answer !== null) {
        await wire.write(answer);
        // Nothing else will come: a check need not wait for it.
        await wire.closeWrite();
      }
      while (typeof await wire.readInto(buffer, 600_000) === "number");
      return;
    }
    await wire.write(this.#name + text);
    await echo(wire);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#backend?.[Symbol.asyncDispose]();
  }
}
