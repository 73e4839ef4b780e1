/* SPDX-License-Identifier: MIT
 *
 * The client of small requests: on a new connection each (short), or on kept ones (rr). A request is a piece of the
 * pattern; the answer must be the same piece.
 */
#ifndef LOAD_EXCHANGE_H
#define LOAD_EXCHANGE_H

#include <stdint.h>

#include "loop.h"
#include "options.h"
#include "tally.h"

struct exchange_client;

/* A client that stays for several phases, so that kept connections stay. Never released: it ends with the process. */
struct exchange_client *exchange_open(struct loop *loop, const struct options *options);

/* Does `count` operations and waits for the last one, but not for longer than a while after it was due. */
void exchange_run(struct exchange_client *client, uint64_t count, struct tally *tally);

/* One operation on each connection: afterwards every kept connection stands. */
void exchange_fill(struct exchange_client *client, struct tally *tally);

#endif
