/* SPDX-License-Identifier: MIT
 *
 * A worker's listening socket on one address. Every worker has one for each TCP address (the kernel spreads clients
 * over them); a unix address has one, at one worker. A socket stays open over changes of what stands behind it.
 *
 * When the worker runs short of fds, it stops accepting instead of accepting what it cannot serve: clients wait in
 * the kernel's queue, and accepting goes on as soon as two fds are free.
 */
#ifndef SLUICE_PATH_LISTENER_H
#define SLUICE_PATH_LISTENER_H

#include <stdbool.h>

#include "path/path.h"

#define LISTENER_BACKLOG 4096

/* How long accepting pauses when the kernel, not our count, says that there are no fds. */
#define ACCEPT_PAUSE_MS 100u

struct listener_socket {
    struct list node;                /* in path.listeners while open */
    int fd;                          /* -1 when closed */
    bool accepting;                  /* serving, and not paused */
    struct net_options options;      /* as set on the socket */
    struct tenant_view *view;        /* of the version in force; NULL until it serves */
    const struct listener *listener; /* of that version */
};

void listener_init(struct listener_socket *socket);

/* Binds and listens, but accepts nothing yet. Returns 0 or -errno. */
int listener_open(struct path *path, struct listener_socket *socket, const struct net_address *address,
                  const struct net_options *options);

/* From now on new sessions are of this version; begins to accept if it did not. */
void listener_serve(struct path *path, struct listener_socket *socket, struct tenant_view *view,
                    const struct listener *listener);

/* Closes. With `empty`, what the kernel has queued is accepted first, if it was serving. */
void listener_close(struct path *path, struct listener_socket *socket, bool empty);

/* Handles an event of a listening socket. */
void listener_event(struct path *path, struct listener_socket *socket);

/* Goes on accepting if it was paused and fds are free. Called once a turn; cheap when nothing is paused. */
void listener_resume(struct path *path);

/* Sessions that this worker has fds for, beside those that it serves; idle pipes would be given up for them. */
uint64_t listener_room(const struct path *path);

/* The kernel had no fd for a session's endpoint although our count said so: accepting pauses for ACCEPT_PAUSE_MS. */
void listener_out_of_fds(struct path *path);

#endif
