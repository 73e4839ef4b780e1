/* SPDX-License-Identifier: MIT
 * The worker thread. */
#define _GNU_SOURCE
#include "core/worker.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/apply.h"
#include "path/listener.h"
#include "path/mirror.h"
#include "path/pace.h"
#include "path/preconnect.h"
#include "path/queue.h"
#include "path/session.h"
#include "path/session_scan.h"
#include "sys/clock.h"

#define TIMER_BUDGET 1024u /* timers that fire in one turn at the most; a storm of them is spread over turns */
#define PIPE_SHARE 8u      /* an eighth of the file table may be pipes (two fds each) */
#define PIPES_MAX 4096u

static int compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Gives the thread a file table of its own, with only the standard streams and the mailboxes in it (its own to read,
 * the others to wake their workers): the kernel then need not count references for each call, and RLIMIT_NOFILE counts
 * for this worker alone. ThreadSanitizer knows fds by number for the whole process, so under it the table stays
 * shared. */
static int unshare_files(const struct worker *worker)
{
#if !defined(__SANITIZE_THREAD__)
    int kept[SLUICE_MAX_WORKERS];
    for (uint32_t i = 0; i < worker->worker_count; i++) {
        kept[i] = worker->wakers[i].event_fd;
    }
    qsort(kept, worker->worker_count, sizeof(kept[0]), compare_fds);
    unsigned last = (unsigned)kept[worker->worker_count - 1];
    if (syscall(SYS_close_range, last + 1, ~0u, CLOSE_RANGE_UNSHARE) == -1) {
        return -errno;
    }
    unsigned from = 3;
    for (uint32_t i = 0; i < worker->worker_count; i++) {
        unsigned fd = (unsigned)kept[i];
        if (fd > from && syscall(SYS_close_range, from, fd - 1, 0) == -1) {
            return -errno;
        }
        from = fd + 1;
    }
#else
    (void)worker;
    (void)compare_fds;
#endif
    return 0;
}

static int set_up(struct worker *worker)
{
    struct rlimit limit = {0};
    char name[16];
    snprintf(name, sizeof(name), "sluice-w%u", worker->number % 1000u);
    pthread_setname_np(pthread_self(), name);
    int result = unshare_files(worker);
    if (result != 0) {
        return result;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) {
        return -errno;
    }
    uint64_t pipes = limit.rlim_cur / 2 / PIPE_SHARE;
    pipes = pipes < PIPES_MAX ? pipes : PIPES_MAX;
    struct path_parts parts = {
        .worker = worker->number,
        .worker_count = worker->worker_count,
        .pipe_limit = (uint32_t)pipes,
        .process = worker->process,
        .wakers = worker->wakers,
        .cell = worker->cell,
        .log = &worker->log,
    };
    result = path_init(&worker->path, &parts);
    if (result != 0) {
        return result;
    }
    worker->path.fd_limit = limit.rlim_cur;
    result = loop_add(&worker->path.loop, worker->mailbox.event_fd, EPOLLIN, TOKEN_MAILBOX);
    if (result != 0) {
        path_destroy(&worker->path);
    }
    return result;
}

static void stop_accepting(struct path *path)
{
    path->draining = true;
    while (!list_empty(&path->listeners)) {
        listener_close(path, container_of(path->listeners.next, struct listener_socket, node), true);
    }
}

static void handle(struct worker *worker, struct message *message)
{
    struct path *path = &worker->path;
    struct round *round = message->round; /* after the answer the message may be gone */
    int result = 0;
    switch (message->kind) {
    case MESSAGE_BIND:
        result = apply_open(path, message->change);
        break;
    case MESSAGE_UNBIND:
        apply_close_opened(path, message->change);
        break;
    case MESSAGE_CLOSE:
        apply_close(path, message->change);
        break;
    case MESSAGE_COMMIT:
        apply_commit(path, message->change);
        break;
    case MESSAGE_DRAIN:
        stop_accepting(path);
        preconnect_close_all(path);
        session_drain_all(path, message->argument);
        break;
    case MESSAGE_SCAN:
        session_scan_turn(path, message->scan);
        break;
    case MESSAGE_STOP:
        worker->stopping = true;
        break;
    }
    round_answer(round, result); /* the message and the change are the asker's again */
}

/* Before anything is taken, mail or nodes of the waker, which use one event fd: what is pushed after this wakes anew.
 */
static void clear_wake(struct worker *worker)
{
    uint64_t count;
    (void)!read(worker->mailbox.event_fd, &count, sizeof(count));
}

static void read_mail(struct worker *worker)
{
    struct message *message = mailbox_take(&worker->mailbox);
    while (message != NULL) {
        struct message *next = message->next; /* of the same asker: there is one round at a time */
        handle(worker, message);
        message = next;
    }
}

static void fire(struct timer *timer, void *context)
{
    struct path *path = context;
    if (timer == &path->accept_resume) {
        listener_resume(path);
        if (path->accept_paused_ns != 0 && !timer_armed(timer)) {
            timer_wheel_arm(&path->wheel, timer, path->now_ms + ACCEPT_PAUSE_MS);
        }
        return;
    }
    if (timer == &path->mirror_expiry) {
        mirror_expire(path);
        return;
    }
    session_timer(timer, context);
}

