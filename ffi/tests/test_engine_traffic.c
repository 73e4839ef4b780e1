/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: streams of every shape arrive whole and in order. */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "scene.h"

#define MIB (UINT64_C(1) << 20)

TEST(echo)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "hello"));
    peer_end(scene.client);
    CHECK(peer_at_end(scene.client));
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.bytes_up, 5);
    CHECK_EQ(session.bytes_down, 5);
    CHECK_EQ(session.attempts, 1);
    CHECK_EQ(session.listener, host_listener_id(&scene.tenant, 0));
    CHECK_EQ(session.backend, host_backend_id(&scene.tenant, 0));
    CHECK_EQ(session.endpoint, host_endpoint_id(&scene.tenant, 0, 0));
    CHECK_EQ(session.client_family, SLUICE_FAMILY_IPV4);
    CHECK_EQ(session.client_ip[0], 127);
    CHECK_EQ(session.client_port, peer_port(scene.client));
    CHECK_EQ(session.queue_us, SLUICE_NEVER);
    CHECK(session.connect_us <= session.first_byte_us && session.first_byte_us <= session.total_us);
    CHECK(session.total_us < 60000000);
    scene_end(&scene);
}

TEST(a_server_that_speaks_first_is_heard)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    char banner[7];
    CHECK(peer_send(scene.server, "220 hi", 7) && peer_receive(scene.client, banner, 7));
    CHECK_STRING(banner, "220 hi");
    scene_close_fd(&scene.server);
    CHECK(peer_at_end(scene.client));
    scene_close_fd(&scene.client);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.bytes_up, 0);
    CHECK_EQ(session.bytes_down, 7);
    scene_end(&scene);
}

TEST(all_byte_values_one_at_a_time)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    for (unsigned value = 0; value < 256; value++) {
        uint8_t byte = (uint8_t)value;
        uint8_t back = (uint8_t)~value;
        REQUIRE(peer_send(scene.client, &byte, 1) && peer_receive(scene.client, &back, 1));
        CHECK_EQ(back, byte);
    }
    scene_close_fd(&scene.client);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).bytes_up, 256);
    scene_end(&scene);
}

TEST(a_client_that_has_finished_still_gets_a_megabyte)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 1000));
    peer_end(scene.client);
    CHECK(peer_check_stream(scene.server, 1, 1000) && peer_at_end(scene.server));
    struct peer_task *send = peer_start_send(scene.server, 2, MIB, true);
    CHECK(peer_check_stream(scene.client, 2, MIB) && peer_at_end(scene.client));
    CHECK(peer_join(send));
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.bytes_up, 1000);
    CHECK_EQ(session.bytes_down, MIB);
    scene_end(&scene);
}

TEST(a_server_that_has_finished_still_gets_a_megabyte)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.server, 3, 1000));
    peer_end(scene.server);
    CHECK(peer_check_stream(scene.client, 3, 1000) && peer_at_end(scene.client));
    struct peer_task *send = peer_start_send(scene.client, 4, MIB, true);
    CHECK(peer_check_stream(scene.server, 4, MIB) && peer_at_end(scene.server));
    CHECK(peer_join(send));
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

static void bulk(uint64_t up, uint64_t down, uint32_t workers)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, workers) && scene_connect(&scene));
    struct peer_task *tasks[4] = {
        peer_start_send(scene.client, 5, up, true),
        peer_start_check(scene.server, 5, up),
        peer_start_send(scene.server, 6, down, true),
        peer_start_check(scene.client, 6, down),
    };
    for (unsigned i = 0; i < 4; i++) {
        CHECK(peer_join(tasks[i]));
    }
    CHECK(peer_at_end(scene.client) && peer_at_end(scene.server));
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.bytes_up, up);
    CHECK_EQ(session.bytes_down, down);
    scene_end(&scene);
}

TEST(bulk_up)
{
    bulk(48 * MIB + 17, 0, 1);
}

