/* SPDX-License-Identifier: MIT
 * sys/net on real sockets: probing, binding, options, and the two ways to close. */
#include "sys/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "test.h"

#define WAIT_MS 5000

static const struct net_options no_options;

static struct net_address ipv4(const char *ip, uint16_t port)
{
    struct net_address address = {.length = sizeof(struct sockaddr_in)};
    address.ipv4.sin_family = AF_INET;
    address.ipv4.sin_port = htons(port);
    inet_pton(AF_INET, ip, &address.ipv4.sin_addr);
    return address;
}

static struct net_address ipv6(const char *ip, uint16_t port)
{
    struct net_address address = {.length = sizeof(struct sockaddr_in6)};
    address.ipv6.sin6_family = AF_INET6;
    address.ipv6.sin6_port = htons(port);
    inet_pton(AF_INET6, ip, &address.ipv6.sin6_addr);
    return address;
}

static struct net_address local(const char *path, size_t length)
{
    struct net_address address = {0};
    address.local.sun_family = AF_UNIX;
    memcpy(address.local.sun_path, path, length);
    address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] == '\0' ? 0 : 1));
    return address;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(fd, level, name, &value, &length) == 0 ? value : -1;
}

static bool wait_for(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    return poll(&poll_fd, 1, WAIT_MS) == 1;
}

/* A listener on a port of the kernel's choice, and a connection through it. False when a step fails. */
static bool open_pair(struct net_address *address, int *listener, int *client, int *server)
{
    bool connected;
    struct net_address peer;
    return net_probe(address) == 0 && net_listen(address, &no_options, 16, listener) == 0 &&
           net_connect(address, NULL, client, &connected) == 0 && wait_for(*listener, POLLIN) &&
           net_accept(*listener, &peer, server) == 0 && wait_for(*client, POLLOUT);
}

TEST(addresses_compare_and_print)
{
    struct net_address a = ipv4("127.0.0.1", 80);
    struct net_address b = ipv4("127.0.0.1", 81);
    struct net_address c = ipv6("::1", 80);
    CHECK(net_address_equal(&a, &a));
    CHECK(!net_address_equal(&a, &b));
    CHECK(!net_address_equal(&a, &c));
    net_address_set_port(&b, 80);
    CHECK(net_address_equal(&a, &b));
    CHECK_EQ(net_address_port(&a), 80);
    net_address_set_port(&c, 65535);
    CHECK_EQ(net_address_port(&c), 65535);

    char text[128];
    net_address_format(&a, text, sizeof text);
    CHECK_STRING(text, "127.0.0.1:80");
    net_address_format(&c, text, sizeof text);
    CHECK_STRING(text, "[::1]:65535");
    struct net_address path = local("/run/a.sock", 11);
    net_address_format(&path, text, sizeof text);
    CHECK_STRING(text, "unix:/run/a.sock");
    struct net_address abstract = local("\0name", 5);
    net_address_format(&abstract, text, sizeof text);
    CHECK_STRING(text, "unix:@name");
    net_address_format(&abstract, text, 8);
    CHECK_STRING(text, "unix:@n");
    CHECK(net_is_unix(&path) && net_is_unix(&abstract) && !net_is_unix(&a));
}

TEST(wildcards_are_known)
{
    struct net_address rows[] = {ipv4("0.0.0.0", 1), ipv6("::", 1), ipv4("127.0.0.1", 1), ipv6("::1", 1),
                                 local("/x", 2)};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_EQ(net_is_wildcard(&rows[i]), i < 2);
    }
}

TEST(a_probe_of_port_zero_answers_with_a_port_that_can_be_bound)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    int fd;
    REQUIRE(net_probe(&address) == 0);
    CHECK(net_address_port(&address) != 0);
    REQUIRE(net_listen(&address, &no_options, 16, &fd) == 0);
    close(fd);
}

