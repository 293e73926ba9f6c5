#include "net/protocol/all_group_records.h"
#include "net/protocol/all_metadata_records.h"
#include "net/protocol/kafka_tables.h"
#include "net/protocol/msg_consumer_protocol.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct {
    struct arena arena;
    struct wire_writer writer;
    struct wire_reader reader;
} f;

static void setup(void)
{
    arena_init(&f.arena, 1 << 20);
    wire_writer_init(&f.writer, &f.arena);
}

static void teardown(void)
{
    arena_deinit(&f.arena);
}

static void read_back(void)
{
    struct wire_bytes bytes;

    cr_assert(eq(int, wire_writer_flatten(&f.writer, &bytes), OK));
    wire_reader_init(&f.reader, bytes.bytes, (size_t)bytes.size_bytes);
}

Test(record_types, a_type_means_what_its_family_says)
{
    cr_assert(eq(ptr, (void *)record_find(RECORD_GROUP, RECORD_OFFSET_COMMIT)->value,
                 (void *)&offset_commit_value_desc));
    cr_assert(eq(ptr, (void *)record_find(RECORD_GROUP, RECORD_OFFSET_COMMIT)->key,
                 (void *)&offset_commit_key_desc));
    cr_assert(eq(ptr, (void *)record_find(RECORD_METADATA, RECORD_UNREGISTER_BROKER)->value,
                 (void *)&unregister_broker_record_desc));
    cr_assert(eq(ptr, (void *)record_find(RECORD_METADATA, RECORD_TOPIC)->key, NULL));
    cr_assert(eq(ptr, (void *)record_find(RECORD_TXN, 1), NULL));
    cr_assert(eq(ptr, (void *)record_find(RECORD_GROUP, 9), NULL));
}

Test(record_types, a_group_record_has_its_type_in_the_key_and_its_version_in_the_value,
     .init = setup, .fini = teardown)
{
    const struct record_desc *record = record_find(RECORD_GROUP, RECORD_OFFSET_COMMIT), *found;
    struct offset_commit_key key, key_back;
    struct offset_commit_value value, value_back;
    int16_t version;

    codec_set_defaults(&offset_commit_key_desc, &key);
    key.group = wire_string("g");
    key.topic = wire_string("t");
    key.partition = 5;
    cr_assert(eq(int, record_encode_key(record, &key, &f.writer), OK));
    read_back();
    cr_assert(eq(sz, wire_reader_left(&f.reader), 12));
    cr_assert(eq(int, memcmp(f.reader.next, "\0\1\0\1g\0\1t\0\0\0\5", 12), 0));
    cr_assert(eq(int, record_read_key_type(&f.reader, RECORD_GROUP, &found), OK));
    cr_assert(eq(ptr, (void *)found, (void *)record));
    cr_assert(eq(int, codec_decode(found->key, 0, &f.reader, &f.arena, &key_back), OK));
    cr_assert(codec_equal(found->key, 0, &key, &key_back));

    codec_set_defaults(&offset_commit_value_desc, &value);
    value.offset = 99;
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, record_encode_value(record, 3, &value, &f.writer), OK));
    read_back();
    cr_assert(eq(int, memcmp(f.reader.next, "\0\3\0\0\0\0\0\0\0\x63", 10), 0));
    cr_assert(eq(int, record_read_value_version(&f.reader, record, &version), OK));
    cr_assert(eq(int, version, 3));
    cr_assert(eq(int, codec_decode(record->value, version, &f.reader, &f.arena, &value_back), OK));
    cr_assert(eq(i64, value_back.offset, 99));
}

Test(record_types, unknown_types_and_newer_versions_are_told_apart, .init = setup, .fini = teardown)
{
    const struct record_desc *record;
    int16_t version;

    wire_reader_init(&f.reader, "\0\x63", 2);
    cr_assert(eq(int, record_read_key_type(&f.reader, RECORD_GROUP, &record), ERR_NOT_FOUND));
    wire_reader_init(&f.reader, "\0", 1);
    cr_assert(eq(int, record_read_key_type(&f.reader, RECORD_GROUP, &record), ERR_TRUNCATED));
    record = record_find(RECORD_GROUP, RECORD_OFFSET_COMMIT);
    wire_reader_init(&f.reader, "\0\5", 2);
    cr_assert(eq(int, record_read_value_version(&f.reader, record, &version), ERR_NEWER_FORMAT));
    wire_reader_init(&f.reader, "\xff\xff", 2);
    cr_assert(eq(int, record_read_value_version(&f.reader, record, &version), ERR_MALFORMED));
}

Test(record_types, a_metadata_record_starts_with_three_varints, .init = setup, .fini = teardown)
{
    const struct record_desc *record = record_find(RECORD_METADATA, RECORD_TOPIC);
    struct topic_record topic, back;
    int16_t version = 9;
    int16_t type = -1;

    codec_set_defaults(&topic_record_desc, &topic);
    topic.name = wire_string("t");
    topic.topic_id.bytes[15] = 1;
    cr_assert(eq(int, record_encode_value(record, 0, &topic, &f.writer), OK));
    read_back();
    cr_assert(eq(sz, wire_reader_left(&f.reader), 22));
    cr_assert(eq(int, memcmp(f.reader.next, "\1\2\0\2t", 5), 0));
    cr_assert(eq(int, record_read_metadata_prefix(&f.reader, &type, &version), OK));
    cr_assert(eq(int, type, RECORD_TOPIC));
    cr_assert(eq(int, version, 0));
    cr_assert(eq(int, codec_decode(record->value, version, &f.reader, &f.arena, &back), OK));
    cr_assert(codec_equal(record->value, 0, &topic, &back));

    wire_reader_init(&f.reader, "\1\6\5", 3); /* no such type: its reader may keep it */
    cr_assert(eq(int, record_read_metadata_prefix(&f.reader, &type, &version), OK));
    cr_assert(eq(int, type, 6));
    cr_assert(eq(int, version, 5));
    wire_reader_init(&f.reader, "\2\2\0", 3);
    cr_assert(eq(int, record_read_metadata_prefix(&f.reader, &type, &version), ERR_NEWER_FORMAT));
    wire_reader_init(&f.reader, "\1\xff\xff\xff\xff\x0f\0", 7);
    cr_assert(eq(int, record_read_metadata_prefix(&f.reader, &type, &version), ERR_MALFORMED));
}

Test(record_types, a_newer_subscription_is_read_as_the_newest_known, .init = setup,
     .fini = teardown)
{
    struct consumer_protocol_subscription subscription, back;
    const struct message_desc *desc = &consumer_protocol_subscription_desc;
    struct wire_string topic = wire_string("t");
    uint8_t bytes[64];

    codec_set_defaults(desc, &subscription);
    subscription.topics.items = &topic;
    subscription.topics.count = 1;
    cr_assert(eq(int, record_encode_consumer_protocol(desc, 3, &subscription, &f.writer), OK));
    read_back();
    memcpy(bytes, f.reader.next, wire_reader_left(&f.reader));
    bytes[1] = 9;
    f.reader.start = bytes;
    f.reader.end = bytes + wire_reader_left(&f.reader);
    f.reader.next = bytes;
    cr_assert(eq(int, record_decode_consumer_protocol(desc, &f.reader, &f.arena, &back), OK));
    cr_assert(codec_equal(desc, 3, &subscription, &back));
    wire_reader_init(&f.reader, "\xff\xff", 2);
    cr_assert(
        eq(int, record_decode_consumer_protocol(desc, &f.reader, &f.arena, &back), ERR_MALFORMED));
}
