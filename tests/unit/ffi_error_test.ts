/** What a user reads when the data plane refuses: the part of the configuration, the system's reason, the way out. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { constants } from "node:os";
import { CONSTANTS } from "../../src/ffi/constants.ts";
import { errnoName, errorOfRecord, errorOfResult, type ErrorSubject } from "../../src/ffi/error.ts";
import { RECORDS } from "../../src/ffi/layout.ts";
import { Records } from "../../src/ffi/record.ts";

const ANYWHERE = 0xffff_ffff;

function errorRecord(parts: { errno?: number; table?: number; record?: number; field?: string; message?: string }) {
  const { size, fields } = RECORDS.error;
  const records = Records.ofSize(size);
  const put = (text: string, at: number) => records.bytes.set(new TextEncoder().encode(text), at);
  records.put(0, { ...fields.sys_errno, kind: "u32" }, parts.errno ?? 0);
  records.put(0, fields.table, parts.table ?? ANYWHERE);
  records.put(0, fields.record, parts.record ?? ANYWHERE);
  put(parts.field ?? "", fields.field.offset);
  put(parts.message ?? "", fields.message.offset);
  return records;
}

function bindError(address: string, errno: number, message = "bind failed") {
  const record = errorRecord({ errno, table: CONSTANTS.TABLE_LISTENER, record: 0, message });
  const describe = (): ErrorSubject => ({ tenant: "acme", listener: "web", address });
  return errorOfRecord("apply the configuration", CONSTANTS.E_BIND, record, describe);
}

describe("errors of the data plane", () => {
  it("say who wanted to listen where, why not, and what to do", () => {
    const low = bindError("127.0.0.1:80", constants.errno.EACCES);
    assertStringIncludes(
      low.message,
      "Cannot listen on 127.0.0.1:80 for tenant acme, listener web: permission denied (EACCES); " +
        "ports below 1024 need CAP_NET_BIND_SERVICE",
    );
    assertEquals([low.code, low.errno, low.subject.listener, low.detail], ["E_BIND", "EACCES", "web", "bind failed"]);
    const taken = bindError("[::1]:7000-7009", constants.errno.EADDRINUSE);
    assertStringIncludes(taken.message, "(EADDRINUSE); see who holds it with: ss -ltnp");
    const elsewhere = bindError("203.0.113.9:80", constants.errno.EADDRNOTAVAIL);
    assertStringIncludes(elsewhere.message, "this machine has no such address");
    assertStringIncludes(bindError("unix:/run/x/a.sock", constants.errno.ENOENT).message, "create the folder first");
    assertStringIncludes(bindError("unix:/run/x/a.sock", constants.errno.EADDRINUSE).message, "ss -xlp");
  });

  it("name the one address of a range that failed, and a listener of our own that has it", () => {
    const range = bindError(
      "127.0.0.1:7000-7009",
      constants.errno.EADDRINUSE,
      "Cannot listen on 127.0.0.1:7003: Taken",
    );
    assertStringIncludes(
      range.message,
      "Cannot listen on 127.0.0.1:7003 for tenant acme, listener web: address already",
    );
    assertStringIncludes(range.message, "'sport = :7003'");
    const ours = "Cannot listen on 127.0.0.1:7003: another listener has it";
    assertEquals(
      bindError("127.0.0.1:7000-7009", constants.errno.EADDRINUSE, ours).message,
      "Cannot listen on 127.0.0.1:7003 for tenant acme, listener web: another listener has it; " +
        "remove one of the two, or change its address",
    );
  });

  it("name the record and the field of a refused blob", () => {
    const record = errorRecord({ table: CONSTANTS.TABLE_BACKEND, record: 2, field: "attempts", message: "is 0" });
    const describe = (table: number, index: number): ErrorSubject =>
      table === CONSTANTS.TABLE_BACKEND && index === 2 ? { tenant: "acme", backend: "pool" } : {};
    const error = errorOfRecord("apply the configuration", CONSTANTS.E_BLOB, record, describe);
    assertEquals(
      error.message,
      "Cannot apply the configuration for tenant acme, backend pool, field attempts: is 0",
    );
    assertEquals([error.code, error.errno], ["E_BLOB", null]);
  });

  it("carry the system's error when there is one", () => {
    const record = errorRecord({ errno: constants.errno.EAGAIN, message: "pthread_create failed" });
    const error = errorOfRecord("start the workers", CONSTANTS.E_THREAD, record);
    assertEquals(
      error.message,
      "Cannot start the workers: pthread_create failed (EAGAIN: resource temporarily unavailable)",
    );
  });

  it("have words even without a record, and for what nobody knows", () => {
    assertEquals(errorOfResult("drain", CONSTANTS.E_STATE).message, "Cannot drain: the engine is in another state");
    assertEquals(errorOfResult("drain", -99).code, "E_UNKNOWN");
    assertEquals([errnoName(0), errnoName(24), errnoName(9999)], [null, "EMFILE", "errno 9999"]);
  });
});
