/* Records that nothing here acts on, from Kafka's schema and from versions that are not there yet.
 */
#include "base/mem.h"
#include "broker/metadata/image_replay.h"
#include "broker/metadata/snapshot_file.h"
#include "net/protocol/msg_access_control_entry_record.h"
#include "net/protocol/msg_client_quota_record.h"
#include "net/protocol/msg_delegation_token_record.h"
#include "net/protocol/msg_feature_level_record.h"
#include "net/protocol/msg_fence_broker_record.h"
#include "net/protocol/msg_register_broker_record.h"
#include "net/protocol/msg_remove_access_control_entry_record.h"
#include "net/protocol/msg_remove_delegation_token_record.h"
#include "net/protocol/msg_remove_user_scram_credential_record.h"
#include "net/protocol/msg_user_scram_credential_record.h"
#include "record/batch_builder.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { UNKNOWN_TYPE = 77, VALUES_MAX = 32 };

static struct image *image;
static struct arena arena;
static struct delta delta;

static void setup(void)
{
    image = image_create();
    arena_init(&arena, (size_t)64 << 20);
    delta_init(&delta);
}

static void teardown(void)
{
    image_destroy(image);
    arena_deinit(&arena);
    delta_deinit(&delta);
    cr_assert(eq(u64, mem_used_count(), 0), "memory was not given back");
}

TestSuite(image_opaque, .init = setup, .fini = teardown);

/* ---- values, as they stand in the log */

static struct wire_bytes value_of(enum metadata_type type, const void *body)
{
    struct wire_writer writer;
    struct wire_bytes value;

    wire_writer_init(&writer, &arena);
    cr_assert(eq(int,
                 record_encode_value(record_find(RECORD_METADATA, (int16_t)type), 0, body, &writer),
                 OK));
    cr_assert(eq(int, wire_writer_flatten(&writer, &value), OK));
    return value;
}

/* Of a type and version, with a mark as its body. */
static struct wire_bytes raw_value(uint32_t type, uint32_t version, const char *mark)
{
    struct wire_writer writer;
    struct wire_bytes value;

    wire_writer_init(&writer, &arena);
    wire_write_uvarint(&writer, 1);
    wire_write_uvarint(&writer, type);
    wire_write_uvarint(&writer, version);
    wire_write_raw(&writer, mark, strlen(mark));
    cr_assert(eq(int, wire_writer_flatten(&writer, &value), OK));
    return value;
}