TEST(bulk_down)
{
    bulk(0, 48 * MIB + 17, 1);
}

TEST(bulk_both_ways)
{
    bulk(16 * MIB + 1, 16 * MIB + 3, 2);
}

TEST(no_byte_is_lost_of_a_client_that_sends_and_closes_at_once)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    REQUIRE(scene.client != -1);
    peer_small_buffers(scene.backend); /* inherited */
    struct peer_task *send = peer_start_send(scene.client, 7, 20 * MIB, true);
    scene.server = peer_accept(scene.backend);
    REQUIRE(scene.server != -1);
    CHECK(peer_check_stream(scene.server, 7, 20 * MIB));
    CHECK(peer_join(send));
    CHECK(peer_at_end(scene.server));
    scene_close_fd(&scene.server);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).bytes_up, 20 * MIB);
    scene_end(&scene);
}

TEST(no_byte_is_lost_of_a_server_that_sends_and_closes_at_once_before_a_slow_client)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    REQUIRE(scene.client != -1);
    peer_small_buffers(scene.client);
    scene.server = peer_accept(scene.backend);
    REQUIRE(scene.server != -1);
    struct peer_task *send = peer_start_send(scene.server, 8, 3 * MIB, true);
    CHECK(peer_check_stream(scene.client, 8, 3 * MIB));
    CHECK(peer_at_end(scene.client));
    CHECK(peer_join(send));
    scene_close_fd(&scene.server);
    scene_close_fd(&scene.client);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).bytes_down, 3 * MIB);
    scene_end(&scene);
}

/* Sends until nothing more is taken; returns how much was. */
static uint64_t push(int fd)
{
    static char bytes[65536];
    uint64_t pushed = 0;
    ssize_t sent;
    while ((sent = send(fd, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0) {
        pushed += (uint64_t)sent;
    }
    return pushed;
}

/* For as long as it is called. */
static bool keep_pushing(void *context)
{
    push(*(const int *)context);
    return false;
}

TEST(a_reader_that_stands_still_stops_the_sender_and_takes_bounded_memory)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    /* Pushes for as long as anything is taken, and then for a while. */
    host_eventually(keep_pushing, &scene.server, 300);
    struct sluice_tenant_stats stats = host_tenant_stats(&scene.host, TENANT);
    uint64_t taken = stats.bytes_down;
    CHECK(taken > 0);
    CHECK(stats.buffered_bytes <= 65536);
    host_eventually(keep_pushing, &scene.server, 100);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).bytes_down, taken);
    CHECK(host_worker_stats(&scene.host).pipes_in_use <= 1);
    /* The other direction is not held up. */
    CHECK(peer_send(scene.client, "x", 1));
    char byte = 0;
    CHECK(peer_receive(scene.server, &byte, 1));
    peer_end(scene.server);
    CHECK(peer_drain(scene.client));
    scene_close_fd(&scene.client);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK(session.bytes_down > taken);
    scene_end(&scene);
}

/* So many descriptors that sessions fit, but not a pipe for each direction that streams. */
#define STREAMS 40u
#define STREAM_FDS 256u

TEST(more_streams_than_pipes)
{
    struct rlimit before;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    struct rlimit few = {.rlim_cur = STREAM_FDS, .rlim_max = before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    struct scene scene = scene_scripted();
    struct peer_task *tasks[STREAMS][2];
    int fds[STREAMS][2];
    REQUIRE(scene_start(&scene, 1));
    for (unsigned i = 0; i < STREAMS; i++) {
        REQUIRE(scene_connect(&scene));
        fds[i][0] = scene.client;
        fds[i][1] = scene.server;
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        tasks[i][0] = peer_start_send(fds[i][0], i, 3 * MIB, true);
        tasks[i][1] = peer_start_check(fds[i][1], i, 3 * MIB);
    }
    scene.client = -1;
    scene.server = -1;
    for (unsigned i = 0; i < STREAMS; i++) {
        CHECK(peer_join(tasks[i][0]));
        CHECK(peer_join(tasks[i][1]));
        close(fds[i][0]);
        close(fds[i][1]);
    }
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE(host_wait_active(&scene.host, 0));
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).bytes_up, STREAMS * 3 * MIB);
    scene_end(&scene);
}

