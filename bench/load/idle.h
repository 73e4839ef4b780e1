/* SPDX-License-Identifier: MIT
 *
 * Holds connections that do nothing, and prints what memory the watched processes use at each number of them.
 */
#ifndef LOAD_IDLE_H
#define LOAD_IDLE_H

#include "loop.h"
#include "options.h"

/* Prints a line of JSON for each level. Returns the exit code of the process. */
int idle_run(struct loop *loop, const struct options *options);

#endif
