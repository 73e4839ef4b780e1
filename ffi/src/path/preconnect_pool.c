/* SPDX-License-Identifier: MIT
 * How many connections a pool keeps, and the life of each. Called on the worker's thread. */
#include "path/preconnect_pool.h"

#include <unistd.h>

#include "path/listener.h"
#include "policy/limit.h"
#include "sys/clock.h"

/* How late a pool may notice what nobody tells it: health, and sessions of other workers. */
#define LOOK_EVERY_NS NS_PER_S
#define LIVED_NS NS_PER_S /* one that ends sooner, or in which the server speaks, was never of use */
#define PAUSE_FIRST_NS NS_PER_S
#define PAUSE_MOST_NS (30u * NS_PER_S)
#define PAUSE_SPOKEN_NS (60u * NS_PER_S)
#define OPENS_A_TURN 16u /* connects that a pool starts in one turn */
#define FDS_KEPT 8u      /* an eighth of the file table is not for connections ahead */

#define EVENTS (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLOUT | EPOLLET)

static struct endpoint_cell *cell_of(const struct path *path, const struct preconnect_pool *pool)
{
    return &pool->shared->cells[path->worker];
}

/* A time, less up to an eighth of it: what began together does not end together. */
static uint64_t shortened(struct path *path, uint64_t time_ns)
{
    return time_ns - time_ns / 8u / 1024u * (path_random(path) % 1024u);
}

static uint64_t later(const struct path *path, uint64_t wait_ns)
{
    return add_saturating_u64(path->now_ns, wait_ns);
}

/* When a time from now is over, if it is not off. */
static uint64_t deadline_ns(struct path *path, uint64_t time_ms)
{
    return time_ms == 0 ? UINT64_MAX : later(path, shortened(path, mul_saturating_u64(time_ms, NS_PER_MS)));
}

/* ---- How many ---- */

/* This worker's part of preconnect_min. What does not divide goes to other workers with each endpoint. */
static uint32_t share(const struct path *path, const struct preconnect_pool *pool)
{
    uint32_t least = pool->backend->preconnect_min;
    uint32_t place = (path->worker + pool->shared->id) % path->worker_count;
    return least / path->worker_count + (place < least % path->worker_count ? 1u : 0u);
}

static uint32_t wanted(const struct path *path, const struct preconnect_pool *pool)
{
    return share(path, pool) + pool->extra;
}

static uint32_t most_extra(const struct preconnect_pool *pool)
{
    return pool->backend->preconnect_max - pool->backend->preconnect_min;
}

static void give_extra(struct preconnect_pool *pool)
{
    if (pool->extra > 0) {
        pool->extra--;
        limit_give(&pool->shared->preconnect_extra);
    }
}

/* Connections ahead that the endpoint's cap leaves room for. */
static uint32_t room(const struct preconnect_pool *pool)
{
    uint32_t cap = pool->member->max_active;
    uint32_t active = atomic_load(&pool->member->signals->active);
    if (cap == UINT32_MAX) {
        return UINT32_MAX;
    }
    return active < cap ? cap - active : 0;
}

static bool is_open(const struct path *path, const struct preconnect_pool *pool)
{
    return balance_is_offered(pool->member) && balance_is_healthy(pool->member->signals, path->now_ns);
}

static bool may_open(const struct path *path, const struct preconnect_pool *pool)
{
    return path->now_ns >= pool->paused_ns && is_open(path, pool) &&
           2u * listener_room(path) >= path->fd_limit / FDS_KEPT;
}

/* ---- One connection ---- */

int preconnect_release(struct path *path, struct preconnect *connection)
{
    struct preconnect_pool *pool = connection->pool;
    int fd = connection->fd;
    if (connection->ready) {
        stats_add(&cell_of(path, pool)->preconnect_idle, UINT64_MAX); /* one less */
    }
    list_remove(&connection->node);
    pool->held--;
    limit_give(&pool->shared->preconnects);
    slab_give(&path->preconnects, connection->index);
    return fd;
}

void preconnect_close(struct path *path, struct preconnect *connection)
{
    close(preconnect_release(path, connection));
    path->fds--;
}

