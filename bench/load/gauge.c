/* SPDX-License-Identifier: MIT
 *
 * A stream is a connection of the client. Down: the endpoint sends, the stream receives. Up: the other way round; what
 * arrives is told by the endpoint's sink. What is limited is a group of streams: those of a port, or each by itself.
 */
#include "gauge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "backend_bulk.h"
#include "clock.h"
#include "fail.h"
#include "flow.h"
#include "net.h"
#include "pauses.h"
#include "phase.h"
#include "windows.h"

#define ENDLESS (UINT64_MAX / 4)
#define IDLE_BYTES 64 /* an idle stream has moved so many, and then rests */
#define LONG_WINDOW_MS 1000
#define SHORT_WINDOW_MS 100

struct gauge;

struct stream {
    struct watcher watcher;
    struct gauge *gauge;
    struct flow_source source;
    struct flow_sink sink;
    struct windows *group;
    uint64_t settled_bytes; /* that arrived after the start of the windows */
    bool active;
};

struct gauge {
    struct loop *loop;
    const struct options *options;
    struct stream *streams;
    uint64_t stream_count;
    struct windows *groups;
    uint64_t group_count;
    struct bulk_backend bulk;
    struct backend_count count;
    struct watcher listener;
    uint64_t settled_ns;
    uint64_t end_ns;
    uint64_t broken;
};

static void arrived(struct gauge *gauge, struct stream *stream, uint64_t bytes)
{
    uint64_t now_ns = clock_now_ns();
    windows_add(stream->group, now_ns, bytes);
    if (now_ns >= gauge->settled_ns && now_ns < gauge->end_ns)
        stream->settled_bytes += bytes;
}

static void on_bytes(struct bulk_backend *bulk, uint64_t number, uint64_t bytes)
{
    struct gauge *gauge = (struct gauge *)((char *)bulk - offsetof(struct gauge, bulk));
    if (number < gauge->stream_count && gauge->streams[number].active)
        arrived(gauge, &gauge->streams[number], bytes);
}

static void push(struct stream *stream)
{
    if (flow_send(&stream->source, stream->watcher.fd, clock_now_ns()) == FLOW_BROKEN)
        stream->gauge->broken++;
}

static void on_event(struct watcher *watcher, uint32_t events)
{
    struct stream *stream = (struct stream *)watcher;
    if (stream->gauge->options->mode == MODE_GAUGE_UP) {
        stream->source.blocked = (events & EPOLLOUT) == 0;
        push(stream);
        return;
    }
    uint64_t before = stream->sink.received_bytes;
    enum flow_state state = flow_receive(&stream->sink, stream->watcher.fd);
    if (stream->active)
        arrived(stream->gauge, stream, stream->sink.received_bytes - before);
    if (state == FLOW_BROKEN || stream->sink.damaged)
        stream->gauge->broken++;
}

static void on_listener(struct watcher *watcher, uint32_t events)
{
    (void)events;
    struct gauge *gauge = (struct gauge *)((char *)watcher - offsetof(struct gauge, listener));
    int fd = net_accept(watcher->fd);
    if (fd >= 0)
        bulk_backend_accept(&gauge->bulk, fd);
}

static struct windows *group_of(struct gauge *gauge, uint64_t number)
{
    const struct options *options = gauge->options;
    return &gauge->groups[options->each ? number : number / options->concurrency];
}

static void start(struct gauge *gauge, struct stream *stream, uint64_t number, uint16_t port)
{
    const struct options *options = gauge->options;
    bool up = options->mode == MODE_GAUGE_UP;
    struct flow_header header = {.magic = FLOW_MAGIC,
                                 .direction = up ? FLOW_UP : FLOW_DOWN,
                                 .total_bytes = stream->active ? ENDLESS : IDLE_BYTES,
                                 .silent_from = options->silent_from,
                                 .silent_ns = options->silent_ms * NS_PER_MS,
                                 .number = number};
    int fd = flow_open(&header, port);
    if (fd < 0) {
        errno = -fd;
        fail_errno("connect through the proxy");
    }
    stream->watcher = (struct watcher){.fd = fd, .on_event = on_event};
    stream->source = flow_source_of(&header, clock_now_ns());
    /* More than it will get: the last byte of an idle stream is no end. */
    stream->sink.total_bytes = ENDLESS;
    loop_watch(gauge->loop, &stream->watcher, up ? LOOP_CONNECTION : EPOLLIN);
}

static void turn(struct gauge *gauge, uint64_t until_ns)
{
    uint64_t due_ns = bulk_backend_push(&gauge->bulk, clock_now_ns());
    for (uint64_t i = 0; gauge->options->mode == MODE_GAUGE_UP && i < gauge->stream_count; i++) {
        struct flow_source *source = &gauge->streams[i].source;
        if (flow_due(source) <= clock_now_ns())
            push(&gauge->streams[i]);
        if (flow_due(source) < due_ns)
            due_ns = flow_due(source);
    }
    loop_turn(gauge->loop, due_ns < until_ns ? due_ns : until_ns);
}

