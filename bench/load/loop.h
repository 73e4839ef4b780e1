/* SPDX-License-Identifier: MIT
 *
 * epoll with a callback for each descriptor. One thread. A callback may release its own watcher and no other one: the
 * same batch may still name the others.
 */
#ifndef LOAD_LOOP_H
#define LOAD_LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_CONNECTION (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* First member of whatever waits for its descriptor. The owner keeps it until it has closed the descriptor. */
struct watcher {
    int fd; /* owned by the owner of the watcher; -1 when closed */
    void (*on_event)(struct watcher *self, uint32_t events);
};

struct loop {
    int epoll_fd;
};

/* Opens the loop; timers of this thread become as exact as the kernel can. Exits the process on failure. */
void loop_open(struct loop *loop);

/* Watches watcher->fd for `events` (EPOLL*). Exits the process on failure. Closing the descriptor ends it. */
void loop_watch(struct loop *loop, struct watcher *watcher, uint32_t events);

/* Changes what is watched; what is ready now is reported again. Exits the process on failure. */
void loop_rewatch(struct loop *loop, struct watcher *watcher, uint32_t events);

/* Waits for events until until_ns (monotonic) at most and calls the watchers. */
void loop_turn(struct loop *loop, uint64_t until_ns);

#endif
