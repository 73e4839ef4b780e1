/** Checks against scripted endpoints on loopback: each kind, right and wrong answers, resets, silence, headers. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { checkOver, type CheckSpec, dialSystem, type Trial, type Verdict } from "../../src/health/mod.ts";
import { CERT, KEY } from "./tls_fixture.ts";

const check = checkOver(dialSystem);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** How long a check may take that is not meant to run into its timeout. */
const PATIENCE_MS = 10_000;

/** An endpoint that does the same with each connection; closes it when the script ends. */
async function withEndpoint(
  script: (connection: Deno.TcpConn, text: (needed: string) => Promise<string>) => Promise<void>,
  use: (port: number) => Promise<void>,
  hostname = "127.0.0.1",
): Promise<void> {
  const listener = Deno.listen({ hostname, port: 0 });
  const served: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      served.push(
        script(connection, (needed) => readUntil(connection, needed)).catch(() => {}).finally(() => {
          try {
            connection.close();
          } catch { /* the script has closed it */ }
        }),
      );
    }
  })();
  try {
    await use(listener.addr.port);
  } finally {
    listener.close();
    await accepting;
    await Promise.all(served);
  }
}

/** What has come when `needed` is in it, or at the end. */
async function readUntil(connection: Deno.Conn, needed: string): Promise<string> {
  const buffer = new Uint8Array(4096);
  let text = "";
  while (needed === "" || !text.includes(needed)) {
    const count = await connection.read(buffer);
    if (count === null) break;
    text += Array.from(buffer.subarray(0, count), (byte) => String.fromCharCode(byte)).join("");
  }
  return text;
}

function specOf(port: number, trial: Trial, other: Partial<CheckSpec> = {}): CheckSpec {
  return {
    address: { family: "ipv4", ip: "127.0.0.1", port, scopeId: 0 },
    sourceAddress: null,
    proxyHeader: "off",
    trial,
    intervalMs: 1000,
    jitterPpm: 0,
    timeoutMs: PATIENCE_MS,
    ...other,
  };
}

async function run(spec: CheckSpec): Promise<string> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), spec.timeoutMs);
  try {
    return words(await check(spec, stop.signal));
  } finally {
    clearTimeout(timer);
  }
}

function words(verdict: Verdict): string {
  return verdict.kind === "good" ? "good" : `${verdict.kind}: ${verdict.detail}`;
}

const hex = (text: string) => encoder.encode(text).toHex();
const expecting = (expect: string, send = ""): Trial => ({ type: "expect", send: hex(send), expect: hex(expect) });
const getting = (status: number | null = null): Trial => ({ type: "http", path: "/health", host: "x.example", status });
const TLS: Trial = { type: "tls", serverName: "self-made.test", verify: false };

/** Closes so that the other side gets a reset: what it has sent is never read. */
async function reset(connection: Deno.Conn): Promise<void> {
  await connection.write(encoder.encode("x"));
  connection.close();
}

Deno.test("health check: tcp is good where somebody listens", async () => {
  await withEndpoint(async () => {}, async (port) => {
    assertEquals(await run(specOf(port, { type: "tcp" })), "good");
  });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  assertEquals(
    await run(specOf(listener.addr.port, { type: "tcp" })),
    "bad: cannot connect: connection refused",
  );
});

Deno.test("health check: over IPv6", async () => {
  await withEndpoint(async (_, text) => void await text(""), async (port) => {
    const address = { family: "ipv6", ip: "::1", port, scopeId: 0 } as const;
    assertEquals(await run(specOf(port, { type: "tcp" }, { address })), "good");
  }, "::1");
});

