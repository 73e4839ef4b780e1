/* SPDX-License-Identifier: MIT
 *
 * The client of bulk transfers: some connections at a time, a share of the bytes on each.
 */
#ifndef LOAD_BULK_H
#define LOAD_BULK_H

#include <stdint.h>

#include "loop.h"
#include "options.h"
#include "tally.h"

/* Moves `bytes` on new connections and waits for the last. An operation is a connection; there is no latency. */
void bulk_run(struct loop *loop, const struct options *options, uint64_t bytes, struct tally *tally);

#endif
