/* SPDX-License-Identifier: MIT
 * Sessions over a limit that wait: in order, bounded, and served when something is given back or has changed. */
#include <unistd.h>

#include "scene.h"

#define MOST 8u

/* Clients that wait behind one that is served. */
struct line {
    struct scene scene;
    int clients[MOST];
};

static struct line line_of(uint32_t cap)
{
    struct line line = {.scene = scene_scripted()};
    line.scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_QUEUE;
    line.scene.tenant.record.limits.max_connections = cap;
    line.scene.tenant.record.limits.queue_timeout_ms = 60000;
    for (unsigned i = 0; i < MOST; i++) {
        line.clients[i] = -1;
    }
    return line;
}

struct wanted {
    struct host *host;
    uint64_t length;
};

static bool waits(void *context)
{
    const struct wanted *wanted = context;
    return host_tenant_stats(wanted->host, TENANT).queue_length == wanted->length;
}

static bool wait_for_queue(struct line *line, uint64_t length)
{
    struct wanted wanted = {&line->scene.host, length};
    return host_eventually(waits, &wanted, HOST_WAIT_MS);
}

/* Connects clients from `first` on, one after the other, each of which says its number. */
static bool join(struct line *line, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        char name = (char)('0' + i);
        line->clients[i] = peer_connect(line->scene.port);
        if (line->clients[i] == -1 || !peer_send(line->clients[i], &name, 1) || !wait_for_queue(line, i - first + 1)) {
            return false;
        }
    }
    return true;
}

/* Accepts the next session at the backend and tells which client it is. */
static char next_served(struct line *line)
{
    char name = '?';
    scene_close_fd(&line->scene.server);
    line->scene.server = peer_accept(line->scene.backend);
    return line->scene.server != -1 && peer_receive(line->scene.server, &name, 1) ? name : '?';
}

static void leave(struct line *line, unsigned number)
{
    scene_close_fd(&line->clients[number]);
}

static void end(struct line *line)
{
    for (unsigned i = 0; i < MOST; i++) {
        scene_close_fd(&line->clients[i]);
    }
    CHECK(wait_for_queue(line, 0));
    scene_end(&line->scene);
}

static int32_t change(struct line *line)
{
    return host_apply(&line->scene.host, &line->scene.tenant, 1);
}

TEST(first_come_first_served_over_all_workers)
{
    struct line line = line_of(1);
    REQUIRE(scene_start(&line.scene, 4) && scene_connect(&line.scene));
    REQUIRE(join(&line, 0, MOST));
    scene_close_fd(&line.scene.client);
    for (unsigned i = 0; i < MOST; i++) {
        CHECK_EQ(next_served(&line), (char)('0' + i));
        leave(&line, i);
    }
    end(&line);
}

TEST(a_full_queue_refuses_and_a_wait_has_its_end)
{
    struct line line = line_of(1);
    line.scene.tenant.record.limits.queue_size = 1;
    REQUIRE(scene_start(&line.scene, 1) && scene_connect(&line.scene));
    REQUIRE(join(&line, 0, 1));
    int late = peer_connect(line.scene.port);
    CHECK_STRING(peer_fate(late, 10000), "end");
    close(late);
    scene_ended(&line.scene, "PQ", SLUICE_REASON_QUEUE_FULL);
    /* The end of a wait that is shortened counts for those that wait. */
    line.scene.tenant.record.limits.queue_timeout_ms = 100;
    REQUIRE(change(&line) == SLUICE_OK);
    struct sluice_log_session session = scene_ended(&line.scene, "sQ", SLUICE_REASON_QUEUE_TIMEOUT);
    CHECK(session.queue_us >= 100000 && session.attempts == 0);
    end(&line);
}

TEST(a_client_that_is_gone_leaves_the_queue_and_one_that_has_asked_stays)
{
    struct line line = line_of(1);
    REQUIRE(scene_start(&line.scene, 2) && scene_connect(&line.scene));
    int silent = peer_connect(line.scene.port);
    REQUIRE(wait_for_queue(&line, 1));
    close(silent);
    scene_ended(&line.scene, "CQ", SLUICE_REASON_CLIENT_ABORT);
    REQUIRE(wait_for_queue(&line, 0) && join(&line, 0, 1));
    peer_end(line.clients[0]);
    scene_close_fd(&line.scene.client);
    CHECK_EQ(next_served(&line), '0');
    CHECK(peer_at_end(line.scene.server) && peer_send(line.scene.server, "answer", 6));
    char answer[6];
    CHECK(peer_receive(line.clients[0], answer, sizeof answer));
    end(&line);
}

TEST(a_raised_cap_serves_those_that_wait)
{
    struct line line = line_of(1);
    REQUIRE(scene_start(&line.scene, 4) && scene_connect(&line.scene));
    REQUIRE(join(&line, 0, 3));
    line.scene.tenant.record.limits.max_connections = SLUICE_UNLIMITED32;
    REQUIRE(change(&line) == SLUICE_OK);
    CHECK(wait_for_queue(&line, 0));
    for (unsigned i = 0; i < 3; i++) {
        CHECK(next_served(&line) != '?');
    }
    end(&line);
}

