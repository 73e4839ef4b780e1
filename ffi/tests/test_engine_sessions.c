/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: live sessions read, killed and drained by filters, over all workers. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "scene.h"

#define MOST_IDS 4u

/* A filter with its ids, as sluice.h takes it. */
struct filter {
    struct sluice_session_filter record;
    uint32_t ids[MOST_IDS];
};

static struct filter of(uint32_t kind, uint32_t id)
{
    return (struct filter){.record = {.id_kind = kind, .id_count = 1}, .ids = {id}};
}

static uint64_t size_of(const struct filter *filter)
{
    return sizeof(filter->record) + filter->record.id_count * sizeof(uint32_t);
}

static int64_t kill_them(struct host *host, struct filter filter)
{
    return sluice_sessions_kill(host->engine, &filter, size_of(&filter), SLUICE_REASON_KILLED);
}

static int64_t drain_them(struct host *host, struct filter filter, uint64_t grace_ms)
{
    return sluice_sessions_drain(host->engine, &filter, size_of(&filter), grace_ms);
}

/* Reads all that match into memory of its own (free it), `page` records a call; their number goes to *count. */
static struct sluice_session_record *read_all(struct host *host, struct filter filter, uint32_t page, uint32_t *count)
{
    struct sluice_session_record *records = NULL;
    uint64_t cursor = 0;
    *count = 0;
    do {
        records = realloc(records, (*count + page) * sizeof *records);
        uint64_t next = UINT64_MAX;
        int32_t got = sluice_sessions_read(host->engine, &filter, size_of(&filter), cursor, records + *count,
                                           page * sizeof *records, &next);
        CHECK(got >= 0 && (uint32_t)got <= page);
        CHECK(next == 0 || (uint32_t)got == page); /* a page that is not full is the last one */
        *count += got > 0 ? (uint32_t)got : 0;
        cursor = got < 0 ? 0 : next;
    } while (cursor != 0);
    return records;
}

static uint32_t count_all(struct host *host, struct filter filter)
{
    uint32_t count;
    free(read_all(host, filter, 64, &count));
    return count;
}

/* ---- Reading ---- */

TEST(a_session_is_told_as_it_is)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(peer_send_stream(scene.client, 1, 1000) && peer_check_stream(scene.server, 1, 1000));
    CHECK(peer_send_stream(scene.server, 2, 70) && peer_check_stream(scene.client, 2, 70));
    uint32_t count;
    struct sluice_session_record *records = read_all(&scene.host, (struct filter){0}, 8, &count);
    REQUIRE(count == 1);
    struct sluice_session_record live = records[0];
    free(records);
    CHECK_EQ(live.state, SLUICE_SESSION_RELAYING);
    CHECK_EQ(live.drain_in_ms, SLUICE_NEVER);
    CHECK_EQ(live.session.header.size, sizeof live.session);
    CHECK_EQ(live.session.header.kind, SLUICE_LOG_PROGRESS);
    CHECK_EQ(live.session.tenant, TENANT);
    CHECK_EQ(live.session.listener, host_listener_id(&scene.tenant, 0));
    CHECK_EQ(live.session.backend, host_backend_id(&scene.tenant, 0));
    CHECK_EQ(live.session.endpoint, host_endpoint_id(&scene.tenant, 0, 0));
    CHECK_EQ(live.session.attempts, 1);
    CHECK_EQ(live.session.client_family, SLUICE_FAMILY_IPV4);
    CHECK_EQ(live.session.client_ip[0], 127);
    CHECK_EQ(live.session.client_port, peer_port(scene.client));
    CHECK_EQ(live.session.bytes_up, 1000);
    CHECK_EQ(live.session.bytes_down, 70);
    CHECK_EQ(live.session.queue_us, SLUICE_NEVER);
    CHECK(live.session.connect_us != SLUICE_NEVER);
    CHECK(live.session.first_byte_us <= live.session.total_us);
    CHECK(live.session.rtt_client_us > 0 && live.session.rtt_server_us > 0);

    struct filter one = {0};
    memcpy(one.record.session, live.session.session, sizeof one.record.session);
    CHECK_EQ(count_all(&scene.host, one), 1);
    one.record.session[15] ^= 1;
    CHECK_EQ(count_all(&scene.host, one), 0);

    scene_close_fd(&scene.client);
    CHECK(peer_at_end(scene.server));
    scene_close_fd(&scene.server);
    struct sluice_log_session ended = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK(memcmp(ended.session, live.session.session, sizeof ended.session) == 0);
    CHECK_EQ(count_all(&scene.host, (struct filter){0}), 0);
    scene_end(&scene);
}

