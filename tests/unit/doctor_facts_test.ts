/** Facts about the machine: from the text of /proc to values. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type FileReader, readFacts } from "../../src/doctor/mod.ts";

const own = { pid: 42, cores: 4, library: { usable: true, detail: "there" } } as const;

const files: Record<string, string> = {
  "/proc/42/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
    "Max processes             96365                96365                processes \n" +
    "Max open files            1024                 unlimited            files     \n",
  "/proc/42/status": "Name:\tdeno\nCapPrm:\t0000000000000000\nCapEff:\t0000000001000400\n",
  "/proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
  "/proc/sys/fs/file-max": "9223372036854775807\n",
  "/proc/sys/net/core/somaxconn": "4096\n",
  "/proc/sys/net/ipv4/tcp_max_syn_backlog": "512\n",
  "/proc/sys/net/ipv4/tcp_syncookies": "1\n",
  "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
  "/proc/sys/net/ipv4/tcp_tw_reuse": "2\n",
  "/proc/sys/net/ipv4/tcp_congestion_control": "cubic\n",
  "/proc/sys/net/ipv4/tcp_available_congestion_control": "reno cubic bbr\n",
  "/proc/sys/fs/pipe-max-size": "1048576\n",
  "/proc/sys/fs/pipe-user-pages-soft": "16384\n",
  "/proc/sys/net/netfilter/nf_conntrack_max": "262144\n",
  "/proc/sys/net/netfilter/nf_conntrack_count": "17\n",
  "/proc/sys/net/ipv4/ip_unprivileged_port_start": "1024\n",
};

const reader = (present: Record<string, string>): FileReader => (paths) =>
  Promise.resolve(new Map(paths.flatMap((path) => present[path] === undefined ? [] : [[path, present[path]]])));

describe("readFacts", () => {
  it("reads every file", async () => {
    assertEquals(await readFacts(reader(files), own), {
      kernelRelease: "6.1.0-18-amd64",
      nofile: { soft: 1024, hard: Infinity },
      fileMax: 9223372036854775807,
      somaxconn: 4096,
      synBacklog: 512,
      synCookies: 1,
      portRange: { first: 32768, last: 60999 },
      timeWaitReuse: 2,
      congestionControl: "cubic",
      congestionControls: ["reno", "cubic", "bbr"],
      pipeMaxBytes: 1048576,
      pipeUserPages: 16384,
      conntrack: { max: 262144, count: 17 },
      unprivilegedPortStart: 1024,
      capabilities: { bindLowPorts: true, sysResource: true },
      cores: 4,
      library: { usable: true, detail: "there" },
    });
  });

  it("says null for what is not there or not readable", async () => {
    const facts = await readFacts(reader({ "/proc/42/limits": "garbage", "/proc/sys/fs/file-max": "many" }), own);
    for (const [name, value] of Object.entries(facts)) {
      if (name === "cores" || name === "library") continue;
      if (name === "congestionControls") assertEquals(value, []);
      else assertEquals(value, null, name);
    }
  });

  it("reads capabilities bit by bit", async () => {
    for (
      const [mask, bindLowPorts, sysResource] of [
        ["0000000000000000", false, false],
        ["0000000000000400", true, false],
        ["0000000001000000", false, true],
        ["000001ffffffffff", true, true],
        ["000001fffefffbff", false, false],
      ] as const
    ) {
      const facts = await readFacts(reader({ "/proc/42/status": `CapEff:\t${mask}\n` }), own);
      assertEquals(facts.capabilities, { bindLowPorts, sysResource }, mask);
    }
  });
});
