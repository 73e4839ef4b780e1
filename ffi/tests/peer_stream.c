/* SPDX-License-Identifier: MIT
 * Streams of bytes that can be checked, sent and read by threads; and the echo server. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "peer.h"

#define PIECE 65536u

/* Eight bytes of the stream at a position that is a multiple of 8. */
static uint64_t stream_word(uint64_t seed, uint64_t position)
{
    uint64_t z = seed * UINT64_C(0x9e3779b97f4a7c15) + position;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* The next PIECE bytes of a stream, from a multiple of PIECE. */
static void stream_piece(uint64_t seed, uint64_t position, uint8_t piece[static PIECE])
{
    for (uint32_t i = 0; i < PIECE; i += 8) {
        uint64_t word = stream_word(seed, position + i);
        memcpy(piece + i, &word, 8);
    }
}

bool peer_is_stream(uint64_t seed, uint64_t position, const uint8_t *bytes, uint64_t size)
{
    for (uint64_t checked = 0; checked < size;) {
        uint64_t offset = (position + checked) & 7;
        uint64_t part = 8 - offset < size - checked ? 8 - offset : size - checked;
        uint64_t word = stream_word(seed, position + checked - offset);
        uint8_t expected[8];
        memcpy(expected, &word, 8);
        if (memcmp(bytes + checked, expected + offset, part) != 0) {
            return false;
        }
        checked += part;
    }
    return true;
}

bool peer_send_stream(int fd, uint64_t seed, uint64_t size)
{
    uint8_t piece[PIECE];
    for (uint64_t position = 0; position < size; position += PIECE) {
        uint64_t left = size - position;
        stream_piece(seed, position, piece);
        if (!peer_send(fd, piece, left < PIECE ? left : PIECE)) {
            return false;
        }
    }
    return true;
}

bool peer_check_stream(int fd, uint64_t seed, uint64_t size)
{
    uint8_t expected[PIECE];
    uint8_t piece[PIECE];
    for (uint64_t position = 0; position < size; position += PIECE) {
        uint64_t left = size - position < PIECE ? size - position : PIECE;
        stream_piece(seed, position, expected);
        if (!peer_receive(fd, piece, left) || memcmp(piece, expected, left) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- Threads ---- */

struct peer_task {
    pthread_t thread;
    int fd;
    uint64_t seed;
    uint64_t size;
    bool sends;
    bool end_after;
    bool result;
};

static void *run_task(void *argument)
{
    struct peer_task *task = argument;
    task->result = task->sends ? peer_send_stream(task->fd, task->seed, task->size)
                               : peer_check_stream(task->fd, task->seed, task->size);
    if (task->end_after) {
        peer_end(task->fd);
    }
    return NULL;
}

static struct peer_task *start_task(struct peer_task template)
{
    struct peer_task *task = malloc(sizeof *task);
    if (task == NULL) {
        abort();
    }
    *task = template;
    if (pthread_create(&task->thread, NULL, run_task, task) != 0) {
        abort();
    }
    return task;
}

struct peer_task *peer_start_send(int fd, uint64_t seed, uint64_t size, bool end_after)
{
    return start_task((struct peer_task){.fd = fd, .seed = seed, .size = size, .sends = true, .end_after = end_after});
}

struct peer_task *peer_start_check(int fd, uint64_t seed, uint64_t size)
{
    return start_task((struct peer_task){.fd = fd, .seed = seed, .size = size});
}

bool peer_join(struct peer_task *task)
{
    pthread_join(task->thread, NULL);
    bool result = task->result;
    free(task);
    return result;
}

/* ---- Echo ---- */

struct peer_echo {
    pthread_t thread;
    int listener;
    uint32_t port;
    atomic_uint alive; /* connections */
    atomic_uint inside;
    atomic_uint most; /* of `inside` so far */
};

struct echo_connection {
    struct peer_echo *echo;
    int fd;
};

/* Between the bytes and their echo. Lets others come meanwhile. */
static void note_inside(struct peer_echo *echo)
{
    unsigned inside = atomic_fetch_add(&echo->inside, 1) + 1;
    unsigned most = atomic_load(&echo->most);
    while (inside > most && !atomic_compare_exchange_weak(&echo->most, &most, inside)) {
    }
    sched_yield();
    atomic_fetch_sub(&echo->inside, 1);
}

static void *run_connection(void *argument)
{
    struct echo_connection *connection = argument;
    struct peer_echo *echo = connection->echo;
    char bytes[16384];
    ssize_t count;
    while ((count = recv(connection->fd, bytes, sizeof bytes, 0)) > 0) {
        note_inside(echo);
        if (!peer_send(connection->fd, bytes, (size_t)count)) {
            break;
        }
    }
    close(connection->fd);
    free(connection);
    atomic_fetch_sub_explicit(&echo->alive, 1, memory_order_release);
    return NULL;
}

static void *run_echo(void *argument)
{
    struct peer_echo *echo = argument;
    int fd;
    while ((fd = accept4(echo->listener, NULL, NULL, SOCK_CLOEXEC)) != -1) {
        struct echo_connection *connection = malloc(sizeof *connection);
        pthread_t thread;
        if (connection == NULL) {
            abort();
        }
        *connection = (struct echo_connection){.echo = echo, .fd = fd};
        atomic_fetch_add_explicit(&echo->alive, 1, memory_order_relaxed);
        if (pthread_create(&thread, NULL, run_connection, connection) != 0) {
            abort();
        }
        pthread_detach(thread);
    }
    return NULL;
}

struct peer_echo *peer_echo_start(void)
{
    struct peer_echo *echo = calloc(1, sizeof *echo);
    if (echo == NULL) {
        abort();
    }
    /* Waits for ever in accept, so that shutdown is what ends it. */
    echo->listener = peer_listen(512);
    struct timeval for_ever = {0};
    setsockopt(echo->listener, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof for_ever);
    echo->port = peer_port(echo->listener);
    if (pthread_create(&echo->thread, NULL, run_echo, echo) != 0) {
        abort();
    }
    return echo;
}

uint32_t peer_echo_port(const struct peer_echo *echo)
{
    return echo->port;
}

uint32_t peer_echo_most(const struct peer_echo *echo)
{
    return atomic_load(&echo->most);
}

void peer_echo_stop(struct peer_echo *echo)
{
    shutdown(echo->listener, SHUT_RDWR);
    pthread_join(echo->thread, NULL);
    close(echo->listener);
    while (atomic_load_explicit(&echo->alive, memory_order_acquire) > 0) {
        usleep(1000);
    }
    free(echo);
}
