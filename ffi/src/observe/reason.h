/* SPDX-License-Identifier: MIT
 *
 * From the reason for which a session ended, and the phase in which it was, to its two-letter code (the scheme of
 * HAProxy's termination states). */
#ifndef SLUICE_OBSERVE_REASON_H
#define SLUICE_OBSERVE_REASON_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice.h"

/* Index into SLUICE_CODE_SECOND. */
enum reason_phase {
    PHASE_DONE = 0,
    PHASE_ROUTE = 1,   /* R: before a backend is chosen */
    PHASE_QUEUE = 2,   /* Q */
    PHASE_CONNECT = 3, /* C */
    PHASE_DATA = 4,    /* D */
    PHASE_LAST = 5,    /* L: one side has ended, the other still has bytes to come */
};

/* Index of the code. `endpoint_side` decides between c and s for a timeout that either side can cause. */
uint32_t reason_code(enum sluice_reason reason, enum reason_phase phase, bool endpoint_side);

#endif
