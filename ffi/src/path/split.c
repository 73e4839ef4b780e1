/* SPDX-License-Identifier: MIT
 * Split backends. Called by connector.c and queue.c on the worker's thread. */
#include "path/split.h"

#include "path/session.h"
#include "policy/mix.h"

const struct backend *split_part(const struct backend *backend, uint64_t client_hash)
{
    uint32_t weights = backend->split_count == 0 ? 0 : backend->splits[backend->split_count - 1].weights;
    if (weights == 0) {
        return NULL;
    }
    /* With a seed of the backend's: a client that is in the canary of one is not in that of each. */
    uint64_t mixed = mix_bits(client_hash ^ mix_bits(backend->split_seed));
    uint32_t from_end = (uint32_t)((unsigned __int128)mixed * weights >> 64);
    uint32_t place = weights - 1 - from_end;
    uint32_t part = 0;
    while (place >= backend->splits[part].weights) {
        part++; /* one of weight 0 ends where it begins */
    }
    return backend->splits[part].backend;
}

const struct backend *split_choose(struct path *path, const struct session *session, const struct backend *backend)
{
    bool has_address = session->client_family != SLUICE_FAMILY_UNIX;
    return split_part(backend, has_address ? session_client_hash(session) : path_random(path));
}
