/* SPDX-License-Identifier: MIT
 *
 * When a core ran nobody: a thread on each that is watched wakes each half millisecond, before everybody else that this
 * user may outrun, and notes when it woke late. What travelled at such a moment tells of the machine, not of the proxy.
 */
#ifndef LOAD_PAUSES_H
#define LOAD_PAUSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts a thread on each of the cores; they end with the process. */
void pauses_watch(const int *cpus, size_t count);

/* Whether a core paused at that instant, or had only just begun again. Call it from one thread, instants in any order;
 * pauses that have not ended yet are not known. */
bool pauses_at(uint64_t instant_ns);

/* Of all cores together. */
uint64_t pauses_count(void);
uint64_t pauses_longest_ns(void);

#endif
