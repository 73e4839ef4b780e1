/* SPDX-License-Identifier: MIT
 *
 * A mirror: for a share of a tenant's sessions, what the client sends goes to an endpoint of another backend, too; what
 * that one answers is thrown away. The session never notices: a mirror that cannot take bytes holds MIRROR_HELD_BYTES
 * of them at the most, then it is cut with a RST and forgotten, as when it cannot connect, or breaks. It gets one
 * attempt.
 *
 *   begin ──▶ connecting, or blocked: bytes are held ◀──▶ bytes are passed on
 *                │ full, failed           │ the client's end, or the session's
 *                ▼                        ▼
 *               cut ◀── MIRROR_LAST_MS ── rest is sent, then the end ──▶ its own end has come: closed
 *                       after the session
 *
 * What it has: a socket, a place at the endpoint, a pin on the tenant's version; all go back together. It counts for
 * nothing else: not for the tenant's sessions, bytes and attempts, and neither for the endpoint's sessions and
 * failures. Mirrors have an eighth of the file table at the most, and none begins when less than an eighth of it is
 * free.
 *
 * In a slab of the worker. Called on the worker's thread.
 */
#ifndef SLUICE_PATH_MIRROR_H
#define SLUICE_PATH_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include "path/session.h"

#define MIRROR_HELD_BYTES BUFFER_LARGE
#define MIRROR_LAST_MS 5000u /* after the end of its session */

struct mirror {
    struct session *session; /* NULL: it has ended */
    struct tenant *version;  /* pinned */
    const struct backend *backend;
    const struct endpoint *endpoint;
    struct list node;  /* in path->mirrors_left, once the session has ended */
    uint64_t until_ms; /* tick at which it is cut then */
    uint8_t *held;     /* not taken yet: memory of the buffer pool, or NULL. Not charged to the tenant: that would make
                          its sessions read less at once */
    uint32_t held_offset;
    uint32_t held_length;
    uint32_t held_capacity;
    uint32_t watched; /* EPOLL*, level-triggered: answers that are not read in this turn are told again */
    uint32_t index;   /* own slot */
    uint32_t generation;
    int fd;
    bool local;         /* a unix socket */
    bool connected;     /* the connection stands */
    bool writable;      /* a send may take something */
    bool ends;          /* no more comes from the client */
    bool end_passed;    /* and the endpoint has been told */
    bool answers_ended; /* the endpoint sends no more */
};

/* Whether a session that is about to connect is one of the share that is mirrored. */
static inline bool mirror_draw(struct path *path, const struct session *session)
{
    const struct tenant *tenant = session->view->tenant;
    return unlikely(tenant->mirror != NULL) && !session->to_be_reset && path_draw(path, tenant->mirror_ppm);
}

/* The session, drawn before, has connected: begins with what was read from its client so far, all of which is held.
 * Where there can be no mirror, session->mirrored ends with it. */
void mirror_begin(struct path *path, struct session *session);

/* Bytes were read from the client of a mirrored session. */
void mirror_feed(struct path *path, struct session *session, const uint8_t *bytes, uint32_t length);

/* The client of a mirrored session sends no more. */
void mirror_end(struct path *path, struct session *session);

/* A mirrored session ends. */
void mirror_leave(struct path *path, struct session *session);

/* Cuts the mirror of a session, which goes on without. */
void mirror_cut(struct path *path, struct session *session);

/* Something happened to a mirror's socket. */
void mirror_event(struct path *path, uint64_t token, uint32_t events);

/* path->mirror_expiry fired: the time of some is over whose session has ended. */
void mirror_expire(struct path *path);

/* Cuts all of the worker. */
void mirror_close_all(struct path *path);

#endif