TEST(a_session_that_connects_is_told_too)
{
    struct scene scene = scene_scripted();
    /* An endpoint whose queue is full: the kernel does not answer another connect. */
    int full = peer_listen(0);
    int first = peer_connect(peer_port(full));
    int second = peer_socket_ipv4();
    fcntl(second, F_SETFL, O_NONBLOCK);
    (void)!peer_connect_on(second, peer_port(full));
    scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(full));
    REQUIRE(scene_start(&scene, 1));
    scene.client = peer_connect(scene.port);
    REQUIRE(host_wait_active(&scene.host, 1));
    uint32_t count;
    struct sluice_session_record *records = read_all(&scene.host, (struct filter){0}, 8, &count);
    REQUIRE(count == 1);
    CHECK_EQ(records[0].state, SLUICE_SESSION_CONNECTING);
    CHECK_EQ(records[0].session.connect_us, SLUICE_NEVER);
    CHECK_EQ(records[0].session.rtt_server_us, 0);
    CHECK_EQ(records[0].session.endpoint, host_endpoint_id(&scene.tenant, 0, 0));
    free(records);
    CHECK_EQ(kill_them(&scene.host, of(SLUICE_FILTER_ENDPOINT, host_endpoint_id(&scene.tenant, 0, 0))), 1);
    scene_ended(&scene, "KC", SLUICE_REASON_KILLED);
    scene_end(&scene);
    close(first);
    close(second);
    close(full);
}

/* Many sessions of one tenant, and their clients. */
enum { CROWD = 700 };

struct crowd {
    struct scene scene;
    int clients[CROWD];
};

static bool crowd_open(struct crowd *crowd, uint32_t workers)
{
    crowd->scene = scene_echo();
    if (!scene_start(&crowd->scene, workers)) {
        return false;
    }
    for (unsigned i = 0; i < CROWD; i++) {
        crowd->clients[i] = peer_connect(crowd->scene.port);
        if (crowd->clients[i] == -1) {
            return false;
        }
    }
    return host_wait_active(&crowd->scene.host, CROWD);
}

static void crowd_close(struct crowd *crowd)
{
    for (unsigned i = 0; i < CROWD; i++) {
        scene_close_fd(&crowd->clients[i]);
    }
    scene_end(&crowd->scene);
}

static int by_port(const void *left, const void *right)
{
    const struct sluice_session_record *a = left;
    const struct sluice_session_record *b = right;
    return a->session.client_port < b->session.client_port ? -1 : a->session.client_port > b->session.client_port;
}

TEST(pages_of_any_size_tell_each_session_once)
{
    static struct crowd crowd;
    static const uint32_t pages[] = {1, 7, 256, 257, CROWD, CROWD + 1};
    REQUIRE(crowd_open(&crowd, 3));
    for (unsigned i = 0; i < sizeof pages / sizeof *pages; i++) {
        uint32_t count;
        struct sluice_session_record *records = read_all(&crowd.scene.host, (struct filter){0}, pages[i], &count);
        CHECK_EQ(count, CROWD);
        qsort(records, count, sizeof *records, by_port);
        for (uint32_t k = 1; k < count; k++) {
            CHECK(records[k - 1].session.client_port != records[k].session.client_port);
        }
        free(records);
    }
    CHECK_EQ(count_all(&crowd.scene.host, of(SLUICE_FILTER_TENANT, TENANT)), CROWD);
    CHECK_EQ(count_all(&crowd.scene.host, of(SLUICE_FILTER_TENANT, TENANT + 1)), 0);
    crowd_close(&crowd);
}

