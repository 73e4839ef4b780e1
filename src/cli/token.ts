/**
 * `sluice token`: makes bearer tokens for the admin API. The token is printed once and kept nowhere; the configuration
 * gets its hash.
 *
 * @module
 */
import { type Arguments, type Command, type Io, JSON_FLAG, UsageError } from "./command.ts";
import type { CommandGroup } from "./group.ts";

/** So that people and scanners for secrets know one when they see it. */
const PREFIX = "slc_";
const BYTES = 32;

/** What a token is made of. */
export interface TokenDeps {
  /** Fills the bytes with what nobody can guess. */
  random(bytes: Uint8Array<ArrayBuffer>): void;
}

/** The group. */
export const tokenGroup: CommandGroup = {
  name: "token",
  summary: "make a token for the admin API",
  description: "Bearer tokens for the admin API. Only their SHA-256 is in the configuration.",
  flags: [],
  commands: { new: () => Promise.resolve(tokenNewCommand()) },
};

/** `token new`. */
export function tokenNewCommand(deps: TokenDeps = { random: (bytes) => void crypto.getRandomValues(bytes) }): Command {
  return {
    name: "token new",
    summary: "print a new token once, and the line for the configuration",
    description:
      "Prints a new bearer token, which is shown this once, and the line for admin.tokens with its SHA-256.\n" +
      "Nothing is written to disk. Give the token to clients in SLUICE_TOKEN or in a file (--token-file).",
    flags: [
      { name: "name", value: "NAME", summary: "who it is for, as the audit names it (else the role)" },
      {
        name: "role",
        value: "ROLE",
        choices: ["admin", "viewer", "tenant"],
        summary: "what it may do (else admin, with --tenant: tenant)",
      },
      { name: "tenant", value: "ID", summary: "the tenant of a token with the role tenant" },
      JSON_FLAG,
    ],
    needs: [],
    run: (args, io) => newToken(args, io, deps),
  };
}

/** An entry of `admin.tokens`. */
interface TokenEntry {
  readonly name: string;
  readonly sha256: string;
  readonly role: string;
  readonly tenant?: string;
}

async function newToken(args: Arguments, io: Io, deps: TokenDeps): Promise<number> {
  const who = whoOf(args);
  const bytes = new Uint8Array(BYTES);
  deps.random(bytes);
  const token = PREFIX + bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
  const { name, role, tenant } = who;
  const entry: TokenEntry = { name, sha256: hash.toHex(), role, ...(tenant === undefined ? {} : { tenant }) };
  if (args.switches.has("json")) {
    io.out(`${JSON.stringify({ token, entry }, null, 2)}\n`);
    return 0;
  }
  io.err("The token, shown this once:\n");
  io.out(`${token}\n`);
  io.err("\nThe line for the configuration, under admin.tokens:\n");
  io.out(`${yamlOf(entry)}\n`);
  return 0;
}

function whoOf({ values }: Arguments): { name: string; role: string; tenant: string | undefined } {
  const tenant = values.get("tenant");
  const role = values.get("role") ?? (tenant === undefined ? "admin" : "tenant");
  if (role === "tenant" && tenant === undefined) throw new UsageError("token new: --role tenant needs --tenant ID");
  if (role !== "tenant" && tenant !== undefined) {
    throw new UsageError(`token new: --tenant needs --role tenant: current value is "${role}"`);
  }
  if (tenant !== undefined && !/^[a-z0-9][a-z0-9-]{0,62}$/.test(tenant)) {
    throw new UsageError(
      `token new: --tenant must be an id such as acme-1: current value is ${JSON.stringify(tenant)}`,
    );
  }
  const name = values.get("name") ?? tenant ?? role;
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) {
    throw new UsageError(
      `token new: --name must be letters, digits, dot, _ and -: current value is ${JSON.stringify(name)}`,
    );
  }
  return { name, role, tenant };
}

/** Names and ids may look like numbers or `null`, so they are quoted then. */
function yamlOf(entry: TokenEntry): string {
  const fields = Object.entries(entry).map(([key, value]) =>
    `${key}: ${
      key === "sha256" || !/^[A-Za-z][\w-]*$/.test(value) || WORDS.test(value) ? JSON.stringify(value) : value
    }`
  );
  return `- { ${fields.join(", ")} }`;
}

const WORDS = /^(?:null|true|false|yes|no|on|off|y|n)$/i;
