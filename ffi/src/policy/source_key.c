/* SPDX-License-Identifier: MIT
 * Keys of sources. Called by workers when a session is admitted. */
#include "policy/source_key.h"

#include <string.h>

#include "sluice.h"

/* In the last word, so that a packed key differs from memory that nobody has written. */
#define PACKED (UINT64_C(1) << 63)

static uint32_t width_of(uint32_t family)
{
    switch (family) {
    case SLUICE_FAMILY_IPV4:
        return 32;
    case SLUICE_FAMILY_IPV6:
        return 128;
    default:
        return 0;
    }
}

void source_key_mask(struct source_key *key, uint32_t bits)
{
    uint32_t width = width_of(key->family);
    uint32_t kept = bits < width ? bits : width;
    uint32_t whole = kept / 8;
    uint32_t rest = kept % 8;
    if (rest != 0) {
        key->ip[whole] &= (uint8_t)(0xff00u >> rest);
        whole++;
    }
    memset(key->ip + whole, 0, sizeof(key->ip) - whole);
}

void source_key_pack(const struct source_key *key, uint64_t words[SOURCE_KEY_WORDS])
{
    memcpy(words, key->ip, sizeof(key->ip));
    words[2] = PACKED | (uint64_t)key->family << 32 | key->tenant;
}

void source_key_unpack(const uint64_t words[SOURCE_KEY_WORDS], struct source_key *key)
{
    memcpy(key->ip, words, sizeof(key->ip));
    key->tenant = source_key_tenant(words[2]);
    key->family = (uint32_t)((words[2] & ~PACKED) >> 32);
}

struct sip_state {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
};

static inline uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(struct sip_state *state)
{
    state->v0 += state->v1;
    state->v2 += state->v3;
    state->v1 = rotate_left(state->v1, 13) ^ state->v0;
    state->v3 = rotate_left(state->v3, 16) ^ state->v2;
    state->v0 = rotate_left(state->v0, 32) + state->v3;
    state->v2 += state->v1;
    state->v1 = rotate_left(state->v1, 17) ^ state->v2;
    state->v3 = rotate_left(state->v3, 21) ^ state->v0;
    state->v2 = rotate_left(state->v2, 32);
}

/* SipHash-1-3 over whole words, without its block for the length: all keys are of one length. A weaker hash would let a
 * client who owns a prefix find addresses that share a bucket. */
uint64_t source_key_hash(const uint64_t words[SOURCE_KEY_WORDS], const uint64_t seed[2])
{
    struct sip_state state = {
        .v0 = seed[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = seed[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = seed[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = seed[1] ^ UINT64_C(0x7465646279746573),
    };
    for (uint32_t i = 0; i < SOURCE_KEY_WORDS; i++) {
        state.v3 ^= words[i];
        sip_round(&state);
        state.v0 ^= words[i];
    }
    state.v2 ^= 0xff;
    for (uint32_t i = 0; i < 3; i++) {
        sip_round(&state);
    }
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}
