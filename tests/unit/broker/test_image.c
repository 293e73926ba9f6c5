#include "base/mem.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/image.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_config_record.h"
#include "net/protocol/msg_feature_level_record.h"
#include "net/protocol/msg_partition_change_record.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_producer_ids_record.h"
#include "net/protocol/msg_register_broker_record.h"
#include "net/protocol/msg_remove_topic_record.h"
#include "net/protocol/msg_topic_record.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

TestSuite(image, .init = setup, .fini = teardown);

static void *body_of(enum metadata_type type, int16_t version, struct metadata_record *record)
{
    struct metadata_records records;
    void *body;

    metadata_records_init(&records, &arena);
    body = metadata_records_add(&records, type, version);
    *record = records.items[0];
    return body;
}

static struct uuid id_of(uint8_t number)
{
    return (struct uuid){.bytes = {number}};
}

static enum err add_topic(const char *name, uint8_t id)
{
    struct metadata_record record;
    struct topic_record *topic = body_of(METADATA_TOPIC, 0, &record);

    topic->name = wire_string(name);
    topic->topic_id = id_of(id);
    return image_apply(image, &record, &delta);
}

static enum err add_partition(uint8_t id, int32_t index)
{
    static int32_t one[] = {1};
    struct metadata_record record;
    struct partition_record *partition = body_of(METADATA_PARTITION, 1, &record);

    partition->topic_id = id_of(id);
    partition->partition_id = index;
    partition->replicas.items = one;
    partition->replicas.count = 1;
    partition->isr = (typeof(partition->isr)){one, 1};
    partition->leader = 1;
    partition->leader_epoch = 0;
    partition->partition_epoch = 0;
    return image_apply(image, &record, &delta);
}

static struct partition_change_record *change_of(uint8_t id, int32_t index,
                                                 struct metadata_record *record)
{
    struct partition_change_record *change = body_of(METADATA_PARTITION_CHANGE, 1, record);

    change->topic_id = id_of(id);
    change->partition_id = index;
    return change;
}

static enum err remove_topic(uint8_t id)
{
    struct metadata_record record;
    struct remove_topic_record *removal = body_of(METADATA_REMOVE_TOPIC, 0, &record);

    removal->topic_id = id_of(id);
    return image_apply(image, &record, &delta);
}

static enum err set_config(int8_t type, const char *resource, const char *key, const char *value)
{
    struct metadata_record record;
    struct config_record *config = body_of(METADATA_CONFIG, 0, &record);

    config->resource_type = type;
    config->resource_name = wire_string(resource);
    config->name = wire_string(key);
    config->value = wire_string(value);
    return image_apply(image, &record, &delta);
}

static void set_level(int16_t level)
{
    struct metadata_record record;
    struct feature_level_record *feature = body_of(METADATA_FEATURE_LEVEL, 0, &record);

    feature->name = wire_string("metadata.version");
    feature->feature_level = level;
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
}

Test(image, a_change_without_the_leader_tag_raises_the_partition_epoch_alone)
{
    const struct image_partition *partition;
    struct metadata_record record;

    cr_assert(eq(int, add_topic("t", 1), OK));
    cr_assert(eq(int, add_partition(1, 0), OK));
    partition = &image_topic_by_name(image, "t", 1)->partitions[0];
    change_of(1, 0, &record);
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(eq(i32, partition->partition_epoch, 1));
    cr_assert(eq(i32, partition->leader_epoch, 0));
    change_of(1, 0, &record)->leader = 1; /* the same leader: still an election */
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(eq(i32, partition->partition_epoch, 2));
    cr_assert(eq(i32, partition->leader_epoch, 1));
    change_of(1, 0, &record)->leader = -1;
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(eq(i32, partition->leader, -1));
    cr_assert(eq(i32, partition->leader_epoch, 2));
}

