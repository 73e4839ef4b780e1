/**
 * Certificates by openssl, for real TLS servers in tests.
 *
 * @module
 */
import { run } from "./programs.ts";

/** Makes `NAME.pem` and `NAME.key` in `dir`: a certificate of its own for a server of this name. */
export async function makeCertificate(openssl: string, dir: string, name: string): Promise<void> {
  const { code, text } = await run(openssl, [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-keyout",
    `${dir}/${name}.key`,
    "-out",
    `${dir}/${name}.pem`,
    "-subj",
    `/CN=${name}`,
    "-addext",
    `subjectAltName=DNS:${name}`,
  ]);
  if (code !== 0) throw new Error(`Cannot make a certificate: openssl must succeed: ${text}`);
}
