/**
 * Runs peer.c, the scripted peers that need more of a socket than Deno gives. It is built on first use, once for each
 * version of its source.
 *
 * @module
 */
import { eventually, within } from "./eventually.ts";
import { pumpLines } from "./lines.ts";

const SOURCE = new URL("peer.c", import.meta.url);
const BUILD = new URL("../../ffi/build/", import.meta.url);

/** A running peer program: peer.c, or another one that takes commands and answers as it does. */
export class PeerProgram implements AsyncDisposable {
  /** Lines of its standard output so far. */
  readonly lines: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #pump: Promise<void>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#input = child.stdin.getWriter();
    this.#pump = pumpLines(child.stdout, this.lines);
  }

  /** Builds the program if need be and starts one job of it, such as `herd`. */
  static start(...args: (string | number)[]): Promise<PeerProgram> {
    return PeerProgram.startFrom(SOURCE, ...args);
  }

  /** The same with another source. */
  static async startFrom(sourceUrl: URL, ...args: (string | number)[]): Promise<PeerProgram> {
    const path = await build(sourceUrl);
    return new PeerProgram(
      new Deno.Command(path, { args: args.map(String), stdin: "piped", stdout: "piped", stderr: "inherit" }).spawn(),
    );
  }

  /** The words after `verb` in its first line that starts with it. */
  async answer(verb: string, deadlineMs?: number): Promise<string[]> {
    const line = await eventually(() => this.lines.find((text) => text.startsWith(`${verb} `)), {
      what: `the peer's line ${verb}`,
      ...(deadlineMs !== undefined && { deadlineMs }),
    });
    return line.split(" ").slice(1);
  }

  /** Gives it a command. */
  async tell(command: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${command}\n`));
  }

  /** Kills it, and all its sessions with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#child.status;
    await this.#pump;
    await this.#input.abort().catch(() => {});
  }
}

/** Builds the program beside its other versions; tests that do so at once do not meet. */
async function build(sourceUrl: URL): Promise<string> {
  const source = await Deno.readFile(sourceUrl);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", source)).toHex().slice(0, 16);
  await Deno.mkdir(BUILD, { recursive: true });
  const path = new URL(`peer-${digest}`, BUILD).pathname;
  try {
    await Deno.stat(path);
    return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const mine = `${path}.${crypto.randomUUID()}.tmp`;
  const command = new Deno.Command("cc", { args: ["-O2", "-o", mine, sourceUrl.pathname], stderr: "piped" });
  const { success, stderr } = await within(command.output(), `the build of ${sourceUrl.pathname}`, 60_000);
  if (!success) throw new Error(`Cannot build ${sourceUrl.pathname}: ${new TextDecoder().decode(stderr)}`);
  await Deno.rename(mine, path);
  return path;
}
