/**
 * The exported functions of `ffi/include/sluice.h` as Deno calls them: one parameter a line, each with its C
 * declaration. Nothing in dlopen checks types, so `tools/check_abi.ts` compares every function with the header.
 *
 * Pointers to records and buffers are "buffer". The engine, which nobody here looks into, is the number of its address
 * ("usize"): a pointer object would need the permission for all libraries instead of this one. Only
 * `sluice_engine_stop` joins threads, so only it is nonblocking, and it takes no buffer.
 *
 * @module
 */

/** What `Deno.dlopen` is given. */
export const SYMBOLS = {
  sluice_abi_version: {
    parameters: [],
    result: "u32", // uint32_t
  },
  sluice_abi_layout: {
    parameters: [
      "u32", // uint32_t first
      "buffer", // void *rows
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
  sluice_engine_create: {
    parameters: [
      "buffer", // const void *options
      "u64", // uint64_t size_bytes
      "buffer", // struct sluice_engine **engine
      "buffer", // void *error
    ],
    result: "i32", // int32_t
  },
  sluice_engine_start: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "buffer", // void *error
    ],
    result: "i32", // int32_t
  },
  sluice_engine_apply: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "buffer", // const void *blob
      "u64", // uint64_t size_bytes
      "u32", // uint32_t flags
      "buffer", // void *error
    ],
    result: "i32", // int32_t
  },
  sluice_engine_status: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "buffer", // void *status
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
  sluice_engine_drain: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "u64", // uint64_t grace_ms
    ],
    result: "i32", // int32_t
  },
  sluice_engine_stop: {
    parameters: [
      "usize", // struct sluice_engine *engine
    ],
    result: "i32", // int32_t
    nonblocking: true,
  },
  sluice_engine_destroy: {
    parameters: [
      "usize", // struct sluice_engine *engine
    ],
    result: "i32", // int32_t
  },
  sluice_sessions_read: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "buffer", // const void *filter
      "u64", // uint64_t filter_size
      "u64", // uint64_t cursor
      "buffer", // void *records
      "u64", // uint64_t size_bytes
      "buffer", // void *next_cursor
    ],
    result: "i32", // int32_t
  },
  sluice_sessions_kill: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "buffer", // const void *filter
      "u64", // uint64_t filter_size
      "u32", // uint32_t reason
    ],
    result: "i64", // int64_t
  },
  sluice_sessions_drain: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "buffer", // const void *filter
      "u64", // uint64_t filter_size
      "u64", // uint64_t grace_ms
    ],
    result: "i64", // int64_t
  },
  sluice_endpoints_health: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "buffer", // const void *records
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
  sluice_log_drain: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "buffer", // void *buffer
      "u64", // uint64_t size_bytes
    ],
    result: "i64", // int64_t
  },
  sluice_stats_tenants: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "u32", // uint32_t first
      "buffer", // void *records
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
  sluice_stats_tenant: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "u32", // uint32_t tenant
      "buffer", // void *record
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
  sluice_stats_sources: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "u32", // uint32_t tenant
      "buffer", // void *records
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
  sluice_stats_listeners: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "u32", // uint32_t first
      "buffer", // void *records
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
  sluice_stats_endpoints: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "u32", // uint32_t first
      "buffer", // void *records
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
  sluice_stats_backends: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "u32", // uint32_t first
      "buffer", // void *records
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
  sluice_stats_workers: {
    parameters: [
      "usize", // struct sluice_engine *engine
      "u32", // uint32_t first
      "buffer", // void *records
      "u64", // uint64_t size_bytes
    ],
    result: "i32", // int32_t
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of a loaded library. */
export type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
