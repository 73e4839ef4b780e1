/* SPDX-License-Identifier: MIT
 *
 * crowd.c: thousands of short sessions and the endpoints that they end at, faster than Deno makes them. Run by peer.ts;
 * commands on standard input, answers on standard output.
 *
 * crowd ENDPOINTS
 *     Listens at so many ports ("listening PORT..."). The first endpoint says "a" to whoever comes and closes, the
 *     second one "b", and so on. Ends with standard input.
 *
 * visit TAG PORT COUNT AT_ONCE
 *     COUNT clients go to PORT, AT_ONCE of them at a time: "TAG WORD" has what each was told, "-" for nothing.
 *
 * hail TAG PORT COUNT AT_ONCE
 *     The same with PROXY headers: the first client is 10.0.0.0, the next one 10.0.0.1, and so on.
 *
 * stay TAG PORT COUNT COUNT
 *     As visit, but nobody leaves before everybody has come.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ENDPOINTS 26
#define MAX_AT_ONCE 1024

enum role {
    ENDPOINT,
    CLIENT,
    GUEST, /* the endpoint's side of a client that stays */
};

/* Behind each descriptor in epoll. */
struct party {
    int fd;
    uint32_t number; /* of the endpoint or the client, from 0 */
    enum role role;
};

struct visit {
    uint16_t port;
    uint32_t count;
    int says_header;
    int stays;
    char *word;      /* one letter a client */
    uint32_t next;   /* client that is to come */
    uint32_t inside; /* clients that have not left */
    uint32_t told;   /* that have their letters */
};

static void die(const char *what)
{
    fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void watch(int epoll, struct party *party)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = party};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, party->fd, &event) != 0)
        die("epoll_ctl");
}

static void open_endpoint(struct party *party, uint32_t number)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    party->number = number;
    party->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (party->fd < 0 || bind(party->fd, (struct sockaddr *)&address, length) != 0 || listen(party->fd, 4096) != 0 ||
        getsockname(party->fd, (struct sockaddr *)&address, &length) != 0)
        die("listen");
    printf(" %u", ntohs(address.sin_port));
}

/* Keeps what the endpoint has accepted until the client has left. */
static void host(int epoll, int fd)
{
    struct party *guest = calloc(1, sizeof *guest);
    if (guest == NULL)
        die("calloc");
    guest->fd = fd;
    guest->role = GUEST;
    watch(epoll, guest);
}

static void answer_all(int epoll, const struct party *endpoint, int stays)
{
    char letter = (char)('a' + endpoint->number);
    int fd;
    while ((fd = accept4(endpoint->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        if (send(fd, &letter, 1, MSG_NOSIGNAL) != 1)
            die("send");
        if (stays)
            host(epoll, fd);
        else
            close(fd);
    }
}

static void send_header(int fd, uint32_t client)
{
    char text[108];
    int length = snprintf(text, sizeof text, "PROXY TCP4 10.%u.%u.%u 127.0.0.1 4711 80\r\n", client >> 16 & 255u,
                          client >> 8 & 255u, client & 255u);
    if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length)
        die("send");
}

/* Connects, blocking: the kernel answers for the listener. */
static void enter(int epoll, struct party *party, struct visit *visit)
{
    struct sockaddr_in address = loopback(visit->port);
    party->role = CLIENT;
    party->number = visit->next++;
    party->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (party->fd < 0 || connect(party->fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    if (visit->says_header)
        send_header(party->fd, party->number);
    watch(epoll, party);
    visit->inside++;
}

static void leave(struct party *client, struct visit *visit)
{
    close(client->fd);
    visit->inside--;
}

/* Something has come for a client: its letter, then its end. */
static void hear(int epoll, struct party *clients, struct party *client, struct visit *visit)
{
    char letter;
    if (recv(client->fd, &letter, 1, 0) == 1) {
        visit->word[client->number] = letter;
        visit->told++;
        for (uint32_t i = 0; visit->stays && visit->told == visit->count && i < visit->count; i++)
            leave(&clients[i], visit);
        return;
    }
    leave(client, visit);
    if (visit->next < visit->count)
        enter(epoll, client, visit);
}

static void farewell(struct party *guest)
{
    close(guest->fd);
    free(guest);
}

static void run_visit(int epoll, struct visit *visit, uint32_t at_once)
{
    static struct party clients[MAX_AT_ONCE];
    visit->word = malloc(visit->count + 1);
    if (visit->word == NULL)
        die("malloc");
    memset(visit->word, '-', visit->count);
    visit->word[visit->count] = '\0';
    for (uint32_t i = 0; i < at_once && visit->next < visit->count; i++)
        enter(epoll, &clients[i], visit);
    while (visit->inside > 0) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            struct party *party = events[i].data.ptr;
            if (party->role == ENDPOINT)
                answer_all(epoll, party, visit->stays);
            else if (party->role == GUEST)
                farewell(party);
            else
                hear(epoll, clients, party, visit);
        }
    }
}

int main(int argc, char **argv)
{
    static struct party endpoints[MAX_ENDPOINTS];
    setvbuf(stdout, NULL, _IOLBF, 0);
    int count = argc == 2 ? atoi(argv[1]) : 0;
    if (count < 1 || count > MAX_ENDPOINTS) {
        fprintf(stderr, "usage: crowd ENDPOINTS (see the head of crowd.c)\n");
        return 2;
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll_create1");
    printf("listening");
    for (int i = 0; i < count; i++) {
        open_endpoint(&endpoints[i], (uint32_t)i);
        watch(epoll, &endpoints[i]);
    }
    printf("\n");

    char line[128];
    while (fgets(line, sizeof line, stdin) != NULL) {
        char verb[8];
        char tag[32];
        struct visit visit = {0};
        uint32_t at_once;
        if (sscanf(line, "%7s %31s %hu %u %u", verb, tag, &visit.port, &visit.count, &at_once) != 5 ||
            at_once > MAX_AT_ONCE) {
            fprintf(stderr, "crowd: a command must be one of those at the head of crowd.c: current value is %s", line);
            return 2;
        }
        visit.stays = strcmp(verb, "stay") == 0;
        visit.says_header = strcmp(verb, "hail") == 0;
        run_visit(epoll, &visit, at_once);
        printf("%s %s\n", tag, visit.word);
        free(visit.word);
    }
    return 0;
}
