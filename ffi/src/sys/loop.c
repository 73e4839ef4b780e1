/* SPDX-License-Identifier: MIT
 * The only file that calls epoll. Each worker owns one loop. */
#include "sys/loop.h"

#include <errno.h>
#include <unistd.h>

int loop_open(struct loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll_fd == -1 ? -errno : 0;
}

void loop_close(struct loop *loop)
{
    if (loop->epoll_fd != -1) {
        close(loop->epoll_fd);
        loop->epoll_fd = -1;
    }
}

static int loop_control(struct loop *loop, int operation, int fd, uint32_t events, uint64_t token)
{
    struct epoll_event event = {.events = events, .data.u64 = token};
    return epoll_ctl(loop->epoll_fd, operation, fd, &event) == -1 ? -errno : 0;
}

int loop_add(struct loop *loop, int fd, uint32_t events, uint64_t token)
{
    return loop_control(loop, EPOLL_CTL_ADD, fd, events, token);
}

int loop_change(struct loop *loop, int fd, uint32_t events, uint64_t token)
{
    return loop_control(loop, EPOLL_CTL_MOD, fd, events, token);
}

int loop_wait(struct loop *loop, int timeout_ms)
{
    int count = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, timeout_ms);
    return count == -1 ? 0 : count;
}
