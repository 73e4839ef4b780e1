/**
 * Compares the three descriptions of the library's functions: the header's prototypes, the table that `Deno.dlopen` is
 * given, and the names that the built library exports. Pure; `check_abi.ts` runs it.
 *
 * @module
 */

/** A prototype: C types, without names of parameters. */
export interface Prototype {
  readonly name: string;
  readonly result: string;
  readonly parameters: readonly string[];
}

/** A function as `Deno.dlopen` takes it. */
export interface ForeignFunction {
  readonly parameters: readonly unknown[];
  readonly result: unknown;
}

/** The prototypes that a header marks with SLUICE_API. Throws when one of them cannot be understood. */
export function parsePrototypes(header: string): Prototype[] {
  const code = header.replace(/\/\*[\s\S]*?\*\//g, " ").replace(/^\s*#(?:.*\\\n)*.*$/gm, " ");
  const declared = [...code.matchAll(/\bSLUICE_API\b([^;]*);/g)].map((match) =>
    (match[1] ?? "").replace(/\s+/g, " ").trim()
  );
  return declared.map((text) => {
    const [, result, name, list] = /^(.+?[\s*])(\w+) ?\(([^()]*)\)$/.exec(text) ?? [];
    if (result === undefined || name === undefined || list === undefined) {
      throw new SyntaxError(`Cannot read header: a prototype must be plain: current value is ${text}`);
    }
    const parameters = list.trim() === "void" || list.trim() === "" ? [] : list.split(",").map(typeOfParameter);
    return { name, result: normal(result), parameters };
  });
}

/** `const void *options` → `const void *`. */
function typeOfParameter(declaration: string): string {
  const [, type] = /^(.+?[\s*])\w+$/.exec(declaration.trim()) ?? [];
  if (type === undefined) {
    throw new SyntaxError(
      `Cannot read header: a parameter must have type and name: current value is ${declaration.trim()}`,
    );
  }
  return normal(type);
}

function normal(type: string): string {
  return type.replace(/\s+/g, " ").replace(/ ?\*/g, " *").replace(/\* \*/g, "**").trim();
}

/** What a C type is for `Deno.dlopen`; undefined: the ABI has no such type. */
export function foreignTypeOf(type: string): string | undefined {
  const scalars: Record<string, string> = {
    "void": "void",
    "int32_t": "i32",
    "uint32_t": "u32",
    "int64_t": "i64",
    "uint64_t": "u64",
  };
  // A pointer that the library owns is passed on as a number; all others point into buffers of the caller.
  if (type === "struct sluice_engine *") return "usize";
  return type.endsWith("*") ? "buffer" : scalars[type];
}

/** Every difference in a sentence. */
export function compareAbi(
  prototypes: readonly Prototype[],
  symbols: Readonly<Record<string, ForeignFunction>>,
  exported: readonly string[],
): string[] {
  const declared = new Map(prototypes.map((prototype) => [prototype.name, prototype]));
  const found: string[] = [];
  for (const name of declared.keys()) {
    if (!Object.hasOwn(symbols, name)) found.push(`${name} is in sluice.h and not in symbols.ts`);
    if (!exported.includes(name)) found.push(`${name} is in sluice.h and not exported by the library`);
  }
  for (const name of exported) {
    if (!declared.has(name)) found.push(`${name} is exported by the library and not in sluice.h`);
  }
  for (const [name, symbol] of Object.entries(symbols)) {
    const prototype = declared.get(name);
    if (prototype === undefined) found.push(`${name} is in symbols.ts and not in sluice.h`);
    else found.push(...compareFunction(prototype, symbol));
  }
  return found;
}

function compareFunction(prototype: Prototype, symbol: ForeignFunction): string[] {
  const { name } = prototype;
  const found: string[] = [];
  const compare = (what: string, type: string, actual: unknown) => {
    const expected = foreignTypeOf(type);
    if (expected === undefined) found.push(`${name}: ${what} has type ${type}, which the ABI does not use`);
    else if (actual !== expected) found.push(`${name}: ${what} is ${type}: "${expected}", in symbols.ts "${actual}"`);
  };
  compare("result", prototype.result, symbol.result);
  if (prototype.parameters.length !== symbol.parameters.length) {
    found.push(`${name} has ${prototype.parameters.length} parameters, in symbols.ts ${symbol.parameters.length}`);
    return found;
  }
  for (const [index, type] of prototype.parameters.entries()) {
    compare(`parameter ${index + 1}`, type, symbol.parameters[index]);
  }
  return found;
}
