/* SPDX-License-Identifier: MIT
 * Looking up routes. Called by workers; keys and entries by the control thread too. */
#include "policy/route.h"

#include <string.h>

#include "sluice.h"

/* ---- Keys ---- */

/* Mixes eight bytes (the finalizer of splitmix64, Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static uint64_t hash_key(uint64_t seed, uint32_t listener, uint32_t kind, const uint8_t *bytes, uint32_t length)
{
    uint64_t hash = mix(seed ^ ((uint64_t)listener << 32 | kind << 8 | length));
    while (length > 0) {
        uint64_t word = 0;
        uint32_t part = length < 8 ? length : 8;
        memcpy(&word, bytes, part);
        hash = mix(hash ^ word) + seed;
        bytes += part;
        length -= part;
    }
    return hash;
}

uint64_t route_key_hash(const struct route_table *table, const struct route_key *key)
{
    return hash_key(table->seed, key->listener, key->kind, key->bytes, key->length);
}

static struct route_entry *find(const struct route_table *table, uint64_t hash, uint32_t listener, uint32_t kind,
                                const uint8_t *bytes, uint32_t length)
{
    struct route_entry *entry = atomic_load_explicit(&table->buckets[hash % ROUTE_BUCKETS], memory_order_acquire);
    while (entry != NULL && !(entry->hash == hash && entry->listener == listener && entry->kind == kind &&
                              entry->length == length && memcmp(entry->bytes, bytes, length) == 0)) {
        entry = atomic_load_explicit(&entry->next, memory_order_acquire);
    }
    return entry;
}

struct route_entry *route_entry_find(const struct route_table *table, const struct route_key *key, uint64_t hash)
{
    return find(table, hash, key->listener, key->kind, key->bytes, key->length);
}

static uint32_t most_bits(uint32_t family)
{
    return family == SLUICE_FAMILY_IPV4 ? 32 : 128;
}

/* The leading bits of an address as the bytes of a key: family, bits, address. Returns their count. */
static uint32_t prefix_bytes(uint32_t family, uint32_t bits, const uint8_t *ip, uint8_t *bytes)
{
    uint32_t whole = bits / 8;
    bytes[0] = (uint8_t)family;
    bytes[1] = (uint8_t)bits;
    memcpy(bytes + 2, ip, whole);
    if (bits % 8 == 0) {
        return 2 + whole;
    }
    bytes[2 + whole] = (uint8_t)(ip[whole] & 0xff00u >> bits % 8);
    return 3 + whole;
}

void route_key_of_prefix(uint32_t listener, const struct prefix *prefix, struct route_key *key)
{
    key->listener = listener;
    key->kind = ROUTE_SOURCE;
    key->length = (uint8_t)prefix_bytes(prefix->family, prefix->bits, prefix->ip, key->bytes);
}

static uint32_t length_bit(uint32_t family, uint32_t bits)
{
    return family == SLUICE_FAMILY_IPV4 ? bits : 33 + bits;
}

void route_table_add_length(struct route_table *table, const struct prefix *prefix)
{
    uint32_t bit = length_bit(prefix->family, prefix->bits);
    atomic_fetch_or_explicit(&table->lengths[bit / 64], UINT64_C(1) << bit % 64, memory_order_relaxed);
}

/* ---- What a rule asks ---- */

static bool in_prefix(const struct prefix *prefix, const struct route_request *request)
{
    uint32_t whole = prefix->bits / 8;
    uint32_t rest = prefix->bits % 8;
    return prefix->family == request->family && memcmp(prefix->ip, request->ip, whole) == 0 &&
           (rest == 0 || ((prefix->ip[whole] ^ request->ip[whole]) & 0xff00u >> rest & 0xffu) == 0);
}

/* How well a client meets a rule, 0: not at all. The longest prefix counts first, then that there are protocols. */
static uint32_t fit(const struct route_rule *rule, const struct route_request *request)
{
    uint32_t score = 1;
    if (rule->source_count > 0) {
        uint32_t i = 0;
        while (i < rule->source_count && !in_prefix(&rule->sources[i], request)) {
            i++;
        }
        if (i == rule->source_count) {
            return 0;
        }
        score += 2u * (1u + rule->sources[i].bits); /* they stand longest first */
    }
    if (rule->protocol_count == 0) {
        return score;
    }
    for (uint32_t i = 0; i < rule->protocol_count; i++) {
        const struct route_text *protocol = &rule->protocols[i];
        if (request->hello != NULL && client_hello_offers(request->hello, protocol->bytes, protocol->length)) {
            return score + 1;
        }
    }
    return 0;
}

static const struct route_rule *best_of(const struct route_entry *entry, const struct route_request *request)
{
    const struct route_set *set = entry == NULL ? NULL : atomic_load_explicit(&entry->set, memory_order_acquire);
    const struct route_rule *best = NULL;
    uint32_t best_fit = 0;
    for (uint32_t i = 0; set != NULL && i < set->count; i++) {
        uint32_t score = fit(set->rules[i], request);
        if (score > best_fit) {
            best_fit = score;
            best = set->rules[i];
        }
    }
    return best;
}

static const struct route_rule *look_up(const struct route_table *table, const struct route_request *request,
                                        uint32_t kind, const void *bytes, uint32_t length)
{
    uint64_t hash = hash_key(table->seed, request->listener, kind, bytes, length);
    return best_of(find(table, hash, request->listener, kind, bytes, length), request);
}

/* ---- The levels, most specific first ---- */

static const struct route_rule *by_name(const struct route_table *table, const struct route_request *request)
{
    const char *name = request->hello->server_name;
    uint32_t length = request->hello->server_name_length;
    const struct route_rule *rule = look_up(table, request, ROUTE_NAME, name, length);
    while (rule == NULL && length > 0) {
        const char *dot = memchr(name, '.', length);
        if (dot == NULL) {
            return NULL;
        }
        length -= (uint32_t)(dot + 1 - name);
        name = dot + 1;
        rule = look_up(table, request, ROUTE_WILDCARD, name, length);
    }
    return rule;
}

static const struct route_rule *by_source(const struct route_table *table, const struct route_request *request)
{
    if (request->family != SLUICE_FAMILY_IPV4 && request->family != SLUICE_FAMILY_IPV6) {
        return NULL;
    }
    for (uint32_t bits = most_bits(request->family) + 1; bits-- > 0;) {
        uint32_t bit = length_bit(request->family, bits);
        uint64_t word = atomic_load_explicit(&table->lengths[bit / 64], memory_order_relaxed);
        if ((word >> bit % 64 & 1u) == 0) {
            continue;
        }
        uint8_t bytes[ROUTE_KEY_BYTES];
        uint32_t length = prefix_bytes(request->family, bits, request->ip, bytes);
        const struct route_rule *rule = look_up(table, request, ROUTE_SOURCE, bytes, length);
        if (rule != NULL) {
            return rule;
        }
    }
    return NULL;
}

const struct route_rule *route_find(const struct route_table *table, const struct route_request *request)
{
    const struct route_rule *rule = NULL;
    if (request->hello != NULL && request->hello->server_name_length > 0) {
        rule = by_name(table, request);
    }
    if (rule == NULL) {
        rule = by_source(table, request);
    }
    return rule != NULL ? rule : look_up(table, request, ROUTE_DEFAULT, "", 0);
}
