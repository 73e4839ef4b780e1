/* SPDX-License-Identifier: MIT
 *
 * sluice.h: the ABI of the data plane, and the only public header of the library.
 *
 * The control plane owns an engine and calls it from one thread at a time. The engine owns its worker threads. The
 * library never calls back: statistics and log records are read by polling.
 *
 * Records have fixed width, natural alignment, explicit padding and a size that is a multiple of 8; byte order is the
 * machine's (little-endian is asserted). Reserved fields must be zero. `sluice_abi_layout` tells offset and size of
 * every field, so that the other side can prove that it reads the same records.
 *
 * Unless a prototype says otherwise, a function returns 0 or a count on success and a negative SLUICE_E_* code.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_API __attribute__((visibility("default")))

#define SLUICE_ABI_VERSION 2u
#define SLUICE_BLOB_MAGIC 0x43554c53u /* "SLUC" in memory order */

/* "No limit" in a u32 and in a u64 limit. 0 is a limit that lets nothing through. */
#define SLUICE_UNLIMITED32 UINT32_MAX
#define SLUICE_UNLIMITED64 UINT64_MAX

/* "Did not happen" in a duration of a log record. */
#define SLUICE_NEVER UINT64_MAX

#define SLUICE_MAX_WORKERS 64u

/* ---- Errors -------------------------------------------------------------------------------------------------- */

#define SLUICE_OK 0
#define SLUICE_E_ARGUMENT (-1)    /* a null pointer, an odd size, an unknown flag */
#define SLUICE_E_BLOB (-2)        /* the blob is refused; sluice_error names table, record and field */
#define SLUICE_E_BIND (-3)        /* an address could not be bound; sluice_error.sys_errno says why */
#define SLUICE_E_MEMORY (-4)      /* out of memory */
#define SLUICE_E_STATE (-5)       /* the engine is not in a state that allows the call */
#define SLUICE_E_THREAD (-6)      /* a worker could not be started; sys_errno says why */
#define SLUICE_E_BUFFER (-7)      /* the caller's buffer is too small for one record */
#define SLUICE_E_UNSUPPORTED (-8) /* this kernel lacks a system call that the library needs */

/* Details of a failed call; written by the calls that take one, always terminated by NUL. */
struct sluice_error {
    int32_t code;      /* the SLUICE_E_* that the call returned */
    int32_t sys_errno; /* errno behind it, or 0 */
    uint32_t table;    /* SLUICE_TABLE_* of the refused record, or UINT32_MAX */
    uint32_t record;   /* index of the refused record in its table, or UINT32_MAX */
    char field[32];    /* its field, or "" */
    char message[208]; /* one sentence */
};

/* ---- The engine ---------------------------------------------------------------------------------------------- */

/* How an engine is made. */
struct sluice_engine_options {
    uint32_t abi_version;    /* SLUICE_ABI_VERSION of the caller */
    uint32_t workers;        /* worker threads, 1..SLUICE_MAX_WORKERS */
    uint32_t log_ring_bytes; /* log ring of each worker: a power of two, 4 KiB..64 MiB */
    uint32_t reserved0;
    uint64_t reserved1;
};

/* State of an engine, in the order in which it lives. */
#define SLUICE_STATE_CREATED 0u
#define SLUICE_STATE_RUNNING 1u
#define SLUICE_STATE_DRAINING 2u
#define SLUICE_STATE_STOPPED 3u

struct sluice_engine_status {
    uint32_t state;           /* SLUICE_STATE_* */
    uint32_t workers;         /* worker threads */
    uint64_t generation;      /* of the last blob that was applied; 0 before the first */
    uint64_t sessions_active; /* all tenants */
    uint64_t tenants;         /* tenants in force */
    uint64_t listeners;       /* bound addresses */
    uint64_t snapshots_held;  /* replaced tenant configurations that live sessions still use */
};

/* ---- The configuration blob ---------------------------------------------------------------------------------- */

/* One table of a blob. Offsets are from the start of the blob and multiples of 8. A record_size that is larger than
 * the library's is accepted when the bytes beyond are zero; one that is smaller reads as zero beyond. */
struct sluice_table {
    uint32_t offset;
    uint32_t count;
    uint32_t record_size; /* bytes; 1 for the string table */
    uint32_t reserved0;
};

