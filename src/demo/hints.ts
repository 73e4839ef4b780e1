/**
 * What the demo says that one may try. Each line works as it stands; `tests/unit/demo_backends_test.ts` compares the ports
 * with `config/demo.yaml`.
 *
 * @module
 */

/** The lines to print when traffic is up; `pid` is the process that a signal reaches. */
export function hintsFor(pid: number): string {
  const rows: readonly (readonly [command: string, effect: string])[] = [
    ["nc 127.0.0.1 7001", "acme's echo: type a line, it comes back (without nc: curl telnet://127.0.0.1:7001)"],
    ["curl http://127.0.0.1:8001/", "acme's web site: again and again, web-1 and web-2 take turns"],
    ["curl http://127.0.0.1:8002/", "globex's web site: five connections at once, no more"],
    ["curl -o /dev/null http://127.0.0.1:8002/1MiB", "its bandwidth is 256KiB/s: about four seconds"],
    [
      "for i in 1 2 3 4 5 6; do (sleep 20 | nc 127.0.0.1 8002) & done",
      "six at once: the sixth is closed, with code=PR reason=tenant_connections below",
    ],
    [
      "for i in $(seq 30); do curl -s http://127.0.0.1:8002/; done",
      "thirty in a row: twenty answers, then two a second, the rest is closed with reason=tenant_rate",
    ],
    [`kill -HUP ${pid}`, "reads config/demo.yaml again, sessions go on; an edit takes effect by itself, too"],
  ];
  const lines = rows.map(([command, effect]) => `  ${command}\n      ${effect}\n`).join("");
  return "\nTwo tenants are up: acme with an echo service and a web site, globex with a web site on a small plan.\n" +
    `Try, in another terminal:\n\n${lines}\nEach session is a line here when it ends. Ctrl-C ends the demo.\n\n`;
}
