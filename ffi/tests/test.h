/* SPDX-License-Identifier: MIT
 *
 * The harness of the C tests: a file includes it once, writes TEST(name) { ... } and gets a main. A test fails when a
 * CHECK fails; a REQUIRE also ends it. Arguments of the program select tests by a part of their name. The clock that
 * ends a test that hangs is SIGALRM.
 */
#ifndef SLUICE_TESTS_TEST_H
#define SLUICE_TESTS_TEST_H

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEST_MOST 200        /* tests of a file */
#define TEST_MOST_PRINTED 20 /* failed checks printed of a test; the rest is counted */
#define TEST_SECONDS 300u    /* a test that takes longer hangs; a sanitizer on a busy machine takes its time */

struct test_case {
    const char *name;
    void (*run)(void);
};

static struct test_case test_cases[TEST_MOST];
static unsigned test_count;
static atomic_uint test_failures; /* of the running test; tests with threads check on all of them */

#define TEST(name)                                                                                                     \
    static void test_##name(void);                                                                                     \
    __attribute__((constructor)) static void test_register_##name(void)                                                \
    {                                                                                                                  \
        if (test_count < TEST_MOST) {                                                                                  \
            test_cases[test_count++] = (struct test_case){#name, test_##name};                                         \
        }                                                                                                              \
    }                                                                                                                  \
    static void test_##name(void)

/* Counts a failed check, and prints it unless many were; format and arguments describe it. */
#define TEST_FAIL(...)                                                                                                 \
    do {                                                                                                               \
        if (atomic_fetch_add(&test_failures, 1) < TEST_MOST_PRINTED) {                                                 \
            printf("  %s:%d: ", __FILE__, __LINE__);                                                                   \
            printf(__VA_ARGS__);                                                                                       \
            printf("\n");                                                                                              \
        }                                                                                                              \
    } while (0)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            TEST_FAIL("%s", #condition);                                                                               \
        }                                                                                                              \
    } while (0)

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            TEST_FAIL("%s", #condition);                                                                               \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

/* Two integers are equal. */
#define CHECK_EQ(actual, expected)                                                                                     \
    do {                                                                                                               \
        long long test_actual = (long long)(actual);                                                                   \
        long long test_expected = (long long)(expected);                                                               \
        if (test_actual != test_expected) {                                                                            \
            TEST_FAIL("%s is %lld, expected %s = %lld", #actual, test_actual, #expected, test_expected);               \
        }                                                                                                              \
    } while (0)

#define CHECK_STRING(actual, expected)                                                                                 \
    do {                                                                                                               \
        const char *test_actual = (actual);                                                                            \
        const char *test_expected = (expected);                                                                        \
        if (strcmp(test_actual, test_expected) != 0) {                                                                 \
            TEST_FAIL("%s is \"%s\", expected \"%s\"", #actual, test_actual, test_expected);                           \
        }                                                                                                              \
    } while (0)

/* splitmix64: every run of a test sees the same numbers. */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A number below `limit` (not 0). */
static inline uint64_t test_random_below(uint64_t *state, uint64_t limit)
{
    return test_random(state) % limit;
}

static bool test_selected(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strstr(name, argv[i]) != NULL) {
            return true;
        }
    }
    return argc < 2;
}

int main(int argc, char **argv)
{
    unsigned passed = 0;
    unsigned failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned i = 0; i < test_count; i++) {
        if (!test_selected(test_cases[i].name, argc, argv)) {
            continue;
        }
        atomic_store(&test_failures, 0);
        alarm(TEST_SECONDS);
        test_cases[i].run();
        alarm(0);
        unsigned failures = atomic_load(&test_failures);
        if (failures == 0) {
            passed++;
            printf("ok   %s\n", test_cases[i].name);
        } else {
            failed++;
            printf("FAIL %s: %u checks failed\n", test_cases[i].name, failures);
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 || passed == 0 ? 1 : 0;
}

#endif