#define SLUICE_TABLE_PROCESS 0u  /* sluice_process_record: none (unchanged) or one */
#define SLUICE_TABLE_TENANT 1u   /* sluice_tenant_record: tenants to add or to replace */
#define SLUICE_TABLE_REMOVED 2u  /* uint32_t pairs {tenant id, 0}: tenants to remove */
#define SLUICE_TABLE_LISTENER 3u /* sluice_listener_record */
#define SLUICE_TABLE_BACKEND 4u  /* sluice_backend_record */
#define SLUICE_TABLE_ENDPOINT 5u /* sluice_endpoint_record */
#define SLUICE_TABLE_PREFIX 6u   /* sluice_prefix_record */
#define SLUICE_TABLE_STRING 7u   /* bytes: paths of unix sockets */
#define SLUICE_TABLE_COUNT 8u

struct sluice_blob_header {
    uint32_t magic;       /* SLUICE_BLOB_MAGIC */
    uint32_t abi_version; /* SLUICE_ABI_VERSION */
    uint64_t total_size;  /* bytes of the whole blob */
    uint64_t generation;  /* becomes the engine's generation when applied; must be greater than that in force */
    struct sluice_table tables[SLUICE_TABLE_COUNT];
};

/* Families of an address. */
#define SLUICE_FAMILY_NONE 0u
#define SLUICE_FAMILY_IPV4 4u
#define SLUICE_FAMILY_IPV6 6u
#define SLUICE_FAMILY_UNIX 1u

struct sluice_address {
    uint32_t family;      /* SLUICE_FAMILY_* */
    uint32_t port;        /* host order, 0..65535; 0 lets the kernel choose (listeners only); 0 for unix */
    uint8_t ip[16];       /* network order; IPv4 in the first four bytes, the rest zero */
    uint32_t scope_id;    /* interface index of a link-local IPv6 address, else 0 */
    uint32_t path_offset; /* unix: into the string table. A path that starts with NUL is abstract */
    uint32_t path_length; /* unix: bytes, 1..107 */
    uint32_t reserved0;
};

/* What holds for the whole process. */
struct sluice_process_record {
    uint32_t max_connections;    /* sessions at once, all tenants; SLUICE_UNLIMITED32 */
    uint32_t access_log;         /* 1: push a record for each session, 0: push none */
    uint32_t access_sample_ppm;  /* share of finished sessions that are logged, 0..1000000; refused ones always are */
    uint32_t access_progress_ms; /* a progress record of a live session each so many ms; 0: none */
    uint64_t reserved0[2];
};

/* A token bucket: starts full, holds `burst` tokens at the most, refills continuously. */
struct sluice_bucket {
    uint64_t
        rate; /* tokens in 1000 seconds, 0..SLUICE_RATE_MAX; 0 lets nothing through; SLUICE_UNLIMITED64: no limit */
    uint64_t burst; /* tokens, 0..SLUICE_BURST_MAX; 0 lets nothing through */
};

#define SLUICE_RATE_MAX UINT64_C(100000000000000) /* 100 GB a second */
#define SLUICE_BURST_MAX (UINT64_C(1) << 50)

#define SLUICE_ON_LIMIT_CLOSE 0u /* refuse with FIN */
#define SLUICE_ON_LIMIT_RESET 1u /* refuse with RST */
#define SLUICE_ON_LIMIT_QUEUE 2u /* let it wait; what finds no place in the queue is refused with FIN */

#define SLUICE_LIMITS_DRY_RUN 1u /* flag: count what would be refused, and let it pass; hold no bytes back */

/* What a tenant may use. A token of the session buckets is a session, of the others a byte. */
struct sluice_limits {
    uint32_t flags;                    /* SLUICE_LIMITS_* */
    uint32_t on_limit;                 /* SLUICE_ON_LIMIT_* */
    uint32_t max_connections;          /* sessions at once; SLUICE_UNLIMITED32 */
    uint32_t queue_size;               /* sessions that wait at once at the most */
    uint64_t queue_timeout_ms;         /* longest wait; 0: no end */
    struct sluice_bucket session_rate; /* new sessions */
    struct sluice_bucket up;           /* bytes of all sessions, from clients to endpoints */
    struct sluice_bucket down;         /* and from endpoints to clients */
    struct sluice_bucket session_up;   /* of each session */
    struct sluice_bucket session_down;
    struct sluice_bucket source_rate; /* new sessions of each source */
    uint32_t source_max_connections;  /* sessions of each source at once; SLUICE_UNLIMITED32 */
    uint32_t source_ipv4_bits;        /* leading bits that make a source, 0..32 */
    uint32_t source_ipv6_bits;        /* 0..128 */
    uint32_t reserved0;
};

