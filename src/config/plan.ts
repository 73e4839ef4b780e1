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

/** Id of the holder of shared listeners: no tenant can have it. */
export const SHARED_HOLDER = "";

/** A tenant with all that is its own; or the holder of shared listeners, which is nobody's. */
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
  readonly routes: readonly RoutePlan[];
  readonly backends: readonly BackendPlan[];
  /** Copies of clients' bytes, for a share of its sessions. */
  readonly mirror: { readonly backend: string; readonly sharePpm: number } | null;
  /** Trouble on purpose. */
  readonly fault: FaultPlan;
}

/** Shares of a tenant's sessions that are delayed, reset, refused. */
export interface FaultPlan {
  readonly delayMs: number;
  readonly delayPpm: number;
  readonly resetPpm: number;
  readonly refusePpm: number;
}

/** An address (or a range of ports) that is listened on. */
export interface ListenerPlan {
  readonly id: string;
  /** Id of a backend of the same tenant; null: shared, routes decide. */
  readonly backend: string | null;
  readonly address: Address;
  /** Last port of the range; equal to the address's port for one port; 0 for unix. */
  readonly portLast: number;
  /** What is read of a client before a route is chosen, and how long it may take for that; null: nothing. */
  readonly detect: { readonly protocol: "tls"; readonly timeoutMs: number } | null;
  /** Null: connections begin without a PROXY header. */
  readonly proxyHeader: { readonly trusted: readonly PrefixPlan[]; readonly timeoutMs: number } | null;
}

/** What a tenant takes from a shared listener: clients that meet all that is said. */
export interface RoutePlan {
  readonly id: string;
  /** Id of a shared listener. */
  readonly listener: string;
  /** Id of a backend of the tenant. */
  readonly backend: string;
  /** Server names in lower case, without a last dot; `*.example` is every name below example. None: any. */
  readonly names: readonly string[];
  /** ALPN, one of which the client must offer. None: any, or no offer. */
  readonly protocols: readonly string[];
  /** None: every client. */
  readonly sources: readonly PrefixPlan[];
  /** Also takes what no name takes. */
  readonly isDefault: boolean;
}

/** How an endpoint is chosen. */
export type Balance =
  | "round_robin"
  | "least_connections"
  | "random_two"
  | "source_hash"
  | "first"
  | "least_time";

/** A pool of endpoints, or a split between such pools. */
export interface BackendPlan {
  readonly id: string;
  readonly balance: Balance;
  /** Connect attempts of a session at the most. */
  readonly attempts: number;
  /** Pause before a further attempt. */
  readonly backoffMs: number;
  /** Share of its connects that may be further attempts; null: no bound. */
  readonly retryBudgetPpm: number | null;
  readonly endpoints: readonly EndpointPlan[];
  /** Its parts; with parts it has no endpoints. */
  readonly split: readonly SplitPlan[];
  readonly sendProxy: "off" | "v1" | "v2";
  /** Of connections to endpoints, port 0; null: the kernel's choice. */
  readonly sourceAddress: Address | null;
  /** Failed connects that eject an endpoint; null: none is ejected. */
  readonly passive: PassivePlan | null;
  /** What the control plane does with live sessions of an endpoint that goes down. The data plane is not told. */
  readonly onDown: "keep" | "close";
  /** Null: no circuit breaker. */
  readonly breaker: BreakerPlan | null;
  /** How long the share of an endpoint that comes up grows. */
  readonly slowStartMs: number;
  /** Under this share of endpoints that are up, all are used. */
  readonly panicPpm: number;
  /** Connections that are opened ahead, for each endpoint and the process; null: none. */
  readonly preconnect: { readonly min: number; readonly max: number; readonly idleMs: number } | null;
  /** Moves the weights of a split of two; null: they are as written. The data plane is not told. */
  readonly canary: CanaryPlan | null;
}

/** How the last part of a split of two takes over from the first. */
export interface CanaryPlan {
  /** Its weights one after the other, in percent. */
  readonly steps: readonly number[];
  readonly stepForMs: number;
  /** Share of failed connects above which it is rolled back; null: none. */
  readonly errorPpm: number | null;
  /** Connect time of the slowest hundredth above which it is rolled back; null: none. */
  readonly connectP99Ms: number | null;
  /** Another one: another rollout. */
  readonly revision: string;
}

/** A part of a split: a backend of the same tenant that is not split itself. */
export interface SplitPlan {
  readonly backend: string;
  readonly weight: number;
}

/** When failed connects eject an endpoint. */
export interface PassivePlan {
  readonly failures: number;
  readonly windowMs: number;
  /** The first ejection; doubles with each one after it, up to ten times this. */
  readonly ejectMs: number;
  readonly maxEjectedPpm: number;
}

/** When failed connects open a backend's circuit. */
export interface BreakerPlan {
  /** Connects in a window before their share counts. */
  readonly requests: number;
  readonly errorPpm: number;
  readonly windowMs: number;
  readonly openMs: number;
  /** Connects let through while half-open. */
  readonly probes: number;
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
  /** Used when every lower tier has no endpoint left. */
  readonly tier: number;
  readonly address: Address;
}

/** The whole of it. */
export interface Plan {
  readonly process: ProcessPlan;
  /** The holder of shared listeners; null when there are none. */
  readonly shared: TenantPlan | null;
  /** By tenant id. */
  readonly tenants: ReadonlyMap<string, TenantPlan>;
}

/** What changes from one plan to the next; what is not named stays untouched. */
export interface PlanChange {
  /** Absent when the process's own part is unchanged. */
  readonly process?: ProcessPlan;
  /** Absent when shared listeners are unchanged; null when there are none any more. */
  readonly shared?: TenantPlan | null;
  /** Tenants added or changed, whole. */
  readonly upserts: readonly TenantPlan[];
  /** Ids of tenants that are gone. */
  readonly removals: readonly string[];
}
