/* SPDX-License-Identifier: MIT
 * policy/token_bucket: clock, takes and waits, held against 128-bit arithmetic over random schedules. */
#include "token_scene.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const uint64_t rates[] = {
    1,                  /* one in 1000 s */
    999,                /* a little less than one a second */
    1000,               /* 1/s */
    333333,             /* no whole number of anything */
    1024000,            /* 1 KiB/s */
    1048576000,         /* 1 MiB/s */
    999999999999,       /* a little less than one a ns */
    1000000000000,      /* one a ns */
    1000000000001,      /* a little more */
    12345678901234,     /* 12 GB/s */
    TOKEN_MAX_RATE - 1, /* the largest fraction */
    TOKEN_MAX_RATE,     /* 100 GB/s */
};
static const uint64_t bursts[] = {1, 2, 1000, 65536, UINT64_C(1) << 30, TOKEN_MAX_BURST};

/* The clock is the exact one, or one token behind; never ahead. */
static void check_clock(uint64_t rate_per_span, uint64_t elapsed_ns)
{
    struct token_rate rate;
    token_rate_init(&rate, rate_per_span, 1, BASE);
    uint64_t exact = given_whole(rate_per_span, elapsed_ns);
    uint64_t behind = exact - token_clock(&rate, BASE + elapsed_ns);
    if (behind > 1 || (rate_per_span % SPAN_NS == 0 && behind != 0)) {
        TEST_FAIL("rate %" PRIu64 ", %" PRIu64 " ns: %" PRId64 " behind", rate_per_span, elapsed_ns, (int64_t)behind);
    }
}

TEST(the_clock_is_exact_to_one_token_and_never_ahead)
{
    static const uint64_t times[] = {0,       1,           2,    999,       SECOND,    SPAN_NS - 1,
                                     SPAN_NS, SPAN_NS + 1, YEAR, 10 * YEAR, 500 * YEAR};
    uint64_t random = 1;
    for (size_t i = 0; i < COUNT(rates); i++) {
        for (size_t j = 0; j < COUNT(times); j++) {
            check_clock(rates[i], times[j]);
        }
        for (unsigned j = 0; j < 2000; j++) {
            check_clock(rates[i], random_size(&random, 500 * YEAR));
        }
    }
    for (unsigned i = 0; i < 100000; i++) {
        check_clock(random_size(&random, TOKEN_MAX_RATE), random_size(&random, 500 * YEAR));
        check_clock(TOKEN_MAX_RATE - random_size(&random, TOKEN_MAX_RATE), 10 * YEAR - random_size(&random, 10 * YEAR));
    }
}

TEST(a_bucket_starts_full)
{
    for (size_t i = 0; i < COUNT(rates); i++) {
        for (size_t j = 0; j < COUNT(bursts); j++) {
            struct scene scene = scene_open(rates[i], bursts[j]);
            CHECK_EQ(level(&scene), bursts[j]);
            CHECK_EQ(wait_ns(&scene, bursts[j]), 0);
            CHECK_EQ(take_all(&scene), bursts[j]);
            CHECK_EQ(level(&scene), 0);
            CHECK_EQ(take_all(&scene), 0);
        }
    }
}

TEST(no_idle_makes_more_than_the_burst)
{
    uint64_t random = 2;
    for (unsigned i = 0; i < 20000; i++) {
        struct scene scene = scene_random(&random);
        for (unsigned j = 0; j < 3; j++) {
            uint64_t before = level(&scene);
            uint64_t idle_ns = random_size(&random, longest_idle_ns(scene.rate.rate));
            scene.now_ns += idle_ns;
            wide filled = before + given(scene.rate.rate, idle_ns) / SPAN_NS + 1;
            uint64_t most = filled < scene.rate.burst ? (uint64_t)filled : scene.rate.burst;
            CHECK(level(&scene) <= most && level(&scene) + 2 >= most);
            uint64_t there = level(&scene);
            CHECK_EQ(take_all(&scene), there);
            CHECK_EQ(level(&scene), 0);
        }
    }
}

