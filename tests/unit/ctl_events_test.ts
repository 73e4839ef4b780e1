/** `ctl events`: the stream's format, the end of what is kept, and coming back where it broke. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { AdminClient } from "../../src/ctl/client.ts";
import { parseAdmin } from "../../src/ctl/address.ts";
import { followEvents, type Message, messagesOf } from "../../src/ctl/events.ts";
import { ctl, FakeApi, problem } from "./ctl_fixture.ts";

function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks).pipeThrough(new TextEncoderStream());
}

function event(id: number): string {
  const changes = Array.from({ length: id + 2 }, (_, index) => ({ op: "add", path: `/${index}`, to: index }));
  const data = { id, at: "2026-11-21T08:00:00Z", kind: "config", tenant: "acme", data: { generation: id, changes } };
  return `id: ${id}\nevent: config\ndata: ${JSON.stringify(data)}\n\n`;
}

function answer(text: string): Response {
  return new Response(text, { headers: { "content-type": "text/event-stream" } });
}

describe("messagesOf", () => {
  it("reads messages however they are cut, with every line end", async () => {
    const text =
      ": hello\n\nretry: 5\nid: 1\nevent: config\ndata: a\ndata:  b\n\r\nid:2\r\ndata\r\n\r\rdata: last without end";
    const wanted = [{ id: "1", event: "config", data: "a\n b" }, { id: "2", event: "message", data: "" }];
    assertEquals(await Array.fromAsync(messagesOf(streamOf(text))), wanted);
    assertEquals(await Array.fromAsync(messagesOf(streamOf(...text))), wanted);
  });

  it("does not hold a message without an end", async () => {
    const endless = streamOf(...Array.from({ length: 20 }, () => "data: ".padEnd(100_000, "x") + "\n"));
    let message = "";
    try {
      await Array.fromAsync(messagesOf(endless));
    } catch (error) {
      message = String(error);
    }
    assertStringIncludes(message, "a message has no end");
  });
});

describe("followEvents", () => {
  it("comes back with the id of the last message, and stops when it is refused", async () => {
    const answers = [answer(event(7)), problem(503, "Service unavailable", "stopping"), answer(event(8))];
    await using api = new FakeApi(() => answers.shift() ?? problem(401, "Unauthorized", "gone"));
    const client = new AdminClient({ address: parseAdmin(api.url), shown: api.url });
    const broken: string[] = [];
    const got: Message[] = [];
    let refusal = "";
    try {
      const events = followEvents(client, {
        query: {},
        signal: new AbortController().signal,
        isFollowing: true,
        onOpen: () => {},
        onBroken: (error, pauseMs) => void broken.push(`${error.message} ${pauseMs}`),
        pause: () => Promise.resolve(),
      });
      for await (const message of events) got.push(message);
    } catch (error) {
      refusal = String(error);
    }
    assertEquals(got.map(({ id }) => id), ["7", "8"]);
    assertEquals(api.seen.map(({ headers }) => headers.get("last-event-id")), [null, "7", "7", "8"]);
    assertEquals(broken, [
      "the stream ended 500",
      "Service unavailable: stopping (503) 1000",
      "the stream ended 500",
    ]);
    assertStringIncludes(refusal, "Unauthorized");
  });
});

describe("ctl events", () => {
  it("shows what is kept, over several streams when one is cut short", async () => {
    const answers = [answer(event(1) + event(2)), answer(event(3))];
    await using api = new FakeApi(() => answers.shift() ?? answer(": nothing\n\n"));
    const ran = await ctl(["events", "--tenant", "acme", "--admin", api.url], { isLive: true });
    assertEquals(ran.err, "");
    assertEquals(
      ran.out,
      ["", "; and 1 more", "; and 2 more"].map((more, index) =>
        `2026-11-21T08:00:00Z #${index + 1} config acme generation=${index + 1} + /0: 0; + /1: 1; + /2: 2${more}\n`
      ).join(""),
    );
    assertEquals(api.seen.map(({ headers }) => headers.get("last-event-id")), ["0", "2", "3"]);
    assertEquals(api.lines[0], "GET /v1/events?tenant=acme");
  });

  it("shows whose sessions are refused", async () => {
    const about = { reason: "tenant_rate", count: 12, dry_run: false };
    const data = { id: 9, at: "2026-11-21T08:00:00Z", kind: "limit", tenant: "acme", data: about };
    const answers = [answer(`id: 9\nevent: limit\ndata: ${JSON.stringify(data)}\n\n`)];
    await using api = new FakeApi(() => answers.shift() ?? answer(": nothing\n\n"));
    const ran = await ctl(["events", "--admin", api.url], { isLive: true });
    assertEquals(ran.out, "2026-11-21T08:00:00Z #9 limit acme reason=tenant_rate count=12 dry_run=false\n");
  });

  it("ends when a stream that stays open has been quiet", async () => {
    await using api = new FakeApi(() => {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new TextEncoder().encode(event(5))),
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    });
    const ran = await ctl(["events", "--since", "4", "--json", "--admin", api.url], { isLive: true });
    assertEquals([ran.code, JSON.parse(ran.out).id], [0, 5]);
  });

  it("ends when nobody reads what it writes", async () => {
    await using api = new FakeApi(() => answer(event(1) + event(2)));
    const ran = await ctl(["events", "--follow", "--admin", api.url], { readsLines: 1 });
    assertEquals([ran.code, ran.out.split("\n").length], [0, 2]);
  });

  it("is 1 when it is refused, 2 for a since that is none", async () => {
    await using api = new FakeApi(() => problem(401, "Unauthorized", "no token"));
    assertEquals((await ctl(["events", "--follow", "--admin", api.url])).code, 1);
    assertEquals((await ctl(["events", "--since", "yesterday", "--admin", api.url])).code, 2);
  });
});
