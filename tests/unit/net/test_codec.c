#include "net/protocol/all_api.h"
#include "net/protocol/codec.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_consumer_group_member_metadata_record.h"
#include "net/protocol/msg_elect_leaders.h"
#include "net/protocol/msg_heartbeat.h"
#include "net/protocol/msg_layouts.h"

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

static struct wire_bytes written(void)
{
    struct wire_bytes bytes;

    cr_assert(eq(int, wire_writer_flatten(&f.writer, &bytes), OK));
    return bytes;
}

static void expect_written(const void *expected, size_t size_bytes)
{
    struct wire_bytes bytes = written();

    cr_assert(eq(sz, (size_t)bytes.size_bytes, size_bytes));
    cr_assert(eq(int, memcmp(bytes.bytes, expected, size_bytes), 0));
}

/* Decode a literal of bytes: its terminating NUL is not part of it. */
#define decode_literal(desc, version, literal, out)             \
    (wire_reader_init(&f.reader, literal, sizeof(literal) - 1), \
     codec_decode(desc, version, &f.reader, &f.arena, out))

static struct wire_string printed(const struct message_desc *desc, int16_t version,
                                  const void *message)
{
    struct wire_writer writer;
    struct wire_bytes bytes;

    wire_writer_init(&writer, &f.arena);
    codec_print(desc, version, message, &writer);
    cr_assert(eq(int, wire_writer_flatten(&writer, &bytes), OK));
    return (struct wire_string){(const char *)bytes.bytes, bytes.size_bytes};
}

#define expect_printed(desc, version, message, expected)                                   \
    do {                                                                                   \
        struct wire_string printed_text = printed(desc, version, message);                 \
        cr_assert(wire_string_is(printed_text, expected), "%.*s", printed_text.size_bytes, \
                  printed_text.text);                                                      \
    } while (0)

Test(codec, defaults_are_those_of_the_schema)
{
    struct fetch_request fetch;
    struct produce_request produce;
    struct list_partition_reassignments_request reassignments;

    memset(&fetch, 0x55, sizeof(fetch));
    memset(&produce, 0x55, sizeof(produce));
    memset(&reassignments, 0x55, sizeof(reassignments));
    codec_set_defaults(&fetch_request_desc, &fetch);
    codec_set_defaults(&produce_request_desc, &produce);
    codec_set_defaults(&list_partition_reassignments_request_desc, &reassignments);
    cr_assert(eq(i32, fetch.replica_id, -1));
    cr_assert(eq(i64, fetch.replica_state.replica_epoch, -1));
    cr_assert(eq(i32, fetch.max_bytes, INT32_MAX));
    cr_assert(eq(i32, fetch.min_bytes, 0));
    cr_assert(eq(ptr, (void *)fetch.cluster_id.text, NULL));
    cr_assert(ne(ptr, (void *)fetch.rack_id.text, NULL));
    cr_assert(eq(i32, fetch.rack_id.size_bytes, 0));
    cr_assert(eq(i32, fetch.topics.count, 0));
    cr_assert(eq(ptr, (void *)produce.transactional_id.text, NULL));
    cr_assert(eq(i32, reassignments.topics.count, -1)); /* null: all */
    cr_assert(eq(i32, reassignments.timeout_ms, 60000));
}

Test(codec, every_element_of_a_new_array_has_its_defaults, .init = setup, .fini = teardown)
{
    struct fetch_request_fetch_partition *items =
        codec_new_array(&fetch_request_fetch_partition_struct, &f.arena, 3);

    for (int i = 0; i < 3; i++) {
        cr_assert(eq(i64, items[i].high_watermark, INT64_MAX));
        cr_assert(eq(i32, items[i].current_leader_epoch, -1));
        cr_assert(eq(i32, items[i].partition, 0));
    }
    cr_assert(ne(ptr, codec_new_array(&fetch_request_fetch_partition_struct, &f.arena, 0), NULL));
    cr_assert(eq(
        ptr, codec_new_array(&fetch_request_fetch_partition_struct, &f.arena, SIZE_MAX / 2), NULL));
}

