/* SPDX-License-Identifier: MIT
 * Mailbox and rounds. The control thread pushes and waits, the worker takes and answers. */
#include "core/mailbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int round_init(struct round *round, uint32_t workers)
{
    atomic_init(&round->remaining, workers);
    atomic_init(&round->error, 0);
    return sem_init(&round->done, 0, 0) == -1 ? -errno : 0;
}

void round_destroy(struct round *round)
{
    sem_destroy(&round->done);
}

void round_answer(struct round *round, int error)
{
    int32_t none = 0;
    if (error != 0) {
        atomic_compare_exchange_strong(&round->error, &none, error);
    }
    if (atomic_fetch_sub_explicit(&round->remaining, 1, memory_order_acq_rel) == 1) {
        sem_post(&round->done);
    }
}

int round_wait(struct round *round)
{
    while (sem_wait(&round->done) == -1 && errno == EINTR) {
    }
    return atomic_load(&round->error);
}

int mailbox_open(struct mailbox *mailbox)
{
    atomic_init(&mailbox->head, NULL);
    mailbox->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return mailbox->event_fd == -1 ? -errno : 0;
}

void mailbox_close(struct mailbox *mailbox)
{
    if (mailbox->event_fd != -1) {
        close(mailbox->event_fd);
        mailbox->event_fd = -1;
    }
}

void mailbox_push(struct mailbox *mailbox, struct message *message)
{
    static const uint64_t one = 1;
    struct message *head = atomic_load_explicit(&mailbox->head, memory_order_relaxed);
    do {
        message->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->head, &head, message, memory_order_release,
                                                    memory_order_relaxed));
    /* A counter that is full already wakes the worker as well. */
    (void)!write(mailbox->event_fd, &one, sizeof(one));
}

struct message *mailbox_take(struct mailbox *mailbox)
{
    struct message *newest = atomic_exchange_explicit(&mailbox->head, NULL, memory_order_acquire);
    struct message *oldest = NULL;
    while (newest != NULL) {
        struct message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
