import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseSummary } from "./syscalls.ts";

const SUMMARY = `syscall                 calls
---------------- ----------
recvfrom               4000
epoll_wait             1234
---------------- ----------
total                  5234
`;

describe("parseSummary", () => {
  it("reads names and numbers, without heading and sum", () => {
    assertEquals([...parseSummary(SUMMARY)], [["recvfrom", 4000], ["epoll_wait", 1234]]);
  });
});