Test(codec, a_field_that_the_version_lacks_takes_its_default, .init = setup, .fini = teardown)
{
    struct metadata_request request;

    /* v1: topics only; allow_auto_topic_creation came with v4 and defaults to true */
    cr_assert(eq(int, decode_literal(&metadata_request_desc, 1, "\xff\xff\xff\xff", &request), OK));
    cr_assert(eq(i32, request.topics.count, -1));
    cr_assert(request.allow_auto_topic_creation);
    cr_assert(eq(int, decode_literal(&metadata_request_desc, 4, "\0\0\0\0\0", &request), OK));
    cr_assert(eq(i32, request.topics.count, 0));
    cr_assert(not(request.allow_auto_topic_creation));
}

Test(codec, null_outside_its_versions_is_malformed, .init = setup, .fini = teardown)
{
    struct metadata_request metadata;
    struct find_coordinator_request find;
    struct metadata_request_topic topic;

    /* topics: null from v1 on */
    cr_assert(eq(int, decode_literal(&metadata_request_desc, 0, "\xff\xff\xff\xff", &metadata),
                 ERR_MALFORMED));
    cr_assert(eq(int, decode_literal(&find_coordinator_request_desc, 0, "\xff\xff", &find),
                 ERR_MALFORMED));
    /* the name of a topic: null from v10 on */
    cr_assert(eq(
        int, decode_literal(&metadata_request_desc, 9, "\x02\x00\x00\x00\x00\x00\x00", &metadata),
        ERR_MALFORMED));

    codec_set_defaults(&metadata_request_desc, &metadata);
    codec_set_struct_defaults(&metadata_request_topic_struct, &topic);
    topic.name = wire_string(NULL);
    metadata.topics.items = &topic;
    metadata.topics.count = 1;
    cr_assert(eq(int, codec_encode(&metadata_request_desc, 9, &metadata, &f.writer), ERR_INVALID));
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(&metadata_request_desc, 10, &metadata, &f.writer), OK));
    metadata.topics.count = -1;
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(&metadata_request_desc, 0, &metadata, &f.writer), ERR_INVALID));
}

Test(codec, a_count_that_cannot_fit_allocates_nothing, .init = setup, .fini = teardown)
{
    struct metadata_request request;
    struct wire_reader reader;
    struct arena arena;
    uint8_t frame[104] = {0x00, 0x00, 0x00,
                          0x33}; /* 51 topics of at least two bytes in 100 bytes */

    arena_init(&arena, 1 << 20);
    wire_reader_init(&reader, "\x7f\xff\xff\xff", 4);
    cr_assert(
        eq(int, codec_decode(&metadata_request_desc, 0, &reader, &arena, &request), ERR_TRUNCATED));
    cr_assert(eq(sz, arena.total_bytes, 0));
    wire_reader_init(&reader, frame, sizeof(frame));
    cr_assert(
        eq(int, codec_decode(&metadata_request_desc, 0, &reader, &arena, &request), ERR_TRUNCATED));
    cr_assert(eq(sz, arena.total_bytes, 0));
    frame[3] = 0x32;
    wire_reader_init(&reader, frame, sizeof(frame));
    cr_assert(eq(int, codec_decode(&metadata_request_desc, 0, &reader, &arena, &request), OK));
    cr_assert(eq(i32, request.topics.count, 50));
    arena_deinit(&arena);
}

Test(codec, more_elements_than_allowed_are_refused_before_they_are_read)
{
    struct metadata_request request;
    struct wire_reader reader;
    struct arena arena;
    static uint8_t frame[104] = {0x00, 0x00, 0x00, 0x32}; /* 50 empty names */

    arena_init(&arena, 1 << 20);
    wire_reader_init(&reader, frame, sizeof(frame));
    cr_assert(eq(int, codec_decode_within(&metadata_request_desc, 0, &reader, &arena, 49, &request),
                 ERR_TOO_LARGE));
    cr_assert(eq(sz, arena.total_bytes, 0));
    wire_reader_init(&reader, frame, sizeof(frame));
    cr_assert(
        eq(int, codec_decode_within(&metadata_request_desc, 0, &reader, &arena, 50, &request), OK));
    arena_deinit(&arena);
}

