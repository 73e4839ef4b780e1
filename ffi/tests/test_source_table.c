/* SPDX-License-Identifier: MIT
 * policy/source_table: one source for each key, exact counts, and who has to go. */
#include "policy/source_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sluice.h"
#include "test.h"

#define TICK UINT64_C(4096)          /* ns */
#define PER_TICK UINT64_C(244140625) /* sessions in 1000 seconds, one a tick */
#define NOW (TICK * UINT64_C(250000000))

static const uint64_t seed[2] = {UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210)};

/* Zeroed, and exactly as large as asked for. Freed by the caller, as table.buckets. */
static struct source_table new_table(uint32_t bucket_count)
{
    struct source_table table;
    size_t bytes = (size_t)source_table_bytes(bucket_count);
    void *memory = aligned_alloc(2048, bytes);
    memset(memory, 0, bytes);
    source_table_init(&table, memory, bucket_count, seed);
    return table;
}

/* An address of which each four bytes are the number, so that a mixture of two keys shows. */
static struct source_key key_of(uint32_t tenant, uint32_t number)
{
    struct source_key key = {.tenant = tenant, .family = SLUICE_FAMILY_IPV6};
    for (uint32_t i = 0; i < 4; i++) {
        memcpy(key.ip + i * sizeof(number), &number, sizeof(number));
    }
    return key;
}

static struct source *enter(struct source_table *table, uint32_t tenant, uint32_t number, uint64_t now_ns)
{
    struct source_key key = key_of(tenant, number);
    return source_table_enter(table, &key, now_ns);
}

/* One token a tick. */
static struct source_rate new_rate(uint64_t burst)
{
    struct source_rate rate = {.generation = 1, .limited = true};
    token_rate_init_sessions(&rate.now, PER_TICK, burst, 0);
    return rate;
}

/* Makes a source that is unpinned and owes `debt` tokens. */
static void owe(struct source_table *table, uint32_t tenant, uint32_t number, uint32_t debt, uint64_t now_ns)
{
    struct source_rate rate = new_rate(1000);
    struct source *source = enter(table, tenant, number, now_ns);
    REQUIRE(source != NULL);
    for (uint32_t i = 0; i < debt; i++) {
        CHECK(source_take_token(source, &rate, now_ns));
    }
    source_leave(source);
}

struct census {
    uint32_t sources;
    uint32_t sessions;
    uint32_t tenant;
    uint32_t mixed;  /* keys that were not whole */
    uint64_t has[2]; /* bit i: number i was there */
};

static void count_source(void *context, const struct source_key *key, uint32_t sessions)
{
    struct census *census = context;
    uint32_t number;
    memcpy(&number, key->ip, sizeof(number));
    struct source_key whole = key_of(census->tenant, number);
    census->mixed += memcmp(key, &whole, sizeof(whole)) != 0;
    census->sources++;
    census->sessions += sessions;
    if (number < 128) {
        census->has[number / 64] |= UINT64_C(1) << number % 64;
    }
}

static struct census census_of(const struct source_table *table, uint32_t tenant)
{
    struct census census = {.tenant = tenant};
    source_table_visit(table, tenant, count_source, &census);
    CHECK_EQ(census.mixed, 0);
    return census;
}

static bool is_there(const struct source_table *table, uint32_t tenant, uint32_t number)
{
    struct census census = census_of(table, tenant);
    return (census.has[number / 64] >> number % 64 & 1) != 0;
}

TEST(a_key_has_one_source)
{
    struct source_table table = new_table(16);
    struct source *first = enter(&table, 1, 7, NOW);
    REQUIRE(first != NULL);
    CHECK(enter(&table, 1, 7, NOW) == first);
    CHECK_EQ(first->pins, 2);
    source_leave(first);
    source_leave(first);
    CHECK_EQ(first->pins, 0);
    CHECK(enter(&table, 1, 7, NOW) == first);
    free(table.buckets);
}

