/**
 * Ends a benchmark in good order when somebody wants it to end. Used by run.ts and limits.ts.
 *
 * @module
 */

/** Runs until the end, or until SIGINT or SIGTERM lets the run in hand be the last; processes and settings are put back. */
export async function withSignals(work: (stop: AbortSignal) => Promise<boolean>): Promise<boolean> {
  const controller = new AbortController();
  const onSignal = () => controller.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  Deno.addSignalListener("SIGTERM", onSignal);
  try {
    return await work(controller.signal);
  } catch (error) {
    // The signal may have reached the processes of the run as well: how it ended tells nothing.
    if (!controller.signal.aborted) throw error;
    console.error("Stopped.");
    return false;
  } finally {
    Deno.removeSignalListener("SIGINT", onSignal);
    Deno.removeSignalListener("SIGTERM", onSignal);
  }
}