TEST(a_cursor_survives_what_ends_between_two_pages)
{
    static struct crowd crowd;
    REQUIRE(crowd_open(&crowd, 2));
    struct sluice_session_filter all = {0};
    static struct sluice_session_record page[CROWD / 2];
    uint64_t cursor = UINT64_MAX;
    struct sluice_engine *engine = crowd.scene.host.engine;
    CHECK_EQ(sluice_sessions_read(engine, &all, sizeof all, 0, page, sizeof page, &cursor), CROWD / 2);
    CHECK(cursor != 0);
    for (unsigned i = 0; i < CROWD; i++) {
        scene_close_fd(&crowd.clients[i]);
    }
    REQUIRE(host_wait_active(&crowd.scene.host, 0));
    CHECK_EQ(sluice_sessions_read(engine, &all, sizeof all, cursor, page, sizeof page, &cursor), 0);
    CHECK_EQ(cursor, 0);
    /* Any number is a cursor. */
    CHECK_EQ(sluice_sessions_read(engine, &all, sizeof all, UINT64_MAX, page, sizeof page, &cursor), 0);
    CHECK_EQ(cursor, 0);
    CHECK_EQ(sluice_sessions_read(engine, &all, sizeof all, UINT32_MAX, page, sizeof page, &cursor), 0);
    CHECK_EQ(cursor, 0);
    crowd_close(&crowd);
}

TEST(arguments_that_cannot_be_are_refused)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1));
    struct sluice_engine *engine = scene.host.engine;
    struct sluice_session_filter all = {0};
    struct sluice_session_filter odd = {.id_kind = 99};
    struct sluice_session_record record;
    uint64_t next;
    CHECK_EQ(sluice_sessions_read(NULL, &all, sizeof all, 0, &record, sizeof record, &next), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_sessions_read(engine, NULL, sizeof all, 0, &record, sizeof record, &next), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_sessions_read(engine, &odd, sizeof odd, 0, &record, sizeof record, &next), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_sessions_read(engine, &all, sizeof all, 0, NULL, sizeof record, &next), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_sessions_read(engine, &all, sizeof all, 0, &record, sizeof record, NULL), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_sessions_read(engine, &all, sizeof all, 0, &record, sizeof record - 1, &next), SLUICE_E_BUFFER);
    CHECK_EQ(sluice_sessions_kill(NULL, &all, sizeof all, SLUICE_REASON_KILLED), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_sessions_kill(engine, &all, sizeof all + 4, SLUICE_REASON_KILLED), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_sessions_drain(NULL, &all, sizeof all, 0), SLUICE_E_ARGUMENT);
    CHECK_EQ(sluice_sessions_drain(engine, &odd, sizeof odd, 0), SLUICE_E_ARGUMENT);
    scene_end(&scene);
}

/* ---- Killing ---- */

TEST(kill_ends_what_matches_and_nothing_else)
{
    struct peer_echo *echo = peer_echo_start();
    struct host_tenant tenants[2] = {host_simple_tenant(1, peer_echo_port(echo)),
                                     host_simple_tenant(2, peer_echo_port(echo))};
    struct host host;
    REQUIRE(host_open(&host, 2, tenants, 2) == SLUICE_OK);
    int first = peer_connect(host_port(&host, host_listener_id(&tenants[0], 0)));
    int second = peer_connect(host_port(&host, host_listener_id(&tenants[1], 0)));
    CHECK(scene_echoes(first, "1") && scene_echoes(second, "2"));
    struct filter both = {.record = {.id_kind = SLUICE_FILTER_TENANT, .id_count = 2}, .ids = {1, 2}};
    CHECK_EQ(count_all(&host, both), 2);
    both.record.source_family = SLUICE_FAMILY_IPV6;
    CHECK_EQ(kill_them(&host, both), 0);
    both.record.source_family = SLUICE_FAMILY_NONE;
    both.record.older_than_ms = 3600000;
    CHECK_EQ(kill_them(&host, both), 0);
    CHECK_EQ(kill_them(&host, of(SLUICE_FILTER_TENANT, 1)), 1);
    CHECK_STRING(peer_fate(first, 10000), "end");
    CHECK(scene_echoes(second, "still"));
    CHECK_EQ(kill_them(&host, of(SLUICE_FILTER_TENANT, 1)), 0);
    struct sluice_log_session session;
    CHECK(host_next_session(&host, &session));
    CHECK_EQ(session.tenant, 1);
    CHECK_EQ(session.reason, SLUICE_REASON_KILLED);
    CHECK_STRING(host_code(session.code), "KD");
    CHECK_EQ(kill_them(&host, of(SLUICE_FILTER_BACKEND, host_backend_id(&tenants[1], 0))), 1);
    CHECK_STRING(peer_fate(second, 10000), "end");
    CHECK(host_next_session(&host, &session));
    CHECK_EQ(session.tenant, 2);
    close(first);
    close(second);
    CHECK_STRING(host_verify(&host), "");
    CHECK_STRING(host_close(&host), "");
    peer_echo_stop(echo);
}

