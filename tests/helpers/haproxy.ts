/**
 * HAProxy before or behind the proxy: one process, its configuration in one file.
 *
 * @module
 */
import { dial } from "./address.ts";
import { Service } from "./programs.ts";

/** Starts HAProxy with these sections, and waits until the addresses accept. */
export async function startHaproxy(
  haproxy: string,
  dir: string,
  sections: string,
  addresses: readonly string[],
): Promise<Service> {
  const text = `
global
  maxconn 1000
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
${sections}
`;
  await Deno.writeTextFile(`${dir}/haproxy.cfg`, text);
  return await Service.start(haproxy, ["-db", "-f", `${dir}/haproxy.cfg`], async () => {
    for (const address of addresses) (await dial(address)).close();
    return true;
  });
}
