/* SPDX-License-Identifier: MIT
 *
 * Memory for bytes that a slow reader left behind, in three sizes (4, 16, 64 KiB), owned by one worker. Carved out of
 * mapped arenas of 1 MiB, one size an arena; an arena that becomes empty is unmapped, except one a size.
 */
#ifndef SLUICE_SYS_BUFFER_POOL_H
#define SLUICE_SYS_BUFFER_POOL_H

#include <stddef.h>
#include <stdint.h>

#define BUFFER_SMALL 4096u
#define BUFFER_MEDIUM 16384u
#define BUFFER_LARGE 65536u
#define BUFFER_CLASSES 3u

struct buffer_arena;

struct buffer_pool {
    struct buffer_arena *partial[BUFFER_CLASSES]; /* arenas with room, by size */
    struct buffer_arena *empty[BUFFER_CLASSES];   /* an empty arena kept for the next burst, or NULL */
    uint64_t bytes_mapped;
    uint64_t bytes_used; /* by buffers handed out, by their class size */
};

void buffer_pool_init(struct buffer_pool *pool);

/* Unmaps everything; no buffer may be out any more. */
void buffer_pool_destroy(struct buffer_pool *pool);

/* A buffer of the smallest class that holds `bytes` (1..BUFFER_LARGE); *capacity is its class. NULL without memory. */
void *buffer_pool_take(struct buffer_pool *pool, uint32_t bytes, uint32_t *capacity);

/* Gives a buffer back. */
void buffer_pool_give(struct buffer_pool *pool, void *buffer);

#endif
