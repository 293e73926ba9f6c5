#include "base/mem.h"
#include "broker/config/config_cache.h"
#include "broker/metadata/config_rules.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/image.h"
#include "broker/topic_config.h"
#include "net/protocol/msg_config_record.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct image *image;
static struct config *config;

static void ignore(void *context, const char *text)
{
}

static void with_sets(const char *const *sets)
{
    struct config_load_options options = {.sets = sets};

    cr_assert(eq(int, config_load(NULL, &options, ignore, ignore, NULL, &config), OK));
}

static void setup(void)
{
    image = image_create();
}

static void teardown(void)
{
    config_destroy(config);
    image_destroy(image);
    cr_assert(eq(u64, mem_used_count(), 0), "memory was not given back");
}

TestSuite(topic_config, .init = setup, .fini = teardown);

static void set(int8_t type, const char *resource, const char *key, const char *value)
{
    struct config_record body = {.resource_type = type,
                                 .resource_name = wire_string(resource),
                                 .name = wire_string(key),
                                 .value = wire_string(value)};
    struct metadata_record record = {.type = METADATA_CONFIG, .body = &body};
    struct delta delta;

    delta_init(&delta);
    cr_assert(eq(int, image_apply(image, &record, &delta), OK));
    delta_deinit(&delta);
}

static void resolve(const char *name, struct topic_config *out)
{
    struct topic_config_values defaults;

    topic_config_defaults(config, image, &defaults);
    topic_config_resolve(&defaults, image, name, out);
}

Test(topic_config, the_topics_own_value_wins_then_the_brokers_layers)
{
    struct topic_config topic;

    with_sets((const char *[]){"node.id=1", "log.segment.bytes=2000000", NULL});
    resolve("t", &topic);
    cr_assert(eq(u32, topic.log.segment_bytes, 2000000));
    set(4, "", "log.segment.bytes", "3000000");
    resolve("t", &topic);
    cr_assert(eq(u32, topic.log.segment_bytes, 3000000));
    set(4, "1", "log.segment.bytes", "4000000");
    resolve("t", &topic);
    cr_assert(eq(u32, topic.log.segment_bytes, 4000000));
    set(2, "t", "segment.bytes", "5000000");
    resolve("t", &topic);
    cr_assert(eq(u32, topic.log.segment_bytes, 5000000));
    resolve("u", &topic); /* another topic */
    cr_assert(eq(u32, topic.log.segment_bytes, 4000000));
}

Test(topic_config, a_shards_defaults_follow_its_image)
{
    struct config_cache cache = {0};

    with_sets((const char *[]){"node.id=1", "log.retention.hours=2", NULL});
    cr_assert(eq(i64, config_cache_topics(&cache, config, image)->retention_ms, 7200000));
    set(4, "1", "log.retention.ms", "5000");
    cr_assert(eq(i64, config_cache_topics(&cache, config, image)->retention_ms, 5000));
    set(2, "t", "retention.ms", "6000"); /* a topic's own is not among them */
    cr_assert(eq(i64, config_cache_topics(&cache, config, image)->retention_ms, 5000));
}

Test(topic_config, hours_and_minutes_become_milliseconds_and_the_finest_unit_wins)
{
    struct topic_config topic;

    with_sets((const char *[]){"log.retention.hours=2", NULL});
    resolve("t", &topic);
    cr_assert(eq(i64, topic.log.retention_ms, 7200000));
    config_destroy(config);
    with_sets((const char *[]){"log.retention.hours=2", "log.retention.minutes=5", NULL});
    resolve("t", &topic);
    cr_assert(eq(i64, topic.log.retention_ms, 300000));
    config_destroy(config);
    with_sets((const char *[]){"log.retention.hours=2", "log.retention.ms=-1", NULL});
    resolve("t", &topic);
    cr_assert(eq(i64, topic.log.retention_ms, -1));
}

Test(topic_config, whatever_is_below_zero_keeps_records_without_a_limit)
{
    struct topic_config topic;

    with_sets((const char *[]){"log.retention.ms=-5", NULL});
    resolve("t", &topic);
    cr_assert(eq(i64, topic.log.retention_ms, -1));
    config_destroy(config);
    with_sets((const char *[]){"log.retention.hours=-3", NULL});
    resolve("t", &topic);
    cr_assert(eq(i64, topic.log.retention_ms, -1));
}

