/**
 * Checks of this process: kernel, library, cores, open files, capabilities, pipes. Pure.
 *
 * @module
 */
import type { Demand } from "./demand.ts";
import type { Facts } from "./facts.ts";
import { count, type Finding, sysctl } from "./finding.ts";

/** close_range with CLOSE_RANGE_UNSHARE came with this release. */
const LEAST_KERNEL = [5, 9] as const;
/** Descriptors of a worker beside those of its sessions: listeners, epoll, eventfd and what it inherits. */
const WORKER_FDS = 128;
/** SO_REUSEPORT spreads connections by hash: a worker may get this much more than its share. */
const UNEVENNESS = 1.25;
/** Size that the data plane asks for its pipes, in bytes. */
const PIPE_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;
/** A worker has this many pipes at the most, and no more than a share of its descriptors in them. */
const MOST_PIPES = 4096;
const PIPE_SHARE = 8;

/** The kernel has the system calls that the library needs. */
export function checkKernel(facts: Facts): Finding {
  const wanted = `${LEAST_KERNEL.join(".")} or newer`;
  const why = "each worker has a file table of its own by close_range(CLOSE_RANGE_UNSHARE), which came with Linux 5.9";
  const [major, minor] = /^(\d+)\.(\d+)/.exec(facts.kernelRelease ?? "")?.slice(1).map(Number) ?? [];
  if (facts.kernelRelease === null || major === undefined || minor === undefined) {
    return { id: "kernel", verdict: "advice", found: facts.kernelRelease ?? "unknown", wanted, why, mend: "uname -r" };
  }
  const fits = major > LEAST_KERNEL[0] || (major === LEAST_KERNEL[0] && minor >= LEAST_KERNEL[1]);
  return {
    id: "kernel",
    verdict: fits ? "ok" : "will-fail",
    found: facts.kernelRelease,
    wanted,
    why,
    mend: fits ? null : "apt-get install --only-upgrade linux-image-amd64 && reboot",
  };
}

/** The library is there and speaks this program's version of the ABI. */
export function checkLibrary(facts: Facts): Finding {
  return {
    id: "library",
    verdict: facts.library.usable ? "ok" : "will-fail",
    found: facts.library.detail,
    wanted: "built, with the ABI version of this program",
    why: "the library moves the bytes; `serve` cannot start without it",
    mend: facts.library.usable ? null : "deno task build",
  };
}

/** Workers and cores go together. */
export function checkWorkers(facts: Facts, demand: Demand): Finding {
  const many = demand.workers > facts.cores;
  return {
    id: "workers",
    verdict: many ? "advice" : "ok",
    found: `${count(demand.workers)} workers, ${count(facts.cores)} usable cores`,
    wanted: "no more workers than cores",
    why: "a worker is a thread that is busy whenever there is traffic; more of them than cores only take turns",
    mend: many ? "set `workers: auto` in the configuration" : null,
  };
}

/** Descriptors of a worker's pipes at the most: an eighth of its table, of 4,096 pipes. */
function pipeFds(nofile: number): number {
  return 2 * Math.min(MOST_PIPES, Math.floor(nofile / 2 / PIPE_SHARE));
}

/** Sessions that one process holds with so many descriptors a worker: two each, beside as many pipes as there may be. */
export function sessionCapacity(nofile: number, workers: number): number {
  return Math.max(0, Math.floor((nofile - pipeFds(nofile) - WORKER_FDS) / 2 * workers / UNEVENNESS));
}

/** Descriptors that a worker needs for its share of the sessions, without pipes. */
export function fdsPerWorker(sessions: number, workers: number): number {
  return Math.ceil(sessions / workers * UNEVENNESS) * 2 + WORKER_FDS;
}

/** The limit that holds so many descriptors beside all pipes. */
function withPipes(fds: number): number {
  return Math.min(Math.ceil(fds * PIPE_SHARE / (PIPE_SHARE - 1)) + 2, fds + 2 * MOST_PIPES);
}

