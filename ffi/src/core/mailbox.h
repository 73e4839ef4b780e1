/* SPDX-License-Identifier: MIT
 *
 * What the control thread tells a worker. A message is pushed onto a lock-free stack and the worker is woken through
 * an eventfd; messages are handled in the order in which they were sent. Each is answered: the sender asks all workers
 * in a round and waits for it to be complete.
 */
#ifndef SLUICE_CORE_MAILBOX_H
#define SLUICE_CORE_MAILBOX_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>

struct change;
struct session_scan;

enum message_kind {
    MESSAGE_BIND,   /* open a step of the change's new listeners; answers 0 or -errno */
    MESSAGE_UNBIND, /* close them all again */
    MESSAGE_CLOSE,  /* close a step of the listeners that the change ends */
    MESSAGE_COMMIT, /* put the change in force */
    MESSAGE_DRAIN,  /* accept no more, end sessions within `argument` ms */
    MESSAGE_SCAN,   /* a turn's part of the walk over live sessions that `scan` describes */
    MESSAGE_STOP,   /* end everything; the thread returns */
};

/* A question to all workers and their answers. */
struct round {
    _Atomic uint32_t remaining; /* workers that have not answered; acq_rel, so that the asker sees what they did */
    _Atomic int32_t error;      /* the first error that one answered with, or 0 */
    sem_t done;                 /* posted by the last one */
};

/* For `workers` answers. Returns 0 or -errno. */
int round_init(struct round *round, uint32_t workers);
void round_destroy(struct round *round);

/* Worker: answers with 0 or -errno. */
void round_answer(struct round *round, int error);

/* Asker: waits for all; returns the error. */
int round_wait(struct round *round);

/* Belongs to the asker; the worker's from the push until its answer. */
struct message {
    struct message *next; /* in the mailbox */
    enum message_kind kind;
    uint64_t argument;
    struct change *change;
    struct session_scan *scan; /* this worker's own */
    struct round *round;
};

struct mailbox {
    _Atomic(struct message *) head; /* newest first; push releases, take acquires */
    int event_fd;                   /* readable when there may be mail */
};

/* Returns 0 or -errno. */
int mailbox_open(struct mailbox *mailbox);

void mailbox_close(struct mailbox *mailbox);

void mailbox_push(struct mailbox *mailbox, struct message *message);

/* Takes all messages, oldest first, linked by `next`; NULL when there is none. */
struct message *mailbox_take(struct mailbox *mailbox);

#endif