Test(image, records_that_cannot_follow_are_refused)
{
    struct metadata_record record;

    cr_assert(eq(int, add_partition(1, 0), ERR_MALFORMED)); /* no such topic */
    cr_assert(eq(int, remove_topic(1), ERR_MALFORMED));
    cr_assert(eq(int, add_topic("t", 1), OK));
    cr_assert(eq(int, add_topic("t", 2), ERR_MALFORMED)); /* the name is taken */
    cr_assert(eq(int, add_topic("u", 1), ERR_MALFORMED)); /* the id is taken */
    cr_assert(eq(int, add_topic("", 3), ERR_MALFORMED));
    cr_assert(eq(int, add_partition(1, 1), ERR_MALFORMED)); /* 0 is missing */
    cr_assert(eq(int, add_partition(1, -1), ERR_MALFORMED));
    change_of(1, 0, &record);
    cr_assert(eq(int, image_apply(image, &record, &delta), ERR_MALFORMED));
}

Test(image, a_value_with_a_zero_byte_is_cut_there_and_then_trimmed)
{
    struct metadata_record record;
    struct config_record *config = body_of(METADATA_CONFIG, 0, &record);

    config->resource_type = 2;
    config->resource_name = wire_string("t");
    config->name = wire_string("retention.ms");
    config->value = (struct wire_string){"5 \0x", 4};
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(eq(str, (char *)image_config(image, 2, "t", "retention.ms"), "5"));
}

Test(image, names_that_no_broker_writes_are_refused)
{
    struct metadata_record record;
    struct topic_record *topic;
    struct config_record *config;
    struct feature_level_record *feature;

    cr_assert(eq(int, add_topic("../t", 1), ERR_MALFORMED)); /* it would become a path */
    topic = body_of(METADATA_TOPIC, 0, &record);
    topic->name = (struct wire_string){"a\0b", 3};
    cr_assert(eq(int, image_apply(image, &record, &delta), ERR_MALFORMED));
    config = body_of(METADATA_CONFIG, 0, &record);
    config->resource_type = 32;
    config->resource_name = (struct wire_string){"a\0b", 3};
    config->name = wire_string("k");
    config->value = wire_string("v");
    cr_assert(eq(int, image_apply(image, &record, &delta), ERR_MALFORMED));
    config->resource_name = wire_string("a");
    config->name = (struct wire_string){"k\0", 2};
    cr_assert(eq(int, image_apply(image, &record, &delta), ERR_MALFORMED));
    feature = body_of(METADATA_FEATURE_LEVEL, 0, &record);
    feature->name = (struct wire_string){"f\0", 2};
    feature->feature_level = 1;
    cr_assert(eq(int, image_apply(image, &record, &delta), ERR_MALFORMED));
    cr_assert(eq(u32, image_feature_count(image), 0));
}

Test(image, a_change_of_an_epoch_that_has_no_successor_is_refused)
{
    struct metadata_record record;
    struct partition_record *partition;

    cr_assert(eq(int, add_topic("t", 1), OK));
    for (int which = 0; which < 2; which++) {
        partition = body_of(METADATA_PARTITION, 1, &record);
        partition->topic_id = id_of(1);
        partition->partition_id = 0;
        partition->leader_epoch = which == 0 ? INT32_MAX : 0;
        partition->partition_epoch = which == 0 ? 0 : INT32_MAX;
        cr_assert(eq(int, image_apply(image, &record, &delta), OK));
        change_of(1, 0, &record)->leader = 1;
        cr_assert(eq(int, image_apply(image, &record, &delta), ERR_MALFORMED));
    }
}

static uint32_t seen_directories;

static enum err count_directories(void *context, const struct metadata_record *record)
{
    if (record->type == METADATA_PARTITION)
        seen_directories =
            (uint32_t)((const struct partition_record *)record->body)->directories.count;
    return OK;
}

Test(image, there_is_a_directory_for_each_replica_or_none)
{
    static int32_t replicas[] = {1, 2, 3};
    static struct uuid directories[] = {{.bytes = {1}}, {.bytes = {2}}, {.bytes = {3}}};
    const struct image_partition *at;
    struct metadata_record record;
    struct partition_record *partition;
    struct partition_change_record *change;

    set_level(30); /* directories are told from 17 on */
    cr_assert(eq(int, add_topic("t", 1), OK));
    partition = body_of(METADATA_PARTITION, 1, &record);
    partition->topic_id = id_of(1);
    partition->partition_id = 0;
    partition->replicas = (typeof(partition->replicas)){replicas, 1};
    partition->directories = (typeof(partition->directories)){directories, 1};
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    at = &image_topic_by_name(image, "t", 1)->partitions[0];
    change = change_of(1, 0, &record);
    change->replicas = (typeof(change->replicas)){replicas, 3};
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(eq(u32, at->replica_count, 3));
    cr_assert(eq(int, image_each_record(image, count_directories, NULL), OK));
    cr_assert(eq(u32, seen_directories, 0));
    change = change_of(1, 0, &record);
    change->directories = (typeof(change->directories)){directories, 3};
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(eq(int, image_each_record(image, count_directories, NULL), OK));
    cr_assert(eq(u32, seen_directories, 3));
    cr_assert(uuid_equal(&at->directories[2], &directories[2]));
}

