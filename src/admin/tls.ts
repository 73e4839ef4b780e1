/**
 * Certificates of the admin API: read, checked, and ready for `node:https`. With a CA of clients, a connection without
 * a certificate of that CA gets no further than the handshake.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { AdminStartError } from "./listen.ts";

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
}

/** What the files hold. */
export interface TlsMaterial {
  readonly context: { readonly cert: string; readonly key: string; readonly ca?: string };
  readonly clients: { readonly requestCert: boolean; readonly rejectUnauthorized: boolean };
  /** DNS names of the certificate. */
  readonly names: readonly string[];
}

/**
 * Reads and checks the files.
 *
 * @throws {AdminStartError} when one cannot be read, or is not what it must be
 */
export async function readTls(files: TlsFiles): Promise<TlsMaterial> {
  const [cert, key, ca] = await Promise.all([
    readPem("admin.tls.cert", files.cert),
    readPem("admin.tls.key", files.key),
    files.clientCa === undefined ? undefined : readPem("admin.tls.client_ca", files.clientCa),
  ]);
  const context = { cert, key, ...(ca === undefined ? {} : { ca }) };
  const certificate = parse("admin.tls.cert", files.cert, () => new X509Certificate(cert));
  if (ca !== undefined) parse("admin.tls.client_ca", files.clientCa ?? "", () => new X509Certificate(ca));
  parse("admin.tls.key", files.key, () => {
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new TypeError("the key is another one's");
  });
  const names = [...(certificate.subjectAltName ?? "").matchAll(/DNS:([^,\s"]+)/g)].map(([, name = ""]) =>
    name.toLowerCase()
  );
  const isMutual = ca !== undefined;
  return { context, clients: { requestCert: isMutual, rejectUnauthorized: isMutual }, names };
}

async function readPem(key: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotFound ? "there is no such file" : String(cause);
    throw new AdminStartError(`Cannot start the admin API: ${key} must be a readable file: ${path}: ${why}`, { cause });
  }
}

/** The reason of the parser is not told: it may quote the file. */
function parse<T>(key: string, path: string, read: () => T): T {
  try {
    return read();
  } catch {
    const what = key.endsWith("key") ? "the certificate's private key" : "a certificate";
    throw new AdminStartError(`Cannot start the admin API: ${key} must hold ${what} in PEM: ${path} does not`);
  }
}
