/* SPDX-License-Identifier: MIT
 *
 * The part of a split backend that a client's sessions go to: by weight, and the same for each client address at every
 * worker. The parts share a line of the length of their weights, the last part at its beginning: a client stands at a
 * fixed share of it. So when the last part grows (a canary: 5 %, then 30 %) who is in it stays, and others join; the
 * others move as little as the order of the parts allows.
 */
#ifndef SLUICE_PATH_SPLIT_H
#define SLUICE_PATH_SPLIT_H

#include "path/plan.h"

struct path;
struct session;

/* The part for a client hash (any number that the client's address alone decides; it need not be mixed well). NULL when
 * no part has a weight. Any thread. */
const struct backend *split_part(const struct backend *backend, uint64_t client_hash);

/* The part for a session: at random for one without an address. NULL when no part has a weight. */
const struct backend *split_choose(struct path *path, const struct session *session, const struct backend *backend);

#endif
