/**
 * The world of one end-to-end test: what it opened, closed again in reverse order when it ends, also when it hangs.
 *
 * @module
 */
import { dial, parseTarget } from "./address.ts";
import type { BackendOptions, Behaviour } from "./backend.ts";
import { Backend, BlackHole } from "./backend.ts";
import type { Config } from "./config.ts";
import { within } from "./eventually.ts";
import { connectResettable, type ResettableWire } from "./reset_wire.ts";
import { Sluice, type SluiceOptions } from "./sluice.ts";
import { DenoWire, type Wire } from "./wire.ts";

/** All that a test opens, it opens through this. */
export class World implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #sluices: Sluice[] = [];

  /** A directory of this test alone. */
  async tempDir(): Promise<string> {
    const path = await Deno.makeTempDir({ prefix: "sluice-e2e-" });
    this.#stack.defer(() => Deno.remove(path, { recursive: true }));
    return path;
  }

  /** Keeps something until the end of the test. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    return this.#stack.use(resource);
  }

  /** A scripted backend. */
  async backend(behaviour?: Behaviour, options?: BackendOptions): Promise<Backend> {
    return this.#stack.use(await Backend.listen(behaviour, options));
  }

  /** An address at which connects hang. */
  async blackHole(): Promise<BlackHole> {
    return this.#stack.use(await BlackHole.open());
  }

  /** A `serve` that is ready. */
  async sluice(config: Config | string, options?: SluiceOptions): Promise<Sluice> {
    const sluice = this.#stack.use(await Sluice.start(await this.tempDir(), config, options));
    this.#sluices.push(sluice);
    return sluice;
  }

  /** A `serve` that has been started and may end by itself. */
  async spawnSluice(config: Config | string, options?: SluiceOptions): Promise<Sluice> {
    const sluice = this.#stack.use(Sluice.spawn(await this.tempDir(), config, options));
    this.#sluices.push(sluice);
    return sluice;
  }

  /** A client. */
  async connect(address: string): Promise<Wire> {
    return this.#stack.use(new DenoWire(await within(dial(address), `a connection to ${address}`)));
  }

  /** A client that can send a RST, and comes from an address of its own if need be. */
  async connectResettable(address: string, from?: string): Promise<ResettableWire> {
    const target = parseTarget(address);
    if (target.transport !== "tcp") throw new TypeError("Cannot reset: only TCP has a RST");
    return this.#stack.use(await connectResettable(target.hostname, target.port, from));
  }

  /** Whether somebody accepts connections there; the one that finds out is closed again. */
  async accepts(address: string): Promise<boolean> {
    try {
      (await within(dial(address), `an answer from ${address}`)).close();
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** What every `serve` of this test printed, for the message of a failure. */
  output(): string {
    return this.#sluices.map((sluice) => sluice.output()).join("\n--\n");
  }

  /** Closes everything. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** How a test is run. */
export interface E2eOptions {
  /** Milliseconds until the test fails; what it opened is closed then. */
  readonly deadlineMs?: number;
  /** Do not run it. */
  readonly ignore?: boolean;
}

/** Declares an end-to-end test. */
export function e2e(name: string, run: (world: World) => Promise<void>, options: E2eOptions = {}): void {
  const { deadlineMs = 60_000, ignore = false } = options;
  Deno.test({
    name,
    ignore,
    fn: async () => {
      await using world = new World();
      try {
        await within(run(world), "the end of the test", deadlineMs);
      } catch (error) {
        const output = world.output();
        if (output !== "") console.error(`--- output of serve in "${name}"\n${output}\n---`);
        throw error;
      }
    },
  });
}