/* Elements of arrays in arrays, and tagged fields that nobody knows. */
Test(codec, all_elements_of_a_message_count, .init = setup, .fini = teardown)
{
    static const char bytes[] = "\0\0\0\2"                               /* two topics */
                                "\0\1a\0\0\0\2\0\0\0\1\0\0\0\2"          /* two partitions */
                                "\0\1b\0\0\0\3\0\0\0\1\0\0\0\2\0\0\0\3"; /* three */
    static const char tags[] = "\2g\0\0\0\1\1\0"       /* group, generation, member, no instance */
                               "\3\100\0\101\0\102\0"; /* three tagged fields */
    struct elect_leaders_request elect;
    struct heartbeat_request heartbeat;

    for (uint64_t max = 6; max <= 7; max++) {
        wire_reader_init(&f.reader, bytes, sizeof(bytes) - 1);
        cr_assert(eq(
            int,
            codec_decode_within(&elect_leaders_request_desc, 0, &f.reader, &f.arena, max, &elect),
            max < 7 ? ERR_TOO_LARGE : ERR_TRUNCATED)); /* the timeout is not there */
    }
    for (uint64_t max = 2; max <= 3; max++) {
        wire_reader_init(&f.reader, tags, sizeof(tags) - 1);
        cr_assert(eq(
            int,
            codec_decode_within(&heartbeat_request_desc, 4, &f.reader, &f.arena, max, &heartbeat),
            max < 3 ? ERR_TOO_LARGE : OK));
    }
}

Test(codec, an_array_over_the_arena_limit_is_refused)
{
    struct metadata_request request;
    struct wire_reader reader;
    struct arena arena;
    static uint8_t frame[4 + 20000] = {0x00, 0x00, 0x27, 0x10}; /* 10,000 empty names */

    arena_init(&arena, 100000);
    wire_reader_init(&reader, frame, sizeof(frame));
    cr_assert(
        eq(int, codec_decode(&metadata_request_desc, 0, &reader, &arena, &request), ERR_NOMEM));
    arena_deinit(&arena);
}

Test(codec, a_value_that_the_version_cannot_carry_is_refused, .init = setup, .fini = teardown)
{
    struct metadata_request request;
    struct fetch_request fetch;

    codec_set_defaults(&metadata_request_desc, &request);
    request.allow_auto_topic_creation = false; /* v4+, not ignorable */
    cr_assert(
        eq(int, codec_encode(&metadata_request_desc, 3, &request, &f.writer), ERR_UNSUPPORTED));
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(&metadata_request_desc, 4, &request, &f.writer), OK));

    codec_set_defaults(&fetch_request_desc, &fetch);
    fetch.session_id = 77; /* v7+, ignorable */
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(&fetch_request_desc, 6, &fetch, &f.writer), OK));
    fetch.replica_state.replica_id = 3; /* inside a struct of v15+ */
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(&fetch_request_desc, 14, &fetch, &f.writer), ERR_UNSUPPORTED));
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(&fetch_request_desc, 15, &fetch, &f.writer), OK));
}

Test(codec, a_version_without_a_layout_is_unsupported, .init = setup, .fini = teardown)
{
    struct produce_request request;

    codec_set_defaults(&produce_request_desc, &request);
    cr_assert(eq(int, decode_literal(&produce_request_desc, 2, "", &request), ERR_UNSUPPORTED));
    cr_assert(eq(int, decode_literal(&produce_request_desc, 14, "", &request), ERR_UNSUPPORTED));
    cr_assert(eq(int, decode_literal(&produce_request_desc, -1, "", &request), ERR_UNSUPPORTED));
    cr_assert(
        eq(int, codec_encode(&produce_request_desc, 14, &request, &f.writer), ERR_UNSUPPORTED));
}

Test(codec, a_failed_encoding_hands_out_no_segments, .init = setup, .fini = teardown)
{
    const struct wire_segment *segments;
    struct find_coordinator_request request;
    uint32_t count;

    codec_set_defaults(&find_coordinator_request_desc, &request);
    request.key = wire_string(NULL);
    cr_assert(
        eq(int, codec_encode(&find_coordinator_request_desc, 0, &request, &f.writer), ERR_INVALID));
    cr_assert(eq(int, wire_writer_segments(&f.writer, &segments, &count), ERR_INVALID));
}

