/**
 * Checks of the kernel's network parameters. Pure.
 *
 * @module
 */
import type { Demand } from "./demand.ts";
import type { Facts } from "./facts.ts";
import { count, type Finding, sysctl } from "./finding.ts";

/** Connections that wait for accept, as the data plane asks for. */
const BACKLOG = 4096;
const SYN_BACKLOG = 1024;

/** net.core.somaxconn caps the backlog of every listener. */
export function checkSomaxconn(facts: Facts): Finding {
  const enough = facts.somaxconn === null || facts.somaxconn >= BACKLOG;
  return {
    id: "somaxconn",
    verdict: enough ? "ok" : "advice",
    found: facts.somaxconn === null ? "unknown" : count(facts.somaxconn),
    wanted: `${count(BACKLOG)} or more`,
    why:
      "it caps how many connections may wait for accept; beyond it a burst waits for SYN retransmissions, a second each",
    mend: enough ? null : sysctl("net.core.somaxconn", BACKLOG),
  };
}

/** Half-open connections. */
export function checkSynBacklog(facts: Facts): Finding {
  const guarded = (facts.synCookies ?? 0) > 0;
  const enough = facts.synBacklog === null || facts.synBacklog >= SYN_BACKLOG || guarded;
  return {
    id: "syn_backlog",
    verdict: enough ? "ok" : "advice",
    found: (facts.synBacklog === null ? "unknown" : count(facts.synBacklog)) +
      (guarded ? ", SYN cookies on" : ", SYN cookies off"),
    wanted: `${count(SYN_BACKLOG)} or more, or SYN cookies`,
    why: "it caps handshakes in progress of a listener; a burst or a SYN flood fills a small one",
    mend: enough ? null : sysctl("net.ipv4.tcp_syncookies", 1),
  };
}

/** Local ports: each connection to the same endpoint address takes one. */
export function checkPortRange(facts: Facts, demand: Demand): Finding {
  const why = "every connection to one endpoint address needs a local port of its own; without one, connecting fails";
  if (facts.portRange === null) {
    return { id: "port_range", verdict: "ok", found: "unknown", wanted: "any", why, mend: null };
  }
  const { first, last } = facts.portRange;
  const ports = last - first + 1;
  const found = `${first}–${last}: ${count(ports)} connections to one endpoint`;
  const [busiest] = demand.endpoints;
  const mend = sysctl("net.ipv4.ip_local_port_range", "1024 65535");
  if (busiest === undefined || busiest.sessions === null) {
    const few = ports < 28_000;
    const wanted = busiest === undefined
      ? "28,000 or more"
      : `28,000 or more; nothing limits the sessions of ${busiest.name}`;
    return { id: "port_range", verdict: few ? "advice" : "ok", found, wanted, why, mend: few ? mend : null };
  }
  const short = ports < busiest.sessions;
  const beyond = busiest.sessions > 65535 - 1024;
  return {
    id: "port_range",
    verdict: short ? "will-fail" : "ok",
    found,
    wanted: `${count(busiest.sessions)} for ${busiest.name}`,
    why,
    mend: !short ? null : beyond ? "add endpoints, or lower max_connections: no port range is wide enough" : mend,
  };
}

/** Ports in TIME_WAIT towards endpoints. */
export function checkTimeWait(facts: Facts, demand: Demand): Finding {
  const words = ["off", "on", "loopback only"];
  const good = facts.timeWaitReuse === null || facts.timeWaitReuse === 1 ||
    (facts.timeWaitReuse === 2 && !demand.remoteEndpoints);
  return {
    id: "tcp_tw_reuse",
    verdict: good ? "ok" : "advice",
    found: facts.timeWaitReuse === null
      ? "unknown"
      : `${facts.timeWaitReuse} (${words[facts.timeWaitReuse] ?? "unknown"})`,
    wanted: demand.remoteEndpoints ? "1 (on)" : "1 (on) or 2 (loopback only)",
    why: "a closed connection keeps its local port for a minute; with many short sessions ports run out unless reused",
    mend: good ? null : sysctl("net.ipv4.tcp_tw_reuse", 1),
  };
}

/** Congestion control. */
export function checkCongestionControl(facts: Facts): Finding {
  const name = facts.congestionControl;
  const good = name === null || name === "cubic" || name === "bbr";
  const others = facts.congestionControls.filter((other) => other !== name).join(", ");
  return {
    id: "congestion_control",
    verdict: good ? "ok" : "advice",
    found: (name ?? "unknown") + (others === "" ? "" : ` (also there: ${others})`),
    wanted: "cubic, or bbr for clients behind lossy or long links",
    why: "it decides how fast each side may send; compare proxies only under the same one",
    mend: good ? null : sysctl("net.ipv4.tcp_congestion_control", "cubic"),
  };
}

/** Connection tracking has a table of its own, and drops packets when it is full. */
export function checkConntrack(facts: Facts, demand: Demand): Finding {
  const why = "a session is two tracked connections, and closed ones stay for a while; a full table drops packets";
  const base = { id: "conntrack", why };
  if (facts.conntrack === null) {
    return { ...base, verdict: "ok", found: "not active", wanted: "not active, or large enough", mend: null };
  }
  const { max, count: used } = facts.conntrack;
  const found = `${count(used)} of ${count(max)} in use`;
  if (demand.sessions === null) {
    const tight = used > max * 0.8;
    return {
      ...base,
      verdict: tight ? "advice" : "ok",
      found,
      wanted: "a fifth of it free",
      mend: tight ? sysctl("net.netfilter.nf_conntrack_max", max * 2) : null,
    };
  }
  const need = demand.sessions * 2;
  const short = max < need;
  const tight = !short && max < need * 2;
  return {
    ...base,
    verdict: short ? "will-fail" : tight ? "advice" : "ok",
    found,
    wanted: `${count(need * 2)}: twice the ${count(need)} connections of ${count(demand.sessions)} sessions`,
    mend: short || tight ? sysctl("net.netfilter.nf_conntrack_max", need * 2) : null,
  };
}
