/**
 * Many tenants, as each proxy has them: a listener each, in Sluice a file each. Called by tenants.ts and
 * tenants_running.ts.
 *
 * @module
 */

/** What a contestant is to serve. */
export interface Fleet {
  /** Tenant `i` listens at 127.0.0.1, port `firstPort + i`. */
  readonly firstPort: number;
  readonly tenants: number;
  /** A folder of its own for configuration and state. */
  readonly dir: string;
  /** Where the admin API listens; only Sluice has one. */
  readonly adminPort: number;
  /** SHA-256 of the token of the admin API. */
  readonly tokenHash: string;
}

/** Where each tenant's sessions go: a port on 127.0.0.1. */
export type Targets = readonly number[];

/** A proxy with many tenants. */
export interface TenantsContestant {
  readonly name: string;
  /** For the tables. */
  readonly about: string;
  /** Files to write before the start. */
  files(fleet: Fleet, targets: Targets): Readonly<Record<string, string>>;
  /** The file that has to be written when `tenant` goes elsewhere, before the signal. */
  changed(fleet: Fleet, targets: Targets, tenant: number): Readonly<Record<string, string>>;
  /** Runs it in the foreground. */
  command(fleet: Fleet): readonly string[];
  /** Makes it read its files again. */
  readonly reloadSignal: Deno.Signal;
  /** Whether a tenant can be changed through an admin API. */
  readonly hasApi: boolean;
}

/** Cores that each may use. */
const THREADS = 2;
const BACKLOG = 511;
const MOST_SESSIONS = 2000;

/** Id of a tenant. */
export function tenantId(index: number): string {
  return `t${String(index).padStart(5, "0")}`;
}

/** Sluice, with one file a tenant. */
export const SLUICE: TenantsContestant = {
  name: "sluice",
  about: `workers: ${THREADS}, a file for each tenant in tenants_dir, watch: false, access log off`,
  files: (fleet, targets) => {
    const files: Record<string, string> = { "sluice.yaml": sluiceMain(fleet) };
    for (let index = 0; index < fleet.tenants; index++) Object.assign(files, sluiceTenant(fleet, targets, index));
    return files;
  },
  changed: sluiceTenant,
  command: (fleet) => [
    Deno.execPath(),
    ..."run --quiet --no-prompt -P=sluice main.ts serve --config".split(" "),
    `${fleet.dir}/sluice.yaml`,
  ],
  reloadSignal: "SIGHUP",
  hasApi: true,
};

function sluiceMain(fleet: Fleet): string {
  return `version: 1
workers: ${THREADS}
watch: false
tenants_dir: tenants.d
limits: { max_connections: ${MOST_SESSIONS} }
log: { access: { sink: none } }
admin:
  listen: 127.0.0.1:${fleet.adminPort}
  tokens: [{ name: bench, sha256: "${fleet.tokenHash}", role: admin }]
`;
}

function sluiceTenant(fleet: Fleet, targets: Targets, index: number): Record<string, string> {
  return {
    [`tenants.d/${tenantId(index)}.yaml`]: `# Tenant ${index}
listeners: [{ id: in, address: "127.0.0.1:${fleet.firstPort + index}", backend: out }]
backends: [{ id: out, endpoints: [{ id: a, address: "127.0.0.1:${targets[index]}" }] }]
`,
  };
}

/** nginx, with one `server` a tenant. */
export const NGINX: TenantsContestant = {
  name: "nginx",
  about: `stream, ${THREADS} workers, a server for each tenant`,
  files: (fleet, targets) => ({ "nginx.conf": nginxConfig(fleet, targets) }),
  changed: (fleet, targets) => ({ "nginx.conf": nginxConfig(fleet, targets) }),
  command: ({ dir }) => ["nginx", "-p", dir, "-e", `${dir}/error.log`, "-c", `${dir}/nginx.conf`],
  reloadSignal: "SIGHUP",
  hasApi: false,
};

function nginxConfig(fleet: Fleet, targets: Targets): string {
  const servers = targets.map((target, index) =>
    `  server { listen 127.0.0.1:${fleet.firstPort + index} backlog=${BACKLOG}; proxy_pass 127.0.0.1:${target}; }`
  );
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes ${THREADS};
pid ${fleet.dir}/nginx.pid;
error_log ${fleet.dir}/error.log error;
events { worker_connections ${fleet.tenants + 2 * MOST_SESSIONS}; }
stream {
  access_log off;
  proxy_connect_timeout 5s;
  proxy_timeout 10m;
${servers.join("\n")}
}
`;
}

/** HAProxy, with one `listen` section a tenant. */
export const HAPROXY: TenantsContestant = {
  name: "haproxy",
  about: `mode tcp, nbthread ${THREADS}, master and worker, listeners handed over, a listen section for each tenant`,
  files: (fleet, targets) => ({ "haproxy.cfg": haproxyConfig(fleet, targets) }),
  changed: (fleet, targets) => ({ "haproxy.cfg": haproxyConfig(fleet, targets) }),
  command: ({ dir }) => ["haproxy", "-W", "-db", "-f", `${dir}/haproxy.cfg`],
  reloadSignal: "SIGUSR2",
  hasApi: false,
};

function haproxyConfig(fleet: Fleet, targets: Targets): string {
  const sections = targets.map((target, index) =>
    `listen ${tenantId(index)}
  bind 127.0.0.1:${fleet.firstPort + index}
  server a 127.0.0.1:${target}`
  );
  return `global
  nbthread ${THREADS}
  maxconn ${MOST_SESSIONS}
  stats socket ${fleet.dir}/haproxy.sock mode 600 level admin expose-fd listeners
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
  backlog ${BACKLOG}
${sections.join("\n")}
`;
}

/** Everybody, Sluice first. */
export const CONTESTANTS: readonly TenantsContestant[] = [SLUICE, NGINX, HAPROXY];
