/**
 * The machine's resolver as the configuration's look-ups want it. `host.ts` uses one for as long as it serves, commands
 * that only read a configuration one for a moment: a name is good for all of them or for none.
 *
 * @module
 */

import { type LoadDeps, systemLoadDeps } from "../config/mod.ts";
import type { ControlPlane } from "../control/mod.ts";
import type { Log } from "../log.ts";
import { NameError, Resolver, type ResolverDeps, systemResolverDeps } from "../resolver/mod.ts";
import { sleep } from "./sleep.ts";

/** Look-ups of names, for whoever loads a configuration. */
export type NameLookups = Pick<LoadDeps, "lookup" | "lookupServices">;

/** What a resolver needs of the machine. */
export type NameDeps = Omit<ResolverDeps, "onChange" | "onError">;

/** Look-ups by a resolver, which keeps what it finds. */
export function lookupsOf(resolver: Pick<Resolver, "resolve" | "addressesOf">): NameLookups {
  return {
    lookup: (name, signal, asker) => resolver.addressesOf(name, signal, asker),
    lookupServices: async (name, signal, asker) => {
      const answer = await resolver.resolve({ kind: "srv", name }, signal, asker);
      if (answer.kind !== "known") {
        throw new NameError(answer.why, answer.kind === "none" ? "ENOTFOUND" : "EAI_AGAIN");
      }
      return answer.targets.flatMap(({ ip, port, weight, tier }) =>
        port === null || weight === null ? [] : [{ ip, port, weight, tier }]
      );
    },
  };
}

/** The resolver of a proxy that runs: what it finds is put in force. */
export class Following implements AsyncDisposable {
  readonly resolver: Resolver;
  readonly lookups: NameLookups;
  #told: { readonly control: Pick<ControlPlane, "follow">; readonly log: Log } | null = null;

  /** Names can be looked up from now on. */
  constructor(deps: NameDeps) {
    this.resolver = new Resolver({
      ...deps,
      // Before there is a control plane nothing is in force: it asks what is known when it starts.
      onChange: (names) => void this.#told?.control.follow(names),
      onError: (error) => {
        this.#told?.log.error("a name could not be looked up", {
          error: error instanceof Error ? error : String(error),
        });
      },
    });
    this.lookups = lookupsOf(this.resolver);
  }

  /** From now on the control plane is told of names that stand for something else. */
  begin(control: Pick<ControlPlane, "follow">, log: Log): void {
    this.#told = { control, log };
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.resolver[Symbol.asyncDispose]();
  }
}

/** The machine's own; the environment's SLUICE_RESOLV_CONF is a path instead of /etc/resolv.conf. */
export function systemNameDeps(): NameDeps {
  return systemResolverDeps({ sleep, resolvConf: Deno.env.get("SLUICE_RESOLV_CONF") });
}

/** Loads configurations for a command that ends, with names looked up as `serve` does. */
export async function withLoadDeps<T>(use: (load: LoadDeps) => Promise<T>): Promise<T> {
  const nobody = { onChange: () => {}, onError: () => {} };
  await using resolver = new Resolver({ ...systemNameDeps(), ...nobody });
  return await use({ ...systemLoadDeps(), ...lookupsOf(resolver) });
}