#define SLUICE_RESET_NONE 0u       /* a reset of one side becomes a close of the other */
#define SLUICE_RESET_TO_BACKEND 1u /* a client's reset is passed to the endpoint */
#define SLUICE_RESET_BOTH 2u       /* and an endpoint's to the client */

#define SLUICE_TENANT_ENABLED 1u /* flag: without it, sessions are refused with tenant_disabled */
#define SLUICE_TENANT_ALLOW_LIST                                                                                       \
    2u /* flag: only clients of its allowed prefixes may connect, even if there is none                                \
        */

/* Addresses with the same leading bits. */
struct sluice_prefix_record {
    uint8_t ip[16];  /* as in sluice_address; bits beyond the prefix must be zero */
    uint32_t family; /* SLUICE_FAMILY_IPV4 or SLUICE_FAMILY_IPV6 */
    uint32_t bits;   /* 0..32 or 0..128 */
};

/* A tenant, whole: an upsert replaces all that an earlier one said. Its listeners and backends are the consecutive
 * records first..first+count of their tables. Ids are chosen by the control plane, are never 0, and stay the same for
 * the same object over all blobs; an id is not used again for another object. */
struct sluice_tenant_record {
    uint32_t id;
    uint32_t flags;      /* SLUICE_TENANT_* */
    uint64_t connect_ms; /* each timeout: milliseconds, 0 is off */
    uint64_t first_byte_ms;
    uint64_t idle_ms;
    uint64_t half_close_ms;
    uint64_t max_duration_ms;
    uint64_t drain_ms;                /* how long sessions run on when what they run on is removed; 0: closed at once */
    uint32_t max_duration_jitter_ppm; /* max_duration is shortened by a random share up to this, 0..1000000 */
    uint32_t user_timeout_ms;         /* TCP_USER_TIMEOUT, 0 leaves the kernel's */
    uint32_t keepalive_idle_s;        /* 0: no keepalive */
    uint32_t keepalive_interval_s;
    uint32_t keepalive_probes;
    uint32_t reset_propagation; /* SLUICE_RESET_* */
    uint64_t buffer_bytes;      /* above this many bytes held for slow readers, sessions read in small pieces only */
    uint32_t first_listener;
    uint32_t listener_count;
    uint32_t first_backend;
    uint32_t backend_count;
    uint32_t first_prefix; /* its prefixes: allow_count allowed ones, then deny_count denied ones; denied wins */
    uint32_t allow_count;
    uint32_t deny_count;
    uint32_t reserved0;
    struct sluice_limits limits;
};

struct sluice_listener_record {
    uint32_t id;
    uint32_t backend; /* id of a backend of the same tenant */
    struct sluice_address address;
    uint32_t port_last; /* last port of a range that starts at address.port; equal to it for one port */
    uint32_t reserved0;
};

#define SLUICE_BALANCE_ROUND_ROBIN 0u       /* smooth weighted, one sequence for the process */
#define SLUICE_BALANCE_LEAST_CONNECTIONS 1u /* fewest sessions for its weight */
#define SLUICE_BALANCE_RANDOM_TWO 2u        /* the better of two that are drawn by weight (Mitzenmacher 2001) */
#define SLUICE_BALANCE_SOURCE_HASH 3u       /* by client address (Maglev, Eisenbud et al. 2016) */
#define SLUICE_BALANCE_FIRST 4u             /* the first in order that has a place */
#define SLUICE_BALANCE_LEAST_TIME 5u        /* shortest time to connect for its sessions and weight */

struct sluice_backend_record {
    uint32_t id;
    uint32_t balance;  /* SLUICE_BALANCE_* */
    uint32_t attempts; /* connect attempts of a session at the most, each to another endpoint; >= 1 */
    uint32_t first_endpoint;
    uint32_t endpoint_count;
    uint32_t panic_ppm;     /* under this share of endpoints that are fit, all are used; 0: never */
    uint64_t slow_start_ms; /* how long the share of an endpoint that is added grows */
};

