/* SPDX-License-Identifier: MIT
 *
 * Bulk transfer: a source that sends so many bytes of the pattern, at a rate if wanted, and a sink that counts them and
 * compares a part. Used on the client's side and in the backend, for the two directions.
 */
#ifndef LOAD_FLOW_H
#define LOAD_FLOW_H

#include <stdbool.h>
#include <stdint.h>

/* What a client sends first. */
#define FLOW_MAGIC UINT64_C(0x31776f6c6664616f)

enum flow_direction {
    FLOW_UP = 0,   /* the client sends, the backend answers with a receipt */
    FLOW_DOWN = 1, /* the backend sends */
};

struct flow_header {
    uint64_t magic;
    uint64_t direction;
    uint64_t total_bytes;
    uint64_t rate_bytes_per_s; /* of the source; 0: as fast as the socket takes it */
    uint64_t number;           /* of the client's choice */
    uint64_t silent_from;      /* the source falls silent after so many bytes; 0: it does not */
    uint64_t silent_ns;        /* for so long */
};

/* What the backend answers once it has all that was announced. */
struct flow_receipt {
    uint64_t received_bytes;
    uint64_t intact; /* 1: every byte that was compared was right */
};

struct flow_source {
    uint64_t sent_bytes;
    uint64_t total_bytes;
    uint64_t rate_bytes_per_s;
    uint64_t start_ns;
    uint64_t silent_from;
    uint64_t silent_ns;
    uint64_t silent_until_ns; /* 0: it has not fallen silent yet */
    bool blocked;             /* the socket is full; its owner clears it on EPOLLOUT */
};

struct flow_sink {
    uint64_t received_bytes;
    uint64_t total_bytes;
    uint64_t reads;
    bool damaged;
};

enum flow_state {
    FLOW_MORE, /* not done; goes on at the next event or when due */
    FLOW_DONE,
    FLOW_BROKEN, /* an error, or an end before the last byte */
};

/* Connects and sends the header. Waits for the connection: nothing else may have begun. Returns the descriptor or
 * -errno. */
int flow_open(const struct flow_header *header, uint16_t port);

/* The source that a header asks for. */
struct flow_source flow_source_of(const struct flow_header *header, uint64_t now_ns);

/* Sends what is due and what the socket takes. */
enum flow_state flow_send(struct flow_source *source, int fd, uint64_t now_ns);

/* When there is more to send: UINT64_MAX while blocked or done. */
uint64_t flow_due(const struct flow_source *source);

/* Reads what there is, up to a budget: its owner watches the descriptor level-triggered. */
enum flow_state flow_receive(struct flow_sink *sink, int fd);

#endif
