/* SPDX-License-Identifier: MIT
 *
 * A change of the configuration in three steps: prepare (build versions, bind new addresses; may fail, and then leaves
 * no trace), commit (workers switch over; cannot fail), settle (free what is no longer needed).
 */
#ifndef SLUICE_CORE_APPLY_H
#define SLUICE_CORE_APPLY_H

#include <stdint.h>

#include "core/bindings.h"
#include "core/blob.h"
#include "sluice.h"

struct sluice_engine;

/* From now on an address serves a listener of a version. */
struct assignment {
    struct binding *binding;
    struct tenant *tenant;
    const struct listener *listener;
};

/* A version that is not (or no longer) in force and may have sessions. */
struct retirement {
    struct tenant *version;
    uint64_t drain_ms; /* of the version in force before the change: for sessions of older versions too */
    bool was_current;  /* it is this change that ends it */
    bool removed;      /* its tenant is gone: all its sessions are drained, not only those on what is gone */
};

#define CHANGE_STEP 64u /* sockets that a worker opens or closes in one turn: its sessions do not wait for more */

/* What a worker has to do; read by all workers, written (but for `failed`) by none. */
struct change {
    uint32_t first; /* of the addresses that the message in hand opens or closes, CHANGE_STEP at the most */
    struct binding **opened;
    uint32_t opened_count;
    _Atomic uint32_t failed; /* index of an address that a worker could not open; relaxed, read after the round */
    struct binding **closed;
    uint32_t closed_count;
    struct assignment *assignments;
    uint32_t assignment_count;
    struct tenant **versions; /* that begin with the change */
    uint32_t version_count;
    struct retirement *retirements;
    uint32_t retirement_count;
    struct limits_change *limits; /* control thread: of tenants whose limits change */
    uint32_t limits_count;
};

/* Puts a decoded blob in force. Returns SLUICE_OK or a code, with details in *error. */
int apply_blob(struct sluice_engine *engine, const struct blob *blob, struct sluice_error *error);

/* Worker's parts. apply_open and apply_close do one step of the change; apply_open returns 0 or -errno, and what this
 * and earlier steps have opened is closed by apply_close_opened. */
int apply_open(struct path *path, struct change *change);
void apply_close_opened(struct path *path, const struct change *change);
void apply_close(struct path *path, const struct change *change);
void apply_commit(struct path *path, const struct change *change);

#endif
