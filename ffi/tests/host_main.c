/* SPDX-License-Identifier: MIT
 *
 * The engine as a program without Deno, for perf, strace and a first look: forwards one listener to one endpoint until
 * SIGTERM or SIGINT, then closes what is left and prints what it did.
 *
 *   cc -std=gnu11 -O2 -g -D_GNU_SOURCE= -pthread -Iffi/include -Iffi/src -Iffi/tests $(find ffi/src -name '*.c')
 *      ffi/tests/host.c ffi/tests/host_plan.c ffi/tests/host_main.c -o host
 *   ./host 127.0.0.1:8080 127.0.0.1:9000 1
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"

#define LOG_EVERY_NS 50000000 /* the log is read and thrown away this often */

/* "1.2.3.4:80", "[::1]:80", "unix:/path" or "unix:@name". False when it is none of these. */
static bool parse_address(const char *text, struct host_address *address)
{
    char host[64];
    if (strncmp(text, "unix:", 5) == 0) {
        *address = text[5] == '@' ? host_abstract(text + 6) : host_unix(text + 5);
        return text[5] != '\0' && strlen(text + 5) < sizeof address->path;
    }
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
        return false;
    }
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (colon[1] == '\0' || *end != '\0' || port > 65535) {
        return false;
    }
    bool bracketed = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    size_t length = (size_t)(colon - text) - (bracketed ? 2u : 0u);
    memcpy(host, text + (bracketed ? 1 : 0), length);
    host[length] = '\0';
    *address = bracketed ? host_ipv6((uint32_t)port) : host_ipv4((uint32_t)port);
    return inet_pton(bracketed ? AF_INET6 : AF_INET, host, address->address.ip) == 1;
}

static int usage(void)
{
    fprintf(stderr, "usage: host LISTEN ENDPOINT [WORKERS]\n"
                    "  addresses: 127.0.0.1:8080  [::1]:8080  unix:/path  unix:@name; port 0 lets the kernel choose\n");
    return 2;
}

static void wait_for_signal(struct host *host)
{
    sigset_t signals;
    struct timespec every = {.tv_nsec = LOG_EVERY_NS};
    static uint8_t buffer[65536];
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    while (sigtimedwait(&signals, NULL, &every) == -1 && (errno == EAGAIN || errno == EINTR)) {
        while (sluice_log_drain(host->engine, buffer, sizeof buffer) > 0) {
        }
    }
}

int main(int argc, char **argv)
{
    struct host_address listen_on;
    struct host_address endpoint;
    char *end = NULL;
    unsigned long workers = argc > 3 ? strtoul(argv[3], &end, 10) : 1;
    if (argc < 3 || argc > 4 || !parse_address(argv[1], &listen_on) || !parse_address(argv[2], &endpoint) ||
        (end != NULL && *end != '\0') || workers == 0 || workers > SLUICE_MAX_WORKERS) {
        return usage();
    }
    struct host_tenant tenant = host_tenant(1);
    host_add_backend(&tenant);
    host_add_endpoint(&tenant, 0, endpoint);
    host_add_listener(&tenant, listen_on, 0);

    /* Before the workers start, so that they inherit the mask and the signals wait for sigtimedwait. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    struct host host;
    if (host_open(&host, (uint32_t)workers, &tenant, 1) != SLUICE_OK) {
        fprintf(stderr, "host: %s\n", host.error.message);
        host_close(&host);
        return 1;
    }
    printf("listening on port %" PRIu32 ", %lu workers\n", host_port(&host, host_listener_id(&tenant, 0)), workers);
    fflush(stdout);
    wait_for_signal(&host);

    sluice_engine_stop(host.engine);
    struct sluice_tenant_stats stats = host_tenant_stats(&host, 1);
    printf("%" PRIu64 " sessions, %" PRIu64 " bytes up, %" PRIu64 " bytes down\n", stats.sessions_total, stats.bytes_up,
           stats.bytes_down);
    sluice_engine_destroy(host.engine);
    return 0;
}
