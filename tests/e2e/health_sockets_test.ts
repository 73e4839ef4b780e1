/** Checks over the kinds of sockets that unit tests may not have: unix, abstract, from other local addresses. */
import { assertEquals } from "@std/assert";
import { checkOver, type CheckSpec, dialSystem, type Trial } from "../../src/health/mod.ts";

const check = checkOver(dialSystem);
const PONG: Trial = {
  type: "expect",
  send: new TextEncoder().encode("PING").toHex(),
  expect: new TextEncoder().encode("+PONG").toHex(),
};

async function run(address: CheckSpec["address"], other: Partial<CheckSpec> = {}): Promise<string> {
  const spec: CheckSpec = {
    address,
    sourceAddress: null,
    proxyHeader: "off",
    trial: PONG,
    intervalMs: 1000,
    jitterPpm: 0,
    timeoutMs: 10_000,
    ...other,
  };
  const verdict = await check(spec, AbortSignal.timeout(spec.timeoutMs));
  return verdict.kind === "good" ? "good" : `${verdict.kind}: ${verdict.detail}`;
}

/** Answers +PONG when PING has come; keeps what came before it, and who sent it. */
async function withPong(
  listener: Deno.Listener,
  use: (seen: { readonly text: string; readonly from: Deno.Addr | null }) => Promise<void>,
): Promise<void> {
  const seen = { text: "", from: null as Deno.Addr | null };
  const accepting = (async () => {
    for await (const connection of listener) {
      const buffer = new Uint8Array(1024);
      seen.text = "";
      seen.from = connection.remoteAddr;
      while (!seen.text.includes("PING")) {
        const count = await connection.read(buffer);
        if (count === null) break;
        seen.text += new TextDecoder("latin1").decode(buffer.subarray(0, count));
      }
      await connection.write(new TextEncoder().encode("+PONG")).catch(() => {});
      connection.close();
    }
  })();
  try {
    await use(seen);
  } finally {
    listener.close();
    await accepting;
  }
}

Deno.test("health sockets: a unix socket, with a PROXY header that has no addresses", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/s.sock`;
  try {
    await withPong(Deno.listen({ transport: "unix", path }), async (seen) => {
      assertEquals(await run({ family: "unix", path }), "good");
      assertEquals(await run({ family: "unix", path }, { proxyHeader: "v1", sourceAddress: "127.0.0.1" }), "good");
      assertEquals(seen.text, "PROXY UNKNOWN\r\nPING");
      assertEquals(
        await run({ family: "unix", path: `${folder}/none.sock` }),
        "bad: cannot connect: no such socket",
      );
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("health sockets: an abstract unix socket", async () => {
  const name = `sluice-health-${crypto.randomUUID()}`;
  await withPong(Deno.listen({ transport: "unix", path: `\0${name}` }), async () => {
    assertEquals(await run({ family: "unix", path: `@${name}` }), "good");
  });
});

Deno.test("health sockets: a source address, where its family is the endpoint's", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await withPong(listener, async (seen) => {
    const address = { family: "ipv4", ip: "127.0.0.1", port: listener.addr.port, scopeId: 0 } as const;
    const hostOf = (from: Deno.Addr | null) => from?.transport === "tcp" ? from.hostname : null;
    assertEquals(await run(address, { sourceAddress: "127.0.0.9", proxyHeader: "v1" }), "good");
    assertEquals(hostOf(seen.from), "127.0.0.9");
    assertEquals(seen.text.startsWith("PROXY TCP4 127.0.0.9 127.0.0.1 "), true, seen.text);
    assertEquals(await run(address, { sourceAddress: "::1" }), "good");
    assertEquals(hostOf(seen.from), "127.0.0.1");
    assertEquals(
      await run(address, { sourceAddress: "192.0.2.77" }),
      "bad: cannot connect: the source address must be one of this machine",
    );
  });
});
