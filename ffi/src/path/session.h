/* SPDX-License-Identifier: MIT
 *
 * A session: one client connection and at most one connection to an endpoint, from accept to close. Lives in its
 * worker's slab and never leaves that worker.
 *
 *                              connect fails, another endpoint is left
 *                               ┌────────┐
 *                               │        ▼
 *   accept ─▶ READING ──admit──▶ CONNECTING ──connected──▶ RELAYING ──one side aborted──▶ LINGERING
 *     │  │     │   │  ▲             ▲ │ │                      │                              │
 *     │  └─────┼───┼──┘ nothing     │ │ │ gives up             │ both ended, timeout, kill    │ the other side
 *     │        │   │    to read     │ │ │                      │                              │ has all
 *     │        │   └─over a─▶ QUEUED┘◀┘ │                      │                              │
 *     │        │     limit      │  no endpoint has a place     │                              │
 *     └refused─┤                │       │                      │                              │
 *              ▼                ▼       ▼                      ▼                              ▼
 *              └────────────────┴────▶ CLOSED ◀────────────────┴──────────────────────────────┘
 *
 * CONNECTING may go by way of DELAYED once, before its first attempt (path/fault).
 *
 * CLOSED only marks: fds are closed at once, the slot is freed at the end of the worker's turn, because the batch of
 * events in hand may still name it.
 */
#ifndef SLUICE_PATH_SESSION_H
#define SLUICE_PATH_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "observe/reason.h"
#include "path/path.h"

enum session_state {
    SESSION_ACCEPTED = 0, /* a fresh slot; not admitted yet */
    SESSION_READING,      /* PROXY header or ClientHello are not whole yet (path/preread); then as ACCEPTED */
    SESSION_QUEUED,       /* waits for a limit (path/queue) */
    SESSION_CONNECTING,
    SESSION_DELAYED, /* on purpose, before its first attempt (path/fault) */
    SESSION_RELAYING,
    SESSION_LINGERING,
    SESSION_CLOSED,
    SESSION_STATES,
};

#define SESSION_EVENTS (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET) /* what a side is registered for at the least */

/* Sides, and directions by the side that they read from. */
enum session_side {
    CLIENT = 0,
    ENDPOINT = 1,
};
#define UP CLIENT     /* bytes from the client to the endpoint */
#define DOWN ENDPOINT /* bytes from the endpoint to the client */

/* One socket of a session. The bits are sticky: set by an event, cleared by the call that finds nothing more. */
struct side {
    int fd;           /* -1 when there is none */
    bool readable;    /* a read may give something */
    bool writable;    /* a write may take something */
    bool read_closed; /* the kernel has told that the peer sends no more; what it sent may still wait to be read */
    bool aborted;     /* reset, or broken otherwise: nothing can be sent to it any more */
    uint8_t error;    /* the errno of that */
    bool local;       /* a unix socket */
    bool exact;       /* a short read does not mean "drained": urgent data, a unix socket, an error behind the bytes */
    bool watched;     /* registered with the loop */
    bool watched_out; /* and for EPOLLOUT */
    bool nodelay;     /* TCP_NODELAY is set, or needless */
};

/* Bytes on their way. At most one of `held` and a non-empty pipe at a time. */
struct direction {
    uint64_t bytes;         /* delivered to the peer's socket */
    uint8_t *held;          /* read but not taken by the peer yet: memory of the worker's buffer pool, or NULL */
    uint32_t held_offset;   /* first byte of it that is still to be sent */
    uint32_t held_length;   /* bytes still to be sent */
    uint32_t held_capacity; /* of the buffer, as charged to the tenant */
    bool source_ended;      /* all that the source will ever give has been read */
    bool ended;             /* and delivered, and the end of it passed on; or given up */
    uint8_t full_reads;     /* reads in a row that filled the scratch, all passed on at once */
    uint8_t small_moves;    /* spliced moves in a row that were small */
    struct pipe_slot *pipe; /* NULL: bytes are copied */
};

struct session {
    struct side side[2];           /* by enum session_side */
    struct direction direction[2]; /* UP, DOWN */

    uint32_t index;          /* own slot */
    uint32_t generation;     /* of the slot */
    uint64_t last_active_ns; /* a byte moved; CONNECTING: the attempt began; DELAYED: that did */
    uint64_t tried;          /* bits of endpoints that were tried (balance_tried_bit) */

    struct timer timer;   /* armed for some time not after the next deadline */
    struct list ready;    /* in path.ready or path.dead; QUEUED: in a list of its waiting_room */
    struct list siblings; /* in view->sessions */

    struct tenant_view *view;
    const struct listener *listener;
    const struct backend *backend;   /* NULL before a route is chosen */
    const struct endpoint *endpoint; /* of the last attempt; NULL before the first */
    struct session_meter *meter;     /* NULL: no limit has needed one */

