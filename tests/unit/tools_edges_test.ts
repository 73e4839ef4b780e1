/** The rules about rooms: each kind of wrong edge is found, where it is, and right ones are not. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { checkC, checkTs } from "../../tools/edges.ts";

function c(path: string, text: string): string[] {
  return checkC([{ path: `ffi/src/${path}`, text }]);
}

function ts(path: string, text: string): string[] {
  return checkTs([{ path: `src/${path}`, text }]);
}

function assertFinds(found: string[], ...parts: string[]): void {
  assertEquals(found.length, 1, found.join("\n"));
  for (const part of parts) assertStringIncludes(found[0]!, part);
}

describe("checkC", () => {
  it("lets includes go down, not up", () => {
    assertEquals(c("core/worker.c", '#include "path/path.h"\n#include "sys/loop.h"\n#include "sluice.h"\n'), []);
    assertFinds(
      c("path/relay.c", '#include <stdint.h>\n\n#include "core/worker.h"\n'),
      "ffi/src/path/relay.c:3",
      "core/",
    );
    assertFinds(c("sys/net.c", '#include "observe/stats.h"\n'), 'sys may not include "observe/stats.h"');
    assertFinds(c("observe/stats.c", '# include "path/session.h"\n'), "observe may not include");
    assertFinds(c("sys/net.h", '#include "sluice.h"\n'), "sys may not include");
  });

  it("keeps policy pure", () => {
    assertEquals(c("policy/limit.c", '#include <stdint.h>\n#include "sys/util.h"\n#include "policy/limit.h"\n'), []);
    assertEquals(c("policy/limit.c", '#include "sluice.h"\n#include "sys/spin.h"\n'), []);
    assertFinds(c("policy/limit.c", '#include "sys/clock.h"\n'), 'policy may not include "sys/clock.h"');
    assertFinds(c("policy/limit.c", "#include <errno.h>\n"), "policy may not include <errno.h>");
    assertFinds(c("policy/limit.c", "#include <sys/socket.h>\n"), "<sys/socket.h>");
    assertFinds(c("policy/limit.c", "int x;\nvoid *p = malloc(1);\n"), "ffi/src/policy/limit.c:2", "malloc(");
  });

  it("keeps memory and locks off the session path", () => {
    assertFinds(c("path/relay.c", "p = calloc (1, 2);"), "calloc");
    assertFinds(c("path/relay.c", "pthread_mutex_lock(&m);"), "takes no lock");
    assertEquals(c("path/relay.c", "/* malloc(1) */ // free(p)\nslab_free(x); session_free(s);"), []);
    assertEquals(c("path/path.c", "p = aligned_alloc(64, 64); free(p);"), []);
  });

  it("keeps sessions and tenants out of sys", () => {
    assertFinds(c("sys/slab.c", "struct session *s;"), "neither sessions nor tenants");
    assertEquals(c("sys/slab.c", "/* a session, for a tenant */ int x;"), []);
  });

  it("knows every room", () => {
    assertFinds(c("misc/x.c", ""), "is in no room of ffi/src");
  });
});

describe("checkTs", () => {
  it("lets config import itself only", () => {
    assertEquals(ts("config/load.ts", 'import { z } from "zod";\nimport { a } from "./schema.ts";\n'), []);
    assertFinds(
      ts("config/load.ts", 'import type { A } from "../control/mod.ts";\n'),
      "src/config/load.ts:1",
      "config may",
    );
    assertFinds(ts("config/load.ts", 'export * from "../ffi/mod.ts";\n'), "config may not import ../ffi/mod.ts");
  });

  it("lets ffi import the plan only", () => {
    assertEquals(ts("ffi/encode.ts", 'import type { Plan } from "../config/plan.ts";\n'), []);
    assertFinds(ts("ffi/encode.ts", 'import { x } from "../config/mod.ts";\n'), "plan's types only");
    assertFinds(ts("ffi/encode.ts", 'import { x } from "../log.ts";\n'), "ffi may not import ../log.ts");
  });

  it("lets health and resolver import types of the configuration only", () => {
    for (const room of ["health", "resolver"]) {
      assertEquals(
        ts(`${room}/a.ts`, 'import { x } from "./b.ts";\nimport type {\n  Address,\n} from "../config/mod.ts";\n'),
        [],
      );
      assertFinds(
        ts(`${room}/a.ts`, 'import type { A } from "../config/mod.ts";\nimport { B } from "../config/mod.ts";\n'),
        `src/${room}/a.ts:2`,
        "types of config only",
      );
      assertFinds(ts(`${room}/a.ts`, 'import type { A } from "../ffi/mod.ts";\n'), "may not import ../ffi/mod.ts");
      assertFinds(ts(`${room}/a.ts`, 'const x = await import("../config/mod.ts");\n'), "types of config only");
    }
  });

  it("keeps the admin room away from the data plane and from files, also by dynamic import", () => {
    assertFinds(ts("admin/app.ts", 'const x = await import("../ffi/mod.ts");\n'), "admin may not import ../ffi/mod.ts");
    assertFinds(ts("admin/app.ts", 'import { x } from "../config/mod.ts";\n'), "admin may not import");
    assertFinds(ts("admin/routes/a.ts", 'import { x } from "../../config/mod.ts";\n'), "admin may not import");
  });

  it("has rooms entered by their doors", () => {
    assertFinds(ts("control/reload.ts", 'import { x } from "../ffi/engine.ts";\n'), "entered by mod.ts", "engine.ts");
    assertEquals(ts("control/reload.ts", 'import {\n  x,\n} from "../ffi/mod.ts";\n'), []);
  });

  it("reserves the log package, dlopen, pointers, views and 64-bit integers", () => {
    assertEquals(ts("log.ts", 'import { Logger } from "@std/log";\n'), []);
    assertFinds(ts("control/a.ts", 'import { Logger } from "@std/log/logger";\n'), "only src/log.ts");
    assertEquals(ts("ffi/library.ts", "Deno.dlopen(path, SYMBOLS); 1n;"), []);
    assertFinds(ts("ffi/engine.ts", "\n\nDeno.dlopen(path, {});"), "src/ffi/engine.ts:3", "Deno.dlopen");
    assertFinds(ts("cli/x.ts", "Deno.UnsafePointer.of(x)"), "pointers stay");
    assertFinds(ts("cli/x.ts", "new DataView(buffer)"), "in src/ffi only");
    assertFinds(ts("cli/x.ts", "const x = 10_000n;"), "10_000n");
    assertFinds(ts("cli/x.ts", "let x: bigint;"), "64-bit");
    assertEquals(ts("cli/x.ts", "// bigint 1n DataView\nconst a1n = 1;"), []);
  });

  it("knows every room", () => {
    assertFinds(ts("misc/x.ts", ""), "is in no room of src");
    assertFinds(ts("stray.ts", ""), "is in no room of src");
  });
});
