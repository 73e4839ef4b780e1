/* SPDX-License-Identifier: MIT
 *
 * Trouble on purpose, for a share of a tenant's sessions each, so that it sees what its clients make of it. Drawn once,
 * when a session has passed every limit, before an endpoint is chosen; each of the three is drawn by itself:
 *   refuse: no endpoint is chosen; the client gets a FIN (PC).
 *   delay: so long passes before an endpoint is chosen; the connect timeout does not run meanwhile.
 *   reset: an endpoint is chosen and connected; then both sides get a RST at once (PD), whatever has been sent.
 * Called by path/connector, path/relay and path/session_timer on the worker's thread.
 */
#ifndef SLUICE_PATH_FAULT_H
#define SLUICE_PATH_FAULT_H

#include "path/session.h"

/* Draws for a session that is CONNECTING. True when it does not go on now: it was refused, or is DELAYED. */
bool fault_strikes(struct path *path, struct session *session);

/* Whether that is still to be done. */
static inline bool fault_may_strike(const struct session *session)
{
    const struct faults *faults = &session->view->tenant->faults;
    return unlikely((faults->refuse_ppm | faults->delay_ppm | faults->reset_ppm) != 0) && !session->faults_drawn;
}

/* Cuts a connected session that was drawn for a reset. */
void fault_reset(struct path *path, struct session *session);

#endif
