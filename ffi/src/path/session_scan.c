/* SPDX-License-Identifier: MIT
 * The parts of a walk over live sessions. Called by core/worker on the worker's thread. */
#include "path/session_scan.h"

#include <string.h>

#include "path/connector.h"
#include "path/meter.h"
#include "path/session_text.h"

_Static_assert(CLIENT_HELLO_MOST_NAME + CLIENT_HELLO_MOST_ALPN <= SLUICE_SESSION_TEXT, "a record holds the longest");

static uint32_t public_state(const struct session *session)
{
    switch (session->state) {
    case SESSION_READING:
        return SLUICE_SESSION_READING;
    case SESSION_QUEUED:
        return SLUICE_SESSION_QUEUED;
    case SESSION_RELAYING:
        return SLUICE_SESSION_RELAYING;
    case SESSION_LINGERING:
        return SLUICE_SESSION_LINGERING;
    default:
        return SLUICE_SESSION_CONNECTING;
    }
}

static void read_session(const struct path *path, const struct session *session, struct sluice_session_record *record)
{
    *record = (struct sluice_session_record){.state = public_state(session), .drain_in_ms = SLUICE_NEVER};
    session_describe(path, session, &record->session);
    if (session->drain_at_ms != 0) {
        record->drain_in_ms = session->drain_at_ms > path->now_ms ? session->drain_at_ms - path->now_ms : 0;
    }
    const struct session_text *text = session->meter != NULL ? session->meter->text : NULL;
    if (text != NULL) {
        memcpy(record->text, text->bytes, (size_t)text->name_length + text->alpn_length);
        record->session.server_name_length = text->name_length;
        record->session.alpn_length = text->alpn_length;
    }
}

static void close_session(struct path *path, struct session *session, enum sluice_reason reason)
{
    session_close(path, session, (struct session_end){.reason = reason, .phase = session_phase(session)});
}

static void kill_session(struct path *path, struct session *session, enum sluice_reason reason)
{
    bool connects = session->state == SESSION_CONNECTING && session->endpoint != NULL;
    if (reason == SLUICE_REASON_ENDPOINT_DOWN && connects) {
        connector_endpoint_down(path, session);
    } else {
        close_session(path, session, reason);
    }
}

static void act(struct path *path, struct session *session, struct session_scan *scan)
{
    switch (scan->action) {
    case SESSION_SCAN_READ:
        read_session(path, session, &scan->records[scan->hits]);
        break;
    case SESSION_SCAN_KILL:
        kill_session(path, session, scan->reason);
        break;
    case SESSION_SCAN_DRAIN:
        if (scan->grace_ms == 0) {
            close_session(path, session, SLUICE_REASON_DRAINED);
        } else {
            session_drain(path, session, scan->grace_ms);
        }
        break;
    }
}

void session_scan_turn(struct path *path, struct session_scan *scan)
{
    uint32_t slots = SESSION_SCAN_SLOTS;
    uint64_t most = scan->hits + SESSION_SCAN_HITS;
    if (scan->action == SESSION_SCAN_READ && most > scan->room) {
        most = scan->room;
    }
    while (scan->hits < most) {
        struct session *session = slab_walk(&path->sessions, &scan->position, &slots);
        if (session == NULL) {
            scan->done = scan->position == SLAB_NONE;
            return;
        }
        scan->position++;
        /* What was closed in this turn is still there. */
        if (session->state != SESSION_CLOSED && session_filter_matches(scan->filter, session, path->now_ns)) {
            act(path, session, scan);
            scan->hits++;
        }
    }
}
