/** The word that somebody may have meant. */
import { assertEquals } from "@std/assert";
import { editDistance, suggest } from "../../src/config/nearest.ts";

Deno.test("config nearest: letters inserted, deleted, replaced and swapped", () => {
  const rows: [string, string, number][] = [
    ["", "", 0],
    ["abc", "", 3],
    ["abc", "abc", 0],
    ["adress", "address", 1],
    ["adderss", "address", 1],
    ["kitten", "sitting", 3],
  ];
  for (const [one, other, distance] of rows) {
    assertEquals(editDistance(one, other), distance, `${one} ${other}`);
    assertEquals(editDistance(other, one), distance, `${other} ${one}`);
  }
});

Deno.test("config nearest: suggests what is near, or begins alike, and nothing else", () => {
  const known = ["listeners", "backends", "least_connections", "warn", "id"];
  assertEquals(suggest("listener", known), "listeners");
  assertEquals(suggest("bakcends", known), "backends");
  assertEquals(suggest("Backends", known), "backends");
  assertEquals(suggest("leastconn", known), "least_connections");
  assertEquals(suggest("warning", known), "warn");
  assertEquals(suggest("di", known), "id");
  assertEquals(suggest("colour", known), undefined);
  assertEquals(suggest("x", []), undefined);
});
