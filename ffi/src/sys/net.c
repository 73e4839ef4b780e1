/* SPDX-License-Identifier: MIT
 * Socket calls of the data plane. No state. */
#define _GNU_SOURCE
#include "sys/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DISCARD_BYTES 65536 /* what net_close_clean throws away at the most */

bool net_address_equal(const struct net_address *a, const struct net_address *b)
{
    return a->length == b->length && memcmp(&a->any, &b->any, a->length) == 0;
}

uint16_t net_address_port(const struct net_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return ntohs(address->ipv4.sin_port);
    case AF_INET6:
        return ntohs(address->ipv6.sin6_port);
    default:
        return 0;
    }
}

void net_address_set_port(struct net_address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET) {
        address->ipv4.sin_port = htons(port);
    } else if (address->any.sa_family == AF_INET6) {
        address->ipv6.sin6_port = htons(port);
    }
}

bool net_is_wildcard(const struct net_address *address)
{
    switch (address->any.sa_family) {
    case AF_INET:
        return address->ipv4.sin_addr.s_addr == INADDR_ANY;
    case AF_INET6:
        return IN6_IS_ADDR_UNSPECIFIED(&address->ipv6.sin6_addr);
    default:
        return false;
    }
}

static bool is_abstract(const struct net_address *address)
{
    return address->local.sun_path[0] == '\0';
}

void net_address_format(const struct net_address *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->ipv4.sin_addr, host, sizeof(host));
        snprintf(text, size, "%s:%u", host, net_address_port(address));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &address->ipv6.sin6_addr, host, sizeof(host));
        snprintf(text, size, "[%s]:%u", host, net_address_port(address));
        break;
    default: {
        size_t path_length = address->length - offsetof(struct sockaddr_un, sun_path);
        bool abstract = is_abstract(address);
        const char *path = address->local.sun_path + (abstract ? 1 : 0);
        path_length -= abstract ? 1 : 0;
        snprintf(text, size, "unix:%s%.*s", abstract ? "@" : "", (int)path_length, path);
        break;
    }
    }
}

static int set_int(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == -1 ? -errno : 0;
}

static int net_socket(const struct net_address *address, int *fd)
{
    *fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return *fd == -1 ? -errno : 0;
}

/* A unix socket file outlives its owner: one that nobody answers on is removed, so that a restart can bind. */
static void remove_stale(const struct net_address *address)
{
    struct stat status;
    int fd;
    bool connected;
    if (is_abstract(address) || stat(address->local.sun_path, &status) == -1 || !S_ISSOCK(status.st_mode)) {
        return;
    }
    int result = net_connect(address, NULL, &fd, &connected);
    if (result == -ECONNREFUSED) {
        unlink(address->local.sun_path);
    } else if (result == 0) {
        close(fd);
    }
}

int net_probe(struct net_address *address)
{
    int fd;
    if (net_is_unix(address)) {
        remove_stale(address);
    }
    int result = net_socket(address, &fd);
    if (result != 0) {
        return result;
    }
    if (address->any.sa_family == AF_INET6) {
        set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    }
    /* Without SO_REUSEPORT nobody who listens can be shared with by accident; SO_REUSEADDR forgives TIME_WAIT. */
    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, &address->any, address->length) == -1) {
        result = -errno;
        goto cleanup;
    }
    if (net_is_unix(address)) {
        if (!is_abstract(address)) {
            unlink(address->local.sun_path);
        }
    } else if (net_address_port(address) == 0) {
        struct net_address bound;
        result = net_local_address(fd, &bound);
        if (result != 0) {
            goto cleanup;
        }
        net_address_set_port(address, net_address_port(&bound));
    }
cleanup:
    close(fd);
    return result;
}

