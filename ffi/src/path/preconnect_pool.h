/* SPDX-License-Identifier: MIT
 *
 * One worker's connections ahead to one endpoint: path/preconnect.h says how many and when. Called by path/preconnect
 * on the worker's thread.
 */
#ifndef SLUICE_PATH_PRECONNECT_POOL_H
#define SLUICE_PATH_PRECONNECT_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "path/pace.h"
#include "path/path.h"

/* One connection, connecting or ready. */
struct preconnect {
    struct list node; /* in a list of its pool */
    struct preconnect_pool *pool;
    uint64_t since_ns;   /* when the connect began; ready: when it was done */
    uint64_t expires_ns; /* when it is given up; UINT64_MAX: never */
    uint32_t index;      /* own slot */
    int fd;
    bool ready;
};

struct preconnect_pool {
    struct list connecting;      /* struct preconnect by `node`, oldest first */
    struct list ready;           /* the same */
    uint32_t held;               /* in both; they also count in endpoint_shared.preconnects */
    uint32_t extra;              /* places above its share; they also count in endpoint_shared.preconnect_extra */
    uint32_t failures;           /* in a row */
    uint32_t index;              /* own slot */
    uint64_t paused_ns;          /* opens none before this time */
    struct pace pace;            /* armed for the next look, while there may be something to do */
    const struct tenant *tenant; /* the version in force */
    const struct backend *backend;
    const struct balance_member *member;
    struct endpoint_shared *shared;
};

/* An empty pool, hung on the worker's cell of an endpoint; its version is still to be set. NULL without memory. */
struct preconnect_pool *preconnect_pool_new(struct path *path, struct endpoint_shared *shared);

/* Closes its connections and frees it. */
void preconnect_pool_close(struct path *path, struct preconnect_pool *pool);

/* Closes its connections. */
void preconnect_pool_empty(struct path *path, struct preconnect_pool *pool);

/* Closes what is too many: by settings, by the endpoint's cap, or all where no session may come. */
void preconnect_pool_shrink(struct path *path, struct preconnect_pool *pool);

/* Has the pool looked at once the events in hand are dealt with: what is missing is opened. */
void preconnect_pool_look_soon(struct path *path, struct preconnect_pool *pool);

/* A session found none: one more would have been of use. */
void preconnect_pool_miss(struct path *path, struct preconnect_pool *pool);

/* Takes a connection out of its pool and frees it. Its socket is the caller's. */
int preconnect_release(struct path *path, struct preconnect *connection);

/* Closes a connection and frees it. */
void preconnect_close(struct path *path, struct preconnect *connection);

/* Its connect has failed: closes it. */
void preconnect_fail(struct path *path, struct preconnect *connection);

/* Its connect is done. */
void preconnect_become_ready(struct path *path, struct preconnect *connection);

/* It was ready, and has ended, or its server has spoken: closes it. */
void preconnect_lose(struct path *path, struct preconnect *connection);

#endif
