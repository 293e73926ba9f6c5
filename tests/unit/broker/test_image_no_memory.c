/* Records that find no memory: the image stays as it was, and takes them when they come again. */
#include "base/mem.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/image.h"
#include "broker/metadata/image_replay.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_config_record.h"
#include "net/protocol/msg_feature_level_record.h"
#include "net/protocol/msg_partition_change_record.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_register_broker_record.h"
#include "net/protocol/msg_remove_topic_record.h"
#include "net/protocol/msg_topic_record.h"
#include "record/batch_builder.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { ALLOCS_MAX = 64 };

static struct image *image;
static struct delta delta;
static struct arena arena;
static struct metadata_records script;

static void setup(void)
{
    image = image_create();
    delta_init(&delta);
    arena_init(&arena, (size_t)64 << 20);
    metadata_records_init(&script, &arena);
}

static void teardown(void)
{
    image_destroy(image);
    delta_deinit(&delta);
    arena_deinit(&arena);
    cr_assert(eq(u64, mem_used_count(), 0), "memory was not given back");
}

TestSuite(image_no_memory, .init = setup, .fini = teardown);

/* ---- what an image says */

struct text {
    uint8_t bytes[16384];
    size_t size_bytes;
};

static enum err print_record(void *context, const struct metadata_record *record)
{
    struct text *text = context;
    struct wire_writer writer;
    struct wire_bytes value;
    struct arena space;

    arena_init(&space, 1 << 20);
    wire_writer_init(&writer, &space);
    cr_assert(eq(int, metadata_record_encode(record, &writer), OK));
    cr_assert(eq(int, wire_writer_flatten(&writer, &value), OK));
    cr_assert(le(sz, text->size_bytes + (size_t)value.size_bytes, sizeof(text->bytes)));
    memcpy(text->bytes + text->size_bytes, value.bytes, (size_t)value.size_bytes);
    text->size_bytes += (size_t)value.size_bytes;
    arena_deinit(&space);
    return OK;
}

static struct text text_of(const struct image *of)
{
    struct text text = {0};

    cr_assert(eq(int, image_each_record(of, print_record, &text), OK));
    return text;
}

static bool is_same(const struct text *a, const struct text *b)
{
    return a->size_bytes == b->size_bytes && memcmp(a->bytes, b->bytes, a->size_bytes) == 0;
}

/* ---- records of all kinds that need memory */

static void *add(enum metadata_type type, int16_t version)
{
    void *body = metadata_records_add(&script, type, version);

    cr_assert_not_null(body);
    return body;
}

static int32_t ids[] = {1, 2, 3};
static struct uuid dirs[] = {{.bytes = {11}}, {.bytes = {12}}, {.bytes = {13}}};

static void add_broker(void)
{
    static struct register_broker_record_broker_endpoint endpoints[2];
    struct register_broker_record *broker = add(METADATA_REGISTER_BROKER, 4);
    struct broker_registration_change_record *change;

    for (int i = 0; i < 2; i++) {
        codec_set_struct_defaults(&register_broker_record_broker_endpoint_struct, &endpoints[i]);
        endpoints[i].name = wire_string(i == 0 ? "PLAINTEXT" : "CONTROLLER");
        endpoints[i].host = wire_string("broker.example");
    }
    broker->broker_id = 1;
    broker->broker_epoch = 7;
    broker->rack = wire_string("rack");
    broker->end_points.items = endpoints;
    broker->end_points.count = 2;
    broker->log_dirs.items = dirs;
    broker->log_dirs.count = 1;
    change = add(METADATA_BROKER_REGISTRATION_CHANGE, 3);
    change->broker_id = 1;
    change->broker_epoch = 7;
    change->fenced = -1;
    change->log_dirs.items = dirs;
    change->log_dirs.count = 2;
    change->cordoned_log_dirs.items = dirs;
    change->cordoned_log_dirs.count = 1;
}

static void add_partition(struct uuid topic_id, int32_t index)
{
    struct partition_record *partition = add(METADATA_PARTITION, 1);

    partition->topic_id = topic_id;
    partition->partition_id = index;
    partition->replicas.items = ids;
    partition->replicas.count = 3;
    partition->isr.items = ids;
    partition->isr.count = 2;
    partition->directories.items = dirs;
    partition->directories.count = 3;
    partition->leader = 1;
    partition->leader_epoch = 0;
    partition->partition_epoch = 0;
}

static void add_topic(const char *name, uint8_t number)
{
    struct topic_record *topic = add(METADATA_TOPIC, 0);

    topic->name = wire_string(name);
    topic->topic_id = (struct uuid){.bytes = {number}};
    for (int32_t i = 0; i < 3; i++)
        add_partition(topic->topic_id, i);
}

static void add_config(int8_t type, const char *resource, const char *key, const char *value)
{
    struct config_record *config = add(METADATA_CONFIG, 0);

    config->resource_type = type;
    config->resource_name = wire_string(resource);
    config->name = wire_string(key);
    config->value = wire_string(value);
}

