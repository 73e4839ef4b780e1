/* SPDX-License-Identifier: MIT
 *
 * The fuzzer of PROXY headers where there is no clang: replays corpus and regressions, then mutates what they hold by a
 * seeded generator, and reads random bytes, for a bounded number of rounds. Run from the top of the tree, as the test
 * runner does. */
#include "../fuzz/fuzz_proxy_header.c"

#include <dirent.h>
#include <stdio.h>

#include "test.h"

#define MUTATIONS 20000u
#define RANDOM_ROUNDS 20000u
#define MOST_BYTES 1024u
#define MOST_SEEDS 256u

static struct seed {
    uint8_t bytes[MOST_BYTES];
    size_t size;
} seeds[MOST_SEEDS];
static unsigned seed_count;

/* Every file of a folder becomes a seed; a folder that is not there has none. */
static void add_folder(const char *folder)
{
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] != '.' && seed_count < MOST_SEEDS ? fopen(path, "rb") : NULL;
        if (file != NULL) {
            seeds[seed_count].size = fread(seeds[seed_count].bytes, 1, MOST_BYTES, file);
            seed_count++;
            fclose(file);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
}

TEST(corpus_and_regressions)
{
    add_folder("ffi/fuzz/corpus/proxy_header");
    CHECK(seed_count > 0);
    add_folder("ffi/fuzz/regression/proxy_header");
    for (unsigned i = 0; i < seed_count; i++) {
        CHECK_EQ(LLVMFuzzerTestOneInput(seeds[i].bytes, seeds[i].size), 0);
    }
}

/* A byte at which something begins or ends. */
static uint8_t interesting(uint64_t *random)
{
    static const uint8_t bytes[] = "\0\1\2\3\4\5\x0c\x10\x11\x20\x21\x31\x7f\x80\xff\r\n :.09afFPTU46";
    return test_random_below(random, 3) == 0 ? (uint8_t)test_random(random)
                                             : bytes[test_random_below(random, sizeof bytes - 1)];
}

static void mutate(uint64_t *random, struct seed *seed)
{
    uint64_t changes = 1 + test_random_below(random, 3);
    for (uint64_t i = 0; i < changes && seed->size > 1 && seed->size < MOST_BYTES; i++) {
        size_t at = test_random_below(random, seed->size);
        switch (test_random_below(random, 5)) {
        case 0:
            seed->bytes[at] ^= (uint8_t)(1u << test_random_below(random, 8));
            break;
        case 1:
            seed->bytes[at] = interesting(random);
            break;
        case 2: /* a byte more, and one less */
            memmove(seed->bytes + at + 1, seed->bytes + at, seed->size - at);
            seed->bytes[at] = interesting(random);
            seed->size++;
            break;
        case 3:
            memmove(seed->bytes + at, seed->bytes + at + 1, seed->size - at - 1);
            seed->size--;
            break;
        default: /* of version 2, another length */
            if (seed->size > 16 && seed->bytes[0] == '\r') {
                seed->bytes[15] = (uint8_t)(seed->size - 16 + test_random_below(random, 3) - 1);
            }
            break;
        }
    }
}

TEST(seeded_mutations)
{
    static struct seed seed;
    uint64_t random = 2025;
    unsigned accepted = 0;
    for (unsigned round = 0; round < MUTATIONS; round++) {
        struct proxy_header header;
        seed = seeds[test_random_below(&random, seed_count)];
        mutate(&random, &seed);
        CHECK_EQ(LLVMFuzzerTestOneInput(seed.bytes, seed.size), 0);
        accepted += proxy_header_read(seed.bytes, (uint32_t)seed.size, &header) == PROXY_HEADER_DONE;
    }
    /* Neither all refused nor all accepted: the mutations are of use. */
    CHECK(accepted > MUTATIONS / 100 && accepted < MUTATIONS * 9 / 10);
}

TEST(random_bytes)
{
    static uint8_t bytes[MOST_BYTES];
    uint64_t random = 31;
    for (unsigned round = 0; round < RANDOM_ROUNDS; round++) {
        const struct seed *seed = &seeds[test_random_below(&random, seed_count)];
        size_t size = test_random_below(&random, 200);
        /* Behind a start that holds, so that they are looked at. */
        size_t start = test_random_below(&random, seed->size < size + 1 ? seed->size : size + 1);
        memcpy(bytes, seed->bytes, start);
        for (size_t i = start; i < size; i++) {
            bytes[i] = interesting(&random);
        }
        CHECK_EQ(LLVMFuzzerTestOneInput(bytes, size), 0);
    }
}
