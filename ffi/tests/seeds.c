/* SPDX-License-Identifier: MIT
 * Inputs of fuzzers in the tests. */
#include "seeds.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void seeds_add(struct seeds *seeds, const void *bytes, uint64_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL || seeds->count == SEEDS_MOST) {
        abort();
    }
    memcpy(copy, bytes, size);
    seeds->all[seeds->count++] = (struct seed){.bytes = copy, .size = size};
}

static void add_file(struct seeds *seeds, const char *folder, const char *name)
{
    static uint8_t bytes[SEEDS_MOST_BYTES];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        abort();
    }
    seeds_add(seeds, bytes, fread(bytes, 1, sizeof bytes, file));
    fclose(file);
    struct seed *seed = &seeds->all[seeds->count - 1];
    snprintf(seed->name, sizeof seed->name, "%s", name);
}

unsigned seeds_add_folder(struct seeds *seeds, const char *folder)
{
    struct dirent **entries = NULL;
    unsigned added = 0;
    /* Sorted, so that a test sees the same seeds in the same order everywhere. */
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            add_file(seeds, folder, entries[i]->d_name);
            added++;
        }
        free(entries[i]);
    }
    free(entries);
    return added;
}

void seeds_free(struct seeds *seeds)
{
    for (unsigned i = 0; i < seeds->count; i++) {
        free(seeds->all[i].bytes);
    }
    memset(seeds, 0, sizeof *seeds);
}
