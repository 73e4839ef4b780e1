/* SPDX-License-Identifier: MIT */
#include "windows.h"

#include "fail.h"
#include "pauses.h"

#define TOLERANCE 0.05

void windows_open(struct windows *windows, double rate_per_s, uint64_t start_ns, uint64_t settled_ns, uint64_t end_ns)
{
    *windows = (struct windows){.rate_per_s = rate_per_s,
                                .start_ns = start_ns,
                                .settled_ns = settled_ns,
                                .end_ns = end_ns,
                                .count = (end_ns - start_ns) / WINDOWS_BIN_NS};
    windows->bins = allocate(windows->count + 1, sizeof(*windows->bins));
}

static void watch_burst(struct windows *windows, uint64_t now_ns, uint64_t amount)
{
    if (windows->silence_ns > 0 && windows->first_ns > 0 && now_ns - windows->last_ns > windows->silence_ns) {
        windows->excess_before = windows->excess;
        windows->excess = 0;
        windows->since_first = 0;
        windows->first_ns = 0;
    }
    windows->first_ns = windows->first_ns > 0 ? windows->first_ns : now_ns;
    windows->last_ns = now_ns;
    windows->since_first += amount;
    double due = windows->rate_per_s * (double)(now_ns - windows->first_ns) / (double)NS_PER_S;
    double excess = (double)windows->since_first - due;
    if (excess > windows->excess)
        windows->excess = excess;
}

void windows_add(struct windows *windows, uint64_t now_ns, uint64_t amount)
{
    if (amount == 0 || now_ns < windows->start_ns)
        return;
    watch_burst(windows, now_ns, amount);
    uint64_t bin = (now_ns - windows->start_ns) / WINDOWS_BIN_NS;
    if (bin >= windows->count)
        return;
    windows->bins[bin] += amount;
    windows->total += amount;
    if (now_ns >= windows->settled_ns)
        windows->settled_total += amount;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double size_of(double share)
{
    return share < 0 ? -share : share;
}

static void add_window(struct deviation *deviation, double *sizes, double share, bool paused)
{
    if (size_of(share) > deviation->all_most)
        deviation->all_most = size_of(share);
    if (paused) {
        deviation->left_out++;
        return;
    }
    deviation->least = share < deviation->least ? share : deviation->least;
    deviation->most = share > deviation->most ? share : deviation->most;
    sizes[deviation->count++] = size_of(share);
}

struct deviation windows_deviation(const struct windows *windows, uint64_t length_ms)
{
    struct deviation deviation = {0};
    uint64_t first = (windows->settled_ns - windows->start_ns) / WINDOWS_BIN_NS;
    double *sizes = allocate(windows->count + 1, sizeof(*sizes));
    double due = windows->rate_per_s * (double)(length_ms * WINDOWS_BIN_NS) / (double)NS_PER_S;
    uint64_t sum = 0;
    for (uint64_t bin = first; bin < windows->count; bin++) {
        sum += windows->bins[bin];
        if (bin + 1 < first + length_ms)
            continue;
        uint64_t begin = bin + 1 - length_ms;
        bool paused = pauses_at(windows->start_ns + begin * WINDOWS_BIN_NS) ||
                      pauses_at(windows->start_ns + (bin + 1) * WINDOWS_BIN_NS);
        add_window(&deviation, sizes, ((double)sum - due) / due, paused);
        sum -= windows->bins[begin];
    }
    if (deviation.count > 0) {
        uint64_t beyond = 0;
        for (uint64_t i = 0; i < deviation.count; i++)
            beyond += sizes[i] > TOLERANCE;
        deviation.beyond = (double)beyond / (double)deviation.count;
        qsort(sizes, deviation.count, sizeof(*sizes), compare);
        deviation.median = sizes[deviation.count / 2];
        deviation.p99 = sizes[(deviation.count - 1) * 99 / 100];
    }
    free(sizes);
    return deviation;
}
