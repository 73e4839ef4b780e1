/* SPDX-License-Identifier: MIT
 * What the engine's tests begin and end with: an engine of one tenant, a backend that the test plays itself or an
 * echo server, one session through it. Included after test.h by test_engine_*.c. */
#ifndef SLUICE_TESTS_SCENE_H
#define SLUICE_TESTS_SCENE_H

#include "host.h"
#include "peer.h"
#include "test.h"

#define TENANT 1u

/* Every scene has these; unused ones stay at their zero. */
struct scene {
    struct host host;
    struct host_tenant tenant;
    struct peer_echo *echo;
    int backend; /* listener of a scripted backend, or -1 */
    uint32_t port;
    int client;
    int server;
};

/* A tenant before an echo server. */
__attribute__((unused)) static struct scene scene_echo(void)
{
    struct scene scene = {.backend = -1, .client = -1, .server = -1};
    scene.echo = peer_echo_start();
    scene.tenant = host_simple_tenant(TENANT, peer_echo_port(scene.echo));
    return scene;
}

/* A tenant before a backend that the test plays. */
__attribute__((unused)) static struct scene scene_scripted(void)
{
    struct scene scene = {.backend = peer_listen(128), .client = -1, .server = -1};
    scene.tenant = host_simple_tenant(TENANT, peer_port(scene.backend));
    return scene;
}

/* Starts the engine. */
__attribute__((unused)) static bool scene_start(struct scene *scene, uint32_t workers)
{
    int32_t result = host_open(&scene->host, workers, &scene->tenant, 1);
    if (result != SLUICE_OK) {
        TEST_FAIL("cannot start: %d, %s (%s)", result, scene->host.error.message, scene->host.error.field);
        return false;
    }
    scene->port = host_port(&scene->host, host_listener_id(&scene->tenant, 0));
    CHECK(scene->port != 0);
    return true;
}

/* A session: client, and server where the backend is scripted. */
__attribute__((unused)) static bool scene_connect(struct scene *scene)
{
    scene->client = peer_connect(scene->port);
    scene->server = scene->backend != -1 && scene->client != -1 ? peer_accept(scene->backend) : -1;
    bool connected = scene->client != -1 && (scene->backend == -1 || scene->server != -1);
    CHECK(connected);
    return connected;
}

/* Sends and expects the same back. */
__attribute__((unused)) static bool scene_echoes(int fd, const char *text)
{
    char answer[256];
    size_t size = strlen(text);
    return fd != -1 && size <= sizeof answer && peer_send(fd, text, size) && peer_receive(fd, answer, size) &&
           memcmp(answer, text, size) == 0;
}

static void scene_close_fd(int *fd)
{
    if (*fd != -1) {
        close(*fd);
        *fd = -1;
    }
}

/* Ends with what must hold after every scene. */
static void scene_end(struct scene *scene)
{
    scene_close_fd(&scene->client);
    scene_close_fd(&scene->server);
    CHECK_STRING(host_verify(&scene->host), "");
    CHECK_STRING(host_close(&scene->host), "");
    if (scene->echo != NULL) {
        peer_echo_stop(scene->echo);
        scene->echo = NULL;
    }
    scene_close_fd(&scene->backend);
}

/* The next session in the log ended so. Returns its record. */
__attribute__((unused)) static struct sluice_log_session scene_ended(struct scene *scene, const char *code,
                                                                     enum sluice_reason reason)
{
    struct sluice_log_session session;
    CHECK(host_next_session(&scene->host, &session));
    CHECK_STRING(host_code(session.code), code);
    CHECK_EQ(session.reason, reason);
    CHECK_EQ(session.tenant, TENANT);
    return session;
}

/* ---- Tests of limits ---- */

#define LOOPBACK 1u /* a source, as of peer_connect_from: 127.0.0.1 */

/* A bucket of so many tokens, of which none comes back while a test runs. */
__attribute__((unused)) static struct sluice_bucket scene_tokens(uint64_t burst)
{
    return (struct sluice_bucket){.rate = 1, .burst = burst};
}

/* A client that is served, from a source; -1 when it is not. Its echo server answers. */
__attribute__((unused)) static int scene_enter(const struct scene *scene, uint32_t source)
{
    int fd = peer_connect_from(source, scene->port);
    bool in = scene_echoes(fd, "in?");
    CHECK(in);
    if (!in && fd != -1) {
        close(fd);
    }
    return in ? fd : -1;
}

/* A client that is served comes and goes. */
__attribute__((unused)) static void scene_visit(struct scene *scene, uint32_t source)
{
    int fd = scene_enter(scene, source);
    scene_close_fd(&fd);
    scene_ended(scene, "--", SLUICE_REASON_OK);
}

/* A client that is turned away, by policy, before anything else of it is told. */
__attribute__((unused)) static void scene_refused(struct scene *scene, uint32_t source, enum sluice_reason reason)
{
    int fd = peer_connect_from(source, scene->port);
    CHECK_STRING(peer_fate(fd, 10000), "end");
    scene_close_fd(&fd);
    struct sluice_log_session session = scene_ended(scene, "PR", reason);
    CHECK_EQ(session.attempts, 0);
    CHECK_EQ(session.bytes_up + session.bytes_down, 0);
    CHECK_EQ(session.queue_us, SLUICE_NEVER);
}

/* Puts the scene's tenant, as it is now, in force. */
__attribute__((unused)) static void scene_apply(struct scene *scene)
{
    CHECK_EQ(host_apply(&scene->host, &scene->tenant, 1), SLUICE_OK);
}

#endif
