/**
 * Where the program starts: argv in, exit code out. Everything else is in `src/cli`.
 *
 * @module
 */
import { main, systemIo } from "./src/cli/main.ts";

if (import.meta.main) {
  Deno.exit(await main(Deno.args, systemIo()));
}
