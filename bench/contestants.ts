/**
 * The proxies that are compared, each with the configuration that it gets: one worker, the same timeouts, backlog and
 * half-close semantics, no access log. Called by proxy.ts.
 *
 * @module
 */

/** What a contestant forwards. */
export interface Job {
  /** Port on 127.0.0.1 to listen on, and the port to forward to. */
  readonly listen: number;
  readonly backend: number;
  /** A folder of its own for configuration and state. */
  readonly dir: string;
  /** Sessions that its descriptors allow. */
  readonly sessions: number;
}

/** A proxy: files to write first, and the command that runs it in the foreground. */
export interface Contestant {
  readonly name: string;
  /** For the tables. */
  readonly about: string;
  files(job: Job): Readonly<Record<string, string>>;
  command(job: Job): readonly string[];
}

const BACKLOG = 4096;

/** Sluice, by a command in which {config}, {listen}, {backend} and {dir} are replaced; {config} is a file of its own. */
export function sluice(name: string, command: string): Contestant {
  return {
    name,
    about: "workers: 1, access log off; otherwise defaults",
    files: (job) => ({ "sluice.yaml": sluiceConfig(job) }),
    command: (job) => {
      const values: Record<string, string | number> = { config: `${job.dir}/sluice.yaml`, ...job };
      return command.split(" ").filter((word) => word !== "").map((word) => {
        return word.replaceAll(/\{(\w+)\}/g, (whole, key) => String(values[key] ?? whole));
      });
    },
  };
}

function sluiceConfig(job: Job): string {
  return `version: 1
workers: 1
log: { access: { sink: none } }
limits: { max_connections: ${job.sessions} }
tenants:
  - id: bench
    listeners: [{ id: in, address: "127.0.0.1:${job.listen}", backend: out }]
    backends: [{ id: out, endpoints: [{ id: a, address: "127.0.0.1:${job.backend}" }] }]
`;
}

const SMART = `  option tcp-smart-accept
  option tcp-smart-connect
`;
const SPLICE_AUTO = `  option splice-auto
`;
const SPLICE_ALWAYS = `  option splice-request
  option splice-response
`;

/** What a peer does before it forwards. */
export interface PeerOptions {
  /** Behind the address that it listens on. */
  readonly bind?: string;
  /** Further lines of the section that listens. */
  readonly rules?: (job: Job) => string;
  /** Further sections, and files that they or the rules name. */
  readonly sections?: (job: Job) => string;
  readonly files?: (job: Job) => Readonly<Record<string, string>>;
}

/** HAProxy; `tuning` goes to its defaults. */
export function haproxy(name: string, about: string, tuning: string, options: PeerOptions = {}): Contestant {
  const { bind = "", rules = () => "", sections = () => "", files = () => ({}) } = options;
  return {
    name,
    about,
    files: (job) => ({
      ...files(job),
      "haproxy.cfg": `global
  nbthread 1
  maxconn ${job.sessions}
  maxpipes 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
  timeout client-fin 30s
  timeout server-fin 30s
  backlog ${BACKLOG}
${tuning}listen bench
  bind 127.0.0.1:${job.listen}${bind}
  maxconn ${job.sessions}
${rules(job)}  server a 127.0.0.1:${job.backend}
${sections(job)}`,
    }),
    command: (job) => ["haproxy", "-db", "-f", `${job.dir}/haproxy.cfg`],
  };
}

/** nginx with its stream module; where `rules` say where to go, nothing else does. */
export function nginx(name: string, bufferSize: string, options: PeerOptions = {}): Contestant {
  const { bind = "", rules = () => "    proxy_pass out;\n", sections = () => "", files = () => ({}) } = options;
  return {
    name,
    about: `stream, 1 worker, reuseport, proxy_buffer_size ${bufferSize}, proxy_half_close on`,
    files: (job) => ({
      ...files(job),
      "nginx.conf": `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes 1;
pid ${job.dir}/nginx.pid;
error_log ${job.dir}/error.log warn;
events { worker_connections ${2 * job.sessions}; }
stream {
  access_log off;
  upstream out { server 127.0.0.1:${job.backend} max_fails=0; }
${sections(job)}  server {
    listen 127.0.0.1:${job.listen} backlog=${BACKLOG} reuseport${bind};
${rules(job)}    proxy_connect_timeout 5s;
    proxy_timeout 10m;
    proxy_half_close on;
    proxy_buffer_size ${bufferSize};
  }
}
`,
    }),
    command: (job) => ["nginx", "-p", job.dir, "-e", `${job.dir}/error.log`, "-c", `${job.dir}/nginx.conf`],
  };
}

/** The peers, by name. */
export const PEERS: readonly Contestant[] = [
  haproxy("haproxy", "mode tcp, nbthread 1", ""),
  haproxy(
    "haproxy-tuned",
    "mode tcp, nbthread 1, option splice-auto, tcp-smart-accept, tcp-smart-connect",
    SMART + SPLICE_AUTO,
  ),
  haproxy(
    "haproxy-splice",
    "the same with option splice-request, splice-response: here, splice-auto hardly ever splices",
    SMART + SPLICE_ALWAYS,
  ),
  nginx("nginx", "16k"),
  nginx("nginx-64k", "64k"),
];
