/* SPDX-License-Identifier: MIT
 * The memory of the table of sources: one for the process, made when the first tenant limits its sources. Control
 * thread. */
#ifndef SLUICE_CORE_SOURCES_H
#define SLUICE_CORE_SOURCES_H

struct sluice_engine;

/* Makes the table, where there is none yet. Returns 0 or -errno. */
int sources_open(struct sluice_engine *engine);

/* Frees it; no worker may run. */
void sources_close(struct sluice_engine *engine);

#endif
