/* SPDX-License-Identifier: MIT
 * Live sessions of all workers: read, killed, drained. Control thread; the workers' part is path/session_scan. */
#include "core/engine.h"
#include "path/session_scan.h"

#define CURSOR_SHIFT 32u /* a cursor is the number of a worker, then the index of a slot */

static bool has_workers(const struct sluice_engine *engine)
{
    return engine->state == SLUICE_STATE_RUNNING || engine->state == SLUICE_STATE_DRAINING;
}

static void ask_worker(struct worker *worker, struct session_scan *scan, struct round *round)
{
    worker->message = (struct message){.kind = MESSAGE_SCAN, .scan = scan, .round = round};
    mailbox_push(&worker->mailbox, &worker->message);
}

/* Walks over the sessions of one worker, until the end or until there is no more room. */
static void read_worker(struct worker *worker, struct session_scan *scan)
{
    while (!scan->done && scan->hits < scan->room) {
        struct round round;
        round_init(&round, 1);
        ask_worker(worker, scan, &round);
        round_wait(&round);
        round_destroy(&round);
    }
}

int32_t sessions_read(struct sluice_engine *engine, const struct session_filter *filter, uint64_t cursor,
                      struct sluice_session_record *records, uint64_t room, uint64_t *next_cursor)
{
    uint64_t count = 0;
    uint64_t number = cursor >> CURSOR_SHIFT;
    uint32_t position = (uint32_t)cursor;
    if (!has_workers(engine)) {
        return SLUICE_E_STATE;
    }
    for (; number < engine->worker_count && count < room; number++, position = 0) {
        struct session_scan scan = {.filter = filter,
                                    .action = SESSION_SCAN_READ,
                                    .records = records + count,
                                    .room = room - count,
                                    .position = position};
        read_worker(&engine->workers[number], &scan);
        count += scan.hits;
        if (!scan.done) {
            *next_cursor = number << CURSOR_SHIFT | scan.position;
            return (int32_t)count;
        }
    }
    *next_cursor = number < engine->worker_count ? number << CURSOR_SHIFT : 0;
    return (int32_t)count;
}

/* Lets all workers walk over their sessions at once; returns how many they met. */
static int64_t scan_all(struct sluice_engine *engine, const struct session_scan *like)
{
    struct session_scan scans[SLUICE_MAX_WORKERS];
    uint32_t left = engine->worker_count;
    uint64_t hits = 0;
    if (!has_workers(engine)) {
        return SLUICE_E_STATE;
    }
    for (uint32_t i = 0; i < engine->worker_count; i++) {
        scans[i] = *like;
    }
    while (left > 0) {
        struct round round;
        round_init(&round, left);
        for (uint32_t i = 0; i < engine->worker_count; i++) {
            if (!scans[i].done) {
                ask_worker(&engine->workers[i], &scans[i], &round);
            }
        }
        round_wait(&round);
        round_destroy(&round);
        left = 0;
        for (uint32_t i = 0; i < engine->worker_count; i++) {
            left += scans[i].done ? 0 : 1;
        }
    }
    for (uint32_t i = 0; i < engine->worker_count; i++) {
        hits += scans[i].hits;
    }
    return (int64_t)hits;
}

int64_t sessions_kill(struct sluice_engine *engine, const struct session_filter *filter, enum sluice_reason reason)
{
    return scan_all(engine, &(struct session_scan){.filter = filter, .action = SESSION_SCAN_KILL, .reason = reason});
}

int64_t sessions_drain(struct sluice_engine *engine, const struct session_filter *filter, uint64_t grace_ms)
{
    return scan_all(engine,
                    &(struct session_scan){.filter = filter, .action = SESSION_SCAN_DRAIN, .grace_ms = grace_ms});
}
