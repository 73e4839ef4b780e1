/* SPDX-License-Identifier: MIT
 *
 * The engine through sluice.h under peers that do anything at any time: send, stop reading, half-close, reset, vanish,
 * while the configuration changes and sessions are killed. What arrives must be what was sent, from its beginning; of
 * sessions that nobody broke, all of it. At the end log, counters and gauges agree. One thread, seeded. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "scene.h"

#define SESSIONS 64u       /* at once */
#define PIECE_MOST 200000u /* bytes of one send at the most */

/* One side of a session, as the test plays it. */
struct end {
    int fd; /* -1 before and after */
    uint64_t sent;
    uint64_t received;
    bool finished; /* it has ended its direction */
    bool saw_end;
};

/* A session from both sides. Bytes of a direction follow from its seed and position. */
struct play {
    struct end client;
    struct end server;
    uint64_t number; /* sent first by the client, so that the test finds the server's side */
    bool broken;     /* reset by a side, killed, or vanished: bytes may be missing at its end */
    bool live;
};

struct chaos {
    struct scene scene;
    struct play plays[SESSIONS];
    uint64_t random;
    uint64_t next_number;
    uint64_t whole; /* sessions that arrived whole */
    uint64_t broken;
    bool kills;
};

static struct chaos chaos;

static uint8_t byte_at(uint64_t seed, uint64_t position)
{
    uint64_t z = (seed + (position >> 3)) * UINT64_C(0x9e3779b97f4a7c15);
    z ^= z >> 29;
    return (uint8_t)(z >> (8 * (position & 7)));
}

static uint64_t seed_of(const struct play *play, bool from_client)
{
    return play->number * 2 + (from_client ? 1 : 0);
}

static void set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* ---- What a side can do ---- */

static void send_some(struct play *play, struct end *end)
{
    static uint8_t bytes[PIECE_MOST];
    if (end->fd == -1 || end->finished) {
        return;
    }
    uint64_t most = test_random_below(&chaos.random, 3) == 0 ? PIECE_MOST : 2000;
    uint64_t size = 1 + test_random_below(&chaos.random, most);
    for (uint64_t i = 0; i < size; i++) {
        bytes[i] = byte_at(seed_of(play, end == &play->client), end->sent + i);
    }
    ssize_t sent = send(end->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
        end->sent += (uint64_t)sent;
    } else if (sent < 0 && errno != EAGAIN) {
        play->broken = true;
    }
}

/* Reads what is there, up to `most` bytes, and compares. */
static void receive_some(struct play *play, struct end *end, uint64_t most)
{
    static uint8_t bytes[65536];
    while (end->fd != -1 && !end->saw_end && most > 0) {
        ssize_t count = recv(end->fd, bytes, most < sizeof bytes ? most : sizeof bytes, MSG_DONTWAIT);
        if (count < 0) {
            play->broken = play->broken || errno != EAGAIN;
            return;
        }
        end->saw_end = count == 0;
        for (ssize_t i = 0; i < count; i++) {
            if (bytes[i] != byte_at(seed_of(play, end == &play->server), end->received + (uint64_t)i)) {
                TEST_FAIL("session %" PRIu64 ": byte %" PRIu64 " is wrong", play->number, end->received + (uint64_t)i);
                play->broken = true;
                return;
            }
        }
        end->received += (uint64_t)count;
        most -= (uint64_t)count;
    }
}

static void finish(struct end *end)
{
    if (end->fd != -1 && !end->finished) {
        peer_end(end->fd);
        end->finished = true;
    }
}

static void break_off(struct play *play, struct end *end)
{
    if (end->fd != -1) {
        play->broken = true;
        if (test_random_below(&chaos.random, 2) == 0) {
            peer_reset(end->fd);
        } else {
            close(end->fd); /* a reset too when bytes are left unread */
        }
        end->fd = -1;
    }
}

/* ---- Sessions ---- */

static void begin(struct play *play)
{
    *play = (struct play){.client.fd = peer_connect(chaos.scene.port), .server.fd = -1, .live = true};
    if (play->client.fd == -1) {
        TEST_FAIL("cannot connect");
        play->live = false;
        return;
    }
    play->number = ++chaos.next_number;
    CHECK(peer_send(play->client.fd, &play->number, sizeof play->number));
    set_nonblocking(play->client.fd);
}

/* Takes the connections that reached the backend, each to its session. */
static void accept_servers(void)
{
    while (peer_readable(chaos.scene.backend, 0)) {
        uint64_t number = 0;
        int fd = peer_accept(chaos.scene.backend);
        if (fd == -1 || !peer_receive(fd, &number, sizeof number)) {
            close(fd); /* its client was gone before it said its number */
            continue;
        }
        struct play *play = NULL;
        for (unsigned i = 0; i < SESSIONS; i++) {
            if (chaos.plays[i].live && chaos.plays[i].number == number) {
                play = &chaos.plays[i];
            }
        }
        if (play == NULL || play->server.fd != -1) {
            CHECK(number > 0 && number <= chaos.next_number);
            close(fd); /* its client has vanished */
            continue;
        }
        set_nonblocking(fd);
        play->server.fd = fd;
    }
}

