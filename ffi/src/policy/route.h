/* SPDX-License-Identifier: MIT
 *
 * Which route of a shared listener a client takes: by the server name that it asks for, else by its address, else the
 * default. One hash table for all listeners and tenants; what a look-up costs depends on the labels of the name and on
 * how many lengths of prefixes are in use, not on how many routes there are.
 *
 * Pure. The control thread (core/routes) is the only one that changes the table, with stores that readers may meet at
 * any time; what it takes out is freed when every worker has ended the turn in which it could have met it.
 */
#ifndef SLUICE_POLICY_ROUTE_H
#define SLUICE_POLICY_ROUTE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/client_hello.h"
#include "policy/prefix_set.h"

#define ROUTE_BUCKETS 65536u
#define ROUTE_KEY_BYTES 255u

/* What a client must meet beyond the key under which the rule is found. Part of the caller's route. */
struct route_text {
    const char *bytes;
    uint32_t length;
};
struct route_rule {
    const struct route_text *protocols; /* one of which the client offers; none: any, or no offer */
    uint32_t protocol_count;
    const struct prefix *sources; /* in one of which its address is; none: all. Longest prefixes first */
    uint32_t source_count;
};

/* The rules of one key. Immutable: a change makes another set. */
struct route_set {
    uint32_t count;
    const struct route_rule *rules[];
};

enum route_kind {
    ROUTE_NAME,     /* a server name */
    ROUTE_WILDCARD, /* all names below this one; without the "*." */
    ROUTE_SOURCE,   /* family, bits and address of a prefix, of routes without names */
    ROUTE_DEFAULT,  /* no bytes: routes without names and sources */
};

struct route_key {
    uint32_t listener; /* its id */
    uint8_t kind;      /* enum route_kind */
    uint8_t length;
    uint8_t bytes[ROUTE_KEY_BYTES];
};

/* Entries stay where they are; an empty one has no set. */
struct route_entry {
    _Atomic(struct route_entry *) next;    /* release by the control thread, acquire by readers */
    _Atomic(const struct route_set *) set; /* the same; NULL: none */
    uint64_t hash;
    uint32_t edit; /* 1 + its place in the change in hand; 0: none. Control thread */
    uint32_t listener;
    uint8_t kind;
    uint8_t length;
    uint8_t bytes[];
};

#define ROUTE_LENGTH_WORDS 3u

struct route_table {
    uint64_t seed; /* random: nobody can aim at a bucket */
    /* Lengths of prefixes that routes name, a bit each: IPv4 0..32, then IPv6 0..128. Grows only. Relaxed: a length too
     * many finds nothing. */
    _Atomic uint64_t lengths[ROUTE_LENGTH_WORDS];
    _Atomic(struct route_entry *) buckets[ROUTE_BUCKETS];
};

/* Marks a length of prefixes as used. Control thread. */
void route_table_add_length(struct route_table *table, const struct prefix *prefix);

/* The key of a prefix. */
void route_key_of_prefix(uint32_t listener, const struct prefix *prefix, struct route_key *key);

/* The entry of a key, or NULL. */
struct route_entry *route_entry_find(const struct route_table *table, const struct route_key *key, uint64_t hash);
uint64_t route_key_hash(const struct route_table *table, const struct route_key *key);

/* Who asks. */
struct route_request {
    uint32_t listener;                /* its id */
    uint32_t family;                  /* of the client's address */
    const uint8_t *ip;                /* as in struct prefix */
    const struct client_hello *hello; /* NULL: none was read */
};

/* The rule whose key is the most specific that has one which the client meets: its exact name, the longest wildcard,
 * the longest prefix of its address, the default; within a key the one with the longest prefix, then one with
 * protocols. NULL: none. */
const struct route_rule *route_find(const struct route_table *table, const struct route_request *request);

#endif
