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

/** A tenant with all that is its own. */
export interface TenantPlan {
  readonly id: string;
  readonly enabled: boolean;
  readonly limits: {
    readonly maxConnections: number | null;
    readonly onLimit: "close" | "reset";
  };
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
  readonly balance: "round_robin" | "least_connections";
  /** Connect attempts of a session at the most. */
  readonly attempts: number;
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
