/* SPDX-License-Identifier: MIT
 *
 * flock.c: many sessions at once, for tests that change the proxy beneath them. Built and run by flock.ts; one job a
 * process, commands on standard input, answers on standard output. Ends with standard input.
 *
 * flock echo HOST
 *     Listens ("listening PORT") and sends back what comes, until the client's EOF.
 *
 * flock load HOST PORT STREAMS PERIOD_MS RATE
 *     Opens STREAMS sessions that stay ("open STREAMS"); each sends a message every PERIOD_MS and must get it back.
 *     Beside them RATE visits a second: connect, message, answer, FIN, EOF. At the line "stop" the streams send FIN and
 *     must get EOF; then it tells what it saw ("ended JSON"). A session is late when it hangs at the very end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE 64
#define CHUNK 65536
#define EVENTS 256
#define STARTS_PER_TURN 64
#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull
#define END_PATIENCE_NS (15 * NS_PER_S)

/* RESTING -> ASKING -> (answer) -> RESTING, for a visit and after "stop" -> ENDING -> (EOF) -> gone. */
enum state { RESTING, ASKING, ENDING };

struct session {
    int fd;
    enum state state;
    bool is_stream;
    bool is_sent;
    uint64_t serial; /* of the message, over all sessions */
    size_t received;
    uint64_t since_ns;
};

struct seen {
    uint64_t ended;   /* at EOF, after every answer */
    uint64_t refused; /* connect refused */
    uint64_t reset;   /* RST */
    uint64_t cut;     /* EOF before the answer */
    uint64_t late;    /* hung at the end */
    uint64_t wrong;   /* bytes */
    uint64_t answers;
    uint64_t longest_ns;
};

struct load {
    int epoll;
    struct sockaddr_in address;
    struct session *streams;
    uint64_t stream_count;
    uint64_t live;
    uint64_t serial;
    bool is_stopping;
    struct seen by_stream;
    struct seen by_visit;
};

static void die(const char *what)
{
    fprintf(stderr, "flock: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-') {
        fprintf(stderr, "flock: a number must be decimal and positive: current value is %s\n", text);
        exit(2);
    }
    return value;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static struct sockaddr_in address_of(const char *host, uint64_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "flock: a host must be an IPv4 address: current value is %s\n", host);
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

/* Whether standard input has ended; true in *is_line when it had the line "stop". */
static bool read_input(bool *is_line)
{
    char text[64];
    ssize_t got = read(STDIN_FILENO, text, sizeof text);
    *is_line = got >= 5 && memcmp(text, "stop\n", 5) == 0;
    return got <= 0;
}

/* Sends back what has come. Returns whether the session stays. */
static bool echo_more(int fd)
{
    static uint8_t chunk[CHUNK];
    for (;;) {
        ssize_t got = recv(fd, chunk, CHUNK, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN;
        if (got == 0)
            return false;
        for (ssize_t sent = 0; sent < got;) {
            ssize_t more = send(fd, chunk + sent, (size_t)(got - sent), MSG_NOSIGNAL);
            if (more < 0 && errno != EINTR)
                return false;
            sent += more < 0 ? 0 : more;
        }
    }
}

static int run_echo(char **argv)
{
    static int input = STDIN_FILENO;
    struct sockaddr_in address = address_of(argv[0], 0);
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        die("listen");
    printf("listening %u\n", ntohs(address.sin_port));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    watch(epoll, STDIN_FILENO, EPOLLIN, &input);
    watch(epoll, listener, EPOLLIN, &listener);
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int *fd = events[i].data.ptr;
            bool is_line;
            if (fd == &input && read_input(&is_line))
                return 0;
            if (fd == &listener) {
                int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (accepted < 0)
                    continue;
                int one = 1;
                setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                int *kept = malloc(sizeof *kept);
                if (kept == NULL)
                    die("malloc");
                *kept = accepted;
                watch(epoll, accepted, EPOLLIN | EPOLLRDHUP, kept);
            } else if (fd != &input && !echo_more(*fd)) {
                close(*fd);
                free(fd);
            }
        }
    }
}

