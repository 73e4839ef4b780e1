/* SPDX-License-Identifier: MIT
 *
 * Pool of objects of one size, owned by one worker. Objects are named by a 32-bit index and carry a generation that
 * changes at every release, so that an event for an earlier life of a slot is told apart. Memory is mapped in chunks
 * and never moves. A chunk that has been empty goes back to the kernel, except one kept in reserve.
 */
#ifndef SLUICE_SYS_SLAB_H
#define SLUICE_SYS_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_CHUNK_OBJECTS 1024u /* objects of one chunk */
#define SLAB_MAX_CHUNKS 4096u    /* 4 Mi objects */
#define SLAB_NONE UINT32_MAX

struct slab_chunk;

struct slab {
    size_t object_size;                         /* bytes, a multiple of 8; the caller's object */
    uint32_t in_use;                            /* objects handed out */
    uint32_t chunk_count;                       /* chunks mapped now */
    uint32_t last_generation;                   /* given to the object handed out last */
    uint32_t empty_chunk;                       /* a mapped chunk without objects, or SLAB_NONE */
    uint64_t room_summary;                      /* bit w: room[w] is not 0 */
    uint64_t room[SLAB_MAX_CHUNKS / 64u];       /* a bit a chunk: mapped, and not full */
    struct slab_chunk *chunks[SLAB_MAX_CHUNKS]; /* NULL where none is mapped */
};

/* object_size is rounded up to a multiple of 64. */
void slab_init(struct slab *slab, size_t object_size);

/* Unmaps everything; no object may be in use any more. */
void slab_destroy(struct slab *slab);

/* Hands out a zeroed object and its index and generation (never 0); NULL without memory. */
void *slab_take(struct slab *slab, uint32_t *index, uint32_t *generation);

/* Gives an object back. */
void slab_give(struct slab *slab, uint32_t index);

/* The object behind index if it is in use and of that generation, else NULL. Any index is allowed. */
void *slab_get(struct slab *slab, uint32_t index, uint32_t generation);

/* The first object in use with an index >= *index, whose index goes to *index; NULL when there is none. */
void *slab_next(struct slab *slab, uint32_t *index);

/* The same within a budget: each place that it looks at takes one off. NULL when there is no such object (*index is
 * SLAB_NONE), or with *budget 0, when the walk goes on at *index. */
void *slab_walk(struct slab *slab, uint32_t *index, uint32_t *budget);

/* Bytes mapped. */
size_t slab_bytes(const struct slab *slab);

#endif
