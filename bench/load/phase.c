/* SPDX-License-Identifier: MIT */
#include "phase.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"

/* Long enough for closes to travel through both connections, and for the tasks to sleep. */
#define REST_NS (30 * NS_PER_MS)

static void rest(struct loop *loop)
{
    uint64_t until_ns = clock_now_ns() + REST_NS;
    while (clock_now_ns() < until_ns)
        loop_turn(loop, until_ns);
}

static void read_counters(struct phase *phase, size_t moment)
{
    watch_machine(&phase->machine[moment]);
    watch_usage(&phase->self_family, &phase->self[moment]);
    for (size_t i = 0; i < phase->options->watched_count; i++)
        watch_usage(&phase->families[i], &phase->watched[i][moment]);
}

void phase_open(struct phase *phase, const struct options *options)
{
    *phase = (struct phase){.options = options};
    watch_family(getpid(), &phase->self_family);
    for (size_t i = 0; i < options->watched_count; i++)
        watch_family(options->watched[i].pid, &phase->families[i]);
}

void phase_mark(struct phase *phase, size_t moment)
{
    read_counters(phase, moment);
    if (moment == 0)
        phase->start_ns = clock_now_ns();
    else
        phase->stop_ns = clock_now_ns();
}

void phase_begin(struct phase *phase, struct loop *loop)
{
    rest(loop);
    read_counters(phase, 0);
    phase->start_ns = clock_now_ns();
}

void phase_end(struct phase *phase, struct loop *loop)
{
    phase->stop_ns = clock_now_ns();
    rest(loop);
    read_counters(phase, 1);
}

static void print_usage(const char *name, const struct usage *usage)
{
    printf(",\"%s\":{\"cpu_ns\":%" PRIu64 ",\"switches\":%" PRIu64 "}", name, usage[1].cpu_ns - usage[0].cpu_ns,
           usage[1].switches - usage[0].switches);
}

static void print_latency(const struct histogram *latency)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}};
    printf(",\"latency_ns\":{");
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        printf("%s\"%s\":%" PRIu64, i > 0 ? "," : "", points[i].name, histogram_at(latency, points[i].share));
    printf("}");
}

void phase_print_costs(const struct phase *phase)
{
    const struct machine *machine = phase->machine;
    printf(",\"machine\":{\"busy_ns\":%" PRIu64 ",\"idle_ns\":%" PRIu64 ",\"steal_ns\":%" PRIu64
           ",\"segments\":%" PRIu64 "}",
           machine[1].busy_ns - machine[0].busy_ns, machine[1].idle_ns - machine[0].idle_ns,
           machine[1].steal_ns - machine[0].steal_ns, machine[1].segments - machine[0].segments);
    print_usage("load", phase->self);
    for (size_t i = 0; i < phase->options->watched_count; i++)
        print_usage(phase->options->watched[i].name, phase->watched[i]);
}

void phase_print(const struct phase *phase, const struct tally *tally, const struct tally *before)
{
    printf("{\"done\":%" PRIu64 ",\"seconds\":%.6f", tally->done,
           (double)(phase->stop_ns - phase->start_ns) / (double)NS_PER_S);
    printf(",\"bytes_up\":%" PRIu64 ",\"bytes_down\":%" PRIu64, tally->bytes_up, tally->bytes_down);
    printf(",\"total_bytes_up\":%" PRIu64 ",\"total_bytes_down\":%" PRIu64, tally->bytes_up + before->bytes_up,
           tally->bytes_down + before->bytes_down);
    printf(",\"failed\":{\"warmup\":%" PRIu64 ",\"connect\":%" PRIu64 ",\"io\":%" PRIu64 ",\"early\":%" PRIu64
           ",\"mismatch\":%" PRIu64 ",\"late\":%" PRIu64 "}",
           tally_failed(before), tally->failed_connect, tally->failed_io, tally->failed_early, tally->failed_mismatch,
           tally->failed_late);
    print_latency(&tally->latency);
    phase_print_costs(phase);
    printf("}\n");
}
