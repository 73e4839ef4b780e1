/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "clock.h"
#include "pattern.h"

/* A paced source sends this much at a time; one without pace does so until the socket is full. */
#define CHUNK_BYTES PATTERN_SPAN
/* One read of so many is compared whole; all are counted. */
#define COMPARE_EVERY 16
/* Reads before others get their turn. */
#define READS_PER_TURN 16

static uint64_t allowed_bytes(const struct flow_source *source, uint64_t now_ns)
{
    if (source->rate_bytes_per_s == 0)
        return source->total_bytes;
    if (now_ns < source->start_ns)
        return 0;
    double elapsed_s = (double)(now_ns - source->start_ns) / (double)NS_PER_S;
    uint64_t allowed = (uint64_t)(elapsed_s * (double)source->rate_bytes_per_s) + CHUNK_BYTES;
    allowed -= allowed % CHUNK_BYTES;
    return allowed < source->total_bytes ? allowed : source->total_bytes;
}

enum flow_state flow_send(struct flow_source *source, int fd, uint64_t now_ns)
{
    uint64_t allowed = allowed_bytes(source, now_ns);
    while (!source->blocked && source->sent_bytes < allowed) {
        uint64_t left = allowed - source->sent_bytes;
        size_t length = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
        ssize_t sent = send(fd, pattern_at(source->sent_bytes), length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return FLOW_BROKEN;
        if (sent > 0)
            source->sent_bytes += (uint64_t)sent;
        /* A short count means full, too: the next edge tells. */
        source->blocked = sent < (ssize_t)length;
    }
    return source->sent_bytes == source->total_bytes ? FLOW_DONE : FLOW_MORE;
}

uint64_t flow_due(const struct flow_source *source)
{
    if (source->blocked || source->sent_bytes == source->total_bytes)
        return UINT64_MAX;
    if (source->rate_bytes_per_s == 0)
        return 0;
    uint64_t chunks = source->sent_bytes / CHUNK_BYTES;
    double due_s = (double)(chunks * CHUNK_BYTES) / (double)source->rate_bytes_per_s;
    return source->start_ns + (uint64_t)(due_s * (double)NS_PER_S) + 1;
}

enum flow_state flow_receive(struct flow_sink *sink, int fd)
{
    static uint8_t buffer[PATTERN_SPAN];
    for (int i = 0; i < READS_PER_TURN; i++) {
        ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return FLOW_MORE;
        if (got <= 0)
            return FLOW_BROKEN;
        if (sink->reads++ % COMPARE_EVERY == 0 && !pattern_matches(buffer, (size_t)got, sink->received_bytes))
            sink->damaged = true;
        sink->received_bytes += (uint64_t)got;
        if (sink->received_bytes >= sink->total_bytes)
            return sink->received_bytes == sink->total_bytes ? FLOW_DONE : FLOW_BROKEN;
        if ((size_t)got < sizeof(buffer))
            return FLOW_MORE;
    }
    return FLOW_MORE;
}