/** RLIMIT_NOFILE, which counts in each worker's file table. */
export function checkNofile(facts: Facts, demand: Demand): Finding {
  const why =
    "a session takes two descriptors, and every worker has its own table; Deno raises the soft limit to the " +
    "hard one by itself. Without descriptors accepting pauses";
  if (facts.nofile === null) {
    return { id: "nofile", verdict: "advice", found: "unknown", wanted: "known", why, mend: "ulimit -n" };
  }
  const { soft, hard } = facts.nofile;
  const effective = Math.max(soft, hard);
  const capacity = sessionCapacity(effective, demand.workers);
  const found = `soft ${count(soft)}, hard ${count(hard)}: about ${count(capacity)} sessions with ` +
    `${count(demand.workers)} workers`;
  if (demand.sessions === null) {
    const small = capacity < 10_000;
    return {
      id: "nofile",
      verdict: small ? "advice" : "ok",
      found,
      wanted: "any; no max_connections is set, so this is what limits sessions",
      why,
      mend: small ? raiseNofile(65536) : null,
    };
  }
  const least = fdsPerWorker(demand.sessions, demand.workers);
  const good = withPipes(least);
  const verdict = effective < least ? "will-fail" : effective < good ? "advice" : "ok";
  return {
    id: "nofile",
    verdict,
    found,
    wanted: `${count(good)} for max_connections ${count(demand.sessions)} over ${count(demand.workers)} workers, ` +
      "pipes included",
    why,
    mend: verdict === "ok" ? null : raiseNofile(good),
  };
}

function raiseNofile(value: number): string {
  return `ulimit -Hn ${value} && ulimit -n ${value} (systemd: LimitNOFILE=${value}; Docker: --ulimit nofile=${value})`;
}

/** fs.file-max, which counts for the whole machine. */
export function checkFileMax(facts: Facts, demand: Demand): Finding {
  const why = "the kernel refuses to open more files than this, whoever asks";
  const need = demand.sessions === null ? 100_000 : demand.sessions * 2 + demand.workers * WORKER_FDS;
  const enough = facts.fileMax === null || facts.fileMax >= need;
  return {
    id: "file_max",
    verdict: enough ? "ok" : demand.sessions === null ? "advice" : "will-fail",
    found: facts.fileMax === null ? "unknown" : count(facts.fileMax),
    wanted: `${count(need)} or more`,
    why,
    mend: enough ? null : sysctl("fs.file-max", need * 2),
  };
}

/** Ports below ip_unprivileged_port_start need a capability. */
export function checkLowPorts(facts: Facts, demand: Demand): Finding {
  const start = facts.unprivilegedPortStart ?? 1024;
  const why = "the kernel lets only privileged processes bind ports below net.ipv4.ip_unprivileged_port_start";
  const low = demand.lowestPort !== null && demand.lowestPort < start;
  const fails = low && facts.capabilities !== null && !facts.capabilities.bindLowPorts;
  return {
    id: "low_ports",
    verdict: fails ? "will-fail" : "ok",
    found: demand.lowestPort === null
      ? "no fixed port is configured"
      : `lowest port ${demand.lowestPort}` + (low ? `, ${fails ? "without" : "with"} CAP_NET_BIND_SERVICE` : ""),
    wanted: `ports from ${start} on, or the capability`,
    why,
    mend: fails ? sysctl("net.ipv4.ip_unprivileged_port_start", demand.lowestPort) : null,
  };
}

/** Pipes are what splice moves bytes through. */
export function checkPipes(facts: Facts): Finding[] {
  const size = facts.pipeMaxBytes;
  const small = size !== null && size < PIPE_BYTES;
  const privileged = facts.capabilities?.sysResource === true;
  const pages = facts.pipeUserPages;
  const pipes = pages === null || pages === 0 || privileged ? null : Math.floor(pages * PAGE_BYTES / PIPE_BYTES);
  const few = pipes !== null && pipes < 1024;
  return [{
    id: "pipe_max_size",
    verdict: small ? "advice" : "ok",
    found: size === null ? "unknown" : count(size),
    wanted: `${count(PIPE_BYTES)} bytes or more`,
    why: "streaming sessions are spliced through pipes of this size; smaller ones cost more system calls a byte",
    mend: small ? sysctl("fs.pipe-max-size", 1048576) : null,
  }, {
    id: "pipe_user_pages",
    verdict: few ? "advice" : "ok",
    found: pages === null
      ? "unknown"
      : pages === 0
      ? "unlimited"
      : privileged
      ? `${count(pages)} pages, not applied to this process (CAP_SYS_RESOURCE)`
      : `${count(pages)} pages: ${count(pipes)} pipes of ${count(PIPE_BYTES)} bytes`,
    wanted: "room for 1,024 pipes",
    why: "beyond this an unprivileged user's pipes hold a page or two, and many streams at once get slower",
    mend: few ? sysctl("fs.pipe-user-pages-soft", 1024 * PIPE_BYTES / PAGE_BYTES) : null,
  }];
}