/* Both directions to their end, then checks that nothing is missing. */
static bool complete(void *context)
{
    struct play *play = context;
    accept_servers();
    finish(&play->client);
    finish(&play->server);
    receive_some(play, &play->client, UINT64_MAX);
    receive_some(play, &play->server, UINT64_MAX);
    return play->broken || (play->client.saw_end && play->server.saw_end);
}

static void end_play(struct play *play)
{
    if (!play->broken) {
        CHECK(host_eventually(complete, play, HOST_WAIT_MS));
    }
    if (!play->broken) {
        CHECK_EQ(play->server.received, play->client.sent);
        CHECK_EQ(play->client.received, play->server.sent);
        chaos.whole++;
    } else {
        CHECK(play->server.received <= play->client.sent);
        CHECK(play->client.received <= play->server.sent);
        chaos.broken++;
    }
    scene_close_fd(&play->client.fd);
    scene_close_fd(&play->server.fd);
    play->live = false;
}

/* ---- The whole ---- */

static void change_something(void)
{
    struct host_tenant next = chaos.scene.tenant;
    next.record.buffer_bytes = test_random_below(&chaos.random, 2) == 0 ? 0 : 1u << 20;
    next.record.reset_propagation = (uint32_t)test_random_below(&chaos.random, 3);
    next.record.idle_ms = 60000 + test_random_below(&chaos.random, 1000);
    next.backends[0].record.balance = (uint32_t)test_random_below(&chaos.random, 2);
    if (test_random_below(&chaos.random, 2) == 0) {
        host_add_listener(&next, host_ipv4(0), 0);
    }
    CHECK_EQ(host_apply(&chaos.scene.host, &next, 1), SLUICE_OK);
}

static void kill_all(void)
{
    const struct sluice_session_filter all = {0};
    CHECK(sluice_sessions_kill(chaos.scene.host.engine, &all, sizeof all, SLUICE_REASON_KILLED) >= 0);
    for (unsigned i = 0; i < SESSIONS; i++) {
        chaos.plays[i].broken = chaos.plays[i].broken || chaos.plays[i].live;
    }
}

static void step(void)
{
    struct play *play = &chaos.plays[test_random_below(&chaos.random, SESSIONS)];
    if (!play->live) {
        begin(play);
        return;
    }
    bool by_client = test_random_below(&chaos.random, 2) == 0;
    struct end *end = by_client ? &play->client : &play->server;
    uint64_t choice = test_random_below(&chaos.random, 200);
    if (choice < 80) {
        send_some(play, end);
    } else if (choice < 170) {
        receive_some(play, end, 1 + test_random_below(&chaos.random, 300000));
    } else if (choice < 178) {
        finish(end);
    } else if (choice < 182) {
        break_off(play, end);
    } else if (choice < 190) {
        end_play(play);
    } else if (choice < 191) {
        change_something();
    } else if (chaos.kills && choice == 199 && test_random_below(&chaos.random, 20) == 0) {
        kill_all();
    }
    if (play->live && play->broken && test_random_below(&chaos.random, 4) == 0) {
        end_play(play);
    }
}

/* Sessions whose client vanished early may still reach the backend. */
static bool all_ended(void *context)
{
    (void)context;
    accept_servers();
    return host_status(&chaos.scene.host).sessions_active == 0;
}

static void run_chaos(uint64_t seed, unsigned steps, uint32_t workers, bool kills)
{
    memset(&chaos, 0, sizeof chaos);
    chaos.random = seed;
    chaos.kills = kills;
    chaos.scene = scene_scripted();
    REQUIRE(scene_start(&chaos.scene, workers));
    for (unsigned i = 0; i < steps; i++) {
        step();
        accept_servers();
        if (i % 64 == 0) {
            host_read_log(&chaos.scene.host);
        }
    }
    for (unsigned i = 0; i < SESSIONS; i++) {
        if (chaos.plays[i].live) {
            end_play(&chaos.plays[i]);
        }
    }
    CHECK(chaos.whole > 0 && chaos.broken > 0);
    CHECK(host_eventually(all_ended, NULL, HOST_WAIT_MS));
    scene_end(&chaos.scene);
}

TEST(anything_at_any_time)
{
    run_chaos(1, 12000, 1, false);
    run_chaos(2, 12000, 2, false);
}

TEST(anything_at_any_time_with_kills)
{
    run_chaos(3, 12000, 2, true);
}
