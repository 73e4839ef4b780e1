/* SPDX-License-Identifier: MIT
 * The table of sources. Called by core/apply and core/engine on the control thread. */
#define _GNU_SOURCE
#include "core/sources.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "core/engine.h"

#define PLACES_A_SESSION 4u /* sources that have gone leave a debt; and few buckets may be full of live ones */
#define LEAST_BUCKETS 1024u
#define MOST_BUCKETS (UINT32_C(1) << 17)

/* Sessions that all workers' file tables have room for. */
static uint64_t most_sessions(uint32_t workers)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur > UINT32_MAX) {
        return UINT64_MAX / PLACES_A_SESSION;
    }
    return limit.rlim_cur / 2 * workers;
}

int sources_open(struct sluice_engine *engine)
{
    if (engine->sources_memory != NULL) {
        return 0;
    }
    uint64_t wanted = most_sessions(engine->worker_count) * PLACES_A_SESSION / SOURCE_TABLE_WAYS;
    uint32_t buckets = LEAST_BUCKETS;
    while (buckets < wanted && buckets < MOST_BUCKETS) {
        buckets *= 2;
    }
    uint64_t seed[2];
    if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        return -errno;
    }
    /* The kernel gives pages when they are first written to: a table that nobody comes to costs nothing. */
    uint64_t bytes = source_table_bytes(buckets);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return -errno;
    }
    engine->sources_memory = memory;
    engine->sources_bytes = bytes;
    source_table_init(&engine->sources, memory, buckets, seed);
    /* Pairs with the acquire of path/admit. */
    atomic_store_explicit(&engine->process.sources, &engine->sources, memory_order_release);
    return 0;
}

void sources_close(struct sluice_engine *engine)
{
    if (engine->sources_memory != NULL) {
        munmap(engine->sources_memory, engine->sources_bytes);
        engine->sources_memory = NULL;
    }
}
