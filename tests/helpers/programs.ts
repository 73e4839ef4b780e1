/**
 * Real programs for tests: found where Debian puts them, run with a deadline. A test whose program is absent is ignored,
 * and says so.
 *
 * @module
 */
import { eventually, within } from "./eventually.ts";

/** The path of a program, or undefined: searched in PATH and in the folders given (newest version first). */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  const places = [...folders, "/usr/local/bin", "/usr/bin", "/usr/sbin", "/bin", "/sbin"];
  return places.map((folder) => `${folder}/${name}`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Says that tests are left out, so that nobody takes their absence for success. */
export function reportAbsent(what: string, packages: string): void {
  console.warn(`SKIPPED: ${what}: needs programs that are not installed (Debian: apt-get install ${packages})`);
}

/** What a program printed. */
export interface Output {
  readonly code: number;
  readonly text: string;
}

/** Runs a program to its end; standard error follows standard output in the text. */
export async function run(
  path: string,
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly deadlineMs?: number; readonly cwd?: string } = {},
): Promise<Output> {
  const child = new Deno.Command(path, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(options.env && { env: options.env }),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  }).spawn();
  try {
    const { code, stdout, stderr } = await within(child.output(), `the end of ${path}`, options.deadlineMs ?? 60_000);
    const decoder = new TextDecoder();
    return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** A program that runs beside the test, stopped at its end. */
export class Service implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #log: Promise<string>;
  #ended = false;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#log = new Response(child.stdout).text();
    child.status.then(() => this.#ended = true);
  }

  /** Starts a program and waits until `isReady` gives true. */
  static async start(path: string, args: readonly string[], isReady: () => Promise<boolean>): Promise<Service> {
    const service = new Service(
      new Deno.Command(path, { args: [...args], stdin: "null", stdout: "piped", stderr: "null" }).spawn(),
    );
    try {
      await eventually(isReady, { what: `${path} to be ready` });
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw new Error(`${path} did not become ready: ${await service.#log}`, { cause: error });
    }
    return service;
  }

  /** Stops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGTERM");
    try {
      await within(this.#child.status, "the end of a service", 10_000);
    } catch {
      this.#child.kill("SIGKILL");
      await this.#child.status;
    }
    await this.#log;
  }
}