Test(image, a_removed_topic_takes_its_partitions_and_configs_along)
{
    cr_assert(eq(int, add_topic("t", 1), OK));
    cr_assert(eq(int, add_partition(1, 0), OK));
    cr_assert(eq(int, set_config(2, "t", "retention.ms", "5"), OK));
    cr_assert(eq(int, set_config(4, "", "retention.ms", "6"), OK));
    cr_assert(eq(u64, image_partition_count(image), 1));
    delta_deinit(&delta); /* a later one: publishers know the topic by now */
    delta_init(&delta);
    cr_assert(eq(int, remove_topic(1), OK));
    cr_assert(eq(u64, image_partition_count(image), 0));
    cr_assert(eq(int, add_topic("t", 2), OK));
    cr_assert(eq(ptr, (void *)image_config(image, 2, "t", "retention.ms"), NULL));
    cr_assert(eq(str, (char *)image_config(image, 4, "", "retention.ms"), "6"));
    cr_assert(eq(u32, delta.topic_count, 2)); /* two topics of one name are two entries */
    cr_assert(eq(u32, delta.topics[0].changes, DELTA_TOPIC_DELETED));
    cr_assert(eq(u32, delta.topics[0].old_partition_count, 1));
    cr_assert(eq(u32, delta.topics[1].changes, DELTA_TOPIC_CREATED));
}

Test(image, a_registration_change_must_name_the_epoch_that_is_registered)
{
    struct metadata_record record;
    struct register_broker_record *broker = body_of(METADATA_REGISTER_BROKER, 3, &record);
    struct broker_registration_change_record *change;

    broker->broker_id = 1;
    broker->broker_epoch = 7;
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(image_broker_find(image, 1)->fenced);
    change = body_of(METADATA_BROKER_REGISTRATION_CHANGE, 2, &record);
    change->broker_id = 1;
    change->broker_epoch = 6;
    change->fenced = -1;
    cr_assert(eq(int, image_apply(image, &record, &delta), ERR_MALFORMED));
    change->broker_epoch = 7;
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(not(image_broker_find(image, 1)->fenced));
    change->fenced = 0; /* says nothing */
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    cr_assert(not(image_broker_find(image, 1)->fenced));
}

