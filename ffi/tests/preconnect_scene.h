/* SPDX-License-Identifier: MIT
 * A tenant with connections ahead, before a backend that the test plays: what the backend has accepted, and how many
 * the engine says are open ahead. Included after test.h by test_engine_preconnect*.c. */
#ifndef SLUICE_TESTS_PRECONNECT_SCENE_H
#define SLUICE_TESTS_PRECONNECT_SCENE_H

#include <poll.h>
#include <sys/socket.h>

#include "scene.h"

#define SERVER_MOST 64u

/* The backend's connections, as far as it has accepted them. */
struct server {
    int listener;
    int fds[SERVER_MOST]; /* in the order in which they came; -1: closed */
    unsigned count;
};

static struct scene scene_ahead(uint32_t least, uint32_t most, uint64_t idle_ms)
{
    struct scene scene = scene_scripted();
    struct sluice_backend_record *backend = &scene.tenant.backends[0].record;
    backend->preconnect_min = least;
    backend->preconnect_max = most;
    backend->preconnect_idle_ms = idle_ms;
    return scene;
}

static uint64_t ahead_now(struct host *host, const struct host_tenant *tenant)
{
    return host_endpoint_stats(host, host_endpoint_id(tenant, 0, 0)).preconnect_idle;
}

struct ahead_wanted {
    struct scene *scene;
    uint64_t count;
};

static bool ahead_is(void *context)
{
    const struct ahead_wanted *wanted = context;
    return ahead_now(&wanted->scene->host, &wanted->scene->tenant) == wanted->count;
}

/* Waits until so many connections are open ahead. */
static bool wait_ahead(struct scene *scene, uint64_t count)
{
    struct ahead_wanted wanted = {scene, count};
    bool there = host_eventually(ahead_is, &wanted, HOST_WAIT_MS);
    CHECK_EQ(ahead_now(&scene->host, &scene->tenant), count);
    return there;
}

/* For a while it stays so. */
__attribute__((unused)) static void ahead_stays(struct scene *scene, uint64_t count, uint32_t wait_ms)
{
    struct ahead_wanted wanted = {scene, count + 1};
    CHECK(!host_eventually(ahead_is, &wanted, wait_ms));
    CHECK_EQ(ahead_now(&scene->host, &scene->tenant), count);
}

/* Clients come, a handful at once, until so many connections are kept ahead for them; then they all go. The backend is
 * an echo server. */
__attribute__((unused)) static bool crowd(struct scene *scene, uint64_t wanted)
{
    enum { AT_ONCE = 16, MOST = 20 };
    struct ahead_wanted ahead = {scene, wanted};
    static int clients[AT_ONCE * MOST];
    unsigned count = 0;
    bool there = false;
    while (!there && count < AT_ONCE * MOST) {
        for (unsigned i = 0; i < AT_ONCE; i++) {
            clients[count + i] = peer_socket_ipv4();
        }
        for (unsigned i = 0; i < AT_ONCE; i++) {
            CHECK(peer_connect_on(clients[count + i], scene->port));
        }
        count += AT_ONCE;
        CHECK(host_wait_total(&scene->host, TENANT, count));
        there = host_eventually(ahead_is, &ahead, 300);
    }
    for (unsigned i = 0; i < count; i++) {
        close(clients[i]);
    }
    CHECK(there);
    CHECK(host_wait_active(&scene->host, 0));
    return there;
}

static bool no_fds(void *context)
{
    struct host *host = context;
    return host_session_fds(host) == 0;
}

/* Waits until sessions and connections ahead hold no descriptor but those counted as open ahead. */
static void check_no_fds(struct scene *scene)
{
    CHECK(host_eventually(no_fds, &scene->host, HOST_WAIT_MS));
    CHECK_EQ(host_session_fds(&scene->host), 0);
}

static struct server server_of(const struct scene *scene)
{
    return (struct server){.listener = scene->backend};
}

/* Accepts until there are `count`, closed ones included. */
static bool server_accept(struct server *server, unsigned count)
{
    while (server->count < count) {
        int fd = peer_accept(server->listener);
        CHECK(fd != -1);
        if (fd == -1) {
            return false;
        }
        server->fds[server->count++] = fd;
    }
    return true;
}

static void server_close(struct server *server, unsigned number)
{
    if (server->fds[number] != -1) {
        close(server->fds[number]);
        server->fds[number] = -1;
    }
}

static void server_close_all(struct server *server)
{
    for (unsigned i = 0; i < server->count; i++) {
        server_close(server, i);
    }
}

/* The connection on which something arrives, by its number; new ones are accepted. -1: on none. */
__attribute__((unused)) static int server_hears(struct server *server)
{
    struct pollfd fds[SERVER_MOST + 1];
    for (;;) {
        unsigned count = server->count;
        for (unsigned i = 0; i < count; i++) {
            fds[i] = (struct pollfd){.fd = server->fds[i], .events = POLLIN};
        }
        fds[count] = (struct pollfd){.fd = server->listener, .events = POLLIN};
        if (poll(fds, count + 1, PEER_WAIT_S * 1000) <= 0) {
            return -1;
        }
        for (unsigned i = 0; i < count; i++) {
            char byte;
            if (fds[i].revents != 0 && recv(fds[i].fd, &byte, 1, MSG_PEEK) == 1) {
                return (int)i;
            }
            if (fds[i].revents != 0) {
                server_close(server, i); /* it has ended */
            }
        }
        if (fds[count].revents != 0 && (count == SERVER_MOST || !server_accept(server, count + 1))) {
            return -1;
        }
    }
}

/* A client says something, the backend hears it and answers. The number of the connection goes to *on. */
__attribute__((unused)) static bool talk(struct scene *scene, struct server *server, int client, int *on)
{
    (void)scene;
    bool said = client != -1 && peer_send(client, "ask", 3);
    *on = said ? server_hears(server) : -1;
    char text[3] = "";
    bool heard = *on != -1 && peer_receive(server->fds[*on], text, 3) && memcmp(text, "ask", 3) == 0;
    bool answered = heard && peer_send(server->fds[*on], "yes", 3) && peer_receive(client, text, 3);
    CHECK(answered);
    return answered;
}

/* A session from its beginning to its end. */
__attribute__((unused)) static struct sluice_log_session visit(struct scene *scene, struct server *server, int *on)
{
    int client = peer_connect(scene->port);
    talk(scene, server, client, on);
    scene_close_fd(&client);
    if (*on != -1) {
        server_close(server, (unsigned)*on);
    }
    return scene_ended(scene, "--", SLUICE_REASON_OK);
}

/* Nothing is left after the connections ahead are switched off. */
static void ahead_end(struct scene *scene, struct server *server)
{
    struct sluice_backend_record *backend = &scene->tenant.backends[0].record;
    backend->preconnect_min = 0;
    backend->preconnect_max = 0;
    scene_apply(scene);
    CHECK_EQ(ahead_now(&scene->host, &scene->tenant), 0);
    check_no_fds(scene);
    server_close_all(server);
    scene_end(scene);
}

#endif