/* As a batch of the log comes. */
static enum err replay(struct image *to, const struct wire_bytes *values, uint32_t count)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct image_replay replaying;
    const uint8_t *bytes;
    uint32_t size_bytes;
    enum err err;

    batch_builder_init(&builder, &options);
    batch_builder_reset(&builder, &options);
    for (uint32_t i = 0; i < count; i++)
        cr_assert(
            eq(int,
               batch_builder_add_pair(&builder, NULL, -1, values[i].bytes, values[i].size_bytes, 0),
               OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    image_replay_init(&replaying, to);
    err = image_replay_batch(&replaying, bytes, size_bytes, &delta);
    image_replay_deinit(&replaying);
    batch_builder_deinit(&builder);
    return err;
}

static enum err put(struct wire_bytes value)
{
    return replay(image, &value, 1);
}

static struct wire_bytes entry(uint8_t id, const char *principal)
{
    struct access_control_entry_record record;

    codec_set_defaults(&access_control_entry_record_desc, &record);
    record.id.bytes[0] = id;
    record.resource_name = wire_string("t");
    record.principal = wire_string(principal);
    record.host = wire_string("*");
    return value_of(METADATA_ACCESS_CONTROL_ENTRY, &record);
}

static struct wire_bytes entry_removal(uint8_t id)
{
    struct remove_access_control_entry_record record = {.id.bytes = {id}};

    return value_of(METADATA_REMOVE_ACCESS_CONTROL_ENTRY, &record);
}

/* Of a user and a client; turned: the other one first.  client NULL: the default one. */
static struct wire_bytes quota(const char *client, double limit, bool turned, bool remove)
{
    struct client_quota_record_entity_data parts[2] = {
        {.entity_type = wire_string("user"), .entity_name = wire_string("u")},
        {.entity_type = wire_string("client-id"), .entity_name = wire_string(client)}};
    struct client_quota_record_entity_data swapped[2] = {parts[1], parts[0]};
    struct client_quota_record record = {
        .key = wire_string("producer_byte_rate"), .value = limit, .remove = remove};

    record.entity.items = turned ? swapped : parts;
    record.entity.count = 2;
    return value_of(METADATA_CLIENT_QUOTA, &record);
}

static struct wire_bytes credential(const char *name, int8_t mechanism, int32_t iterations)
{
    struct user_scram_credential_record record;

    codec_set_defaults(&user_scram_credential_record_desc, &record);
    record.name = wire_string(name);
    record.mechanism = mechanism;
    record.iterations = iterations;
    return value_of(METADATA_USER_SCRAM_CREDENTIAL, &record);
}

static struct wire_bytes credential_removal(const char *name, int8_t mechanism)
{
    struct remove_user_scram_credential_record record = {.name = wire_string(name),
                                                         .mechanism = mechanism};

    return value_of(METADATA_REMOVE_USER_SCRAM_CREDENTIAL, &record);
}

static struct wire_bytes token(const char *id, int64_t expires_ms)
{
    struct delegation_token_record record;

    codec_set_defaults(&delegation_token_record_desc, &record);
    record.owner = wire_string("User:o");
    record.requester = wire_string("User:r");
    record.expiration_timestamp = expires_ms;
    record.token_id = wire_string(id);
    return value_of(METADATA_DELEGATION_TOKEN, &record);
}

static struct wire_bytes token_removal(const char *id)
{
    struct remove_delegation_token_record record = {.token_id = wire_string(id)};

    return value_of(METADATA_REMOVE_DELEGATION_TOKEN, &record);
}

/* ---- what is kept */

struct found {
    struct wire_bytes values[VALUES_MAX];
    uint32_t count;
};

static enum err find_value(void *context, const struct metadata_record *record)
{
    struct found *found = context;

    if (record->body != NULL)
        return OK;
    cr_assert(lt(u32, found->count, VALUES_MAX));
    found->values[found->count].bytes = record->opaque;
    found->values[found->count++].size_bytes = (int32_t)record->opaque_bytes;
    return OK;
}

static void expect_values(const struct image *from, const struct wire_bytes *values, uint32_t count)
{
    struct found found = {0};

    cr_assert(eq(int, image_each_record(from, find_value, &found), OK));
    cr_assert(eq(u32, found.count, count));
    cr_assert(eq(u32, image_opaque_count(from), count));
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(eq(i32, found.values[i].size_bytes, values[i].size_bytes), "value %u", i);
        cr_assert(eq(int,
                     memcmp(found.values[i].bytes, values[i].bytes, (size_t)values[i].size_bytes),
                     0),
                  "value %u", i);
    }
}

/* Kept by the image, and by one that is made of its snapshot. */
static void expect_kept(const struct wire_bytes *values, uint32_t count)
{
    static const struct snapshot_id id = {.end_offset = 9, .epoch = 3};
    struct image *again = image_create();
    uint8_t *bytes;
    size_t size_bytes;

    expect_values(image, values, count);
    cr_assert(eq(int, snapshot_encode(image, &id, 0, &bytes, &size_bytes), OK));
    cr_assert(eq(int, snapshot_check(bytes, size_bytes), OK));
    cr_assert(eq(int, snapshot_apply(bytes, size_bytes, &id, again), OK));
    expect_values(again, values, count);
    mem_free(bytes);
    image_destroy(again);
}

