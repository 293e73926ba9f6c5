/* Transactions as records: Kafka's bytes (golden ones were made with the TransactionLogKey and
 * TransactionLogValue of Kafka 4.3.1), and back. */
#include "base/mem.h"
#include "broker/coordinator/transaction_records.h"
#include "net/protocol/record_types.h"
#include "record/batch_reader.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

static uint64_t mono_ns(struct clock *clock)
{
    return 1;
}

static int64_t wall_ms(struct clock *clock)
{
    return 1700000000000;
}

static struct clock stopped = {mono_ns, wall_ms, NULL};
static struct shard shard = {.clock = &stopped};
static const struct runtime_kind kind = {.family = RECORD_TXN};
static struct runtime runtime = {.shard = &shard, .kind = &kind};
static struct runtime_partition at = {.runtime = &runtime};

static struct runtime_write write;
static struct transaction_partitions set;
static struct transaction_partitions adds;
static struct transaction_record got;
static struct batch_reader reader;
static struct record raw;

static void on_done(struct runtime_write *ended, enum err err)
{
}

static void setup(void)
{
    runtime_write_init(&write, &at, on_done);
    batch_reader_init(&reader, NULL, 64 << 20);
}

static void teardown(void)
{
    mem_fail_after(0);
    batch_reader_deinit(&reader);
    runtime_write_deinit(&write);
    transaction_partitions_deinit(&set);
    transaction_partitions_deinit(&adds);
    transaction_record_deinit(&got);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(transaction_records, .init = setup, .fini = teardown);

static struct transaction_fields fields_of(enum transaction_state state)
{
    return (struct transaction_fields){.state = state,
                                       .epoch = 7,
                                       .timeout_ms = 60000,
                                       .producer_id = 1001,
                                       .previous_producer_id = TRANSACTION_NO_PRODUCER,
                                       .next_producer_id = TRANSACTION_NO_PRODUCER,
                                       .started_ms = 1700000000000,
                                       .updated_ms = 1700000000001};
}

static void add(struct transaction_partitions *to, const char *topic, int32_t index)
{
    cr_assert(eq(int, transaction_partitions_add(to, topic, strlen(topic), index), OK));
}

/* What was written, as bytes, and read again into got. */
static enum err read_back(void)
{
    const uint8_t *bytes;
    uint32_t size_bytes;
    struct runtime_record record = {.batch = &reader.header};

    cr_assert(eq(int, write.err, OK));
    cr_assert(eq(int, batch_builder_finish(&write.builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(eq(int, batch_reader_open(&reader, bytes, size_bytes), OK));
    cr_assert(eq(int, batch_reader_next(&reader, &raw, NULL, NULL), OK));
    record.key = raw.key;
    record.key_bytes = raw.key_bytes;
    record.value = raw.value;
    record.value_bytes = raw.value_bytes;
    return transaction_records_read(&record, &got);
}

static void check_hex(const uint8_t *bytes, int32_t size_bytes, const char *want)
{
    cr_assert(eq(sz, (size_t)size_bytes * 2, strlen(want)));
    for (int32_t i = 0; i < size_bytes; i++) {
        char text[3];
        snprintf(text, sizeof(text), "%02x", bytes[i]);
        cr_assert(strncmp(text, want + (size_t)i * 2, 2) == 0, "byte %d: %s", i, text);
    }
}

Test(transaction_records, below_level_1_the_value_is_kafkas_version_0)
{
    struct transaction_fields fields = fields_of(TRANSACTION_ONGOING);

    add(&set, "a", 0);
    add(&adds, "a", 2);
    add(&adds, "b", 5);
    transaction_records_add(&write, "id", 2, &fields, &set, &adds, TRANSACTION_V0);
    cr_assert(eq(int, read_back(), OK));
    check_hex(raw.key, raw.key_bytes, "000000026964");
    check_hex(raw.value, raw.value_bytes,
              "000000000000000003e900070000ea6001000000020001610000000200000000000000020001620000"
              "0001000000050000018bcfe568010000018bcfe56800");
    cr_assert(eq(u32, got.partitions.count, 3));
    cr_assert(transaction_partitions_has(&got.partitions, "a", 1, 2));
    cr_assert(eq(int, got.fields.state, TRANSACTION_ONGOING));
}

Test(transaction_records, from_level_1_it_is_version_1_with_the_ids_before_and_after)
{
    struct transaction_fields fields = fields_of(TRANSACTION_PREPARE_COMMIT);

    fields.previous_producer_id = 1000;
    fields.next_producer_id = 1002;
    fields.client_version = TRANSACTION_V2;
    add(&set, "a", 0);
    add(&set, "a", 2);
    add(&set, "b", 5);
    transaction_records_add(&write, "id", 2, &fields, &set, NULL, TRANSACTION_V1);
    cr_assert(eq(int, read_back(), OK));
    check_hex(raw.value, raw.value_bytes,
              "000100000000000003e900070000ea6002030261030000000000000002000262020000000500000001"
              "8bcfe568010000018bcfe5680003000800000000000003e8010800000000000003ea02020002");
    cr_assert(eq(int, got.fields.state, fields.state));
    cr_assert(eq(int, got.fields.client_version, fields.client_version));
    cr_assert(eq(i16, got.fields.epoch, fields.epoch));
    cr_assert(eq(i32, got.fields.timeout_ms, fields.timeout_ms));
    cr_assert(eq(i64, got.fields.producer_id, fields.producer_id));
    cr_assert(eq(i64, got.fields.previous_producer_id, fields.previous_producer_id));
    cr_assert(eq(i64, got.fields.next_producer_id, fields.next_producer_id));
    cr_assert(eq(i64, got.fields.started_ms, fields.started_ms));
    cr_assert(eq(i64, got.fields.updated_ms, fields.updated_ms));
    cr_assert(eq(str, got.id, "id"));
}

Test(transaction_records, below_level_1_what_version_0_has_no_room_for_is_left_out_or_version_1)
{
    struct transaction_fields fields = fields_of(TRANSACTION_PREPARE_ABORT);

    fields.previous_producer_id = 1000;
    transaction_records_add(&write, "id", 2, &fields, &set, NULL, TRANSACTION_V0);
    cr_assert(eq(int, read_back(), OK));
    cr_assert(eq(int, raw.value[1], 0));
    transaction_record_deinit(&got);
    runtime_write_deinit(&write);
    setup();
    fields.client_version = TRANSACTION_V2;
    fields.next_producer_id = 1002;
    transaction_records_add(&write, "id", 2, &fields, &set, NULL, TRANSACTION_V0);
    cr_assert(eq(int, read_back(), OK));
    cr_assert(eq(int, raw.value[1], 1));
    cr_assert(eq(i64, got.fields.next_producer_id, 1002));
}

Test(transaction_records, only_empty_has_no_partitions_at_all)
{
    struct transaction_fields fields = fields_of(TRANSACTION_EMPTY);

    fields.epoch = 0;
    fields.started_ms = TRANSACTION_NO_TIME;
    transaction_records_add(&write, "id", 2, &fields, &set, NULL, TRANSACTION_V2);
    cr_assert(eq(int, read_back(), OK));
    check_hex(raw.value, raw.value_bytes,
              "000100000000000003e900000000ea6000000000018bcfe56801ffffffffffffffff00");
}

Test(transaction_records, empty_below_level_1_is_null_as_well)
{
    struct transaction_fields fields = fields_of(TRANSACTION_EMPTY);

    fields.epoch = 0;
    fields.started_ms = TRANSACTION_NO_TIME;
    transaction_records_add(&write, "id", 2, &fields, &set, NULL, TRANSACTION_V0);
    cr_assert(eq(int, read_back(), OK));
    check_hex(raw.value, raw.value_bytes,
              "000000000000000003e900000000ea6000ffffffff0000018bcfe56801ffffffffffffffff");
}

Test(transaction_records, complete_has_an_empty_array)
{
    struct transaction_fields fields = fields_of(TRANSACTION_COMPLETE_COMMIT);

    fields.epoch = 0;
    fields.started_ms = TRANSACTION_NO_TIME;
    transaction_records_add(&write, "id", 2, &fields, &set, NULL, TRANSACTION_V2);
    cr_assert(eq(int, read_back(), OK));
    check_hex(raw.value, raw.value_bytes,
              "000100000000000003e900000000ea6004010000018bcfe56801ffffffffffffffff00");
    cr_assert(eq(u32, got.partitions.count, 0));
}

Test(transaction_records, a_tombstone_says_that_nothing_is_known)
{
    transaction_records_add_tombstone(&write, "i\0d", 3);
    cr_assert(eq(int, read_back(), OK));
    cr_assert(eq(i32, raw.value_bytes, -1));
    cr_assert(eq(int, got.fields.state, TRANSACTION_DEAD));
    cr_assert(eq(sz, got.id_bytes, 3));
    cr_assert(eq(int, memcmp(got.id, "i\0d", 3), 0));
}

Test(transaction_records, ten_thousand_partitions_are_one_record)
{
    struct transaction_fields fields = fields_of(TRANSACTION_ONGOING);
    char name[256];

    for (int32_t i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "%0200d", i);
        add(i % 2 == 0 ? &set : &adds, name, i);
    }
    transaction_records_add(&write, "id", 2, &fields, &set, &adds, TRANSACTION_V2);
    cr_assert(eq(int, read_back(), OK));
    cr_assert(eq(u32, got.partitions.count, 10000));
}

/* A value as bytes, into got. */
static enum err read_value(const uint8_t *value, int32_t value_bytes)
{
    static const uint8_t key[] = {0, 0, 0, 2, 'i', 'd'};
    struct batch_header header = {0};
    struct runtime_record record = {.batch = &header,
                                    .key = key,
                                    .key_bytes = sizeof(key),
                                    .value = value,
                                    .value_bytes = value_bytes};

    return transaction_records_read(&record, &got);
}

Test(transaction_records, what_cannot_be_understood_is_refused)
{
    /* version, P, E, timeout, status, null, updated, started */
    uint8_t value[] = {0,    0,    0, 0, 0, 0, 0, 0, 3, 0xe9, 0, 0, 0, 0, 0xea, 0x60, 0, 0xff, 0xff,
                       0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1,    0, 0, 0, 0, 0,    0,    0, 1};
    enum { VERSION = 1, PRODUCER = 2, EPOCH = 10, STATUS = 16 };

    cr_assert(eq(int, read_value(value, sizeof(value)), OK));
    transaction_record_deinit(&got);
    cr_assert(ne(int, read_value(value, sizeof(value) - 1), OK));
    value[STATUS] = 6;
    cr_assert(eq(int, read_value(value, sizeof(value)), ERR_CORRUPT));
    value[STATUS] = 0xff;
    cr_assert(eq(int, read_value(value, sizeof(value)), ERR_CORRUPT));
    value[STATUS] = 0;
    value[PRODUCER] = 0x80;
    cr_assert(eq(int, read_value(value, sizeof(value)), ERR_CORRUPT));
    value[PRODUCER] = 0;
    value[EPOCH] = 0x80;
    cr_assert(eq(int, read_value(value, sizeof(value)), ERR_CORRUPT));
    value[EPOCH] = 0;
    value[VERSION] = 9;
    cr_assert(eq(int, read_value(value, sizeof(value)), ERR_NEWER_FORMAT));
    cr_assert_null(got.id);
}

Test(transaction_records, without_memory_there_is_an_error_and_no_leak)
{
    struct transaction_fields fields = fields_of(TRANSACTION_ONGOING);
    enum err err = ERR_NOMEM;

    add(&set, "a", 0);
    add(&adds, "a", 1);
    for (uint64_t i = 1; err == ERR_NOMEM; i++) {
        runtime_write_deinit(&write);
        runtime_write_init(&write, &at, on_done);
        mem_fail_after(i);
        transaction_records_add(&write, "id", 2, &fields, &set, &adds, TRANSACTION_V2);
        mem_fail_after(0);
        err = write.err;
        cr_assert(lt(u64, i, 100));
    }
    cr_assert(eq(int, err, OK));
    cr_assert(eq(int, read_back(), OK));
    transaction_record_deinit(&got);
    err = ERR_NOMEM;
    for (uint64_t i = 1; err == ERR_NOMEM; i++) {
        struct runtime_record record = {.batch = &reader.header,
                                        .key = raw.key,
                                        .key_bytes = raw.key_bytes,
                                        .value = raw.value,
                                        .value_bytes = raw.value_bytes};
        mem_fail_after(i);
        err = transaction_records_read(&record, &got);
        mem_fail_after(0);
        cr_assert(lt(u64, i, 100));
    }
    cr_assert(eq(int, err, OK));
}
