/* SPDX-License-Identifier: MIT
 *
 * Writes ClientHellos for tests, right ones and wrong ones, in one record. One thread. */
#ifndef SLUICE_TESTS_HELLO_H
#define SLUICE_TESTS_HELLO_H

#include <stdint.h>

#define HELLO_MOST_BYTES 40000u
#define HELLO_MOST_VECTORS 64u

/* Where the length of a vector stands. */
struct hello_vector {
    uint32_t at;
    uint32_t width;
};

struct hello {
    uint8_t bytes[HELLO_MOST_BYTES];
    uint32_t size;
    struct hello_vector vectors[HELLO_MOST_VECTORS]; /* all, in the order in which they were opened */
    uint32_t vector_count;
    uint32_t open[8]; /* indexes of those that are open, the innermost last */
    uint32_t open_count;
};

/* A vector behind its length of `width` bytes, which the closing fills in. */
void hello_open(struct hello *hello, uint32_t width);
void hello_close(struct hello *hello);

void hello_number(struct hello *hello, uint32_t width, uint32_t number);
void hello_bytes(struct hello *hello, const void *bytes, uint32_t size);
void hello_fill(struct hello *hello, uint8_t byte, uint32_t size);

/* A hello up to its extensions, with or without the vector of those open. */
void hello_begin(struct hello *hello, int with_extensions);

/* Closes what is open. */
void hello_end(struct hello *hello);

/* Extensions: server_name with one host name; ALPN with names that commas part; any, filled with one byte. */
void hello_server_name(struct hello *hello, const char *name, uint32_t length);
void hello_alpn(struct hello *hello, const char *names);
void hello_extension(struct hello *hello, uint32_t type, uint8_t byte, uint32_t size);

#endif
