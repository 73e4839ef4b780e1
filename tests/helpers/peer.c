/* SPDX-License-Identifier: MIT
 *
 * peer.c: scripted peers for what Deno's sockets cannot do: small socket buffers and segments, and urgent data. Built
 * and run by peer.ts; one job a process, commands on standard input, answers on standard output.
 *
 * peer source HOST BYTES MSS SNDBUF
 *     Listens ("listening PORT"), sends BYTES of the pattern to each session, then FIN. Ends with standard input.
 *
 * peer herd HOST PORT COUNT MSS RCVBUF
 *     Opens COUNT sessions ("open COUNT") and reads nothing until the line "read". Then it reads all of them to their
 *     ends ("read SESSIONS_AT_EOF BYTES WRONG_BYTES RESETS"). Ends with standard input.
 *
 * peer urgent HOST PORT
 *     Sends "ab", an urgent "c", "de" and FIN, and tells what came back ("got TEXT").
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK 65536
#define SEND_CHUNK 4096 /* made anew for each send: no more than a small buffer takes */

struct session {
    int fd;
    uint64_t done; /* bytes sent or received */
};

static void die(const char *what)
{
    fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long number(const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < 0) {
        fprintf(stderr, "peer: a number must be decimal and positive: current value is %s\n", text);
        exit(2);
    }
    return value;
}

static uint8_t pattern(uint64_t position)
{
    return (uint8_t)(position * 31 + (position >> 8) * 7 + (position >> 16));
}

static void set_option(int fd, int level, int name, long value)
{
    int small = (int)value;
    if (value != 0 && setsockopt(fd, level, name, &small, sizeof small) != 0)
        die("setsockopt");
}

static struct sockaddr_in address_of(const char *host, long port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "peer: a host must be an IPv4 address: current value is %s\n", host);
        exit(2);
    }
    return address;
}

static void watch(int epoll, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

/* Sends what the socket takes; 1 when all has been sent and FIN with it, or when the session is gone. */
static int send_more(struct session *session, uint64_t total)
{
    static uint8_t chunk[SEND_CHUNK];
    while (session->done < total) {
        uint64_t left = total - session->done;
        size_t length = left < SEND_CHUNK ? (size_t)left : SEND_CHUNK;
        for (size_t i = 0; i < length; i++)
            chunk[i] = pattern(session->done + i);
        ssize_t sent = send(session->fd, chunk, length, MSG_NOSIGNAL);
        if (sent < 0)
            return errno != EAGAIN && errno != EINTR;
        session->done += (uint64_t)sent;
        if ((size_t)sent < length)
            return 0;
    }
    shutdown(session->fd, SHUT_WR);
    return 1;
}

static int run_source(char **argv)
{
    struct sockaddr_in address = address_of(argv[0], 0);
    uint64_t total = (uint64_t)number(argv[1]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0)
        die("socket");
    set_option(listener, IPPROTO_TCP, TCP_MAXSEG, number(argv[2]));
    set_option(listener, SOL_SOCKET, SO_SNDBUF, number(argv[3]));
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        die("listen");
    printf("listening %u\n", ntohs(address.sin_port));

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    struct session at_input = {.fd = STDIN_FILENO};
    struct session at_listener = {.fd = listener};
    watch(epoll, STDIN_FILENO, EPOLLIN, &at_input);
    watch(epoll, listener, EPOLLIN, &at_listener);
    for (;;) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            struct session *session = events[i].data.ptr;
            if (session == &at_input)
                return 0;
            if (session == &at_listener) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd < 0)
                    continue;
                struct session *accepted = calloc(1, sizeof *accepted);
                if (accepted == NULL)
                    die("calloc");
                accepted->fd = fd;
                watch(epoll, fd, EPOLLOUT | EPOLLRDHUP | EPOLLET, accepted);
                continue;
            }
            if ((events[i].events & (EPOLLHUP | EPOLLERR)) != 0 ||
                (send_more(session, total) && (events[i].events & EPOLLRDHUP) != 0)) {
                close(session->fd);
                free(session);
            }
        }
    }
}

struct tally {
    uint64_t bytes;
    uint64_t wrong;
    unsigned ended;
    unsigned resets;
};

/* Reads one session, blocking, to its end. */
static void read_all(int fd, struct tally *tally)
{
    static uint8_t chunk[READ_CHUNK];
    uint64_t position = 0;
    for (;;) {
        ssize_t got = recv(fd, chunk, READ_CHUNK, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            tally->resets++;
        if (got == 0)
            tally->ended++;
        if (got <= 0)
            break;
        for (ssize_t i = 0; i < got; i++)
            tally->wrong += chunk[i] != pattern(position + (uint64_t)i);
        position += (uint64_t)got;
    }
    tally->bytes += position;
}

static int run_herd(char **argv)
{
    struct sockaddr_in address = address_of(argv[0], number(argv[1]));
    long count = number(argv[2]);
    int *fds = calloc((size_t)count, sizeof *fds);
    if (fds == NULL)
        die("calloc");
    for (long i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fds[i] < 0)
            die("socket");
        set_option(fds[i], IPPROTO_TCP, TCP_MAXSEG, number(argv[3]));
        set_option(fds[i], SOL_SOCKET, SO_RCVBUF, number(argv[4]));
        if (connect(fds[i], (struct sockaddr *)&address, sizeof address) != 0)
            die("connect");
    }
    printf("open %ld\n", count);

    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strcmp(line, "read\n") != 0)
            continue;
        struct tally tally = {0};
        for (long i = 0; i < count; i++) {
            read_all(fds[i], &tally);
            close(fds[i]);
        }
        printf("read %u %llu %llu %u\n", tally.ended, (unsigned long long)tally.bytes, (unsigned long long)tally.wrong,
               tally.resets);
    }
    return 0;
}

static int run_urgent(char **argv)
{
    struct sockaddr_in address = address_of(argv[0], number(argv[1]));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    if (send(fd, "ab", 2, MSG_NOSIGNAL) != 2 || send(fd, "c", 1, MSG_NOSIGNAL | MSG_OOB) != 1 ||
        send(fd, "de", 2, MSG_NOSIGNAL) != 2)
        die("send");
    shutdown(fd, SHUT_WR);
    char text[64];
    size_t have = 0;
    while (have < sizeof text - 1) {
        ssize_t got = recv(fd, text + have, sizeof text - 1 - have, 0);
        if (got < 0)
            die("recv");
        if (got == 0)
            break;
        have += (size_t)got;
    }
    text[have] = '\0';
    printf("got %s\n", text);
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (argc == 6 && strcmp(argv[1], "source") == 0)
        return run_source(argv + 2);
    if (argc == 7 && strcmp(argv[1], "herd") == 0)
        return run_herd(argv + 2);
    if (argc == 4 && strcmp(argv[1], "urgent") == 0)
        return run_urgent(argv + 2);
    fprintf(stderr, "usage: peer source|herd|urgent ... (see the head of peer.c)\n");
    return 2;
}
