/* SPDX-License-Identifier: MIT
 * observe/log_ring: whole records, in order, counted when they do not fit; also with two threads. */
#include "observe/log_ring.h"

#include <pthread.h>

#include "sluice.h"
#include "test.h"

#define MOST_TEXT 120u

/* A record as this test writes it: a number, and text that follows from the number. */
struct record {
    struct sluice_log_header header;
    uint64_t number;
};

static uint32_t text_size(uint64_t number)
{
    return (uint32_t)(number * 7 % (MOST_TEXT / 8)) * 8;
}

static bool write_record(struct log_ring *ring, uint64_t number)
{
    unsigned char text[MOST_TEXT];
    uint32_t size = text_size(number);
    memset(text, (int)(number & 0xff), size);
    struct record record = {.header = {.size = (uint32_t)sizeof record + size, .kind = 9}, .number = number};
    /* The text in two parts, so that three are written. */
    struct log_part parts[3] = {{&record, sizeof record}, {text, size / 3}, {text, size - size / 3}};
    return log_ring_write(ring, parts, 3);
}

/* Checks the records in a buffer; returns their count, the last number goes to *last. Numbers rise. */
static unsigned check_records(const unsigned char *bytes, uint64_t size, uint64_t *last)
{
    unsigned count = 0;
    uint64_t offset = 0;
    while (offset < size) {
        struct record record;
        if (size - offset < sizeof record) {
            TEST_FAIL("a part of a record at %" PRIu64, offset);
            return count;
        }
        memcpy(&record, bytes + offset, sizeof record);
        CHECK_EQ(record.header.kind, 9);
        CHECK_EQ(record.header.size, sizeof record + text_size(record.number));
        CHECK(*last == UINT64_MAX || record.number > *last);
        for (uint64_t i = sizeof record; i < record.header.size; i++) {
            if (bytes[offset + i] != (record.number & 0xff)) {
                TEST_FAIL("byte %" PRIu64 " of record %" PRIu64 " is wrong", i, record.number);
                break;
            }
        }
        *last = record.number;
        offset += record.header.size;
        count++;
    }
    CHECK_EQ(offset, size);
    return count;
}

TEST(records_come_out_whole_and_in_order)
{
    struct log_ring ring;
    REQUIRE(log_ring_init(&ring, 4096) == 0);
    unsigned char buffer[4096];
    CHECK_EQ(log_ring_read(&ring, buffer, sizeof buffer), 0);
    uint64_t next = 0;
    uint64_t last = UINT64_MAX;
    for (unsigned round = 0; round < 500; round++) {
        for (unsigned i = 0; i < 20; i++) {
            CHECK(write_record(&ring, next++));
        }
        uint64_t size = log_ring_read(&ring, buffer, sizeof buffer);
        CHECK_EQ(check_records(buffer, size, &last), 20);
        CHECK_EQ(last, next - 1);
    }
    CHECK_EQ(atomic_load(&ring.dropped), 0);
    log_ring_destroy(&ring);
}

TEST(a_full_ring_drops_counts_and_goes_on)
{
    struct log_ring ring;
    REQUIRE(log_ring_init(&ring, 4096) == 0);
    unsigned written = 0;
    unsigned refused = 0;
    for (uint64_t number = 0; number < 200; number++) {
        write_record(&ring, number) ? written++ : refused++;
    }
    CHECK(written > 0 && refused > 0);
    CHECK_EQ(atomic_load(&ring.dropped), refused);
    unsigned char buffer[4096];
    uint64_t last = UINT64_MAX;
    uint64_t size = log_ring_read(&ring, buffer, sizeof buffer);
    CHECK_EQ(check_records(buffer, size, &last), written);
    CHECK(write_record(&ring, 200));
    CHECK_EQ(check_records(buffer, log_ring_read(&ring, buffer, sizeof buffer), &last), 1);
    CHECK_EQ(last, 200);
    log_ring_destroy(&ring);
}

TEST(the_ring_can_be_filled_to_its_last_byte)
{
    struct log_ring ring;
    REQUIRE(log_ring_init(&ring, 4096) == 0);
    struct record record = {.header = {.size = 16, .kind = 9}};
    struct log_part part = {&record, sizeof record};
    for (unsigned i = 0; i < 4096 / 16; i++) {
        CHECK(log_ring_write(&ring, &part, 1));
    }
    CHECK(!log_ring_write(&ring, &part, 1));
    unsigned char buffer[4096];
    CHECK_EQ(log_ring_read(&ring, buffer, sizeof buffer), 4096);
    CHECK(log_ring_write(&ring, &part, 1));
    log_ring_destroy(&ring);
}

TEST(a_record_larger_than_the_ring_is_dropped)
{
    struct log_ring ring;
    static unsigned char text[8192];
    REQUIRE(log_ring_init(&ring, 4096) == 0);
    struct record record = {.header = {.size = sizeof record + sizeof text, .kind = 9}};
    struct log_part parts[2] = {{&record, sizeof record}, {text, sizeof text}};
    CHECK(!log_ring_write(&ring, parts, 2));
    CHECK_EQ(atomic_load(&ring.dropped), 1);
    unsigned char buffer[64];
    CHECK_EQ(log_ring_read(&ring, buffer, sizeof buffer), 0);
    log_ring_destroy(&ring);
}

TEST(a_small_buffer_gets_the_records_that_fit_whole)
{
    struct log_ring ring;
    REQUIRE(log_ring_init(&ring, 4096) == 0);
    for (uint64_t number = 0; number < 30; number++) {
        CHECK(write_record(&ring, number));
    }
    unsigned char buffer[200];
    uint64_t last = UINT64_MAX;
    unsigned count = 0;
    CHECK_EQ(log_ring_read(&ring, buffer, 8), 0); /* the first one does not fit */
    for (unsigned reads = 0; reads < 100 && last != 29; reads++) {
        uint64_t size = log_ring_read(&ring, buffer, sizeof buffer);
        CHECK(size > 0);
        count += check_records(buffer, size, &last);
    }
    CHECK_EQ(count, 30);
    log_ring_destroy(&ring);
}

#define THREAD_RECORDS 200000u

static void *produce(void *argument)
{
    struct log_ring *ring = argument;
    for (uint64_t number = 0; number < THREAD_RECORDS; number++) {
        write_record(ring, number);
    }
    return NULL;
}

TEST(two_threads_see_whole_records_and_every_loss_is_counted)
{
    static struct log_ring ring;
    REQUIRE(log_ring_init(&ring, 16384) == 0);
    pthread_t producer;
    REQUIRE(pthread_create(&producer, NULL, produce, &ring) == 0);
    static unsigned char buffer[4096];
    uint64_t last = UINT64_MAX;
    uint64_t read = 0;
    uint64_t seen = 0;
    /* Every record is either read or counted as dropped; the ring empties at last. */
    do {
        uint64_t size = log_ring_read(&ring, buffer, sizeof buffer);
        read += check_records(buffer, size, &last);
        seen = read + atomic_load(&ring.dropped);
    } while (seen < THREAD_RECORDS);
    pthread_join(producer, NULL);
    CHECK_EQ(seen, THREAD_RECORDS);
    CHECK(read > 0);
    CHECK_EQ(log_ring_read(&ring, buffer, sizeof buffer), 0);
    log_ring_destroy(&ring);
}
