/* SPDX-License-Identifier: MIT
 *
 * The addresses that the engine has bound. An address keeps its sockets as long as some listener wants it, also when
 * another listener or another tenant takes it over in the same change. Control thread only, except for the sockets
 * inside, each of which belongs to one worker.
 */
#ifndef SLUICE_CORE_BINDINGS_H
#define SLUICE_CORE_BINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "path/listener.h"

#define ALL_WORKERS UINT32_MAX

struct binding {
    struct binding *next;       /* in its hash bucket */
    struct list siblings;       /* in its tenant's list of bindings; on none until it is in force */
    struct net_address wanted;  /* as configured; port 0 lets the kernel choose */
    struct net_address address; /* as bound */
    struct net_options options; /* for opening */
    uint32_t tenant;            /* whose it is */
    uint32_t listener;
    uint32_t only_worker; /* a unix socket is served by one worker; else ALL_WORKERS */
    uint32_t ordinal;     /* tells listeners on port 0 apart: the listener's id; else 0 */
    bool ours;            /* nobody else had the address when we looked: a unix socket's file is ours to remove */
    bool claimed;         /* scratch of core/apply: wanted by the change in hand */
    struct listener_socket sockets[]; /* one a worker */
};

struct bindings {
    struct binding **buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t count;
};

/* Returns 0 or -ENOMEM. */
int bindings_init(struct bindings *bindings);

/* Frees all; their sockets are closed. */
void bindings_destroy(struct bindings *bindings);

struct binding *bindings_find(const struct bindings *bindings, const struct net_address *wanted, uint32_t ordinal);

/* Whether another address of ours shares its port with this one (a wildcard beside a specific address). */
bool bindings_overlap_others(const struct bindings *bindings, const struct binding *binding);

/* Whether another binding has the port of this one, on whatever address. */
bool bindings_share_port(const struct bindings *bindings, const struct binding *binding);

/* A binding that is not in the table yet; NULL without memory. */
struct binding *binding_new(const struct net_address *wanted, uint32_t ordinal, uint32_t workers);

/* Removes the file that a unix socket of ours leaves behind. */
void binding_remove_file(const struct binding *binding);

/* Makes room for `extra` more. Returns 0 or -ENOMEM. */
int bindings_reserve(struct bindings *bindings, uint32_t extra);

void bindings_insert(struct bindings *bindings, struct binding *binding);
void bindings_remove(struct bindings *bindings, struct binding *binding);

#endif
