/* SPDX-License-Identifier: MIT
 *
 * Times come from /proc/PID/task/TID/schedstat, which is exact for a task that does not run at this moment.
 */
#include "watch.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <unistd.h>

#include "fail.h"

#define NS_PER_TICK UINT64_C(10000000)
#define BYTES_PER_KB UINT64_C(1024)

/* Reads a small file whole; an empty text if it is gone. */
static void read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t length = file == NULL ? 0 : fread(text, 1, size - 1, file);
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
}

/* The number after `key`, or 0. */
static uint64_t number_after(const char *text, const char *key)
{
    const char *found = strstr(text, key);
    return found == NULL ? 0 : strtoull(found + strlen(key), NULL, 10);
}

static pid_t parent_of(pid_t pid)
{
    char path[64];
    char text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    read_text(path, text, sizeof(text));
    /* The name stands in parentheses and may contain any byte: its end is the last one. */
    const char *after_name = strrchr(text, ')');
    int parent = 0;
    if (after_name != NULL && sscanf(after_name + 1, " %*c %d", &parent) != 1)
        return 0;
    return parent;
}

static bool contains(const struct family *family, pid_t pid)
{
    for (size_t i = 0; i < family->count; i++) {
        if (family->pids[i] == pid)
            return true;
    }
    return false;
}

/* Adds children of members; returns whether there were new ones. */
static bool add_children(struct family *family)
{
    bool added = false;
    DIR *processes = opendir("/proc");
    if (processes == NULL)
        fail_errno("read /proc");
    for (struct dirent *entry = readdir(processes); entry != NULL; entry = readdir(processes)) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || contains(family, pid) || !contains(family, parent_of(pid)))
            continue;
        if (family->count == WATCH_MAX_PIDS)
            break;
        family->pids[family->count++] = pid;
        added = true;
    }
    closedir(processes);
    return added;
}

void watch_family(pid_t root, struct family *family)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", root);
    if (access(path, R_OK) != 0)
        fail_errno("watch a process");
    *family = (struct family){.count = 1, .pids = {root}};
    while (add_children(family)) {
    }
}

static void add_task(const char *directory, const char *tid, struct usage *usage)
{
    char path[384];
    char text[4096];
    snprintf(path, sizeof(path), "%s/%s/schedstat", directory, tid);
    read_text(path, text, sizeof(text));
    usage->cpu_ns += strtoull(text, NULL, 10);
    snprintf(path, sizeof(path), "%s/%s/status", directory, tid);
    read_text(path, text, sizeof(text));
    usage->switches += number_after(text, "\nvoluntary_ctxt_switches:");
    usage->switches += number_after(text, "\nnonvoluntary_ctxt_switches:");
}

void watch_usage(const struct family *family, struct usage *usage)
{
    *usage = (struct usage){0};
    for (size_t i = 0; i < family->count; i++) {
        char directory[64];
        snprintf(directory, sizeof(directory), "/proc/%d/task", family->pids[i]);
        DIR *tasks = opendir(directory);
        if (tasks == NULL)
            continue;
        for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) {
            if (entry->d_name[0] != '.')
                add_task(directory, entry->d_name, usage);
        }
        closedir(tasks);
    }
}

static uint64_t sent_segments(void)
{
    char text[8192];
    read_text("/proc/net/snmp", text, sizeof(text));
    /* Two lines begin with Tcp: the names, then the values. */
    const char *names = strstr(text, "\nTcp:");
    const char *values = names == NULL ? NULL : strstr(names + 1, "\nTcp:");
    uint64_t segments = 0;
    if (values != NULL)
        (void)sscanf(values, "\nTcp: %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64, &segments);
    return segments;
}

void watch_machine(struct machine *machine)
{
    char text[4096];
    uint64_t user = 0, nice = 0, kernel = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
    read_text("/proc/stat", text, sizeof(text));
    (void)sscanf(text,
                 "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
                 &user, &nice, &kernel, &idle, &iowait, &irq, &softirq, &steal);
    *machine = (struct machine){
        .busy_ns = (user + nice + kernel + irq + softirq) * NS_PER_TICK,
        .idle_ns = (idle + iowait) * NS_PER_TICK,
        .steal_ns = steal * NS_PER_TICK,
        .segments = sent_segments(),
    };
}

void watch_memory(const struct family *family, struct memory *memory)
{
    *memory = (struct memory){0};
    for (size_t i = 0; i < family->count; i++) {
        char path[64];
        char text[4096];
        snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", family->pids[i]);
        read_text(path, text, sizeof(text));
        memory->pss_bytes += number_after(text, "\nPss:") * BYTES_PER_KB;
        memory->private_bytes += number_after(text, "\nPss_Anon:") * BYTES_PER_KB;
    }
}

uint64_t watch_slab_bytes(void)
{
    char text[8192];
    read_text("/proc/meminfo", text, sizeof(text));
    return number_after(text, "\nSUnreclaim:") * BYTES_PER_KB;
}