TEST(kill_ends_a_crowd_over_several_turns)
{
    static struct crowd crowd;
    REQUIRE(crowd_open(&crowd, 2));
    CHECK_EQ(kill_them(&crowd.scene.host, (struct filter){0}), CROWD);
    CHECK_EQ(host_status(&crowd.scene.host).sessions_active, 0);
    for (unsigned i = 0; i < CROWD; i++) {
        struct sluice_log_session session;
        CHECK(host_next_session(&crowd.scene.host, &session));
        CHECK_EQ(session.reason, SLUICE_REASON_KILLED);
        CHECK_STRING(peer_fate(crowd.clients[i], 10000), "end");
    }
    crowd_close(&crowd);
}

/* Clients that come, say something and go, until they are told to stop. */
struct visitors {
    uint32_t port;
    atomic_bool enough;
    atomic_uint visits;
};

static void *visit(void *argument)
{
    struct visitors *visitors = argument;
    while (!atomic_load(&visitors->enough)) {
        int fd = peer_connect(visitors->port);
        char answer;
        if (fd != -1 && peer_send(fd, "v", 1)) {
            (void)peer_receive(fd, &answer, 1); /* it may have been killed before */
        }
        if (fd != -1) {
            close(fd);
            atomic_fetch_add(&visitors->visits, 1);
        }
    }
    return NULL;
}

TEST(sessions_are_read_killed_and_drained_while_others_come_and_go)
{
    enum { THREADS = 3, ROUNDS = 150, STAYING = 20 };
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 3));
    int staying[STAYING];
    for (unsigned i = 0; i < STAYING; i++) {
        staying[i] = peer_connect(scene.port);
    }
    REQUIRE(host_wait_active(&scene.host, STAYING));
    pthread_t threads[THREADS];
    struct visitors visitors = {.port = scene.port};
    for (unsigned i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, visit, &visitors) == 0);
    }
    struct filter all = {0};
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t count;
        free(read_all(&scene.host, all, 8, &count));
        CHECK(count >= STAYING);
        CHECK(drain_them(&scene.host, all, 60000) >= STAYING);
        struct filter none = of(SLUICE_FILTER_TENANT, TENANT + 1);
        CHECK_EQ(kill_them(&scene.host, none), 0);
        host_read_log(&scene.host);
    }
    CHECK(kill_them(&scene.host, all) >= STAYING);
    atomic_store(&visitors.enough, true);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(atomic_load(&visitors.visits) > 0);
    for (unsigned i = 0; i < STAYING; i++) {
        CHECK_STRING(peer_fate(staying[i], 10000), "end");
        close(staying[i]);
    }
    scene_end(&scene);
}

/* ---- Draining ---- */

TEST(drain_with_no_grace_closes_now)
{
    struct scene scene = scene_scripted();
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    REQUIRE(host_wait_active(&scene.host, 1));
    CHECK_EQ(drain_them(&scene.host, of(SLUICE_FILTER_TENANT, TENANT + 1), 0), 0);
    CHECK_EQ(drain_them(&scene.host, of(SLUICE_FILTER_TENANT, TENANT), 0), 1);
    CHECK_EQ(host_status(&scene.host).sessions_active, 0);
    CHECK_STRING(peer_fate(scene.client, 10000), "end");
    scene_ended(&scene, "KD", SLUICE_REASON_DRAINED);
    scene_end(&scene);
}

