/* SPDX-License-Identifier: MIT
 *
 * An endpoint that fails on command. It answers each line of a client with one of its own: `hello` and its letter. A
 * line on standard input names what it does from then on, and is printed when that is so:
 *
 *     serve     answers at once
 *     slow      answers after the delay
 *     reset     resets each new connection once it is accepted
 *     refuse    its port is closed; connections live on
 *     hang      its queue of connections is full: the kernel drops each SYN
 *
 * Run as `endpoint LETTER PORT DELAY_MS`; by ../failures_endpoint.ts alone, which kills and stops it besides. One
 * thread.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 1024
#define MOST_CLIENTS 4096
#define MOST_EVENTS 64
#define MOST_FILLERS 8
#define FILL_PATIENCE_MS 100

enum mode { MODE_SERVE, MODE_SLOW, MODE_RESET, MODE_REFUSE, MODE_HANG, MODE_COUNT };

static const char *const MODES[MODE_COUNT] = {"serve", "slow", "reset", "refuse", "hang"};

struct endpoint {
    char answer[16];
    uint16_t port;
    int delay_ms;
    enum mode mode;
    int epoll_fd;
    /* -1 while the port is closed. */
    int listener_fd;
    /* Connections of its own that fill the queue. */
    int fillers[MOST_FILLERS];
    int filler_count;
    /* By descriptor: when the answer is due, in ms; 0 for none. */
    int64_t due_ms[MOST_CLIENTS];
};

static void __attribute__((noreturn)) fail(const char *what)
{
    fprintf(stderr, "endpoint: cannot %s: %m\n", what);
    exit(1);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct sockaddr_in address_of(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return address;
}

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("open a socket");
    return fd;
}

static void watch(struct endpoint *endpoint, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(endpoint->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("watch a descriptor");
}

static void open_port(struct endpoint *endpoint)
{
    int one = 1;
    struct sockaddr_in address = address_of(endpoint->port);
    int fd = new_socket();
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, BACKLOG) != 0)
        fail("listen");
    endpoint->listener_fd = fd;
    watch(endpoint, fd);
}

static void close_port(struct endpoint *endpoint)
{
    if (endpoint->listener_fd >= 0)
        close(endpoint->listener_fd);
    endpoint->listener_fd = -1;
}

/* One connection to itself. Returns whether the kernel completed it: if not, the queue is full. */
static bool fill_one(struct endpoint *endpoint)
{
    struct sockaddr_in address = address_of(endpoint->port);
    struct pollfd wait = {.fd = new_socket(), .events = POLLOUT};
    (void)connect(wait.fd, (struct sockaddr *)&address, sizeof(address));
    endpoint->fillers[endpoint->filler_count++] = wait.fd;
    return poll(&wait, 1, FILL_PATIENCE_MS) == 1;
}

static void begin_hang(struct endpoint *endpoint)
{
    if (epoll_ctl(endpoint->epoll_fd, EPOLL_CTL_DEL, endpoint->listener_fd, NULL) != 0 ||
        listen(endpoint->listener_fd, 0) != 0)
        fail("shorten the queue");
    while (fill_one(endpoint)) {
        if (endpoint->filler_count == MOST_FILLERS)
            fail("fill the queue");
    }
}

static void end_hang(struct endpoint *endpoint)
{
    while (endpoint->filler_count > 0)
        close(endpoint->fillers[--endpoint->filler_count]);
    close_port(endpoint);
}

static void change_mode(struct endpoint *endpoint, enum mode mode)
{
    if (endpoint->mode == MODE_HANG)
        end_hang(endpoint);
    if (mode == MODE_REFUSE)
        close_port(endpoint);
    else if (endpoint->listener_fd < 0)
        open_port(endpoint);
    if (mode == MODE_HANG)
        begin_hang(endpoint);
    endpoint->mode = mode;
}

/* Reads one line of orders; the end of the input is the end of the endpoint. */
static void take_order(struct endpoint *endpoint)
{
    char line[32];
    ssize_t length = read(STDIN_FILENO, line, sizeof(line) - 1);
    if (length <= 0)
        exit(0);
    line[length - 1] = '\0';
    for (int mode = 0; mode < MODE_COUNT; mode++) {
        if (strcmp(line, MODES[mode]) == 0) {
            change_mode(endpoint, (enum mode)mode);
            printf("%s\n", line);
            fflush(stdout);
            return;
        }
    }
    fprintf(stderr, "endpoint: cannot obey: the order must be a mode: current value is %s\n", line);
    exit(2);
}

static void close_client(struct endpoint *endpoint, int fd)
{
    endpoint->due_ms[fd] = 0;
    close(fd);
}

static void take_clients(struct endpoint *endpoint)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int fd;
    while ((fd = accept4(endpoint->listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (endpoint->mode == MODE_RESET || fd >= MOST_CLIENTS) {
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
            close(fd);
        } else {
            endpoint->due_ms[fd] = 0;
            watch(endpoint, fd);
        }
    }
}

static void answer(struct endpoint *endpoint, int fd)
{
    size_t length = strlen(endpoint->answer);
    endpoint->due_ms[fd] = 0;
    if (send(fd, endpoint->answer, length, MSG_NOSIGNAL) != (ssize_t)length)
        close_client(endpoint, fd);
}

static void hear_client(struct endpoint *endpoint, int fd)
{
    char line[256];
    ssize_t length = read(fd, line, sizeof(line));
    if (length <= 0)
        close_client(endpoint, fd);
    else if (memchr(line, '\n', (size_t)length) == NULL)
        return;
    else if (endpoint->mode == MODE_SLOW)
        endpoint->due_ms[fd] = now_ms() + endpoint->delay_ms;
    else
        answer(endpoint, fd);
}

/* Answers what is due. Returns how long nothing will be, in ms; -1: until somebody comes. */
static int answer_due(struct endpoint *endpoint)
{
    int64_t now = now_ms(), next = INT64_MAX;
    for (int fd = 0; fd < MOST_CLIENTS; fd++) {
        if (endpoint->due_ms[fd] == 0)
            continue;
        if (endpoint->due_ms[fd] <= now)
            answer(endpoint, fd);
        else if (endpoint->due_ms[fd] < next)
            next = endpoint->due_ms[fd];
    }
    return next == INT64_MAX ? -1 : (int)(next - now);
}

static void take_turn(struct endpoint *endpoint)
{
    struct epoll_event events[MOST_EVENTS];
    int count = epoll_wait(endpoint->epoll_fd, events, MOST_EVENTS, answer_due(endpoint));
    for (int index = 0; index < count; index++) {
        int fd = events[index].data.fd;
        /* A change of mode may close what later events name: the next turn has them again, if they are there. */
        if (fd == STDIN_FILENO) {
            take_order(endpoint);
            return;
        }
        if (fd == endpoint->listener_fd)
            take_clients(endpoint);
        else
            hear_client(endpoint, fd);
    }
}

int main(int argc, char **argv)
{
    static struct endpoint endpoint = {.listener_fd = -1};
    if (argc != 4) {
        fprintf(stderr, "usage: endpoint LETTER PORT DELAY_MS\n");
        return 2;
    }
    /* Nothing is left when the benchmark ends, not even what it has stopped. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(endpoint.answer, sizeof(endpoint.answer), "hello %.1s\n", argv[1]);
    endpoint.port = (uint16_t)atoi(argv[2]);
    endpoint.delay_ms = atoi(argv[3]);
    endpoint.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (endpoint.epoll_fd < 0)
        fail("make an epoll");
    watch(&endpoint, STDIN_FILENO);
    open_port(&endpoint);
    for (;;)
        take_turn(&endpoint);
}