TEST(a_port_that_somebody_listens_on_is_in_use_even_if_he_would_share_it)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    int first;
    int second;
    REQUIRE(net_probe(&address) == 0);
    REQUIRE(net_listen(&address, &no_options, 16, &first) == 0); /* with address sharing */
    CHECK_EQ(net_probe(&address), -EADDRINUSE);
    CHECK_EQ(net_listen(&address, &no_options, 16, &second), 0); /* workers do share it */
    close(second);
    close(first);
    CHECK_EQ(net_probe(&address), 0);
}

TEST(a_listener_that_shares_with_nobody_cannot_be_joined)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    int owner = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(owner != -1);
    REQUIRE(bind(owner, &address.any, address.length) == 0 && listen(owner, 1) == 0);
    REQUIRE(getsockname(owner, &address.any, &address.length) == 0);
    CHECK_EQ(net_probe(&address), -EADDRINUSE);
    int fd = 0;
    CHECK_EQ(net_listen(&address, &no_options, 16, &fd), -EADDRINUSE);
    CHECK_EQ(fd, -1);
    close(owner);
}

TEST(an_address_that_is_not_ours_is_refused)
{
    struct net_address address = ipv4("192.0.2.1", 0);
    CHECK_EQ(net_probe(&address), -EADDRNOTAVAIL);
}

TEST(descriptors_are_nonblocking_and_not_inherited)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    int listener;
    int fds[2];
    REQUIRE(open_pair(&address, &listener, &fds[0], &fds[1]));
    CHECK(fcntl(listener, F_GETFD) & FD_CLOEXEC);
    CHECK(fcntl(listener, F_GETFL) & O_NONBLOCK);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
        CHECK(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
    }
    close(fds[0]);
    close(fds[1]);
    close(listener);
}