TEST(years_of_idle_leave_it_full)
{
    const uint64_t burst = UINT64_C(1) << 50; /* the largest of bytes */
    struct scene fast = scene_open(TOKEN_MAX_RATE, burst);
    fast.now_ns += UINT64_C(1065) * DAY; /* 2.9 years: almost 2^63 tokens */
    CHECK_EQ(level(&fast), burst);
    CHECK_EQ(take(&fast, 1, 7), 7);
    CHECK_EQ(level(&fast), burst - 7);
    fast.now_ns += UINT64_C(1065) * DAY;
    CHECK_EQ(take_all(&fast), burst);
    struct scene slow = scene_open(1000000, 5);
    slow.now_ns += 200 * YEAR;
    CHECK_EQ(take_all(&slow), 5);
    CHECK_EQ(take_all(&slow), 0);
}

#define OPERATIONS 160u

/* Takes that got something: when, and the sum of all up to it. */
struct history {
    uint64_t now_ns[OPERATIONS];
    wide sum[OPERATIONS];
    unsigned count;
};

/* A step that is worth looking at: nothing, ticks of the clock, about the time of a token or of a burst, an idle. */
static uint64_t random_step_ns(uint64_t *random, const struct token_rate *rate)
{
    wide token_ns = SPAN_NS / rate->rate + 1;
    wide burst_ns = (wide)rate->burst * SPAN_NS / rate->rate + 1;
    uint64_t most = longest_idle_ns(rate->rate) / OPERATIONS;
    switch (test_random_below(random, 8)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
    case 3:
        return random_size(random, token_ns * 2 < most ? (uint64_t)token_ns * 2 : most);
    case 4:
    case 5:
    case 6:
        return random_size(random, burst_ns * 2 < most ? (uint64_t)burst_ns * 2 : most);
    default:
        return random_size(random, most);
    }
}

static void play(uint64_t *random, struct scene *scene, struct history *history)
{
    wide sum = 0;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        scene->now_ns += random_step_ns(random, &scene->rate);
        uint64_t real_ns = scene->now_ns;
        if (test_random_below(random, 4) == 0) {
            scene->now_ns -= test_random_below(random, 50 * US); /* a worker that has an older time */
        }
        uint64_t most = test_random_below(random, 2) == 0 ? UINT64_MAX : 1 + random_size(random, scene->rate.burst);
        uint64_t there = level(scene);
        uint64_t taken = take(scene, 1, most);
        CHECK_EQ(taken, there < most ? there : most);
        sum += taken;
        if (taken > 0) {
            history->now_ns[history->count] = scene->now_ns;
            history->sum[history->count++] = sum;
        }
        scene->now_ns = real_ns;
    }
}

/* In any window less than one token more than the burst and what the rate gives. */
static void check_windows(const struct token_rate *rate, const struct history *history)
{
    for (unsigned first = 0; first < history->count; first++) {
        wide before = first == 0 ? 0 : history->sum[first - 1];
        for (unsigned last = first; last < history->count; last++) {
            uint64_t begin_ns = history->now_ns[first];
            uint64_t end_ns = history->now_ns[last];
            wide most = given(rate->rate, end_ns > begin_ns ? end_ns - begin_ns : 0);
            wide taken = history->sum[last] - before;
            if (taken * SPAN_NS >= most + ((wide)rate->burst + 1) * SPAN_NS) {
                TEST_FAIL("rate %" PRIu64 ", burst %" PRIu64 ": too much from take %u to %u", rate->rate, rate->burst,
                          first, last);
                return;
            }
        }
    }
}

