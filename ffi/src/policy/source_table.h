/* SPDX-License-Identifier: MIT
 *
 * Who connects: sources by tenant and address, for limits on each of them. One table for the process, shared by all
 * workers; the control thread looks on. Pure; memory and time come from the caller, and the size of the table is fixed,
 * however many addresses come.
 *
 * A bucket is half a page: a line of tags, and 31 sources of a line each. A look-up touches the tags, and then seldom
 * more than the source itself. Buckets are chosen by a keyed hash, so that nobody can aim at one.
 *
 * A source that is pinned stays: its counts are exact. One that is not keeps only a debt of tokens, and may have to go
 * when its bucket is full and another comes. Then goes
 *   1. one whose tokens are all there again: it tells nothing;
 *   2. else, of the same tenant as the new one, that with the least debt, in time until its bucket is full;
 *   3. else that with the least debt of all.
 * So a scan through the addresses of one tenant takes at most one place in each bucket from debts of others; from then
 * on it pushes out its own. (Those of its sessions that live hold places too: its cap on connections bounds them.)
 *
 * Finding, making and pushing out hold a lock, the only one on the path of a session: a word in each bucket. It is held
 * for some dozens of instructions, a few hundred when a source has to go, with no system call inside; and there are
 * thousands of buckets, of which two workers seldom want the same one. Without it, two workers could make the same
 * source twice, and no limit would be exact. All that is done to a source once it is pinned goes without.
 */
#ifndef SLUICE_POLICY_SOURCE_TABLE_H
#define SLUICE_POLICY_SOURCE_TABLE_H

#include <stdint.h>

#include "policy/source.h"
#include "policy/source_key.h"

#define SOURCE_TABLE_WAYS 31u /* sources of a bucket */

struct source_bucket;

/* Not changed after source_table_init. */
struct source_table {
    struct source_bucket *buckets;
    uint32_t bucket_count; /* a power of two */
    uint64_t seed[2];
};

/* Bytes of a table of so many buckets. */
uint64_t source_table_bytes(uint32_t bucket_count);

/* `memory` is zeroed, page-aligned and the caller's, who keeps it until no worker uses the table. A bucket that no
 * source comes to is never written, so a fresh mapping costs only what is used. `seed` is random and secret. */
void source_table_init(struct source_table *table, void *memory, uint32_t bucket_count, const uint64_t seed[2]);

/* Finds or makes the source of a key (masked), and pins it until source_leave. Whoever holds one of its sessions, or
 * waits for it, has it pinned. NULL when its bucket is full of pinned ones. */
struct source *source_table_enter(struct source_table *table, const struct source_key *key, uint64_t now_ns);

/* Calls back for each source of a tenant, with its live sessions (0: known for its debt, or in waiting). Any thread; it
 * only reads and keeps no worker waiting. A source that comes or goes meanwhile may be missed, and a count may be a
 * moment old or new, but no key is a mixture of two. Looks at every bucket: not for the session path. */
void source_table_visit(const struct source_table *table, uint32_t tenant,
                        void (*visit)(void *context, const struct source_key *key, uint32_t sessions), void *context);

#endif
