/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <getopt.h>
#include <sched.h>
#include <string.h>

#include "fail.h"

static const char usage[] =
    "usage: load backend --size BYTES [--prefix FILE --prefix-size BYTES]\n"
    "       load short|rr --port N --size BYTES --count OPS [--warmup OPS] [--rate OPS_PER_S] [--concurrency N]\n"
    "                     [--client-closes] [--storm] [--prefix FILE --prefix-size BYTES] [--watch NAME=PID]...\n"
    "       load up|down  --port N --count BYTES [--warmup BYTES] [--rate BYTES_PER_S] [--concurrency N]\n"
    "                     [--watch NAME=PID]...\n"
    "       load idle     --port N --size BYTES --levels N,N,... [--watch NAME=PID]...\n"
    "       load gauge-up|gauge-down --endpoint PORT --port N... --limit BYTES_PER_S --time MS [--settle MS] [--each]\n"
    "                     [--concurrency N] [--idle N] [--silence BYTES,MS] [--cpu N]... [--watch NAME=PID]...\n";

static const struct option long_options[] = {
    {"port", required_argument, NULL, 'p'},
    {"size", required_argument, NULL, 's'},
    {"count", required_argument, NULL, 'n'},
    {"warmup", required_argument, NULL, 'u'},
    {"rate", required_argument, NULL, 'r'},
    {"concurrency", required_argument, NULL, 'c'},
    {"client-closes", no_argument, NULL, 'x'},
    {"watch", required_argument, NULL, 'w'},
    {"levels", required_argument, NULL, 'l'},
    {"endpoint", required_argument, NULL, 'e'},
    {"limit", required_argument, NULL, 'L'},
    {"time", required_argument, NULL, 't'},
    {"settle", required_argument, NULL, 'S'},
    {"each", no_argument, NULL, 'E'},
    {"idle", required_argument, NULL, 'i'},
    {"silence", required_argument, NULL, 'q'},
    {"cpu", required_argument, NULL, 'C'},
    {"storm", no_argument, NULL, 'T'},
    {"prefix", required_argument, NULL, 'P'},
    {"prefix-size", required_argument, NULL, 'Z'},
    {NULL, 0, NULL, 0},
};

static uint64_t read_number(const char *what, const char *text, uint64_t least, uint64_t most)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < least || value > most)
        fail_usage(what, "a whole number in its range", text);
    return value;
}

static void read_watched(struct options *options, char *text)
{
    char *separator = strchr(text, '=');
    if (separator == NULL || options->watched_count == OPTIONS_MAX_WATCHED)
        fail_usage("--watch", "NAME=PID, at most four times", text);
    *separator = '\0';
    struct watched *watched = &options->watched[options->watched_count++];
    watched->name = text;
    watched->pid = (pid_t)read_number("the pid of --watch", separator + 1, 1, INT32_MAX);
}

static void read_levels(struct options *options, char *text)
{
    for (char *item = strtok(text, ","); item != NULL; item = strtok(NULL, ",")) {
        if (options->level_count == OPTIONS_MAX_LEVELS)
            fail_usage("--levels", "at most eight numbers", item);
        uint32_t level = (uint32_t)read_number("--levels", item, 0, 60000);
        if (options->level_count > 0 && level < options->levels[options->level_count - 1])
            fail_usage("--levels", "rising", item);
        options->levels[options->level_count++] = level;
    }
}

static void read_port(struct options *options, const char *text)
{
    if (options->port_count == OPTIONS_MAX_PORTS)
        fail_usage("--port", "given at most sixteen times", text);
    options->ports[options->port_count++] = (uint16_t)read_number("--port", text, 1, UINT16_MAX);
    options->port = options->ports[0];
}

static void read_silence(struct options *options, char *text)
{
    char *separator = strchr(text, ',');
    if (separator == NULL)
        fail_usage("--silence", "BYTES,MS", text);
    *separator = '\0';
    options->silent_from = read_number("the bytes of --silence", text, 1, UINT64_MAX / 8);
    options->silent_ms = read_number("the time of --silence", separator + 1, 1, 3600000);
}