Test(image, a_resource_is_there_as_long_as_something_is_set_for_it)
{
    char name[2000];

    memset(name, 'g', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    cr_assert(eq(int, set_config(32, name, "consumer.session.timeout.ms", "50000"), OK));
    cr_assert(eq(int, set_config(32, name, "share.isolation.level", "read_committed"), OK));
    cr_assert(eq(int, set_config(16, "m", "interval.ms", "1000"), OK));
    cr_assert(eq(u32, image_config_resource_count(image, 32), 1));
    cr_assert(image_config_has_resource(image, 32, name));
    cr_assert(eq(int, set_config(32, name, "share.isolation.level", NULL), OK));
    cr_assert(eq(u32, image_config_resource_count(image, 32), 1));
    cr_assert(eq(int, set_config(32, name, "consumer.session.timeout.ms", NULL), OK));
    cr_assert(eq(int, set_config(32, name, "consumer.session.timeout.ms", NULL), OK));
    cr_assert(eq(u32, image_config_resource_count(image, 32), 0));
    cr_assert(not(image_config_has_resource(image, 32, name)));
    cr_assert(eq(u32, image_config_resource_count(image, 16), 1));
}

/* ---- an image that is rebuilt from its records is the same image */

struct text {
    char *bytes;
    size_t used;
    size_t max;
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
    if (text->used + (size_t)value.size_bytes > text->max) {
        text->max = (text->used + (size_t)value.size_bytes) * 2;
        text->bytes = mem_realloc(text->bytes, text->max);
    }
    memcpy(text->bytes + text->used, value.bytes, (size_t)value.size_bytes);
    text->used += (size_t)value.size_bytes;
    arena_deinit(&space);
    return OK;
}

struct copy {
    struct image *to;
    struct delta delta;
};

/* Through bytes, as a snapshot goes. */
static enum err copy_record(void *context, const struct metadata_record *record)
{
    struct copy *copy = context;
    struct text text = {0};
    struct metadata_record decoded;
    struct arena space;
    enum err err;

    print_record(&text, record);
    arena_init(&space, 1 << 20);
    err = metadata_record_decode((uint8_t *)text.bytes, text.used, &space, &decoded);
    if (err == OK)
        err = image_apply(copy->to, &decoded, &copy->delta);
    arena_deinit(&space);
    mem_free(text.bytes);
    return err;
}

static void apply_something(struct prng *prng)
{
    char name[8];
    uint8_t id = (uint8_t)(1 + prng_below(prng, 20));
    struct uuid uuid = id_of(id);
    const struct image_topic *topic = image_topic_by_id(image, &uuid);
    struct metadata_record record;

    snprintf(name, sizeof(name), "t%d", id);
    switch (prng_below(prng, 6)) {
    case 0:
        cr_assert(eq(int, add_topic(name, id), topic == NULL ? OK : ERR_MALFORMED));
        break;
    case 1:
        cr_assert(eq(int, remove_topic(id), topic == NULL ? ERR_MALFORMED : OK));
        break;
    case 2:
        if (topic != NULL)
            cr_assert(eq(int, add_partition(id, (int32_t)topic->partition_count), OK));
        break;
    case 3:
        if (topic == NULL || topic->partition_count == 0)
            break;
        change_of(id, (int32_t)prng_below(prng, topic->partition_count), &record)->leader =
            prng_chance(prng, 1, 2) ? 1 : -2;
        cr_assert(eq(int, image_apply(image, &record, &delta), OK));
        break;
    case 4:
        if (topic != NULL)
            cr_assert(eq(int,
                         set_config(2, name, prng_chance(prng, 1, 2) ? "a" : "b",
                                    prng_chance(prng, 1, 3) ? NULL : "x"),
                         OK));
        break;
    default: {
        struct producer_ids_record *ids = body_of(METADATA_PRODUCER_IDS, 0, &record);
        ids->next_producer_id = (int64_t)prng_below(prng, 1000000);
        cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    }
    }
}

Test(image, an_image_made_of_its_own_records_is_the_same)
{
    struct prng prng;
    uint64_t seed = 20261123;

    prng_init(&prng, seed);
    for (int round = 0; round < 40; round++) {
        struct copy copy = {.to = image_create()};
        struct text before = {0};
        struct text after = {0};
        delta_init(&copy.delta);
        for (int i = 0; i < 50; i++)
            apply_something(&prng);
        cr_assert(eq(int, image_each_record(image, copy_record, &copy), OK));
        cr_assert(eq(int, image_each_record(image, print_record, &before), OK));
        cr_assert(eq(int, image_each_record(copy.to, print_record, &after), OK));
        cr_assert(eq(sz, before.used, after.used), "seed %" PRIu64 " round %d", seed, round);
        cr_assert(before.used == 0 || memcmp(before.bytes, after.bytes, before.used) == 0,
                  "seed %" PRIu64 " round %d", seed, round);
        cr_assert(eq(u64, image_partition_count(image), image_partition_count(copy.to)));
        mem_free(before.bytes);
        mem_free(after.bytes);
        delta_deinit(&copy.delta);
        image_destroy(copy.to);
    }
}

Test(image, topics_come_in_order_of_name)
{
    const char *previous = "";
    const struct image_topic *topic;
    size_t cursor = 0;
    uint32_t count = 0;

    cr_assert(eq(int, add_topic("b", 1), OK));
    cr_assert(eq(int, add_topic("a", 2), OK));
    cr_assert(eq(int, add_topic("ab", 3), OK));
    while ((topic = image_topic_next(image, &cursor)) != NULL) {
        cr_assert(strcmp(previous, topic->name) < 0);
        previous = topic->name;
        count++;
    }
    cr_assert(eq(u32, count, 3));
}