TEST(keys_that_differ_in_anything_have_sources_of_their_own)
{
    struct source_table table = new_table(1);
    struct source_key key = {.tenant = 1, .family = SLUICE_FAMILY_IPV4, .ip = {10, 0, 0, 1}};
    struct source *first = source_table_enter(&table, &key, NOW);
    key.family = SLUICE_FAMILY_IPV6;
    struct source *family = source_table_enter(&table, &key, NOW);
    key.tenant = 2;
    struct source *tenant = source_table_enter(&table, &key, NOW);
    key.ip[15] = 1;
    struct source *ip = source_table_enter(&table, &key, NOW);
    CHECK(first != NULL && family != NULL && tenant != NULL && ip != NULL);
    CHECK(first != family && first != tenant && first != ip && family != tenant && family != ip && tenant != ip);
    free(table.buckets);
}

TEST(a_key_of_zeros_is_a_key)
{
    struct source_table table = new_table(1);
    struct source_key key = {.tenant = 0};
    struct source *source = source_table_enter(&table, &key, NOW);
    REQUIRE(source != NULL);
    CHECK(source_table_enter(&table, &key, NOW) == source);
    CHECK_EQ(source->pins, 2);
    free(table.buckets);
}

TEST(tenants_are_apart)
{
    struct source_table table = new_table(4);
    struct source_rate rate = new_rate(2);
    struct source *one = enter(&table, 1, 7, NOW);
    struct source *two = enter(&table, 2, 7, NOW);
    REQUIRE(one != NULL && two != NULL && one != two);
    CHECK(source_take(one, 1));
    CHECK(!source_take(one, 1));
    CHECK(source_take(two, 1));
    CHECK(source_take_token(one, &rate, NOW) && source_take_token(one, &rate, NOW));
    CHECK(!source_take_token(one, &rate, NOW));
    CHECK(source_take_token(two, &rate, NOW));
    free(table.buckets);
}

TEST(a_source_is_remembered_after_the_last_has_left)
{
    struct source_table table = new_table(4);
    struct source_rate rate = new_rate(2);
    struct source *source = enter(&table, 1, 7, NOW);
    CHECK(source_take_token(source, &rate, NOW) && source_take_token(source, &rate, NOW));
    source_leave(source);
    source = enter(&table, 1, 7, NOW);
    CHECK(!source_take_token(source, &rate, NOW));
    CHECK_EQ(source_wait_ns(source, &rate, NOW), TICK);
    free(table.buckets);
}

/* ---- Who has to go ------------------------------------------------------------------------------------------- */

TEST(a_full_bucket_of_pinned_ones_has_no_place_until_one_leaves)
{
    struct source_table table = new_table(1);
    struct source *sources[SOURCE_TABLE_WAYS];
    for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
        sources[i] = enter(&table, 1, i, NOW);
        REQUIRE(sources[i] != NULL);
        CHECK(source_take(sources[i], 1));
    }
    CHECK(enter(&table, 1, 100, NOW) == NULL);
    CHECK(enter(&table, 2, 100, NOW) == NULL);
    CHECK(enter(&table, 1, 5, NOW) == sources[5]); /* one that is there has its place */
    source_give(sources[9]);
    source_leave(sources[9]);
    struct source *late = enter(&table, 1, 100, NOW);
    REQUIRE(late == sources[9]);
    CHECK_EQ(late->sessions, 0);
    CHECK(source_take(late, 1));
    CHECK(enter(&table, 1, 101, NOW) == NULL);
    CHECK(!is_there(&table, 1, 9));
    for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
        CHECK_EQ(sources[i]->sessions, 1);
    }
    free(table.buckets);
}

TEST(one_whose_tokens_are_all_there_goes_first)
{
    struct source_table table = new_table(1);
    for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
        owe(&table, i < 5 ? 1 : 2, i, i == 20 ? 9 : 10 + i, NOW);
    }
    /* Then 20 owes nothing any more; all others do, some of the new one's tenant too. */
    CHECK(enter(&table, 1, 100, NOW + 9 * TICK) != NULL);
    CHECK(!is_there(&table, 2, 20));
    CHECK_EQ(census_of(&table, 1).sources, 6);
    CHECK_EQ(census_of(&table, 2).sources, SOURCE_TABLE_WAYS - 6);
    free(table.buckets);
}