TEST(drain_gives_until_its_deadline_and_the_earliest_counts)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "a"));
    CHECK_EQ(drain_them(&scene.host, (struct filter){0}, 300), 1);
    CHECK_EQ(drain_them(&scene.host, (struct filter){0}, 3600000), 1); /* later than what it has already */
    uint32_t count;
    struct sluice_session_record *records = read_all(&scene.host, (struct filter){0}, 8, &count);
    CHECK_EQ(count, 1);
    CHECK(count == 1 && records[0].drain_in_ms <= 300);
    free(records);
    CHECK(scene_echoes(scene.client, "b"));
    /* New sessions have no deadline: that is the tenant's business. */
    int later = peer_connect(scene.port);
    CHECK(scene_echoes(later, "c"));
    struct sluice_log_session session = scene_ended(&scene, "KD", SLUICE_REASON_DRAINED);
    CHECK(session.total_us >= 290000);
    CHECK(scene_echoes(later, "d"));
    close(later);
    scene_end(&scene);
}

static bool is_lingering(void *context)
{
    uint32_t count;
    struct sluice_session_record *records = read_all(context, (struct filter){0}, 8, &count);
    bool lingers = count == 1 && records[0].state == SLUICE_SESSION_LINGERING;
    free(records);
    return lingers;
}

/* A client that is gone, and an endpoint that does not take what the client has sent. */
static bool start_lingering(struct scene *scene)
{
    scene->tenant.record.half_close_ms = 3600000; /* how long it would wait */
    int window = 4096; /* inherited: much less than is sent, and than the kernel keeps for a sender */
    setsockopt(scene->backend, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    if (!scene_start(scene, 1) || !scene_connect(scene) || !peer_send_stream(scene->client, 1, 60000)) {
        return false;
    }
    peer_reset(scene->client);
    scene->client = -1;
    return host_eventually(is_lingering, &scene->host, HOST_WAIT_MS);
}

TEST(a_session_that_lingers_is_drained_too)
{
    static const uint64_t graces_ms[] = {0, 200};
    for (unsigned i = 0; i < sizeof graces_ms / sizeof *graces_ms; i++) {
        struct scene scene = scene_scripted();
        REQUIRE(start_lingering(&scene));
        CHECK_EQ(drain_them(&scene.host, (struct filter){0}, graces_ms[i]), 1);
        CHECK(host_wait_active(&scene.host, 0));
        struct sluice_log_session session;
        CHECK(host_next_session(&scene.host, &session));
        /* With a grace, what it waited for decides how it ends: the client's abort. */
        CHECK_EQ(session.reason, graces_ms[i] == 0 ? SLUICE_REASON_DRAINED : SLUICE_REASON_CLIENT_ABORT);
        scene_end(&scene);
    }
}

/* ---- Maintenance ---- */

TEST(maintenance_keeps_live_sessions_and_takes_no_new_ones)
{
    struct scene scene = scene_echo();
    REQUIRE(scene_start(&scene, 2) && scene_connect(&scene));
    CHECK(scene_echoes(scene.client, "a"));
    scene.tenant.backends[0].endpoints[0].record.state = SLUICE_ENDPOINT_MAINTENANCE;
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    CHECK_EQ(host_endpoint_stats(&scene.host, host_endpoint_id(&scene.tenant, 0, 0)).state,
             SLUICE_ENDPOINT_MAINTENANCE);
    int refused = peer_connect(scene.port);
    CHECK_STRING(peer_fate(refused, 10000), "end");
    close(refused);
    scene_ended(&scene, "SC", SLUICE_REASON_NO_ENDPOINT);
    CHECK(scene_echoes(scene.client, "still"));
    scene.tenant.backends[0].endpoints[0].record.state = SLUICE_ENDPOINT_READY;
    REQUIRE(host_apply(&scene.host, &scene.tenant, 1) == SLUICE_OK);
    int again = peer_connect(scene.port);
    CHECK(scene_echoes(again, "back"));
    close(again);
    scene_end(&scene);
}
