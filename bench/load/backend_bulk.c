/* SPDX-License-Identifier: MIT
 *
 * A carrier:  HEADER -> SINK (count; the receipt; then the client's end) or SOURCE (all bytes; then the client's end).
 */
#include "backend_bulk.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "flow.h"

/* Nothing is due: look again now and then, so that the loop needs no special case. */
#define REST_NS NS_PER_S

enum carrier_state { CARRIER_HEADER, CARRIER_SINK, CARRIER_SOURCE, CARRIER_ENDING };

struct carrier {
    struct watcher watcher;
    struct bulk_backend *bulk;
    enum carrier_state state;
    bool listed; /* in bulk->sources */
    struct carrier *next;
    struct flow_header header;
    size_t header_received;
    struct flow_source source;
    struct flow_sink sink;
};

static void unlist(struct carrier *carrier)
{
    struct carrier **link = &carrier->bulk->sources;
    while (carrier->listed && *link != carrier)
        link = &(*link)->next;
    if (carrier->listed)
        *link = carrier->next;
    carrier->listed = false;
}

static void release(struct carrier *carrier)
{
    unlist(carrier);
    close(carrier->watcher.fd);
    free(carrier);
}

/* These return whether the carrier stays. */

static bool push(struct carrier *carrier, uint64_t now_ns)
{
    uint64_t before = carrier->source.sent_bytes;
    enum flow_state state = flow_send(&carrier->source, carrier->watcher.fd, now_ns);
    carrier->bulk->count->bytes_out += carrier->source.sent_bytes - before;
    if (state == FLOW_DONE)
        carrier->state = CARRIER_ENDING;
    return state != FLOW_BROKEN;
}

static bool begin(struct carrier *carrier)
{
    const struct flow_header *header = &carrier->header;
    if (header->magic != FLOW_MAGIC || header->direction > FLOW_DOWN)
        return false;
    if (header->direction == FLOW_UP) {
        carrier->state = CARRIER_SINK;
        carrier->sink.total_bytes = header->total_bytes;
        return true;
    }
    carrier->state = CARRIER_SOURCE;
    carrier->source = flow_source_of(header, clock_now_ns());
    carrier->next = carrier->bulk->sources;
    carrier->bulk->sources = carrier;
    carrier->listed = true;
    loop_rewatch(carrier->bulk->loop, &carrier->watcher, LOOP_CONNECTION);
    return true;
}

static bool read_header(struct carrier *carrier)
{
    uint8_t *bytes = (uint8_t *)&carrier->header;
    ssize_t got = recv(carrier->watcher.fd, bytes + carrier->header_received,
                       sizeof(carrier->header) - carrier->header_received, 0);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    carrier->header_received += (size_t)got;
    carrier->bulk->count->bytes_in += (uint64_t)got;
    return carrier->header_received < sizeof(carrier->header) || begin(carrier);
}

static bool read_bytes(struct carrier *carrier)
{
    uint64_t before = carrier->sink.received_bytes;
    enum flow_state state = flow_receive(&carrier->sink, carrier->watcher.fd);
    carrier->bulk->count->bytes_in += carrier->sink.received_bytes - before;
    if (carrier->bulk->on_bytes != NULL)
        carrier->bulk->on_bytes(carrier->bulk, carrier->header.number, carrier->sink.received_bytes - before);
    if (state != FLOW_DONE)
        return state == FLOW_MORE;
    struct flow_receipt receipt = {.received_bytes = carrier->sink.received_bytes, .intact = !carrier->sink.damaged};
    if (send(carrier->watcher.fd, &receipt, sizeof(receipt), MSG_NOSIGNAL) != (ssize_t)sizeof(receipt))
        return false;
    carrier->bulk->count->bytes_out += sizeof(receipt);
    carrier->state = CARRIER_ENDING;
    return true;
}

static bool read_end(struct carrier *carrier)
{
    char ignored[64];
    ssize_t got = recv(carrier->watcher.fd, ignored, sizeof(ignored), 0);
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool read_what_comes(struct carrier *carrier)
{
    switch (carrier->state) {
    case CARRIER_HEADER:
        return read_header(carrier);
    case CARRIER_SINK:
        return read_bytes(carrier);
    case CARRIER_SOURCE:
    case CARRIER_ENDING:
        return read_end(carrier);
    }
    return false;
}

/* A sink is watched level-triggered, for the budget of flow_receive; a source sends in bulk_backend_push. */
static void on_event(struct watcher *watcher, uint32_t events)
{
    struct carrier *carrier = (struct carrier *)watcher;
    if ((events & EPOLLOUT) != 0)
        carrier->source.blocked = false;
    if (!read_what_comes(carrier))
        release(carrier);
}

void bulk_backend_open(struct bulk_backend *bulk, struct loop *loop, struct backend_count *count)
{
    *bulk = (struct bulk_backend){.loop = loop, .count = count};
}

void bulk_backend_accept(struct bulk_backend *bulk, int fd)
{
    struct carrier *carrier = allocate(1, sizeof(*carrier));
    carrier->watcher = (struct watcher){.fd = fd, .on_event = on_event};
    carrier->bulk = bulk;
    loop_watch(bulk->loop, &carrier->watcher, EPOLLIN);
}

uint64_t bulk_backend_push(struct bulk_backend *bulk, uint64_t now_ns)
{
    uint64_t next_ns = now_ns + REST_NS;
    struct carrier *following;
    for (struct carrier *carrier = bulk->sources; carrier != NULL; carrier = following) {
        following = carrier->next;
        if (flow_due(&carrier->source) <= now_ns && !push(carrier, now_ns)) {
            release(carrier);
            continue;
        }
        if (carrier->state == CARRIER_ENDING) {
            unlist(carrier);
            continue;
        }
        uint64_t due_ns = flow_due(&carrier->source);
        if (due_ns < next_ns)
            next_ns = due_ns;
    }
    return next_ns;
}