/* Pushes into every session of a crowd whose readers stand still, until all are stuck and hold more than `share`. */
struct crowd {
    struct host *host;
    uint64_t share;
    int fds[100][2];
    unsigned count;
};

static bool all_stuck(void *context)
{
    struct crowd *crowd = context;
    unsigned stuck = 0;
    for (unsigned i = 0; i < crowd->count; i++) {
        stuck += push(crowd->fds[i][1]) == 0 ? 1 : 0;
    }
    return stuck == crowd->count && host_tenant_stats(crowd->host, TENANT).buffered_bytes > crowd->share;
}

TEST(a_tenant_over_its_share_of_memory_still_moves_every_byte)
{
    static struct crowd crowd;
    struct scene scene = scene_scripted();
    scene.tenant.record.buffer_bytes = 100000;
    REQUIRE(scene_start(&scene, 1));
    for (crowd.count = 0; crowd.count < 100; crowd.count++) {
        REQUIRE(scene_connect(&scene));
        peer_small_buffers(scene.client); /* stuck before they stream: what is in pipes is not held */
        crowd.fds[crowd.count][0] = scene.client;
        crowd.fds[crowd.count][1] = scene.server;
    }
    crowd.host = &scene.host;
    crowd.share = 100000;
    CHECK(host_eventually(all_stuck, &crowd, HOST_WAIT_MS));
    /* What each held when the share was used up, and small pieces after that; without the cap it were 64 KiB each. */
    struct sluice_tenant_stats stats = host_tenant_stats(&scene.host, TENANT);
    CHECK(stats.buffered_bytes > 100000 && stats.buffered_bytes <= 100000 + 65536 + 100 * 4096);
    CHECK(host_worker_stats(&scene.host).buffer_bytes <= 8u << 20);
    /* A session that is not stuck goes on, and a stuck one gives all it has when it is read. */
    REQUIRE(scene_connect(&scene));
    struct peer_task *send = peer_start_send(scene.server, 3, 2 * MIB, true);
    CHECK(peer_check_stream(scene.client, 3, 2 * MIB) && peer_at_end(scene.client));
    CHECK(peer_join(send));
    for (unsigned i = 0; i < crowd.count; i++) {
        peer_end(crowd.fds[i][1]);
        CHECK(peer_drain(crowd.fds[i][0]));
        close(crowd.fds[i][0]);
        close(crowd.fds[i][1]);
    }
    scene_end(&scene);
}

TEST(urgent_data_stays_in_its_place)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send(scene.client, "ab", 2));
    CHECK_EQ(send(scene.client, "c", 1, MSG_OOB), 1);
    CHECK(peer_send(scene.client, "de", 2));
    char text[6] = "";
    CHECK(peer_receive(scene.server, text, 5));
    CHECK_STRING(text, "abcde");
    CHECK(peer_send(scene.server, "12", 2));
    CHECK_EQ(send(scene.server, "3", 1, MSG_OOB), 1);
    CHECK(peer_send(scene.server, "45", 2));
    CHECK(peer_receive(scene.client, text, 5));
    CHECK_STRING(text, "12345");
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

/* Urgent data behind (or at the end of) a stream that is spliced: splicing stops in front of it. */
static void urgent_after_a_stream(bool from_client, bool end_after)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int from = from_client ? scene.client : scene.server;
    int to = from_client ? scene.server : scene.client;
    struct peer_task *check = peer_start_check(to, 5, 4 * MIB);
    CHECK(peer_send_stream(from, 5, 4 * MIB));
    CHECK_EQ(send(from, "!", 1, MSG_OOB), 1);
    CHECK(peer_send(from, "rest", 4));
    if (end_after) {
        peer_end(from);
    }
    CHECK(peer_join(check));
    char text[6] = "";
    CHECK(peer_receive(to, text, 5));
    CHECK_STRING(text, "!rest");
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}