Test(image_opaque, the_newest_of_a_key_stays_and_a_removal_takes_it_away)
{
    struct wire_bytes left[] = {
        entry(2, "User:b"),       quota("c", 2, true, false), quota(NULL, 3, false, false),
        credential("a", 2, 4096), credential("a", 1, 8192),   token("y", 7),
        entry(1, "User:c")};
    struct wire_bytes values[] = {entry(1, "User:a"),
                                  left[0],
                                  quota("c", 1, false, false),
                                  left[1],
                                  left[2],
                                  quota("gone", 5, false, false),
                                  credential("a", 1, 4096),
                                  left[3],
                                  left[4],
                                  credential("gone", 1, 4096),
                                  token("x", 5),
                                  left[5],
                                  entry(3, "User:d"),
                                  entry_removal(3),
                                  credential_removal("gone", 1),
                                  quota("gone", 0, true, true),
                                  token_removal("x"),
                                  left[6],
                                  entry_removal(9)};

    cr_assert(eq(int, replay(image, values, array_count(values)), OK));
    expect_kept(left, array_count(left));
}

Test(image_opaque, what_nobody_knows_stays_in_its_order_whatever_it_says)
{
    struct wire_bytes values[] = {
        raw_value(UNKNOWN_TYPE, 0, "set a"), entry(1, "User:a"),
        raw_value(UNKNOWN_TYPE, 0, "set b"), raw_value(UNKNOWN_TYPE, 0, "set a"),
        raw_value(300, 4, "another"),        raw_value(6, 0, "")};
    char types[256];

    for (uint32_t i = 0; i < array_count(values); i++)
        cr_assert(eq(int, put(values[i]), OK));
    expect_kept(values, array_count(values));
    image_opaque_types(image, types, sizeof(types));
    cr_assert(eq(str, types, "type 77, AccessControlEntryRecord, type 300, type 6"));
    image_opaque_types(image, types, 12); /* as much as there is room for */
    cr_assert(eq(str, types, "type 77, Ac"));
}

/* It may be a removal, or mean the same entry by other fields. */
Test(image_opaque, behind_a_newer_version_nothing_of_its_family_replaces_or_removes)
{
    struct wire_bytes values[] = {entry(1, "User:a"),
                                  raw_value(METADATA_ACCESS_CONTROL_ENTRY, 1, "newer"),
                                  entry(1, "User:b"), entry_removal(1), credential("a", 1, 4096)};
    struct wire_bytes again[] = {values[0], values[1], values[2], values[3],
                                 credential("a", 1, 8192)};

    cr_assert(eq(int, replay(image, values, array_count(values)), OK));
    cr_assert(eq(int, put(again[4]), OK)); /* another family */
    expect_kept(again, array_count(again));
}

Test(image_opaque, in_a_transaction_they_wait_for_its_end_or_go_with_it)
{
    struct wire_bytes values[] = {{.bytes = (const uint8_t *)"\1\27\0\0", .size_bytes = 4},
                                  raw_value(UNKNOWN_TYPE, 0, "x"),
                                  {.bytes = (const uint8_t *)"\1\31\0\0", .size_bytes = 4}};

    cr_assert(eq(int, replay(image, values, 3), OK));
    cr_assert(eq(u32, image_opaque_count(image), 0));
    values[2].bytes = (const uint8_t *)"\1\30\0\0"; /* not aborted: ended */
    cr_assert(eq(int, replay(image, values, 3), OK));
    expect_kept(&values[1], 1);
}

/* ---- what is not kept, and ends a start */

static void expect_refused(struct wire_bytes value, enum err err, const char *named)
{
    cr_assert(eq(int, put(value), err), "%s", named);
    cr_assert(eq(str, (char *)image_refused(image), (char *)named));
    cr_assert(eq(u32, image_opaque_count(image), 0));
}

static struct wire_bytes level(const char *feature, int16_t level)
{
    struct feature_level_record record = {.name = wire_string(feature), .feature_level = level};

    return value_of(METADATA_FEATURE_LEVEL, &record);
}

