/* SPDX-License-Identifier: MIT
 * Which filters are taken, and which sessions they mean. */
#include "path/session_filter.h"

#include "test.h"

#define NOW_NS UINT64_C(10000000000)

/* A filter as a caller hands it over: the record and its ids. */
struct given {
    struct sluice_session_filter record;
    uint32_t ids[4];
};

static bool take(const struct given *given, uint64_t size, struct session_filter *filter)
{
    return session_filter_read(given, size, filter);
}

static uint64_t size_of(const struct given *given)
{
    return sizeof(given->record) + given->record.id_count * sizeof(uint32_t);
}

static bool is_taken(struct given given)
{
    struct session_filter filter;
    return take(&given, size_of(&given), &filter);
}

/* A session of tenant 1, backend 2, endpoint 3 from 192.0.2.77, five seconds old. */
static struct tenant tenant = {.id = 1};
static struct tenant_view view = {.tenant = &tenant};
static const struct backend backend = {.id = 2};
static const struct endpoint endpoint = {.id = 3};

static struct session plain(void)
{
    return (struct session){.view = &view,
                            .backend = &backend,
                            .endpoint = &endpoint,
                            .accepted_ns = NOW_NS - UINT64_C(5000000000),
                            .id = {9, 8, 7},
                            .client_family = SLUICE_FAMILY_IPV4,
                            .client_ip = {192, 0, 2, 77}};
}

static bool matches(struct given given, const struct session *session)
{
    struct session_filter filter;
    CHECK(take(&given, size_of(&given), &filter));
    return session_filter_matches(&filter, session, NOW_NS);
}

TEST(only_whole_filters_with_ids_in_order_are_taken)
{
    struct session_filter filter;
    struct given three = {.record = {.id_kind = SLUICE_FILTER_TENANT, .id_count = 3}, .ids = {1, 5, UINT32_MAX}};
    CHECK(is_taken((struct given){0}));
    CHECK(take(&three, size_of(&three), &filter));
    CHECK_EQ(filter.record.id_count, 3);
    CHECK_EQ(filter.ids[2], UINT32_MAX);
    CHECK(!take(&three, size_of(&three) - 1, &filter));
    CHECK(!take(&three, size_of(&three) + 4, &filter));
    CHECK(!take(&three, 0, &filter));
    CHECK(!take(NULL, size_of(&three), &filter));
    CHECK(!session_filter_read((const char *)&three + 1, size_of(&three), &filter));
    CHECK(!is_taken((struct given){.record = {.id_kind = SLUICE_FILTER_ANY, .id_count = 1}, .ids = {1}}));
    CHECK(!is_taken((struct given){.record = {.id_kind = SLUICE_FILTER_ENDPOINT + 1}}));
    CHECK(!is_taken((struct given){.record = {.id_kind = SLUICE_FILTER_TENANT, .id_count = 2}, .ids = {2, 1}}));
    CHECK(!is_taken((struct given){.record = {.id_kind = SLUICE_FILTER_TENANT, .id_count = 2}, .ids = {2, 2}}));
    /* A count whose bytes do not fit 32 bits. */
    three.record.id_count = 1u << 30;
    CHECK(!take(&three, sizeof(three.record), &filter));
}

