/**
 * Which room may use which: the rules of docs/architecture.md as tables, and the pure functions that hold sources
 * against them. `check_edges.ts` runs them over the tree.
 *
 * @module
 */

/** A source: path from the root of the tree, and text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** A rule of one room of the C library. */
interface CRoom {
  /** Rooms whose headers it may include, beside its own. */
  readonly rooms: readonly string[];
  /** Single headers that it may include beyond those. */
  readonly headers?: readonly string[];
  /** System headers that it may not include. */
  readonly forbiddenHeaders?: RegExp;
  /** What its code may not contain, why, and files that may all the same. */
  readonly forbidden?: readonly { readonly pattern: RegExp; readonly why: string; readonly except?: string }[];
}

const ALLOCATION = {
  pattern: /\b(?:malloc|calloc|realloc|free|strdup|aligned_alloc|posix_memalign|mmap)\s*\(/,
  why: "memory on the session path comes from slab and pools",
};
const LOCKS = { pattern: /\bpthread_(?:mutex|rwlock|cond|spin)\w*/, why: "the session path takes no lock" };

const C_ROOMS: Readonly<Record<string, CRoom>> = {
  abi: { rooms: ["core", "path", "policy", "observe", "sys"], headers: ["sluice.h"] },
  core: { rooms: ["path", "policy", "observe", "sys"], headers: ["sluice.h"] },
  path: {
    rooms: ["policy", "observe", "sys"],
    headers: ["sluice.h"],
    // path.c makes a worker's pools when it starts, and frees them when it ends.
    forbidden: [{ ...ALLOCATION, except: "ffi/src/path/path.c" }, LOCKS],
  },
  policy: {
    rooms: [],
    headers: ["sluice.h", "sys/util.h", "sys/list.h", "sys/spin.h"],
    forbiddenHeaders: /^(?:errno|fcntl|poll|pthread|stdio|stdlib|time|unistd)\.h$|^(?:sys|netinet|arpa|linux)\//,
    forbidden: [ALLOCATION],
  },
  observe: { rooms: ["sys"], headers: ["sluice.h"] },
  sys: {
    rooms: [],
    forbidden: [{ pattern: /\bstruct\s+(?:session|tenant)\b|\btenant/, why: "sys knows neither sessions nor tenants" }],
  },
};

/** A rule of one room of the TypeScript side. */
interface TsRoom {
  /** Rooms that it may import, beside its own. */
  readonly rooms: readonly string[];
  /** Single files that it may import beyond those. */
  readonly files?: readonly string[];
  /** Those of them of which it may import types only: `import type`. */
  readonly typesOf?: readonly string[];
}

/** Rooms under src/; a file directly in src/ is a room of its own, named as the file. */
const TS_ROOMS: Readonly<Record<string, TsRoom>> = {
  "log.ts": { rooms: [] },
  "version.ts": { rooms: [] },
  config: { rooms: [] },
  ffi: { rooms: ["config"] },
  schedule: { rooms: [] },
  canary: { rooms: ["config", "schedule"], typesOf: ["config"] },
  health: { rooms: ["config", "schedule"], typesOf: ["config"] },
  resolver: { rooms: ["config", "schedule"], typesOf: ["config"] },
  access_log: { rooms: ["ffi", "config", "log.ts"] },
  control: {
    rooms: ["canary", "config", "ffi", "health", "log.ts", "metrics", "resolver", "version.ts"],
    files: ["src/admin/control.ts"],
  },
  host: {
    rooms: [
      "access_log",
      "admin",
      "canary",
      "config",
      "control",
      "doctor",
      "ffi",
      "health",
      "log.ts",
      "metrics",
      "resolver",
      "version.ts",
    ],
  },
  metrics: { rooms: ["ffi"] },
  admin: { rooms: ["control", "metrics", "log.ts", "version.ts"] },
  demo: { rooms: ["log.ts"] },
  doctor: { rooms: ["config", "ffi"] },
  ctl: { rooms: ["config", "log.ts"] },
  cli: {
    rooms: ["admin", "config", "control", "ctl", "demo", "doctor", "ffi", "host", "log.ts", "metrics", "version.ts"],
  },
};

/** The files of a room that others may import; a room that is not here may be entered anywhere. */
const TS_DOORS: Readonly<Record<string, readonly string[]>> = {
  config: ["mod.ts", "plan.ts", "nearest.ts"],
  canary: ["mod.ts"],
  ffi: ["mod.ts"],
  doctor: ["mod.ts"],
  health: ["mod.ts"],
  resolver: ["mod.ts"],
};

/** What only certain files may contain. */
const TS_RESERVED: readonly { readonly pattern: RegExp; readonly only: RegExp; readonly why: string }[] = [
  { pattern: /"(?:jsr:)?@std\/log\b/, only: /^src\/log\.ts$/, why: "only src/log.ts imports @std/log" },
  {
    pattern: /\bDeno\s*\.\s*dlopen\b/,
    only: /^src\/ffi\/library\.ts$/,
    why: "only src/ffi/library.ts opens a library",
  },
  { pattern: /\bDeno\s*\.\s*Unsafe\w+/, only: /^src\/ffi\//, why: "pointers stay in src/ffi" },
  { pattern: /\bDataView\b/, only: /^src\/ffi\//, why: "records are read and written in src/ffi only" },
  { pattern: /\b\d[\d_]*n\b|\bBigInt\b|\bbigint\b/, only: /^src\/ffi\//, why: "64-bit integers stay in src/ffi" },
];

/** What is wrong with the C sources, one sentence each. */
export function checkC(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const roomName = /^ffi\/src\/(\w+)\//.exec(source.path)?.[1];
    const room = roomName === undefined ? undefined : C_ROOMS[roomName];
    if (roomName === undefined || room === undefined) return [`${source.path}: is in no room of ffi/src`];
    const code = withoutComments(source.text);
    const found: string[] = [];
    for (const [line, kind, header] of includesOf(code)) {
      const where = `${source.path}:${line}`;
      if (kind === "<") {
        if (room.forbiddenHeaders?.test(header) === true) {
          found.push(`${where}: ${roomName} may not include <${header}>`);
        }
        continue;
      }
      const target = header.includes("/") ? header.slice(0, header.indexOf("/")) : "";
      const allowed = room.headers?.includes(header) === true || target === roomName || room.rooms.includes(target);
      if (!allowed) found.push(`${where}: ${roomName} may not include "${header}"`);
    }
    for (const { pattern, why, except } of room.forbidden ?? []) {
      if (source.path !== except) found.push(...matches(source.path, code, pattern, why));
    }
    return found;
  });
}

/** What is wrong with the TypeScript sources, one sentence each. */
export function checkTs(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const roomName = tsRoomOf(source.path);
    const room = TS_ROOMS[roomName];
    if (room === undefined) return [`${source.path}: is in no room of src`];
    const code = withoutComments(source.text);
    const found: string[] = [];
    for (const [line, specifier, isType] of importsOf(code)) {
      const where = `${source.path}:${line}`;
      const target = resolve(source.path, specifier);
      if (target === undefined || !target.startsWith("src/")) continue;
      const targetRoom = tsRoomOf(target);
      if (targetRoom === roomName) continue;
      if (room.files?.includes(target) === true) continue;
      const file = target.slice(`src/${targetRoom}/`.length);
      if (!room.rooms.includes(targetRoom)) found.push(`${where}: ${roomName} may not import ${specifier}`);
      else if (TS_DOORS[targetRoom]?.includes(file) === false) {
        found.push(`${where}: ${targetRoom} is entered by ${TS_DOORS[targetRoom].join(", ")}: not by ${file}`);
      } else if (room.typesOf?.includes(targetRoom) === true && !isType) {
        found.push(`${where}: ${roomName} may import types of ${targetRoom} only`);
      } else if (roomName === "ffi" && file !== "plan.ts") {
        found.push(`${where}: ffi may import the plan's types only: not ${specifier}`);
      }
    }
    for (const { pattern, only, why } of TS_RESERVED) {
      if (!only.test(source.path)) found.push(...matches(source.path, code, pattern, why));
    }
    return found;
  });
}

function tsRoomOf(path: string): string {
  return path.split("/")[1] ?? "";
}

function* includesOf(code: string): Generator<[number, string, string]> {
  for (const [index, line] of code.split("\n").entries()) {
    const [, kind, header] = /^\s*#\s*include\s*([<"])([^>"]+)[>"]/.exec(line) ?? [];
    if (kind !== undefined && header !== undefined) yield [index + 1, kind, header];
  }
}

/** Line, specifier, and whether the statement is one of types only. */
function* importsOf(code: string): Generator<[number, string, boolean]> {
  for (const match of code.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
    if (match[1] === undefined) continue;
    const [statement = ""] = /\b(?:import|export)\b(?![\s\S]*\b(?:import|export)\b)[\s\S]*$/.exec(
      code.slice(0, match.index),
    ) ?? [];
    yield [lineAt(code, match.index), match[1], /^(?:import|export)\s+type\b/.test(statement)];
  }
}

function matches(path: string, code: string, pattern: RegExp, why: string): string[] {
  return [...code.matchAll(new RegExp(pattern, `${pattern.flags.replace("g", "")}g`))].map((match) =>
    `${path}:${lineAt(code, match.index)}: ${match[0].trim()}: ${why}`
  );
}

function lineAt(code: string, index: number): number {
  return code.slice(0, index).split("\n").length;
}

/** The path of a relative import from the root of the tree; undefined for packages. */
function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** The text with comments blanked out, lines and strings kept. */
function withoutComments(text: string): string {
  return text.replace(
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (token) => token.startsWith("/") ? token.replace(/[^\n]/g, " ") : token,
  );
}
