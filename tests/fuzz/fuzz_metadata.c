/* fuzz_metadata: any bytes as metadata records, as batches of the metadata log, as a snapshot.
 *
 * The first byte chooses.  Whatever is accepted leaves an image that is whole, and that comes out
 * the same through a snapshot. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/metadata/image_replay.h"
#include "broker/metadata/snapshot_file.h"
#include "net/protocol/kafka_tables.h"
#include "net/protocol/msg_access_control_entry_record.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_config_record.h"
#include "net/protocol/msg_delegation_token_record.h"
#include "net/protocol/msg_feature_level_record.h"
#include "net/protocol/msg_partition_change_record.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_register_broker_record.h"
#include "net/protocol/msg_remove_access_control_entry_record.h"
#include "net/protocol/msg_remove_delegation_token_record.h"
#include "net/protocol/msg_remove_topic_record.h"
#include "net/protocol/msg_remove_user_scram_credential_record.h"
#include "net/protocol/msg_topic_record.h"
#include "net/protocol/msg_unregister_broker_record.h"
#include "net/protocol/msg_user_scram_credential_record.h"
#include "record/batch_builder.h"
#include "tests/fuzz/fuzz_seed.h"
#include "tests/support/random_message.h"

#include <string.h>

enum choice {
    RECORDS,         /* { uint16 size, value } ..., each applied */
    LOG,             /* batches, replayed in order */
    SNAPSHOT,        /* as it comes */
    SNAPSHOT_MENDED, /* with good checksums */
    NAME,            /* of a snapshot */
    CHOICE_COUNT
};

enum { NOW_MS = 1700000000, ARENA_BYTES_MAX = 16 << 20 };

static const struct snapshot_id snapshot_id = {.end_offset = 100, .epoch = 7};

/* ---- what holds for every image */

static void check_topics(const struct image *image)
{
    const struct image_topic *topic;
    const char *previous = NULL;
    uint64_t partitions = 0;
    uint32_t count = 0;
    size_t cursor = 0;

    while ((topic = image_topic_next(image, &cursor)) != NULL) {
        check(previous == NULL || strcmp(previous, topic->name) < 0);
        check(image_topic_by_id(image, &topic->id) == topic);
        check(image_topic_by_name(image, topic->name, strlen(topic->name)) == topic);
        for (uint32_t i = 0; i < topic->partition_count; i++)
            check(topic->partitions[i].index == (int32_t)i);
        previous = topic->name;
        partitions += topic->partition_count;
        count++;
    }
    check(count == image_topic_count(image));
    check(partitions == image_partition_count(image));
}

static void check_image(const struct image *image)
{
    check_topics(image);
    for (uint32_t i = 0; i < image_broker_count(image); i++) {
        const struct image_broker *broker = image_broker_at(image, i);
        check(i == 0 || image_broker_at(image, i - 1)->id < broker->id);
        check(image_broker_find(image, broker->id) == broker);
    }
    for (uint32_t i = 0; i < image_feature_count(image); i++) {
        const struct image_feature *feature = image_feature_at(image, i);
        check(i == 0 || strcmp(image_feature_at(image, i - 1)->name, feature->name) < 0);
        check(feature->level != 0);
        check(image_feature_level(image, feature->name) == feature->level);
    }
}

/* A snapshot of it rebuilds it. */
static void check_snapshot(const struct image *image)
{
    struct image *again = image_create();
    uint8_t *bytes;
    uint8_t *bytes_again;
    size_t size_bytes;
    size_t size_again;

    check(snapshot_encode(image, &snapshot_id, NOW_MS, &bytes, &size_bytes) == OK);
    check(snapshot_check(bytes, size_bytes) == OK);
    check(snapshot_apply(bytes, size_bytes, &snapshot_id, again) == OK);
    check_image(again);
    check(image_offset(again) == snapshot_id.end_offset - 1);
    check(image_epoch(again) == snapshot_id.epoch);
    check(image_next_producer_id(again) == image_next_producer_id(image) ||
          image_next_producer_id(image) < 0);
    check(snapshot_encode(again, &snapshot_id, NOW_MS, &bytes_again, &size_again) == OK);
    check(size_again == size_bytes && memcmp(bytes, bytes_again, size_bytes) == 0);
    mem_free(bytes_again);
    mem_free(bytes);
    image_destroy(again);
}

/* ---- records */

