/** `@std/testing/time` as published. */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FakeTime, TimeError } from "@std/testing/time";

describe("FakeTime", () => {
  it("stands still until it is moved", () => {
    using time = new FakeTime(1000);
    assertEquals([Date.now(), new Date().getTime(), time.start], [1000, 1000, 1000]);
    time.tick(50);
    assertEquals([Date.now(), time.now], [1050, 1050]);
    assertEquals(new Date(5).getTime(), 5);
    assertEquals(new Date() instanceof Date, true);
  });

  it("runs timers in the order in which they are due, at their own time", () => {
    using time = new FakeTime(0);
    const seen: [string, number][] = [];
    const note = (name: string) => void seen.push([name, Date.now()]);
    setTimeout(note, 30, "c");
    setTimeout(note, 10, "a");
    setTimeout(note, 10, "b");
    setTimeout(() => setTimeout(note, 5, "nested"), 10);
    const never = setTimeout(note, 20, "never");
    clearTimeout(never);
    time.tick(9);
    assertEquals(seen, []);
    time.tick(21);
    assertEquals(seen, [["a", 10], ["b", 10], ["nested", 15], ["c", 30]]);
  });

  it("repeats intervals until they are cleared, also by themselves", () => {
    using time = new FakeTime(0);
    let calls = 0;
    const id = setInterval(() => {
      if (++calls === 3) clearInterval(id);
    }, 10);
    time.tick(100);
    assertEquals(calls, 3);
  });

  it("goes on to the next timer, and to the last", async () => {
    using time = new FakeTime(0);
    const seen: number[] = [];
    for (const ms of [30, 10, 20]) setTimeout(() => seen.push(ms), ms);
    assertEquals(time.next(), true);
    assertEquals([seen, time.now], [[10], 10]);
    await time.runAllAsync();
    assertEquals([seen, time.now], [[10, 20, 30], 30]);
    assertEquals(time.next(), false);
  });

  it("lets promises run before it moves", async () => {
    using time = new FakeTime(0);
    let done = false;
    Promise.resolve().then(() => setTimeout(() => done = true, 10));
    await time.tickAsync(10);
    assertEquals(done, true);
  });

  it("does not go back, and is not put up twice", () => {
    using time = new FakeTime(10);
    assertThrows(() => time.now = 9);
    assertThrows(() => new FakeTime(), TimeError);
    assertThrows(() => new FakeTime("no date"), TimeError);
  });

  it("gives the real time back", () => {
    const { Date: realDate, setTimeout: realSetTimeout } = globalThis;
    const time = new FakeTime(0);
    assertEquals(globalThis.Date === realDate, false);
    time.restore();
    assertEquals([globalThis.Date === realDate, globalThis.setTimeout === realSetTimeout], [true, true]);
    assertThrows(() => time.restore(), TimeError);
    assertThrows(() => FakeTime.restore(), TimeError);
  });
});
