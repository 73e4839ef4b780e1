/* SPDX-License-Identifier: MIT
 * core/routes and policy/route against a walk over all routes: random tenants that come, change and go. */
#include "core/routes.h"

#include <stdlib.h>

#include "sluice.h"
#include "test.h"

#define TENANTS 6u
#define ROUTES 6u
#define STEPS 400u
#define LISTENERS 2u

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % below;
}

#define TEXT(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

static const struct route_text names[] = {TEXT("a.x"),   TEXT("b.x"),     TEXT("a.b.x"), TEXT("*.x"),
                                          TEXT("*.b.x"), TEXT("*.a.b.x"), TEXT("y"),     TEXT("*.y")};
static const struct route_text protocols[] = {TEXT("h2"), TEXT("mqtt")};
static const struct prefix sources[] = {
    {.family = SLUICE_FAMILY_IPV4, .bits = 8, .ip = {10}},
    {.family = SLUICE_FAMILY_IPV4, .bits = 16, .ip = {10, 1}},
    {.family = SLUICE_FAMILY_IPV4, .bits = 32, .ip = {10, 1, 2, 3}},
    {.family = SLUICE_FAMILY_IPV6, .bits = 7, .ip = {0xfc}},
};

/* A version of a tenant with its routes; what those point to is of the tables above. */
struct version {
    struct tenant *tenant;
    struct route routes[ROUTES];
    struct route_text names[ROUTES][2];
    struct prefix sources[ROUTES][2];
};

static void draw_route(struct version *version, uint32_t i)
{
    struct route *route = &version->routes[i];
    *route = (struct route){.id = i + 1, .listener = 1 + draw(LISTENERS), .tenant = version->tenant};
    route->names = version->names[i];
    route->name_count = draw(3);
    for (uint32_t k = 0; k < route->name_count; k++) {
        version->names[i][k] = names[draw(sizeof(names) / sizeof(names[0]))];
    }
    route->is_default = route->name_count == 0 || draw(4) == 0;
    route->rule.protocols = &protocols[draw(2)];
    route->rule.protocol_count = draw(3) == 0;
    if (draw(3) == 0) {
        uint32_t first = draw(4);
        uint32_t second = draw(4);
        bool swap = sources[first].bits < sources[second].bits;
        version->sources[i][0] = sources[swap ? second : first];
        version->sources[i][1] = sources[swap ? first : second];
        route->rule.sources = version->sources[i];
        route->rule.source_count = first == second ? 1 : 2;
    }
}

static struct version *draw_version(void)
{
    struct version *version = calloc(1, sizeof(*version));
    version->tenant = calloc(1, sizeof(*version->tenant));
    version->tenant->routes = version->routes;
    version->tenant->route_count = draw(ROUTES + 1);
    for (uint32_t i = 0; i < version->tenant->route_count; i++) {
        draw_route(version, i);
    }
    return version;
}

static void drop(struct version *version)
{
    if (version != NULL) {
        free(version->tenant);
        free(version);
    }
}

/* ---- The walk ---- */

static bool in_prefix(const struct prefix *prefix, const struct route_request *request)
{
    for (uint32_t bit = 0; bit < prefix->bits; bit++) {
        uint8_t mask = (uint8_t)(0x80u >> bit % 8);
        if (((prefix->ip[bit / 8] ^ request->ip[bit / 8]) & mask) != 0) {
            return false;
        }
    }
    return prefix->family == request->family;
}

/* How well a route fits, as the comment at route_find says; 0: not at all. */
static uint32_t fits(const struct route *route, const struct route_request *request)
{
    uint32_t bits = 0;
    for (uint32_t i = 0; i < route->rule.source_count; i++) {
        if (in_prefix(&route->rule.sources[i], request) && route->rule.sources[i].bits + 1u > bits) {
            bits = route->rule.sources[i].bits + 1u;
        }
    }
    bool offers = request->hello != NULL && route->rule.protocol_count == 1 &&
                  client_hello_offers(request->hello, route->rule.protocols[0].bytes, route->rule.protocols[0].length);
    if ((route->rule.source_count > 0 && bits == 0) || (route->rule.protocol_count > 0 && !offers)) {
        return 0;
    }
    return 1 + 2 * bits + (offers ? 1 : 0);
}

