/** An error that nobody catches ends the program with its message, not with a signal from under running workers. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { echo } from "../helpers/behaviours.ts";
import { programArgs } from "../helpers/sluice.ts";
import { oneTenant } from "../helpers/config.ts";
import { eventually, within } from "../helpers/eventually.ts";
import { e2e } from "../helpers/world.ts";

const ROOT = new URL("../../", import.meta.url);

/** `serve`, and an error in the middle of it, soon after a file is there. */
const scriptOf = (file: string) => `
import { main, systemIo } from ${JSON.stringify(new URL("src/cli/main.ts", ROOT).href)};
const isThere = () => { try { return Deno.statSync(${JSON.stringify(file)}).isFile; } catch { return false; } };
setInterval(() => { if (isThere()) throw new Error("nobody catches this"); }, 100);
await main(Deno.args, systemIo());
`;

e2e("crash: an uncaught error under traffic is told, with exit 1", async (world) => {
  const backend = await world.backend(echo);
  const dir = await world.tempDir();
  await Deno.writeTextFile(`${dir}/uncaught.ts`, scriptOf(`${dir}/now`));
  const config = { ...oneTenant([backend.address]), log: { access: { sink: "none" } } };
  await Deno.writeTextFile(`${dir}/sluice.yaml`, JSON.stringify(config));
  const args = programArgs("serve", "--config", `${dir}/sluice.yaml`).map((arg) =>
    arg.endsWith("/main.ts") ? `${dir}/uncaught.ts` : arg
  );
  for (let turn = 0; turn < 3; turn++) {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...args.slice(0, 1), `--config=${new URL("deno.json", ROOT).pathname}`, ...args.slice(1)],
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    let ended = false;
    child.status.then(() => ended = true);
    world.use({
      [Symbol.asyncDispose]: async () => {
        if (!ended) child.kill("SIGKILL");
        await child.status;
      },
    });
    const stderr = new Response(child.stderr).text();
    let stdout = "";
    const reading = child.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
      new WritableStream({ write: (text) => void (stdout += text) }),
    );
    const address = await eventually(() => /address=(\S+)[^]*ready/.exec(stdout)?.[1]);
    // Traffic all the while, so that workers run code at the moment of the end.
    const talk = async (): Promise<void> => {
      const client = await world.connect(address);
      for (;;) await client.roundTrip();
    };
    const talks = Promise.allSettled([talk(), talk(), talk(), talk()]);
    await Deno.writeTextFile(`${dir}/now`, "");
    await talks;
    await Deno.remove(`${dir}/now`);
    const { code, signal } = await within(child.status, "the end after the error");
    await reading;
    assertStringIncludes(await stderr, "nobody catches this");
    assertEquals([code, signal], [1, null]);
  }
});
