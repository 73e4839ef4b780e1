/**
 * A reader of `/v1/events`: all that has been told so far, and waits for what is to be told.
 *
 * @module
 */
import { messagesOf } from "../../src/ctl/events.ts";
import { eventually, within } from "./eventually.ts";
import { type Body, type Operator, OPERATOR_TOKEN } from "./operator.ts";

/** An event as the API writes it. */
export interface TestEvent {
  readonly kind: string;
  readonly tenant: string | null;
  readonly data: Body;
}

/** Follows the events of a process. */
export class Events implements AsyncDisposable {
  /** In the order in which they came. */
  readonly seen: TestEvent[] = [];
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #pump: Promise<void>;

  private constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader();
    this.#pump = this.#read();
  }

  /** Begins with what is still kept. */
  static async follow(operator: Operator): Promise<Events> {
    const headers = { Authorization: `Bearer ${OPERATOR_TOKEN}`, "Last-Event-ID": "0" };
    const asked = fetch(`http://${operator.listen}/v1/events`, { headers });
    const { body } = await within(asked, "the stream of events");
    if (body === null) throw new Error("There must be a stream of events");
    return new Events(body);
  }

  async #read(): Promise<void> {
    const reader = this.#reader;
    // A stream of its own, because the one that is iterated over cannot be cancelled meanwhile.
    const chunks = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
    for await (const { data } of messagesOf(chunks)) this.seen.push(JSON.parse(data) as TestEvent);
  }

  /** The data of those of a kind whose data has these fields. */
  like(kind: string, fields: Readonly<Record<string, unknown>> = {}): Body[] {
    return this.seen.filter((event) => event.kind === kind).map(({ data }) => data)
      .filter((data) => Object.entries(fields).every(([key, value]) => data[key] === value));
  }

  /** The data of the first one like that, as soon as it has come. */
  until(kind: string, fields: Readonly<Record<string, unknown>>, count = 1): Promise<Body> {
    return eventually(() => this.like(kind, fields)[count - 1], {
      what: `event ${count} of kind ${kind} with ${JSON.stringify(fields)}`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
    await this.#pump;
  }
}
