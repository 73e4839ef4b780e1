/* SPDX-License-Identifier: MIT
 *
 * head and tail count bytes for ever; their difference is what waits. Records are multiples of 8 and so is the ring:
 * the first 8 bytes of a record, with its size, never wrap around.
 */
#include "observe/log_ring.h"

#include <errno.h>
#include <string.h>

#include "sluice.h"

_Static_assert(sizeof(struct sluice_log_header) == 8, "a record's header never wraps around");

int log_ring_init(struct log_ring *ring, uint32_t size)
{
    SLUICE_ASSERT(size >= 8u && (size & (size - 1u)) == 0);
    ring->bytes = malloc(size);
    if (ring->bytes == NULL) {
        return -ENOMEM;
    }
    ring->size = size;
    ring->known_tail = 0;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->dropped, 0);
    atomic_init(&ring->tail, 0);
    return 0;
}

void log_ring_destroy(struct log_ring *ring)
{
    free(ring->bytes);
    ring->bytes = NULL;
    ring->size = 0;
}

/* Copies bytes into the ring at position, around its end. */
static void copy_in(struct log_ring *ring, uint64_t position, const void *bytes, uint64_t size)
{
    uint64_t offset = position & (ring->size - 1u);
    uint64_t before_end = ring->size - offset;
    uint64_t first = size < before_end ? size : before_end;
    memcpy(ring->bytes + offset, bytes, first);
    memcpy(ring->bytes, (const uint8_t *)bytes + first, size - first);
}

bool log_ring_write(struct log_ring *ring, const struct log_part *parts, uint32_t part_count)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        size += parts[i].size;
    }
    SLUICE_ASSERT(size >= sizeof(struct sluice_log_header) && size % 8u == 0);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (size > ring->size - (head - ring->known_tail)) {
        /* Pairs with the reader's release: it has copied what lies before tail, which may be overwritten. */
        ring->known_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        if (size > ring->size - (head - ring->known_tail)) {
            atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
            return false;
        }
    }
    uint64_t position = head;
    for (uint32_t i = 0; i < part_count; i++) {
        if (parts[i].size > 0) {
            copy_in(ring, position, parts[i].bytes, parts[i].size);
            position += parts[i].size;
        }
    }
    /* Pairs with the reader's acquire: the record is whole before it is announced. */
    atomic_store_explicit(&ring->head, position, memory_order_release);
    return true;
}

uint64_t log_ring_read(struct log_ring *ring, void *buffer, uint64_t size)
{
    uint64_t mask = ring->size - 1u;
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t end = tail;
    while (end != head) {
        struct sluice_log_header header;
        memcpy(&header, ring->bytes + (end & mask), sizeof header);
        SLUICE_ASSERT(header.size >= sizeof header && header.size <= head - end);
        if (header.size > size - (end - tail)) {
            break;
        }
        end += header.size;
    }
    uint64_t bytes = end - tail;
    if (bytes > 0) {
        uint64_t offset = tail & mask;
        uint64_t first = bytes < ring->size - offset ? bytes : ring->size - offset;
        memcpy(buffer, ring->bytes + offset, first);
        memcpy((uint8_t *)buffer + first, ring->bytes, bytes - first);
        atomic_store_explicit(&ring->tail, end, memory_order_release);
    }
    return bytes;
}