TEST(a_new_source_owes_nothing_of_the_one_that_went)
{
    struct source_table table = new_table(1);
    for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
        owe(&table, 2, i, 10, NOW);
    }
    struct source *source = enter(&table, 1, 100, NOW);
    REQUIRE(source != NULL);
    source_leave(source);
    CHECK(enter(&table, 2, 101, NOW) == source);
    CHECK_EQ(census_of(&table, 1).sources, 0);
    free(table.buckets);
}

TEST(one_without_tokens_to_get_back_goes_before_a_debt_of_the_own_tenant)
{
    struct source_table table = new_table(1);
    for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
        owe(&table, i % 2 == 0 ? 1 : 2, i, i == 15 ? 0 : 1 + i, NOW);
    }
    CHECK(enter(&table, 1, 100, NOW) != NULL);
    CHECK(!is_there(&table, 2, 15));
    CHECK_EQ(census_of(&table, 1).sources, SOURCE_TABLE_WAYS / 2 + 2);
    CHECK_EQ(census_of(&table, 2).sources, SOURCE_TABLE_WAYS / 2 - 1);
    free(table.buckets);
}

TEST(then_that_of_the_own_tenant_with_the_least_debt)
{
    struct source_table table = new_table(1);
    for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
        bool own = i >= 10 && i < 21;
        owe(&table, own ? 1 : 2, i, own ? 41 + (i + 5) % 11 : i + 1, NOW);
    }
    CHECK(enter(&table, 1, 100, NOW) != NULL);
    CHECK(!is_there(&table, 1, 17)); /* it owes 41 */
    CHECK_EQ(census_of(&table, 2).sources, 20);
    CHECK_EQ(census_of(&table, 1).sources, 11);
    free(table.buckets);
}

TEST(then_that_with_the_least_debt_of_all)
{
    struct source_table table = new_table(1);
    struct source *pinned = NULL;
    for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
        owe(&table, 2 + i % 3, i, 10 + (i * 7) % 31, NOW);
    }
    /* The least debt is that of 0, but it is pinned; the next is that of 9 (63 % 31 is 1). */
    pinned = enter(&table, 2, 0, NOW);
    CHECK(enter(&table, 1, 100, NOW) != NULL);
    CHECK(is_there(&table, 2, 0));
    CHECK(!is_there(&table, 2 + 9 % 3, 9));
    source_leave(pinned);
    free(table.buckets);
}

TEST(a_debt_is_measured_in_time_whatever_the_rate)
{
    struct source_table table = new_table(1);
    struct source_rate slow = new_rate(1000);
    struct source_rate quick = {.generation = 1, .limited = true};
    token_rate_init_sessions(&quick.now, 64 * PER_TICK, 1000, 0);
    for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
        struct source *source = enter(&table, 2, i, NOW);
        uint32_t debt = i == 12 ? 64 : 2; /* a tick, or two */
        for (uint32_t taken = 0; taken < debt; taken++) {
            CHECK(source_take_token(source, i == 12 ? &quick : &slow, NOW));
        }
        source_leave(source);
    }
    CHECK(enter(&table, 1, 100, NOW) != NULL);
    CHECK(!is_there(&table, 2, 12));
    free(table.buckets);
}

TEST(a_scan_takes_one_place_from_others_and_then_its_own)
{
    struct source_table table = new_table(1);
    for (uint32_t i = 0; i < SOURCE_TABLE_WAYS; i++) {
        owe(&table, 2, i, 500 + i, NOW);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        owe(&table, 1, i, 1 + i % 3, NOW);
    }
    CHECK_EQ(census_of(&table, 1).sources, 1);
    CHECK_EQ(census_of(&table, 2).sources, SOURCE_TABLE_WAYS - 1);
    CHECK(!is_there(&table, 2, 0));
    free(table.buckets);
}

