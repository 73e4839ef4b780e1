/**
 * The two files of this machine that say how names are resolved, read again when they may have changed. Owned by a
 * lookup.
 *
 * @module
 */

import { type Hosts, parseHosts } from "./hosts_file.ts";
import { parseResolvConf, type ResolvConf } from "./resolv_conf.ts";

/** Where the files are. */
export interface FileDeps {
  /** The text of a file; rejects when it cannot be read. */
  readTextFile(path: string): Promise<string>;
  /** Monotonic, ms. */
  now(): number;
  /** Instead of /etc/resolv.conf. */
  readonly resolvConf?: string;
}

/** How long a file counts as read. */
const FRESH_MS = 5_000;

/** What the files say. A file that cannot be read is as good as an empty one. */
export class NameFiles {
  readonly #hosts: CachedFile<Hosts>;
  readonly #conf: CachedFile<ResolvConf>;

  constructor(deps: FileDeps) {
    this.#hosts = new CachedFile("/etc/hosts", parseHosts, deps);
    this.#conf = new CachedFile(deps.resolvConf ?? "/etc/resolv.conf", parseResolvConf, deps);
  }

  hosts(): Promise<Hosts> {
    return this.#hosts.read();
  }

  conf(): Promise<ResolvConf> {
    return this.#conf.read();
  }
}

class CachedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  readonly #deps: FileDeps;
  #value: Promise<T> | null = null;
  #readMs = 0;

  constructor(path: string, parse: (text: string) => T, deps: FileDeps) {
    this.#path = path;
    this.#parse = parse;
    this.#deps = deps;
  }

  read(): Promise<T> {
    const nowMs = this.#deps.now();
    if (this.#value === null || nowMs - this.#readMs >= FRESH_MS) {
      this.#readMs = nowMs;
      this.#value = this.#deps.readTextFile(this.#path).catch(() => "").then(this.#parse);
    }
    return this.#value;
  }
}
