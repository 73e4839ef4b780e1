/* SPDX-License-Identifier: MIT
 *
 * A client of reply and once is a struct visitor with room for one request. A client of bulk is a struct carrier, in
 * backend_bulk.c. Each is made at accept and released by its own event only.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend_bulk.h"
#include "backend_hold.h"
#include "clock.h"
#include "fail.h"
#include "net.h"

/* Connections accepted before others get their turn. */
#define ACCEPTS_PER_TURN 64

struct service {
    struct watcher watcher;
    struct backend *backend;
    void (*on_accept)(struct service *service, int fd);
    uint16_t port;
    bool closes_first;
};

struct backend {
    struct loop *loop;
    size_t request_size;
    const struct prefixes *prefixes;
    struct backend_count count;
    struct bulk_backend bulk;
    struct hold_backend hold;
    struct watcher input;
    bool ended;
};

struct visitor {
    struct watcher watcher;
    struct backend *backend;
    bool closes_first;
    size_t passed; /* of the prefix, which lands in request */
    size_t received;
    size_t sent; /* of the answer; answering begins when received == request_size */
    uint8_t request[];
};

enum progress { PROGRESS_WAITS, PROGRESS_GOES_ON, PROGRESS_ENDED };

/* The prefix is in the request's place: there is room for the longer of both. */
static enum progress receive_prefix(struct visitor *visitor)
{
    const struct prefixes *prefixes = visitor->backend->prefixes;
    ssize_t got = recv(visitor->watcher.fd, visitor->request + visitor->passed, prefixes->size - visitor->passed, 0);
    if (got < 0)
        return errno == EINTR ? PROGRESS_GOES_ON : errno == EAGAIN ? PROGRESS_WAITS : PROGRESS_ENDED;
    visitor->passed += (size_t)got;
    bool wrong = visitor->passed == prefixes->size && !prefix_known(prefixes, visitor->request);
    return got == 0 || wrong ? PROGRESS_ENDED : PROGRESS_GOES_ON;
}

static enum progress receive_request(struct visitor *visitor)
{
    struct backend *backend = visitor->backend;
    ssize_t got =
        recv(visitor->watcher.fd, visitor->request + visitor->received, backend->request_size - visitor->received, 0);
    if (got < 0)
        return errno == EINTR ? PROGRESS_GOES_ON : errno == EAGAIN ? PROGRESS_WAITS : PROGRESS_ENDED;
    visitor->received += (size_t)got;
    backend->count.bytes_in += (uint64_t)got;
    return got == 0 ? PROGRESS_ENDED : PROGRESS_GOES_ON;
}

