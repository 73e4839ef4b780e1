/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"

#define BATCH 256

void loop_open(struct loop *loop)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        fail_errno("open epoll");
    if (prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) != 0)
        fail_errno("set the timer slack");
}

static void control(struct loop *loop, int operation, struct watcher *watcher, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watcher};
    if (epoll_ctl(loop->epoll_fd, operation, watcher->fd, &event) != 0)
        fail_errno("watch a descriptor");
}

void loop_watch(struct loop *loop, struct watcher *watcher, uint32_t events)
{
    control(loop, EPOLL_CTL_ADD, watcher, events);
}

void loop_rewatch(struct loop *loop, struct watcher *watcher, uint32_t events)
{
    control(loop, EPOLL_CTL_MOD, watcher, events);
}

void loop_turn(struct loop *loop, uint64_t until_ns)
{
    struct epoll_event batch[BATCH];
    uint64_t now_ns = clock_now_ns();
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
    int count = epoll_pwait2(loop->epoll_fd, batch, BATCH, &timeout, NULL);
    if (count < 0 && errno != EINTR)
        fail_errno("wait for events");
    for (int i = 0; i < count; i++) {
        struct watcher *watcher = batch[i].data.ptr;
        watcher->on_event(watcher, batch[i].events);
    }
}