TEST(no_window_gets_more_than_burst_and_rate)
{
    uint64_t random = 3;
    for (unsigned i = 0; i < 400; i++) {
        struct scene scene = i < COUNT(rates) * COUNT(bursts)
                                 ? scene_open(rates[i % COUNT(rates)], bursts[i / COUNT(rates)])
                                 : scene_random(&random);
        struct history history = {.count = 0};
        play(&random, &scene, &history);
        check_windows(&scene.rate, &history);
        if (history.count > 0) {
            uint64_t end_ns = scene.now_ns - BASE;
            CHECK(history.sum[history.count - 1] <= scene.rate.burst + given(scene.rate.rate, end_ns) / SPAN_NS);
        }
    }
}

/* Takes all there is after steps of at most `step_ns`; returns the sum. */
static wide drain(uint64_t *random, struct scene *scene, unsigned steps, uint64_t step_ns)
{
    wide sum = take_all(scene);
    for (unsigned i = 0; i < steps; i++) {
        scene->now_ns += 1 + random_size(random, step_ns - 1);
        sum += take_all(scene);
    }
    return sum;
}

TEST(unlimited_demand_gets_everything)
{
    uint64_t random = 4;
    for (size_t i = 0; i < COUNT(rates); i++) {
        for (size_t j = 0; j < COUNT(bursts); j++) {
            struct scene scene = scene_open(rates[i], bursts[j]);
            wide filled_ns = (wide)bursts[j] * SPAN_NS / rates[i]; /* longer steps overflow */
            if (filled_ns == 0) {
                CHECK(drain(&random, &scene, 1000, 1) == 1001 * (wide)bursts[j]); /* full again after each ns */
                continue;
            }
            wide sum = drain(&random, &scene, 3000, filled_ns < 30 * DAY ? (uint64_t)filled_ns : 30 * DAY);
            wide exact = bursts[j] + given(rates[i], scene.now_ns - BASE) / SPAN_NS;
            CHECK(sum <= exact && sum + 1 >= exact);
        }
    }
}

/* Takes sessions of a bucket at one time until there are no more; returns how many. */
static uint64_t take_sessions(struct scene *scene)
{
    uint64_t sessions = 0;
    while (take(scene, TOKENS_A_SESSION, TOKENS_A_SESSION) > 0) {
        sessions++;
    }
    return sessions;
}

TEST(the_session_after_the_burst_comes_when_the_rate_gives_it)
{
    uint64_t random = 7;
    for (unsigned i = 0; i < 10000; i++) {
        struct scene scene = {.now_ns = BASE};
        token_rate_init_sessions(&scene.rate, 20 * 1000, 3, BASE);
        scene.spent = token_full(&scene.rate, BASE);
        scene.now_ns += random_size(&random, DAY); /* at any time, a full bucket has its burst */
        CHECK_EQ(take_sessions(&scene), 3);
        scene.now_ns += 50 * MS - 50 * MS / 1024 - 1;
        CHECK_EQ(take_sessions(&scene), 0);
        scene.now_ns += 50 * MS / 1024 + US;
        CHECK_EQ(take_sessions(&scene), 1);
        scene.now_ns += 100 * MS;
        CHECK_EQ(take_sessions(&scene), 2);
    }
}

TEST(a_rate_of_sessions_may_be_any)
{
    struct token_rate rate;
    token_rate_init_sessions(&rate, TOKEN_MAX_RATE, UINT64_C(1) << 50, BASE);
    CHECK_EQ(rate.rate, TOKEN_MAX_RATE);
    CHECK_EQ(rate.burst, TOKEN_MAX_BURST);
    token_rate_init_sessions(&rate, 1, 1, BASE);
    _Atomic uint64_t spent = token_full(&rate, BASE);
    CHECK_EQ(token_take(&rate, &spent, BASE, TOKENS_A_SESSION, TOKENS_A_SESSION), TOKENS_A_SESSION);
    uint64_t wait = token_wait_ns(&rate, &spent, BASE, TOKENS_A_SESSION);
    CHECK(wait >= SPAN_NS && wait < SPAN_NS + US);
    token_rate_init_sessions(&rate, 0, 5, BASE);
    CHECK_EQ(rate.burst, 0);
}

