/** How `ctl` reaches the admin API and who it says it is: address, token, certificates, and what it tells when it cannot. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseAdmin } from "../../src/ctl/address.ts";
import { pathOf } from "../../src/ctl/client.ts";
import { ctl, FakeApi, json, problem } from "./ctl_fixture.ts";

const STATUS = { version: "1", generation: 3, uptime_s: 61, workers: 2, last_reload: null, tenants_in_error: [] };

describe("the connection of ctl", () => {
  it("takes the address from --admin, else from SLUICE_ADMIN, and the token from SLUICE_TOKEN", async () => {
    await using api = new FakeApi(() => json(STATUS));
    const env = { SLUICE_ADMIN: api.url, SLUICE_TOKEN: "slc_env" };
    assertEquals((await ctl(["status"], { env })).code, 0);
    const other = { SLUICE_ADMIN: "http://127.0.0.1:9", SLUICE_TOKEN: "slc_env" };
    assertEquals((await ctl(["status", "--admin", api.url], { env: other })).code, 0);
    assertEquals(api.seen.map(({ headers }) => headers.get("authorization")), ["Bearer slc_env", "Bearer slc_env"]);
  });

  it("prefers the token of --token-file, and takes white space off it", async () => {
    await using api = new FakeApi(() => json(STATUS));
    const ran = await ctl(["status", "--admin", api.url, "--token-file", "t"], {
      env: { SLUICE_TOKEN: "slc_env" },
      files: { t: "slc_file\n" },
    });
    assertEquals(ran.code, 0);
    assertEquals(ran.err, "");
    assertEquals(api.seen[0]!.headers.get("authorization"), "Bearer slc_file");
  });

  it("sends no Authorization without a token", async () => {
    await using api = new FakeApi(() => problem(401, "Unauthorized", "a bearer token is needed"));
    const ran = await ctl(["status", "--admin", api.url]);
    assertEquals(ran.code, 1);
    assertEquals(api.seen[0]!.headers.has("authorization"), false);
    assertEquals(
      ran.err,
      "sluice: ctl status: Unauthorized: a bearer token is needed (401); give a token with SLUICE_TOKEN or --token-file\n",
    );
  });

  it("warns of a token that everybody can read", async () => {
    await using api = new FakeApi(() => json(STATUS));
    const argv = ["status", "--admin", api.url, "--token-file", "t"];
    const files = { t: "slc_x" };
    assertStringIncludes((await ctl(argv, { files, modes: { t: 0o644 } })).err, "chmod 600 t");
    assertEquals((await ctl(argv, { files, modes: { t: 0o640 } })).err, "");
  });

  it("shows no token that is none", async () => {
    const ran = await ctl(["status", "--token-file", "t"], { files: { t: "slc_secret and more" } });
    assertEquals(ran.code, 1);
    assertEquals(ran.err.includes("secret"), false);
    const env = await ctl(["status"], { env: { SLUICE_TOKEN: "slc_secret\nx" } });
    assertEquals(env.code, 2);
    assertEquals(env.err.includes("secret"), false);
  });

  it("follows no redirect, for the token would go with it", async () => {
    await using thief = new FakeApi(() => json(STATUS));
    await using api = new FakeApi(() => Response.redirect(`${thief.url}/v1/status`, 302));
    const ran = await ctl(["status", "--admin", api.url], { env: { SLUICE_TOKEN: "slc_x" } });
    assertEquals(ran.code, 1);
    assertEquals(thief.seen.length, 0);
  });

  it("says what is wrong when nothing listens", async () => {
    const gone = new FakeApi(() => json(STATUS));
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    const ran = await ctl(["status", "--admin", url]);
    assertEquals(ran.code, 1);
    assertMatch(
      ran.err,
      /^sluice: ctl status: Cannot reach the admin API at http:\/\/127\S+: connection refused; .*--admin\n$/,
    );
  });

  it("says so when the answer is no JSON, or no problem document", async () => {
    await using api = new FakeApi(({ line }) =>
      new Response("<html>\nBad gateway", { status: line.includes("reload") ? 502 : 200 })
    );
    const wrong = await ctl(["status", "--admin", api.url]);
    assertEquals([wrong.code, wrong.out], [1, ""]);
    assertStringIncludes(wrong.err, "it is no JSON");
    assertStringIncludes((await ctl(["reload", "--admin", api.url])).err, '"<html> Bad gateway" (502)');
  });

  it("refuses addresses and certificates that go with nothing, as wrong usage", async () => {
    for (
      const [argv, message] of [
        [["--admin", "127.0.0.1:9900"], "must be http://HOST:PORT, https://HOST:PORT or unix:/PATH"],
        [["--admin", "http://h:1/v1"], "must be http://HOST:PORT"],
        [["--admin", "http://user:pw@h:1"], "must be http://HOST:PORT"],
        [["--admin", "unix:relative"], "must be http://HOST:PORT"],
        [["--cert", "c"], "--cert and --key must be given together"],
        [["--admin", "http://h:1", "--ca", "c"], "need an https address"],
        [["--tokn-file", "c"], "did you mean --token-file?"],
        [["--token", "slc_x"], "unknown flag --token; did you mean --token-file?"],
      ] as const
    ) {
      const ran = await ctl(["status", ...argv]);
      assertEquals(ran.code, 2, argv.join(" "));
      assertStringIncludes(ran.err, message);
    }
  });

  it("warns of a token that goes over the network in clear", async () => {
    const ran = await ctl(["status", "--admin", "http://192.0.2.1.invalid:9900"], { env: { SLUICE_TOKEN: "slc_x" } });
    assertStringIncludes(ran.err, "is not encrypted");
  });

  it("trusts no server when nobody says which", async () => {
    const ran = await ctl(["status", "--admin", "https://127.0.0.1:9"]);
    assertEquals([ran.code, ran.out], [1, ""]);
    assertStringIncludes(ran.err, "name one with --ca");
  });

  it("with --json, writes the problem as it is", async () => {
    await using api = new FakeApi(() => problem(404, "Not found", "there is none"));
    const ran = await ctl(["--json", "--admin", api.url, "tenants", "get", "acme"]);
    assertEquals(ran.code, 1);
    assertEquals(JSON.parse(ran.out).status, 404);
    assertEquals(ran.err, "sluice: ctl tenants get acme: Not found: there is none (404)\n");
  });
});

describe("parseAdmin", () => {
  it("knows hosts, ports and sockets", () => {
    assertEquals(parseAdmin("http://[::1]:9900"), {
      kind: "http",
      host: "::1",
      port: 9900,
    });
    assertEquals(parseAdmin("http://proxy"), { kind: "http", host: "proxy", port: 80 });
    assertEquals(parseAdmin("https://proxy:9443/"), { kind: "https", host: "proxy", port: 9443 });
    assertEquals(parseAdmin("unix:/run/a.sock"), { kind: "unix", path: "/run/a.sock" });
    assertEquals(parseAdmin("unix:///run/a.sock"), { kind: "unix", path: "/run/a.sock" });
  });
});

describe("pathOf", () => {
  it("keeps each part one part", () => {
    assertEquals(pathOf("tenants", "a/../b?c#d"), "/v1/tenants/a%2F..%2Fb%3Fc%23d");
    for (const part of ["", ".", ".."]) {
      let message = "";
      try {
        pathOf("tenants", part);
      } catch (error) {
        message = String(error);
      }
      assertStringIncludes(message, "every part must be an id");
    }
  });
});
