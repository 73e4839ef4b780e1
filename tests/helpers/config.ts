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
  readonly srv?: boolean;
}

/** `health` of a backend as the file has it. */
export interface HealthConfig {
  readonly active?: {
    readonly type: "tcp" | "expect" | "http" | "tls";
    readonly interval?: string;
    readonly timeout?: string;
    readonly rise?: number;
    readonly fall?: number;
    readonly jitter?: string;
    readonly send?: string;
    readonly expect?: string;
    readonly path?: string;
    readonly host?: string;
    readonly status?: number;
    readonly verify?: boolean;
  };
  readonly passive?: {
    readonly failures?: number;
    readonly window?: string;
    readonly eject_for?: string;
    readonly max_ejected?: string;
  };
  readonly on_down?: "keep" | "close";
}

/** Ways to choose an endpoint. */
export type Balance =
  | "round_robin"
  | "least_connections"
  | "random_two"
  | "source_hash"
  | "first"
  | "least_time";

/** What a backend has beside its id, its endpoints and its parts. */
export interface BackendSettings {
  readonly balance?: Balance;
  readonly retry?: { readonly attempts?: number; readonly backoff?: string; readonly budget?: string };
  readonly health?: HealthConfig;
  readonly circuit_breaker?: {
    readonly requests?: number;
    readonly error_ratio?: string;
    readonly window?: string;
    readonly open_for?: string;
    readonly probes?: number;
  };
  readonly slow_start?: string;
  readonly panic_threshold?: string;
  readonly preconnect?: { readonly min?: number; readonly max?: number; readonly idle?: string };
  readonly send_proxy_protocol?: "off" | "v1" | "v2";
  readonly source_address?: string;
}

/** A backend as the file has it. */
export interface BackendConfig extends BackendSettings {
  readonly id: string;
  /** None where the backend is split. */
  readonly endpoints?: readonly EndpointConfig[];
  readonly split?: readonly { readonly backend: string; readonly weight: number }[];
  readonly canary?: {
    readonly steps: readonly number[];
    readonly step_for?: string;
    readonly abort_when?: { readonly error_ratio?: string; readonly connect_p99?: string };
  };
}

/** `proxy_protocol` of a listener as the file has it. */
export interface ProxyProtocolConfig {
  readonly accept?: "off" | "required";
  readonly trusted?: readonly string[];
  readonly timeout?: string;
}

/** A listener as the file has it. */
export interface ListenerConfig {
  readonly id: string;
  readonly address: string;
  readonly backend: string;
  readonly proxy_protocol?: ProxyProtocolConfig;
}

/** A shared listener as the file has it. */
export interface SharedListenerConfig {
  readonly id: string;
  readonly address: string;
  readonly detect?: "tls" | "none";
  readonly proxy_protocol?: ProxyProtocolConfig;
}

/** A route as the file has it. */
export interface RouteConfig {
  readonly id: string;
  readonly listener: string;
  readonly sni?: readonly string[];
  readonly alpn?: readonly string[];
  readonly sources?: readonly string[];
  readonly default?: boolean;
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
  readonly routes?: readonly RouteConfig[];
  readonly backends: readonly BackendConfig[];
  readonly mirror?: { readonly backend: string; readonly share?: string };
  readonly fault?: {
    readonly delay?: string;
    readonly delay_share?: string;
    readonly reset_share?: string;
    readonly refuse_share?: string;
  };
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
  readonly listeners?: readonly SharedListenerConfig[];
  readonly tenants: readonly TenantConfig[];
}

/** What the short forms are told. */
export interface OneTenantOptions extends TenantSettings {
  readonly id?: string;
  readonly enabled?: boolean;
  /** Address of the listener `in`; a port from the kernel on 127.0.0.1 without it. */
  readonly listen?: string;
  readonly balance?: Balance;
  readonly retry?: BackendSettings["retry"];
  readonly health?: HealthConfig;
  /** What else the backend has. */
  readonly out?: BackendSettings;
}

/**
 * A tenant `acme` with a listener `in` and a backend `out`. Endpoints without an id are named `a`, `b`, … in order.
 */
export function tenantWith(
  endpoints: readonly (string | EndpointConfig)[],
  options: OneTenantOptions = {},
): TenantConfig {
  const { id = "acme", listen = "127.0.0.1:0", balance, retry, health, out, ...settings } = options;
  return {
    id,
    ...settings,
    listeners: [{ id: "in", address: listen, backend: "out" }],
    backends: [{
      id: "out",
      ...(balance && { balance }),
      ...(retry && { retry }),
      ...(health && { health }),
      ...out,
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