TEST(a_prefix_fits_its_family)
{
    static const struct {
        uint32_t family;
        uint32_t bits;
        bool good;
    } rows[] = {
        {SLUICE_FAMILY_NONE, 0, true},   {SLUICE_FAMILY_NONE, 1, false},   {SLUICE_FAMILY_UNIX, 0, true},
        {SLUICE_FAMILY_UNIX, 1, false},  {SLUICE_FAMILY_IPV4, 32, true},   {SLUICE_FAMILY_IPV4, 33, false},
        {SLUICE_FAMILY_IPV6, 128, true}, {SLUICE_FAMILY_IPV6, 129, false}, {5, 0, false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct given given = {.record = {.source_family = rows[i].family, .source_bits = rows[i].bits}};
        CHECK_EQ(is_taken(given), rows[i].good);
    }
}

TEST(a_filter_without_wishes_means_every_session)
{
    struct session session = plain();
    CHECK(matches((struct given){0}, &session));
    session.backend = NULL;
    session.endpoint = NULL;
    CHECK(matches((struct given){0}, &session));
}

TEST(ids_are_those_of_their_kind)
{
    static const uint32_t of[] = {
        [SLUICE_FILTER_TENANT] = 1, [SLUICE_FILTER_BACKEND] = 2, [SLUICE_FILTER_ENDPOINT] = 3};
    struct session session = plain();
    for (uint32_t kind = SLUICE_FILTER_TENANT; kind <= SLUICE_FILTER_ENDPOINT; kind++) {
        for (uint32_t id = 0; id < 5; id++) {
            struct given given = {.record = {.id_kind = kind, .id_count = 1}, .ids = {id}};
            CHECK_EQ(matches(given, &session), id == of[kind]);
        }
        CHECK(!matches((struct given){.record = {.id_kind = kind}}, &session));
    }
    struct given four = {.record = {.id_kind = SLUICE_FILTER_BACKEND, .id_count = 4}, .ids = {2, 7, 9, UINT32_MAX}};
    for (unsigned i = 0; i < 4; i++) {
        struct backend other = {.id = four.ids[i]};
        session.backend = &other;
        CHECK(matches(four, &session));
        other.id--;
        CHECK(!matches(four, &session));
    }
    session.backend = NULL;
    CHECK(!matches(four, &session));
}

static struct given from(uint32_t family, const char *ip, uint32_t bits)
{
    struct given given = {.record = {.source_family = family, .source_bits = bits}};
    memcpy(given.record.source_ip, ip, family == SLUICE_FAMILY_IPV6 ? 16 : 4);
    return given;
}

TEST(a_prefix_looks_at_its_bits_alone)
{
    struct session session = plain(); /* 77 is 0100 1101 */
    CHECK(matches(from(SLUICE_FAMILY_IPV4, "\xc0\x00\x02\x4d", 32), &session));
    CHECK(!matches(from(SLUICE_FAMILY_IPV4, "\xc0\x00\x02\x4c", 32), &session));
    CHECK(matches(from(SLUICE_FAMILY_IPV4, "\xc0\x00\x02\x4c", 31), &session));
    CHECK(matches(from(SLUICE_FAMILY_IPV4, "\xc0\x00\x02\x7f", 26), &session));
    CHECK(!matches(from(SLUICE_FAMILY_IPV4, "\xc0\x00\x02\x80", 25), &session));
    CHECK(matches(from(SLUICE_FAMILY_IPV4, "\xc0\x00\x02\xff", 24), &session));
    CHECK(!matches(from(SLUICE_FAMILY_IPV4, "\xc0\x00\x03\x4d", 24), &session));
    CHECK(matches(from(SLUICE_FAMILY_IPV4, "\x00\x00\x00\x00", 0), &session));
    CHECK(!matches(from(SLUICE_FAMILY_UNIX, "\x00\x00\x00\x00", 0), &session));

    static const char v6[] = "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
    CHECK(!matches(from(SLUICE_FAMILY_IPV6, v6, 0), &session));
    session.client_family = SLUICE_FAMILY_IPV6;
    memcpy(session.client_ip, v6, 16);
    CHECK(matches(from(SLUICE_FAMILY_IPV6, v6, 128), &session));
    session.client_ip[15] = 3;
    CHECK(!matches(from(SLUICE_FAMILY_IPV6, v6, 127), &session));
    CHECK(matches(from(SLUICE_FAMILY_IPV6, v6, 126), &session));
    CHECK(matches(from(SLUICE_FAMILY_IPV6, v6, 33), &session));
    CHECK(!matches(from(SLUICE_FAMILY_IPV4, "\0\0\0\0", 0), &session));
}

TEST(age_counts_from_the_accept)
{
    struct session session = plain();
    CHECK(matches((struct given){.record = {.older_than_ms = 5000}}, &session));
    CHECK(!matches((struct given){.record = {.older_than_ms = 5001}}, &session));
    CHECK(!matches((struct given){.record = {.older_than_ms = UINT64_MAX}}, &session));
}

TEST(a_ulid_means_one_session)
{
    struct session session = plain();
    CHECK(matches((struct given){.record = {.session = {9, 8, 7}}}, &session));
    CHECK(!matches((struct given){.record = {.session = {9, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}}, &session));
    /* All that is said must hold. */
    struct given both = {.record = {.session = {9, 8, 7}, .id_kind = SLUICE_FILTER_TENANT, .id_count = 1}, .ids = {4}};
    CHECK(!matches(both, &session));
}
