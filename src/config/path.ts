/**
 * Which file is the configuration when nobody names one. Used by every command with `--config`.
 *
 * @module
 */

/** What the rule needs of the outside. */
export interface PathDeps {
  env(name: string): string | undefined;
  exists(path: string): Promise<boolean>;
}

/**
 * The configuration file to use: `flag` (from `--config`), else the environment's SLUICE_CONFIG, else `sluice.yaml` in
 * the working directory if it is there, else `config/sluice.yaml`.
 */
export async function defaultConfigPath(flag: string | undefined, deps: PathDeps = systemPathDeps()): Promise<string> {
  if (flag !== undefined) return flag;
  const named = deps.env("SLUICE_CONFIG");
  if (named !== undefined && named !== "") return named;
  return await deps.exists("sluice.yaml") ? "sluice.yaml" : "config/sluice.yaml";
}

/** The process's own environment and files. */
export function systemPathDeps(): PathDeps {
  return {
    env: (name) => Deno.env.get(name),
    exists: async (path) => {
      try {
        await Deno.stat(path);
        return true;
      } catch (error) {
        // A file that is there but may not be read is the one that was meant: reading it will say so.
        return !(error instanceof Deno.errors.NotFound);
      }
    },
  };
}
