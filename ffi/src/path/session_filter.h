/* SPDX-License-Identifier: MIT
 *
 * Which sessions an operator means. Made by abi/, read by the workers while they answer (path/session_scan).
 */
#ifndef SLUICE_PATH_SESSION_FILTER_H
#define SLUICE_PATH_SESSION_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "path/session.h"
#include "sluice.h"

/* A filter that was checked. */
struct session_filter {
    struct sluice_session_filter record;
    const uint32_t *ids; /* record.id_count of them, rising; the caller's memory, for as long as the call */
};

/* Takes a filter over from a caller. False when it is none: an odd size, an unknown kind, ids out of order. */
bool session_filter_read(const void *bytes, uint64_t size, struct session_filter *filter);

/* Whether a session that is not CLOSED meets all that the filter says. */
bool session_filter_matches(const struct session_filter *filter, const struct session *session, uint64_t now_ns);

#endif
