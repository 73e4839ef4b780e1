/* SPDX-License-Identifier: MIT
 *
 * A part of sluice.h: the configuration blob, its tables and their records. Tenants hold listeners, routes, backends
 * and endpoints; ids are numbers of the control plane's choice.
 */
#ifndef SLUICE_BLOB_H
#define SLUICE_BLOB_H

#include <stdint.h>

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
#define SLUICE_TABLE_ROUTE 7u    /* sluice_route_record */
#define SLUICE_TABLE_TEXT 8u     /* sluice_text_record */
#define SLUICE_TABLE_SPLIT 9u    /* sluice_split_record */
#define SLUICE_TABLE_STRING 10u  /* bytes: paths of unix sockets, server names, protocols */
#define SLUICE_TABLE_COUNT 11u

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

/* flag: holds shared listeners and nothing else; it is nobody's tenant, and never shown as one */
#define SLUICE_TENANT_SHARED 4u

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
    uint32_t first_route;
    uint32_t route_count;
    uint32_t mirror_backend;   /* id of a backend of its own; 0: no mirror */
    uint32_t mirror_share_ppm; /* share of its sessions that are copied, 0..1000000 */
    uint32_t fault_delay_ppm;  /* trouble on purpose, shares of its sessions: delayed by fault_delay_ms, */
    uint32_t fault_reset_ppm;  /* reset, */
    uint32_t fault_refuse_ppm; /* refused */
    uint64_t fault_delay_ms;
    uint64_t reserved0;
    struct sluice_limits limits;
};

#define SLUICE_DETECT_NONE 0u
#define SLUICE_DETECT_TLS 1u /* read server name and protocols from the ClientHello */

#define SLUICE_PROXY_OFF 0u
#define SLUICE_PROXY_REQUIRED 1u /* connections begin with a PROXY header, from a trusted address */

struct sluice_listener_record {
    uint32_t id;
    uint32_t backend; /* id of a backend of the same tenant; 0: shared, routes decide */
    struct sluice_address address;
    uint32_t port_last;     /* last port of a range that starts at address.port; equal to it for one port */
    uint32_t detect;        /* SLUICE_DETECT_*; shared listeners only */
    uint32_t proxy_accept;  /* SLUICE_PROXY_* */
    uint32_t first_trusted; /* prefixes that may send a PROXY header */
    uint32_t trusted_count;
    uint32_t reserved0;
    uint64_t proxy_timeout_ms;  /* for the whole header */
    uint64_t detect_timeout_ms; /* for the whole ClientHello */
};

/* Text in the string table. */
struct sluice_text_record {
    uint32_t offset;
    uint32_t length; /* 1..255 */
};

#define SLUICE_ROUTE_DEFAULT 1u /* flag: takes what no name takes */

/* What a tenant takes from a shared listener: what meets all that is said. Exact names win, then the longest wildcard,
 * then routes without names; among those of one name, the longest prefix of the client's address, then one that says
 * protocols. */
struct sluice_route_record {
    uint32_t id;
    uint32_t listener;   /* id of a shared listener */
    uint32_t backend;    /* id of a backend of the tenant */
    uint32_t flags;      /* SLUICE_ROUTE_* */
    uint32_t first_name; /* texts: server names in lower case; "*.example" is every name below example */
    uint32_t name_count;
    uint32_t first_protocol; /* texts: ALPN, one of which the client must offer; none: any or no offer */
    uint32_t protocol_count;
    uint32_t first_source; /* prefixes of client addresses; none: all */
    uint32_t source_count;
    uint64_t reserved0;
};

/* A part of a backend that is split: sessions go to one of its parts, by weight, the same for each client address. */
struct sluice_split_record {
    uint32_t backend; /* id of a backend of the same tenant, not split itself */
    uint32_t weight;  /* 0..65535 */
};

#define SLUICE_BALANCE_ROUND_ROBIN 0u       /* smooth weighted, one sequence for the process */
#define SLUICE_BALANCE_LEAST_CONNECTIONS 1u /* fewest sessions for its weight */
#define SLUICE_BALANCE_RANDOM_TWO 2u        /* the better of two that are drawn by weight (Mitzenmacher 2001) */
#define SLUICE_BALANCE_SOURCE_HASH 3u       /* by client address (Maglev, Eisenbud et al. 2016) */
#define SLUICE_BALANCE_FIRST 4u             /* the first in order that has a place */
#define SLUICE_BALANCE_LEAST_TIME 5u        /* shortest time to connect for its sessions and weight */

#define SLUICE_SEND_PROXY_OFF 0u
#define SLUICE_SEND_PROXY_V1 1u
#define SLUICE_SEND_PROXY_V2 2u

struct sluice_backend_record {
    uint32_t id;
    uint32_t balance;  /* SLUICE_BALANCE_* */
    uint32_t attempts; /* connect attempts of a session at the most, each to another endpoint; >= 1 */
    uint32_t first_endpoint;
    uint32_t endpoint_count;
    uint32_t first_split; /* parts; with parts it has no endpoints */
    uint32_t split_count;
    uint32_t send_proxy; /* SLUICE_SEND_PROXY_* */
    struct sluice_address
        source_address;        /* of connections to endpoints, port 0; SLUICE_FAMILY_NONE: the kernel's choice */
    uint64_t backoff_ms;       /* pause before a further attempt */
    uint32_t retry_budget_ppm; /* share of its connects that may be further attempts; UINT32_MAX: no bound */
    uint32_t passive_failures; /* failed connects in a window that eject an endpoint; 0: none is ejected */
    uint64_t passive_window_ms;
    uint64_t eject_ms;          /* first ejection; doubles with each one after it, up to ten times this */
    uint32_t max_ejected_ppm;   /* share of the endpoints that may be ejected at once */
    uint32_t breaker_requests;  /* connects in a window before their share counts; 0: no circuit breaker */
    uint32_t breaker_error_ppm; /* share of failed ones that opens the circuit */
    uint32_t breaker_probes;    /* connects let through while half-open */
    uint64_t breaker_window_ms;
    uint64_t breaker_open_ms;
    uint64_t slow_start_ms;  /* how long the share of an endpoint that comes up grows */
    uint32_t panic_ppm;      /* under this share of endpoints that are up, all are used */
    uint32_t preconnect_min; /* connections kept open ahead, for each endpoint and the process */
    uint32_t preconnect_max;
    uint32_t reserved0;
    uint64_t preconnect_idle_ms; /* one that has waited so long is closed */
    uint64_t split_seed; /* which clients go to which part; any number, the same in each process for the same split */
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
    uint32_t tier;   /* used when every lower tier has no endpoint left, 0..15 */
    uint32_t health; /* SLUICE_HEALTH_* of an endpoint that is new; sluice_endpoints_health changes it */
};

/* What active checks say. Endpoints that are not down are used. */
#define SLUICE_HEALTH_UNKNOWN 0u
#define SLUICE_HEALTH_UP 1u
#define SLUICE_HEALTH_DOWN 2u

struct sluice_health_record {
    uint32_t endpoint; /* id */
    uint32_t health;   /* SLUICE_HEALTH_* */
};

#endif