static enum progress send_answer(struct visitor *visitor)
{
    struct backend *backend = visitor->backend;
    ssize_t sent = send(visitor->watcher.fd, visitor->request + visitor->sent, backend->request_size - visitor->sent,
                        MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EINTR ? PROGRESS_GOES_ON : errno == EAGAIN ? PROGRESS_WAITS : PROGRESS_ENDED;
    visitor->sent += (size_t)sent;
    backend->count.bytes_out += (uint64_t)sent;
    if (visitor->sent < backend->request_size)
        return PROGRESS_GOES_ON;
    visitor->received = 0;
    visitor->sent = 0;
    return visitor->closes_first ? PROGRESS_ENDED : PROGRESS_GOES_ON;
}

/* Serves until the socket has nothing more. Returns whether the visitor stays. */
static bool serve_visitor(struct visitor *visitor)
{
    enum progress progress = PROGRESS_GOES_ON;
    while (progress == PROGRESS_GOES_ON && visitor->passed < visitor->backend->prefixes->size)
        progress = receive_prefix(visitor);
    while (progress == PROGRESS_GOES_ON) {
        bool complete = visitor->received == visitor->backend->request_size;
        progress = complete ? send_answer(visitor) : receive_request(visitor);
    }
    return progress == PROGRESS_WAITS;
}

static void release_visitor(struct visitor *visitor)
{
    close(visitor->watcher.fd);
    free(visitor);
}

static void on_visitor_event(struct watcher *watcher, uint32_t events)
{
    (void)events;
    struct visitor *visitor = (struct visitor *)watcher;
    if (!serve_visitor(visitor))
        release_visitor(visitor);
}

static void on_accept_visitor(struct service *service, int fd)
{
    struct backend *backend = service->backend;
    size_t room = backend->request_size > backend->prefixes->size ? backend->request_size : backend->prefixes->size;
    struct visitor *visitor = allocate(1, sizeof(*visitor) + room);
    visitor->watcher = (struct watcher){.fd = fd, .on_event = on_visitor_event};
    visitor->backend = backend;
    visitor->closes_first = service->closes_first;
    backend->count.connections++;
    /* Most have their request with them; the visitor that is done never costs a registration. */
    if (serve_visitor(visitor))
        loop_watch(backend->loop, &visitor->watcher, LOOP_CONNECTION);
    else
        release_visitor(visitor);
}

static void on_accept_carrier(struct service *service, int fd)
{
    service->backend->count.connections++;
    bulk_backend_accept(&service->backend->bulk, fd);
}

static void on_accept_held(struct service *service, int fd)
{
    service->backend->count.connections++;
    hold_backend_accept(&service->backend->hold, fd, clock_now_ns());
}

static void on_accept_count(struct service *service, int fd)
{
    struct backend_count *count = &service->backend->count;
    struct hold_backend *hold = &service->backend->hold;
    char line[200];
    int length = snprintf(line, sizeof(line),
                          "{\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"connections\":%" PRIu64
                          ",\"most_held\":%" PRIu64 "}\n",
                          count->bytes_in, count->bytes_out, count->connections, hold->most_open);
    (void)send(fd, line, (size_t)length, MSG_NOSIGNAL);
    close(fd);
    *count = (struct backend_count){0};
    hold->most_open = hold->open;
}

static void on_listener_event(struct watcher *watcher, uint32_t events)
{
    (void)events;
    struct service *service = (struct service *)watcher;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = net_accept(service->watcher.fd);
        if (fd == -EAGAIN)
            return;
        if (fd >= 0)
            service->on_accept(service, fd);
        else if (fd != -EINTR && fd != -ECONNABORTED) {
            errno = -fd;
            fail_errno("accept");
        }
    }
}

static void on_input_event(struct watcher *watcher, uint32_t events)
{
    (void)events;
    struct backend *backend = (struct backend *)((char *)watcher - offsetof(struct backend, input));
    char ignored[64];
    ssize_t got = read(watcher->fd, ignored, sizeof(ignored));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        backend->ended = true;
}

static void open_service(struct service *service, struct backend *backend)
{
    service->backend = backend;
    service->port = 0;
    service->watcher = (struct watcher){.fd = net_listen(&service->port), .on_event = on_listener_event};
    loop_watch(backend->loop, &service->watcher, EPOLLIN);
}

static void turn(struct backend *backend)
{
    uint64_t bulk_due_ns = bulk_backend_push(&backend->bulk, clock_now_ns());
    uint64_t hold_due_ns = hold_backend_release(&backend->hold, clock_now_ns());
    loop_turn(backend->loop, bulk_due_ns < hold_due_ns ? bulk_due_ns : hold_due_ns);
}

void backend_run(struct loop *loop, size_t request_size, const struct prefixes *prefixes)
{
    struct backend backend = {
        .loop = loop, .request_size = request_size, .prefixes = prefixes, .hold.request_size = request_size};
    struct service reply = {.on_accept = on_accept_visitor};
    struct service once = {.on_accept = on_accept_visitor, .closes_first = true};
    struct service bulk = {.on_accept = on_accept_carrier};
    struct service hold = {.on_accept = on_accept_held};
    struct service count = {.on_accept = on_accept_count};
    bulk_backend_open(&backend.bulk, loop, &backend.count);
    open_service(&reply, &backend);
    open_service(&once, &backend);
    open_service(&bulk, &backend);
    open_service(&hold, &backend);
    open_service(&count, &backend);
    backend.input = (struct watcher){.fd = STDIN_FILENO, .on_event = on_input_event};
    loop_watch(loop, &backend.input, EPOLLIN);
    printf("{\"reply\":%u,\"once\":%u,\"bulk\":%u,\"hold\":%u,\"count\":%u}\n", reply.port, once.port, bulk.port,
           hold.port, count.port);
    fflush(stdout);
    while (!backend.ended)
        turn(&backend);
}
