/* SPDX-License-Identifier: MIT
 *
 * A walk over a worker's live sessions, for the control thread: reads, closes or drains those that meet a filter. It
 * is made in parts, one a turn, so that the sessions' own work never waits for long. The control thread (core/sessions)
 * makes the scan and asks, part after part, until it is done.
 */
#ifndef SLUICE_PATH_SESSION_SCAN_H
#define SLUICE_PATH_SESSION_SCAN_H

#include "path/session_filter.h"

#define SESSION_SCAN_SLOTS 8192u /* looked at in a turn */
#define SESSION_SCAN_HITS 256u   /* read, closed or drained in a turn */

enum session_scan_action {
    SESSION_SCAN_READ,
    SESSION_SCAN_KILL,
    SESSION_SCAN_DRAIN,
};

/* Belongs to the asker; the worker's while it answers. */
struct session_scan {
    const struct session_filter *filter;
    enum session_scan_action action;
    uint64_t grace_ms;                     /* DRAIN: 0 closes now */
    enum sluice_reason reason;             /* KILL: why */
    struct sluice_session_record *records; /* READ: where they go */
    uint64_t room;                         /* READ: how many fit */
    uint32_t position;                     /* the next slot */
    bool done;                             /* every slot was looked at */
    uint64_t hits;                         /* sessions met, all turns */
};

/* One part of the walk. */
void session_scan_turn(struct path *path, struct session_scan *scan);

#endif
