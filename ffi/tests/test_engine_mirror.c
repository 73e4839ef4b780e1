/* SPDX-License-Identifier: MIT
 * The engine through sluice.h: mirrors that work. The copy is exact, and all that it took comes back. */
#include "mirror_scene.h"

/* ---- The copy ---- */

TEST(a_mirror_gets_what_the_client_sends_and_its_answers_go_nowhere)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    char text[4];
    CHECK(peer_send_stream(scene.client, 1, 3000));
    CHECK(peer_check_stream(scene.server, 1, 3000) && peer_check_stream(copy, 1, 3000));
    CHECK(peer_send(copy, "fake", 4) && peer_send(scene.server, "real", 4));
    CHECK(peer_receive(scene.client, text, 4) && memcmp(text, "real", 4) == 0);
    CHECK_EQ(host_tenant_stats(&scene.host, TENANT).sessions_active, 1);
    CHECK_EQ(shadow_stats(&scene).sessions_active, 1);
    CHECK_EQ(host_session_fds(&scene.host), 3);

    /* The client's end reaches both; what the server sends after that is the client's alone. */
    peer_end(scene.client);
    CHECK(peer_at_end(scene.server) && peer_at_end(copy));
    CHECK(peer_send(copy, "fake", 4) && peer_send(scene.server, "last", 4));
    scene_close_fd(&scene.server);
    CHECK(peer_receive(scene.client, text, 4) && memcmp(text, "last", 4) == 0 && peer_at_end(scene.client));
    struct sluice_log_session session = scene_ended(&scene, "--", SLUICE_REASON_OK);
    CHECK_EQ(session.bytes_up, 3000);
    CHECK_EQ(session.bytes_down, 8);
    CHECK_EQ(session.attempts, 1);
    CHECK_EQ(session.backend, host_backend_id(&scene.tenant, 0));
    CHECK_EQ(session.endpoint, host_endpoint_id(&scene.tenant, 0, 0));
    close(copy);
    wait_fds(&scene, 0);
    end_mirrored(&scene, &shadow);
}

/* Never more on its way than a mirror may hold, so all of it must arrive. */
TEST(a_stream_arrives_in_the_mirror_byte_by_byte)
{
    enum { PIECE = 60000, PIECES = 150 };
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    for (unsigned i = 0; i < PIECES; i++) {
        REQUIRE(peer_send_stream(scene.client, i, PIECE));
        CHECK(peer_check_stream(scene.server, i, PIECE));
        REQUIRE(peer_check_stream(copy, i, PIECE));
    }
    scene_close_fd(&scene.client);
    CHECK(peer_at_end(scene.server) && peer_at_end(copy));
    scene_close_fd(&scene.server);
    CHECK_EQ(scene_ended(&scene, "--", SLUICE_REASON_OK).bytes_up, (uint64_t)PIECE * PIECES);
    close(copy);
    end_mirrored(&scene, &shadow);
}

/* The mirror's buffers are small and it reads late: part of each piece is held, and shifted as it goes. */
TEST(what_a_mirror_does_not_take_at_once_is_held_for_it)
{
    enum { PIECE = 40000, PIECES = 40 };
    int shadow = peer_listen(16);
    struct scene scene = scene_scripted();
    peer_small_buffers(shadow);
    add_mirror(&scene, host_ipv4(peer_port(shadow)));
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    for (unsigned i = 0; i < PIECES; i++) {
        for (unsigned part = 0; part < 4; part++) {
            REQUIRE(peer_send_stream(scene.client, 4 * i + part, PIECE / 4));
            REQUIRE(peer_check_stream(scene.server, 4 * i + part, PIECE / 4));
        }
        for (unsigned part = 0; part < 4; part++) {
            REQUIRE(peer_check_stream(copy, 4 * i + part, PIECE / 4));
        }
    }
    close(copy);
    end_mirrored(&scene, &shadow);
}

TEST(short_sessions_are_copied_whole)
{
    int shadow;
    struct scene scene = mirrored_scene(scene_scripted(), &shadow);
    REQUIRE(scene_start(&scene, 2));
    for (unsigned i = 0; i < 50; i++) {
        scene.client = peer_connect(scene.port);
        CHECK(peer_send_stream(scene.client, i, i * 37));
        scene_close_fd(&scene.client);
        scene.server = peer_accept(scene.backend);
        CHECK(peer_check_stream(scene.server, i, i * 37) && peer_at_end(scene.server));
        scene_close_fd(&scene.server);
        scene_ended(&scene, "--", SLUICE_REASON_OK);
        /* Looked at only when the session is over. */
        int copy = peer_accept(shadow);
        CHECK(peer_check_stream(copy, i, i * 37) && peer_at_end(copy));
        close(copy);
    }
    wait_fds(&scene, 0);
    end_mirrored(&scene, &shadow);
}

TEST(a_mirror_on_a_unix_socket)
{
    char name[40];
    char path[41] = "";
    snprintf(name, sizeof name, "sluice-mirror-%d", getpid());
    memcpy(path + 1, name, strlen(name));
    int shadow = peer_listen_unix(path, 1 + strlen(name));
    struct scene scene = scene_scripted();
    add_mirror(&scene, host_abstract(name));
    REQUIRE(shadow != -1 && scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    CHECK(peer_send_stream(scene.client, 1, 30000) && peer_check_stream(scene.server, 1, 30000));
    CHECK(peer_send_stream(copy, 2, 30000)); /* thrown away */
    CHECK(peer_check_stream(copy, 1, 30000));
    scene_close_fd(&scene.client);
    CHECK(peer_at_end(scene.server) && peer_at_end(copy));
    close(copy);
    end_mirrored(&scene, &shadow);
}

TEST(a_mirror_whose_backend_is_split)
{
    int shadow = peer_listen(16);
    struct scene scene = scene_scripted();
    add_mirror(&scene, host_ipv4(peer_unused_port()));
    host_add_backend(&scene.tenant);
    host_add_endpoint(&scene.tenant, 2, host_ipv4(peer_port(shadow)));
    struct host_backend *split = host_add_backend(&scene.tenant);
    split->record.split_count = 2;
    split->splits[0] = (struct sluice_split_record){.backend = host_backend_id(&scene.tenant, SHADOW), .weight = 0};
    split->splits[1] = (struct sluice_split_record){.backend = host_backend_id(&scene.tenant, 2), .weight = 3};
    scene.tenant.record.mirror_backend = host_backend_id(&scene.tenant, 3);
    REQUIRE(scene_start(&scene, 1) && scene_connect(&scene));
    int copy = peer_accept(shadow);
    check_alive(&scene);
    CHECK(peer_check_stream(copy, 77, 5000));
    close(copy);
    end_mirrored(&scene, &shadow);
}