Deno.test("health check: expect sends, and looks for an answer in pieces", async () => {
  await withEndpoint(async (connection, text) => {
    assertEquals(await text("\r\n"), "PING\r\n");
    for (const piece of ["noise +P", "O", "NG\r\n"]) {
      await connection.write(encoder.encode(piece));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await text("");
  }, async (port) => {
    assertEquals(await run(specOf(port, expecting("+PONG", "PING\r\n"))), "good");
  });
});

Deno.test("health check: expect listens where the endpoint speaks first", async () => {
  await withEndpoint(
    async (connection) => void await connection.write(encoder.encode("220 ready\r\n")),
    async (port) => {
      assertEquals(await run(specOf(port, expecting("220"))), "good");
      assertEquals(await run(specOf(port, expecting("250"))), "bad: what is expected did not come");
    },
  );
});

Deno.test("health check: expect looks at 64 KiB and no further", async () => {
  const answer = (before: number) => async (connection: Deno.Conn) => {
    const bytes = encoder.encode("x".repeat(before) + "needle");
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  };
  await withEndpoint(answer(65536 - 6), async (port) => {
    assertEquals(await run(specOf(port, expecting("needle"))), "good");
  });
  await withEndpoint(answer(65536 - 5), async (port) => {
    assertEquals(await run(specOf(port, expecting("needle"))), "bad: what is expected did not come");
  });
});

Deno.test("health check: http asks as a client would, and judges the status", async () => {
  const answer = (status: string) => async (connection: Deno.Conn, text: (needed: string) => Promise<string>) => {
    const request = await text("\r\n\r\n");
    assertMatch(request, /^GET \/health HTTP\/1\.1\r\nHost: x\.example\r\n/);
    await connection.write(encoder.encode(`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`));
  };
  const cases: [string, number | null, string][] = [
    ["200 OK", null, "good"],
    ["302 Found", null, "good"],
    ["404 Not Found", null, "bad: status 404 instead of 200 to 399"],
    ["404 Not Found", 404, "good"],
    ["200 OK", 204, "bad: status 200 instead of 204"],
  ];
  for (const [status, wanted, verdict] of cases) {
    await withEndpoint(answer(status), async (port) => {
      assertEquals(await run(specOf(port, getting(wanted))), verdict);
    });
  }
});

Deno.test("health check: http of what is none, and of what ends too early", async () => {
  await withEndpoint(
    async (connection) => void await connection.write(encoder.encode("SSH-2.0-x\r\n")),
    async (port) => {
      assertEquals(await run(specOf(port, getting())), "bad: the answer is no answer of HTTP/1");
    },
  );
  await withEndpoint(async (connection, text) => {
    await text("\r\n\r\n");
    await connection.write(encoder.encode("HTTP/1.1 2"));
  }, async (port) => {
    assertEquals(await run(specOf(port, getting())), "bad: the answer ended before its status");
  });
});

Deno.test("health check: a reset is told as one", async () => {
  await withEndpoint(reset, async (port) => {
    assertMatch(await run(specOf(port, getting())), /^bad: (cannot .*: connection reset|the answer is no answer)/);
  });
});

Deno.test("health check: silence is bad when the time is over, with the step at which it stood", async () => {
  await withEndpoint(async (_, text) => void await text(""), async (port) => {
    const soon = { timeoutMs: 60 };
    assertEquals(
      await run(specOf(port, expecting("x"), soon)),
      "bad: cannot read what is expected: no answer within 60ms",
    );
    assertEquals(await run(specOf(port, getting(), soon)), "bad: cannot read the answer: no answer within 60ms");
    assertEquals(await run(specOf(port, TLS, soon)), "bad: cannot make the TLS handshake: no answer within 60ms");
  });
});

Deno.test("health check: tls is good after a handshake; the certificate counts only when it is said", async () => {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: CERT, key: KEY });
  const ends: Promise<string>[] = [];
  const accepting = (async () => {
    for await (const connection of listener) {
      ends.push(readUntil(connection, "").then(() => "ended", () => "failed").finally(() => connection.close()));
    }
  })();
  const { port } = listener.addr;
  assertEquals(await run(specOf(port, TLS)), "good");
  assertEquals(await run(specOf(port, { type: "tls", serverName: null, verify: false })), "good");
  assertMatch(
    await run(specOf(port, { type: "tls", serverName: "self-made.test", verify: true })),
    /^bad: cannot make the TLS handshake: .*(certificate|Certificate)/,
  );
  listener.close();
  await accepting;
  // Every connection has been closed by the check.
  assertEquals((await Promise.all(ends)).length, 3);
  await withEndpoint(async (connection, text) => {
    await text("\x16");
    await connection.write(encoder.encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
  }, async (plain) => {
    assertMatch(await run(specOf(plain, TLS)), /^bad: cannot make the TLS handshake: /);
  });
});

Deno.test("health check: the PROXY header goes first", async () => {
  let seen = "";
  await withEndpoint(async (connection, text) => {
    const { port } = connection.remoteAddr;
    seen = (await text("PING")).replace(`${port}`, "PORT");
    await connection.write(encoder.encode("+PONG"));
  }, async (port) => {
    assertEquals(await run(specOf(port, expecting("+PONG", "PING"), { proxyHeader: "v1" })), "good");
    assertEquals(seen, `PROXY TCP4 127.0.0.1 127.0.0.1 PORT ${port}\r\nPING`);
    assertEquals(await run(specOf(port, expecting("+PONG", "PING"), { proxyHeader: "v2" })), "good");
    assertEquals(seen, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0PING");
  });
});

Deno.test("health check: the PROXY header goes before the TLS handshake", async () => {
  const target = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: CERT, key: KEY });
  const accepting = (async () => {
    for await (const connection of target) {
      await readUntil(connection, "").catch(() => {});
      connection.close();
    }
  })();
  let header = "";
  await withEndpoint(async (connection) => {
    const bytes = new Uint8Array(16);
    await connection.read(bytes);
    header = decoder.decode(bytes);
    const onward = await Deno.connect({ hostname: "127.0.0.1", port: target.addr.port });
    await Promise.all([
      connection.readable.pipeTo(onward.writable).catch(() => {}),
      onward.readable.pipeTo(connection.writable).catch(() => {}),
    ]);
  }, async (port) => {
    assertEquals(await run(specOf(port, TLS, { proxyHeader: "v2" })), "good");
  });
  assert(header.startsWith("\r\n\r\n\0\r\nQUIT\n\x20"));
  target.close();
  await accepting;
});

Deno.test("health check: a check that is aborted before it begins connects nowhere", async () => {
  assertMatch(words(await check(specOf(1, { type: "tcp" }), AbortSignal.abort())), /^bad/);
});
