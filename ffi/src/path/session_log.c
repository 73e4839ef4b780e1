/* SPDX-License-Identifier: MIT
 * What there is to tell of a session: its record in the log ring, which the control plane makes the access log from,
 * and for readers of live sessions. */
#include <string.h>

#include "path/meter.h"
#include "path/session.h"
#include "path/session_text.h"

/* From the accept (or another time) to a time; SLUICE_NEVER if that did not come. */
static uint64_t elapsed_us(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns == 0 || from_ns == 0 ? SLUICE_NEVER : (to_ns - from_ns) / 1000u;
}

/* How long it has waited for a limit; SLUICE_NEVER if it has not. */
static uint64_t queue_us(const struct path *path, const struct session *session)
{
    const struct session_meter *meter = session->meter;
    if (meter == NULL || meter->queued_ns == 0) {
        return SLUICE_NEVER;
    }
    return meter->in_queue ? elapsed_us(meter->queued_ns, path->now_ns) : meter->queue_us;
}

static bool wanted(struct path *path, const struct session *session, uint16_t kind)
{
    if (atomic_load_explicit(&path->process->access_log, memory_order_relaxed) == 0) {
        return false;
    }
    if (kind == SLUICE_LOG_PROGRESS || !session->connected) {
        return true;
    }
    uint32_t sample_ppm = atomic_load_explicit(&path->process->access_sample_ppm, memory_order_relaxed);
    return sample_ppm >= 1000000u || path_random(path) % 1000000u < sample_ppm;
}

void session_describe(const struct path *path, const struct session *session, struct sluice_log_session *record)
{
    const struct side *client = &session->side[CLIENT];
    const struct side *endpoint = &session->side[ENDPOINT];
    *record = (struct sluice_log_session){
        .header = {.size = sizeof(*record), .kind = SLUICE_LOG_PROGRESS, .worker = (uint16_t)path->worker},
        .tenant = session->view->tenant->is_shared ? 0 : session->view->tenant->id,
        .listener = session->listener->id,
        .route = session->meter != NULL && session->meter->route != NULL ? session->meter->route->id : 0,
        .backend = session->backend != NULL ? session->backend->id : 0,
        .endpoint = session->endpoint != NULL ? session->endpoint->id : 0,
        .attempts = session->attempts,
        .client_family = session->client_family,
        .client_port = session->client_port,
        .bytes_up = session->direction[UP].bytes,
        .bytes_down = session->direction[DOWN].bytes,
        .queue_us = queue_us(path, session),
        .connect_us = session->connected ? session->connect_us : SLUICE_NEVER,
        .first_byte_us = elapsed_us(session->accepted_ns, session->first_byte_ns),
        .total_us = elapsed_us(session->accepted_ns, path->now_ns),
        .rtt_client_us = client->local ? 0 : net_rtt_us(client->fd),
        .rtt_server_us = session->connected && !endpoint->local ? net_rtt_us(endpoint->fd) : 0,
    };
    memcpy(record->session, session->id, sizeof(record->session));
    memcpy(record->client_ip, session->client_ip, sizeof(record->client_ip));
}

void session_log(struct path *path, const struct session *session, uint16_t kind, enum sluice_reason reason,
                 uint32_t code)
{
    if (!wanted(path, session, kind)) {
        return;
    }
    struct sluice_log_session record;
    session_describe(path, session, &record);
    record.header.kind = kind;
    record.reason = (uint32_t)reason;
    record.code = code;
    struct log_part parts[] = {{&record, sizeof(record)}, {NULL, 0}};
    const struct session_text *text = session->meter != NULL ? session->meter->text : NULL;
    if (text != NULL) {
        parts[1] = (struct log_part){text->bytes, session_text_size(text)};
        record.header.size += parts[1].size;
        record.server_name_length = text->name_length;
        record.alpn_length = text->alpn_length;
    }
    log_ring_write(path->log, parts, text != NULL ? 2 : 1);
}
