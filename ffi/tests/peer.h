/* SPDX-License-Identifier: MIT
 *
 * The other ends of sessions, scripted by tests: blocking sockets on loopback whose calls give up after PEER_WAIT_S,
 * streams of bytes that follow from a seed and a position, and an echo server in a thread.
 */
#ifndef SLUICE_TESTS_PEER_H
#define SLUICE_TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_WAIT_S 20

/* A listener on 127.0.0.1 and a port of the kernel's choice; -1 on failure. */
int peer_listen(int backlog);
int peer_listen_ipv6(int backlog);
int peer_listen_unix(const char *path, size_t length);
uint32_t peer_port(int fd);

/* A port on which nobody listens. */
uint32_t peer_unused_port(void);

/* A socket on a port of 127.0.0.1 that refuses connections until peer_open, and is a listener then. */
int peer_reserve(void);
bool peer_open(int fd);

/* A port that answers no connect: its accept queue is full. Close both when done. */
struct peer_silent {
    int listener;
    int first;
    int second; /* in the kernel's hands */
};
struct peer_silent peer_silent_start(void);
void peer_silent_stop(struct peer_silent *silent);

/* Waits for a connection and closes it again with everything that it has sent; where it came from, in host order, or 0.
 */
uint32_t peer_accept_from(int listener);

/* The first of `count` ports in a row on which nobody listens; 0 when there are none. The kernel gives single ports
 * only, and its own are scattered with closed connections: these lie below them. */
uint32_t peer_unused_range(uint32_t count);

/* Whether nobody listens on a port; found by binding it, so that a stranger's listener is not disturbed. */
bool peer_port_is_free(uint32_t port);

/* Connections; -1 on failure. */
int peer_connect(uint32_t port);
int peer_connect_ipv6(uint32_t port);
int peer_connect_unix(const char *path, size_t length);
int peer_accept(int listener);

/* From an address of the loopback's: 127.x.y.z, its last three bytes in `source`. */
int peer_connect_from(uint32_t source, uint32_t port);

/* A socket that is not connected yet, and its connecting: for tests that must have their descriptors beforehand. */
int peer_socket_ipv4(void);
bool peer_connect_on(int fd, uint32_t port);

/* Whether a connection is refused or closed without a byte: "refused", "end", "reset", or "open" when it is neither
 * within wait_ms. */
const char *peer_fate(int fd, int wait_ms);

/* All of it, or false. */
bool peer_send(int fd, const void *bytes, size_t size);
bool peer_receive(int fd, void *bytes, size_t size);

/* The next thing that arrives is the end, or a reset. */
bool peer_at_end(int fd);
bool peer_at_reset(int fd);
/* Reads and throws away until the end (true) or an error (false). */
bool peer_drain(int fd);
/* Whether something can be read within wait_ms. */
bool peer_readable(int fd, int wait_ms);

void peer_end(int fd);   /* half-close */
void peer_reset(int fd); /* close with RST */

/* Makes both buffers of a socket small, so that a slow reader is felt soon. */
void peer_small_buffers(int fd);

/* The stream of a seed, from its beginning. peer_check_stream reads exactly `size` bytes and compares. */
bool peer_send_stream(int fd, uint64_t seed, uint64_t size);
bool peer_check_stream(int fd, uint64_t seed, uint64_t size);

/* Whether bytes are those of a stream from a position on. */
bool peer_is_stream(uint64_t seed, uint64_t position, const uint8_t *bytes, uint64_t size);

/* Sending and checking in a thread. */
struct peer_task;
struct peer_task *peer_start_send(int fd, uint64_t seed, uint64_t size, bool end_after);
struct peer_task *peer_start_check(int fd, uint64_t seed, uint64_t size);
bool peer_join(struct peer_task *task); /* its result; frees it */

/* A server that sends back what it gets, and ends when its client does. */
struct peer_echo;
struct peer_echo *peer_echo_start(void);
uint32_t peer_echo_port(const struct peer_echo *echo);
/* The most connections at once that had bytes whose echo was still to come. When clients wait for each echo, all of
 * their sessions were alive then. */
uint32_t peer_echo_most(const struct peer_echo *echo);
void peer_echo_stop(struct peer_echo *echo);

#endif
