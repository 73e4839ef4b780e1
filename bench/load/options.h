/* SPDX-License-Identifier: MIT
 *
 * The command line.
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "prefix.h"

#define OPTIONS_MAX_WATCHED 4
#define OPTIONS_MAX_LEVELS 8
#define OPTIONS_MAX_PORTS 16
#define OPTIONS_MAX_CPUS 4

enum mode { MODE_BACKEND, MODE_SHORT, MODE_RR, MODE_UP, MODE_DOWN, MODE_IDLE, MODE_GAUGE_UP, MODE_GAUGE_DOWN };

/* A process to account for, with all its descendants. */
struct watched {
    const char *name;
    pid_t pid;
};

struct options {
    enum mode mode;
    uint16_t port;            /* where to connect: the first of ports */
    size_t size;              /* bytes of a request and of its answer */
    uint64_t count;           /* operations; bytes for up and down */
    uint64_t warmup;          /* the same, before measuring */
    double rate_per_s;        /* operations, or bytes for up and down, of all connections together; 0: closed loop */
    uint32_t concurrency;     /* connections at a time */
    bool client_closes;       /* short: the client closes first */
    bool storm;               /* short: connections may be refused, as many as there are */
    struct prefixes prefixes; /* short, rr: sent first; backend: what arrives first */
    size_t watched_count;
    struct watched watched[OPTIONS_MAX_WATCHED];
    size_t level_count;
    uint32_t levels[OPTIONS_MAX_LEVELS]; /* idle: how many connections to hold, rising */
    size_t port_count;
    uint16_t ports[OPTIONS_MAX_PORTS]; /* gauge: so many connections to each */
    uint16_t endpoint;                 /* gauge: where the proxy connects to, here */
    uint64_t limit_per_s;              /* gauge: what should come through */
    bool each;                         /* gauge: of each connection, not of all to a port */
    uint64_t settle_ms;                /* gauge: before looking */
    uint64_t time_ms;                  /* gauge: looking */
    uint64_t idle;                     /* gauge: connections to the first port that rest */
    uint64_t silent_from;              /* gauge: bytes after which a source falls silent; 0: it does not */
    uint64_t silent_ms;
    size_t cpu_count;
    int cpus[OPTIONS_MAX_CPUS]; /* gauge: whose pauses are watched */
};

/* Reads the command line; on a wrong one ends the process with a sentence and exit code 2. */
void options_read(struct options *options, int argc, char **argv);

#endif
