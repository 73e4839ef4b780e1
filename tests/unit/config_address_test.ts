/** Addresses as they are written: what is read, and what is refused with which remedy. */
import { assertEquals, assertThrows } from "@std/assert";
import { formatAddress, parseEndpointAddress, parseListenAddress } from "../../src/config/address.ts";
import { Refusal } from "../../src/config/scalar.ts";

Deno.test("config address: listeners", () => {
  const rows: [string, ReturnType<typeof parseListenAddress>][] = [
    ["0.0.0.0:5432", { family: "ipv4", ip: "0.0.0.0", zone: "", port: 5432, portLast: 5432 }],
    ["127.0.0.1:0", { family: "ipv4", ip: "127.0.0.1", zone: "", port: 0, portLast: 0 }],
    ["0.0.0.0:7000-7009", { family: "ipv4", ip: "0.0.0.0", zone: "", port: 7000, portLast: 7009 }],
    ["[::]:8443", { family: "ipv6", ip: "::", zone: "", port: 8443, portLast: 8443 }],
    ["[2001:DB8:0:0::1]:80", { family: "ipv6", ip: "2001:db8::1", zone: "", port: 80, portLast: 80 }],
    ["[fe80::1%eth0]:80", { family: "ipv6", ip: "fe80::1", zone: "eth0", port: 80, portLast: 80 }],
    ["[::ffff:127.0.0.1]:80", { family: "ipv4", ip: "127.0.0.1", zone: "", port: 80, portLast: 80 }],
    ["unix:/run/x.sock", { family: "unix", path: "/run/x.sock" }],
    ["unix:@abstract", { family: "unix", path: "@abstract" }],
  ];
  for (const [written, read] of rows) assertEquals(parseListenAddress(written), read, written);
});

Deno.test("config address: endpoints", () => {
  const rows: [string, ReturnType<typeof parseEndpointAddress>][] = [
    ["10.0.0.5:5432", { family: "ipv4", ip: "10.0.0.5", zone: "", port: 5432 }],
    ["[::1]:5432", { family: "ipv6", ip: "::1", zone: "", port: 5432 }],
    ["DB.Example.:5432", { family: "name", name: "db.example.", port: 5432 }],
    ["localhost:80", { family: "name", name: "localhost", port: 80 }],
    ["my_service:80", { family: "name", name: "my_service", port: 80 }],
    ["_pg._tcp.db.example", { family: "name", name: "_pg._tcp.db.example", port: null }],
    ["unix:/run/pg.sock", { family: "unix", path: "/run/pg.sock" }],
  ];
  for (const [written, read] of rows) assertEquals(parseEndpointAddress(written), read, written);
});

Deno.test("config address: a written address is read back as itself", () => {
  for (const written of ["1.2.3.4:80", "[::1]:80", "[fe80::1%eth0]:80", "0.0.0.0:7000-7009", "unix:@x"]) {
    assertEquals(formatAddress(parseListenAddress(written)), written);
  }
  assertEquals(formatAddress(parseEndpointAddress("db.example:1")), "db.example:1");
  assertEquals(formatAddress(parseEndpointAddress("_x._tcp.a")), "_x._tcp.a");
});

Deno.test("config address: listeners that are refused, with the remedy", () => {
  const rows: [string, RegExp][] = [
    ["5432", /before the port: 0\.0\.0\.0:5432/],
    [":5432", /0\.0\.0\.0:5432 for IPv4, or \[::\]:5432/],
    ["*:5432", /0\.0\.0\.0:5432 for IPv4, or \[::\]:5432/],
    ["127.0.0.1", /add a port/],
    ["::1", /in brackets/],
    ["::1:80", /in brackets/],
    ["[127.0.0.1]:80", /only IPv6 addresses in brackets/],
    ["localhost:80", /names are for endpoints/],
    ["127.1:80", /mend the IP address/],
    ["010.0.0.1:80", /mend the IP address/],
    ["0x7f.0.0.1:80", /mend the IP address/],
    ["10.0.0.256:80", /mend the IP address/],
    ["[::g]:80", /mend the IP address/],
    ["127.0.0.1:65536", /port from 0 to 65535/],
    ["127.0.0.1:http", /port from 0 to 65535/],
    ["127.0.0.1:-1", /port from 0 to 65535/],
    ["127.0.0.1:7009-7000", /7000-7009/],
    ["127.0.0.1:0-10", /7000-7009/],
    ["[::1%eth0]:80", /leave the zone out/],
    ["[fe80::1%]:80", /leave the zone out/],
    ["unix:run/x.sock", /unix:\/run\/name\.sock/],
    ["unix:@", /unix:\/run\/name\.sock/],
    ["unix:", /unix:\/run\/name\.sock/],
    [`unix:/${"x".repeat(107)}`, /shorter path/],
  ];
  for (const [written, remedy] of rows) {
    const refusal = assertThrows(() => parseListenAddress(written), Refusal, undefined, written);
    assertEquals(remedy.test(refusal.remedy), true, `${written}: ${refusal.remedy}`);
  }
});

Deno.test("config address: endpoints that are refused, with the remedy", () => {
  const rows: [string, RegExp][] = [
    ["10.0.0.5", /add a port/],
    ["10.0.0.5:0", /port from 1 to 65535/],
    ["10.0.0.5:70000", /port from 1 to 65535/],
    ["10.0.0.5:80-81", /one endpoint for each port/],
    ["10.0.0.300:80", /mend the IP address or the name/],
    ["-db:80", /mend the IP address or the name/],
    ["d b:80", /mend the IP address or the name/],
    [`${"a".repeat(64)}:80`, /mend the IP address or the name/],
    ["http://db.example:80", /leave http:\/\/ out/],
  ];
  for (const [written, remedy] of rows) {
    const refusal = assertThrows(() => parseEndpointAddress(written), Refusal, undefined, written);
    assertEquals(remedy.test(refusal.remedy), true, `${written}: ${refusal.remedy}`);
  }
});

Deno.test("config address: the longest path of a unix socket is 107 bytes, not characters", () => {
  assertEquals(parseListenAddress(`unix:/${"x".repeat(106)}`).family, "unix");
  assertThrows(() => parseListenAddress(`unix:/${"ü".repeat(54)}`), Refusal, "107 bytes");
});