static struct preconnect *oldest(const struct list *list)
{
    return list_empty(list) ? NULL : container_of(list->next, struct preconnect, node);
}

static void close_list(struct path *path, struct list *list)
{
    for (struct preconnect *connection; (connection = oldest(list)) != NULL;) {
        preconnect_close(path, connection);
    }
}

void preconnect_pool_empty(struct path *path, struct preconnect_pool *pool)
{
    close_list(path, &pool->connecting);
    close_list(path, &pool->ready);
}

/* A connect has failed, or was good for nothing. Sessions, and what is counted of them, do not know of it: an endpoint
 * is judged by what happens to sessions. */
static void note_failure(struct path *path, struct preconnect_pool *pool)
{
    if (path->now_ns < pool->paused_ns) {
        return; /* it began before the pause */
    }
    uint32_t doublings = pool->failures < 5u ? pool->failures : 5u;
    uint64_t pause_ns = PAUSE_FIRST_NS << doublings;
    pool->failures++;
    pool->paused_ns = later(path, shortened(path, pause_ns < PAUSE_MOST_NS ? pause_ns : PAUSE_MOST_NS));
}

void preconnect_fail(struct path *path, struct preconnect *connection)
{
    struct preconnect_pool *pool = connection->pool;
    preconnect_close(path, connection);
    note_failure(path, pool);
}

void preconnect_become_ready(struct path *path, struct preconnect *connection)
{
    struct preconnect_pool *pool = connection->pool;
    uint64_t now_ns = clock_now_ns();
    /* The sessions that will take it tell nothing of how long it took. */
    balance_note_connect(&pool->shared->signals, now_ns - connection->since_ns, path->now_ns);
    connection->ready = true;
    connection->since_ns = path->now_ns;
    connection->expires_ns = deadline_ns(path, pool->backend->preconnect_idle_ms);
    list_remove(&connection->node);
    list_append(&pool->ready, &connection->node);
    stats_add(&cell_of(path, pool)->preconnect_idle, 1);
}

void preconnect_lose(struct path *path, struct preconnect *connection)
{
    struct preconnect_pool *pool = connection->pool;
    bool spoke = net_look(connection->fd) == NET_BYTES;
    bool lived = path->now_ns - connection->since_ns >= LIVED_NS;
    preconnect_close(path, connection);
    give_extra(pool);
    if (lived) {
        pool->failures = 0; /* servers close what is silent for long; some say so first */
    } else if (spoke) {
        pool->paused_ns = later(path, shortened(path, PAUSE_SPOKEN_NS));
    } else {
        note_failure(path, pool);
    }
}

/* A connection whose connect has begun on fd; its place is taken already. NULL without memory. */
static struct preconnect *adopt(struct path *path, struct preconnect_pool *pool, int fd)
{
    uint32_t index;
    uint32_t generation;
    struct preconnect *connection = slab_take(&path->preconnects, &index, &generation);
    if (connection == NULL) {
        return NULL;
    }
    if (loop_add(&path->loop, fd, EVENTS, token_slot(TOKEN_PRECONNECT, index, generation)) != 0) {
        slab_give(&path->preconnects, index);
        return NULL;
    }
    path->fds++;
    pool->held++;
    connection->pool = pool;
    connection->index = index;
    connection->fd = fd;
    connection->since_ns = clock_now_ns();
    connection->expires_ns = deadline_ns(path, pool->tenant->timeouts.connect_ms);
    list_append(&pool->connecting, &connection->node);
    return connection;
}

/* Starts one connect. False when there can be no further one now. */
static bool open_one(struct path *path, struct preconnect_pool *pool)
{
    const struct net_address *source = &pool->backend->source_address;
    struct preconnect *connection = NULL;
    int fd = -1;
    bool connected = false;
    if (!limit_take(&pool->shared->preconnects, room(pool))) {
        return false;
    }
    if (net_connect(&pool->shared->address, source, &fd, &connected) == 0) {
        connection = adopt(path, pool, fd);
    }
    if (connection == NULL) {
        if (fd != -1) {
            close(fd);
        }
        limit_give(&pool->shared->preconnects);
        note_failure(path, pool);
        return false;
    }
    if (connected) {
        preconnect_become_ready(path, connection);
    }
    return true;
}

