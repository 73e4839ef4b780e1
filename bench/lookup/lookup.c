/* SPDX-License-Identifier: MIT
 *
 * What it takes to find a route: reading a ClientHello, and the look-up of its name. Built from the library's own
 * sources and called by routing_lookup.ts with a file of hellos of one size, one for each name, and the names as a file
 * of lines. Prints a line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/routes.h"

#define LISTENER 1u
#define LOOK_UPS 1000000u
#define STRIDE 7919u /* neighbours in time are none in memory */

struct file {
    char *bytes;
    size_t size;
};

static void __attribute__((noreturn)) fail(const char *what)
{
    fprintf(stderr, "lookup: cannot measure: %s\n", what);
    exit(1);
}

static struct file read_file(const char *path)
{
    struct file file = {0};
    FILE *from = fopen(path, "rb");
    if (from == NULL || fseek(from, 0, SEEK_END) != 0) {
        fail(path);
    }
    file.size = (size_t)ftell(from);
    file.bytes = malloc(file.size + 1);
    rewind(from);
    if (file.bytes == NULL || fread(file.bytes, 1, file.size, from) != file.size) {
        fail(path);
    }
    file.bytes[file.size] = '\0';
    fclose(from);
    return file;
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* A route for each name, in force. */
static struct route_table *table_of(struct tenant *tenant, char *names, uint32_t count)
{
    struct route_table *table = routes_new();
    struct route_change change = {0};
    struct route *routes = calloc(count, sizeof(*routes));
    struct route_text *texts = calloc(count, sizeof(*texts));
    if (table == NULL || routes == NULL || texts == NULL) {
        fail("no memory");
    }
    char *rest = NULL;
    uint32_t filled = 0;
    for (char *name = strtok_r(names, "\n", &rest); name != NULL; name = strtok_r(NULL, "\n", &rest)) {
        texts[filled] = (struct route_text){.bytes = name, .length = (uint32_t)strlen(name)};
        routes[filled] = (struct route){
            .id = filled + 1, .listener = LISTENER, .tenant = tenant, .names = &texts[filled], .name_count = 1};
        filled++;
    }
    tenant->routes = routes;
    tenant->route_count = filled;
    if (filled != count || routes_prepare(table, &change, NULL, tenant) != 0) {
        fail("as many names as hellos");
    }
    routes_commit(table, &change);
    routes_settle(&change);
    return table;
}

int main(int argc, char **argv)
{
    static struct tenant tenant;
    static struct client_hello hello;
    if (argc != 4) {
        fail("usage: lookup HELLOS SIZE NAMES");
    }
    struct file hellos = read_file(argv[1]);
    struct file names = read_file(argv[3]);
    uint32_t size = (uint32_t)atoi(argv[2]);
    uint32_t count = (uint32_t)(hellos.size / size);
    struct route_table *table = table_of(&tenant, names.bytes, count);
    const struct route_request request = {
        .listener = LISTENER, .family = SLUICE_FAMILY_IPV4, .ip = (const uint8_t[16]){127, 0, 0, 1}, .hello = &hello};
    double read_ns = 0;
    double both_ns = 0;
    uint32_t found = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        double start_ns = now_ns();
        for (uint32_t i = 0; i < LOOK_UPS; i++) {
            const char *bytes = hellos.bytes + (size_t)(i * (uint64_t)STRIDE % count) * size;
            hello.progress = (struct client_hello_progress){0};
            if (client_hello_read((const uint8_t *)bytes, size, &hello) != CLIENT_HELLO_DONE) {
                fail("a hello is none");
            }
            found += pass == 1 && route_find(table, &request) != NULL;
        }
        *(pass == 0 ? &read_ns : &both_ns) = (now_ns() - start_ns) / LOOK_UPS;
    }
    if (found != LOOK_UPS) {
        fail("every name has a route");
    }
    printf("{\"routes\":%u,\"hello_ns\":%.1f,\"find_ns\":%.1f}\n", count, read_ns, both_ns - read_ns);
    return 0;
}
