/* SPDX-License-Identifier: MIT */
#include "prefix.h"

#include <stdio.h>
#include <string.h>

#include "fail.h"

void prefixes_read(struct prefixes *prefixes, const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail_errno("open the prefixes");
    long length = ftell(file);
    if (size == 0 || size > PREFIX_MOST_BYTES || length <= 0 || (size_t)length % size != 0)
        fail_usage("the file of --prefix", "a whole number of prefixes of --prefix-size", path);
    *prefixes = (struct prefixes){.bytes = allocate(1, (size_t)length), .size = size, .count = (size_t)length / size};
    rewind(file);
    if (fread(prefixes->bytes, 1, (size_t)length, file) != (size_t)length)
        fail_errno("read the prefixes");
    fclose(file);
}

bool prefix_known(const struct prefixes *prefixes, const uint8_t *bytes)
{
    size_t first = 0;
    size_t end = prefixes->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = memcmp(bytes, prefix_at(prefixes, middle), prefixes->size);
        if (order == 0)
            return true;
        if (order < 0)
            end = middle;
        else
            first = middle + 1;
    }
    return false;
}
