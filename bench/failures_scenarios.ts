/**
 * How endpoints fail: one script for each row of the table. Called by failures.ts.
 *
 * @module
 */
import { type Pool, SLOW_MS } from "./failures_endpoint.ts";

/** How long new clients come, from the beginning of the failure. */
export const CLIENTS_FOR_MS = 20_000;

/** When the endpoint of "comes back" serves again, from the beginning of the failure. */
export const BACK_AFTER_MS = 5000;

const FLAP_MS = 1000;

/** One way to fail. */
export interface Scenario {
  /** Name of a tenant, or of a section. */
  readonly id: string;
  /** For the tables. */
  readonly title: string;
  /** What happens to the endpoints. Resolves when the failure has begun; goes on by itself where there is more to it. */
  begin(pool: Pool): Promise<void>;
}

/** All ways, in the order of the tables. */
export const SCENARIOS: readonly Scenario[] = [
  { id: "well", title: "nothing fails", begin: () => Promise.resolve() },
  { id: "dies", title: "one is killed", begin: ({ a }) => a.die() },
  { id: "refuses", title: "one refuses connects", begin: ({ a }) => a.be("refuse") },
  { id: "hangs", title: "one does not answer SYNs", begin: ({ a }) => a.be("hang") },
  { id: "stops", title: "one accepts and never answers", begin: ({ a }) => Promise.resolve(a.stop()) },
  { id: "flaps", title: `one is up and down, ${FLAP_MS / 1000} s each`, begin: flap },
  { id: "resets", title: "one resets after the accept", begin: ({ a }) => a.be("reset") },
  { id: "slow", title: `one answers after ${SLOW_MS / 1000} s`, begin: ({ a }) => a.be("slow") },
  { id: "none", title: "both refuse connects", begin: ({ a, b }) => both(a.be("refuse"), b.be("refuse")) },
  { id: "silence", title: "both do not answer SYNs", begin: ({ a, b }) => both(a.be("hang"), b.be("hang")) },
  { id: "back", title: `one refuses for ${BACK_AFTER_MS / 1000} s`, begin: comeBack },
];

async function both(...orders: Promise<void>[]): Promise<void> {
  await Promise.all(orders);
}

async function flap({ a }: Pool): Promise<void> {
  await a.be("refuse");
  let isDown = true;
  let flipsLeft = CLIENTS_FOR_MS / FLAP_MS - 1;
  const timer = setInterval(() => {
    isDown = !isDown;
    a.be(isDown ? "refuse" : "serve");
    if (--flipsLeft === 0) clearInterval(timer);
  }, FLAP_MS);
}

async function comeBack({ a }: Pool): Promise<void> {
  await a.be("refuse");
  setTimeout(() => a.be("serve"), BACK_AFTER_MS);
}