static bool has_name(const struct route *route, const char *name, bool wildcard)
{
    for (uint32_t i = 0; i < route->name_count; i++) {
        const struct route_text *text = &route->names[i];
        bool is_wildcard = text->bytes[0] == '*';
        const char *bytes = is_wildcard ? text->bytes + 2 : text->bytes;
        if (is_wildcard == wildcard && strcmp(bytes, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The best fit of a level: by name (wildcard or not), or, with NULL, of those that take what no name takes. */
static uint32_t best(struct version *const *versions, const struct route_request *request, const char *name,
                     bool wildcard)
{
    uint32_t score = 0;
    for (uint32_t i = 0; i < TENANTS; i++) {
        for (uint32_t k = 0; versions[i] != NULL && k < versions[i]->tenant->route_count; k++) {
            const struct route *route = &versions[i]->routes[k];
            bool of_level = name == NULL ? route->is_default : has_name(route, name, wildcard);
            uint32_t fit = of_level && route->listener == request->listener ? fits(route, request) : 0;
            score = fit > score ? fit : score;
        }
    }
    return score;
}

/* What route_find must come to: how well the best one fits, and whether that is by name. */
static uint32_t expected(struct version *const *versions, const struct route_request *request, bool *by_name)
{
    *by_name = true;
    if (request->hello != NULL && request->hello->server_name_length > 0) {
        const char *name = request->hello->server_name;
        uint32_t score = best(versions, request, name, false);
        for (const char *dot = strchr(name, '.'); score == 0 && dot != NULL; dot = strchr(dot + 1, '.')) {
            score = best(versions, request, dot + 1, true);
        }
        if (score > 0) {
            return score;
        }
    }
    *by_name = false;
    return best(versions, request, NULL, false);
}

static void ask(const struct route_table *table, struct version *const *versions)
{
    static const char *const asked[] = {"", "a.x", "b.x", "a.b.x", "c.a.b.x", "q.b.x", "x", "y", "n.y", "z"};
    static const uint8_t ips[][16] = {{10, 1, 2, 3}, {10, 1, 9, 9}, {10, 9, 9, 9}, {11, 0, 0, 1}, {0xfd, 1}};
    struct client_hello hello = {0};
    const char *name = asked[draw(10)];
    uint32_t ip = draw(5);
    hello.server_name_length = (uint32_t)strlen(name);
    memcpy(hello.server_name, name, hello.server_name_length + 1);
    if (draw(2) == 0) {
        memcpy(hello.alpn, "\2h2", 3);
        hello.alpn_length = 3;
    }
    struct route_request request = {.listener = 1 + draw(LISTENERS),
                                    .family = ip == 4 ? SLUICE_FAMILY_IPV6 : SLUICE_FAMILY_IPV4,
                                    .ip = ips[ip],
                                    .hello = draw(5) == 0 ? NULL : &hello};
    bool by_name;
    uint32_t score = expected(versions, &request, &by_name);
    const struct route_rule *rule = route_find(table, &request);
    if (rule == NULL) {
        CHECK_EQ(score, 0);
        return;
    }
    const struct route *route = container_of(rule, const struct route, rule);
    bool stands = false;
    for (uint32_t i = 0; i < TENANTS; i++) {
        stands = stands || (versions[i] != NULL && route->tenant == versions[i]->tenant);
    }
    CHECK(stands);
    CHECK(by_name ? route->name_count > 0 : route->is_default);
    CHECK_EQ(fits(route, &request), score);
}

TEST(routes_are_found_as_by_a_walk_over_all)
{
    struct route_table *table = routes_new();
    struct version *versions[TENANTS] = {NULL};
    for (uint32_t step = 0; step < STEPS; step++) {
        struct route_change change = {0};
        struct version *next[TENANTS];
        memcpy(next, versions, sizeof(next));
        /* Several at once, as in one apply; each once. */
        for (uint32_t i = 0; i < TENANTS; i++) {
            if (draw(2) == 0) {
                next[i] = draw(5) == 0 ? NULL : draw_version();
                const struct tenant *before = versions[i] == NULL ? NULL : versions[i]->tenant;
                CHECK_EQ(routes_prepare(table, &change, before, next[i] == NULL ? NULL : next[i]->tenant), 0);
            }
        }
        bool undone = draw(4) == 0;
        if (undone) {
            routes_undo(&change);
        } else {
            routes_commit(table, &change);
            routes_settle(&change);
        }
        for (uint32_t i = 0; i < TENANTS; i++) {
            if (next[i] != versions[i]) {
                drop(undone ? next[i] : versions[i]);
                versions[i] = undone ? versions[i] : next[i];
            }
        }
        for (uint32_t i = 0; i < 50; i++) {
            ask(table, versions);
        }
    }
    struct route_change change = {0};
    for (uint32_t i = 0; i < TENANTS; i++) {
        CHECK_EQ(routes_prepare(table, &change, versions[i] == NULL ? NULL : versions[i]->tenant, NULL), 0);
    }
    routes_commit(table, &change);
    routes_settle(&change);
    uint32_t left = 0;
    for (uint32_t i = 0; i < ROUTE_BUCKETS; i++) {
        const struct route_entry *entry = atomic_load(&table->buckets[i]);
        for (; entry != NULL; entry = atomic_load(&entry->next)) {
            CHECK(atomic_load(&entry->set) == NULL);
            left++;
        }
    }
    CHECK(left < 200); /* empty entries of what was undone may stay; they are found again */
    for (uint32_t i = 0; i < TENANTS; i++) {
        drop(versions[i]);
    }
    routes_free(table);
}

TEST(of_two_that_fit_equally_well_the_first_counts)
{
    struct route_table *table = routes_new();
    struct version *version = calloc(1, sizeof(*version));
    struct version *other = calloc(1, sizeof(*other));
    struct client_hello hello = {.server_name = "a.x", .server_name_length = 3, .alpn = "\2h2\4mqtt", .alpn_length = 8};
    version->tenant = calloc(1, sizeof(*version->tenant));
    other->tenant = calloc(1, sizeof(*other->tenant));
    for (uint32_t i = 0; i < 2; i++) {
        version->routes[i] = (struct route){.id = i + 1, .listener = 1, .names = names, .name_count = 1};
        version->routes[i].rule = (struct route_rule){.protocols = &protocols[i], .protocol_count = 1};
    }
    other->routes[0] = (struct route){.id = 1, .listener = 1, .names = &names[0], .name_count = 1};
    other->routes[0].rule.sources = sources;
    other->routes[0].rule.source_count = 1;
    version->tenant->routes = version->routes;
    version->tenant->route_count = 2;
    other->tenant->routes = other->routes;
    other->tenant->route_count = 1;
    static const uint8_t ip[16] = {11};
    struct route_request request = {.listener = 1, .family = SLUICE_FAMILY_IPV4, .ip = ip, .hello = &hello};

    struct route_change change = {0};
    CHECK_EQ(routes_prepare(table, &change, NULL, other->tenant), 0);
    CHECK_EQ(routes_prepare(table, &change, NULL, version->tenant), 0);
    routes_commit(table, &change);
    routes_settle(&change);
    CHECK(route_find(table, &request) == &version->routes[0].rule);
    /* The other tenant goes, and with it the first rule of the key: the order of the rest stays. */
    CHECK_EQ(routes_prepare(table, &change, other->tenant, NULL), 0);
    routes_commit(table, &change);
    routes_settle(&change);
    CHECK(route_find(table, &request) == &version->routes[0].rule);
    drop(version);
    drop(other);
    routes_free(table);
}