/* State that an operator gives an endpoint. */
#define SLUICE_ENDPOINT_READY 0u
#define SLUICE_ENDPOINT_DRAIN 1u       /* no new sessions, live ones go on */
#define SLUICE_ENDPOINT_MAINTENANCE 2u /* the same to the data plane; the control plane does not check its health */

struct sluice_endpoint_record {
    uint32_t id;
    uint32_t weight;          /* 0..65535; 0: no new sessions */
    uint32_t max_connections; /* sessions at once; SLUICE_UNLIMITED32 */
    uint32_t state;           /* SLUICE_ENDPOINT_* */
    struct sluice_address address;
    uint32_t tier; /* used when every lower tier has no endpoint left, 0..15 */
    uint32_t reserved0;
};

/* What is known of an endpoint's health. Those that are not down are used. */
#define SLUICE_HEALTH_UNKNOWN 0u
#define SLUICE_HEALTH_UP 1u
#define SLUICE_HEALTH_DOWN 2u

/* ---- Why and how a session ended ----------------------------------------------------------------------------- */

/* Reasons. The numbers are stable; new ones go to the end. */
#define SLUICE_REASON_LIST(X)                                                                                          \
    X(OK, ok, 0)                                                                                                       \
    X(CLIENT_ABORT, client_abort, 1)                                                                                   \
    X(SERVER_ABORT, server_abort, 2)                                                                                   \
    X(CONNECT_REFUSED, connect_refused, 3)                                                                             \
    X(CONNECT_TIMEOUT, connect_timeout, 4)                                                                             \
    X(IDLE_TIMEOUT, idle_timeout, 5)                                                                                   \
    X(FIRST_BYTE_TIMEOUT, first_byte_timeout, 6)                                                                       \
    X(HALF_CLOSE_TIMEOUT, half_close_timeout, 7)                                                                       \
    X(MAX_DURATION, max_duration, 8)                                                                                   \
    X(ROUTE_TIMEOUT, route_timeout, 9)                                                                                 \
    X(NO_ROUTE, no_route, 10)                                                                                          \
    X(BAD_PROXY_HEADER, bad_proxy_header, 11)                                                                          \
    X(BAD_CLIENT_HELLO, bad_client_hello, 12)                                                                          \
    X(DENIED, denied, 13)                                                                                              \
    X(TENANT_DISABLED, tenant_disabled, 14)                                                                            \
    X(TENANT_CONNECTIONS, tenant_connections, 15)                                                                      \
    X(TENANT_RATE, tenant_rate, 16)                                                                                    \
    X(SOURCE_CONNECTIONS, source_connections, 17)                                                                      \
    X(SOURCE_RATE, source_rate, 18)                                                                                    \
    X(PROCESS_CONNECTIONS, process_connections, 19)                                                                    \
    X(QUEUE_FULL, queue_full, 20)                                                                                      \
    X(QUEUE_TIMEOUT, queue_timeout, 21)                                                                                \
    X(NO_ENDPOINT, no_endpoint, 22)                                                                                    \
    X(CIRCUIT_OPEN, circuit_open, 23)                                                                                  \
    X(ENDPOINT_DOWN, endpoint_down, 24)                                                                                \
    X(DRAINED, drained, 25)                                                                                            \
    X(KILLED, killed, 26)                                                                                              \
    X(FAULT, fault, 27)                                                                                                \
    X(FD_EXHAUSTED, fd_exhausted, 28)                                                                                  \
    X(MEMORY, memory, 29)

enum sluice_reason {
#define SLUICE_REASON_ENUM(upper, lower, number) SLUICE_REASON_##upper = number,
    SLUICE_REASON_LIST(SLUICE_REASON_ENUM)
#undef SLUICE_REASON_ENUM
        SLUICE_REASON_COUNT = 30
};

#define SLUICE_CODE_FIRST "-CSPRIDKcs" /* index of a code's first letter */
#define SLUICE_CODE_SECOND "-RQCDL"    /* index of a code's second letter */
#define SLUICE_CODE_COUNT 60           /* index of a code: first * 6 + second */

/* ---- Log records --------------------------------------------------------------------------------------------- */

/* A drained buffer holds records one after the other; each starts with this, and size is a multiple of 8. Readers
 * skip kinds that they do not know. */
