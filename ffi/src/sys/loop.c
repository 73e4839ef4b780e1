/* SPDX-License-Identifier: MIT
 * The only file that calls epoll. Each worker owns one loop. */
#define _GNU_SOURCE
#include "sys/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "sys/clock.h"

#define NS_IN_MS ((int64_t)NS_PER_MS)
#define NS_IN_S ((int64_t)NS_PER_S)

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

/* Whole milliseconds are the usual case, and the older system call is the quicker one. */
int loop_wait(struct loop *loop, int64_t timeout_ns)
{
    int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + NS_IN_MS - 1) / NS_IN_MS;
#ifdef SYS_epoll_pwait2
    if (timeout_ns > 0 && timeout_ns % NS_IN_MS != 0) {
        struct timespec timeout = {.tv_sec = timeout_ns / NS_IN_S, .tv_nsec = timeout_ns % NS_IN_S};
        long found = syscall(SYS_epoll_pwait2, loop->epoll_fd, loop->batch, LOOP_BATCH, &timeout, NULL, 0);
        if (found != -1 || errno != ENOSYS) {
            return found == -1 ? 0 : (int)found;
        }
    }
#endif
    int count = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, ms < INT_MAX ? (int)ms : INT_MAX);
    return count == -1 ? 0 : count;
}