TEST(when_nothing_may_wait_any_more_those_that_do_are_refused)
{
    struct line line = line_of(1);
    REQUIRE(scene_start(&line.scene, 2) && scene_connect(&line.scene));
    REQUIRE(join(&line, 0, 2));
    line.scene.tenant.record.limits.on_limit = SLUICE_ON_LIMIT_CLOSE;
    line.scene.tenant.record.limits.queue_timeout_ms = 0;
    REQUIRE(change(&line) == SLUICE_OK);
    scene_ended(&line.scene, "PQ", SLUICE_REASON_TENANT_CONNECTIONS);
    scene_ended(&line.scene, "PQ", SLUICE_REASON_TENANT_CONNECTIONS);
    end(&line);
}

TEST(a_token_of_the_rate_is_waited_for)
{
    struct line line = line_of(SLUICE_UNLIMITED32);
    line.scene.tenant.record.limits.session_rate = (struct sluice_bucket){.rate = 20000, .burst = 1};
    REQUIRE(scene_start(&line.scene, 2));
    for (unsigned i = 0; i < 4; i++) {
        char name = (char)('0' + i);
        line.clients[i] = peer_connect(line.scene.port);
        REQUIRE(peer_send(line.clients[i], &name, 1));
        CHECK_EQ(next_served(&line), name);
    }
    end(&line);
}

TEST(who_waited_for_its_source_waits_for_the_rate_next)
{
    struct line line = line_of(SLUICE_UNLIMITED32);
    line.scene.tenant.record.limits.source_max_connections = 1;
    line.scene.tenant.record.limits.session_rate = (struct sluice_bucket){.rate = 2000, .burst = 1};
    REQUIRE(scene_start(&line.scene, 1) && scene_connect(&line.scene));
    REQUIRE(join(&line, 0, 1));
    scene_close_fd(&line.scene.client);
    CHECK_EQ(next_served(&line), '0');
    end(&line);
}

TEST(a_place_at_an_endpoint_is_waited_for)
{
    struct line line = line_of(SLUICE_UNLIMITED32);
    line.scene.tenant.backends[0].endpoints[0].record.max_connections = 1;
    REQUIRE(scene_start(&line.scene, 4) && scene_connect(&line.scene));
    REQUIRE(join(&line, 0, 3));
    scene_close_fd(&line.scene.client);
    scene_close_fd(&line.scene.server);
    char seen[4] = "";
    for (unsigned i = 0; i < 3; i++) {
        seen[i] = next_served(&line);
        leave(&line, (unsigned)(seen[i] - '0') % MOST);
    }
    CHECK(strchr(seen, '0') != NULL && strchr(seen, '1') != NULL && strchr(seen, '2') != NULL);
    end(&line);
}

TEST(those_that_wait_go_to_the_endpoints_of_the_newest_version)
{
    struct line line = line_of(1);
    REQUIRE(scene_start(&line.scene, 2) && scene_connect(&line.scene));
    REQUIRE(join(&line, 0, 1));
    int elsewhere = peer_listen(16);
    line.scene.tenant.backends[0].endpoints[0].address = host_ipv4(peer_port(elsewhere));
    REQUIRE(change(&line) == SLUICE_OK);
    scene_close_fd(&line.scene.client);
    scene_close_fd(&line.scene.server);
    int server = peer_accept(elsewhere);
    char name = '?';
    CHECK(server != -1 && peer_receive(server, &name, 1));
    CHECK_EQ(name, '0');
    close(server);
    close(elsewhere);
    end(&line);
}

TEST(a_tenant_that_goes_takes_its_queue_with_it)
{
    struct line line = line_of(SLUICE_UNLIMITED32);
    line.scene.tenant.record.limits.session_rate = (struct sluice_bucket){.rate = 1, .burst = 1};
    line.scene.tenant.record.drain_ms = 0;
    REQUIRE(scene_start(&line.scene, 2) && scene_connect(&line.scene));
    REQUIRE(join(&line, 0, 2));
    const uint32_t removed[] = {TENANT};
    REQUIRE(host_change(&line.scene.host, &(struct host_change){.removed = removed, .removed_count = 1}) == SLUICE_OK);
    CHECK(host_wait_active(&line.scene.host, 0));
    for (unsigned i = 0; i < 3; i++) {
        struct sluice_log_session session;
        REQUIRE(host_next_session(&line.scene.host, &session));
        CHECK_EQ(session.reason, SLUICE_REASON_DRAINED);
        CHECK_EQ(host_code(session.code)[0], 'K');
    }
    scene_close_fd(&line.scene.client);
    for (unsigned i = 0; i < MOST; i++) {
        scene_close_fd(&line.clients[i]);
    }
    scene_close_fd(&line.scene.server);
    CHECK_STRING(host_close(&line.scene.host), "");
    scene_close_fd(&line.scene.backend);
}
