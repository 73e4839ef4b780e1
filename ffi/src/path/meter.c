/* SPDX-License-Identifier: MIT
 * Making and freeing meters. Called on the worker's thread. */
#include "path/meter.h"

#include "path/session.h"
#include "path/session_text.h"
#include "path/throttle.h"

struct session_meter *meter_of(struct path *path, struct session *session)
{
    if (session->meter != NULL) {
        return session->meter;
    }
    uint32_t index;
    uint32_t generation;
    struct session_meter *meter = slab_take(&path->meters, &index, &generation);
    if (meter == NULL) {
        return NULL;
    }
    meter->session = session;
    meter->index = index;
    throttle_init(&meter->throttle[UP], UP);
    throttle_init(&meter->throttle[DOWN], DOWN);
    session->meter = meter;
    return meter;
}

void meter_free(struct path *path, struct session *session)
{
    if (session->meter != NULL) {
        session_text_free(path, session->meter->text);
        slab_give(&path->meters, session->meter->index);
        session->meter = NULL;
    }
}
