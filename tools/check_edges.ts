/**
 * Reads the include and import edges of the tree and fails on one that the rooms do not allow.
 *
 * @module
 */
import { filesUnder } from "./compile.ts";
import { checkC, checkTs, type Source } from "./edges.ts";

async function read(paths: readonly string[]): Promise<Source[]> {
  return await Promise.all(paths.map(async (path) => ({ path, text: await Deno.readTextFile(path) })));
}

if (import.meta.main) {
  Deno.chdir(new URL("..", import.meta.url));
  const c = await read([...await filesUnder("ffi/src", ".c"), ...await filesUnder("ffi/src", ".h")]);
  const ts = await read((await filesUnder("src", ".ts")).filter((path) => !path.startsWith("src/console/")));
  const wrong = [...checkC(c), ...checkTs(ts)];
  for (const sentence of wrong) console.error(sentence);
  console.log(`edges: ${c.length + ts.length} files, ${wrong.length} wrong`);
  if (wrong.length > 0) Deno.exit(1);
}
