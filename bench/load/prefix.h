/* SPDX-License-Identifier: MIT
 *
 * What a client sends on each new connection before its first request: a ClientHello, a PROXY header. A file has one or
 * more of the same size, in rising order; clients take them in turn. Where they reach the backend it passes over them,
 * if they are of the file. Read once, then never changed.
 */
#ifndef LOAD_PREFIX_H
#define LOAD_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREFIX_MOST_BYTES 4096u /* of one */

struct prefixes {
    uint8_t *bytes;
    size_t size; /* of one; 0: there are none */
    size_t count;
};

/* Reads the file; ends the process when it is not a whole number of prefixes. */
void prefixes_read(struct prefixes *prefixes, const char *path, size_t size);

/* The one with a number, modulo their count. */
static inline const uint8_t *prefix_at(const struct prefixes *prefixes, uint64_t number)
{
    return prefixes->bytes + number % prefixes->count * prefixes->size;
}

/* Whether these bytes, as many as one has, are one. */
bool prefix_known(const struct prefixes *prefixes, const uint8_t *bytes);

#endif