Test(topic_config, words_become_flags)
{
    struct topic_config topic;

    with_sets(NULL);
    resolve("t", &topic);
    cr_assert(topic.log.retention_by_delete);
    cr_assert(not(topic.compact));
    cr_assert(eq(i8, topic.compression, -1)); /* producer */
    cr_assert(not(topic.log.relaxed));
    set(2, "t", "cleanup.policy", "compact, delete");
    set(2, "t", "compression.type", "zstd");
    set(2, "t", "message.timestamp.type", "LogAppendTime");
    set(2, "t", "levee.durability", "cache");
    resolve("t", &topic);
    cr_assert(topic.log.retention_by_delete);
    cr_assert(topic.compact);
    cr_assert(topic.log.compact);
    cr_assert(eq(i64, topic.log.segment_ms, 604800000));
    cr_assert(eq(i8, topic.compression, 4));
    cr_assert(topic.log_append_time);
    cr_assert(topic.log.relaxed);
    set(2, "t", "max.compaction.lag.ms", "5000"); /* what is never closed is never compacted */
    set(2, "t", "delete.retention.ms", "17");
    set(2, "t", "min.compaction.lag.ms", "3");
    set(2, "t", "min.cleanable.dirty.ratio", "0.25");
    resolve("t", &topic);
    cr_assert(eq(i64, topic.log.segment_ms, 5000));
    cr_assert(eq(i64, topic.log.max_compaction_lag_ms, 5000));
    cr_assert(eq(i64, topic.log.delete_retention_ms, 17));
    cr_assert(eq(i64, topic.log.min_compaction_lag_ms, 3));
    cr_assert(topic.log.min_cleanable_dirty_ratio == 0.25);
    set(2, "t", "cleanup.policy", "");
    resolve("t", &topic);
    cr_assert(not(topic.log.compact));
    cr_assert(not(topic.log.retention_by_delete));
}

/* Whatever the rules accept must not stop the process when it is read back. */
Test(topic_config, what_the_rules_accept_can_be_resolved)
{
    static const char *const values[] = {
        " 5 ",      "0", "-1", "1048576", "true", "TRUE", "0.5",  "x",        "",    "compact",
        "compact,", ",", "*",  "+7",      "1e3",  "0x10", "zstd", "producer", "NaN", "9"};
    uint32_t count;
    const struct config_key *keys = topic_config_keys(&count);
    uint32_t accepted = 0;
    struct topic_config topic;
    struct arena arena;

    with_sets(NULL);
    arena_init(&arena, 1 << 20);
    for (uint32_t i = 0; i < count; i++)
        for (size_t v = 0; v < array_count(values); v++) {
            struct wire_string stored;
            struct wire_string problem = {0};
            if (config_rules_check(&keys[i], wire_string(values[v]), &arena, &stored, &problem)) {
                char *text = arena_strndup(&arena, stored.text, (size_t)stored.size_bytes);
                set(2, "t", keys[i].name, text);
                resolve("t", &topic);
                accepted++;
            } else {
                cr_assert(ne(ptr, (void *)problem.text, NULL));
            }
        }
    cr_assert(lt(u32, count, accepted));
    arena_deinit(&arena);
}

Test(topic_config, synonyms_are_told_from_the_strongest_to_the_default)
{
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    uint32_t count;

    with_sets((const char *[]){"node.id=1", "log.segment.bytes=2000000", NULL});
    set(4, "", "log.segment.bytes", "3000000");
    set(2, "t", "segment.bytes", "5000000");
    count = topic_config_synonyms(config, image, "t", TOPIC_CONFIG_SEGMENT_BYTES, synonyms);
    cr_assert(eq(u32, count, 4));
    cr_assert(eq(int, (int)synonyms[0].source, CONFIG_SOURCE_TOPIC));
    cr_assert(eq(str, (char *)synonyms[0].key->name, "segment.bytes"));
    cr_assert(eq(int, (int)synonyms[1].source, CONFIG_SOURCE_DEFAULT_BROKER));
    cr_assert(eq(str, (char *)synonyms[1].text, "3000000"));
    cr_assert(eq(int, (int)synonyms[2].source, CONFIG_SOURCE_STATIC));
    cr_assert(eq(int, (int)synonyms[3].source, CONFIG_SOURCE_DEFAULT));
    cr_assert(eq(str, (char *)synonyms[3].key->name, "log.segment.bytes"));
}

/* What a coordinator answered must survive a power loss, whatever clients' topics chose. */
Test(topic_config, internal_topics_are_sync_whatever_was_set)
{
    static const char *const internal[] = {"__consumer_offsets", "__transaction_state",
                                           "__share_group_state"};
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    struct topic_config_value value;
    struct topic_config topic;

    with_sets((const char *[]){"node.id=1", "levee.durability=cache", NULL});
    set(4, "", "levee.durability", "cache");
    for (size_t i = 0; i < array_count(internal); i++) {
        set(2, internal[i], "levee.durability", "cache"); /* of an older version */
        resolve(internal[i], &topic);
        cr_expect(not(topic.log.relaxed), "%s", internal[i]);
        topic_config_value(config, image, internal[i], TOPIC_CONFIG_LEVEE_DURABILITY, &value);
        cr_expect(eq(str, (char *)value.text, "sync"));
        cr_expect(eq(int, (int)value.source, CONFIG_SOURCE_DEFAULT));
        cr_expect(eq(u32,
                     topic_config_synonyms(config, image, internal[i],
                                           TOPIC_CONFIG_LEVEE_DURABILITY, synonyms),
                     1));
    }
    resolve("t", &topic);
    cr_assert(topic.log.relaxed);
}