TEST(a_scan_of_a_million_keys_leaves_pinned_ones_alone)
{
    enum { BUCKETS = 64, PINNED = 300, KEYS = 1000000 };
    static struct source *pinned[PINNED];
    struct source_table table = new_table(BUCKETS);
    CHECK_EQ(source_table_bytes(BUCKETS), BUCKETS * 2048);
    for (uint32_t i = 0; i < PINNED; i++) {
        pinned[i] = enter(&table, 2, i, NOW);
        REQUIRE(pinned[i] != NULL);
        CHECK(source_take(pinned[i], UINT32_MAX));
    }
    struct source_rate rate = new_rate(40);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        struct source *source = enter(&table, 1, i, NOW + i * TICK / 1000);
        REQUIRE(source != NULL);
        refused += !source_take(source, 1) || !source_take_token(source, &rate, NOW + i * TICK / 1000);
        source_give(source);
        source_leave(source);
    }
    CHECK_EQ(refused, 0);
    CHECK_EQ(census_of(&table, 1).sources, BUCKETS * SOURCE_TABLE_WAYS - PINNED);
    CHECK_EQ(census_of(&table, 1).sessions, 0);
    CHECK_EQ(census_of(&table, 2).sessions, PINNED);
    for (uint32_t i = 0; i < PINNED; i++) {
        CHECK(enter(&table, 2, i, NOW) == pinned[i]);
        CHECK_EQ(pinned[i]->pins, 2);
        CHECK_EQ(pinned[i]->sessions, 1);
    }
    free(table.buckets);
}

TEST(only_buckets_in_use_cost_memory)
{
    enum { BUCKETS = 16384, PAGES = BUCKETS / 2, KEYS = 100 };
    static unsigned char resident[PAGES];
    size_t bytes = (size_t)source_table_bytes(BUCKETS);
    REQUIRE(bytes == PAGES * 4096u && getpagesize() == 4096);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    struct source_table table;
    source_table_init(&table, memory, BUCKETS, seed);
    for (uint32_t i = 0; i < KEYS; i++) {
        CHECK(enter(&table, 1, i, NOW) != NULL);
    }
    REQUIRE(mincore(memory, bytes, resident) == 0);
    uint32_t pages = 0;
    for (uint32_t i = 0; i < PAGES; i++) {
        pages += resident[i] & 1u;
    }
    CHECK(pages > KEYS / 2 && pages <= KEYS);
    CHECK_EQ(census_of(&table, 1).sources, KEYS);
    munmap(memory, bytes);
}

TEST(a_visit_sees_one_tenants_sources)
{
    struct source_table table = new_table(8);
    for (uint32_t i = 0; i < 30; i++) {
        struct source *source = enter(&table, 1 + i % 3, i, NOW);
        for (uint32_t sessions = 0; sessions < i; sessions++) {
            CHECK(source_take(source, UINT32_MAX));
        }
    }
    struct census census = census_of(&table, 2);
    CHECK_EQ(census.sources, 10);
    CHECK_EQ(census.sessions, 10 * (1 + 28) / 2);
    CHECK_EQ(census.has[0], 0x12492492); /* 1, 4, 7 to 28 */
    CHECK_EQ(census_of(&table, 4).sources, 0);
    free(table.buckets);
}

/* ---- Threads ------------------------------------------------------------------------------------------------- */

#define THREADS 4u

static struct source_table shared;
static pthread_barrier_t barrier;

