/* SPDX-License-Identifier: MIT
 *
 * How exactly a limit of bytes is kept: streams through the proxy with more to send than they may, and both ends in
 * this process, so that one clock tells when bytes were sent and when they arrived. The proxy's endpoint is here.
 */
#ifndef LOAD_GAUGE_H
#define LOAD_GAUGE_H

#include "loop.h"
#include "options.h"

/* Runs for the time that the options say and prints a line of JSON. Returns the exit code of the process. */
int gauge_run(struct loop *loop, const struct options *options);

#endif
