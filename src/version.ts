/**
 * The version of this program, taken from `deno.json`, which is the only place that states it.
 *
 * @module
 */
import manifest from "../deno.json" with { type: "json" };

/** Version, as `MAJOR.MINOR.PATCH`. */
export const VERSION: string = manifest.version;