struct sluice_log_header {
    uint32_t size; /* bytes of the record with this header and its text */
    uint16_t kind; /* SLUICE_LOG_* */
    uint16_t worker;
};

#define SLUICE_LOG_SESSION 1u  /* sluice_log_session: a session that ended or was refused */
#define SLUICE_LOG_PROGRESS 2u /* sluice_log_session: a long session so far; code and reason are of no meaning */
#define SLUICE_LOG_NOTICE 3u   /* sluice_log_notice */

struct sluice_log_session {
    struct sluice_log_header header;
    uint8_t session[16]; /* ULID, 128 bits, big-endian; its first 48 bits are the ms of the accept */
    uint32_t tenant;     /* ids, 0 where the session had none (yet) */
    uint32_t listener;
    uint32_t route;
    uint32_t backend;
    uint32_t endpoint;
    uint32_t attempts;      /* connect attempts */
    uint8_t client_ip[16];  /* as in sluice_address; a v4-mapped client is IPv4 */
    uint32_t client_family; /* SLUICE_FAMILY_* */
    uint32_t client_port;
    uint32_t reason;        /* SLUICE_REASON_* */
    uint32_t code;          /* index of the code */
    uint64_t bytes_up;      /* delivered to the endpoint */
    uint64_t bytes_down;    /* delivered to the client */
    uint64_t queue_us;      /* durations; SLUICE_NEVER where it did not happen */
    uint64_t connect_us;    /* from the first attempt to the connection that held */
    uint64_t first_byte_us; /* from the accept to the endpoint's first byte */
    uint64_t total_us;      /* from the accept to now */
    uint32_t rtt_client_us; /* smoothed round trip as the kernel knows it; 0 unknown */
    uint32_t rtt_server_us;
    uint32_t server_name_length; /* text behind the record: server name, then ALPN, then padding to 8 */
    uint32_t alpn_length;
};

#define SLUICE_NOTICE_ACCEPT_PAUSED 1u  /* a worker stopped accepting; value is the errno */
#define SLUICE_NOTICE_ACCEPT_RESUMED 2u /* and goes on; value is the pause in us */
#define SLUICE_NOTICE_REFUSING                                                                                         \
    3u /* a tenant's sessions are refused, the first for value, a SLUICE_REASON_* (with                                \
          a dry run: would be); at most once a second for each worker and tenant */

struct sluice_log_notice {
    struct sluice_log_header header;
    uint64_t time_ms; /* Unix time */
    uint32_t notice;  /* SLUICE_NOTICE_* */
    uint32_t tenant;  /* or 0 */
    uint64_t value;
};

/* ---- Live sessions ------------------------------------------------------------------------------------------- */

#define SLUICE_SESSION_CONNECTING 1u
#define SLUICE_SESSION_RELAYING 2u
#define SLUICE_SESSION_LINGERING 3u /* one side was aborted, the other still gets what was sent before that */
#define SLUICE_SESSION_QUEUED 4u    /* waits for a limit */

/* A session that lives. */
struct sluice_session_record {
    struct sluice_log_session session; /* kind SLUICE_LOG_PROGRESS; the fields of its log record so far, no text */
    uint32_t state;                    /* SLUICE_SESSION_* */
    uint32_t reserved0;
    uint64_t drain_in_ms; /* until it is closed as drained; SLUICE_NEVER: it is not being drained */
};

/* What the ids of a filter are of. */
#define SLUICE_FILTER_ANY 0u /* no ids: sessions of everything */
#define SLUICE_FILTER_TENANT 1u
#define SLUICE_FILTER_BACKEND 2u
#define SLUICE_FILTER_ENDPOINT 3u /* of the last attempt */

/* Which sessions: those that meet everything it says. It is followed by id_count uint32_t in rising order; a session
 * must be of one of them. An id stands for one object, so those of endpoints also say backend and tenant; of several
 * that had one name (removed and added again, or one name for more than one address) each has its own. */
struct sluice_session_filter {
    uint32_t id_kind; /* SLUICE_FILTER_* */
    uint32_t id_count;
    uint32_t source_family; /* client addresses by prefix: SLUICE_FAMILY_*; SLUICE_FAMILY_NONE: all */
    uint32_t source_bits;   /* 0..32 or 0..128; 0 for unix */
    uint8_t source_ip[16];  /* as in sluice_address; bits beyond the prefix are not looked at */
    uint64_t older_than_ms; /* accepted at least so long ago */
    uint8_t session[16];    /* ULID of one session; all zero: any */
};

