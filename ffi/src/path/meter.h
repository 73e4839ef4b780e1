/* SPDX-License-Identifier: MIT
 *
 * What a session needs beyond itself where limits or routes take hold of it: its source, its place in the queue, what
 * it may still move; how it came in; its mirror. From a slab of its own, made when it is first needed, so that sessions
 * without such limits are small. Owned by its session; called on the worker's thread.
 */
#ifndef SLUICE_PATH_METER_H
#define SLUICE_PATH_METER_H

#include <stdbool.h>
#include <stdint.h>

#include "path/path.h"
#include "policy/client_hello.h"

struct mirror;
struct session;

enum throttle_state {
    THROTTLE_FREE = 0, /* waits for nothing */
    THROTTLE_OWN,      /* for its own bucket: in the group's `alone` */
    THROTTLE_GROUP,    /* for the tenant's: in `fresh` or `waiting` */
    THROTTLE_SERVED,   /* of the group still, uses what it was given: on no list */
};

/* One direction of a session under a limit of bytes. */
struct throttle {
    struct list node;           /* in a list of its group */
    struct pace pace;           /* THROTTLE_OWN: until there are tokens */
    uint64_t grant;             /* bytes that it may read now; taken from the buckets already */
    uint64_t since_ns;          /* waits since then */
    uint64_t fair;              /* as throttle_group.fair: what it has been given */
    _Atomic uint64_t own_spent; /* its own bucket, of policy/token_bucket; only its worker uses it */
    uint32_t own_generation;    /* of the rate that it is in units of; 0: not begun */
    uint8_t state;              /* enum throttle_state */
    uint8_t direction;          /* enum session_side */
};

struct session_meter {
    struct session *session;
    uint32_t index;              /* own slot */
    uint8_t held_for;            /* QUEUED: SLUICE_REASON_*, what is in the way */
    bool counted_source;         /* holds one of the source's sessions */
    bool took_source_token;      /* and one token of its rate: given back when the session never tries to connect */
    bool in_queue;               /* counted in the tenant's queue_length */
    bool waits_for_source;       /* counted in source->waiting */
    bool waits_for_place;        /* counted in the backend's waiting */
    bool has_pass;               /* `pass` is to be handed in (path/outcome) */
    uint32_t pass;               /* of the backend's circuit breaker */
    struct source *source;       /* pinned; NULL: not counted */
    uint64_t ticket;             /* place in the queue, also when it joins it again */
    uint64_t queued_ns;          /* when it began to wait; 0: never */
    uint64_t queue_us;           /* from then until it went on; of no meaning while it is in the queue */
    uint64_t released_ns;        /* when a limit of bytes last let it go on; 0: never held back */
    struct throttle throttle[2]; /* by direction */

    struct tenant_view *entry;          /* a shared listener's: its version, which the session keeps; else NULL */
    const struct route *route;          /* that it has taken, of its own version; NULL: none */
    struct session_text *text;          /* or NULL */
    uint64_t read_since_ns;             /* READING: since when what is being read is waited for */
    struct client_hello_progress hello; /* how far it was read */
    bool header_read;                   /* the PROXY header */
    uint8_t destination_family;         /* where the client connected to, of a PROXY header; SLUICE_FAMILY_NONE: none */
    uint16_t destination_port;
    uint8_t destination_ip[16];
    struct mirror *mirror; /* where its client's bytes are copied to; NULL: nowhere */
};

/* The session's meter, made where it has none; NULL without memory. */
struct session_meter *meter_of(struct path *path, struct session *session);

/* Frees it; nothing of it may be in use. Harmless without one. */
void meter_free(struct path *path, struct session *session);

#endif
