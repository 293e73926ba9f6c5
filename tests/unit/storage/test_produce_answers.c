/* Every batch that Apache Kafka was asked to store (tests/golden/answers), asked of batch_validate
 * and producer_state, must get the error that Kafka gave; where we differ on purpose, a line says
 * so. */
#include "record/batch_validate.h"
#include "storage/log/producer_state.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <string.h>

enum { HOUR_MS = 3600 * 1000, KAFKA_NONE = 0, KAFKA_UNKNOWN = -1 };

struct difference {
    const char *scene;
    const char *note;
    int ours; /* Kafka's number for our answer */
};

/* Kafka's UNKNOWN_SERVER_ERROR becomes a reason; offsets that contradict each other, which Kafka
 * stores, are refused; transactions are judged above us. */
static const struct difference differences[] = {
    {"produce/codecs", "codec 1, garbage", 87},
    {"produce/codecs", "codec 2, garbage", 87},
    {"produce/codecs", "codec 3, garbage", 87},
    {"produce/codecs", "codec 4, garbage", 87},
    {"produce/codecs", "codec 5", 76},
    {"produce/codecs", "codec 6", 76},
    {"produce/codecs", "codec 7", 76},
    {"produce/counts_and_offsets", "record offset deltas 0 2", 87},
    {"produce/counts_and_offsets", "record offset deltas 1 0", 87},
    {"produce/counts_and_offsets", "record offset deltas 0 0", 87},
    {"produce/counts_and_offsets", "record offset deltas -1 0", 87},
    {"produce/attributes", "transactional", 87},
    {"produce/attributes", "control and transactional", 87},
    {"produce/attributes", "transactional with a producer, no transaction", KAFKA_NONE},
};

static int kafka_number(enum err err)
{
    switch (err) {
    case OK:
        return KAFKA_NONE;
    case ERR_CORRUPT:
        return 2;
    case ERR_TOO_LARGE:
        return 10;
    case ERR_TIMESTAMP:
        return 32;
    case ERR_SEQUENCE:
        return 45;
    case ERR_PRODUCER_EPOCH:
        return 47;
    case ERR_CODEC:
        return 76;
    case ERR_RECORD:
        return 87;
    default:
        return KAFKA_UNKNOWN;
    }
}

/* Hexadecimal digits, or false when the recording names only a size. */
static bool parse_hex(const char *text, struct golden *out)
{
    size_t size_bytes = strlen(text) / 2;

    if (strspn(text, "0123456789abcdef") != strlen(text))
        return false;
    *out = golden_copy(text, size_bytes);
    for (size_t i = 0; i < size_bytes; i++) {
        unsigned byte;

        cr_assert(eq(int, sscanf(text + 2 * i, "%2x", &byte), 1));
        out->bytes[i] = (uint8_t)byte;
    }
    return true;
}

struct scene {
    const char *name;
    struct batch_rules rules;
    struct producer_state producers;
    int64_t end_offset;
    int asked_count;
};

/* The earliest time in the recording of a scene: what it calls base, or an hour before; 0 when no
 * batch tells. */
static int64_t first_time_ms(const json_t *steps)
{
    int64_t first_ms = INT64_MAX;
    size_t i;
    json_t *step;

    json_array_foreach(steps, i, step)
    {
        const char *text = json_string_value(json_object_get(
            json_array_get(
                json_object_get(
                    json_array_get(json_object_get(json_object_get(step, "request"), "TopicData"),
                                   0),
                    "PartitionData"),
                0),
            "Records"));
        struct golden batch;
        struct batch_header header;

        if (!text || !parse_hex(text, &batch))
            continue;
        if (batch_parse(batch.bytes, batch.size_bytes, &header) == OK &&
            header.base_timestamp_ms > HOUR_MS && header.base_timestamp_ms < first_ms)
            first_ms = header.base_timestamp_ms;
        golden_free(&batch);
    }
    return first_ms == INT64_MAX ? 0 : first_ms;
}

/* Our answer to one batch, as the log would give it. */
static enum err append(struct scene *scene, const struct golden *batch, int64_t *base_offset_out)
{
    struct compression_context *context = compression_context_create();
    struct producer_rules rules = {.origin = PRODUCER_CLIENT,
                                   .is_registered = true}; /* no coordinator is asked here */
    struct producer_check checked;
    static struct batch_info info;
    enum err err = batch_validate(&scene->rules, context, batch->bytes, batch->size_bytes, &info);

