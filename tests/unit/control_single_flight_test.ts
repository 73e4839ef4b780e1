/** One at a time, the latest wins. */
import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SingleFlight } from "../../src/control/single_flight.ts";

/** A task that ends when the test says so. */
function heldTask() {
  const runs: PromiseWithResolvers<number>[] = [];
  const flight = new SingleFlight(() => {
    const run = Promise.withResolvers<number>();
    runs.push(run);
    return run.promise;
  });
  return { runs, flight };
}

/** Lets everything that is ready run. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("SingleFlight", () => {
  it("makes one further run of all requests that come while one is under way", async () => {
    const { runs, flight } = heldTask();
    const first = flight.request();
    const others = [flight.request(), flight.request(), flight.request()];
    await turn();
    assertEquals(runs.length, 1);
    runs[0]?.resolve(1);
    assertEquals(await first, 1);
    await turn();
    assertEquals(runs.length, 2);
    runs[1]?.resolve(2);
    assertEquals(await Promise.all(others), [2, 2, 2]);
    assertEquals(runs.length, 2);
  });

  it("gives a request that comes during the further run one of its own", async () => {
    const { runs, flight } = heldTask();
    flight.request();
    const second = flight.request();
    runs[0]?.resolve(1);
    await turn();
    const third = flight.request();
    runs[1]?.resolve(2);
    assertEquals(await second, 2);
    await turn();
    runs[2]?.resolve(3);
    assertEquals(await third, 3);
  });

  it("runs again after a run that failed", async () => {
    const { runs, flight } = heldTask();
    const first = flight.request();
    const second = flight.request();
    runs[0]?.reject(new Error("first"));
    await assertRejects(() => first, Error, "first");
    await turn();
    runs[1]?.resolve(2);
    assertEquals(await second, 2);
    const third = flight.request();
    runs[2]?.resolve(3);
    assertEquals(await third, 3);
  });
});
