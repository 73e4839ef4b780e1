/* SPDX-License-Identifier: MIT
 * Faults. Called on the worker's thread. */
#include "path/fault.h"

bool fault_strikes(struct path *path, struct session *session)
{
    const struct faults *faults = &session->view->tenant->faults;
    session->faults_drawn = true;
    if (path_draw(path, faults->refuse_ppm)) {
        session_close(path, session, (struct session_end){.reason = SLUICE_REASON_FAULT, .phase = PHASE_CONNECT});
        return true;
    }
    session->to_be_reset = path_draw(path, faults->reset_ppm);
    if (faults->delay_ms == 0 || !path_draw(path, faults->delay_ppm)) {
        return false;
    }
    session_set_state(session, SESSION_DELAYED);
    session->last_active_ns = path->now_ns;
    if (!session_watch(path, session, CLIENT, false)) {
        session_close(path, session, (struct session_end){.reason = SLUICE_REASON_MEMORY, .phase = PHASE_CONNECT});
    } else {
        session_arm(path, session);
    }
    return true;
}

void fault_reset(struct path *path, struct session *session)
{
    session_close(path, session,
                  (struct session_end){
                      .reason = SLUICE_REASON_FAULT,
                      .phase = session_phase(session),
                      .reset_client = true,
                      .reset_endpoint = true,
                  });
}
