/** Every answer that the OpenAPI document declares can be had, and is as declared. */
import { assertEquals } from "@std/assert";
import { ControlError, type ControlErrorKind } from "../../src/admin/control.ts";
import { FAILURES } from "../../src/admin/throttle.ts";
import { AdminBench, type Ask } from "../helpers/admin_bench.ts";
import { FakeControl, tenantOf } from "../helpers/admin_control.ts";

const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const VERBS = [
  "replaceConfig",
  "validateConfig",
  "reload",
  "rollback",
  "edit",
  "setEnabled",
  "drainTenant",
  "killSessions",
  "killSession",
] as const;

/** A route, and a request of it that is answered well. */
interface Case {
  readonly method: string;
  readonly template: string;
  readonly path: string;
  readonly ask: Ask;
}

function caseOf(method: string, template: string): Case {
  const path = template.replace("{tenant}", "acme").replace("{backend}", "out").replace("{listener}", "in")
    .replace("{route}", "r").replace("{endpoint}", "a").replace("{session}", ULID);
  const isVerb = /\/(enable|disable|drain|ready|maintenance|reload)$/.test(path);
  const json = path.endsWith("/rollback")
    ? { generation: 1 }
    : path.includes("/config")
    ? {}
    : { ...tenantOf("x"), id: "x", address: "127.0.0.1:1", listener: "edge", backend: "out" };
  const part = Object.fromEntries(partKeys(template).map((key) => [key, (json as Record<string, unknown>)[key]]));
  const body = path.includes("/config") ? json : part;
  const headers: Record<string, string> = template === "/v1/config" ? { "If-Match": "*" } : {};
  const hasBody = method === "PUT" || method === "PATCH" || (method === "POST" && !isVerb);
  const ask: Ask = !hasBody ? {} : { json: method === "PATCH" ? {} : body, headers };
  return { method, template, path, ask };
}

/** Keys of the object behind a path that its schema needs. */
function partKeys(template: string): string[] {
  if (template.includes("/endpoints")) return ["id", "address"];
  if (template.includes("/listeners")) return ["id", "address", "backend"];
  if (template.includes("/routes")) return ["id", "listener", "backend"];
  if (template.includes("/backends")) return ["id"];
  return ["id", "listeners", "backends"];
}

function reset(bench: AdminBench): void {
  const fresh = new FakeControl();
  for (const verb of VERBS) delete (bench.control as Partial<FakeControl>)[verb];
  bench.control.validateConfig = fresh.validateConfig;
  Object.assign(bench.control, { ready: true, reloadOk: true, draining: 0, failure: null });
  bench.control.tenants.clear();
  bench.control.tenants.set("acme", tenantOf("acme", { routes: [{ id: "r", listener: "edge", backend: "out" }] }));
  bench.control.sessionList.length = 0;
  bench.control.sessionList.push({ session: ULID, tenant: "acme", client: "192.0.2.1" });
  bench.nowMs += 100_000;
}

/** Makes every verb of the control plane fail. */
function refuse(bench: AdminBench, kind: ControlErrorKind): void {
  for (const verb of VERBS) {
    Object.assign(bench.control, {
      [verb]: () => {
        throw new ControlError(kind, "no");
      },
    });
  }
}

type Provoke = (bench: AdminBench, one: Case) => Promise<unknown>;
const refused = (kind: ControlErrorKind): Provoke => (bench, { method, path, ask }) => {
  refuse(bench, kind);
  return bench.ask(method, path, ask);
};
const withHeaders = (headers: Record<string, string>): Provoke => (bench, { method, path, ask }) =>
  bench.ask(method, path, { ...ask, headers: { ...ask.headers, ...headers } });
const plain: Provoke = (bench, { method, path, ask }) => bench.ask(method, path, ask);