static enum mode read_mode(const char *word)
{
    static const char *const names[] = {[MODE_BACKEND] = "backend",
                                        [MODE_SHORT] = "short",
                                        [MODE_RR] = "rr",
                                        [MODE_UP] = "up",
                                        [MODE_DOWN] = "down",
                                        [MODE_IDLE] = "idle",
                                        [MODE_GAUGE_UP] = "gauge-up",
                                        [MODE_GAUGE_DOWN] = "gauge-down"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(word, names[i]) == 0)
            return (enum mode)i;
    }
    fail_usage("the mode", "backend, short, rr, up, down, idle, gauge-up or gauge-down", word);
}

void options_read(struct options *options, int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage, stderr);
        exit(2);
    }
    *options = (struct options){.mode = read_mode(argv[1]), .size = 64, .concurrency = 1};
    const char *prefix = NULL;
    size_t prefix_size = 0;
    int letter;
    while ((letter = getopt_long(argc - 1, argv + 1, "", long_options, NULL)) != -1) {
        switch (letter) {
        case 'p':
            read_port(options, optarg);
            break;
        case 's':
            options->size = (size_t)read_number("--size", optarg, 1, 65536);
            break;
        case 'n':
            options->count = read_number("--count", optarg, 1, UINT64_MAX / 2);
            break;
        case 'u':
            options->warmup = read_number("--warmup", optarg, 0, UINT64_MAX / 2);
            break;
        case 'r':
            options->rate_per_s = (double)read_number("--rate", optarg, 0, UINT64_MAX / 2);
            break;
        case 'c':
            options->concurrency = (uint32_t)read_number("--concurrency", optarg, 1, 20000);
            break;
        case 'x':
            options->client_closes = true;
            break;
        case 'w':
            read_watched(options, optarg);
            break;
        case 'l':
            read_levels(options, optarg);
            break;
        case 'e':
            options->endpoint = (uint16_t)read_number("--endpoint", optarg, 1, UINT16_MAX);
            break;
        case 'L':
            options->limit_per_s = read_number("--limit", optarg, 1, UINT64_MAX / 2);
            break;
        case 't':
            options->time_ms = read_number("--time", optarg, 1, 3600000);
            break;
        case 'S':
            options->settle_ms = read_number("--settle", optarg, 0, 3600000);
            break;
        case 'E':
            options->each = true;
            break;
        case 'i':
            options->idle = read_number("--idle", optarg, 0, 20000);
            break;
        case 'C':
            if (options->cpu_count == OPTIONS_MAX_CPUS)
                fail_usage("--cpu", "given at most four times", optarg);
            options->cpus[options->cpu_count++] = (int)read_number("--cpu", optarg, 0, CPU_SETSIZE - 1);
            break;
        case 'T':
            options->storm = true;
            break;
        case 'P':
            prefix = optarg;
            break;
        case 'Z':
            prefix_size = (size_t)read_number("--prefix-size", optarg, 1, PREFIX_MOST_BYTES);
            break;
        case 'q':
            read_silence(options, optarg);
            break;
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (prefix != NULL)
        prefixes_read(&options->prefixes, prefix, prefix_size);
    if (options->mode == MODE_BACKEND)
        return;
    if (options->port == 0)
        fail_usage("--port", "given", "none");
    bool gauge = options->mode == MODE_GAUGE_UP || options->mode == MODE_GAUGE_DOWN;
    if (gauge && (options->endpoint == 0 || options->limit_per_s == 0 || options->time_ms == 0))
        fail_usage("--endpoint, --limit and --time", "given", "none");
    if (!gauge && (options->mode == MODE_IDLE ? options->level_count == 0 : options->count == 0))
        fail_usage("--count (idle: --levels)", "given", "none");
}