/* Events of this turn; whether there is mail. */
static bool dispatch(struct path *path, int count)
{
    bool mail = false;
    for (int i = 0; i < count; i++) {
        const struct epoll_event *event = &path->loop.batch[i];
        uint64_t token = event->data.u64;
        switch (token_kind(token)) {
        case TOKEN_CLIENT:
        case TOKEN_ENDPOINT:
            session_event(path, token, event->events);
            break;
        case TOKEN_LISTENER:
            listener_event(path, token_pointer(token));
            break;
        case TOKEN_MAILBOX:
            mail = true;
            break;
        case TOKEN_MIRROR:
            mirror_event(path, token, event->events);
            break;
        case TOKEN_PRECONNECT:
            preconnect_event(path, token, event->events);
            break;
        }
    }
    return mail;
}

/* Sessions that had more to do than one turn allows, and those that have something to begin with. */
static void run_ready(struct path *path)
{
    struct list now;
    list_init(&now);
    list_move_all(&now, &path->ready);
    while (!list_empty(&now)) {
        struct session *session = container_of(now.next, struct session, ready);
        list_remove(&session->ready);
        session_resume(path, session);
    }
}

static void publish(struct path *path, uint64_t turn_ns)
{
    struct worker_cell *cell = path->cell;
    atomic_store_explicit(&cell->fds_in_use, path->fds + 2u * path->pipes.open_pipes, memory_order_relaxed);
    atomic_store_explicit(&cell->pipes_in_use, path->pipes.lent, memory_order_relaxed);
    atomic_store_explicit(&cell->buffer_bytes, path->buffers.bytes_mapped, memory_order_relaxed);
    atomic_store_explicit(&cell->session_bytes, slab_bytes(&path->sessions), memory_order_relaxed);
    stats_add(&cell->turns_total, 1);
    if (turn_ns > atomic_load_explicit(&cell->loop_lag_ns, memory_order_relaxed)) {
        atomic_store_explicit(&cell->loop_lag_ns, turn_ns, memory_order_relaxed);
    }
}

/* How long the loop may wait for events, in ns; -1: for ever. */
static int64_t wait_ns(const struct path *path)
{
    if (!list_empty(&path->ready)) {
        return 0;
    }
    int64_t pace_ns = pace_wait_ns(path);
    int32_t wheel_ms = timer_wheel_wait_ms(&path->wheel, path->now_ms);
    int64_t wheel_ns = wheel_ms < 0 ? -1 : (int64_t)wheel_ms * (int64_t)NS_PER_MS;
    return pace_ns >= 0 && (wheel_ns < 0 || pace_ns < wheel_ns) ? pace_ns : wheel_ns;
}

/* The loop, in the order of a turn: wait → clock → events → what is ready → timers → limits → mail → free the dead. */
static void run(struct worker *worker)
{
    struct path *path = &worker->path;
    while (!worker->stopping) {
        int count = loop_wait(&path->loop, wait_ns(path));
        path_tick(path);
        uint64_t began_ns = path->now_ns;
        bool mail = dispatch(path, count);
        if (unlikely(mail)) {
            clear_wake(worker);
        }
        run_ready(path);
        timer_wheel_turn(&path->wheel, path->now_ms, TIMER_BUDGET, fire, path);
        pace_turn(path);
        queue_turn(path);
        if (unlikely(mail)) {
            read_mail(worker);
        }
        session_free_dead(path);
        listener_resume(path);
        path_tick(path);
        publish(path, path->now_ns - began_ns);
    }
}

static void tear_down(struct worker *worker)
{
    struct path *path = &worker->path;
    while (!list_empty(&path->listeners)) {
        listener_close(path, container_of(path->listeners.next, struct listener_socket, node), false);
    }
    session_close_all(path, SLUICE_REASON_DRAINED);
    mirror_close_all(path);
    preconnect_close_all(path);
    session_free_dead(path);
    publish(path, 0);
    path_destroy(path);
}

struct start {
    struct worker *worker;
    struct round *round;
};

static void *worker_main(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    int result = set_up(start.worker);
    round_answer(start.round, result);
    if (result == 0) {
        run(start.worker);
        tear_down(start.worker);
    }
    return NULL;
}

int worker_start(struct worker *worker, struct round *round)
{
    sigset_t all;
    sigset_t before;
    struct start *start = malloc(sizeof(*start));
    if (start == NULL) {
        return -ENOMEM;
    }
    *start = (struct start){.worker = worker, .round = round};
    /* Signals are the control plane's; splice into a closed connection would raise SIGPIPE here. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&worker->thread, NULL, worker_main, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        free(start);
        return -result;
    }
    worker->started = true;
    return 0;
}

void worker_join(struct worker *worker)
{
    if (worker->started) {
        pthread_join(worker->thread, NULL);
        worker->started = false;
    }
}
