/* SPDX-License-Identifier: MIT
 *
 * The fuzzer of configuration blobs where there is no clang: replays corpus and regressions, then mutates blobs by a
 * seeded generator, for a bounded number of rounds. Run from the top of the tree, as the test runner does. */
#include "../fuzz/fuzz_blob.c"

#include "host.h"
#include "seeds.h"
#include "test.h"

#define ROUNDS 60000u

static struct seeds seeds;

static void add_encoded(uint32_t tenants, uint32_t removed)
{
    static struct host_tenant plans[4];
    static const uint32_t gone[3] = {100, 101, 102};
    struct sluice_process_record process = host_process();
    for (uint32_t i = 0; i < tenants; i++) {
        plans[i] = host_simple_tenant(i + 1, 80);
        host_add_endpoint(&plans[i], 0, host_unix("/run/b"));
        host_add_listener(&plans[i], host_abstract("f"), 0);
        host_add_listener(&plans[i], host_ipv6(1000), 0)->port_last = 1009;
    }
    uint64_t size;
    struct host_change change = {.process = removed > 0 ? &process : NULL,
                                 .tenants = plans,
                                 .tenant_count = tenants,
                                 .removed = gone,
                                 .removed_count = removed};
    void *blob = host_encode(&change, 1, &size);
    seeds_add(&seeds, blob, size);
    free(blob);
}

TEST(corpus_and_regressions)
{
    CHECK(seeds_add_folder(&seeds, "ffi/fuzz/corpus/blob") > 0);
    seeds_add_folder(&seeds, "ffi/fuzz/regression/blob");
    for (unsigned i = 0; i < seeds.count; i++) {
        CHECK_EQ(LLVMFuzzerTestOneInput(seeds.all[i].bytes, seeds.all[i].size), 0);
    }
}

/* Numbers at which counts, offsets and limits change their meaning. */
static uint32_t interesting(uint64_t *random)
{
    static const uint32_t numbers[] = {0,     1,     2,       7,          8,          16,         64,         4096,
                                       65535, 65536, 1000000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff, 108};
    return test_random_below(random, 2) == 0 ? numbers[test_random_below(random, 16)]
                                             : (uint32_t)test_random_below(random, 300);
}

static void mutate(uint64_t *random, uint8_t *bytes, uint64_t *size)
{
    uint64_t changes = 1 + test_random_below(random, 4);
    for (uint64_t i = 0; i < changes && *size >= 8; i++) {
        uint64_t word = test_random_below(random, *size / 4) * 4;
        uint32_t number = interesting(random);
        switch (test_random_below(random, 5)) {
        case 0:
            bytes[test_random_below(random, *size)] ^= (uint8_t)(1u << test_random_below(random, 8));
            break;
        case 1:
        case 2:
            memcpy(bytes + word, &number, 4);
            break;
        case 3: { /* two words change places */
            uint64_t other = test_random_below(random, *size / 4) * 4;
            uint32_t a;
            uint32_t b;
            memcpy(&a, bytes + word, 4);
            memcpy(&b, bytes + other, 4);
            memcpy(bytes + word, &b, 4);
            memcpy(bytes + other, &a, 4);
            break;
        }
        default:
            *size -= test_random_below(random, 16) == 0 ? test_random_below(random, *size) : 0;
            break;
        }
    }
    /* Mostly with the right length, so that what lies behind that check is reached. */
    if (*size >= 16 && test_random_below(random, 8) != 0) {
        memcpy(bytes + 8, size, 8);
    }
}

TEST(seeded_mutations)
{
    static uint8_t bytes[SEEDS_MOST_BYTES];
    uint64_t random = 2024;
    unsigned accepted = 0;
    add_encoded(1, 0);
    add_encoded(2, 3);
    add_encoded(4, 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        const struct seed *seed = &seeds.all[test_random_below(&random, seeds.count)];
        uint64_t size = seed->size;
        struct blob blob;
        memcpy(bytes, seed->bytes, size);
        mutate(&random, bytes, &size);
        CHECK_EQ(LLVMFuzzerTestOneInput(bytes, size), 0);
        if (blob_decode(bytes, size, &blob, NULL) == SLUICE_OK) {
            accepted++;
            blob_free(&blob);
        }
    }
    /* Neither all refused nor all accepted: the mutations are of use. */
    CHECK(accepted > ROUNDS / 100 && accepted < ROUNDS * 9 / 10);
    seeds_free(&seeds);
}