TEST(what_is_accepted_inherits_the_options)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    struct net_options options = {
        .keepalive_idle_s = 77, .keepalive_interval_s = 11, .keepalive_probes = 4, .user_timeout_ms = 9000};
    int listener;
    int client;
    int server;
    bool connected;
    struct net_address peer;
    REQUIRE(net_probe(&address) == 0 && net_listen(&address, &options, 16, &listener) == 0);
    REQUIRE(net_connect(&address, NULL, &client, &connected) == 0 && wait_for(listener, POLLIN));
    REQUIRE(net_accept(listener, &peer, &server) == 0);
    CHECK_EQ(option(server, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_KEEPINTVL), 11);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_KEEPCNT), 4);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_USER_TIMEOUT), 9000);
    CHECK_EQ(option(server, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(option(server, SOL_SOCKET, SO_OOBINLINE), 1);
    CHECK_EQ(peer.any.sa_family, AF_INET);
    struct net_address own = {.length = sizeof(struct sockaddr_in)};
    REQUIRE(getsockname(client, &own.any, &own.length) == 0);
    CHECK(net_address_equal(&peer, &own));
    CHECK_EQ(option(client, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_EQ(net_set_options(client, &options, NULL), 0);
    CHECK_EQ(option(client, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option(client, IPPROTO_TCP, TCP_USER_TIMEOUT), 9000);
    CHECK_EQ(net_set_options(client, &no_options, &options), 0);
    CHECK_EQ(option(client, SOL_SOCKET, SO_KEEPALIVE), 0);
    CHECK_EQ(option(client, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
    net_set_nodelay(client);
    CHECK_EQ(option(client, IPPROTO_TCP, TCP_NODELAY), 1);
    close(client);
    close(server);
    close(listener);
}

TEST(a_connect_comes_from_its_source_address)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    struct net_address source = ipv4("127.0.0.77", 0);
    struct net_address other_family = ipv6("::1", 0);
    struct net_address nobodys = ipv4("192.0.2.1", 0);
    int listener;
    int client;
    int server;
    bool connected;
    struct net_address peer;
    struct net_address own;
    REQUIRE(net_probe(&address) == 0 && net_listen(&address, &no_options, 16, &listener) == 0);
    REQUIRE(net_connect(&address, &source, &client, &connected) == 0 && wait_for(listener, POLLIN));
    REQUIRE(net_accept(listener, &peer, &server) == 0);
    CHECK_EQ(peer.ipv4.sin_addr.s_addr, source.ipv4.sin_addr.s_addr);
    CHECK(net_local_address(client, &own) == 0 && net_address_equal(&own, &peer));
    close(client);
    close(server);
    REQUIRE(net_connect(&address, &other_family, &client, &connected) == 0 && wait_for(listener, POLLIN));
    REQUIRE(net_accept(listener, &peer, &server) == 0);
    CHECK_EQ(peer.ipv4.sin_addr.s_addr, address.ipv4.sin_addr.s_addr);
    close(client);
    close(server);
    CHECK_EQ(net_connect(&address, &nobodys, &client, &connected), -EADDRNOTAVAIL);
    CHECK_EQ(client, -1);
    close(listener);
}

TEST(a_v6_wildcard_takes_v4_clients)
{
    struct net_address address = ipv6("::", 0);
    int listener;
    int client;
    int server;
    bool connected;
    struct net_address peer;
    int probe = net_probe(&address);
    if (probe == -EAFNOSUPPORT || probe == -EADDRNOTAVAIL) {
        printf("  skipped: this machine has no IPv6\n");
        return;
    }
    REQUIRE(probe == 0 && net_listen(&address, &no_options, 16, &listener) == 0);
    struct net_address target = ipv4("127.0.0.1", net_address_port(&address));
    REQUIRE(net_connect(&target, NULL, &client, &connected) == 0 && wait_for(listener, POLLIN));
    REQUIRE(net_accept(listener, &peer, &server) == 0);
    CHECK_EQ(peer.any.sa_family, AF_INET6);
    CHECK(IN6_IS_ADDR_V4MAPPED(&peer.ipv6.sin6_addr));
    close(client);
    close(server);
    close(listener);
}

TEST(a_refused_connect_leaves_its_error_once)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    REQUIRE(net_probe(&address) == 0); /* free now, and nobody listens */
    int fd;
    bool connected;
    int result = net_connect(&address, NULL, &fd, &connected);
    if (result == 0) {
        CHECK(!connected);
        CHECK(wait_for(fd, POLLOUT));
        CHECK_EQ(net_take_error(fd), -ECONNREFUSED);
        CHECK_EQ(net_take_error(fd), 0);
        close(fd);
    } else {
        CHECK_EQ(result, -ECONNREFUSED);
        CHECK_EQ(fd, -1);
    }
}

TEST(unsent_bytes_and_round_trip_are_known)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    int listener;
    int client;
    int server;
    static char bytes[1 << 20];
    REQUIRE(open_pair(&address, &listener, &client, &server));
    CHECK_EQ(net_unsent(client), 0);
    ssize_t sent = 0;
    ssize_t total = 0;
    while ((sent = send(client, bytes, sizeof bytes, MSG_NOSIGNAL)) > 0) {
        total += sent;
    }
    CHECK(total > 0);
    CHECK(net_unsent(client) > 0); /* the reader does not read */
    CHECK(net_rtt_us(client) > 0);
    CHECK_EQ(net_unsent(-1), 0);
    CHECK_EQ(net_rtt_us(-1), 0);
    close(client);
    close(server);
    close(listener);
}

TEST(a_look_tells_silence_bytes_and_the_end)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    int listener;
    int client;
    int server;
    char byte;
    REQUIRE(open_pair(&address, &listener, &client, &server));
    CHECK_EQ(net_look(server), NET_NOTHING);
    CHECK_EQ(send(client, "x", 1, MSG_NOSIGNAL), 1);
    CHECK_EQ(net_look(server), NET_BYTES);
    CHECK_EQ(recv(server, &byte, 1, 0), 1); /* the look has left it there */
    CHECK_EQ(net_look(server), NET_NOTHING);
    net_close_reset(client);
    CHECK_EQ(net_look(server), NET_END);
    close(server);
    REQUIRE(net_connect(&address, NULL, &client, &(bool){false}) == 0);
    close(client);
    struct net_address peer;
    REQUIRE(net_accept(listener, &peer, &server) == 0);
    CHECK_EQ(net_look(server), NET_END);
    CHECK_EQ(net_look(-1), NET_END);
    close(server);
    close(listener);
}

TEST(close_reset_resets)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    int listener;
    int client;
    int server;
    char byte;
    REQUIRE(open_pair(&address, &listener, &client, &server));
    net_close_reset(server);
    CHECK(wait_for(client, POLLIN));
    CHECK(read(client, &byte, 1) == -1 && errno == ECONNRESET);
    close(client);
    close(listener);
}

TEST(close_clean_ends_with_fin_although_bytes_wait)
{
    struct net_address address = ipv4("127.0.0.1", 0);
    int listener;
    int client;
    int server;
    char byte;
    REQUIRE(open_pair(&address, &listener, &client, &server));
    CHECK_EQ(send(client, "unread", 6, MSG_NOSIGNAL), 6);
    CHECK(wait_for(server, POLLIN));
    net_close_clean(server);
    CHECK(wait_for(client, POLLIN));
    CHECK_EQ(read(client, &byte, 1), 0);
    close(client);
    close(listener);
}

/* ---- Unix sockets ---- */

/* A path in a folder of its own. */
static bool make_path(char *folder, char *path, size_t size)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, size, "%s/sluice-net-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(folder) == NULL) {
        return false;
    }
    snprintf(path, size, "%.80s/s", folder);
    return true;
}