static void run_threads(void *(*run)(void *argument))
{
    static uint32_t indexes[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uint32_t i = 0; i < THREADS; i++) {
        indexes[i] = i;
        CHECK(pthread_create(&threads[i], NULL, run, &indexes[i]) == 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
}

#define UNIQUE_KEYS 10000u

static struct source *found[THREADS][UNIQUE_KEYS];

static void *enter_all(void *argument)
{
    uint32_t thread = *(uint32_t *)argument;
    for (uint32_t i = 0; i < UNIQUE_KEYS; i++) {
        if (i % 100 == 0) {
            pthread_barrier_wait(&barrier);
        }
        found[thread][i] = enter(&shared, 1, i, NOW);
    }
    return NULL;
}

TEST(threads_that_make_the_same_source_get_the_same)
{
    shared = new_table(1024);
    run_threads(enter_all);
    for (uint32_t i = 0; i < UNIQUE_KEYS; i++) {
        REQUIRE(found[0][i] != NULL);
        for (uint32_t thread = 1; thread < THREADS; thread++) {
            CHECK(found[thread][i] == found[0][i]);
        }
        CHECK_EQ(found[0][i]->pins, THREADS);
    }
    CHECK_EQ(census_of(&shared, 1).sources, UNIQUE_KEYS);
    free(shared.buckets);
}

#define ROUNDS 50000u
#define CAP 2u
#define MOST_KEYS 200u

static uint32_t key_count;
static atomic_uint holders[MOST_KEYS]; /* of each key, counted apart from the table */
static atomic_uint most_holders;
static atomic_uint taken;
static atomic_bool done;

static void hold(uint32_t number)
{
    unsigned now = atomic_fetch_add(&holders[number], 1) + 1;
    unsigned most = atomic_load(&most_holders);
    while (now > most && !atomic_compare_exchange_weak(&most_holders, &most, now)) {
    }
    atomic_fetch_add(&taken, 1);
    atomic_fetch_sub(&holders[number], 1);
}

/* Holds up to three sources at once, so that threads meet at the cap also on few cores. */
static void *take_and_give(void *argument)
{
    uint64_t random = *(uint32_t *)argument;
    struct source_rate rate = new_rate(UINT64_C(1) << 40);
    struct source *held[3] = {NULL};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct source **place = &held[i % 3];
        if (*place != NULL) {
            source_give(*place);
            source_leave(*place);
            *place = NULL;
        }
        uint32_t number = (uint32_t)test_random_below(&random, key_count);
        struct source *source = enter(&shared, 1 + number % 2, number, NOW + i);
        if (source == NULL) {
            TEST_FAIL("no place though few are pinned");
            continue;
        }
        if (!source_take(source, CAP)) {
            source_leave(source);
            continue;
        }
        CHECK(source_take_token(source, &rate, NOW + i));
        if (i % 5 == 0) {
            source_give_token(source, &rate);
        }
        hold(number);
        *place = source;
    }
    for (uint32_t i = 0; i < 3; i++) {
        if (held[i] != NULL) {
            source_give(held[i]);
            source_leave(held[i]);
        }
    }
    return NULL;
}

static void hammer(uint32_t bucket_count, uint32_t keys)
{
    shared = new_table(bucket_count);
    key_count = keys;
    atomic_store(&most_holders, 0);
    atomic_store(&taken, 0);
    run_threads(take_and_give);
    CHECK(most_holders <= CAP);
    CHECK(taken > ROUNDS / 2);
    for (uint32_t tenant = 1; tenant <= 2; tenant++) {
        CHECK_EQ(census_of(&shared, tenant).sessions, 0);
    }
    for (uint32_t i = 0; i < keys; i++) {
        struct source *source = enter(&shared, 1 + i % 2, i, NOW);
        REQUIRE(source != NULL);
        CHECK_EQ(source->pins, 1);
        CHECK_EQ(source->sessions, 0);
        source_leave(source);
    }
    free(shared.buckets);
}

TEST(threads_on_few_keys_never_hold_more_than_the_cap)
{
    hammer(16, 3);
}

TEST(threads_that_push_sources_out_never_hold_more_than_the_cap)
{
    hammer(1, MOST_KEYS);
}

static void *visit_or_scan(void *argument)
{
    uint32_t thread = *(uint32_t *)argument;
    if (thread == 0) {
        uint32_t visits = 0;
        while (!atomic_load(&done) || visits < 100) {
            struct census census = census_of(&shared, 1 + visits++ % 2);
            CHECK(census.sources <= 2 * SOURCE_TABLE_WAYS);
            CHECK(census.sessions <= THREADS);
        }
        return NULL;
    }
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t number = i * THREADS + thread;
        struct source *source = enter(&shared, 1 + i % 2, number, NOW);
        CHECK(source != NULL && source_take(source, 1));
        source_give(source);
        source_leave(source);
    }
    atomic_store(&done, true);
    return NULL;
}

TEST(a_visit_among_changes_sees_whole_keys)
{
    shared = new_table(2);
    atomic_store(&done, false);
    run_threads(visit_or_scan);
    free(shared.buckets);
}
