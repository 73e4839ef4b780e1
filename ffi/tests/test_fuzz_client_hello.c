/* SPDX-License-Identifier: MIT
 *
 * The fuzzer of ClientHellos where there is no clang: replays corpus and regressions, then mutates hellos by a seeded
 * generator, for a bounded number of rounds. Run from the top of the tree, as the test runner does. */
#include "../fuzz/fuzz_client_hello.c"

#include "seeds.h"
#include "test.h"

#define ROUNDS 8000u
#define RANDOM_ROUNDS 3000u

static struct seeds seeds;

TEST(corpus_and_regressions)
{
    CHECK(seeds_add_folder(&seeds, "ffi/fuzz/corpus/client_hello") > 0);
    seeds_add_folder(&seeds, "ffi/fuzz/regression/client_hello");
    for (unsigned i = 0; i < seeds.count; i++) {
        CHECK_EQ(LLVMFuzzerTestOneInput(seeds.all[i].bytes, seeds.all[i].size), 0);
    }
    seeds_free(&seeds);
}

/* One step: bits, or a length that is one off, or a stretch that is cut out or doubled. */
static void mutate(uint64_t *random, uint8_t *bytes, uint32_t *size)
{
    uint32_t at = (uint32_t)test_random_below(random, *size);
    uint32_t stretch = 1 + (uint32_t)test_random_below(random, 16);
    switch (test_random_below(random, 6)) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << test_random_below(random, 8));
        break;
    case 1:
        bytes[at] = (uint8_t)(bytes[at] + 1);
        break;
    case 2:
        bytes[at] = (uint8_t)(bytes[at] - 1);
        break;
    case 3:
        bytes[at] = (uint8_t)test_random(random);
        break;
    case 4:
        if (at + stretch < *size) {
            memmove(bytes + at, bytes + at + stretch, *size - at - stretch);
            *size -= stretch;
        }
        break;
    default:
        if (at + stretch < *size && *size + stretch <= SEEDS_MOST_BYTES) {
            memmove(bytes + at + stretch, bytes + at, *size - at);
            *size += stretch;
        }
        break;
    }
}

TEST(seeded_mutations)
{
    static uint8_t bytes[SEEDS_MOST_BYTES];
    uint64_t random = 8446;
    unsigned results[4] = {0};
    seeds_add_folder(&seeds, "ffi/fuzz/corpus/client_hello");
    for (unsigned round = 0; round < ROUNDS; round++) {
        const struct seed *seed = &seeds.all[test_random_below(&random, seeds.count)];
        uint32_t size = (uint32_t)seed->size;
        memcpy(bytes, seed->bytes, size);
        /* Behind the first records' header, so that what comes after it is reached. */
        for (uint64_t changes = 1 + test_random_below(&random, 3); changes > 0; changes--) {
            uint32_t rest = size - RECORDS_HEADER;
            mutate(&random, bytes + RECORDS_HEADER, &rest);
            size = rest + RECORDS_HEADER;
        }
        struct client_hello hello = {0};
        results[read_exact(bytes, size, &hello)]++;
        CHECK_EQ(LLVMFuzzerTestOneInput(bytes, size), 0);
    }
    /* Every result comes up: the mutations are of use. */
    for (unsigned i = 0; i < 4; i++) {
        CHECK(results[i] > (i == CLIENT_HELLO_NOT_TLS ? 0 : ROUNDS / 100));
    }
    seeds_free(&seeds);
}

TEST(random_bytes_are_no_hello)
{
    static uint8_t bytes[CLIENT_HELLO_MOST_BYTES];
    uint64_t random = 6066;
    unsigned refused = 0;
    for (unsigned round = 0; round < RANDOM_ROUNDS; round++) {
        uint32_t size = round % 10 == 0 ? sizeof bytes : 1 + (uint32_t)test_random_below(&random, 600);
        for (uint32_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)test_random(&random);
        }
        /* As much of a real beginning as chance will not give. */
        static const uint8_t beginning[] = {22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
        uint64_t given = test_random_below(&random, sizeof beginning + 1);
        memcpy(bytes, beginning, given < size ? given : size);
        CHECK_EQ(LLVMFuzzerTestOneInput(bytes, size), 0);
        struct client_hello hello = {0};
        enum client_hello_result result = read_exact(bytes, size, &hello);
        CHECK(result == CLIENT_HELLO_NOT_TLS || result == CLIENT_HELLO_BAD || size < CLIENT_HELLO_MOST_BYTES);
        CHECK(result != CLIENT_HELLO_DONE);
        refused += result != CLIENT_HELLO_MORE;
    }
    CHECK(refused > RANDOM_ROUNDS / 2);
}