Test(codec, tagged_fields_are_sent_only_when_they_say_something, .init = setup, .fini = teardown)
{
    struct api_versions_response response;

    codec_set_defaults(&api_versions_response_desc, &response);
    cr_assert(eq(int, codec_encode(&api_versions_response_desc, 3, &response, &f.writer), OK));
    expect_written("\0\0\1\0\0\0\0\0", 8);

    response.zk_migration_ready = true;
    response.finalized_features_epoch = 2;
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(&api_versions_response_desc, 3, &response, &f.writer), OK));
    expect_written("\0\0\1\0\0\0\0\2"
                   "\1\x08\0\0\0\0\0\0\0\2"
                   "\3\1\1",
                   21);
}

Test(codec, unknown_tags_are_skipped_by_their_size, .init = setup, .fini = teardown)
{
    struct api_versions_response response;

    cr_assert(eq(int,
                 decode_literal(&api_versions_response_desc, 3,
                                "\0\0\1\0\0\0\0\3"
                                "\1\x08\0\0\0\0\0\0\0\2"
                                "\3\1\1"
                                "\x64\2xy",
                                &response),
                 OK));
    cr_assert(eq(sz, wire_reader_left(&f.reader), 0));
    cr_assert(eq(i64, response.finalized_features_epoch, 2));
    cr_assert(response.zk_migration_ready);
    cr_assert(eq(
        int, decode_literal(&api_versions_response_desc, 3, "\0\0\1\0\0\0\0\1\x64\3xy", &response),
        ERR_TRUNCATED));
}

Test(codec, tags_out_of_order_or_of_a_wrong_size_are_malformed, .init = setup, .fini = teardown)
{
    struct api_versions_response response;

    /* twice the same tag */
    cr_assert(eq(
        int,
        decode_literal(&api_versions_response_desc, 3, "\0\0\1\0\0\0\0\2\3\1\1\3\1\0", &response),
        ERR_MALFORMED));
    /* descending */
    cr_assert(eq(
        int,
        decode_literal(&api_versions_response_desc, 3, "\0\0\1\0\0\0\0\2\x64\0\3\1\1", &response),
        ERR_MALFORMED));
    /* a bool of two bytes */
    cr_assert(eq(
        int, decode_literal(&api_versions_response_desc, 3, "\0\0\1\0\0\0\0\1\3\2\1\1", &response),
        ERR_MALFORMED));
    /* an int64 of seven bytes; more bytes follow, so the frame is not what is short */
    cr_assert(eq(int,
                 decode_literal(&api_versions_response_desc, 3,
                                "\0\0\1\0\0\0\0\1\1\7\0\0\0\0\0\0\1\0\0\0", &response),
                 ERR_MALFORMED));
}

Test(codec, a_tagged_struct_can_be_null_and_its_default_is_not, .init = setup, .fini = teardown)
{
    struct consumer_group_member_metadata_value value, back;
    struct consumer_group_member_metadata_value_classic_member_metadata classic;
    const struct message_desc *desc = &consumer_group_member_metadata_value_desc;

    codec_set_defaults(desc, &value);
    cr_assert(ne(ptr, (void *)value.classic_member_metadata, NULL));
    value.classic_member_metadata = NULL;
    cr_assert(eq(int, codec_encode(desc, 0, &value, &f.writer), OK));
    /* four strings, one array, one null string, a timeout of -1, a string; tag 0 of one byte 0 */
    expect_written("\1\1\1\1\1\1\xff\xff\xff\xff\1\1\0\1\0", 15);
    wire_reader_init(&f.reader, written().bytes, 15);
    cr_assert(eq(int, codec_decode(desc, 0, &f.reader, &f.arena, &back), OK));
    cr_assert(eq(ptr, (void *)back.classic_member_metadata, NULL));
    cr_assert(codec_equal(desc, 0, &value, &back));

    codec_set_struct_defaults(&consumer_group_member_metadata_value_classic_member_metadata_struct,
                              &classic);
    value.classic_member_metadata = &classic; /* equal to the default: nothing is sent */
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(desc, 0, &value, &f.writer), OK));
    expect_written("\1\1\1\1\1\1\xff\xff\xff\xff\1\0", 12);
    cr_assert(not(codec_equal(desc, 0, &value, &back)));

    classic.session_timeout_ms = 258;
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(desc, 0, &value, &f.writer), OK));
    expect_written("\1\1\1\1\1\1\xff\xff\xff\xff\1\1\0\7\1\0\0\1\2\1\0", 21);
}

