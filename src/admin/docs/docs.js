/**
 * The page at /docs: reads /openapi.json with the user's token, shows every route, and sends requests to this server.
 * What the server says is only ever put in as text.
 */

const byId = (id) => document.getElementById(id);
let token = "";

/** An element with properties and children. */
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function headers(extra = {}) {
  return token === "" ? extra : { Authorization: `Bearer ${token}`, ...extra };
}

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  byId("state").textContent = "Reading…";
  try {
    const response = await fetch("/openapi.json", { headers: headers() });
    if (!response.ok) throw new Error(`${response.status} ${(await response.json()).detail ?? ""}`);
    show(await response.json());
    byId("state").textContent = "";
  } catch (error) {
    byId("state").textContent = String(error.message ?? error);
  }
});

function show(api) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? "";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(route(api, path, method, operation));
    }
  }
  const title = make("p", {}, `${api.info.title} ${api.info.version}, OpenAPI ${api.openapi}`);
  const sections = [...groups].map(([tag, routes]) => make("section", {}, make("h2", {}, tag), ...routes));
  byId("routes").replaceChildren(title, ...sections);
}

function route(api, path, method, operation) {
  const details = make("details");
  const head = make("summary", {}, make("span", { className: "method" }, method.toUpperCase()), make("code", {}, path));
  head.append(` ${operation.summary ?? ""}`);
  details.append(head);
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(inside(api, path, method, operation));
  });
  return details;
}

function inside(api, path, method, operation) {
  const parameters = (operation.parameters ?? []).map((parameter) => {
    const input = make("input", { placeholder: parameter.schema?.type ?? "" });
    return { ...parameter, input };
  });
  const table = make("table");
  for (const { name, in: place, description = "", required, input } of parameters) {
    const label = `${name}${required ? " *" : ""}`;
    table.append(
      make(
        "tr",
        {},
        make("td", {}, make("code", {}, label)),
        make("td", {}, place),
        make("td", {}, input),
        make("td", {}, description),
      ),
    );
  }
  const content = operation.requestBody?.content;
  const type = make("select");
  for (const name of Object.keys(content ?? {})) type.append(make("option", { value: name }, name));
  const body = make("textarea", { spellcheck: false, placeholder: "body" });
  const answer = make("pre", { hidden: true });
  const button = make("button", { type: "button" }, "Send");
  button.addEventListener(
    "click",
    () => send({ path, method, parameters, type, body, hasBody: content !== undefined, answer }),
  );

  const box = make("div", {}, table);
  if (content !== undefined) {
    box.append(make("div", { className: "row" }, "Body", type), body, schemaOf("Schema of the body", api, content));
  }
  box.append(make("div", { className: "row" }, button), answer, make("h3", {}, "Answers"));
  const answers = make("table");
  for (const [status, response] of Object.entries(operation.responses)) {
    const names = Object.keys(response.content ?? {}).join(", ");
    answers.append(make("tr", {}, make("td", {}, status), make("td", {}, response.description), make("td", {}, names)));
  }
  const good = Object.entries(operation.responses).find(([status]) => status.startsWith("2"))?.[1].content;
  box.append(answers);
  if (good !== undefined) box.append(schemaOf("Schema of the answer", api, good));
  return box;
}

function schemaOf(title, api, content) {
  const details = make("details", {}, make("summary", {}, title));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const schemas = Object.values(content).map(({ schema }) => resolve(api, schema));
    details.append(make("div", {}, make("pre", {}, JSON.stringify(schemas[0] ?? {}, null, 2))));
  });
  return details;
}

/** The schema with its own reference followed; those below stay references. */
function resolve(api, schema) {
  const name = schema?.$ref?.split("/").at(-1);
  return name === undefined ? schema : api.components.schemas[name] ?? schema;
}

async function send({ path, method, parameters, type, body, hasBody, answer }) {
  const query = new URLSearchParams();
  const extra = {};
  let target = path;
  for (const { name, in: place, input } of parameters) {
    const value = input.value.trim();
    if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(value));
    else if (value !== "" && place === "query") query.append(name, value);
    else if (value !== "" && place === "header") extra[name] = value;
  }
  if (hasBody) extra["Content-Type"] = type.value;
  const url = query.size > 0 ? `${target}?${query}` : target;
  answer.hidden = false;
  answer.textContent = "…";
  try {
    const response = await fetch(url, {
      method: method.toUpperCase(),
      headers: headers(extra),
      ...(hasBody ? { body: body.value } : {}),
    });
    const lines = [`${response.status} ${response.statusText}`];
    for (const name of ["etag", "location", "sluice-generation", "sluice-sessions", "content-type"]) {
      if (response.headers.has(name)) lines.push(`${name}: ${response.headers.get(name)}`);
    }
    answer.textContent = `${lines.join("\n")}\n\n`;
    if (response.body !== null) await pour(response, answer);
  } catch (error) {
    answer.textContent = String(error.message ?? error);
  }
}

/** Shows a body as it comes: events have no end. */
async function pour(response, answer) {
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  if (isJson) {
    answer.append(JSON.stringify(await response.json(), null, 2));
    return;
  }
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) answer.append(text);
}
