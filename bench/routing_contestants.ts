/**
 * Proxies that route by server name, or take a PROXY header, beside themselves without that. Called by routing_*.ts.
 *
 * @module
 */
import { SLUICE_COMMAND } from "./args.ts";
import { type Contestant, haproxy, type Job, nginx, sluice } from "./contestants.ts";

/** A proxy with the work in question, and the same one without it. */
export interface Pair {
  readonly with: Contestant;
  readonly without: Contestant;
}

function sluiceWith(name: string, about: string, listeners: (job: Job) => string, tenant: (job: Job) => string) {
  const base = sluice(name, SLUICE_COMMAND);
  return {
    ...base,
    about: `${base.about}; ${about}`,
    files: (job: Job) => ({
      "sluice.yaml": `version: 1
workers: 1
log: { access: { sink: none } }
limits: { max_connections: ${job.sessions} }
${listeners(job)}tenants:
  - id: bench
    backends: [{ id: out, endpoints: [{ id: a, address: "127.0.0.1:${job.backend}" }] }]
${tenant(job)}`,
    }),
  };
}

/** Sluice with a shared listener and a route for each name. */
export function sluiceSni(name: string, names: readonly string[]): Contestant {
  const routes = names.map((one, index) => `      - { id: r${index}, listener: edge, sni: [${one}], backend: out }\n`);
  return sluiceWith(
    name,
    `a shared listener, ${names.length} routes`,
    (job) => `listeners: [{ id: edge, address: "127.0.0.1:${job.listen}", detect: tls }]\n`,
    () => `    routes:\n${routes.join("")}`,
  );
}

const PLAIN_SLUICE = sluice("sluice", SLUICE_COMMAND);
const PLAIN_HAPROXY = haproxy("haproxy", "mode tcp, nbthread 1", "");
const PLAIN_NGINX = nginx("nginx", "16k");

/** HAProxy that looks a name up in a map. */
export function haproxySni(name: string, names: readonly string[]): Contestant {
  return haproxy(name, `mode tcp, nbthread 1; req.ssl_sni in a map of ${names.length}`, "", {
    rules: (job) =>
      `  tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_hello_type 1 }
  use_backend %[req.ssl_sni,lower,map_str(${job.dir}/names.map,none)]
`,
    sections: (job) => `backend out\n  server a 127.0.0.1:${job.backend}\nbackend none\n`,
    files: () => ({ "names.map": names.map((one) => `${one} out\n`).join("") }),
  });
}

/** nginx that looks a name up in a map. */
export function nginxSni(name: string, names: readonly string[]): Contestant {
  return nginx(name, "16k", {
    rules: () => "    ssl_preread on;\n    proxy_pass $to;\n",
    sections: (job) =>
      `  map_hash_max_size 65536;
  map_hash_bucket_size 128;
  map $ssl_preread_server_name $to { include ${job.dir}/names.map; }
`,
    files: () => ({ "names.map": names.map((one) => `${one} out;\n`).join("") }),
  });
}

/** By server name, from so many. */
export function sniPairs(names: readonly string[]): readonly Pair[] {
  return [
    { with: sluiceSni("sluice-sni", names), without: PLAIN_SLUICE },
    { with: haproxySni("haproxy-sni", names), without: PLAIN_HAPROXY },
    { with: nginxSni("nginx-sni", names), without: PLAIN_NGINX },
  ];
}

/** With a PROXY header that must come. */
export function proxyPairs(): readonly Pair[] {
  const accept = "{ accept: required, trusted: [127.0.0.0/8] }";
  const listener = (job: Job) =>
    `    listeners: [{ id: in, address: "127.0.0.1:${job.listen}", backend: out, proxy_protocol: ${accept} }]\n`;
  return [
    { with: sluiceWith("sluice-proxy", "a PROXY header", () => "", listener), without: PLAIN_SLUICE },
    {
      with: haproxy("haproxy-proxy", "mode tcp, nbthread 1, accept-proxy", "", { bind: " accept-proxy" }),
      without: PLAIN_HAPROXY,
    },
    { with: nginx("nginx-proxy", "16k", { bind: " proxy_protocol" }), without: PLAIN_NGINX },
  ];
}