static uint8_t pattern(uint64_t serial, size_t position)
{
    return (uint8_t)(serial * 167 + (serial >> 8) * 31 + position * 7);
}

static struct seen *seen_of(struct load *load, const struct session *session)
{
    return session->is_stream ? &load->by_stream : &load->by_visit;
}

/* Closes the session and counts in *how, a field of what was seen of its kind. */
static void finish(struct load *load, struct session *session, uint64_t *how)
{
    (*how)++;
    load->live--;
    close(session->fd);
    session->fd = -1;
    if (!session->is_stream)
        free(session);
}

static void fail(struct load *load, struct session *session, int error)
{
    struct seen *seen = seen_of(load, session);
    if (error != ECONNREFUSED && error != ECONNRESET && error != EPIPE) {
        errno = error;
        die("a session");
    }
    finish(load, session, error == ECONNREFUSED ? &seen->refused : &seen->reset);
}

/* Sends the message that is due, if the connection stands. Returns whether the session is still there. */
static bool send_message(struct load *load, struct session *session)
{
    uint8_t message[MESSAGE];
    for (size_t i = 0; i < MESSAGE; i++)
        message[i] = pattern(session->serial, i);
    ssize_t sent = send(session->fd, message, MESSAGE, MSG_NOSIGNAL);
    if (sent == MESSAGE) {
        session->is_sent = true;
        return true;
    }
    if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
        return true;
    if (sent >= 0)
        die("a message that fits was not taken whole");
    fail(load, session, errno);
    return false;
}

static bool ask(struct load *load, struct session *session)
{
    session->state = ASKING;
    session->is_sent = false;
    session->received = 0;
    session->serial = load->serial++;
    session->since_ns = now_ns();
    return send_message(load, session);
}

static void end(struct session *session)
{
    session->state = ENDING;
    session->since_ns = now_ns();
    shutdown(session->fd, SHUT_WR);
}

static void take_time(struct seen *seen, const struct session *session)
{
    uint64_t taken_ns = now_ns() - session->since_ns;
    if (taken_ns > seen->longest_ns)
        seen->longest_ns = taken_ns;
}

static void receive(struct load *load, struct session *session)
{
    struct seen *seen = seen_of(load, session);
    uint8_t bytes[MESSAGE];
    for (;;) {
        ssize_t got = recv(session->fd, bytes, MESSAGE, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got < 0) {
            fail(load, session, errno);
            return;
        }
        if (got == 0) {
            if (session->state == ENDING)
                take_time(seen, session);
            finish(load, session, session->state == ENDING ? &seen->ended : &seen->cut);
            return;
        }
        for (ssize_t i = 0; i < got; i++)
            seen->wrong +=
                session->state != ASKING || bytes[i] != pattern(session->serial, session->received + (size_t)i);
        session->received += (size_t)got;
        if (session->state == ASKING && session->received == MESSAGE) {
            take_time(seen, session);
            seen->answers++;
            session->state = RESTING;
            if (!session->is_stream || load->is_stopping)
                end(session);
        }
    }
}

static bool open_session(struct load *load, struct session *session)
{
    session->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (session->fd < 0)
        die("socket");
    int one = 1;
    setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    load->live++;
    if (connect(session->fd, (struct sockaddr *)&load->address, sizeof load->address) != 0 && errno != EINPROGRESS) {
        fail(load, session, errno);
        return false;
    }
    watch(load->epoll, session->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, session);
    return ask(load, session);
}

static void stop(struct load *load)
{
    load->is_stopping = true;
    for (uint64_t i = 0; i < load->stream_count; i++) {
        struct session *stream = &load->streams[i];
        if (stream->fd >= 0 && stream->state == RESTING)
            end(stream);
    }
}

