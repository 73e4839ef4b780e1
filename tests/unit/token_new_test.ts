/** `token new`: a token nobody can guess, and a line that the configuration takes. */
import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parse } from "yaml";
import { parseArguments } from "../../src/cli/command.ts";
import { main } from "../../src/cli/main.ts";
import { tokenGroup, tokenNewCommand } from "../../src/cli/token.ts";
import type { Need } from "../../src/cli/command.ts";

async function run(...argv: string[]) {
  let [out, err] = ["", ""];
  const revoked: Need[] = [];
  const code = await main(["token", "new", ...argv], {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    color: false,
  }, {
    commands: { token: () => Promise.resolve(tokenGroup) },
    revoke: (needs) => Promise.resolve(void revoked.push(...needs)),
  });
  return { code, out, err, revoked };
}

async function hashOf(token: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("token new", () => {
  it("prints token and line, the line with the token's hash and never the token", async () => {
    const { code, out } = await run("--name", "ops");
    assertEquals(code, 0);
    const [token = "", line = "", rest] = out.split("\n");
    assertMatch(token, /^slc_[A-Za-z0-9_-]{43}$/);
    assertEquals(rest, "");
    assertEquals(parse(line), [{ name: "ops", sha256: await hashOf(token), role: "admin" }]);
    assertEquals(line.includes(token), false);
  });

  it("makes another one each time, of 32 bytes", async () => {
    const [one, other] = [await run("--json"), await run("--json")];
    assertNotEquals(JSON.parse(one.out).token, JSON.parse(other.out).token);
    let out = "";
    const command = tokenNewCommand({ random: (bytes) => void bytes.fill(bytes.length) });
    const io = { out: (text: string) => void (out += text), err: () => {}, color: false };
    await command.run(parseArguments(command, ["--json"]), io);
    assertEquals(JSON.parse(out).token, `slc_${btoa("\x20".repeat(32)).replace("=", "")}`);
  });

  it("makes tokens of a tenant and viewers' tokens", async () => {
    const tenant = JSON.parse((await run("--tenant", "acme", "--json")).out).entry;
    assertEquals([tenant.role, tenant.tenant, tenant.name], ["tenant", "acme", "acme"]);
    assertEquals(JSON.parse((await run("--role", "viewer", "--json")).out).entry.role, "viewer");
  });

  it("writes YAML that keeps words and numbers as text", async () => {
    for (const [id, name] of [["123", "1e3"], ["null", "true"], ["0x1", "on"], ["a-1", "x.y"]] as const) {
      const { out } = await run("--tenant", id, "--name", name);
      const [entry] = parse(out.split("\n")[1]!);
      assertEquals([entry.tenant, entry.name], [id, name]);
    }
  });

  it("refuses what the configuration would refuse", async () => {
    for (
      const [argv, message] of [
        [["--role", "tenant"], "--role tenant needs --tenant ID"],
        [["--role", "viewer", "--tenant", "a"], "--tenant needs --role tenant"],
        [["--role", "amin"], "did you mean admin?"],
        [["--tenant", "A"], "--tenant must be an id"],
        [["--name", "a b"], "--name must be letters"],
        [["--nme", "a"], "did you mean --name?"],
      ] as const
    ) {
      const ran = await run(...argv);
      assertEquals([ran.code, ran.out], [2, ""], argv.join(" "));
      assertStringIncludes(ran.err, message);
    }
  });

  it("needs no permission at all", async () => {
    assertEquals((await run()).revoked, ["ffi", "net", "run", "write"]);
  });
});
