/**
 * Limits and access lists of a tenant as the data plane takes them: every default filled in, rates in whole tokens.
 * Pure; called by `compile.ts`.
 *
 * @module
 */

import type { AddressRange } from "./address.ts";
import type { AccessPlan, BandwidthPlan, BucketPlan, LimitsPlan, PrefixPlan } from "./plan.ts";
import type { TenantConfig } from "./schema.ts";

type LimitsConfig = TenantConfig["limits"];
type BandwidthConfig = LimitsConfig["bandwidth"];

/** The period that a bucket's rate counts for. */
const RATE_PERIOD_S = 1000;

/** Periods of a second in which the default burst of bytes comes in: 100 ms. */
const BYTE_BURSTS_PER_S = 10;
const LEAST_BYTE_BURST = 64 * 2 ** 10;

/** What `queue` is when `on_limit: queue` stands alone; as the schema fills it in. */
const QUEUE = { size: 1000, timeout: 5_000 } as const;

/** Bits of a source when no limit is per source: nothing is counted by them. */
const IPV4_BITS = 32;
const IPV6_BITS = 64;

/** The limits of a tenant. */
export function compileLimits(limits: LimitsConfig): LimitsPlan {
  const { per_source: source, queue = QUEUE } = limits;
  return {
    maxConnections: limits.max_connections ?? null,
    connectionRate: sessionBucket(limits.connection_rate),
    bandwidth: bandwidth(limits.bandwidth),
    perConnection: bandwidth(limits.per_connection?.bandwidth),
    perSource: {
      maxConnections: source?.max_connections ?? null,
      connectionRate: sessionBucket(source?.connection_rate),
      ipv4Bits: source?.ipv4_prefix ?? IPV4_BITS,
      ipv6Bits: source?.ipv6_prefix ?? IPV6_BITS,
    },
    onLimit: limits.on_limit,
    queue: limits.on_limit === "queue" ? { size: queue.size, timeoutMs: queue.timeout } : null,
    dryRun: limits.dry_run,
  };
}

/** The access lists of a tenant. */
export function compileAccess(access: TenantConfig["access"]): AccessPlan {
  return { allow: access?.allow?.map(compilePrefix) ?? null, deny: access?.deny.map(compilePrefix) ?? [] };
}

function bandwidth(written: BandwidthConfig): BandwidthPlan {
  return { up: byteBucket(written?.up), down: byteBucket(written?.down) };
}

/** Left out, the burst of sessions is what a second gives. */
function sessionBucket(written: LimitsConfig["connection_rate"]): BucketPlan | null {
  if (written === undefined) return null;
  const { rate } = written;
  return bucket(rate, written.burst ?? (rate === 0 ? 0 : Math.max(1, Math.ceil(rate))));
}

/** Left out, the burst of bytes is what 100 ms give, and enough for reads of a useful size. */
function byteBucket(written: NonNullable<BandwidthConfig>["up"]): BucketPlan | null {
  if (written === undefined) return null;
  const { rate } = written;
  const burst = Math.max(LEAST_BYTE_BURST, Math.ceil(rate / BYTE_BURSTS_PER_S));
  return bucket(rate, written.burst ?? (rate === 0 ? 0 : burst));
}

function bucket(ratePerS: number, burst: number): BucketPlan {
  return { ratePer1000s: Math.round(ratePerS * RATE_PERIOD_S), burst };
}

/** A range of addresses. */
export function compilePrefix({ family, ip, prefix: bits }: Readonly<AddressRange>): PrefixPlan {
  return { family, ip, bits };
}
