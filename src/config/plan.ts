/**
 * The plan: what the data plane is told, as plain readonly values. `compile.ts` makes it from a configuration,
 * `diff.ts` compares two of them, `src/ffi/encode.ts` writes it into a blob. Names stay names here; `src/ffi` turns
 * them into numbers.
 *
 * Units: durations in ms (0 is off), sizes in bytes, shares in parts per million. `null` is "unlimited".
 *
 * @module
 */

/** An address that can be bound or connected to, resolved: no names. */
export type Address =
  | { readonly family: "ipv4" | "ipv6"; readonly ip: string; readonly port: number; readonly scopeId: number }
  /** `path` starts with `@` for an abstract socket. */
  | { readonly family: "unix"; readonly path: string };

/** What holds for the whole process. */
export interface ProcessPlan {
  readonly maxConnections: number | null;
  readonly accessLog: boolean;
  readonly accessSamplePpm: number;
  readonly accessProgressMs: number;
}

/** A token bucket: starts full, holds `burst` tokens at the most, refills continuously. 0 lets nothing through. */
export interface BucketPlan {
  /** Tokens in 1000 s. */
  readonly ratePer1000s: number;
  /** Tokens. */
  readonly burst: number;
}

/** Buckets of bytes: up is from clients to endpoints. */
export interface BandwidthPlan {
  readonly up: BucketPlan | null;
  readonly down: BucketPlan | null;
}

/** Addresses with the same leading bits. */
export interface PrefixPlan {
  readonly family: "ipv4" | "ipv6";
  /** Bits beyond the prefix are zero; v4-mapped addresses are IPv4. */
  readonly ip: string;
  readonly bits: number;
}

/** What a tenant may use. */
export interface LimitsPlan {
  readonly maxConnections: number | null;
  /** New sessions. */
  readonly connectionRate: BucketPlan | null;
  /** Of all sessions together. */
  readonly bandwidth: BandwidthPlan;
  /** Of each session. */
  readonly perConnection: BandwidthPlan;
  /** Of each source: client addresses with the same leading bits. */
  readonly perSource: {
    readonly maxConnections: number | null;
    readonly connectionRate: BucketPlan | null;
    readonly ipv4Bits: number;
    readonly ipv6Bits: number;
  };
  readonly onLimit: "close" | "reset" | "queue";
  /** Null unless `onLimit` is "queue"; a timeout of 0 has no end. */
  readonly queue: { readonly size: number; readonly timeoutMs: number } | null;
  /** Count what would be refused or held back, and let it pass. */
  readonly dryRun: boolean;
}

/** Who may connect. */
export interface AccessPlan {
  /** Null: everybody; else nobody but these. */
  readonly allow: readonly PrefixPlan[] | null;
  /** Wins over `allow`. */
  readonly deny: readonly PrefixPlan[];
}

/** A tenant with all that is its own. */
export interface TenantPlan {
  readonly id: string;
  readonly enabled: boolean;
  readonly limits: LimitsPlan;
  readonly access: AccessPlan;
  readonly timeouts: {
    readonly connectMs: number;
    readonly firstByteMs: number;
    readonly idleMs: number;
    readonly halfCloseMs: number;
    readonly maxDurationMs: number;
    readonly maxDurationJitterPpm: number;
    readonly drainMs: number;
  };
  readonly tcp: {
    readonly keepalive: { readonly idleS: number; readonly intervalS: number; readonly probes: number } | null;
    readonly userTimeoutMs: number;
    readonly resetPropagation: "none" | "to_backend" | "both";
  };
  /** Bytes held for slow readers above which sessions read in small pieces only. */
  readonly bufferBytes: number;
  readonly listeners: readonly ListenerPlan[];
  readonly backends: readonly BackendPlan[];
}

/** An address (or a range of ports) that a tenant listens on. */
export interface ListenerPlan {
  readonly id: string;
  /** Id of a backend of the same tenant. */
  readonly backend: string;
  readonly address: Address;
  /** Last port of the range; equal to the address's port for one port; 0 for unix. */
  readonly portLast: number;
}

/** A pool of endpoints. */
export interface BackendPlan {
  readonly id: string;
  readonly balance: "round_robin" | "least_connections" | "random_two" | "source_hash" | "first" | "least_time";
  /** Connect attempts of a session at the most. */
  readonly attempts: number;
  /** How long the share of an endpoint that is added grows. */
  readonly slowStartMs: number;
  readonly endpoints: readonly EndpointPlan[];
}

/**
 * One address of a backend. A name that resolves to several addresses gives several of these under one `id`;
 * `address` tells them apart.
 */
export interface EndpointPlan {
  readonly id: string;
  readonly weight: number;
  readonly maxConnections: number | null;
  /** Only `ready` gets new sessions; live ones go on in each. */
  readonly state: "ready" | "drain" | "maintenance";
  /** Used when no lower tier has an endpoint left. */
  readonly tier: number;
  readonly address: Address;
}

/** The whole of it. */
export interface Plan {
  readonly process: ProcessPlan;
  /** By tenant id. */
  readonly tenants: ReadonlyMap<string, TenantPlan>;
}

/** What changes from one plan to the next; what is not named stays untouched. */
export interface PlanChange {
  /** Absent when the process's own part is unchanged. */
  readonly process?: ProcessPlan;
  /** Tenants added or changed, whole. */
  readonly upserts: readonly TenantPlan[];
  /** Ids of tenants that are gone. */
  readonly removals: readonly string[];
}
