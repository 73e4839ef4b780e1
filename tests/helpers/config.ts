/**
 * Configurations for tests: the keys of the file as types, and short ways to write the usual ones. Files are written as
 * JSON, which is YAML 1.2.
 *
 * @module
 */

/** An endpoint as the file has it. */
export interface EndpointConfig {
  readonly id?: string;
  readonly address: string;
  readonly weight?: number;
  readonly max_connections?: number;
  readonly tier?: number;
  readonly state?: "ready" | "drain" | "maintenance";
}

/** Ways to choose an endpoint. */
export type Balance =
  | "round_robin"
  | "least_connections"
  | "random_two"
  | "source_hash"
  | "first"
  | "least_time";

/** A backend as the file has it. */
export interface BackendConfig {
  readonly id: string;
  readonly balance?: Balance;
  readonly endpoints: readonly EndpointConfig[];
  readonly retry?: { readonly attempts?: number };
}

/** A listener as the file has it. */
export interface ListenerConfig {
  readonly id: string;
  readonly address: string;
  readonly backend: string;
}

/** Timeouts as the file has them. */
export type TimeoutsConfig = Readonly<
  Partial<
    Record<
      | "connect"
      | "first_byte"
      | "idle"
      | "half_close"
      | "max_duration"
      | "max_duration_jitter"
      | "drain",
      string
    >
  >
>;

/** A rate of sessions, or (with a size as burst) of bytes. */
export interface BucketConfig {
  readonly rate: string;
  readonly burst?: number | string;
}

/** Bytes a second. */
export interface BandwidthConfig {
  readonly up?: BucketConfig;
  readonly down?: BucketConfig;
}

/** Limits as the file has them. */
export interface LimitsConfig {
  readonly max_connections?: number;
  readonly connection_rate?: BucketConfig;
  readonly bandwidth?: BandwidthConfig;
  readonly per_source?: {
    readonly max_connections?: number;
    readonly connection_rate?: BucketConfig;
    readonly ipv4_prefix?: number;
    readonly ipv6_prefix?: number;
  };
  readonly per_connection?: { readonly bandwidth?: BandwidthConfig };
  readonly on_limit?: "close" | "reset" | "queue";
  readonly queue?: { readonly size?: number; readonly timeout?: string };
  readonly dry_run?: boolean;
}

/** What a tenant and `defaults` share. */
export interface TenantSettings {
  readonly limits?: LimitsConfig;
  readonly access?: { readonly allow?: readonly string[]; readonly deny?: readonly string[] };
  readonly timeouts?: TimeoutsConfig;
  readonly tcp?: {
    readonly keepalive?: { readonly idle?: string; readonly interval?: string; readonly probes?: number };
    readonly user_timeout?: string;
    readonly reset_propagation?: "none" | "to_backend" | "both";
  };
}

/** A tenant as the file has it. */
export interface TenantConfig extends TenantSettings {
  readonly id: string;
  readonly enabled?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly listeners: readonly ListenerConfig[];
  readonly backends: readonly BackendConfig[];
}

/** A whole file. */
export interface Config {
  readonly version: 1;
  readonly workers?: number | "auto";
  readonly tenants_dir?: string;
  readonly watch?: boolean;
  readonly shutdown?: { readonly grace?: string };
  readonly log?: {
    readonly level?: "debug" | "info" | "warn" | "error";
    readonly format?: "text" | "json";
    readonly access?: { readonly sink?: string; readonly sample?: number; readonly progress?: number | string };
  };
  readonly limits?: { readonly max_connections?: number };
  readonly defaults?: TenantSettings;
  readonly tenants: readonly TenantConfig[];
}

/** What the short forms are told. */
export interface OneTenantOptions extends TenantSettings {
  readonly id?: string;
  readonly enabled?: boolean;
  /** Address of the listener `in`; a port from the kernel on 127.0.0.1 without it. */
  readonly listen?: string;
  readonly balance?: Balance;
  readonly retry?: { readonly attempts?: number };
}

/**
 * A tenant `acme` with a listener `in` and a backend `out`. Endpoints without an id are named `a`, `b`, … in order.
 */
export function tenantWith(
  endpoints: readonly (string | EndpointConfig)[],
  options: OneTenantOptions = {},
): TenantConfig {
  const { id = "acme", listen = "127.0.0.1:0", balance, retry, ...settings } = options;
  return {
    id,
    ...settings,
    listeners: [{ id: "in", address: listen, backend: "out" }],
    backends: [{
      id: "out",
      ...(balance && { balance }),
      ...(retry && { retry }),
      endpoints: endpoints.map((endpoint, index) => {
        const name = String.fromCharCode(97 + index);
        return typeof endpoint === "string" ? { id: name, address: endpoint } : { id: name, ...endpoint };
      }),
    }],
  };
}

/** A file with these tenants; two workers, so that what must hold over workers is tested over workers. */
export function configOf(tenants: readonly TenantConfig[], rest: Partial<Config> = {}): Config {
  return { version: 1, workers: 2, ...rest, tenants };
}

/** A file with the one tenant of `tenantWith`. */
export function oneTenant(
  endpoints: readonly (string | EndpointConfig)[],
  options: OneTenantOptions = {},
  rest: Partial<Config> = {},
): Config {
  return configOf([tenantWith(endpoints, options)], rest);
}