    uint64_t accepted_ns;
    uint64_t connect_ns;    /* when the first attempt began; once connected, when that was */
    uint64_t first_byte_ns; /* first byte from the endpoint; 0: not yet */
    uint64_t drain_at_ms;   /* tick at which it is closed as drained; 0: none */
    uint32_t connect_us;    /* from the first attempt to the connection that held; at most UINT32_MAX */
    uint32_t progress_told; /* intervals of progress records that are over */
    uint8_t id[16];         /* ULID */
    uint8_t client_ip[16];  /* as in sluice_log_session */
    uint32_t unsent_seen;   /* bytes in the kernel's hands when a timeout last looked */
    uint16_t client_port;
    uint8_t client_family;
    bool last_moved_up : 1;      /* direction of the last byte */
    bool counted_process : 1;    /* holds one of the process's connections */
    bool counted_tenant : 1;     /* holds one of the tenant's (of a shared listener: of its holder's) */
    bool counted_endpoint : 1;   /* holds one of the endpoint's */
    bool took_token : 1;         /* of the tenant's rate: given back when the session never tries to connect */
    bool connected : 1;          /* an endpoint has accepted it */
    bool preconnected : 1;       /* ahead of it (path/preconnect) */
    bool dry_refused : 1;        /* a dry run has counted it as refused */
    bool server_options_set : 1; /* keepalive and user timeout on the endpoint side */
    bool header_due : 1;         /* of the PROXY header for this endpoint, bytes are still to be sent */
    bool pausing : 1;            /* CONNECTING, without an endpoint: last_active_ns is when the next attempt begins */
    bool faults_drawn : 1;       /* path/fault has had its say */
    bool mirrored : 1;           /* drawn for a mirror; once connected: it has one (meter) */
    bool to_be_reset : 1;        /* on purpose, as soon as it is connected */
    uint8_t header_sent;         /* bytes of that PROXY header which were sent */
    uint8_t admitted;            /* steps of path/admit that it has passed */
    uint8_t reason;              /* SLUICE_REASON_*: CONNECTING: why the last attempt failed; LINGERING: why it ends */
    uint8_t linger_phase;        /* LINGERING: enum reason_phase */
    uint8_t state;               /* enum session_state */
    uint8_t attempts;            /* connects started */
};

_Static_assert(sizeof(struct session) <= 320, "an idle session is small");

/* Starts a session on an accepted fd and runs it as far as it goes. Owns the fd from here on. */
void session_start(struct path *path, struct tenant_view *view, const struct listener *listener, int fd,
                   const struct net_address *peer);

/* It is known whose the session is: admission, and what follows. Closes it, or lets it wait or connect. */
void session_enter(struct path *path, struct session *session);

/* Whose session it is, for limits and the log. A v4-mapped address becomes IPv4. */
void session_set_client(struct session *session, uint32_t family, const uint8_t ip[static 16], uint16_t port);

/* Everything is passed: on to an endpoint. May close it, or let it wait for a place at one. */
void session_proceed(struct path *path, struct session *session);

/* Over a limit: it waits where its tenant lets sessions wait, else it is refused. Closes it unless it waits. */
void session_turn_away(struct path *path, struct session *session, enum sluice_reason reason);

/* Registers a side with the loop, once; `out`: for EPOLLOUT too. False when the kernel has no memory for it. */
bool session_watch(struct path *path, struct session *session, enum session_side which, bool out);

/* Handles an event (EPOLL*) of one side. */
void session_event(struct path *path, uint64_t token, uint32_t events);

/* Runs a session that was put on path->ready. */
void session_resume(struct path *path, struct session *session);

/* A session's timer fired: does what is due and arms it again. Is a timer_fire. */
void session_timer(struct timer *timer, void *path);

/* Puts the session's timer at its next deadline, if that is earlier than what it is armed for. Call when a new
 * deadline came into being; activity alone needs no call. */
void session_arm(struct path *path, struct session *session);

/* What there is to tell of a session now: the fields of its log record. */
void session_describe(const struct path *path, const struct session *session, struct sluice_log_session *record);

/* Writes the session's log record: kind SLUICE_LOG_SESSION at its end, SLUICE_LOG_PROGRESS while it lives. */
void session_log(struct path *path, const struct session *session, uint16_t kind, enum sluice_reason reason,
                 uint32_t code);

void session_set_state(struct session *session, enum session_state state);

/* Ends the session: counts, logs, closes both sides. With reset_client a RST goes to the client, with reset_endpoint
 * to the endpoint. */
struct session_end {
    enum sluice_reason reason;
    enum reason_phase phase;
    bool endpoint_side; /* for timeouts that either side can cause */
    bool reset_client;
    bool reset_endpoint;
};
void session_close(struct path *path, struct session *session, struct session_end end);

/* Phase in which a connected session is: PHASE_DATA, or PHASE_LAST when a side has ended. */
enum reason_phase session_phase(const struct session *session);

/* A number that the client's address decides: the same at every worker and in every process. */
uint64_t session_client_hash(const struct session *session);

/* Whether events (EPOLL*) of the client mean that a session without an endpoint has lost it: an error, or an end before
 * it has sent anything. One that has sent something and then closed its direction may well wait for the answer. */
bool session_client_left(const struct session *session, uint32_t events);

/* Makes a session run (again) in this turn, after the events in hand. */
void session_make_ready(struct path *path, struct session *session);

/* Gives back the session's place at its endpoint, if it holds one; others may wait for it. */
void session_release_endpoint(struct path *path, struct session *session);

/* A view that is no longer current is let go as soon as no session is on it; then the control thread may free it. */
void session_retire_view(struct tenant_view *view);

/* Frees what was closed in this turn. */
void session_free_dead(struct path *path);

/* Sessions of a view that run on something that is gone, all of them if `all`, get grace_ms before they are closed;
 * with 0 they are closed at once. Mirrors to what is gone are cut. */
void session_drain_view(struct path *path, struct tenant_view *view, bool all, uint64_t grace_ms);

/* Every session of the worker gets a drain deadline of now + grace_ms (0: is closed now), unless it has an earlier. */
void session_drain_all(struct path *path, uint64_t grace_ms);

/* Gives a session until now + grace_ms, unless it has less already. */
void session_drain(struct path *path, struct session *session, uint64_t grace_ms);

/* Closes every session of the worker. */
void session_close_all(struct path *path, enum sluice_reason reason);

#endif
