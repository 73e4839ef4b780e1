/**
 * As much of HTTP/1.1 as a check needs: one request, and the status of what comes back. Pure.
 *
 * @module
 */

/** The request of a check. */
export function requestBytes(path: string, host: string): Uint8Array {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    "User-Agent: sluice-health",
    "Accept: */*",
    "Connection: close",
  ];
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

/**
 * The status of an answer, of which `text` is the beginning (bytes as characters up to 255). Undefined while there is
 * too little of it; null when it is no answer of HTTP/1. Interim answers (1xx, RFC 9110, 15.2) are passed over.
 */
export function statusOf(text: string): number | null | undefined {
  let rest = text;
  for (;;) {
    const end = rest.indexOf("\n");
    const line = (end < 0 ? rest : rest.slice(0, end)).replace(/\r$/, "");
    if (end < 0) return looksLikeStatus(line) ? undefined : null;
    const status = /^HTTP\/1\.\d (\d{3})(?: .*)?$/.exec(line)?.[1];
    if (status === undefined) return null;
    const code = Number(status);
    // 101 switches protocols: nothing of HTTP follows it.
    if (code >= 200 || code === 101) return code;
    const blank = /\r?\n\r?\n/.exec(rest);
    if (blank === null) return undefined;
    rest = rest.slice(blank.index + blank[0].length);
  }
}

/** Whether a line without its end may become a status line. */
function looksLikeStatus(line: string): boolean {
  const begin = "HTTP/1.";
  return begin.startsWith(line.slice(0, begin.length)) && line.length <= 1024;
}
