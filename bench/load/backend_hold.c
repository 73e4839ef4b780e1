/* SPDX-License-Identifier: MIT */
#include "backend_hold.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"

#define HOLD_NS (200 * NS_PER_MS)

struct held {
    int fd;
    uint64_t due_ns;
    struct held *next;
};

void hold_backend_accept(struct hold_backend *hold, int fd, uint64_t now_ns)
{
    struct held *held = allocate(1, sizeof(*held));
    *held = (struct held){.fd = fd, .due_ns = now_ns + HOLD_NS};
    if (hold->first == NULL)
        hold->first = held;
    else
        hold->last->next = held;
    hold->last = held;
    hold->open++;
    if (hold->open > hold->most_open)
        hold->most_open = hold->open;
}

/* A client that is gone has no use for the answer. */
static void answer(const struct hold_backend *hold, int fd)
{
    uint8_t *request = allocate(hold->request_size, 1);
    ssize_t got = recv(fd, request, hold->request_size, 0);
    if (got > 0)
        (void)send(fd, request, (size_t)got, MSG_NOSIGNAL);
    free(request);
}

uint64_t hold_backend_release(struct hold_backend *hold, uint64_t now_ns)
{
    while (hold->first != NULL && hold->first->due_ns <= now_ns) {
        struct held *held = hold->first;
        hold->first = held->next;
        answer(hold, held->fd);
        close(held->fd);
        free(held);
        hold->open--;
    }
    return hold->first == NULL ? UINT64_MAX : hold->first->due_ns;
}
