/* SPDX-License-Identifier: MIT
 * Pools follow the versions; sessions take from them. Called on the worker's thread. */
#include "path/preconnect.h"

#include "path/preconnect_pool.h"
#include "path/session.h"
#include "sys/clock.h"

#define GIVE_WAY_NS NS_PER_S /* after descriptors were short, none is opened for so long */

/* ---- Versions ---- */

/* The pool of an endpoint goes on with the settings of a version; one that has none gets it. */
static void serve_endpoint(struct path *path, const struct tenant *version, const struct backend *backend,
                           uint32_t member)
{
    struct endpoint_shared *shared = backend->endpoints[member].shared;
    struct preconnect_pool *pool = shared->cells[path->worker].preconnects;
    if (pool == NULL) {
        pool = preconnect_pool_new(path, shared);
    } else if (!net_address_equal(&pool->backend->source_address, &backend->source_address)) {
        preconnect_pool_empty(path, pool); /* they come from another address than they should */
    }
    if (pool == NULL) {
        return; /* without memory there are no connections ahead */
    }
    pool->tenant = version;
    pool->backend = backend;
    pool->member = &backend->pool.members[member];
    preconnect_pool_shrink(path, pool);
    preconnect_pool_look_soon(path, pool);
}

void preconnect_serve(struct path *path, const struct tenant *version)
{
    for (uint32_t i = 0; version->enabled && i < version->backend_count; i++) {
        const struct backend *backend = &version->backends[i];
        for (uint32_t k = 0; backend->preconnect_max > 0 && k < backend->pool.member_count; k++) {
            serve_endpoint(path, version, backend, k);
        }
    }
}

void preconnect_retire(struct path *path, const struct tenant *version)
{
    for (uint32_t i = 0; i < version->backend_count; i++) {
        const struct backend *backend = &version->backends[i];
        for (uint32_t k = 0; backend->preconnect_max > 0 && k < backend->pool.member_count; k++) {
            struct preconnect_pool *pool = backend->endpoints[k].shared->cells[path->worker].preconnects;
            if (pool != NULL && pool->tenant == version) {
                preconnect_pool_close(path, pool);
            }
        }
    }
}

void preconnect_give_way(struct path *path)
{
    uint32_t index = 0;
    for (struct preconnect *connection;
         path->preconnects.in_use > 0 && (connection = slab_next(&path->preconnects, &index)) != NULL;) {
        struct preconnect_pool *pool = connection->pool;
        uint64_t until_ns = path->now_ns + GIVE_WAY_NS;
        pool->paused_ns = pool->paused_ns > until_ns ? pool->paused_ns : until_ns;
        preconnect_close(path, connection);
    }
}

void preconnect_close_all(struct path *path)
{
    uint32_t index = 0;
    for (struct preconnect_pool *pool;
         path->preconnect_pools.in_use > 0 && (pool = slab_next(&path->preconnect_pools, &index)) != NULL;) {
        preconnect_pool_close(path, pool);
    }
}

/* ---- Sessions and events ---- */

bool preconnect_take(struct path *path, struct session *session)
{
    struct preconnect_pool *pool = session->endpoint->shared->cells[path->worker].preconnects;
    struct side *side = &session->side[ENDPOINT];
    if (pool->backend != session->backend) {
        return false; /* the session is of an older version */
    }
    while (!list_empty(&pool->ready)) {
        struct preconnect *newest = container_of(pool->ready.previous, struct preconnect, node);
        uint64_t token = token_session(session->index, session->generation, true);
        preconnect_pool_look_soon(path, pool);
        /* The peer may have closed it a moment ago, and the event be still to come. What is readable from now on is
         * told to the session: a changed registration reports anew what there is. */
        if (net_look(newest->fd) == NET_NOTHING && loop_change(&path->loop, newest->fd, SESSION_EVENTS, token) == 0) {
            side->fd = preconnect_release(path, newest);
            side->watched = true;
            pool->failures = 0; /* it answers, and waits for the client to speak */
            pool->paused_ns = 0;
            return true;
        }
        preconnect_lose(path, newest);
    }
    preconnect_pool_miss(path, pool);
    return false;
}

void preconnect_event(struct path *path, uint64_t token, uint32_t events)
{
    struct preconnect *connection = slab_get(&path->preconnects, token_index(token), token_generation(token));
    if (connection == NULL) {
        return; /* taken or closed by an earlier event of this batch */
    }
    struct preconnect_pool *pool = connection->pool;
    if (!connection->ready && (events & (EPOLLERR | EPOLLHUP))) {
        preconnect_fail(path, connection);
    } else {
        if (!connection->ready && (events & EPOLLOUT)) {
            preconnect_become_ready(path, connection);
        }
        if (connection->ready && (events & ~(uint32_t)EPOLLOUT)) {
            preconnect_lose(path, connection);
        }
    }
    preconnect_pool_look_soon(path, pool); /* other deadlines, or something is missing */
}