int net_listen(const struct net_address *address, const struct net_options *options, int backlog, int *fd)
{
    int result = net_socket(address, fd);
    if (result != 0) {
        return result;
    }
    if (!net_is_unix(address)) {
        set_int(*fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if ((result = set_int(*fd, SOL_SOCKET, SO_REUSEPORT, 1)) != 0) {
            goto cleanup;
        }
        if (address->any.sa_family == AF_INET6) {
            set_int(*fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
        }
        set_int(*fd, IPPROTO_TCP, TCP_NODELAY, 1);
        net_set_urgent_inline(*fd);
        if ((result = net_set_options(*fd, options, NULL)) != 0) {
            goto cleanup;
        }
    }
    if (bind(*fd, &address->any, address->length) == -1 || listen(*fd, backlog) == -1) {
        result = -errno;
        goto cleanup;
    }
    return 0;
cleanup:
    close(*fd);
    *fd = -1;
    return result;
}

int net_set_options(int fd, const struct net_options *options, const struct net_options *before)
{
    int result = 0;
    if (before != NULL && memcmp(options, before, sizeof(*options)) == 0) {
        return 0;
    }
    bool keepalive_was_on = before != NULL && before->keepalive_idle_s != 0;
    if (options->keepalive_idle_s != 0) {
        result = set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)options->keepalive_idle_s);
        if (result == -EOPNOTSUPP) {
            return 0; /* not TCP */
        }
        if (result == 0) {
            result = set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)options->keepalive_interval_s);
        }
        if (result == 0) {
            result = set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)options->keepalive_probes);
        }
        if (result == 0 && !keepalive_was_on) {
            result = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        }
    } else if (keepalive_was_on) {
        result = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    }
    uint32_t user_timeout_before = before != NULL ? before->user_timeout_ms : 0;
    if (result == 0 && options->user_timeout_ms != user_timeout_before) {
        result = set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)options->user_timeout_ms);
    }
    return result;
}

int net_accept(int listener_fd, struct net_address *peer, int *fd)
{
    peer->length = sizeof(*peer) - offsetof(struct net_address, any);
    *fd = accept4(listener_fd, &peer->any, &peer->length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return *fd == -1 ? -errno : 0;
}

static int bind_source(int fd, const struct net_address *source)
{
    set_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    return bind(fd, &source->any, source->length) == -1 ? -errno : 0;
}

int net_connect(const struct net_address *address, const struct net_address *source, int *fd, bool *connected)
{
    int result = net_socket(address, fd);
    if (result != 0) {
        return result;
    }
    if (source != NULL && source->length != 0 && source->any.sa_family == address->any.sa_family) {
        result = bind_source(*fd, source);
    }
    if (result == 0) {
        *connected = connect(*fd, &address->any, address->length) == 0;
        result = *connected || errno == EINPROGRESS ? 0 : -errno;
    }
    if (result == 0) {
        return 0;
    }
    close(*fd);
    *fd = -1;
    return result;
}

int net_local_address(int fd, struct net_address *address)
{
    address->length = sizeof(*address) - offsetof(struct net_address, any);
    return getsockname(fd, &address->any, &address->length) == -1 ? -errno : 0;
}

int net_take_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == -1 ? -errno : -error;
}

void net_set_nodelay(int fd)
{
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

void net_set_urgent_inline(int fd)
{
    set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

enum net_pending net_look(int fd)
{
    char byte;
    ssize_t count = recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
    if (count == -1) {
        return errno == EAGAIN || errno == EWOULDBLOCK ? NET_NOTHING : NET_END;
    }
    return count == 0 ? NET_END : NET_BYTES;
}

uint32_t net_unsent(int fd)
{
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == -1 || bytes < 0 ? 0 : (uint32_t)bytes;
}

uint32_t net_rtt_us(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == -1 ? 0 : info.tcpi_rtt;
}

void net_close_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

void net_close_clean(int fd)
{
    /* On TCP, MSG_TRUNC drops without copying; a unix socket refuses the null buffer, and needs no such care. Not by
     * recv: the sanitizers' own would believe that the bytes were written to it. */
    (void)!syscall(SYS_recvfrom, fd, NULL, DISCARD_BYTES, MSG_TRUNC | MSG_DONTWAIT, NULL, NULL);
    close(fd);
}
