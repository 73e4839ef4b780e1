/* SPDX-License-Identifier: MIT
 *
 * What the kernel says of processes and of the machine, from /proc: CPU time, switches, memory.
 */
#ifndef LOAD_WATCH_H
#define LOAD_WATCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WATCH_MAX_PIDS 16

/* A process and its descendants. */
struct family {
    size_t count;
    pid_t pids[WATCH_MAX_PIDS];
};

struct usage {
    uint64_t cpu_ns;   /* of all threads that live */
    uint64_t switches; /* voluntary and involuntary */
};

/* The whole machine since it started; CPU times come in ticks of 10 ms. */
struct machine {
    uint64_t busy_ns;
    uint64_t idle_ns;
    uint64_t steal_ns;
    uint64_t segments; /* TCP segments sent, over all interfaces */
};

struct memory {
    uint64_t pss_bytes;
    uint64_t private_bytes; /* anonymous part of Pss */
};

/* Finds the descendants of `root`. Exits the process when root does not exist. */
void watch_family(pid_t root, struct family *family);

void watch_usage(const struct family *family, struct usage *usage);

void watch_machine(struct machine *machine);

void watch_memory(const struct family *family, struct memory *memory);

/* Unreclaimable slab of the kernel: sockets among others. */
uint64_t watch_slab_bytes(void);

#endif
