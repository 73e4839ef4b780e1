/* SPDX-License-Identifier: MIT
 *
 * A connection's states:
 *
 *   short:  FREE -> ASKING -> (answer) -> FREE                  the client closes first
 *                          -> (answer) -> ENDING -> (end) -> FREE    the backend closes first
 *   rr:     FREE (open, no request) -> ASKING -> (answer) -> FREE
 *
 * FREE means in the queue of the free. A failure closes the descriptor and frees the connection in any state.
 */
#include "exchange.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "fail.h"
#include "net.h"
#include "pattern.h"
#include "schedule.h"

/* An operation that takes longer than this after the last was due counts as failed. */
#define PATIENCE_NS (5 * NS_PER_S)
#define FILL_PER_S 5000
/* Neighbouring requests differ by more than a shift of some bytes. */
#define STRIDE 7919u

enum state { STATE_FREE, STATE_ASKING, STATE_ENDING };

struct connection {
    struct watcher watcher; /* fd -1: not connected */
    struct exchange_client *client;
    struct connection *next_free;
    enum state state;
    uint64_t position; /* of the request in the pattern */
    uint64_t intended_ns;
    const uint8_t *prefix;
    size_t ahead; /* bytes of the prefix that are still to be sent, before the request */
    size_t sent;
    size_t received;
};

struct exchange_client {
    struct loop *loop;
    const struct options *options;
    struct tally *tally; /* of the phase that runs */
    struct connection *connections;
    struct connection *free_first; /* a queue: the connection that rested longest works next */
    struct connection **free_last;
    uint64_t serial;
    uint64_t connects;
    uint64_t busy; /* connections that are not free */
};

static void make_free(struct connection *connection)
{
    struct exchange_client *client = connection->client;
    connection->state = STATE_FREE;
    connection->next_free = NULL;
    *client->free_last = connection;
    client->free_last = &connection->next_free;
    client->busy--;
}

static void close_connection(struct connection *connection)
{
    close(connection->watcher.fd);
    connection->watcher.fd = -1;
    make_free(connection);
}

static void fail_connection(struct connection *connection, uint64_t *counter)
{
    (*counter)++;
    close_connection(connection);
}

static void finish(struct connection *connection)
{
    struct tally *tally = connection->client->tally;
    tally->done++;
    if (connection->client->options->mode == MODE_SHORT)
        close_connection(connection);
    else
        make_free(connection);
}

/* Sends what is left of prefix and request, in one segment if it may. The result is that of send. */
static ssize_t send_rest(struct connection *connection)
{
    const struct options *options = connection->client->options;
    /* sendmsg does not write there. */
    uint8_t *prefix = (uint8_t *)(uintptr_t)connection->prefix + options->prefixes.size - connection->ahead;
    uint8_t *request = (uint8_t *)(uintptr_t)pattern_at(connection->position) + connection->sent;
    struct iovec parts[] = {{prefix, connection->ahead}, {request, options->size - connection->sent}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (connection->ahead == 0)
        return send(connection->watcher.fd, request, options->size - connection->sent, MSG_NOSIGNAL);
    return sendmsg(connection->watcher.fd, &message, MSG_NOSIGNAL);
}

static void send_request(struct connection *connection)
{
    struct tally *tally = connection->client->tally;
    size_t size = connection->client->options->size;
    while (connection->sent < size) {
        ssize_t sent = send_rest(connection);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0) {
            fail_connection(connection, errno == ECONNREFUSED ? &tally->failed_connect : &tally->failed_io);
            return;
        }
        size_t of_prefix = (size_t)sent < connection->ahead ? (size_t)sent : connection->ahead;
        connection->ahead -= of_prefix;
        connection->sent += (size_t)sent - of_prefix;
        tally->bytes_up += (uint64_t)sent - of_prefix;
    }
}

static void answered(struct connection *connection)
{
    struct exchange_client *client = connection->client;
    histogram_add(&client->tally->latency, clock_now_ns() - connection->intended_ns);
    if (client->options->mode == MODE_SHORT && !client->options->client_closes)
        connection->state = STATE_ENDING;
    else
        finish(connection);
}

static void end_of_stream(struct connection *connection)
{
    if (connection->state == STATE_ENDING)
        finish(connection);
    else
        fail_connection(connection, &connection->client->tally->failed_early);
}

