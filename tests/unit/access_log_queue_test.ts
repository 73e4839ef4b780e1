/** The queue in front of a slow stream: order, bounds, what is dropped, and lines that were torn by a failure. */
import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LineQueue } from "../../src/access_log/queue.ts";
import { HeldStream } from "./access_log_fixture.ts";

function queueOn(stream: HeldStream, mostBytes = 1000) {
  const errors: unknown[] = [];
  return { errors, queue: new LineQueue(stream, mostBytes, (error) => errors.push(error)) };
}

describe("LineQueue", () => {
  it("writes everything in order, however little a write takes", async () => {
    const stream = new HeldStream();
    stream.mostBytes = 3;
    const { queue } = queueOn(stream);
    for (const line of ["one\n", "two, longer\n", "three\n"]) queue.push(line, 1);
    await queue.flush();
    assertEquals(stream.text, "one\ntwo, longer\nthree\n");
    assertEquals(queue.dropped, 0);
  });

  it("puts what waits into one write", async () => {
    const stream = new HeldStream();
    stream.isHeld = true;
    const { queue } = queueOn(stream);
    queue.push("first\n", 1);
    for (let index = 0; index < 20; index++) queue.push(`${index}\n`, 1);
    stream.release();
    await queue.flush();
    assertEquals(stream.writes, 2);
    assertEquals(stream.text.split("\n").length, 22);
  });

  it("drops whole pushes that do not fit, counts their lines, and takes more when there is room again", async () => {
    const stream = new HeldStream();
    stream.isHeld = true;
    const { queue } = queueOn(stream, 10);
    queue.push("12345678\n", 1);
    queue.push("a\nb\n", 2);
    queue.push("\n", 1);
    assertEquals(queue.dropped, 2);
    stream.release();
    await queue.flush();
    queue.push("123456789\n", 1);
    await queue.flush();
    assertEquals(stream.text, "12345678\n\n123456789\n");
    assertEquals(queue.dropped, 2);
  });

  it("counts what a failed write lost, tells, and goes on with the next", async () => {
    const stream = new HeldStream();
    stream.isHeld = true;
    stream.failures.push(new Error("no space"));
    const { queue, errors } = queueOn(stream);
    queue.push("lost\nlost too\n", 2);
    queue.push("kept\n", 1);
    stream.release();
    await queue.flush();
    assertEquals(stream.text, "kept\n");
    assertEquals(queue.dropped, 2);
    assert(errors[0] instanceof Error);
  });

  it("ends a line that a failure has torn before it writes the next", async () => {
    const stream = new HeldStream();
    stream.mostBytes = 2;
    stream.failures.push(undefined, new Error("no space"));
    const { queue } = queueOn(stream);
    queue.push("torn\n", 1);
    await queue.flush();
    queue.push("b\n", 1);
    await queue.flush();
    assertEquals(stream.text, "to\nb\n");
  });

  it("counts what it gives up on, the write under way included, once", async () => {
    const stream = new HeldStream();
    stream.isHeld = true;
    const { queue } = queueOn(stream);
    queue.push("under\nway\n", 2);
    queue.push("waiting\n", 1);
    queue.abandon();
    assertEquals(queue.dropped, 3);
    stream.failures.push(new Error("closed"));
    stream.release();
    await queue.flush();
    assertEquals([stream.text, queue.dropped], ["", 3]);
  });
});
