/**
 * The proxies whose endpoints fail: each with what it does by itself, and with its keys for failures. Called by
 * failures.ts.
 *
 * @module
 */
import { SLUICE_COMMAND } from "./args.ts";
import { type Contestant, sluice } from "./contestants.ts";
import { GREETING } from "./failures_endpoint.ts";

/** What a contestant has for one scenario. */
export interface Stage {
  /** Id of the scenario: name of the tenant or section. */
  readonly id: string;
  /** Port on 127.0.0.1 where its clients come. */
  readonly listen: number;
  /** Ports of its endpoints on 127.0.0.1. */
  readonly endpoints: readonly number[];
}

/** A contestant before its ports are known. */
export interface Candidate {
  readonly name: string;
  /** For the tables: what is set. */
  readonly about: string;
  contestant(stages: readonly Stage[]): Contestant;
}

interface SluiceKeys {
  /** Keys of each tenant, and of each backend, as YAML on one line each. */
  readonly tenant: readonly string[];
  readonly backend: readonly string[];
}

const WORD = GREETING.trim();

const ACTIVE = `{ type: expect, send: '${WORD}\\n', expect: ${WORD}, interval: 1s, timeout: 1s, fall: 2 }`;

/** What the documentation recommends against failing endpoints, for a protocol in which the client speaks first. */
const KEYS: SluiceKeys = {
  tenant: ["timeouts: { connect: 1s, first_byte: 5s }"],
  backend: [
    `health: { active: ${ACTIVE}, passive: { failures: 3, eject_for: 5s }, on_down: close }`,
    "circuit_breaker: {}",
    "preconnect: { min: 4, max: 8 }",
  ],
};

interface HaproxyKeys {
  readonly connect: string;
  /** Lines of the section `defaults`. */
  readonly lines: readonly string[];
  /** Of each server. */
  readonly server: string;
}

const HAPROXY_KEYS: HaproxyKeys = {
  connect: "1s",
  lines: [
    "option redispatch 1",
    "option tcp-check",
    "tcp-check connect",
    `tcp-check send ${WORD}\\n`,
    `tcp-check expect string ${WORD}`,
  ],
  server: "check inter 1s fall 2 observe layer4 error-limit 3 on-error mark-down on-marked-down shutdown-sessions",
};

/** Everybody, in the order of the tables. */
export const CANDIDATES: readonly Candidate[] = [
  sluiceCandidate("sluice", "nothing written but addresses", { tenant: [], backend: [] }),
  sluiceCandidate("sluice-set", [...KEYS.tenant, ...KEYS.backend].join("; "), KEYS),
  haproxyCandidate("haproxy", "mode tcp, timeouts of Debian's example (connect 5s, client 50s, server 50s)", {
    connect: "5s",
    lines: [],
    server: "",
  }),
  haproxyCandidate("haproxy-check", "the same, `check` on each server", { connect: "5s", lines: [], server: "check" }),
  haproxyCandidate(
    "haproxy-set",
    `timeout connect 1s; ${HAPROXY_KEYS.lines.join("; ")}; ${HAPROXY_KEYS.server}`,
    HAPROXY_KEYS,
  ),
];

function sluiceCandidate(name: string, about: string, keys: SluiceKeys): Candidate {
  const indented = (lines: readonly string[], indent: number) =>
    lines.map((line) => `${" ".repeat(indent)}${line}\n`).join("");
  const tenant = ({ id, listen, endpoints }: Stage) =>
    `  - id: ${id}
${indented(keys.tenant, 4)}    listeners: [{ id: in, address: "127.0.0.1:${listen}", backend: out }]
    backends:
      - id: out
        endpoints:
${endpoints.map((port, index) => `          - { id: e${index}, address: "127.0.0.1:${port}" }\n`).join("")}${
      indented(keys.backend, 8)
    }`;
  return {
    name,
    about,
    contestant: (stages) => ({
      ...sluice(name, SLUICE_COMMAND),
      about,
      // The benchmark waits for the port of the job; no scenario may see that.
      files: ({ listen, backend }) => ({
        "sluice.yaml": `version: 1\ntenants:\n${
          [{ id: "ready", listen, endpoints: [backend] }, ...stages].map(tenant).join("")
        }`,
      }),
    }),
  };
}

function haproxyCandidate(name: string, about: string, keys: HaproxyKeys): Candidate {
  const section = ({ id, listen, endpoints }: Stage) =>
    `listen ${id}
  bind 127.0.0.1:${listen}
${endpoints.map((port, index) => `  server e${index} 127.0.0.1:${port} ${keys.server}\n`).join("")}`;
  return {
    name,
    about,
    contestant: (stages) => ({
      name,
      about,
      files: ({ listen, backend }) => ({
        "haproxy.cfg": `defaults
  mode tcp
  timeout connect ${keys.connect}
  timeout client 50s
  timeout server 50s
${keys.lines.map((line) => `  ${line}\n`).join("")}${
          [{ id: "ready", listen, endpoints: [backend] }, ...stages].map(section).join("")
        }`,
      }),
      command: ({ dir }) => ["haproxy", "-db", "-f", `${dir}/haproxy.cfg`],
    }),
  };
}