/* What was decoded means the same when it is encoded and decoded again. */
static void check_record(const struct metadata_record *record, struct arena *arena)
{
    const struct record_desc *desc = record_find(RECORD_METADATA, (int16_t)record->type);
    struct wire_writer writer;
    struct wire_bytes bytes;
    struct metadata_record again;

    wire_writer_init(&writer, arena);
    check(metadata_record_encode(record, &writer) == OK);
    check(wire_writer_flatten(&writer, &bytes) == OK);
    check(metadata_record_decode(bytes.bytes, (size_t)bytes.size_bytes, arena, &again) == OK);
    check(again.type == record->type && again.version == record->version);
    if (record->body != NULL)
        check(codec_equal(desc->value, record->version, record->body, again.body));
    else
        check(again.opaque_bytes == record->opaque_bytes &&
              memcmp(again.opaque, record->opaque, record->opaque_bytes) == 0);
}

static void apply_records(const uint8_t *bytes, size_t size_bytes)
{
    struct image *image = image_create();
    struct arena arena;
    struct delta delta;
    size_t pos = 0;
    enum err err = OK;

    arena_init(&arena, ARENA_BYTES_MAX);
    delta_init(&delta);
    while (err == OK && pos + 2 <= size_bytes) {
        size_t value_bytes = (size_t)(bytes[pos] << 8 | bytes[pos + 1]);
        struct metadata_record record;
        uint8_t *value;
        pos += 2;
        if (value_bytes > size_bytes - pos)
            value_bytes = size_bytes - pos;
        value = mem_alloc(value_bytes); /* of exactly that size */
        memcpy(value, bytes + pos, value_bytes);
        arena_reset(&arena);
        err = metadata_record_decode(value, value_bytes, &arena, &record);
        if (err == OK) {
            check_record(&record, &arena);
            err = image_apply(image, &record, &delta);
        }
        mem_free(value);
        pos += value_bytes;
    }
    check_image(image); /* also one that is half changed */
    check_snapshot(image);
    delta_deinit(&delta);
    arena_deinit(&arena);
    image_destroy(image);
}

/* ---- files */

/* Good lengths and checksums for as many batches as can be followed. */
static void mend(uint8_t *bytes, size_t size_bytes)
{
    size_t pos = 0;

    while (size_bytes - pos >= BATCH_HEADER_BYTES) {
        struct batch_header header;
        bytes[pos + BATCH_MAGIC_POS] = BATCH_MAGIC;
        if (batch_parse(bytes + pos, size_bytes - pos, &header) != OK)
            return;
        batch_set_crc(bytes + pos, header.size_bytes);
        pos += header.size_bytes;
    }
}

static void replay_log(const uint8_t *bytes, size_t size_bytes)
{
    struct image *image = image_create();
    struct image_replay replay;
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *batch;
    struct delta delta;

    image_replay_init(&replay, image);
    delta_init(&delta);
    batch_walk_init(&walk, bytes, size_bytes);
    while (batch_next(&walk, &header, &batch) == OK) {
        bool was_open = replay.in_transaction;
        int64_t before = image_offset(image);
        if (image_replay_batch(&replay, batch, header.size_bytes, &delta) != OK)
            break;
        check(image_offset(image) == (replay.in_transaction ? before : batch_last_offset(&header)));
        check(!was_open || !replay.in_transaction || image_offset(image) == before);
    }
    check_image(image);
    check_snapshot(image);
    delta_deinit(&delta);
    image_replay_deinit(&replay);
    image_destroy(image);
}

static void load_snapshot(const uint8_t *bytes, size_t size_bytes)
{
    struct image *image = image_create();

    if (snapshot_check(bytes, size_bytes) == OK &&
        snapshot_apply(bytes, size_bytes, &snapshot_id, image) == OK)
        check_snapshot(image);
    check_image(image);
    image_destroy(image);
}

