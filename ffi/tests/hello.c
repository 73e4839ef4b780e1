/* SPDX-License-Identifier: MIT
 * ClientHellos for tests. */
#include "hello.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *room(struct hello *hello, uint32_t size)
{
    if (size > HELLO_MOST_BYTES - hello->size) {
        abort();
    }
    uint8_t *at = hello->bytes + hello->size;
    hello->size += size;
    return at;
}

static void write_number(uint8_t *at, uint32_t width, uint32_t number)
{
    for (uint32_t i = width; i > 0; i--, number >>= 8) {
        at[i - 1] = (uint8_t)number;
    }
}

void hello_open(struct hello *hello, uint32_t width)
{
    if (hello->vector_count == HELLO_MOST_VECTORS || hello->open_count == 8) {
        abort();
    }
    hello->vectors[hello->vector_count] = (struct hello_vector){.at = hello->size, .width = width};
    hello->open[hello->open_count++] = hello->vector_count++;
    room(hello, width);
}

void hello_close(struct hello *hello)
{
    const struct hello_vector *vector = &hello->vectors[hello->open[--hello->open_count]];
    write_number(hello->bytes + vector->at, vector->width, hello->size - vector->at - vector->width);
}

void hello_number(struct hello *hello, uint32_t width, uint32_t number)
{
    write_number(room(hello, width), width, number);
}

void hello_bytes(struct hello *hello, const void *bytes, uint32_t size)
{
    memcpy(room(hello, size), bytes, size);
}

void hello_fill(struct hello *hello, uint8_t byte, uint32_t size)
{
    memset(room(hello, size), byte, size);
}

void hello_begin(struct hello *hello, int with_extensions)
{
    memset(hello, 0, sizeof *hello);
    hello_number(hello, 3, 0x160301);
    hello_open(hello, 2);
    hello_number(hello, 1, 1);
    hello_open(hello, 3);
    hello_number(hello, 2, 0x0303);
    hello_fill(hello, 0xaa, 32);
    hello_open(hello, 1);
    hello_fill(hello, 0x55, 32);
    hello_close(hello);
    hello_open(hello, 2);
    hello_number(hello, 4, 0x13011302);
    hello_close(hello);
    hello_open(hello, 1);
    hello_number(hello, 1, 0);
    hello_close(hello);
    if (with_extensions) {
        hello_open(hello, 2);
    }
}

void hello_end(struct hello *hello)
{
    while (hello->open_count > 0) {
        hello_close(hello);
    }
}

void hello_server_name(struct hello *hello, const char *name, uint32_t length)
{
    hello_number(hello, 2, 0);
    hello_open(hello, 2);
    hello_open(hello, 2);
    hello_number(hello, 1, 0);
    hello_open(hello, 2);
    hello_bytes(hello, name, length);
    hello_close(hello);
    hello_close(hello);
    hello_close(hello);
}

void hello_alpn(struct hello *hello, const char *names)
{
    hello_number(hello, 2, 16);
    hello_open(hello, 2);
    hello_open(hello, 2);
    for (const char *name = names; *name != '\0';) {
        uint32_t length = (uint32_t)strcspn(name, ",");
        hello_open(hello, 1);
        hello_bytes(hello, name, length);
        hello_close(hello);
        name += length + (name[length] == ',');
    }
    hello_close(hello);
    hello_close(hello);
}

void hello_extension(struct hello *hello, uint32_t type, uint8_t byte, uint32_t size)
{
    hello_number(hello, 2, type);
    hello_open(hello, 2);
    hello_fill(hello, byte, size);
    hello_close(hello);
}
