/**
 * What is measured: each row is one kind of traffic, at a load that is the same for every contestant. Read by run.ts.
 *
 * @module
 */

/** What clients send on each connection before its first request. */
export interface Prefix {
  /** A file with one or more of the same size, in rising order; they are sent in turn. */
  readonly path: string;
  readonly size: number;
  /** Whether it reaches the backend; false where the proxy takes it out. */
  readonly arrives: boolean;
}

/** A kind of traffic. */
export interface Row {
  readonly name: string;
  /** For the tables. */
  readonly title: string;
  readonly mode: "short" | "rr" | "up" | "down";
  /** Which service of the backend the proxy forwards to. */
  readonly service: "once" | "reply" | "bulk";
  /** Bytes of a request and of its answer; no meaning for bulk. */
  readonly size: number;
  readonly concurrency: number;
  readonly clientCloses: boolean;
  /** Operations, or bytes for bulk, a second of the run; the work is this times the seconds wanted. */
  readonly perSecond: number;
  /** False: the next operation starts when one is done, as fast as it goes. */
  readonly paced: boolean;
  readonly prefix?: Prefix;
  /** What an operation is called, and how many of what the load generator counts make one. */
  readonly unit: { readonly name: "connection" | "request" | "GB"; readonly size: number };
}

const CONNECTION = { name: "connection", size: 1 } as const;
const REQUEST = { name: "request", size: 1 } as const;
const GIGABYTE = { name: "GB", size: 1e9 } as const;

const short = { mode: "short", size: 64, clientCloses: false, unit: CONNECTION } as const;
const kept = { mode: "rr", service: "reply", clientCloses: false, unit: REQUEST } as const;
const bulk = { service: "bulk", size: 64, concurrency: 4, clientCloses: false, unit: GIGABYTE } as const;

/** Loads below saturation of every contestant on one core of 2020s hardware: what is compared is the cost of the work. */
const PACED: readonly Row[] = [
  {
    ...short,
    name: "short",
    title: "short connections, the endpoint closes first",
    service: "once",
    concurrency: 1000,
    perSecond: 5000,
    paced: true,
  },
  {
    ...short,
    name: "short-client",
    title: "short connections, the client closes first",
    service: "reply",
    clientCloses: true,
    concurrency: 1000,
    perSecond: 5000,
    paced: true,
  },
  { ...kept, name: "rr64", title: "request/response, 64 B", size: 64, concurrency: 64, perSecond: 15000, paced: true },
  {
    ...kept,
    name: "rr16k",
    title: "request/response, 16 KiB",
    size: 16384,
    concurrency: 32,
    perSecond: 6000,
    paced: true,
  },
  { ...bulk, name: "up", title: "bulk up, 4 streams", mode: "up", perSecond: 800e6, paced: true },
  { ...bulk, name: "down", title: "bulk down, 4 streams", mode: "down", perSecond: 800e6, paced: true },
];

/** The same work with no pace: whoever is the bottleneck, proxy or load generator, sets the speed. */
const CLOSED_PER_SECOND: Readonly<Record<string, readonly [perSecond: number, concurrency: number]>> = {
  "short": [8000, 64],
  "short-client": [8000, 64],
  "rr64": [50000, 64],
  "rr16k": [15000, 32],
  "up": [1.5e9, 4],
  "down": [1.5e9, 4],
};

function closedLoop(row: Row): Row {
  const [perSecond, concurrency] = CLOSED_PER_SECOND[row.name] ?? [row.perSecond, row.concurrency];
  return {
    ...row,
    name: `${row.name}-max`,
    title: `${row.title}, as fast as it goes`,
    perSecond,
    concurrency,
    paced: false,
  };
}

/** Every row that can be asked for by name. */
export const ROWS: readonly Row[] = [...PACED, ...PACED.map(closedLoop)];

/** The names of the rows that are measured when none are named. */
export const DEFAULT_ROWS: readonly string[] = PACED.map((row) => row.name);

/** The name that stands for the memory of idle connections, which is no row of traffic. */
export const IDLE_ROW = "idle";