static void parse_name(const uint8_t *bytes, size_t size_bytes)
{
    char name[SNAPSHOT_NAME_MAX];
    char again[SNAPSHOT_NAME_MAX];
    struct snapshot_id id;

    if (size_bytes >= sizeof(name))
        return;
    memcpy(name, bytes, size_bytes);
    name[size_bytes] = '\0';
    if (snapshot_parse_name(name, &id) != OK)
        return;
    check(id.end_offset >= 0 && id.epoch >= 0);
    snapshot_format_name(&id, again);
    check(strcmp(name, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    uint8_t *bytes;

    if (size_bytes == 0)
        return 0;
    size_bytes--;
    bytes = mem_alloc(size_bytes);
    memcpy(bytes, data + 1, size_bytes);
    switch ((enum choice)(data[0] % CHOICE_COUNT)) {
    case RECORDS:
        apply_records(bytes, size_bytes);
        break;
    case LOG:
        replay_log(bytes, size_bytes);
        break;
    case SNAPSHOT_MENDED:
        mend(bytes, size_bytes);
        load_snapshot(bytes, size_bytes);
        break;
    case SNAPSHOT:
        load_snapshot(bytes, size_bytes);
        break;
    default:
        parse_name(bytes, size_bytes);
        break;
    }
    mem_free(bytes);
    return 0;
}

/* ---- seeds */

struct seeding {
    struct prng *prng;
    struct arena arena;
    struct metadata_records records;
};

static struct wire_string a_name(struct seeding *seeding)
{
    static const char *const names[] = {"a", "ab", "b", "__consumer_offsets"};

    return wire_string(names[prng_below(seeding->prng, array_count(names))]);
}

static struct uuid a_topic_id(struct seeding *seeding)
{
    return (struct uuid){.bytes = {[15] = (uint8_t)(2 + prng_below(seeding->prng, 3))}};
}

/* The same for those that nothing here acts on: what makes their keys. */
static void make_related_kept(struct seeding *seeding, enum metadata_type type, void *body)
{
    switch (type) {
    case METADATA_ACCESS_CONTROL_ENTRY:
        ((struct access_control_entry_record *)body)->id = a_topic_id(seeding);
        break;
    case METADATA_REMOVE_ACCESS_CONTROL_ENTRY:
        ((struct remove_access_control_entry_record *)body)->id = a_topic_id(seeding);
        break;
    case METADATA_USER_SCRAM_CREDENTIAL:
        ((struct user_scram_credential_record *)body)->name = a_name(seeding);
        ((struct user_scram_credential_record *)body)->mechanism = 1;
        break;
    case METADATA_REMOVE_USER_SCRAM_CREDENTIAL:
        ((struct remove_user_scram_credential_record *)body)->name = a_name(seeding);
        ((struct remove_user_scram_credential_record *)body)->mechanism = 1;
        break;
    case METADATA_DELEGATION_TOKEN:
        ((struct delegation_token_record *)body)->token_id = a_name(seeding);
        break;
    case METADATA_REMOVE_DELEGATION_TOKEN:
        ((struct remove_delegation_token_record *)body)->token_id = a_name(seeding);
        break;
    default:
        break;
    }
}

/* Ids and numbers of which few exist, so that records follow on each other. */
static void make_related(struct seeding *seeding, enum metadata_type type, void *body)
{
    int32_t few = (int32_t)prng_below(seeding->prng, 3);

    switch (type) {
    case METADATA_TOPIC:
        ((struct topic_record *)body)->name = a_name(seeding);
        ((struct topic_record *)body)->topic_id = a_topic_id(seeding);
        break;
    case METADATA_PARTITION:
        ((struct partition_record *)body)->partition_id = few;
        ((struct partition_record *)body)->topic_id = a_topic_id(seeding);
        break;
    case METADATA_PARTITION_CHANGE:
        ((struct partition_change_record *)body)->partition_id = few;
        ((struct partition_change_record *)body)->topic_id = a_topic_id(seeding);
        break;
    case METADATA_REMOVE_TOPIC:
        ((struct remove_topic_record *)body)->topic_id = a_topic_id(seeding);
        break;
    case METADATA_CONFIG:
        ((struct config_record *)body)->resource_type = few == 0 ? 4 : 2;
        ((struct config_record *)body)->resource_name = a_name(seeding);
        break;
    case METADATA_FEATURE_LEVEL:
        ((struct feature_level_record *)body)->name = a_name(seeding);
        break;
    case METADATA_REGISTER_BROKER:
        ((struct register_broker_record *)body)->broker_id = few;
        ((struct register_broker_record *)body)->broker_epoch = 5;
        break;
    case METADATA_UNREGISTER_BROKER:
        ((struct unregister_broker_record *)body)->broker_id = few;
        ((struct unregister_broker_record *)body)->broker_epoch = 5;
        break;
    case METADATA_BROKER_REGISTRATION_CHANGE:
        ((struct broker_registration_change_record *)body)->broker_id = few;
        ((struct broker_registration_change_record *)body)->broker_epoch = 5;
        break;
    default:
        make_related_kept(seeding, type, body);
        break;
    }
}

static void add_record(struct seeding *seeding)
{
    static const enum metadata_type types[] = {
        METADATA_TOPIC,
        METADATA_TOPIC,
        METADATA_PARTITION,
        METADATA_PARTITION,
        METADATA_PARTITION,
        METADATA_PARTITION_CHANGE,
        METADATA_REMOVE_TOPIC,
        METADATA_CONFIG,
        METADATA_CONFIG,
        METADATA_FEATURE_LEVEL,
        METADATA_PRODUCER_IDS,
        METADATA_REGISTER_BROKER,
        METADATA_NO_OP,
        METADATA_UNREGISTER_BROKER,
        METADATA_END_TRANSACTION,
        METADATA_BROKER_REGISTRATION_CHANGE,
        METADATA_BEGIN_TRANSACTION,
        METADATA_ABORT_TRANSACTION,
        METADATA_ACCESS_CONTROL_ENTRY,
        METADATA_REMOVE_ACCESS_CONTROL_ENTRY,
        METADATA_USER_SCRAM_CREDENTIAL,
        METADATA_REMOVE_USER_SCRAM_CREDENTIAL,
        METADATA_CLIENT_QUOTA,
        METADATA_DELEGATION_TOKEN,
        METADATA_REMOVE_DELEGATION_TOKEN,
        METADATA_REGISTER_CONTROLLER,
    };
    enum metadata_type type = types[prng_below(seeding->prng, array_count(types))];
    const struct message_desc *desc = record_find(RECORD_METADATA, (int16_t)type)->value;
    int16_t version =
        (int16_t)(desc->min_version +
                  (int16_t)prng_below(seeding->prng,
                                      (uint64_t)(desc->max_version - desc->min_version + 1)));
    void *body = metadata_records_add(&seeding->records, type, version);

    check(body != NULL);
    random_message(desc, version, seeding->prng, &seeding->arena, body);
    make_related(seeding, type, body);
}

static struct wire_bytes value_of(struct seeding *seeding, uint32_t index)
{
    struct wire_writer writer;
    struct wire_bytes value;

    wire_writer_init(&writer, &seeding->arena);
    check(metadata_record_encode(&seeding->records.items[index], &writer) == OK);
    check(wire_writer_flatten(&writer, &value) == OK);
    return value;
}

static size_t put_records(struct seeding *seeding, uint8_t *out, size_t max_bytes)
{
    size_t pos = 0;

    for (uint32_t i = 0; i < seeding->records.count; i++) {
        struct wire_bytes value = value_of(seeding, i);
        if ((size_t)value.size_bytes + 2 > max_bytes - pos || value.size_bytes > UINT16_MAX)
            break;
        out[pos++] = (uint8_t)(value.size_bytes >> 8);
        out[pos++] = (uint8_t)value.size_bytes;
        memcpy(out + pos, value.bytes, (size_t)value.size_bytes);
        pos += (size_t)value.size_bytes;
    }
    return pos;
}

static size_t put_log(struct seeding *seeding, uint8_t *out, size_t max_bytes)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    size_t pos = 0;

    batch_builder_init(&builder, &options);
    for (uint32_t i = 0; i < seeding->records.count;) {
        const uint8_t *bytes;
        uint32_t size_bytes;
        options.base_offset = i;
        batch_builder_reset(&builder, &options);
        do {
            struct wire_bytes value = value_of(seeding, i++);
            check(batch_builder_add_pair(&builder, NULL, -1, value.bytes, value.size_bytes,
                                         NOW_MS) == OK);
        } while (i < seeding->records.count && prng_chance(seeding->prng, 2, 3));
        check(batch_builder_finish(&builder, NULL, &bytes, &size_bytes) == OK);
        if (size_bytes > max_bytes - pos)
            break;
        memcpy(out + pos, bytes, size_bytes);
        pos += size_bytes;
    }
    batch_builder_deinit(&builder);
    return pos;
}

static size_t put_snapshot(struct seeding *seeding, uint8_t *out, size_t max_bytes)
{
    struct image *image = image_create();
    struct delta delta;
    uint8_t *bytes;
    size_t size_bytes;

    delta_init(&delta);
    for (uint32_t i = 0; i < seeding->records.count; i++)
        (void)!image_apply(image, &seeding->records.items[i], &delta); /* some cannot follow */
    check(snapshot_encode(image, &snapshot_id, NOW_MS, &bytes, &size_bytes) == OK);
    if (size_bytes > max_bytes)
        size_bytes = max_bytes;
    memcpy(out, bytes, size_bytes);
    mem_free(bytes);
    delta_deinit(&delta);
    image_destroy(image);
    return size_bytes;
}

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    struct seeding seeding = {.prng = prng};
    uint64_t count = 1 + prng_below(prng, 8);
    uint64_t choice = prng_below(prng, CHOICE_COUNT);
    size_t size_bytes = 0;

    if (max_bytes < 1 + SNAPSHOT_NAME_MAX)
        return 0;
    arena_init(&seeding.arena, ARENA_BYTES_MAX);
    metadata_records_init(&seeding.records, &seeding.arena);
    for (uint64_t i = 0; i < count; i++)
        add_record(&seeding);
    out[0] = (uint8_t)choice;
    switch ((enum choice)choice) {
    case RECORDS:
        size_bytes = put_records(&seeding, out + 1, max_bytes - 1);
        break;
    case LOG:
        size_bytes = put_log(&seeding, out + 1, max_bytes - 1);
        break;
    case NAME:
        snapshot_format_name(&snapshot_id, (char *)out + 1);
        size_bytes = strlen((char *)out + 1);
        break;
    default:
        size_bytes = put_snapshot(&seeding, out + 1, max_bytes - 1);
        break;
    }
    arena_deinit(&seeding.arena);
    return 1 + size_bytes;
}

FUZZ_SEEDS(make_seed)