TEST(urgent_data_after_a_stream_stops_nothing)
{
    for (unsigned i = 0; i < 8; i++) {
        urgent_after_a_stream(i % 2 == 0, i % 4 < 2);
    }
}

#define CONCURRENT 40u

TEST(many_random_streams_at_once_over_two_workers)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 2));
    int clients[CONCURRENT];
    int servers[CONCURRENT];
    struct peer_task *tasks[CONCURRENT][4];
    uint64_t random = 9;
    uint64_t up_total = 0;
    uint64_t down_total = 0;
    for (unsigned i = 0; i < CONCURRENT; i++) {
        uint64_t up = test_random_below(&random, MIB);
        uint64_t down = test_random_below(&random, MIB);
        REQUIRE(scene_connect(&scene));
        clients[i] = scene.client;
        servers[i] = scene.server;
        tasks[i][0] = peer_start_send(clients[i], 100 + i, up, true);
        tasks[i][1] = peer_start_check(servers[i], 100 + i, up);
        tasks[i][2] = peer_start_send(servers[i], 500 + i, down, true);
        tasks[i][3] = peer_start_check(clients[i], 500 + i, down);
        up_total += up;
        down_total += down;
    }
    scene.client = -1;
    scene.server = -1;
    for (unsigned i = 0; i < CONCURRENT; i++) {
        for (unsigned k = 0; k < 4; k++) {
            CHECK(peer_join(tasks[i][k]));
        }
        close(clients[i]);
        close(servers[i]);
    }
    REQUIRE(host_wait_active(&scene.host, 0));
    struct sluice_tenant_stats stats = host_tenant_stats(&scene.host, TENANT);
    CHECK_EQ(stats.sessions_total, CONCURRENT);
    CHECK_EQ(stats.bytes_up, up_total);
    CHECK_EQ(stats.bytes_down, down_total);
    CHECK_EQ(stats.closed[0], CONCURRENT);
    scene_end(&scene);
}

TEST(short_sessions_one_after_the_other)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < 300; i++) {
        REQUIRE(scene_connect(&scene));
        CHECK(scene_echoes(scene.client, "ping"));
        scene_close_fd(&scene.client);
    }
    REQUIRE(host_wait_active(&scene.host, 0));
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).closed[0], 300);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).sessions_total, 300);
    scene_end(&scene);
}

TEST(ipv6_on_both_sides)
{
    int backend = peer_listen_ipv6(16);
    if (backend == -1) {
        printf("  skipped: this machine has no IPv6\n");
        return;
    }
    struct scene scene = {.backend = backend, .client = -1, .server = -1};
    scene.tenant = host_tenant(TENANT);
    host_add_backend(&scene.tenant);
    host_add_endpoint(&scene.tenant, 0, host_ipv6(peer_port(backend)));
    host_add_listener(&scene.tenant, host_ipv6(0), 0);
    struct host_address any = host_ipv6(0);
    any.address.ip[15] = 0;
    host_add_listener(&scene.tenant, any, 0);
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect_ipv6(scene.port);
    scene.server = peer_accept(backend);
    CHECK(peer_send_stream(scene.client, 1, 5000) && peer_check_stream(scene.server, 1, 5000));
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.client_family, SLUICE_FAMILY_IPV6);
    CHECK_EQ(session.client_ip[15], 1);
    /* The wildcard of IPv6 takes IPv4 clients, who are logged as such. */
    scene.client = peer_connect(host_port(&scene.host, host_listener_id(&scene.tenant, 1)));
    scene.server = peer_accept(backend);
    CHECK(scene.client != -1 && scene.server != -1);
    scene_close_fd(&scene.client);
    scene_close_fd(&scene.server);
    session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.client_family, SLUICE_FAMILY_IPV4);
    CHECK_EQ(session.client_ip[0], 127);
    scene_end(&scene);
}