Test(codec, a_struct_in_sequence_says_whether_it_is_there, .init = setup, .fini = teardown)
{
    struct describe_topic_partitions_request request;
    struct describe_topic_partitions_request_cursor cursor;
    const struct message_desc *desc = &describe_topic_partitions_request_desc;

    codec_set_defaults(desc, &request);
    cr_assert(eq(int, codec_encode(desc, 0, &request, &f.writer), OK));
    expect_written("\1\0\0\7\xd0\xff\0", 7);

    codec_set_struct_defaults(&describe_topic_partitions_request_cursor_struct, &cursor);
    cursor.topic_name = wire_string("t");
    request.cursor = &cursor;
    wire_writer_init(&f.writer, &f.arena);
    cr_assert(eq(int, codec_encode(desc, 0, &request, &f.writer), OK));
    expect_written("\1\0\0\7\xd0\1\2t\0\0\0\0\0\0", 14);

    cr_assert(eq(int, decode_literal(desc, 0, "\1\0\0\7\xd0\1\2t\0\0\0\4\0\0", &request), OK));
    cr_assert(eq(i32, request.cursor->partition_index, 4));
    cr_assert(
        eq(int, decode_literal(desc, 0, "\1\0\0\7\xd0\2\2t\0\0\0\4\0\0", &request), ERR_MALFORMED));
}

Test(codec, strings_and_records_point_into_the_frame, .init = setup, .fini = teardown)
{
    static const uint8_t frame[] = "\0\0\xff\xff\0\0\0\1\2\3tx\2\0\0\0\0\4abc\0\0\0";
    const struct produce_request_partition_produce_data *partition;
    struct produce_request request;

    wire_reader_init(&f.reader, frame + 1, sizeof(frame) - 2);
    cr_assert(eq(int, codec_decode(&produce_request_desc, 9, &f.reader, &f.arena, &request), OK));
    cr_assert(eq(sz, wire_reader_left(&f.reader), 0));
    cr_assert(eq(ptr, (void *)request.topic_data.items[0].name.text, (void *)(frame + 10)));
    partition = &request.topic_data.items[0].partition_data.items[0];
    cr_assert(eq(u32, partition->records.slice_count, 1));
    cr_assert(eq(u32, partition->records.size_bytes, 3));
    cr_assert(eq(ptr, (void *)partition->records.slices[0].bytes, (void *)(frame + 18)));
}

/* Kafka's decoder does so: whoever is told a name can read it. */
Test(codec, a_text_that_is_not_utf8_is_mended, .init = setup, .fini = teardown)
{
    struct heartbeat_request request;
    struct wire_bytes frame;
    uint8_t *bytes;

    cr_assert(eq(int,
                 decode_literal(&heartbeat_request_desc, 0,
                                "\0\3a\xfe"
                                "b\0\0\0\1\0\4\xe2\x82\xac!",
                                &request),
                 OK));
    cr_assert(wire_string_is(request.group_id, "a\xef\xbf\xbd"
                                               "b"));
    cr_assert(wire_string_is(request.member_id, "\xe2\x82\xac!"));
    /* one that no answer could name any more */
    codec_set_defaults(&heartbeat_request_desc, &request);
    bytes = arena_alloc(&f.arena, 20000);
    cr_assert(ne(ptr, bytes, NULL));
    memset(bytes, 0xff, 20000);
    request.group_id = (struct wire_string){(const char *)bytes, 20000};
    cr_assert(eq(int, codec_encode(&heartbeat_request_desc, 0, &request, &f.writer), OK));
    frame = written();
    wire_reader_init(&f.reader, frame.bytes, (size_t)frame.size_bytes);
    cr_assert(eq(int, codec_decode(&heartbeat_request_desc, 0, &f.reader, &f.arena, &request),
                 ERR_MALFORMED));
}

