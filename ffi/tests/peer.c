/* SPDX-License-Identifier: MIT
 * Sockets of scripted peers. */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int peer_socket(int family)
{
    struct timeval wait = {.tv_sec = PEER_WAIT_S};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd != -1) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    }
    return fd;
}

/* An address of any family that peers use. */
struct peer_address {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
        struct sockaddr_un local;
    };
};

static struct peer_address ipv4(uint32_t port)
{
    struct peer_address address = {.length = sizeof(struct sockaddr_in)};
    address.ipv4.sin_family = AF_INET;
    address.ipv4.sin_port = htons((uint16_t)port);
    address.ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static struct peer_address ipv6(uint32_t port)
{
    struct peer_address address = {.length = sizeof(struct sockaddr_in6)};
    address.ipv6.sin6_family = AF_INET6;
    address.ipv6.sin6_port = htons((uint16_t)port);
    address.ipv6.sin6_addr = in6addr_loopback;
    return address;
}

static struct peer_address local(const char *path, size_t length)
{
    struct peer_address address = {.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)};
    address.local.sun_family = AF_UNIX;
    memcpy(address.local.sun_path, path, length);
    return address;
}

static int listen_on(struct peer_address address, int backlog)
{
    int fd = peer_socket(address.any.sa_family);
    if (fd != -1 && (bind(fd, &address.any, address.length) != 0 || listen(fd, backlog) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int peer_listen(int backlog)
{
    return listen_on(ipv4(0), backlog);
}

int peer_listen_ipv6(int backlog)
{
    return listen_on(ipv6(0), backlog);
}

int peer_listen_unix(const char *path, size_t length)
{
    return listen_on(local(path, length), 16);
}

uint32_t peer_port(int fd)
{
    struct peer_address address = {.length = sizeof(struct sockaddr_in6)};
    if (getsockname(fd, &address.any, &address.length) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET ? address.ipv4.sin_port : address.ipv6.sin6_port);
}

uint32_t peer_unused_port(void)
{
    /* Below those that the kernel gives, and from a place of this process's own: tests that run at once must not find
     * somebody else's listener there. */
    static uint32_t asked;
    uint32_t port = 24000 + ((uint32_t)getpid() * 37 + asked++) % 7000;
    while (!peer_port_is_free(port)) {
        port = 24000 + ((uint32_t)getpid() * 37 + asked++) % 7000;
    }
    return port;
}

int peer_reserve(void)
{
    struct peer_address address = ipv4(0);
    int fd = peer_socket(AF_INET);
    if (fd != -1 && bind(fd, &address.any, address.length) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

bool peer_open(int fd)
{
    return listen(fd, 128) == 0;
}

struct peer_silent peer_silent_start(void)
{
    struct peer_silent silent = {.listener = peer_listen(0)};
    silent.first = peer_connect(peer_port(silent.listener));
    silent.second = peer_socket(AF_INET);
    fcntl(silent.second, F_SETFL, O_NONBLOCK);
    (void)!peer_connect_on(silent.second, peer_port(silent.listener));
    return silent;
}

void peer_silent_stop(struct peer_silent *silent)
{
    close(silent->first);
    close(silent->second);
    close(silent->listener);
}

bool peer_port_is_free(uint32_t port)
{
    int one = 1;
    int fd = peer_socket(AF_INET);
    struct peer_address address = ipv4(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool is_free = bind(fd, &address.any, address.length) == 0;
    close(fd);
    return is_free;
}

uint32_t peer_unused_range(uint32_t count)
{
    /* From a place of this process's own, so that tests that run at once do not meet. */
    uint32_t begin = 12000 + (uint32_t)getpid() * 37 % 8000;
    uint32_t free_ports = 0;
    for (uint32_t port = begin; port < 32000; port++) {
        free_ports = peer_port_is_free(port) ? free_ports + 1 : 0;
        if (free_ports == count) {
            return port - count + 1;
        }
    }
    return 0;
}

static int connect_to(struct peer_address address)
{
    int fd = peer_socket(address.any.sa_family);
    if (fd != -1 && connect(fd, &address.any, address.length) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int peer_connect(uint32_t port)
{
    return connect_to(ipv4(port));
}

int peer_connect_from(uint32_t source, uint32_t port)
{
    int one = 1;
    int fd = peer_socket(AF_INET);
    struct peer_address from = ipv4(0);
    struct peer_address to = ipv4(port);
    from.ipv4.sin_addr.s_addr = htonl(UINT32_C(127) << 24 | source);
    /* The port is chosen with the connect, so that each address has all of them. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (fd != -1 && (bind(fd, &from.any, from.length) != 0 || connect(fd, &to.any, to.length) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int peer_socket_ipv4(void)
{
    return peer_socket(AF_INET);
}

bool peer_connect_on(int fd, uint32_t port)
{
    struct peer_address address = ipv4(port);
    return connect(fd, &address.any, address.length) == 0;
}

int peer_connect_ipv6(uint32_t port)
{
    return connect_to(ipv6(port));
}

int peer_connect_unix(const char *path, size_t length)
{
    return connect_to(local(path, length));
}

int peer_accept(int listener)
{
    struct timeval wait = {.tv_sec = PEER_WAIT_S};
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd != -1) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    }
    return fd;
}

uint32_t peer_accept_from(int listener)
{
    struct peer_address address = {.length = sizeof address.ipv4};
    int fd = accept4(listener, &address.any, &address.length, SOCK_CLOEXEC);
    if (fd == -1) {
        return 0;
    }
    close(fd);
    return ntohl(address.ipv4.sin_addr.s_addr);
}

bool peer_readable(int fd, int wait_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, wait_ms) == 1;
}

const char *peer_fate(int fd, int wait_ms)
{
    char byte;
    if (fd == -1) {
        return "refused";
    }
    if (!peer_readable(fd, wait_ms)) {
        return "open";
    }
    ssize_t count = recv(fd, &byte, 1, 0);
    return count == 0 ? "end" : count < 0 ? "reset" : "open";
}

bool peer_send(int fd, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, from, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        from += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool peer_receive(int fd, void *bytes, size_t size)
{
    char *to = bytes;
    while (size > 0) {
        ssize_t count = recv(fd, to, size, 0);
        if (count <= 0) {
            return false;
        }
        to += count;
        size -= (size_t)count;
    }
    return true;
}

bool peer_at_end(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 0;
}

bool peer_at_reset(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == -1 && errno == ECONNRESET;
}

bool peer_drain(int fd)
{
    char bytes[65536];
    ssize_t count;
    while ((count = recv(fd, bytes, sizeof bytes, 0)) > 0) {
    }
    return count == 0;
}

void peer_end(int fd)
{
    shutdown(fd, SHUT_WR);
}

void peer_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

void peer_small_buffers(int fd)
{
    int bytes = 65536;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}
