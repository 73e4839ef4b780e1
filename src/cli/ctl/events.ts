/**
 * `sluice ctl events`: what happens, as it happens.
 *
 * @module
 */
import { followEvents, type Message } from "../../ctl/events.ts";
import { formatChange } from "../../ctl/changes.ts";
import { formatSpan } from "../../ctl/format.ts";
import { asItem, itemsOf, text } from "../../ctl/lists.ts";
import { toned } from "../../ctl/tables.ts";
import { type Command, UsageError } from "../command.ts";
import { idFlag } from "./operands.ts";
import { ctlCommand, type CtlDeps } from "./context.ts";

/** Without --follow, the events that are kept have come when there was none for so long. */
const QUIET_MS = 500;

/** The command. */
export function eventsCommand(deps: CtlDeps): Command {
  return ctlCommand(deps, {
    name: "ctl events",
    summary: "show events: config, health, breaker, limit, canary, drain",
    description:
      "Shows the events that the proxy still keeps, and with --follow those that come, until Ctrl-C. A stream\n" +
      "that breaks is opened again where it ended. --json writes one event a line.",
    flags: [
      { name: "follow", summary: "go on with what comes" },
      { name: "since", value: "ID", summary: "only those after this one (else all that are kept)" },
      { name: "tenant", value: "ID", summary: "only of this tenant" },
    ],
    check: (args) => {
      idFlag(args, "tenant");
      const since = args.values.get("since");
      if (since !== undefined && !/^\d{1,16}$/.test(since)) {
        throw new UsageError(`--since must be the number of an event: current value is ${JSON.stringify(since)}`);
      }
    },
    work: async ({ client, args, io, isJson }) => {
      const isFollowing = args.switches.has("follow");
      const end = new AbortController();
      const quiet = isFollowing ? undefined : new Quiet(() => end.abort(), deps);
      const events = followEvents(client, {
        since: args.values.get("since") ?? "0",
        query: { tenant: idFlag(args, "tenant") },
        signal: end.signal,
        isFollowing,
        onOpen: () => quiet?.touch(),
        onBroken: (error, pauseMs) =>
          io.err(`sluice: ctl events: ${error.message}; trying again in ${formatSpan(pauseMs)}\n`),
        pause: (ms) => deps.pause(ms, end.signal),
      });
      for await (const message of events) {
        quiet?.touch();
        io.out(isJson ? `${message.data}\n` : `${lineOf(message, io.color)}\n`);
        if (io.isGone?.() === true) break;
      }
      return 0;
    },
  });
}

/** Calls back once nothing was heard for a while. */
class Quiet {
  readonly #over: () => void;
  readonly #deps: CtlDeps;
  #timer = new AbortController();

  constructor(over: () => void, deps: CtlDeps) {
    this.#over = over;
    this.#deps = deps;
  }

  /** Something was heard. */
  touch(): void {
    this.#timer.abort();
    const timer = this.#timer = new AbortController();
    this.#deps.pause(QUIET_MS, timer.signal).then(() => {
      if (!timer.signal.aborted) this.#over();
    });
  }
}

/** Changes that a line shows. */
const MOST_CHANGES = 3;

function lineOf({ id, event, data }: Message, color: boolean): string {
  const { at, kind, tenant, data: about } = asItem(parsed(data));
  const { changes, ...rest } = asItem(about);
  const details = Object.entries(rest).map(([key, value]) => `${key}=${text(value)}`);
  const all = itemsOf(changes);
  const shown = all.slice(0, MOST_CHANGES).map((change) => formatChange(change, false)).join("; ");
  const more = all.length > MOST_CHANGES ? `; and ${all.length - MOST_CHANGES} more` : "";
  const line = [at, id === "" ? undefined : `#${id}`, kind ?? event, tenant, ...details, shown + more];
  const words = line.filter((part) => part !== undefined && part !== null && part !== "").map(text);
  return toned(words.join(" "), undefined, color);
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return { data: { data } };
  }
}
