/* SPDX-License-Identifier: MIT
 * The table of sources. Entered by workers; visited by the control thread. */
#include "policy/source_table.h"

#include "sys/spin.h"

#define TAGS_PER_WORD 8u
#define TAG_WORDS 4u

struct source_bucket {
    _Alignas(CACHE_LINE) _Atomic uint32_t lock;
    _Atomic uint32_t changes; /* odd while a key is written; pairs with read_source */
    _Atomic uint32_t used;    /* ways from the first on that hold a source; relaxed; never falls */
    uint64_t tags[TAG_WORDS]; /* a byte of its hash for each way, 0 where it is unused; under the lock */
    struct source ways[SOURCE_TABLE_WAYS];
};
_Static_assert(sizeof(struct source_bucket) == 2048, "a bucket is half a page");
_Static_assert(SOURCE_TABLE_WAYS < TAGS_PER_WORD * TAG_WORDS, "there is a tag for each way");

/* A byte in all places of a word, and the places of zero bytes: the top bit of each is set. */
static uint64_t repeat(uint8_t byte)
{
    return byte * UINT64_C(0x0101010101010101);
}

static uint64_t zero_bytes(uint64_t word)
{
    uint64_t low = repeat(0x7f);
    return ~(((word & low) + low) | word | low);
}

static bool has_key(const struct source *source, const uint64_t key[SOURCE_KEY_WORDS])
{
    bool equal = true;
    for (uint32_t i = 0; i < SOURCE_KEY_WORDS; i++) {
        equal = equal && atomic_load_explicit(&source->key[i], memory_order_relaxed) == key[i];
    }
    return equal;
}

static struct source *find(struct source_bucket *bucket, const uint64_t key[SOURCE_KEY_WORDS], uint8_t tag)
{
    for (uint32_t word = 0; word < TAG_WORDS; word++) {
        uint64_t matches = zero_bytes(bucket->tags[word] ^ repeat(tag));
        for (; matches != 0; matches &= matches - 1) {
            uint32_t way = word * TAGS_PER_WORD + (uint32_t)__builtin_ctzll(matches) / 8;
            if (has_key(&bucket->ways[way], key)) {
                return &bucket->ways[way];
            }
        }
    }
    return NULL;
}

/* The way of the source that has to go; SOURCE_TABLE_WAYS when all are pinned. */
static uint32_t choose_way(const struct source_bucket *bucket, uint32_t tenant, uint64_t now_ns)
{
    uint32_t least = SOURCE_TABLE_WAYS;
    uint64_t least_ns = UINT64_MAX;
    bool own = false;
    for (uint32_t way = 0; way < SOURCE_TABLE_WAYS; way++) {
        const struct source *source = &bucket->ways[way];
        /* Acquire: all that was done to it is done. Nobody can pin it while we hold the lock. */
        if (atomic_load_explicit(&source->pins, memory_order_acquire) != 0) {
            continue;
        }
        uint64_t full_ns = atomic_load_explicit(&source->full_ns, memory_order_relaxed);
        if (full_ns <= now_ns) {
            return way;
        }
        bool same = source_key_tenant(atomic_load_explicit(&source->key[2], memory_order_relaxed)) == tenant;
        if (least == SOURCE_TABLE_WAYS || (same && !own) || (same == own && full_ns < least_ns)) {
            least = way;
            least_ns = full_ns;
            own = same;
        }
    }
    return least;
}

/* Writes a key so that read_source sees it whole: `changes` is odd from before the first word to after the last. */
static void write_key(struct source_bucket *bucket, struct source *source, const uint64_t key[SOURCE_KEY_WORDS])
{
    uint32_t changes = atomic_load_explicit(&bucket->changes, memory_order_relaxed);
    atomic_store_explicit(&bucket->changes, changes + 1, memory_order_relaxed);
    for (uint32_t i = 0; i < SOURCE_KEY_WORDS; i++) {
        atomic_store_explicit(&source->key[i], key[i], memory_order_release);
    }
    atomic_store_explicit(&bucket->changes, changes + 2, memory_order_release);
}