TEST(every_nanosecond_counts)
{
    struct scene scene = scene_open(333333333333, 3); /* a token in three ns, and a little */
    CHECK_EQ(take_all(&scene), 3);
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= 1000000; i++) {
        scene.now_ns++;
        sum += take_all(&scene);
        CHECK_EQ(sum, given_whole(333333333333, i));
    }
}

TEST(rate_or_burst_zero_gives_nothing_ever)
{
    static const uint64_t cases[][2] = {{0, 0}, {0, 1}, {0, TOKEN_MAX_BURST}, {1, 0}, {TOKEN_MAX_RATE, 0}};
    uint64_t random = 5;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct scene scene = scene_open(cases[i][0], cases[i][1]);
        CHECK_EQ(scene.rate.rate, cases[i][0]);
        for (unsigned j = 0; j < 100; j++) {
            CHECK_EQ(level(&scene), 0);
            CHECK_EQ(take(&scene, 0, UINT64_MAX), 0);
            CHECK(wait_ns(&scene, 1) == TOKEN_NEVER);
            CHECK_EQ(wait_ns(&scene, 0), 0);
            scene.now_ns += random_size(&random, 7 * DAY);
        }
    }
}

TEST(least_and_most)
{
    struct scene scene = scene_open(SPAN_NS, 100); /* a token a ns */
    CHECK_EQ(take(&scene, 101, UINT64_MAX), 0);
    CHECK_EQ(take(&scene, 10, 30), 30);
    CHECK_EQ(take(&scene, 70, 70), 70);
    scene.now_ns += 5;
    CHECK_EQ(take(&scene, 6, 10), 0);
    CHECK_EQ(level(&scene), 5);
    CHECK_EQ(take(&scene, 5, 10), 5);
    CHECK_EQ(take(&scene, 0, 10), 0);
    scene.now_ns += 5;
    CHECK_EQ(take(&scene, 0, 0), 0);
    CHECK_EQ(take(&scene, 3, 2), 0); /* can never be */
    CHECK_EQ(take(&scene, 0, 2), 2);
    CHECK_EQ(level(&scene), 3);
}

TEST(an_older_time_finds_less_and_moves_nothing)
{
    uint64_t random = 6;
    for (unsigned i = 0; i < 20000; i++) {
        struct scene scene = scene_random(&random);
        scene.now_ns += random_size(&random, longest_idle_ns(scene.rate.rate) / 2);
        uint64_t real_ns = scene.now_ns;
        CHECK_EQ(take_all(&scene), scene.rate.burst);
        uint64_t spent = scene.spent;
        scene.now_ns -= random_size(&random, 100 * US); /* also to before the base */
        CHECK_EQ(level(&scene), 0);
        CHECK_EQ(take_all(&scene), 0);
        CHECK_EQ(scene.spent, spent);
        scene.now_ns = real_ns;
        CHECK_EQ(level(&scene), 0);
    }
}

TEST(a_time_before_the_base)
{
    struct scene scene = scene_open(TOKEN_MAX_RATE, 1000);
    scene.now_ns = BASE - 3 * MS;
    CHECK_EQ(level(&scene), 1000);
    CHECK_EQ(take(&scene, 1, 400), 400);
    scene.now_ns = BASE;
    CHECK_EQ(take_all(&scene), 600);
    scene.now_ns = 0;
    CHECK_EQ(level(&scene), 0);
    CHECK_EQ(take_all(&scene), 0);
    CHECK_EQ(wait_ns(&scene, 1000), BASE + 10);
    scene.now_ns = BASE + 9;
    CHECK_EQ(level(&scene), 900);
}