Test(codec, what_follows_a_message_is_left_in_the_reader, .init = setup, .fini = teardown)
{
    struct find_coordinator_request request;

    cr_assert(
        eq(int, decode_literal(&find_coordinator_request_desc, 0, "\0\2g1rest", &request), OK));
    cr_assert(eq(sz, wire_reader_left(&f.reader), 4));
}

Test(codec, equality_looks_through_slices_and_past_missing_fields, .init = setup, .fini = teardown)
{
    struct wire_slice one[] = {{(const uint8_t *)"abcdef", 6, NULL}};
    struct wire_slice many[] = {{(const uint8_t *)"ab", 2, NULL},
                                {(const uint8_t *)"", 0, NULL},
                                {(const uint8_t *)"cdef", 4, NULL}};
    struct fetch_snapshot_response_partition_snapshot a_partition, b_partition;
    struct fetch_snapshot_response_topic_snapshot a_topic, b_topic;
    struct fetch_snapshot_response a, b;
    const struct message_desc *desc = &fetch_snapshot_response_desc;

    codec_set_defaults(desc, &a);
    codec_set_struct_defaults(&fetch_snapshot_response_topic_snapshot_struct, &a_topic);
    codec_set_struct_defaults(&fetch_snapshot_response_partition_snapshot_struct, &a_partition);
    a.topics.items = &a_topic;
    a.topics.count = 1;
    a_topic.partitions.items = &a_partition;
    a_topic.partitions.count = 1;
    a_partition.unaligned_records = (struct wire_records){one, 1, 6, false};
    b = a;
    b_topic = a_topic;
    b_partition = a_partition;
    b.topics.items = &b_topic;
    b_topic.partitions.items = &b_partition;
    b_partition.unaligned_records = (struct wire_records){many, 3, 6, false};
    cr_assert(codec_equal(desc, 0, &a, &b));
    cr_assert(codec_equal(desc, 0, &b, &a));
    many[2].bytes = (const uint8_t *)"cdeF";
    cr_assert(not(codec_equal(desc, 0, &a, &b)));
    b_partition.unaligned_records.is_null = true;
    cr_assert(not(codec_equal(desc, 0, &a, &b)));
}

Test(codec, printing_shows_the_fields_of_the_version_as_json, .init = setup, .fini = teardown)
{
    struct find_coordinator_request request;

    codec_set_defaults(&find_coordinator_request_desc, &request);
    request.key = wire_string("a\"b\\\n\xc3\xa9\xff");
    expect_printed(&find_coordinator_request_desc, 0, &request,
                   "{\"key\":\"a\\\"b\\\\\\u000a\xc3\xa9\\ufffd\"}");
    request.key_type = 1;
    expect_printed(&find_coordinator_request_desc, 4, &request,
                   "{\"key_type\":1,\"coordinator_keys\":[]}");
}