    compression_context_destroy(context);
    *base_offset_out = -1;
    if (!err)
        err = producer_state_check(&scene->producers, &info.header, NULL, &rules, &checked);
    if (err)
        return err;
    *base_offset_out = checked.duplicate ? checked.base_offset : scene->end_offset;
    if (checked.duplicate)
        return OK;
    info.header.base_offset = scene->end_offset;
    scene->end_offset = batch_last_offset(&info.header) + 1;
    producer_state_update(&scene->producers, &info.header, NULL, scene->rules.now_ms, NULL);
    return OK;
}

static void compare(struct scene *scene, const char *note, const struct golden *batch,
                    const json_t *answer)
{
    int expected = (int)json_integer_value(json_object_get(answer, "ErrorCode"));
    int64_t expected_offset = json_integer_value(json_object_get(answer, "BaseOffset"));
    int64_t base_offset;
    bool differs = false;
    int got;

    if (expected == 3 || expected == 17 || expected == 21 || expected == 100)
        return; /* about the topic or acks */
    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
        if (strcmp(differences[i].scene, scene->name) == 0 && note &&
            strcmp(differences[i].note, note) == 0) {
            cr_assert(ne(int, expected, differences[i].ours));
            expected = differences[i].ours;
            differs = true;
        }
    }
    got = kafka_number(append(scene, batch, &base_offset));
    cr_assert(eq(int, got, expected), "%s: %s", scene->name, note ? note : "");
    scene->asked_count++;
    if (!differs && expected == KAFKA_NONE && strncmp(scene->name, "idempotence/", 12) == 0)
        cr_assert(eq(i64, base_offset, expected_offset), "%s: %s", scene->name, note);
}

/* Returns how many batches were asked about. */
static int play(const char *name, const json_t *steps)
{
    struct scene scene = {.name = name};
    bool narrow = false;
    size_t i;
    json_t *step;

    scene.rules = (struct batch_rules){
        .validate_compressed = true,
        .max_message_bytes = strcmp(name, "produce/size_limit") == 0 ? 1000 : 1048588,
        .uncompressed_max_bytes = 8 << 20,
        .now_ms = first_time_ms(steps) + 3 * HOUR_MS,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = HOUR_MS,
        .compact = strcmp(name, "produce/compacted_topic_needs_keys") == 0,
        .log_append_time = strcmp(name, "produce/log_append_time") == 0,
    };
    producer_state_init(&scene.producers, 1, 1000);
    json_array_foreach(steps, i, step)
    {
        const char *ask = json_string_value(json_object_get(step, "ask"));
        const char *note = json_string_value(json_object_get(step, "note"));
        json_t *topics = json_object_get(json_object_get(step, "request"), "TopicData");
        json_t *answers = json_object_get(json_object_get(step, "answer"), "Responses");
        int version;

        if (sscanf(ask, "Produce v%d", &version) != 1 || json_array_size(topics) != 1 ||
            json_array_size(answers) != 1)
            continue;
        scene.rules.produce_version = (int16_t)version;
        narrow = narrow || (note && strstr(note, "one second allowed"));
        if (narrow) {
            scene.rules.timestamp_before_max_ms = 1000;
            scene.rules.timestamp_after_max_ms = 1000;
        }
        json_t *parts = json_object_get(json_array_get(topics, 0), "PartitionData");
        json_t *results = json_object_get(json_array_get(answers, 0), "PartitionResponses");
        if (json_array_size(parts) != 1 || json_array_size(results) != 1)
            continue;
        const char *text = json_string_value(json_object_get(json_array_get(parts, 0), "Records"));
        struct golden batch;

        if (!text || !parse_hex(text, &batch))
            continue;
        compare(&scene, note, &batch, json_array_get(results, 0));
        golden_free(&batch);
    }
    producer_state_deinit(&scene.producers);
    return scene.asked_count;
}

static void play_file(const char *file)
{
    struct golden text = golden_read(file);
    json_t *scenes = json_loadb((const char *)text.bytes, text.size_bytes, 0, NULL);
    const char *name;
    json_t *steps;
    int count = 0;

    cr_assert(ne(ptr, scenes, NULL));
    json_object_foreach(scenes, name, steps)
    {
        count += play(name, steps);
    }
    cr_assert(count > 60, "%d", count);
    json_decref(scenes);
    golden_free(&text);
}

Test(produce_answers, batches_get_the_errors_that_kafka_gave)
{
    play_file("answers/produce.json");
}

Test(produce_answers, sequences_get_the_errors_and_offsets_that_kafka_gave)
{
    play_file("answers/idempotence.json");
}
