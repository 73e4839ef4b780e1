/* SPDX-License-Identifier: MIT
 *
 * A storm of clients against an engine before echo servers: threads that connect, talk and go in several ways, and
 * gauges of how many were inside at once. Used by the engine's tests of limits.
 */
#ifndef SLUICE_TESTS_STORM_H
#define SLUICE_TESTS_STORM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define STORM_MOST_THREADS 64u
#define STORM_MOST_SOURCES 16u

/* How clients go. */
#define STORM_CLOSE 1u
#define STORM_RESET 2u
#define STORM_HALF_CLOSE 4u /* and wait for the other half */
#define STORM_VANISH 8u     /* at once, or before they read an answer: these count nowhere but in `vanished` */

/* How many were inside at once: from the first echo until they begin to go, when their sessions are certainly alive. */
struct storm_gauge {
    atomic_uint inside;
    atomic_uint most;
};

struct storm {
    uint32_t port;
    unsigned threads;
    unsigned rounds;  /* clients of each thread */
    unsigned sources; /* addresses they come from: 127.1.0.1 and so on; 0: all from 127.0.0.1 */
    unsigned ways;    /* STORM_*, each as likely */
    uint64_t seed;

    atomic_uint in; /* clients that were served */
    atomic_uint out;
    atomic_uint vanished;
    atomic_uint lost; /* that could not even connect */
    struct storm_gauge all;
    struct storm_gauge by_source[STORM_MOST_SOURCES];
};

/* Runs it to its end. False when threads cannot be started. */
bool storm_run(struct storm *storm);

/* The same while the caller does something else: it asks from time to time whether the storm is over, which joins the
 * thread. */
bool storm_start(struct storm *storm, pthread_t *thread);
bool storm_is_over(pthread_t thread);

/* The last three bytes of a source's address, for peer_connect_from. */
uint32_t storm_source(unsigned number);

#endif