/* ---- Statistics ---------------------------------------------------------------------------------------------- */

/* Upper bounds of the duration buckets in microseconds; one more bucket holds what is above the last. */
/* clang-format off */
#define SLUICE_BUCKET_LIST(X)                                                                                          \
    X(100) X(250) X(500) X(1000) X(2500) X(5000) X(10000) X(25000) X(50000) X(100000) X(250000) X(500000) X(1000000)   \
    X(2500000) X(5000000) X(10000000) X(60000000) X(600000000) X(3600000000)
/* clang-format on */
#define SLUICE_BUCKET_COUNT 20

struct sluice_tenant_stats {
    uint32_t id;
    uint32_t reserved0;
    uint64_t sessions_total; /* accepted, also those refused later */
    uint64_t sessions_active;
    uint64_t bytes_up;
    uint64_t bytes_down;
    uint64_t buffered_bytes;  /* held for slow readers now, without pipes */
    uint64_t retries_total;   /* connect attempts beyond the first */
    uint64_t queue_length;    /* sessions that wait for a limit now */
    uint64_t throttled_us_up; /* time that sessions had bytes to move and were held back, summed over them */
    uint64_t throttled_us_down;
    uint64_t session_tokens; /* what is left in the tenant's buckets now; SLUICE_UNLIMITED64: no limit */
    uint64_t up_tokens;
    uint64_t down_tokens;
    uint64_t refused[SLUICE_REASON_COUNT];     /* never got an endpoint, by reason; with a dry run also what passed */
    uint64_t dry_refused[SLUICE_REASON_COUNT]; /* those of them that passed */
    uint64_t closed[SLUICE_CODE_COUNT];        /* all that ended, by code */
    uint64_t connect_us_sum;
    uint64_t session_us_sum;
    uint64_t connect_bucket[SLUICE_BUCKET_COUNT]; /* not cumulative */
    uint64_t session_bucket[SLUICE_BUCKET_COUNT];
};

/* A source of a tenant's sessions that is being counted. */
struct sluice_source_stats {
    uint8_t ip[16];    /* as in sluice_address, with zeros beyond the prefix */
    uint32_t family;   /* SLUICE_FAMILY_IPV4 or SLUICE_FAMILY_IPV6 */
    uint32_t sessions; /* alive now */
};

struct sluice_listener_stats {
    uint32_t tenant;
    uint32_t id;
    uint64_t sessions_total;
    uint64_t addresses;          /* bound addresses of this listener; more than one for a port range */
    struct sluice_address bound; /* its first one, with the port that the kernel chose; unix: path fields are 0 */
};

struct sluice_endpoint_stats {
    uint32_t tenant;
    uint32_t backend;
    uint32_t id;
    uint32_t state; /* SLUICE_ENDPOINT_* */
    uint64_t sessions_active;
    uint64_t sessions_total;
    uint64_t connect_failures;
};

struct sluice_worker_stats {
    uint64_t sessions_active;
    uint64_t fds_in_use;
    uint64_t pipes_in_use;
    uint64_t buffer_bytes;  /* memory of pending buffers, used or pooled */
    uint64_t session_bytes; /* memory of the session slab */
    uint64_t loop_lag_ns;   /* longest turn since the last read of this record */
    uint64_t turns_total;
    uint64_t accept_pauses_total;
    uint64_t log_dropped_total;
    uint64_t reserved0;
};

/* ---- Functions ----------------------------------------------------------------------------------------------- */

struct sluice_engine;

/* SLUICE_ABI_VERSION of the library. */
SLUICE_API uint32_t sluice_abi_version(void);

/* One row of the truth table about records and constants. */
struct sluice_layout_row {
    char record[32]; /* struct name without "sluice_", or "const" */
    char field[40];  /* field name; "" is the whole record; or the constant's name without "SLUICE_" */
    uint64_t offset; /* of the field; or the constant's value */
    uint64_t size;   /* bytes of the field or record; 0 for constants */
};

/* Copies rows from `first` on into `rows`, at most size_bytes; returns how many, 0 at the end. */
SLUICE_API int32_t sluice_abi_layout(uint32_t first, void *rows, uint64_t size_bytes);

