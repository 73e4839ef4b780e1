/**
 * Clients in tests of limits: those who are served, by a backend that says "hi" first, and those who are not; from any
 * address of the loopback network.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Sluice } from "./sluice.ts";
import { type End, isDisconnect, type Wire } from "./wire.ts";
import type { World } from "./world.ts";

/** Whose listener a client goes to, and where it comes from. */
export interface Visit {
  readonly tenant?: string;
  /** Its own address, such as 127.0.0.2; the kernel's choice without it. */
  readonly from?: string;
}

/** A client that is connected, served or not. */
export function knock(world: World, sluice: Sluice, { tenant = "acme", from }: Visit = {}): Promise<Wire> {
  const address = sluice.address(tenant);
  return from === undefined ? world.connect(address) : world.connectResettable(address, from);
}

/** A client whose backend has spoken. */
export async function enter(world: World, sluice: Sluice, visit: Visit = {}): Promise<Wire> {
  const client = await knock(world, sluice, visit);
  assertEquals(await client.readText(2), "hi");
  return client;
}

/** How the connection of a refused client ends; a reset may already show in its connect. */
export async function refusal(world: World, sluice: Sluice, visit: Visit = {}): Promise<End> {
  try {
    return await (await knock(world, sluice, visit)).end();
  } catch (error) {
    if (isDisconnect(error)) return "reset";
    throw error;
  }
}

/** Many clients at once, some served, some refused, all gone in the end. Returns how many were served. */
export async function storm(world: World, sluice: Sluice, clients: number, visit: Visit = {}): Promise<number> {
  const served = await Promise.all(
    Array.from({ length: clients }, async () => {
      try {
        const client = await knock(world, sluice, visit);
        await client.closeWrite();
        const { bytes } = await client.readToEnd();
        client.close();
        return bytes.length === 2;
      } catch (error) {
        if (isDisconnect(error)) return false;
        throw error;
      }
    }),
  );
  return served.filter(Boolean).length;
}