Test(codec, secrets_are_never_printed, .init = setup, .fini = teardown)
{
    struct sasl_authenticate_request sasl;
    struct alter_user_scram_credentials_request scram;
    struct alter_user_scram_credentials_request_scram_credential_upsertion upsertion;
    struct incremental_alter_configs_request configs;
    struct incremental_alter_configs_request_alter_configs_resource resource;
    struct incremental_alter_configs_request_alterable_config config;
    struct create_delegation_token_response token;
    static const uint8_t hunter[] = "hunter2";

    codec_set_defaults(&sasl_authenticate_request_desc, &sasl);
    sasl.auth_bytes = (struct wire_bytes){hunter, 7};
    expect_printed(&sasl_authenticate_request_desc, 2, &sasl, "{\"auth_bytes\":\"***\"}");

    codec_set_defaults(&alter_user_scram_credentials_request_desc, &scram);
    codec_set_struct_defaults(
        &alter_user_scram_credentials_request_scram_credential_upsertion_struct, &upsertion);
    upsertion.name = wire_string("ann");
    upsertion.salted_password = (struct wire_bytes){hunter, 7};
    scram.upsertions.items = &upsertion;
    scram.upsertions.count = 1;
    expect_printed(&alter_user_scram_credentials_request_desc, 0, &scram,
                   "{\"deletions\":[],\"upsertions\":[{\"name\":\"ann\",\"mechanism\":0,"
                   "\"iterations\":0,\"salt\":\"***\",\"salted_password\":\"***\"}]}");

    codec_set_defaults(&incremental_alter_configs_request_desc, &configs);
    codec_set_struct_defaults(&incremental_alter_configs_request_alter_configs_resource_struct,
                              &resource);
    codec_set_struct_defaults(&incremental_alter_configs_request_alterable_config_struct, &config);
    config.name = wire_string("ssl.key.password");
    config.value = wire_string("hunter2");
    resource.configs.items = &config;
    resource.configs.count = 1;
    configs.resources.items = &resource;
    configs.resources.count = 1;
    expect_printed(&incremental_alter_configs_request_desc, 1, &configs,
                   "{\"resources\":[{\"resource_type\":0,\"resource_name\":\"\",\"configs\":[{"
                   "\"name\":\"ssl.key.password\",\"config_operation\":0,\"value\":\"***\"}]}],"
                   "\"validate_only\":false}");

    codec_set_defaults(&create_delegation_token_response_desc, &token);
    token.hmac = (struct wire_bytes){hunter, 7};
    cr_assert(
        eq(ptr,
           memmem(printed(&create_delegation_token_response_desc, 3, &token).text,
                  (size_t)printed(&create_delegation_token_response_desc, 3, &token).size_bytes,
                  "68756e746572", 12),
           NULL)); /* "hunter" in hex */
}

Test(codec, a_record_of_a_batch_is_read_by_its_layout, .init = setup, .fini = teardown)
{
    /* length 10, attributes, timestamp delta 2, offset delta 1, key null, value "v", header k: null
     */
    static const char bytes[] = "\x14\0\4\2\1\2v\2\2k\1";
    struct record record;

    cr_assert(eq(int, decode_literal(&record_desc, 2, bytes, &record), OK));
    cr_assert(eq(sz, wire_reader_left(&f.reader), 0));
    cr_assert(eq(i32, record.length, 10));
    cr_assert(eq(i64, record.timestamp_delta, 2));
    cr_assert(eq(i32, record.offset_delta, 1));
    cr_assert(eq(ptr, (void *)record.key.bytes, NULL));
    cr_assert(eq(i32, record.value.size_bytes, 1));
    cr_assert(eq(i32, record.headers.count, 1));
    cr_assert(wire_string_is(record.headers.items[0].header_key, "k"));
    cr_assert(eq(ptr, (void *)record.headers.items[0].header_value.bytes, NULL));
    cr_assert(eq(int, codec_encode(&record_desc, 2, &record, &f.writer), OK));
    expect_written(bytes, sizeof(bytes) - 1);
}

Test(codec, error_codes_and_enums_have_kafkas_numbers_and_names)
{
    cr_assert(eq(int, KAFKA_NONE, 0));
    cr_assert(eq(int, KAFKA_UNKNOWN_SERVER_ERROR, -1));
    cr_assert(eq(int, KAFKA_UNSUPPORTED_VERSION, 35));
    cr_assert(eq(int, KAFKA_INCONSISTENT_TOPIC_ID, 103));
    cr_assert(eq(str, (char *)kafka_error_name(1), "OFFSET_OUT_OF_RANGE"));
    cr_assert(eq(str, (char *)kafka_error_name(9999), "UNKNOWN"));
    cr_assert(kafka_error_is_retriable(KAFKA_NOT_LEADER_OR_FOLLOWER));
    cr_assert(kafka_error_refreshes_metadata(KAFKA_NOT_LEADER_OR_FOLLOWER));
    cr_assert(not(kafka_error_is_retriable(KAFKA_NONE)));
    cr_assert(eq(int, KAFKA_COMPRESSION_ZSTD, 4));
    cr_assert(eq(str, (char *)kafka_acl_operation_name(9), "CLUSTER_ACTION"));
    cr_assert(eq(str, (char *)kafka_acl_operation_name(99), "unknown"));
    cr_assert(eq(str, KAFKA_GROUP_STATE_CLASSIC_PREPARING_REBALANCE, "PreparingRebalance"));
}
