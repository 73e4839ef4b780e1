/* SPDX-License-Identifier: MIT
 *
 * A part of sluice.h: what the library tells. How sessions end, the records of the log, live sessions, statistics.
 */
#ifndef SLUICE_REPORT_H
#define SLUICE_REPORT_H

#include <stdint.h>

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

#define SLUICE_NOTICE_EJECTED 4u        /* an endpoint was ejected; value is its id */
#define SLUICE_NOTICE_EJECTION_ENDED 5u /* and takes part again */
#define SLUICE_NOTICE_CIRCUIT_OPEN 6u   /* a circuit breaker has changed its state; value is the backend's id */
#define SLUICE_NOTICE_CIRCUIT_HALF_OPEN 7u
#define SLUICE_NOTICE_CIRCUIT_CLOSED 8u

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
#define SLUICE_SESSION_READING 5u   /* PROXY header or ClientHello are not whole yet */

#define SLUICE_SESSION_TEXT 512u /* bytes of the longest server name and ALPN */

/* A session that lives. */
struct sluice_session_record {
    struct sluice_log_session session; /* kind SLUICE_LOG_PROGRESS; the fields of its log record so far */
    uint32_t state;                    /* SLUICE_SESSION_* */
    uint32_t reserved0;
    uint64_t drain_in_ms;              /* until it is closed as drained; SLUICE_NEVER: it is not being drained */
    uint8_t text[SLUICE_SESSION_TEXT]; /* server name, then ALPN, each as long as `session` says */
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
    uint64_t preconnect_idle; /* connections that are open ahead now */
    uint32_t health;          /* SLUICE_HEALTH_* */
    uint32_t ejected;         /* 1: by failed connects, for now */
};

#define SLUICE_CIRCUIT_CLOSED 0u
#define SLUICE_CIRCUIT_OPEN 1u
#define SLUICE_CIRCUIT_HALF_OPEN 2u

struct sluice_backend_stats {
    uint32_t tenant;
    uint32_t id;
    uint32_t circuit; /* SLUICE_CIRCUIT_* */
    uint32_t reserved0;
    uint64_t connects_total;   /* sessions that tried to connect */
    uint64_t connect_failures; /* those of them that got no endpoint */
    uint64_t connect_us_sum;
    uint64_t connect_bucket[SLUICE_BUCKET_COUNT]; /* of those that did; not cumulative */
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

#endif