TEST(unix_sockets_on_both_sides)
{
    char folder[100];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.60s/sluice-engine-XXXXXX", base != NULL ? base : "/tmp");
    REQUIRE(mkdtemp(folder) != NULL);
    char front[108];
    char back[108];
    snprintf(front, sizeof front, "%s/front", folder);
    snprintf(back, sizeof back, "%s/back", folder);
    struct scene scene = {.backend = peer_listen_unix(back, strlen(back)), .client = -1, .server = -1};
    scene.tenant = host_tenant(TENANT);
    host_add_backend(&scene.tenant);
    host_add_endpoint(&scene.tenant, 0, host_unix(back));
    host_add_listener(&scene.tenant, host_unix(front), 0);
    host_add_listener(&scene.tenant, host_ipv4(0), 0);
    REQUIRE(host_open(&scene.host, 2, &scene.tenant, 1) == SLUICE_OK);
    scene.client = peer_connect_unix(front, strlen(front));
    scene.server = peer_accept(scene.backend);
    REQUIRE(scene.client != -1 && scene.server != -1);
    struct peer_task *send = peer_start_send(scene.client, 1, 4 * MIB, true);
    CHECK(peer_check_stream(scene.server, 1, 4 * MIB) && peer_at_end(scene.server));
    CHECK(peer_join(send));
    send = peer_start_send(scene.server, 2, 4 * MIB, true);
    CHECK(peer_check_stream(scene.client, 2, 4 * MIB) && peer_at_end(scene.client));
    CHECK(peer_join(send));
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.client_family, SLUICE_FAMILY_UNIX);
    CHECK_EQ(session.bytes_up, 4 * MIB);
    CHECK_EQ(session.bytes_down, 4 * MIB);
    scene_end(&scene);
    CHECK(access(front, F_OK) == -1); /* taken away with its listener */
    unlink(front);
    unlink(back);
    rmdir(folder);
}

TEST(abstract_unix_sockets)
{
    char name[64];
    int length = snprintf(name, sizeof name, "%csluice-back-%ld", '\0', (long)getpid());
    struct scene scene = {.backend = peer_listen_unix(name, (size_t)length), .client = -1, .server = -1};
    char front[64];
    snprintf(front, sizeof front, "sluice-front-%ld", (long)getpid());
    scene.tenant = host_tenant(TENANT);
    host_add_backend(&scene.tenant);
    host_add_endpoint(&scene.tenant, 0, host_abstract(name + 1));
    host_add_listener(&scene.tenant, host_abstract(front), 0);
    REQUIRE(host_open(&scene.host, 1, &scene.tenant, 1) == SLUICE_OK);
    length = snprintf(name, sizeof name, "%c%s", '\0', front);
    scene.client = peer_connect_unix(name, (size_t)length);
    scene.server = peer_accept(scene.backend);
    CHECK(peer_send_stream(scene.client, 1, 100000) && peer_check_stream(scene.server, 1, 100000));
    /* Urgent data stays in its place here, too. */
    char text[6] = "";
    CHECK(peer_send(scene.client, "ab", 2) && send(scene.client, "c", 1, MSG_OOB) == 1);
    CHECK(peer_send(scene.client, "de", 2) && peer_receive(scene.server, text, 5));
    CHECK_STRING(text, "abcde");
    CHECK(peer_send(scene.server, "12", 2) && send(scene.server, "3", 1, MSG_OOB) == 1);
    CHECK(peer_send(scene.server, "45", 2) && peer_receive(scene.client, text, 5));
    CHECK_STRING(text, "12345");
    scene_close_fd(&scene.client);
    CHECK(peer_at_end(scene.server));
    scene_close_fd(&scene.server);
    scene_ended(&scene, "--", SLUICE_REASON_OK);
    scene_end(&scene);
}