TEST(a_stale_unix_socket_is_taken_over_and_a_live_one_is_not)
{
    char folder[100];
    char path[100];
    REQUIRE(make_path(folder, path, sizeof path));
    struct net_address address = local(path, strlen(path));
    int listener;
    int client;
    int server;
    REQUIRE(open_pair(&address, &listener, &client, &server));
    CHECK_EQ(net_probe(&address), -EADDRINUSE);
    CHECK_EQ(access(path, F_OK), 0);
    net_set_nodelay(client); /* harmless */
    CHECK_EQ(net_set_options(client, &no_options, NULL), 0);
    struct net_options options = {.keepalive_idle_s = 10, .keepalive_interval_s = 5, .keepalive_probes = 3};
    CHECK_EQ(net_set_options(client, &options, NULL), 0);
    close(client);
    close(server);
    close(listener);
    CHECK_EQ(access(path, F_OK), 0); /* stale: its owner is gone */
    CHECK_EQ(net_probe(&address), 0);
    CHECK(access(path, F_OK) == -1);
    rmdir(folder);
}

TEST(a_file_that_is_no_socket_is_left_alone)
{
    char folder[100];
    char path[100];
    REQUIRE(make_path(folder, path, sizeof path));
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(file != -1);
    CHECK_EQ(write(file, "precious", 8), 8);
    close(file);
    struct net_address address = local(path, strlen(path));
    CHECK_EQ(net_probe(&address), -EADDRINUSE);
    struct stat status;
    CHECK(stat(path, &status) == 0 && status.st_size == 8);
    unlink(path);
    rmdir(folder);
}

TEST(an_abstract_unix_socket_works)
{
    char name[40];
    int length = snprintf(name, sizeof name, "%csluice-test-%ld", '\0', (long)getpid());
    struct net_address address = local(name, (size_t)length);
    int listener;
    int client;
    int server;
    REQUIRE(open_pair(&address, &listener, &client, &server));
    CHECK_EQ(net_probe(&address), -EADDRINUSE);
    close(client);
    close(server);
    close(listener);
    CHECK_EQ(net_probe(&address), 0);
}
