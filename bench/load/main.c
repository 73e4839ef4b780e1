/* SPDX-License-Identifier: MIT
 *
 * The load generator of the benchmarks, and the backend that it talks to: two processes of one program. Prints JSON.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "backend.h"
#include "bulk.h"
#include "exchange.h"
#include "gauge.h"
#include "idle.h"
#include "loop.h"
#include "options.h"
#include "pattern.h"
#include "phase.h"

static struct exchange_client *exchanges;

static void work(struct loop *loop, const struct options *options, uint64_t count, struct tally *tally)
{
    if (count == 0)
        return;
    if (options->mode == MODE_UP || options->mode == MODE_DOWN)
        bulk_run(loop, options, count, tally);
    else
        exchange_run(exchanges, count, tally);
}

static int measure(struct loop *loop, const struct options *options)
{
    static struct tally warmup;
    static struct tally tally;
    static struct phase phase;
    if (options->mode == MODE_SHORT || options->mode == MODE_RR)
        exchanges = exchange_open(loop, options);
    phase_open(&phase, options);
    if (options->mode == MODE_RR)
        exchange_fill(exchanges, &warmup);
    work(loop, options, options->warmup, &warmup);
    phase_begin(&phase, loop);
    work(loop, options, options->count, &tally);
    phase_end(&phase, loop);
    phase_print(&phase, &tally, &warmup);
    return tally_failed(&tally) + tally_failed(&warmup) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options;
    struct loop loop;
    options_read(&options, argc, argv);
    pattern_make();
    loop_open(&loop);
    signal(SIGPIPE, SIG_IGN);
    switch (options.mode) {
    case MODE_BACKEND:
        backend_run(&loop, options.size, &options.prefixes);
        return 0;
    case MODE_IDLE:
        return idle_run(&loop, &options);
    case MODE_GAUGE_UP:
    case MODE_GAUGE_DOWN:
        return gauge_run(&loop, &options);
    case MODE_SHORT:
    case MODE_RR:
    case MODE_UP:
    case MODE_DOWN:
        return measure(&loop, &options);
    }
    return 1;
}