/* A source with that key and nothing taken, in an unused way or in that of one that goes; NULL when all are pinned. */
static struct source *make(struct source_bucket *bucket, const uint64_t key[SOURCE_KEY_WORDS], uint8_t tag,
                           uint64_t now_ns)
{
    uint32_t used = atomic_load_explicit(&bucket->used, memory_order_relaxed);
    uint32_t way = used < SOURCE_TABLE_WAYS ? used : choose_way(bucket, source_key_tenant(key[2]), now_ns);
    if (way == SOURCE_TABLE_WAYS) {
        return NULL;
    }
    struct source *source = &bucket->ways[way];
    SLUICE_ASSERT(atomic_load_explicit(&source->sessions, memory_order_relaxed) == 0 &&
                  atomic_load_explicit(&source->waiting, memory_order_relaxed) == 0);
    write_key(bucket, source, key);
    atomic_store_explicit(&source->epoch, 0, memory_order_relaxed);
    atomic_store_explicit(&source->full_ns, 0, memory_order_relaxed);
    uint32_t shift = way % TAGS_PER_WORD * 8;
    uint64_t *tags = &bucket->tags[way / TAGS_PER_WORD];
    *tags = (*tags & ~(UINT64_C(0xff) << shift)) | (uint64_t)tag << shift;
    if (way == used) {
        atomic_store_explicit(&bucket->used, used + 1, memory_order_relaxed);
    }
    return source;
}

uint64_t source_table_bytes(uint32_t bucket_count)
{
    return (uint64_t)bucket_count * sizeof(struct source_bucket);
}

void source_table_init(struct source_table *table, void *memory, uint32_t bucket_count, const uint64_t seed[2])
{
    SLUICE_ASSERT(bucket_count != 0 && (bucket_count & (bucket_count - 1)) == 0);
    SLUICE_ASSERT((uintptr_t)memory % sizeof(struct source_bucket) == 0);
    *table = (struct source_table){
        .buckets = memory,
        .bucket_count = bucket_count,
        .seed = {seed[0], seed[1]},
    };
}

struct source *source_table_enter(struct source_table *table, const struct source_key *key, uint64_t now_ns)
{
    uint64_t words[SOURCE_KEY_WORDS];
    source_key_pack(key, words);
    uint64_t hash = source_key_hash(words, table->seed);
    struct source_bucket *bucket = &table->buckets[hash & (table->bucket_count - 1)];
    uint8_t tag = (uint8_t)(hash >> 56); /* bits that do not choose the bucket: it has 2^32 at the most */
    tag = tag == 0 ? 1 : tag;
    spin_lock(&bucket->lock);
    struct source *source = find(bucket, words, tag);
    if (source == NULL) {
        source = make(bucket, words, tag, now_ns);
    }
    if (source != NULL) {
        atomic_fetch_add_explicit(&source->pins, 1, memory_order_relaxed);
    }
    spin_unlock(&bucket->lock);
    return source;
}

/* Reads a whole key, and its sessions. Acquire on each word: who read one that was written meanwhile then sees that
 * `changes` is not what it was. */
static uint32_t read_source(const struct source_bucket *bucket, const struct source *source,
                            uint64_t key[SOURCE_KEY_WORDS])
{
    uint32_t pauses = 0;
    for (;;) {
        uint32_t changes = atomic_load_explicit(&bucket->changes, memory_order_acquire);
        for (uint32_t i = 0; i < SOURCE_KEY_WORDS; i++) {
            key[i] = atomic_load_explicit(&source->key[i], memory_order_acquire);
        }
        uint32_t sessions = atomic_load_explicit(&source->sessions, memory_order_acquire);
        if (changes % 2 == 0 && atomic_load_explicit(&bucket->changes, memory_order_relaxed) == changes) {
            return sessions;
        }
        spin_pause(&pauses);
    }
}

void source_table_visit(const struct source_table *table, uint32_t tenant,
                        void (*visit)(void *context, const struct source_key *key, uint32_t sessions), void *context)
{
    for (uint32_t i = 0; i < table->bucket_count; i++) {
        const struct source_bucket *bucket = &table->buckets[i];
        uint32_t used = atomic_load_explicit(&bucket->used, memory_order_relaxed);
        for (uint32_t way = 0; way < used; way++) {
            uint64_t words[SOURCE_KEY_WORDS];
            uint32_t sessions = read_source(bucket, &bucket->ways[way], words);
            if (words[2] != 0 && source_key_tenant(words[2]) == tenant) {
                struct source_key key;
                source_key_unpack(words, &key);
                visit(context, &key, sessions);
            }
        }
    }
}