/* ---- A look at a pool ---- */

/* Closes what has waited for too long. */
static void expire(struct path *path, struct preconnect_pool *pool)
{
    struct preconnect *connection;
    while ((connection = oldest(&pool->connecting)) != NULL && connection->expires_ns <= path->now_ns) {
        preconnect_fail(path, connection);
    }
    while ((connection = oldest(&pool->ready)) != NULL && connection->expires_ns <= path->now_ns) {
        preconnect_close(path, connection);
        give_extra(pool);
        pool->failures = 0;
    }
}

void preconnect_pool_shrink(struct path *path, struct preconnect_pool *pool)
{
    while (pool->extra > 0 && atomic_load(&pool->shared->preconnect_extra) > most_extra(pool)) {
        give_extra(pool);
    }
    if (!is_open(path, pool)) {
        preconnect_pool_empty(path, pool);
    }
    while (pool->held > 0 &&
           (pool->held > wanted(path, pool) || atomic_load(&pool->shared->preconnects) > room(pool))) {
        struct preconnect *connection = oldest(&pool->connecting);
        preconnect_close(path, connection != NULL ? connection : oldest(&pool->ready));
    }
}

/* Nanoseconds until the next look; UINT64_MAX: none is needed. */
static uint64_t next_look(struct path *path, const struct preconnect_pool *pool)
{
    if (pool->held == 0 && wanted(path, pool) == 0) {
        return UINT64_MAX;
    }
    uint64_t at_ns = later(path, shortened(path, LOOK_EVERY_NS));
    const struct preconnect *connecting = oldest(&pool->connecting);
    const struct preconnect *ready = oldest(&pool->ready);
    if (connecting != NULL && connecting->expires_ns < at_ns) {
        at_ns = connecting->expires_ns;
    }
    /* One behind the first may be due a little earlier: it is not late, by the eighth that is taken off. */
    if (ready != NULL && ready->expires_ns < at_ns) {
        at_ns = ready->expires_ns;
    }
    if (pool->paused_ns > path->now_ns && pool->paused_ns < at_ns) {
        at_ns = pool->paused_ns;
    }
    return at_ns > path->now_ns ? at_ns - path->now_ns : 0;
}

/* Closes what is old or too many, and opens what is missing. */
static void look(struct path *path, struct pace *pace)
{
    struct preconnect_pool *pool = container_of(pace, struct preconnect_pool, pace);
    uint32_t opens = 0;
    expire(path, pool);
    preconnect_pool_shrink(path, pool);
    while (pool->held < wanted(path, pool) && may_open(path, pool) && opens < OPENS_A_TURN && open_one(path, pool)) {
        opens++;
    }
    pace_arm(path, &pool->pace, opens == OPENS_A_TURN ? 0 : next_look(path, pool));
}

void preconnect_pool_look_soon(struct path *path, struct preconnect_pool *pool)
{
    pace_arm(path, &pool->pace, 0);
}

void preconnect_pool_miss(struct path *path, struct preconnect_pool *pool)
{
    if (path->now_ns >= pool->paused_ns && limit_take(&pool->shared->preconnect_extra, most_extra(pool))) {
        pool->extra++;
        preconnect_pool_look_soon(path, pool);
    }
}

/* ---- Pools ---- */

struct preconnect_pool *preconnect_pool_new(struct path *path, struct endpoint_shared *shared)
{
    uint32_t index;
    uint32_t generation;
    struct preconnect_pool *pool = slab_take(&path->preconnect_pools, &index, &generation);
    if (pool != NULL) {
        pool->index = index;
        pool->shared = shared;
        list_init(&pool->connecting);
        list_init(&pool->ready);
        pace_init(&pool->pace, look);
        cell_of(path, pool)->preconnects = pool;
    }
    return pool;
}

void preconnect_pool_close(struct path *path, struct preconnect_pool *pool)
{
    preconnect_pool_empty(path, pool);
    while (pool->extra > 0) {
        give_extra(pool);
    }
    pace_cancel(path, &pool->pace);
    cell_of(path, pool)->preconnects = NULL;
    slab_give(&path->preconnect_pools, pool->index);
}
