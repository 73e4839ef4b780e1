/* SPDX-License-Identifier: MIT
 * Accepting. Called by core/worker on the worker's thread. */
#include "path/listener.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "path/preconnect.h"
#include "path/session.h"
#include "sys/clock.h"

/* Accepted in one go before other events have their turn: few, so that what is accepted is served at once. */
#define ACCEPT_BATCH 4
/* Accepted from a socket that is about to be closed. */
#define ACCEPT_LAST LISTENER_BACKLOG
/* Fds that sessions leave alone beside the mailboxes of all workers: standard streams, epoll, and what passes by. */
#define RESERVED_FDS 16u
/* A pause is told at most this often. */
#define NOTICE_EVERY_NS NS_PER_S

void listener_init(struct listener_socket *socket)
{
    *socket = (struct listener_socket){.fd = -1};
    list_init(&socket->node);
}

int listener_open(struct path *path, struct listener_socket *socket, const struct net_address *address,
                  const struct net_options *options)
{
    int result = net_listen(address, options, LISTENER_BACKLOG, &socket->fd);
    if (result != 0) {
        return result;
    }
    /* Registered for nothing yet, so that beginning to serve cannot fail. */
    result = loop_add(&path->loop, socket->fd, 0, token_listener(socket));
    if (result != 0) {
        close(socket->fd);
        socket->fd = -1;
        return result;
    }
    path->fds++;
    socket->options = *options;
    list_append(&path->listeners, &socket->node);
    return 0;
}

static void set_accepting(struct path *path, struct listener_socket *socket, bool accepting)
{
    loop_change(&path->loop, socket->fd, accepting ? EPOLLIN : 0, token_listener(socket));
    socket->accepting = accepting;
}

void listener_serve(struct path *path, struct listener_socket *socket, struct tenant_view *view,
                    const struct listener *listener)
{
    const struct net_options *wanted = &view->tenant->options;
    net_set_options(socket->fd, wanted, &socket->options);
    socket->options = *wanted;
    bool starts = socket->view == NULL;
    socket->view = view;
    socket->listener = listener;
    if (starts) {
        set_accepting(path, socket, true);
    }
}

/* Fds in use with one session more. */
static uint64_t fds_needed(const struct path *path)
{
    return path->fds + 2u + RESERVED_FDS + path->worker_count + 2u * path->pipes.open_pipes;
}

/* Whether a session more can be served; gives up idle pipes and connections ahead for it. */
static bool has_room(struct path *path)
{
    struct rlimit limit;
    if (likely(fds_needed(path) <= path->fd_limit)) {
        return true;
    }
    /* The limit may have been changed under us; asking is cheap beside what follows. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        path->fd_limit = limit.rlim_cur;
    }
    if (fds_needed(path) > path->fd_limit) {
        pipe_pool_trim(&path->pipes);
    }
    if (fds_needed(path) > path->fd_limit) {
        preconnect_give_way(path);
    }
    return fds_needed(path) <= path->fd_limit;
}

uint64_t listener_room(const struct path *path)
{
    uint64_t used = path->fds + RESERVED_FDS + path->worker_count + 2u * path->pipes.lent;
    return used < path->fd_limit ? (path->fd_limit - used) / 2u : 0;
}

/* Stops accepting on one socket; the others find out by themselves when they have something to accept. */
static void pause_accepting(struct path *path, struct listener_socket *socket, int error)
{
    set_accepting(path, socket, false);
    if (path->accept_paused_ns != 0) {
        return;
    }
    path->accept_paused_ns = path->now_ns;
    stats_add(&path->cell->accept_pauses_total, 1);
    timer_wheel_arm(&path->wheel, &path->accept_resume, path->now_ms + ACCEPT_PAUSE_MS);
    if (path->accept_noticed_ns == 0 || path->now_ns - path->accept_noticed_ns > NOTICE_EVERY_NS) {
        path->accept_noticed_ns = path->now_ns;
        path->accept_notice_open = true;
        path_notice(path, SLUICE_NOTICE_ACCEPT_PAUSED, 0, (uint64_t)error);
    }
}

/* The kernel said that there is no fd, and the time to believe it is not over. */
static bool kernel_said_no(const struct path *path)
{
    return path->accept_error && timer_armed(&path->accept_resume);
}

void listener_out_of_fds(struct path *path)
{
    path->accept_error = true;
    preconnect_give_way(path);
    timer_wheel_arm(&path->wheel, &path->accept_resume, path->now_ms + ACCEPT_PAUSE_MS);
}

void listener_resume(struct path *path)
{
    if (likely(path->accept_paused_ns == 0) || kernel_said_no(path) || !has_room(path)) {
        return;
    }
    timer_wheel_cancel(&path->wheel, &path->accept_resume);
    for (struct list *node = path->listeners.next; node != &path->listeners; node = node->next) {
        struct listener_socket *socket = container_of(node, struct listener_socket, node);
        if (socket->view != NULL && !socket->accepting) {
            set_accepting(path, socket, true);
        }
    }
    if (path->accept_notice_open) {
        path->accept_notice_open = false;
        path_notice(path, SLUICE_NOTICE_ACCEPT_RESUMED, 0, (path->now_ns - path->accept_paused_ns) / NS_PER_US);
    }
    path->accept_paused_ns = 0;
    path->accept_error = false;
}

enum accepted {
    ACCEPTED_ONE,
    ACCEPTED_NONE,  /* the queue is empty */
    ACCEPTED_LATER, /* no fd, no memory */
};

static enum accepted accept_one(struct path *path, struct listener_socket *socket, int *error)
{
    struct net_address peer;
    int fd;
    if (unlikely(kernel_said_no(path)) || !has_room(path)) {
        *error = EMFILE;
        return ACCEPTED_LATER;
    }
    *error = -net_accept(socket->fd, &peer, &fd);
    switch (*error) {
    case 0:
        session_start(path, socket->view, socket->listener, fd, &peer);
        return ACCEPTED_ONE;
    case EAGAIN:
        return ACCEPTED_NONE;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        path->accept_error = true;
        preconnect_give_way(path);
        return ACCEPTED_LATER;
    default:
        return ACCEPTED_ONE; /* that client is gone already; there may be others */
    }
}

void listener_event(struct path *path, struct listener_socket *socket)
{
    int error;
    for (unsigned i = 0; i < ACCEPT_BATCH && socket->accepting; i++) {
        switch (accept_one(path, socket, &error)) {
        case ACCEPTED_ONE:
            break;
        case ACCEPTED_NONE:
            return;
        case ACCEPTED_LATER:
            pause_accepting(path, socket, error);
            return;
        }
    }
}

void listener_close(struct path *path, struct listener_socket *socket, bool empty)
{
    int error;
    if (socket->fd == -1) {
        return;
    }
    if (empty && socket->view != NULL) {
        for (unsigned i = 0; i < ACCEPT_LAST && accept_one(path, socket, &error) == ACCEPTED_ONE; i++) {
        }
    }
    close(socket->fd);
    path->fds--;
    list_remove(&socket->node);
    listener_init(socket);
}
