/** Which addresses collide, and which is named as the one that comes too late. */
import { assertEquals } from "@std/assert";
import { parseListenAddress } from "../../src/config/address.ts";
import { findCollisions } from "../../src/config/overlap.ts";

/** Pairs "later < earlier" of the addresses that collide. */
function collisions(...written: string[]): string[] {
  const claims = written.map((text) => ({ text, address: parseListenAddress(text) }));
  return findCollisions(claims).map(({ later, earlier }) => `${later.text} < ${earlier.text}`);
}

Deno.test("config overlap: what collides", () => {
  const pairs: [string, string][] = [
    ["127.0.0.1:80", "127.0.0.1:80"],
    ["0.0.0.0:80", "127.0.0.1:80"],
    ["127.0.0.1:80", "0.0.0.0:80"],
    ["[::]:80", "0.0.0.0:80"],
    ["0.0.0.0:80", "[::]:80"],
    ["[::]:80", "10.0.0.1:80"],
    ["[::]:80", "[::1]:80"],
    ["[::1]:80", "[0:0::1]:80"],
    ["[::ffff:127.0.0.1]:80", "127.0.0.1:80"],
    ["127.0.0.1:70-80", "127.0.0.1:80"],
    ["127.0.0.1:70-80", "127.0.0.1:80-90"],
    ["127.0.0.1:70-80", "0.0.0.0:75"],
    ["127.0.0.1:75", "127.0.0.1:70-80"],
    ["unix:/run/a", "unix:/run/a"],
    ["unix:@a", "unix:@a"],
    ["[fe80::1%eth0]:80", "[fe80::1%eth0]:80"],
  ];
  for (const [earlier, later] of pairs) assertEquals(collisions(earlier, later), [`${later} < ${earlier}`]);
});

Deno.test("config overlap: what does not", () => {
  const pairs: [string, string][] = [
    ["127.0.0.1:80", "127.0.0.1:81"],
    ["127.0.0.1:80", "127.0.0.2:80"],
    ["0.0.0.0:80", "[::1]:80"],
    ["127.0.0.1:0", "127.0.0.1:0"],
    ["0.0.0.0:0", "127.0.0.1:0"],
    ["127.0.0.1:70-79", "127.0.0.1:80-90"],
    ["unix:/run/a", "unix:/run/b"],
    ["unix:/a", "unix:@a"],
    ["[fe80::1%eth0]:80", "[fe80::1%eth1]:80"],
  ];
  for (const [earlier, later] of pairs) assertEquals(collisions(earlier, later), [], `${earlier} ${later}`);
});

Deno.test("config overlap: each late one is told once, with the first that it meets in the files", () => {
  assertEquals(
    collisions("127.0.0.1:90", "127.0.0.1:80", "0.0.0.0:70-99", "127.0.0.1:80", "127.0.0.1:60"),
    ["0.0.0.0:70-99 < 127.0.0.1:90", "127.0.0.1:80 < 127.0.0.1:80"],
  );
});

Deno.test("config overlap: agrees with comparing every pair", () => {
  const hosts = ["0.0.0.0", "[::]", "[::1]", "127.0.0.1", "10.0.0.1"];
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 200; round++) {
    const written = Array.from({ length: 8 }, () => {
      const first = 1 + random(12);
      return `${hosts[random(hosts.length)]}:${first}-${first + random(4)}`;
    });
    const expected = written.flatMap((later, index) => {
      const earlier = written.slice(0, index).find((other) => collisions(other, later).length > 0);
      return earlier === undefined ? [] : [`${later} < ${earlier}`];
    });
    assertEquals(collisions(...written), expected, written.join(" "));
  }
});
