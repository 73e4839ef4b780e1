/* SPDX-License-Identifier: MIT
 *
 * An arena is aligned to its size, so that masking a buffer's address finds it; its head takes the place of its first
 * buffer. Arenas with room are on a list; full ones are on none; an empty one stands aside until no other has room.
 */
#include "sys/buffer_pool.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "sys/poison.h"
#include "sys/util.h"

#define ARENA_BYTES ((size_t)1 << 20)
#define ARENA_MOST_BUFFERS (ARENA_BYTES / BUFFER_SMALL)
#define LINK_NONE UINT16_MAX

struct buffer_arena {
    struct buffer_arena *next; /* on the list of arenas with room */
    struct buffer_arena *previous;
    uint16_t shift; /* log2 of its buffers' size */
    uint16_t class;
    uint16_t end;        /* places are 1..end-1: 0 is the head */
    uint16_t used;       /* buffers out */
    uint16_t fresh;      /* places from here on were never used */
    uint16_t first_free; /* given back last, or LINK_NONE */
    uint16_t next_free[ARENA_MOST_BUFFERS];
};

_Static_assert(sizeof(struct buffer_arena) <= BUFFER_SMALL, "an arena's head takes the place of one buffer");

static const uint16_t class_shift[BUFFER_CLASSES] = {12, 14, 16};

static void link_arena(struct buffer_pool *pool, struct buffer_arena *arena)
{
    struct buffer_arena **head = &pool->partial[arena->class];
    arena->previous = NULL;
    arena->next = *head;
    if (*head != NULL) {
        (*head)->previous = arena;
    }
    *head = arena;
}

static void unlink_arena(struct buffer_pool *pool, struct buffer_arena *arena)
{
    if (arena->previous != NULL) {
        arena->previous->next = arena->next;
    } else {
        pool->partial[arena->class] = arena->next;
    }
    if (arena->next != NULL) {
        arena->next->previous = arena->previous;
    }
    arena->next = NULL;
    arena->previous = NULL;
}

/* Maps an arena; NULL without memory. */
static struct buffer_arena *map_arena(struct buffer_pool *pool, uint32_t class)
{
    /* Twice the size holds an aligned arena somewhere; the rest goes back at once. */
    void *memory = mmap(NULL, 2 * ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    size_t before = (ARENA_BYTES - ((uintptr_t)memory & (ARENA_BYTES - 1u))) & (ARENA_BYTES - 1u);
    unsigned char *start = (unsigned char *)memory + before;
    if (before > 0) {
        munmap(memory, before);
    }
    munmap(start + ARENA_BYTES, ARENA_BYTES - before);

    struct buffer_arena *arena = (struct buffer_arena *)(void *)start;
    arena->shift = class_shift[class];
    arena->class = (uint16_t) class;
    arena->end = (uint16_t)(ARENA_BYTES >> arena->shift);
    arena->fresh = 1;
    arena->first_free = LINK_NONE;
    size_t head_bytes = (size_t)1 << arena->shift;
    poison(start + head_bytes, ARENA_BYTES - head_bytes);
    pool->bytes_mapped += ARENA_BYTES;
    return arena;
}

static void unmap_arena(struct buffer_pool *pool, struct buffer_arena *arena)
{
    unpoison(arena, ARENA_BYTES);
    munmap(arena, ARENA_BYTES);
    pool->bytes_mapped -= ARENA_BYTES;
}

void buffer_pool_init(struct buffer_pool *pool)
{
    *pool = (struct buffer_pool){0};
}

void buffer_pool_destroy(struct buffer_pool *pool)
{
    SLUICE_ASSERT(pool->bytes_used == 0);
    for (uint32_t class = 0; class < BUFFER_CLASSES; class ++) {
        SLUICE_ASSERT(pool->partial[class] == NULL);
        if (pool->empty[class] != NULL) {
            unmap_arena(pool, pool->empty[class]);
            pool->empty[class] = NULL;
        }
    }
}

void *buffer_pool_take(struct buffer_pool *pool, uint32_t bytes, uint32_t *capacity)
{
    SLUICE_ASSERT(bytes <= BUFFER_LARGE);
    uint32_t class = bytes <= BUFFER_SMALL ? 0 : bytes <= BUFFER_MEDIUM ? 1 : 2;
    struct buffer_arena *arena = pool->partial[class];
    if (arena == NULL) {
        arena = pool->empty[class];
        pool->empty[class] = NULL;
        if (arena == NULL) {
            arena = map_arena(pool, class);
            if (arena == NULL) {
                return NULL;
            }
        }
        link_arena(pool, arena);
    }
    uint32_t place = arena->first_free;
    if (place != LINK_NONE) {
        arena->first_free = arena->next_free[place];
    } else {
        place = arena->fresh++;
    }
    arena->used++;
    if (arena->first_free == LINK_NONE && arena->fresh == arena->end) {
        unlink_arena(pool, arena);
    }
    *capacity = UINT32_C(1) << arena->shift;
    pool->bytes_used += *capacity;
    void *buffer = (unsigned char *)arena + ((size_t)place << arena->shift);
    unpoison(buffer, *capacity);
    return buffer;
}

void buffer_pool_give(struct buffer_pool *pool, void *buffer)
{
    uintptr_t offset = (uintptr_t)buffer & (ARENA_BYTES - 1u);
    struct buffer_arena *arena = (struct buffer_arena *)(void *)((unsigned char *)buffer - offset);
    uint32_t place = (uint32_t)(offset >> arena->shift);
    uint32_t size = UINT32_C(1) << arena->shift;
    SLUICE_ASSERT(place > 0 && place < arena->fresh && (offset & (size - 1u)) == 0 && arena->used > 0);
    poison(buffer, size);
    pool->bytes_used -= size;
    bool was_full = arena->first_free == LINK_NONE && arena->fresh == arena->end;
    arena->next_free[place] = arena->first_free;
    arena->first_free = (uint16_t)place;
    arena->used--;
    if (arena->used > 0) {
        if (was_full) {
            link_arena(pool, arena);
        }
        return;
    }
    if (!was_full) {
        unlink_arena(pool, arena);
    }
    if (pool->empty[arena->class] == NULL) {
        pool->empty[arena->class] = arena;
    } else {
        unmap_arena(pool, arena);
    }
}