/* Makes an engine (state CREATED) into *engine. `options` is a sluice_engine_options; `error` a sluice_error. */
SLUICE_API int32_t sluice_engine_create(const void *options, uint64_t size_bytes, struct sluice_engine **engine,
                                        void *error);

/* Starts the workers. A configuration is applied after that. */
SLUICE_API int32_t sluice_engine_start(struct sluice_engine *engine, void *error);

/* Puts a configuration blob in force, all or nothing: new addresses are bound by every worker before anything
 * changes, and when one cannot be, none stays bound and the old configuration goes on. Returns when every worker
 * uses it. The blob is copied. With SLUICE_APPLY_DRY_RUN only decodes and checks. */
#define SLUICE_APPLY_DRY_RUN 1u
SLUICE_API int32_t sluice_engine_apply(struct sluice_engine *engine, const void *blob, uint64_t size_bytes,
                                       uint32_t flags, void *error);

/* Reads a sluice_engine_status. */
SLUICE_API int32_t sluice_engine_status(struct sluice_engine *engine, void *status, uint64_t size_bytes);

/* Stops accepting (what the kernel has queued is still accepted) and lets sessions run for grace_ms, then closes
 * them as drained. Returns at once; poll sessions_active. */
SLUICE_API int32_t sluice_engine_drain(struct sluice_engine *engine, uint64_t grace_ms);

/* Closes what is left as drained and joins the workers. May block for a turn of the slowest worker. */
SLUICE_API int32_t sluice_engine_stop(struct sluice_engine *engine);

/* Frees the engine; only in state CREATED or STOPPED. */
SLUICE_API int32_t sluice_engine_destroy(struct sluice_engine *engine);

/* Live sessions. `filter` is a sluice_session_filter with its ids, filter_size bytes with them. Sessions that begin or
 * end meanwhile may be met or not; each other one is met once. Workers look at a bounded number of slots a turn.
 *
 * Reads sluice_session_records, as many as size_bytes hold, from `cursor` on: 0, or what an earlier call put into
 * *next_cursor, which is 0 at the end. Returns how many. */
SLUICE_API int32_t sluice_sessions_read(struct sluice_engine *engine, const void *filter, uint64_t filter_size,
                                        uint64_t cursor, void *records, uint64_t size_bytes, void *next_cursor);

/* Closes them as killed. Returns how many. */
SLUICE_API int64_t sluice_sessions_kill(struct sluice_engine *engine, const void *filter, uint64_t filter_size);

/* Gives them a deadline of now + grace_ms, unless they have an earlier one; then they are closed as drained. With 0
 * they are closed now. Returns how many sessions that is. */
SLUICE_API int64_t sluice_sessions_drain(struct sluice_engine *engine, const void *filter, uint64_t filter_size,
                                         uint64_t grace_ms);

/* Moves log records of all workers into `buffer`, whole records only. Returns bytes; 0 when there is none. */
SLUICE_API int64_t sluice_log_drain(struct sluice_engine *engine, void *buffer, uint64_t size_bytes);

/* Statistics, summed over the workers. Each copies records with positions first.. and returns how many; 0 at the end.
 * Positions are stable between two applies. */
SLUICE_API int32_t sluice_stats_tenants(struct sluice_engine *engine, uint32_t first, void *records,
                                        uint64_t size_bytes);
/* The same of one tenant, by id: 1, or 0 when there is no such tenant. */
SLUICE_API int32_t sluice_stats_tenant(struct sluice_engine *engine, uint32_t tenant, void *record,
                                       uint64_t size_bytes);
/* A tenant's sources with most sessions, those first; as many as size_bytes hold. Only sources of tenants with limits
 * a source are counted. */
SLUICE_API int32_t sluice_stats_sources(struct sluice_engine *engine, uint32_t tenant, void *records,
                                        uint64_t size_bytes);
SLUICE_API int32_t sluice_stats_listeners(struct sluice_engine *engine, uint32_t first, void *records,
                                          uint64_t size_bytes);
SLUICE_API int32_t sluice_stats_endpoints(struct sluice_engine *engine, uint32_t first, void *records,
                                          uint64_t size_bytes);
SLUICE_API int32_t sluice_stats_workers(struct sluice_engine *engine, uint32_t first, void *records,
                                        uint64_t size_bytes);

#ifdef __cplusplus
}
#endif

#endif