Test(image_opaque, what_we_would_have_to_obey_and_cannot_read_is_refused_by_name)
{
    expect_refused(raw_value(METADATA_TOPIC, 1, "x"), ERR_NEWER_FORMAT, "TopicRecord version 1");
    expect_refused(raw_value(METADATA_PARTITION_CHANGE, 9, "x"), ERR_NEWER_FORMAT,
                   "PartitionChangeRecord version 9");
    expect_refused(raw_value(METADATA_BEGIN_TRANSACTION, 1, "x"), ERR_NEWER_FORMAT,
                   "BeginTransactionRecord version 1");
    expect_refused((struct wire_bytes){.bytes = (const uint8_t *)"\2\2\0", .size_bytes = 3},
                   ERR_NEWER_FORMAT, "a record of an unknown frame");
    expect_refused(level("metadata.version", 31), ERR_NEWER_FORMAT, "metadata.version at level 31");
    expect_refused(raw_value(METADATA_ACCESS_CONTROL_ENTRY, 0, "x"), ERR_MALFORMED,
                   "AccessControlEntryRecord version 0");
    cr_assert(eq(int, put(level("metadata.version", 30)), OK));
    cr_assert(eq(int, put(level("share.version", 31)), OK)); /* whose records we only keep */
}

/* Newer than what we pass over: it may have become worth something. */
Test(image_opaque, what_is_passed_over_is_kept_when_it_is_newer)
{
    struct wire_bytes value = raw_value(METADATA_REGISTER_CONTROLLER, 5, "x");

    cr_assert(eq(int, put(value), OK));
    cr_assert(eq(int, put(raw_value(METADATA_NO_OP, 3, "x")), OK)); /* says nothing, ever */
    cr_assert(eq(int, put(raw_value(METADATA_ZK_MIGRATION_STATE, 0, "\1")), ERR_MALFORMED));
    expect_kept(&value, 1);
}

Test(image_opaque, old_logs_fence_and_unfence_by_records_of_their_own)
{
    struct register_broker_record broker;
    struct fence_broker_record fence = {.id = 1, .epoch = 7};

    codec_set_defaults(&register_broker_record_desc, &broker);
    broker.broker_id = 1;
    broker.broker_epoch = 7;
    broker.fenced = false;
    cr_assert(eq(int, put(value_of(METADATA_REGISTER_BROKER, &broker)), OK));
    cr_assert(eq(int, put(value_of(METADATA_FENCE_BROKER, &fence)), OK));
    cr_assert(image_broker_find(image, 1)->fenced);
    cr_assert(eq(int, put(value_of(METADATA_UNFENCE_BROKER, &fence)), OK));
    cr_assert(not(image_broker_find(image, 1)->fenced));
    fence.epoch = 6;
    cr_assert(eq(int, put(value_of(METADATA_FENCE_BROKER, &fence)), ERR_MALFORMED));
    cr_assert(eq(u32, image_opaque_count(image), 0));
}

/* ---- memory */

Test(image_opaque, without_memory_the_same_record_may_be_tried_again)
{
    struct wire_bytes values[] = {entry(1, "User:a"), raw_value(UNKNOWN_TYPE, 0, "x"),
                                  entry(1, "User:b"), quota("c", 1, false, false),
                                  entry_removal(1)};
    struct wire_bytes left[] = {values[1], values[3]};
    uint32_t refused_count = 0;

    for (uint32_t i = 0; i < array_count(values); i++) {
        struct metadata_record record;
        enum err err = ERR_NOMEM;
        cr_assert(eq(
            int,
            metadata_record_decode(values[i].bytes, (size_t)values[i].size_bytes, &arena, &record),
            OK));
        for (uint64_t n = 1; err == ERR_NOMEM; n++) {
            mem_fail_after(n);
            err = image_apply(image, &record, &delta);
            mem_fail_after(0);
            refused_count += err == ERR_NOMEM;
        }
        cr_assert(eq(int, err, OK));
    }
    cr_assert(lt(u32, 6, refused_count));
    expect_kept(left, array_count(left));
}
