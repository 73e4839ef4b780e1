/**
 * nginx as a server behind the proxy: one process, all of its files in one folder.
 *
 * @module
 */
import { dial } from "./address.ts";
import { Service } from "./programs.ts";

/** Starts nginx with these `server` blocks of HTTP, and waits until the addresses accept. */
export async function startNginx(
  nginx: string,
  dir: string,
  servers: readonly string[],
  addresses: readonly string[],
): Promise<Service> {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) =>
    `${kind}_temp_path ${dir}/${kind};`
  );
  const text = `
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  server_tokens off;
  ${temporary.join("\n  ")}
  ${servers.join("\n  ")}
}
`;
  await Deno.writeTextFile(`${dir}/nginx.conf`, text);
  return await Service.start(nginx, ["-e", "stderr", "-p", dir, "-c", `${dir}/nginx.conf`], async () => {
    for (const address of addresses) (await dial(address)).close();
    return true;
  });
}