static void run_until(struct gauge *gauge, uint64_t until_ns)
{
    while (clock_now_ns() < until_ns && gauge->broken == 0)
        turn(gauge, until_ns);
}

static void open_groups(struct gauge *gauge, uint64_t start_ns)
{
    const struct options *options = gauge->options;
    for (uint64_t i = 0; i < gauge->group_count; i++) {
        struct windows *group = &gauge->groups[i];
        windows_open(group, (double)options->limit_per_s, start_ns, gauge->settled_ns, gauge->end_ns);
        group->silence_ns = options->silent_ms * NS_PER_MS / 2;
    }
}

static void start_all(struct gauge *gauge)
{
    const struct options *options = gauge->options;
    uint64_t active = options->port_count * options->concurrency;
    for (uint64_t i = active; i < gauge->stream_count; i++)
        start(gauge, &gauge->streams[i], i, options->ports[0]);
    for (uint64_t i = 0; i < active; i++) {
        gauge->streams[i].active = true;
        gauge->streams[i].group = group_of(gauge, i);
        start(gauge, &gauge->streams[i], i, options->ports[i / options->concurrency]);
    }
}

static void print_deviation(const struct windows *group, uint64_t length_ms)
{
    struct deviation deviation = windows_deviation(group, length_ms);
    printf("{\"least\":%.6f,\"most\":%.6f,\"p99\":%.6f,\"median\":%.6f,\"beyond\":%.6f,\"all_most\":%.6f,\"left_out\":%"
           ".4f}",
           deviation.least, deviation.most, deviation.p99, deviation.median, deviation.beyond, deviation.all_most,
           (double)deviation.left_out / (double)(deviation.left_out + deviation.count));
}

static void print_groups(const struct gauge *gauge)
{
    double seconds = (double)(gauge->end_ns - gauge->settled_ns) / (double)NS_PER_S;
    printf("\"groups\":[");
    for (uint64_t i = 0; i < gauge->group_count; i++) {
        const struct windows *group = &gauge->groups[i];
        printf("%s{\"per_s\":%.3f,\"burst\":%.0f,\"burst_before\":%.0f,\"long\":", i == 0 ? "" : ",",
               (double)group->settled_total / seconds, group->excess, group->excess_before);
        print_deviation(group, LONG_WINDOW_MS);
        printf(",\"short\":");
        print_deviation(group, SHORT_WINDOW_MS);
        printf("}");
    }
    printf("]");
}

/* Jain's index: 1 when all active streams got the same. */
static double fairness(const struct gauge *gauge)
{
    double sum = 0;
    double squares = 0;
    double count = 0;
    for (uint64_t i = 0; i < gauge->stream_count; i++) {
        if (!gauge->streams[i].active)
            continue;
        double bytes = (double)gauge->streams[i].settled_bytes;
        sum += bytes;
        squares += bytes * bytes;
        count++;
    }
    return squares > 0 ? sum * sum / (count * squares) : 0;
}

int gauge_run(struct loop *loop, const struct options *options)
{
    static struct gauge gauge;
    static struct phase phase;
    uint64_t active = options->port_count * options->concurrency;
    uint16_t endpoint = options->endpoint;
    gauge = (struct gauge){.loop = loop, .options = options, .stream_count = active + options->idle};
    gauge.group_count = options->each ? active : options->port_count;
    gauge.streams = allocate(gauge.stream_count, sizeof(*gauge.streams));
    gauge.groups = allocate(gauge.group_count, sizeof(*gauge.groups));
    bulk_backend_open(&gauge.bulk, loop, &gauge.count);
    gauge.bulk.on_bytes = on_bytes;
    gauge.listener = (struct watcher){.fd = net_listen(&endpoint), .on_event = on_listener};
    loop_watch(loop, &gauge.listener, EPOLLIN);
    for (uint64_t i = 0; i < gauge.stream_count; i++)
        gauge.streams[i].gauge = &gauge;
    pauses_watch(options->cpus, options->cpu_count);
    phase_open(&phase, options);
    uint64_t start_ns = clock_now_ns();
    gauge.settled_ns = start_ns + options->settle_ms * NS_PER_MS;
    gauge.end_ns = gauge.settled_ns + options->time_ms * NS_PER_MS;
    open_groups(&gauge, start_ns);
    start_all(&gauge);
    run_until(&gauge, gauge.settled_ns);
    phase_mark(&phase, 0);
    run_until(&gauge, gauge.end_ns);
    phase_mark(&phase, 1);
    printf("{\"limit\":%" PRIu64 ",\"streams\":%" PRIu64 ",\"broken\":%" PRIu64 ",\"fairness\":%.6f,",
           options->limit_per_s, active, gauge.broken, fairness(&gauge));
    print_groups(&gauge);
    printf(",\"pauses\":{\"count\":%" PRIu64 ",\"longest_ns\":%" PRIu64 "}", pauses_count(), pauses_longest_ns());
    phase_print_costs(&phase);
    printf("}\n");
    return gauge.broken == 0 ? 0 : 1;
}
