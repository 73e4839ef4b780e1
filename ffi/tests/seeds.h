/* SPDX-License-Identifier: MIT
 *
 * Inputs of fuzzers in the tests: the files of their corpus, and what a test adds. One thread. */
#ifndef SLUICE_TESTS_SEEDS_H
#define SLUICE_TESTS_SEEDS_H

#include <stdint.h>

#define SEEDS_MOST 64u
#define SEEDS_MOST_BYTES 65536u /* of one */

struct seed {
    char name[64]; /* of its file; empty when a test added it */
    uint8_t *bytes;
    uint64_t size;
};

struct seeds {
    struct seed all[SEEDS_MOST];
    unsigned count;
};

/* Adds a copy. More than SEEDS_MOST end the program: none is left out in silence. */
void seeds_add(struct seeds *seeds, const void *bytes, uint64_t size);

/* Adds every file of a folder, in the order of their names, and returns how many those are; a folder that is not there
 * has none. Paths are from the top of the tree, where the test runner is. */
unsigned seeds_add_folder(struct seeds *seeds, const char *folder);

void seeds_free(struct seeds *seeds);

#endif
