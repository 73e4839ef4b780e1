/**
 * Where the admin API is and who asks: the values of `--admin`, `--ca`, `--cert`, `--key` and the token, checked before
 * anything is sent. Used by `client.ts` and by the commands.
 *
 * @module
 */

/** Where the admin API is. */
export type AdminAddress =
  | { readonly kind: "http" | "https"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** Where the admin API is when nobody says otherwise. */
export const DEFAULT_ADMIN = "http://127.0.0.1:9900";

/**
 * Reads `http://host:port`, `https://host:port` or `unix:/path`.
 *
 * @throws {TypeError} for anything else.
 */
export function parseAdmin(text: string): AdminAddress {
  const path = /^unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: "unix", path };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && url.pathname === "/" && url.search === "" && url.hash === "" &&
    url.username === "" && url.password === "" && url.hostname !== "";
  const kind = url?.protocol === "https:" ? "https" : url?.protocol === "http:" ? "http" : undefined;
  if (kind !== undefined && isPlain) {
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    return { kind, host, port: url.port === "" ? (kind === "https" ? 443 : 80) : Number(url.port) };
  }
  throw new TypeError(
    `the address of the admin API must be http://HOST:PORT, https://HOST:PORT or unix:/PATH: ` +
      `current value is ${JSON.stringify(text)}`,
  );
}

/** Whether what is sent there can be read on the way. */
export function isExposed(address: AdminAddress): boolean {
  return address.kind === "http" && !/^(?:localhost|.*\.localhost|127(?:\.\d{1,3}){3}|::1)$/.test(address.host);
}

/**
 * A token without the white space around it.
 *
 * @throws {TypeError} when it can be none; the message does not show it.
 */
export function parseToken(text: string, from: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]{1,4096}$/.test(token)) {
    throw new TypeError(`${from} must hold one token and nothing else: it ${token === "" ? "is empty" : "does not"}`);
  }
  return token;
}
