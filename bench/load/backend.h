/* SPDX-License-Identifier: MIT
 *
 * What stands behind the proxy: answers requests, takes and gives bulk transfers, and counts. Cheaper than any proxy.
 */
#ifndef LOAD_BACKEND_H
#define LOAD_BACKEND_H

#include <stddef.h>

#include "loop.h"
#include "prefix.h"

/* Prints the ports of its services as one line of JSON, then serves until its standard input ends:
 *   reply   answers each request of request_size bytes with the same bytes, until the client ends
 *   once    does so for one request, then closes first
 *   bulk    flow.h
 *   hold    backend_hold.h
 *   count   answers {"bytes_in","bytes_out","connections","most_held"} since the last time, and closes
 * Where there are prefixes, clients of reply and once send one first: it is passed over, and not counted. Who sends
 * anything else is cut off. */
void backend_run(struct loop *loop, size_t request_size, const struct prefixes *prefixes);

#endif