static void receive_answer(struct connection *connection)
{
    static uint8_t buffer[65536 + 1];
    struct tally *tally = connection->client->tally;
    size_t size = connection->client->options->size;
    while (connection->state != STATE_FREE) {
        /* Room for one byte too many, so that it shows. */
        ssize_t got = recv(connection->watcher.fd, buffer, size - connection->received + 1, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got < 0) {
            fail_connection(connection, &tally->failed_io);
            return;
        }
        if (got == 0) {
            end_of_stream(connection);
            return;
        }
        tally->bytes_down += (uint64_t)got;
        size_t length = (size_t)got;
        if (length > size - connection->received ||
            !pattern_matches(buffer, length, connection->position + connection->received)) {
            fail_connection(connection, &tally->failed_mismatch);
            return;
        }
        connection->received += length;
        if (connection->received == size && connection->state == STATE_ASKING)
            answered(connection);
    }
}

static void on_event(struct watcher *watcher, uint32_t events)
{
    struct connection *connection = (struct connection *)watcher;
    if (connection->state == STATE_FREE) {
        /* A kept connection that ends between two requests is found by the next request. */
        return;
    }
    if ((events & EPOLLOUT) != 0 && connection->sent < connection->client->options->size)
        send_request(connection);
    if (connection->state != STATE_FREE && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        receive_answer(connection);
}

static bool connect_now(struct connection *connection)
{
    struct exchange_client *client = connection->client;
    const struct prefixes *prefixes = &client->options->prefixes;
    connection->watcher.fd = net_connect(client->options->port);
    connection->ahead = prefixes->size;
    if (prefixes->size > 0)
        connection->prefix = prefix_at(prefixes, client->connects++);
    return connection->watcher.fd >= 0;
}

static void start(struct exchange_client *client, uint64_t intended_ns)
{
    struct connection *connection = client->free_first;
    assert(connection != NULL && connection->state == STATE_FREE);
    client->free_first = connection->next_free;
    if (client->free_first == NULL)
        client->free_last = &client->free_first;
    client->busy++;
    connection->state = STATE_ASKING;
    connection->position = client->serial++ * STRIDE;
    connection->intended_ns = intended_ns;
    connection->sent = 0;
    connection->received = 0;
    bool is_new = connection->watcher.fd < 0;
    if (is_new && !connect_now(connection)) {
        client->tally->failed_connect++;
        make_free(connection);
        return;
    }
    /* As a blocking client does: the request follows the handshake at once. */
    send_request(connection);
    if (is_new && connection->state != STATE_FREE)
        loop_watch(client->loop, &connection->watcher, LOOP_CONNECTION);
}

struct exchange_client *exchange_open(struct loop *loop, const struct options *options)
{
    struct exchange_client *client = allocate(1, sizeof(*client));
    client->loop = loop;
    client->options = options;
    client->connections = allocate(options->concurrency, sizeof(*client->connections));
    client->free_last = &client->free_first;
    client->busy = options->concurrency;
    for (uint32_t i = 0; i < options->concurrency; i++) {
        struct connection *connection = &client->connections[i];
        connection->client = client;
        connection->watcher = (struct watcher){.fd = -1, .on_event = on_event};
        make_free(connection);
    }
    return client;
}

static void give_up(struct exchange_client *client, uint64_t never_started)
{
    client->tally->failed_late += never_started;
    for (uint32_t i = 0; i < client->options->concurrency; i++) {
        if (client->connections[i].state != STATE_FREE)
            fail_connection(&client->connections[i], &client->tally->failed_late);
    }
}

static void run(struct exchange_client *client, uint64_t count, double rate_per_s, struct tally *tally)
{
    uint64_t now_ns = clock_now_ns();
    struct schedule schedule = schedule_make(count, rate_per_s, now_ns);
    uint64_t give_up_ns = now_ns + PATIENCE_NS;
    uint64_t progress = 0;
    client->tally = tally;
    while (schedule.remaining > 0 || client->busy > 0) {
        uint64_t intended_ns;
        now_ns = clock_now_ns();
        while (client->free_first != NULL && schedule_take(&schedule, now_ns, &intended_ns))
            start(client, intended_ns);
        if (tally->done != progress) {
            progress = tally->done;
            give_up_ns = now_ns + PATIENCE_NS;
        }
        if (now_ns > give_up_ns || (!client->options->storm && tally_failed(tally) > count / 10 + 10)) {
            give_up(client, schedule.remaining);
            return;
        }
        uint64_t next_ns = client->free_first != NULL ? schedule_next(&schedule, now_ns) : UINT64_MAX;
        loop_turn(client->loop, next_ns < give_up_ns ? next_ns : give_up_ns + 1);
    }
}

void exchange_run(struct exchange_client *client, uint64_t count, struct tally *tally)
{
    run(client, count, client->options->rate_per_s, tally);
}

void exchange_fill(struct exchange_client *client, struct tally *tally)
{
    /* The queue gives each connection one operation; the pace keeps them from filling the listener's backlog. */
    run(client, client->options->concurrency, FILL_PER_S, tally);
}
