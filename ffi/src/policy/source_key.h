/* SPDX-License-Identifier: MIT
 *
 * The key of a source: a tenant, and an address or a prefix from which its clients come. Pure; any thread. */
#ifndef SLUICE_POLICY_SOURCE_KEY_H
#define SLUICE_POLICY_SOURCE_KEY_H

#include <stdint.h>

struct source_key {
    uint8_t ip[16];  /* network order; IPv4 in the first four bytes; zero beyond the prefix */
    uint32_t tenant; /* its id */
    uint32_t family; /* SLUICE_FAMILY_*; all clients on unix sockets are one source */
};

#define SOURCE_KEY_WORDS 3u

/* Keeps the leading bits of the address. More than it has are all; a family without addresses has none. */
void source_key_mask(struct source_key *key, uint32_t bits);

/* The key as numbers, equal where keys are; the last one is never 0. */
void source_key_pack(const struct source_key *key, uint64_t words[SOURCE_KEY_WORDS]);
void source_key_unpack(const uint64_t words[SOURCE_KEY_WORDS], struct source_key *key);

/* The tenant of a packed key, by its last number. */
static inline uint32_t source_key_tenant(uint64_t last_word)
{
    return (uint32_t)last_word;
}

/* A number that nobody can foresee who does not know the seed. */
uint64_t source_key_hash(const uint64_t words[SOURCE_KEY_WORDS], const uint64_t seed[2]);

#endif
