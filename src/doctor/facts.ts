/**
 * What the machine says of itself: files of /proc as values. The checks see nothing else, so tests give their own.
 *
 * @module
 */

/** Reads small files: path to text; a file that cannot be read is left out. */
export type FileReader = (paths: readonly string[]) => Promise<ReadonlyMap<string, string>>;

/** Whether the data plane's library can be used; told by the caller. */
export type LibraryState =
  | { readonly usable: true; readonly detail: string }
  | { readonly usable: false; readonly detail: string };

/** Facts about the machine and this process. `null`: this kernel does not have it, or does not tell. */
export interface Facts {
  /** Kernel release, such as `6.1.0-18-amd64`. */
  readonly kernelRelease: string | null;
  /** RLIMIT_NOFILE of this process; Infinity when unlimited. */
  readonly nofile: { readonly soft: number; readonly hard: number } | null;
  /** fs.file-max: open files of the whole machine. */
  readonly fileMax: number | null;
  readonly somaxconn: number | null;
  readonly synBacklog: number | null;
  /** net.ipv4.tcp_syncookies: 0 off, 1 under pressure, 2 always. */
  readonly synCookies: number | null;
  readonly portRange: { readonly first: number; readonly last: number } | null;
  /** net.ipv4.tcp_tw_reuse: 0 off, 1 on, 2 loopback only. */
  readonly timeWaitReuse: number | null;
  readonly congestionControl: string | null;
  readonly congestionControls: readonly string[];
  /** fs.pipe-max-size, bytes. */
  readonly pipeMaxBytes: number | null;
  /** fs.pipe-user-pages-soft: pages of all pipes of an unprivileged user; 0 is unlimited. */
  readonly pipeUserPages: number | null;
  /** nf_conntrack, when it is loaded. */
  readonly conntrack: { readonly max: number; readonly count: number } | null;
  /** net.ipv4.ip_unprivileged_port_start: ports below need a capability. */
  readonly unprivilegedPortStart: number | null;
  /** Effective capabilities, as a mask. */
  readonly capabilities: { readonly bindLowPorts: boolean; readonly sysResource: boolean } | null;
  /** CPU cores that this process may use. */
  readonly cores: number;
  readonly library: LibraryState;
}

const SYS = "/proc/sys";
const CAP_NET_BIND_SERVICE = 10;
const CAP_SYS_RESOURCE = 24;

/** Reads all facts. `pid` is the process whose limits count: this one. */
export async function readFacts(
  read: FileReader,
  own: { readonly pid: number; readonly cores: number; readonly library: LibraryState },
): Promise<Facts> {
  const limits = `/proc/${own.pid}/limits`;
  const status = `/proc/${own.pid}/status`;
  const names = {
    release: `${SYS}/kernel/osrelease`,
    fileMax: `${SYS}/fs/file-max`,
    somaxconn: `${SYS}/net/core/somaxconn`,
    synBacklog: `${SYS}/net/ipv4/tcp_max_syn_backlog`,
    synCookies: `${SYS}/net/ipv4/tcp_syncookies`,
    portRange: `${SYS}/net/ipv4/ip_local_port_range`,
    timeWaitReuse: `${SYS}/net/ipv4/tcp_tw_reuse`,
    congestionControl: `${SYS}/net/ipv4/tcp_congestion_control`,
    congestionControls: `${SYS}/net/ipv4/tcp_available_congestion_control`,
    pipeMaxBytes: `${SYS}/fs/pipe-max-size`,
    pipeUserPages: `${SYS}/fs/pipe-user-pages-soft`,
    conntrackMax: `${SYS}/net/netfilter/nf_conntrack_max`,
    conntrackCount: `${SYS}/net/netfilter/nf_conntrack_count`,
    unprivilegedPortStart: `${SYS}/net/ipv4/ip_unprivileged_port_start`,
  } as const;
  const files = await read([limits, status, ...Object.values(names)]);
  const text = (path: string): string | null => files.get(path)?.trim() ?? null;
  const number = (path: string): number | null => {
    const found = text(path);
    return found !== null && /^\d+$/.test(found) ? Number(found) : null;
  };
  const conntrackMax = number(names.conntrackMax);
  const conntrackCount = number(names.conntrackCount);
  return {
    kernelRelease: text(names.release),
    nofile: nofileOf(text(limits)),
    fileMax: number(names.fileMax),
    somaxconn: number(names.somaxconn),
    synBacklog: number(names.synBacklog),
    synCookies: number(names.synCookies),
    portRange: rangeOf(text(names.portRange)),
    timeWaitReuse: number(names.timeWaitReuse),
    congestionControl: text(names.congestionControl),
    congestionControls: text(names.congestionControls)?.split(/\s+/) ?? [],
    pipeMaxBytes: number(names.pipeMaxBytes),
    pipeUserPages: number(names.pipeUserPages),
    conntrack: conntrackMax === null || conntrackCount === null ? null : { max: conntrackMax, count: conntrackCount },
    unprivilegedPortStart: number(names.unprivilegedPortStart),
    capabilities: capabilitiesOf(text(status)),
    cores: own.cores,
    library: own.library,
  };
}

function nofileOf(limits: string | null): Facts["nofile"] {
  const match = /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(limits ?? "");
  const [, soft, hard] = match ?? [];
  if (soft === undefined || hard === undefined) return null;
  const value = (word: string) => word === "unlimited" ? Infinity : Number(word);
  return { soft: value(soft), hard: value(hard) };
}

function rangeOf(text: string | null): Facts["portRange"] {
  const [, first, last] = /^(\d+)\s+(\d+)$/.exec(text ?? "") ?? [];
  return first === undefined || last === undefined ? null : { first: Number(first), last: Number(last) };
}

function capabilitiesOf(status: string | null): Facts["capabilities"] {
  const mask = /^CapEff:\s*([0-9a-f]{16})$/m.exec(status ?? "")?.[1];
  if (mask === undefined) return null;
  // Both are among the low 32 bits: the last eight digits.
  const low = Number.parseInt(mask.slice(8), 16);
  const has = (bit: number) => Math.floor(low / 2 ** bit) % 2 === 1;
  return { bindLowPorts: has(CAP_NET_BIND_SERVICE), sysResource: has(CAP_SYS_RESOURCE) };
}

/**
 * Reads files through `grep`: Deno lets nobody read /proc/sys without every permission there is, and a permission to
 * run this one program is less than that.
 */
export async function grepReader(paths: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await new Deno.Command("grep", { args: ["-s", "-H", "", ...paths], stderr: "null" }).output();
  const lines = new Map<string, string[]>();
  for (const line of new TextDecoder().decode(stdout).split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const path = line.slice(0, colon);
    lines.set(path, [...lines.get(path) ?? [], line.slice(colon + 1)]);
  }
  return new Map([...lines].map(([path, content]) => [path, content.join("\n")]));
}
