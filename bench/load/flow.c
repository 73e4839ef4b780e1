/* SPDX-License-Identifier: MIT */
#include "flow.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "net.h"
#include "pattern.h"

/* A paced source sends this much at a time; one without pace does so until the socket is full. */
#define CHUNK_BYTES PATTERN_SPAN
/* One read of so many is compared whole; all are counted. */
#define COMPARE_EVERY 16
/* Reads before others get their turn. */
#define READS_PER_TURN 16
#define CONNECT_PATIENCE_MS 5000

int flow_open(const struct flow_header *header, uint16_t port)
{
    int fd = net_connect(port);
    if (fd < 0)
        return fd;
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    if (poll(&writable, 1, CONNECT_PATIENCE_MS) == 1 &&
        send(fd, header, sizeof(*header), MSG_NOSIGNAL) == (ssize_t)sizeof(*header))
        return fd;
    close(fd);
    return -ECONNABORTED;
}

struct flow_source flow_source_of(const struct flow_header *header, uint64_t now_ns)
{
    return (struct flow_source){.total_bytes = header->total_bytes,
                                .rate_bytes_per_s = header->rate_bytes_per_s,
                                .start_ns = now_ns,
                                .silent_from = header->silent_from,
                                .silent_ns = header->silent_ns};
}

static bool is_silent(const struct flow_source *source, uint64_t now_ns)
{
    return source->silent_from > 0 && (source->silent_until_ns == 0 || now_ns < source->silent_until_ns);
}

static uint64_t allowed_bytes(const struct flow_source *source, uint64_t now_ns)
{
    if (is_silent(source, now_ns))
        return source->silent_from < source->total_bytes ? source->silent_from : source->total_bytes;
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
    if (source->silent_from > 0 && source->silent_until_ns == 0 && source->sent_bytes == source->silent_from)
        source->silent_until_ns = now_ns + source->silent_ns;
    return source->sent_bytes == source->total_bytes ? FLOW_DONE : FLOW_MORE;
}

uint64_t flow_due(const struct flow_source *source)
{
    if (source->blocked || source->sent_bytes == source->total_bytes)
        return UINT64_MAX;
    if (source->silent_from > 0 && source->sent_bytes == source->silent_from)
        return source->silent_until_ns;
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