TEST(what_is_given_back_can_be_taken_again)
{
    struct scene scene = scene_open(SPAN_NS, 100);
    CHECK_EQ(take(&scene, 1, 80), 80);
    token_give(&scene.spent, 30);
    CHECK_EQ(level(&scene), 50);
    scene.now_ns += 40;
    CHECK_EQ(level(&scene), 90);
    CHECK_EQ(take(&scene, 1, 20), 20);
    scene.now_ns += 25;
    token_give(&scene.spent, 20); /* of these, 5 are too many */
    CHECK_EQ(level(&scene), 100);
    CHECK_EQ(take(&scene, 1, 60), 60);
    CHECK_EQ(level(&scene), 40);
    token_give(&scene.spent, 1000);
    CHECK_EQ(level(&scene), 100);
    CHECK_EQ(take_all(&scene), 100);
    CHECK_EQ(level(&scene), 0);
}

/* A take of `tokens` that many ns from now works, and one ns before it does not. */
static void check_wait(const struct scene *scene, uint64_t tokens)
{
    uint64_t wait = wait_ns(scene, tokens);
    if (wait == TOKEN_NEVER) {
        /* Until ns run out, even the exact rate gives hardly more than what is missing. */
        wide missing = tokens + scene->spent - token_clock(&scene->rate, scene->now_ns);
        CHECK(given(scene->rate.rate, UINT64_MAX - scene->now_ns) < (missing + 2) * SPAN_NS);
        return;
    }
    if (wait > 0) {
        struct scene early = *scene;
        early.now_ns += wait - 1;
        CHECK_EQ(take(&early, tokens, tokens), 0);
    }
    struct scene late = *scene;
    late.now_ns += wait;
    CHECK_EQ(wait_ns(&late, tokens), 0);
    CHECK_EQ(take(&late, tokens, tokens), tokens);
}

TEST(a_wait_is_exact_to_the_nanosecond)
{
    uint64_t random = 7;
    for (unsigned i = 0; i < 100000; i++) {
        struct scene scene = scene_random(&random);
        scene.now_ns += random_size(&random, longest_idle_ns(scene.rate.rate) / 2);
        take(&scene, 1, test_random_below(&random, 2) == 0 ? UINT64_MAX : 1 + random_size(&random, scene.rate.burst));
        if (test_random_below(&random, 4) == 0) {
            scene.spent += random_size(&random, TOKEN_MAX_BURST); /* a debt */
        }
        if (test_random_below(&random, 4) == 0) {
            scene.now_ns -= random_size(&random, BASE); /* also to before the base */
        }
        check_wait(&scene, 1);
        check_wait(&scene, 1 + test_random_below(&random, scene.rate.burst));
        check_wait(&scene, scene.rate.burst);
        CHECK(wait_ns(&scene, scene.rate.burst + 1) == TOKEN_NEVER);
    }
}

TEST(waits_that_are_known)
{
    struct scene scene = scene_open(1000, 10); /* one a second */
    CHECK_EQ(take_all(&scene), 10);
    CHECK_EQ(wait_ns(&scene, 0), 0);
    /* 2^-64 tokens a ns too few make a second two ns longer at one token a second; never shorter. */
    CHECK(wait_ns(&scene, 1) >= SECOND && wait_ns(&scene, 1) <= SECOND + 2);
    scene.now_ns += SECOND / 2;
    CHECK(wait_ns(&scene, 1) >= SECOND / 2 && wait_ns(&scene, 1) <= SECOND / 2 + 2);
    CHECK(wait_ns(&scene, 11) == TOKEN_NEVER);
    struct scene fast = scene_open(TOKEN_MAX_RATE, 1000);
    CHECK_EQ(take_all(&fast), 1000);
    CHECK_EQ(wait_ns(&fast, 1), 1);
    CHECK_EQ(wait_ns(&fast, 100), 1);
    CHECK_EQ(wait_ns(&fast, 101), 2);
    CHECK_EQ(wait_ns(&fast, 1000), 10);
    struct scene slow = scene_open(1, TOKEN_MAX_BURST);
    CHECK_EQ(take_all(&slow), TOKEN_MAX_BURST);
    CHECK(wait_ns(&slow, TOKEN_MAX_BURST) == TOKEN_NEVER); /* 35 million million years */
    CHECK(wait_ns(&slow, 1000000) != TOKEN_NEVER);
}
