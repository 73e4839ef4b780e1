/* SPDX-License-Identifier: MIT
 *
 * Sockets: addresses, options, and the system calls around them. Functions return 0 (or an fd through the last
 * parameter) or -errno. Every fd is born CLOEXEC and NONBLOCK.
 */
#ifndef SLUICE_SYS_NET_H
#define SLUICE_SYS_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An address of any family that we speak. */
struct net_address {
    socklen_t length; /* bytes of it that count */
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un local;
    };
};

/* Options of a TCP socket; a listener's are inherited by what it accepts. */
struct net_options {
    uint32_t keepalive_idle_s; /* 0: no keepalive */
    uint32_t keepalive_interval_s;
    uint32_t keepalive_probes;
    uint32_t user_timeout_ms; /* 0 leaves the kernel's */
};

bool net_address_equal(const struct net_address *a, const struct net_address *b);
uint16_t net_address_port(const struct net_address *address);
void net_address_set_port(struct net_address *address, uint16_t port);
static inline bool net_is_unix(const struct net_address *address)
{
    return address->any.sa_family == AF_UNIX;
}
bool net_is_wildcard(const struct net_address *address);

/* Writes "127.0.0.1:80", "[::1]:80", "unix:/path" or "unix:@name", shortened to size. */
void net_address_format(const struct net_address *address, char *text, size_t size);

/* Whether an address can be bound by somebody who shares it with nobody; with port 0 the kernel's choice goes into
 * address. A stale unix socket whose owner is gone is removed. -EADDRINUSE when it is taken. */
int net_probe(struct net_address *address);

/* A listening socket with NODELAY, inline urgent data and address sharing between workers, not yet accepting. */
int net_listen(const struct net_address *address, const struct net_options *options, int backlog, int *fd);

/* Sets keepalive and user timeout; on a unix socket nothing. `before` is what is set now (NULL: nothing). */
int net_set_options(int fd, const struct net_options *options, const struct net_options *before);

/* A connection of a listener: its fd and peer, or -errno. */
int net_accept(int listener_fd, struct net_address *peer, int *fd);

/* Starts to connect. 0: connected or in progress (*connected tells which; a TCP connect is always "in progress").
 * `source` is the address to connect from (NULL: the kernel's choice), which is used for its own family only; its port
 * is 0, and the kernel chooses one with the connect, so that each destination has all of them. */
int net_connect(const struct net_address *address, const struct net_address *source, int *fd, bool *connected);

/* The address that a socket has on this side. */
int net_local_address(int fd, struct net_address *address);

/* The error that a socket holds, which this call takes, as -errno; 0 when there is none. */
int net_take_error(int fd);

void net_set_nodelay(int fd);

/* Urgent data is read in its place in the stream from now on. */
void net_set_urgent_inline(int fd);

/* What a read would find; nothing is read. */
enum net_pending {
    NET_NOTHING, /* the connection stands and is silent */
    NET_BYTES,
    NET_END, /* or an error */
};
enum net_pending net_look(int fd);

/* Bytes that the peer's kernel has not acknowledged; 0 when unknown. */
uint32_t net_unsent(int fd);

/* Smoothed round-trip time in us; 0 when unknown. */
uint32_t net_rtt_us(int fd);

/* Closes with RST. */
void net_close_reset(int fd);

/* Throws away what has arrived, so that close ends with FIN, then closes. */
void net_close_clean(int fd);

#endif