const PROVOKE: Readonly<Record<string, Provoke>> = {
  200: (bench, { method, template, path, ask }) => {
    const isCreate = method === "POST" && "json" in ask && !template.includes("/config");
    const isDelete = method === "DELETE";
    return bench.ask(method, isCreate || isDelete ? `${path}?dry_run=true` : path, ask);
  },
  201: (bench, { method, path, ask }) =>
    bench.ask(method, method === "PUT" ? path.replace(/[^/]+$/, "new") : path, ask),
  202: (bench, one) => {
    bench.control.draining = 1;
    return plain(bench, one);
  },
  204: plain,
  302: plain,
  304: withHeaders({ "If-None-Match": "*" }),
  400: (bench, { method, path, ask }) => bench.ask(method, `${path}?nonsense=1`, ask),
  401: (bench, { method, path, ask }) => bench.ask(method, path, { ...ask, who: "nobody" }),
  403: withHeaders({ Origin: "https://evil.example" }),
  404: (bench, { method, template, path, ask }) => {
    if (template.includes("{")) return bench.ask(method, path.replace("acme", "ACME").replace(ULID, "x"), ask);
    if (template.endsWith("/rollback")) return bench.ask(method, path, { json: { generation: 99 } });
    return bench.ask(method, `${path}?tenant=other`, { ...ask, who: "acme" });
  },
  409: refused("exists"),
  412: refused("precondition_failed"),
  413: withHeaders({ "Content-Length": "99999999" }),
  415: withHeaders({ "Content-Type": "text/plain" }),
  421: withHeaders({ Host: "evil.example" }),
  422: (bench, one) => {
    bench.control.reloadOk = false;
    if (one.template.endsWith("/reload")) return plain(bench, one);
    return "json" in one.ask
      ? bench.ask(one.method, one.path, { ...one.ask, json: [] })
      : refused("invalid")(bench, one);
  },
  428: refused("precondition_required"),
  429: async (bench, { method, path, ask }) => {
    const guess = { ...ask, who: "nobody", headers: { ...ask.headers, Authorization: "Bearer guess" } } as const;
    for (let turn = 0; turn <= FAILURES; turn++) await bench.ask(method, path, guess);
  },
  500: async (bench, one) => {
    const { access } = bench;
    Object.defineProperty(bench, "access", {
      configurable: true,
      get: () => {
        throw new Error("broken");
      },
    });
    await plain(bench, one);
    Object.defineProperty(bench, "access", { configurable: true, writable: true, value: access });
  },
  503: (bench, one) => {
    bench.control.ready = false;
    return refused("stopping")(bench, one);
  },
};

Deno.test("admin contract: every declared answer of every route is given, and none that is not declared", async () => {
  const bench = new AdminBench();
  const contract = await bench.contract();
  const missing: string[] = [];
  for (const [template, methods] of Object.entries(contract.document.paths)) {
    for (const [lower, { responses }] of Object.entries(methods)) {
      const one = caseOf(lower.toUpperCase(), template);
      for (const status of Object.keys(responses)) {
        reset(bench);
        await PROVOKE[status]?.(bench, one);
        if (!contract.seen.has(`${one.method} ${template} ${status}`)) {
          missing.push(`${one.method} ${template} ${status}`);
        }
      }
    }
  }
  assertEquals(missing, []);
});

Deno.test("admin contract: the routes are those of the contract", async () => {
  const { document } = await new AdminBench().contract();
  const items = (kind: string, id: string) => [
    `/v1/tenants/{tenant}/${kind} get,post`,
    `/v1/tenants/{tenant}/${kind}/{${id}} delete,get,patch,put`,
  ];
  const endpoint = "/v1/tenants/{tenant}/backends/{backend}/endpoints";
  const wanted = [
    "/ get",
    "/docs get",
    "/docs/docs.css get",
    "/docs/docs.js get",
    "/metrics get",
    "/openapi.json get",
    "/v1/audit get",
    "/v1/config get,put",
    "/v1/config/generations get",
    "/v1/config/reload post",
    "/v1/config/rollback post",
    "/v1/config/schema get",
    "/v1/config/validate post",
    "/v1/events get",
    "/v1/live get",
    "/v1/ready get",
    "/v1/sessions delete,get",
    "/v1/sessions/{session} delete,get",
    "/v1/stats get",
    "/v1/status get",
    "/v1/tenants get,post",
    "/v1/tenants/{tenant} delete,get,patch,put",
    ...items("backends", "backend"),
    ...items("listeners", "listener"),
    ...items("routes", "route"),
    `${endpoint} get,post`,
    `${endpoint}/{endpoint} delete,get,patch,put`,
    ...["drain", "maintenance", "ready"].map((verb) => `${endpoint}/{endpoint}/${verb} post`),
    ...["disable", "drain", "enable"].map((verb) => `/v1/tenants/{tenant}/${verb} post`),
    "/v1/tenants/{tenant}/status get",
  ];
  const found = Object.entries(document.paths).map(([path, methods]) => `${path} ${Object.keys(methods).sort()}`);
  assertEquals(found.sort(), wanted.sort());
});