static void add_all(void)
{
    struct feature_level_record *feature = add(METADATA_FEATURE_LEVEL, 0);
    struct partition_change_record *change;
    struct remove_topic_record *removal;

    feature->name = wire_string("metadata.version");
    feature->feature_level = 30;
    add_broker();
    add_topic("t", 1);
    change = add(METADATA_PARTITION_CHANGE, 2);
    change->topic_id = (struct uuid){.bytes = {1}};
    change->partition_id = 1;
    change->leader = 2;
    change->replicas.items = ids;
    change->replicas.count = 2;
    change->isr.items = ids + 1;
    change->isr.count = 1;
    change->directories.items = dirs;
    change->directories.count = 2;
    add_config(2, "t", "retention.ms", "5");
    add_config(2, "t", "cleanup.policy", "compact");
    add_config(2, "t", "retention.ms", "6");
    add_config(2, "t", "cleanup.policy", NULL);
    add_config(32, "g", "consumer.session.timeout.ms", "50000");
    add_topic("u", 2);
    removal = add(METADATA_REMOVE_TOPIC, 0);
    removal->topic_id = (struct uuid){.bytes = {1}};
}

/* Let each allocation of the record fail once; the refusals. */
static uint32_t apply_at_last(const struct metadata_record *record)
{
    struct text before = text_of(image);
    uint32_t refused_count = 0;
    enum err err = ERR_NOMEM;

    while (err == ERR_NOMEM) {
        struct text after;
        mem_fail_after(refused_count + 1);
        err = image_apply(image, record, &delta);
        mem_fail_after(0);
        if (err != ERR_NOMEM)
            break;
        cr_assert(lt(u32, ++refused_count, ALLOCS_MAX));
        after = text_of(image);
        cr_assert(is_same(&before, &after), "record of type %d, allocation %d", record->type,
                  (int)refused_count);
    }
    cr_assert(eq(int, err, OK));
    return refused_count;
}

Test(image_no_memory, a_record_that_finds_none_changes_nothing_and_is_taken_later)
{
    struct image *other = image_create();
    struct text expected;
    struct text found;
    uint32_t refused_count = 0;

    add_all();
    for (uint32_t i = 0; i < script.count; i++) {
        refused_count += apply_at_last(&script.items[i]);
        cr_assert(eq(int, image_apply(other, &script.items[i], &delta), OK));
        expected = text_of(other);
        found = text_of(image);
        cr_assert(is_same(&expected, &found), "record %d", (int)i);
    }
    cr_assert(lt(u32, 60, refused_count));
    cr_assert(eq(u32, image_config_resource_count(image, 2), 0));
    image_destroy(other);
}

/* ---- a batch of them */

static void add_mark(struct batch_builder *builder, const struct metadata_record *record)
{
    struct wire_writer writer;
    struct wire_bytes value;

    wire_writer_init(&writer, &arena);
    cr_assert(eq(int, metadata_record_encode(record, &writer), OK));
    cr_assert(eq(int, wire_writer_flatten(&writer, &value), OK));
    cr_assert(eq(
        int, batch_builder_add_pair(builder, NULL, -1, value.bytes, value.size_bytes, 1000), OK));
}

/* The script as one batch of the metadata log, which replay takes with so many refusals. */
static void replay_at_last(bool in_transaction)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct image *other = image_create();
    struct image_replay replay;
    struct batch_builder builder;
    struct metadata_records marks;
    const uint8_t *bytes;
    uint32_t size_bytes;
    uint32_t refused_count = 0;
    struct text expected;
    struct text found;
    enum err err = ERR_NOMEM;

    add_all();
    metadata_records_init(&marks, &arena);
    cr_assert_not_null(metadata_records_add(&marks, METADATA_BEGIN_TRANSACTION, 0));
    cr_assert_not_null(metadata_records_add(&marks, METADATA_END_TRANSACTION, 0));
    batch_builder_init(&builder, &options);
    if (in_transaction)
        add_mark(&builder, &marks.items[0]);
    for (uint32_t i = 0; i < script.count; i++) {
        if (in_transaction && i == script.count / 2) { /* two of them */
            add_mark(&builder, &marks.items[1]);
            add_mark(&builder, &marks.items[0]);
        }
        add_mark(&builder, &script.items[i]);
        cr_assert(eq(int, image_apply(other, &script.items[i], &delta), OK));
    }
    if (in_transaction)
        add_mark(&builder, &marks.items[1]);
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    delta_deinit(&delta);

    image_replay_init(&replay, image);
    for (uint64_t n = 1; err == ERR_NOMEM; n = n % 40 + 1) { /* it goes on each time */
        mem_fail_after(n);
        err = image_replay_batch(&replay, bytes, size_bytes, &delta);
        mem_fail_after(0);
        refused_count += err == ERR_NOMEM;
        cr_assert(err == OK || image_offset(image) == -1);
        cr_assert(lt(u32, refused_count, 1000));
    }
    cr_assert(eq(int, err, OK));
    cr_assert(lt(u32, 5, refused_count));
    expected = text_of(other);
    found = text_of(image);
    cr_assert(is_same(&expected, &found));
    cr_assert(not(replay.in_transaction));
    image_replay_deinit(&replay);
    batch_builder_deinit(&builder);
    image_destroy(other);
}

Test(image_no_memory, a_batch_goes_on_behind_what_it_has_applied)
{
    replay_at_last(false);
}

Test(image_no_memory, so_do_two_transactions)
{
    replay_at_last(true);
}