/* Handles what has happened, for a millisecond at most when nothing does. False when standard input has ended. */
static bool turn(struct load *load)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(load->epoll, events, EVENTS, 1);
    for (int i = 0; i < count; i++) {
        struct session *session = events[i].data.ptr;
        if (session == NULL) {
            bool is_line;
            if (read_input(&is_line))
                return false;
            if (is_line)
                stop(load);
            continue;
        }
        if (session->fd < 0)
            continue;
        if (session->state == ASKING && !session->is_sent && !send_message(load, session))
            continue;
        receive(load, session);
    }
    return true;
}

static void print_seen(const char *name, const struct seen *seen)
{
    printf("\"%s\":{\"ended\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"reset\":%" PRIu64 ",\"cut\":%" PRIu64
           ",\"late\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"answers\":%" PRIu64 ",\"longest_ms\":%.3f}",
           name, seen->ended, seen->refused, seen->reset, seen->cut, seen->late, seen->wrong, seen->answers,
           (double)seen->longest_ns / (double)NS_PER_MS);
}

/* Opens all streams; each has had its first answer when this returns. */
static void open_streams(struct load *load)
{
    for (uint64_t i = 0; i < load->stream_count; i++) {
        load->streams[i].is_stream = true;
        if (!open_session(load, &load->streams[i]))
            die("the first connect of a stream");
        while (i % STARTS_PER_TURN == 0 && load->by_stream.answers <= i)
            turn(load);
    }
    while (load->by_stream.answers < load->stream_count && load->live == load->stream_count)
        turn(load);
    printf("open %" PRIu64 "\n", load->by_stream.answers);
}

static void visit(struct load *load)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        die("calloc");
    open_session(load, session);
}

static int run_load(char **argv)
{
    struct load load = {
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .address = address_of(argv[0], number(argv[1])),
        .stream_count = number(argv[2]),
    };
    uint64_t period_ns = number(argv[3]) * NS_PER_MS;
    uint64_t rate = number(argv[4]);
    load.streams = calloc(load.stream_count, sizeof *load.streams);
    if (load.epoll < 0 || load.streams == NULL)
        die("the start");
    watch(load.epoll, STDIN_FILENO, EPOLLIN, NULL);
    open_streams(&load);

    uint64_t start_ns = now_ns();
    uint64_t messages = 0;
    uint64_t visits = 0;
    while (!load.is_stopping) {
        uint64_t elapsed_ns = now_ns() - start_ns;
        for (uint64_t due = elapsed_ns * load.stream_count / period_ns; messages < due; messages++) {
            struct session *stream = &load.streams[messages % load.stream_count];
            if (stream->fd >= 0 && stream->state == RESTING)
                ask(&load, stream);
        }
        uint64_t due = elapsed_ns * rate / NS_PER_S;
        for (int started = 0; visits < due && started < STARTS_PER_TURN; started++, visits++)
            visit(&load);
        if (!turn(&load))
            return 1;
    }
    uint64_t seconds_ns = now_ns() - start_ns;
    for (uint64_t until_ns = now_ns() + END_PATIENCE_NS; load.live > 0 && now_ns() < until_ns;) {
        if (!turn(&load))
            return 1;
    }
    uint64_t late_streams = 0;
    for (uint64_t i = 0; i < load.stream_count; i++)
        late_streams += load.streams[i].fd >= 0;
    load.by_stream.late = late_streams;
    load.by_visit.late = load.live - late_streams;
    printf("ended {\"seconds\":%.3f,", (double)seconds_ns / (double)NS_PER_S);
    print_seen("streams", &load.by_stream);
    printf(",");
    print_seen("visits", &load.by_visit);
    printf("}\n");
    close(load.epoll);
    free(load.streams);
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
    if (argc == 3 && strcmp(argv[1], "echo") == 0)
        return run_echo(argv + 2);
    if (argc == 7 && strcmp(argv[1], "load") == 0)
        return run_load(argv + 2);
    fprintf(stderr, "usage: flock echo|load ... (see the head of flock.c)\n");
    return 2;
}
