/**
 * Sluice with limits: one configuration with tenants of which each has its own. Called by the other limits_*.ts.
 *
 * @module
 */
import { SLUICE_COMMAND } from "./args.ts";
import { type Contestant, sluice } from "./contestants.ts";

/** A tenant that goes to one port. */
export interface LimitedTenant {
  readonly id: string;
  /** Undefined: the port that the proxy gets when it is started; for one tenant only. */
  readonly listen?: number;
  /** Undefined: the port that the proxy is started in front of. */
  readonly backend?: number;
  /** The value of `limits`, as YAML on one line. */
  readonly limits: string;
}

/** The admin API, where it is needed. */
export interface Admin {
  readonly port: number;
  readonly tokenHash: string;
}

/** Sluice with these tenants. */
export function limited(
  name: string,
  workers: number,
  tenants: readonly LimitedTenant[],
  admin: Admin | null = null,
): Contestant {
  return {
    ...sluice(name, SLUICE_COMMAND),
    about: `workers: ${workers}, access log off, limits`,
    files: (job) => {
      const maps = tenants.map(({ id, listen = job.listen, backend = job.backend, limits }) =>
        `  - id: ${id}
    limits: ${limits}
    listeners: [{ id: in, address: "127.0.0.1:${listen}", backend: out }]
    backends: [{ id: out, endpoints: [{ id: a, address: "127.0.0.1:${backend}" }] }]
`
      );
      const api = admin === null ? "" : `admin:
  listen: 127.0.0.1:${admin.port}
  tokens: [{ name: bench, sha256: "${admin.tokenHash}", role: admin }]
`;
      return {
        "sluice.yaml": `version: 1
workers: ${workers}
log: { access: { sink: none } }
limits: { max_connections: ${job.sessions} }
${api}tenants:
${maps.join("")}`,
      };
    },
  };
}

/** A bandwidth, as YAML. */
export function bandwidth(direction: "up" | "down", bytesPerS: number, burstBytes: number): string {
  return `{ bandwidth: { ${direction}: { rate: "${bytesPerS}B/s", burst: "${burstBytes}B" } } }`;
}
