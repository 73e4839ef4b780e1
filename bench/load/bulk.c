/* SPDX-License-Identifier: MIT
 *
 * Up:   send the header and the bytes, read the receipt, close.
 * Down: send the header, read the bytes, close.
 */
#include "bulk.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "flow.h"

/* A transfer on which nothing moves for so long has failed. */
#define PATIENCE_NS (5 * NS_PER_S)

struct transfer {
    struct watcher watcher; /* fd -1: done or failed */
    struct tally *tally;
    enum flow_direction direction;
    struct flow_header header;
    struct flow_source source;
    struct flow_sink sink;
    struct flow_receipt receipt;
    size_t receipt_received;
};

static void end_transfer(struct transfer *transfer, uint64_t *counter)
{
    (*counter)++;
    close(transfer->watcher.fd);
    transfer->watcher.fd = -1;
}

static void push(struct transfer *transfer)
{
    uint64_t before = transfer->source.sent_bytes;
    enum flow_state state = flow_send(&transfer->source, transfer->watcher.fd, clock_now_ns());
    transfer->tally->bytes_up += transfer->source.sent_bytes - before;
    if (state == FLOW_BROKEN)
        end_transfer(transfer, &transfer->tally->failed_io);
}

static void read_receipt(struct transfer *transfer)
{
    struct tally *tally = transfer->tally;
    uint8_t *bytes = (uint8_t *)&transfer->receipt;
    ssize_t got = recv(transfer->watcher.fd, bytes + transfer->receipt_received,
                       sizeof(transfer->receipt) - transfer->receipt_received, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        end_transfer(transfer, got == 0 ? &tally->failed_early : &tally->failed_io);
        return;
    }
    transfer->receipt_received += (size_t)got;
    tally->bytes_down += (uint64_t)got;
    if (transfer->receipt_received < sizeof(transfer->receipt))
        return;
    bool intact = transfer->receipt.received_bytes == transfer->header.total_bytes && transfer->receipt.intact == 1;
    end_transfer(transfer, intact ? &tally->done : &tally->failed_mismatch);
}

static void pull(struct transfer *transfer)
{
    struct tally *tally = transfer->tally;
    uint64_t before = transfer->sink.received_bytes;
    enum flow_state state = flow_receive(&transfer->sink, transfer->watcher.fd);
    tally->bytes_down += transfer->sink.received_bytes - before;
    if (state == FLOW_BROKEN)
        end_transfer(transfer, &tally->failed_early);
    if (state == FLOW_DONE)
        end_transfer(transfer, transfer->sink.damaged ? &tally->failed_mismatch : &tally->done);
}

static void on_event(struct watcher *watcher, uint32_t events)
{
    struct transfer *transfer = (struct transfer *)watcher;
    if ((events & EPOLLOUT) != 0 && transfer->direction == FLOW_UP) {
        transfer->source.blocked = false;
        push(transfer);
    }
    if (transfer->watcher.fd < 0 || (events & ~(uint32_t)EPOLLOUT) == 0)
        return;
    if (transfer->direction == FLOW_UP)
        read_receipt(transfer);
    else
        pull(transfer);
}

static void start(struct transfer *transfer, struct loop *loop, uint16_t port)
{
    int fd = flow_open(&transfer->header, port);
    transfer->watcher = (struct watcher){.fd = fd < 0 ? -1 : fd, .on_event = on_event};
    if (fd < 0) {
        transfer->tally->failed_connect++;
        return;
    }
    transfer->tally->bytes_up += sizeof(transfer->header);
    loop_watch(loop, &transfer->watcher, transfer->direction == FLOW_UP ? LOOP_CONNECTION : EPOLLIN);
}

static struct transfer make_transfer(const struct options *options, uint64_t bytes, struct tally *tally)
{
    uint64_t rate = (uint64_t)(options->rate_per_s / options->concurrency);
    struct transfer transfer = {
        .tally = tally,
        .direction = options->mode == MODE_UP ? FLOW_UP : FLOW_DOWN,
        .header = {.magic = FLOW_MAGIC, .total_bytes = bytes, .rate_bytes_per_s = rate},
        .sink = {.total_bytes = bytes},
    };
    transfer.header.direction = transfer.direction;
    transfer.source = flow_source_of(&transfer.header, clock_now_ns());
    return transfer;
}

/* Sends what is due; returns when the next is, or UINT64_MAX. */
static uint64_t push_due(struct transfer *transfers, uint32_t count, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (transfers[i].watcher.fd < 0 || transfers[i].direction == FLOW_DOWN)
            continue;
        if (flow_due(&transfers[i].source) <= now_ns)
            push(&transfers[i]);
        uint64_t due_ns = flow_due(&transfers[i].source);
        if (transfers[i].watcher.fd >= 0 && due_ns < next_ns)
            next_ns = due_ns;
    }
    return next_ns;
}

void bulk_run(struct loop *loop, const struct options *options, uint64_t bytes, struct tally *tally)
{
    uint32_t count = options->concurrency;
    uint64_t share = bytes / count;
    struct transfer *transfers = allocate(count, sizeof(*transfers));
    uint64_t moved = 0;
    uint64_t give_up_ns = clock_now_ns() + PATIENCE_NS;
    for (uint32_t i = 0; i < count; i++) {
        transfers[i] = make_transfer(options, share, tally);
        start(&transfers[i], loop, options->port);
    }
    while (tally->done + tally_failed(tally) < count) {
        uint64_t now_ns = clock_now_ns();
        if (tally->bytes_up + tally->bytes_down != moved) {
            moved = tally->bytes_up + tally->bytes_down;
            give_up_ns = now_ns + PATIENCE_NS;
        }
        if (now_ns > give_up_ns)
            break;
        uint64_t next_ns = push_due(transfers, count, now_ns);
        loop_turn(loop, next_ns < give_up_ns ? next_ns : give_up_ns + 1);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (transfers[i].watcher.fd >= 0)
            end_transfer(&transfers[i], &tally->failed_late);
    }
    free(transfers);
}
