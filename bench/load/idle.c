/* SPDX-License-Identifier: MIT
 *
 * Each connection asks once, so that it stands on both sides of the proxy, and then stays.
 */
#include "idle.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "exchange.h"
#include "fail.h"
#include "watch.h"

/* What was used to open the connections is given back by then. */
#define REST_NS (2 * NS_PER_S)

static void print_level(const struct options *options, uint32_t level)
{
    printf("{\"connections\":%u,\"slab_bytes\":%" PRIu64, level, watch_slab_bytes());
    for (size_t i = 0; i < options->watched_count; i++) {
        struct family family;
        struct memory memory;
        watch_family(options->watched[i].pid, &family);
        watch_memory(&family, &memory);
        printf(",\"%s\":{\"pss_bytes\":%" PRIu64 ",\"private_bytes\":%" PRIu64 "}", options->watched[i].name,
               memory.pss_bytes, memory.private_bytes);
    }
    printf("}\n");
    fflush(stdout);
}

static int open_level(struct loop *loop, const struct options *options, uint32_t more)
{
    static struct tally tally;
    struct options *level = allocate(1, sizeof(*level)); /* stays with its client */
    *level = *options;
    level->mode = MODE_RR;
    level->concurrency = more;
    tally = (struct tally){0};
    exchange_fill(exchange_open(loop, level), &tally);
    if (tally.done == more)
        return 0;
    fprintf(stderr, "load: cannot hold %u more connections: %" PRIu64 " of them were answered\n", more, tally.done);
    return 1;
}

int idle_run(struct loop *loop, const struct options *options)
{
    uint32_t held = 0;
    for (size_t i = 0; i < options->level_count; i++) {
        uint32_t more = options->levels[i] - held;
        if (more > 0 && open_level(loop, options, more) != 0)
            return 1;
        held = options->levels[i];
        uint64_t until_ns = clock_now_ns() + REST_NS;
        while (clock_now_ns() < until_ns)
            loop_turn(loop, until_ns);
        print_level(options, held);
    }
    return 0;
}
