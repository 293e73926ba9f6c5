/* What stands behind the values of configs: synonyms in their own units, groups' defaults, patterns
 * of client metrics, lengths of time. */
#include "base/mem.h"
#include "broker/client_metrics_config.h"
#include "broker/cordon.h"
#include "broker/group_config.h"
#include "broker/iso_duration.h"
#include "broker/metadata/config_list.h"
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

TestSuite(config_values, .init = setup, .fini = teardown);

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

static void is_at(const struct config_synonym *synonyms, uint32_t index, const char *name,
                  const char *text, enum config_source source)
{
    cr_expect(eq(str, (char *)synonyms[index].key->name, (char *)name), "%u", index);
    cr_expect(eq(str, (char *)synonyms[index].text, (char *)text), "%u", index);
    cr_expect(eq(int, (int)synonyms[index].source, (int)source), "%u", index);
}

/* As Kafka 4.3.1 tells them. */
Test(config_values, synonyms_keep_the_unit_of_their_own_key)
{
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    struct topic_config_value value;
    uint32_t count;

    with_sets(
        (const char *[]){"node.id=1", "log.retention.minutes=3", "log.retention.hours=2", NULL});
    count = topic_config_synonyms(config, image, "t", TOPIC_CONFIG_RETENTION_MS, synonyms);
    cr_assert(eq(u32, count, 3));
    is_at(synonyms, 0, "log.retention.minutes", "3", CONFIG_SOURCE_STATIC);
    is_at(synonyms, 1, "log.retention.hours", "2", CONFIG_SOURCE_STATIC);
    is_at(synonyms, 2, "log.retention.hours", "168", CONFIG_SOURCE_DEFAULT);
    cr_assert(
        eq(u32, config_synonyms_hidden(synonyms, count, config_key(CONFIG_LOG_RETENTION_MS)), 3));
    topic_config_value(config, image, "t", TOPIC_CONFIG_RETENTION_MS, &value);
    cr_assert(eq(str, (char *)value.text, "180000"));
    set(4, "1", "log.retention.ms", "7000000");
    set(4, "", "log.retention.ms", "8000000");
    count = topic_config_synonyms(config, image, "t", TOPIC_CONFIG_RETENTION_MS, synonyms);
    cr_assert(eq(u32, count, 5));
    is_at(synonyms, 0, "log.retention.ms", "7000000", CONFIG_SOURCE_BROKER);
    is_at(synonyms, 1, "log.retention.ms", "8000000", CONFIG_SOURCE_DEFAULT_BROKER);
    is_at(synonyms, 2, "log.retention.minutes", "3", CONFIG_SOURCE_STATIC);
    cr_assert(
        eq(u32, config_synonyms_hidden(synonyms, count, config_key(CONFIG_LOG_RETENTION_MS)), 0));
}

Test(config_values, keys_without_a_broker_behind_them_have_no_synonyms)
{
    static const enum topic_config_id keys[] = {TOPIC_CONFIG_REMOTE_STORAGE_ENABLE,
                                                TOPIC_CONFIG_REMOTE_LOG_COPY_DISABLE,
                                                TOPIC_CONFIG_LEADER_REPLICATION_THROTTLED_REPLICAS};
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];

    with_sets(NULL);
    for (size_t i = 0; i < array_count(keys); i++)
        cr_expect(eq(u32, topic_config_synonyms(config, image, "t", keys[i], synonyms), 0), "%s",
                  topic_config_key(keys[i])->name);
    cr_assert(eq(
        u32, topic_config_synonyms(config, image, "t", TOPIC_CONFIG_LOCAL_RETENTION_MS, synonyms),
        1));
    is_at(synonyms, 0, "log.local.retention.ms", "-2", CONFIG_SOURCE_DEFAULT);
}

Test(config_values, a_broker_key_has_those_of_the_coarser_units_behind_it)
{
    cr_expect(
        eq(int, (int)config_key(CONFIG_LOG_RETENTION_MINUTES)->behind, CONFIG_LOG_RETENTION_HOURS));
    cr_expect(eq(int, (int)config_key(CONFIG_LOG_RETENTION_HOURS)->behind, CONFIG_NO_KEY));
    cr_expect(eq(int, (int)config_key(CONFIG_LOG_ROLL_HOURS)->behind, CONFIG_NO_KEY));
    cr_expect(eq(int, (int)config_key(CONFIG_NUM_PARTITIONS)->behind, CONFIG_NO_KEY));
}

/* ---- groups */

Test(config_values, a_groups_setting_comes_from_the_broker_where_it_has_none)
{
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    const struct config_key *key = group_config_key(GROUP_CONFIG_CONSUMER_SESSION_TIMEOUT_MS);

    with_sets((const char *[]){"group.consumer.session.timeout.ms=46000", NULL});
    cr_assert(eq(u32, group_config_synonyms(config, image, "g", key, synonyms), 2));
    is_at(synonyms, 0, "group.consumer.session.timeout.ms", "46000", CONFIG_SOURCE_STATIC);
    is_at(synonyms, 1, "group.consumer.session.timeout.ms", "45000", CONFIG_SOURCE_DEFAULT);
    set(32, "g", "consumer.session.timeout.ms", "50000");
    cr_assert(eq(u32, group_config_synonyms(config, image, "g", key, synonyms), 3));
    is_at(synonyms, 0, "consumer.session.timeout.ms", "50000", CONFIG_SOURCE_GROUP);
    set(32, "g", "consumer.session.timeout.ms", "soon"); /* as nobody checked it */
    cr_assert(eq(u32, group_config_synonyms(config, image, "g", key, synonyms), 2));
    key = group_config_key(GROUP_CONFIG_SHARE_ISOLATION_LEVEL);
    cr_assert(eq(u32, group_config_synonyms(config, image, "g", key, synonyms), 1));
    is_at(synonyms, 0, "share.isolation.level", "read_uncommitted", CONFIG_SOURCE_DEFAULT);
}

Test(config_values, a_groups_defaults_are_the_brokers_and_legal)
{
    uint32_t count;
    const struct config_key *keys = group_config_keys(&count);
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    char problem[256];

    with_sets(NULL);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t found = group_config_synonyms(config, image, "g", &keys[i], synonyms);
        cr_assert(i == 0 || strcmp(keys[i - 1].name, keys[i].name) < 0, "%s", keys[i].name);
        cr_expect(
            eq(int, config_check(&keys[i], keys[i].default_text, problem, sizeof(problem)), OK),
            "%s", keys[i].name);
        cr_assert(eq(u32, found, 1), "%s", keys[i].name);
        cr_expect(eq(str, (char *)synonyms[0].text, (char *)keys[i].default_text), "%s",
                  keys[i].name);
    }
}

/* ---- client metrics: what Kafka 4.3.1 takes and refuses */

Test(config_values, a_pattern_that_java_could_not_compile_is_found)
{
    static const char *const good[] = {"client_id=a",
                                       "client_id=a,client_id=b",
                                       " client_id = a ",
                                       "client_source_port=1",
                                       "client_id=[[a]]",
                                       "client_id=^$",
                                       "client_id=(?<x>a)(?i)(?:b|c){2}+",
                                       "client_id=[^]a]\\[*?",
                                       "client_software_version=4\\.3\\..*",
                                       ""};
    static const char *const bad[] = {
        "client_id=a(",   "client_id=a)", "client_id=*a",  "client_id=a{2",
        "client_id=a\\",  "client_id=",   "client_id=a=b", "=a",
        "client_id=a+++", "client_id=[]", "client_id=[a-", "client_id=(?<x",
        "client_id=a**",  "x=y",          "client_id",     "client_id=(|*)",
        "client_id=a,x=y"};
    const char *entry;
    size_t entry_bytes;

    with_sets(NULL);
    for (size_t i = 0; i < array_count(good); i++)
        cr_expect(not(client_metrics_config_find_bad_match(good[i], strlen(good[i]), &entry,
                                                           &entry_bytes)),
                  "%s", good[i]);
    for (size_t i = 0; i < array_count(bad); i++)
        cr_expect(
            client_metrics_config_find_bad_match(bad[i], strlen(bad[i]), &entry, &entry_bytes),
            "%s", bad[i]);
}

/* ---- lengths of time: what Java's Duration.parse takes and refuses */

Test(config_values, durations_are_read_as_java_reads_them)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {{"PT1H", 3600},     {"P1DT2H3M4.5S", 93784},
                {"P1D", 86400},     {"pt1h", 3600},
                {"PT1.S", 1},       {"+PT1H", 3600},
                {"-PT1H", -3600},   {"PT-1H", -3600},
                {"PT1H-30M", 1800}, {"PT-0.5S", -1},
                {"P0D", 0},         {"PT9223372036854775807S", INT64_MAX}};
    static const char *const bad[] = {"",
                                      "P",
                                      "PT",
                                      "P1Y",
                                      "P1DT",
                                      "PT1H1D",
                                      "PT1S1M",
                                      "1H",
                                      "PT1",
                                      "PTS",
                                      "PT.5S",
                                      "PT1.0123456789S",
                                      "PT1H ",
                                      "PT9223372036854775808S",
                                      "P106751991167301D"};
    int64_t seconds;

    with_sets(NULL);
    for (size_t i = 0; i < array_count(good); i++) {
        cr_expect(eq(int, iso_duration_parse(good[i].text, strlen(good[i].text), &seconds), OK),
                  "%s", good[i].text);
        cr_expect(eq(i64, seconds, good[i].seconds), "%s", good[i].text);
    }
    for (size_t i = 0; i < array_count(bad); i++)
        cr_expect(ne(int, iso_duration_parse(bad[i], strlen(bad[i]), &seconds), OK), "%s", bad[i]);
}

/* ---- lists */

Test(config_values, words_are_appended_once_and_taken_away)
{
    struct wire_string out;
    struct arena arena;

    with_sets(NULL);
    arena_init(&arena, 1 << 16);
    cr_assert(
        eq(int, config_list_append(&arena, 1, wire_string("a,b"), wire_string("b,c,"), &out), OK));
    cr_expect(wire_string_is(out, "a,b,c"));
    cr_assert(eq(
        int, config_list_subtract(&arena, 1, wire_string("a,b,c"), wire_string("b,d"), &out), OK));
    cr_expect(wire_string_is(out, "a,c"));
    cr_assert(
        eq(int, config_list_subtract(&arena, 1, wire_string("a"), wire_string("a"), &out), OK));
    cr_expect(eq(i32, out.size_bytes, 0));
    arena_deinit(&arena);
}

Test(config_values, cordoned_directories_are_ours_or_strangers)
{
    const char *entry;
    size_t size_bytes;

    with_sets((const char *[]){"log.dirs=/data/one", NULL});
    cr_expect(cordon_covers(config, "*"));
    cr_expect(cordon_covers(config, " /x , /data/one "));
    cr_expect(not(cordon_covers(config, "/data")));
    cr_expect(not(cordon_covers(config, "")));
    cr_expect(not(cordon_covers(config, NULL)));
    cr_expect(not(cordon_find_stranger(config, "/data/one,*", &entry, &size_bytes)));
    cr_assert(cordon_find_stranger(config, "/data/one, /x ,/y", &entry, &size_bytes));
    cr_expect(eq(u64, size_bytes, 2));
    cr_expect(eq(int, memcmp(entry, "/x", 2), 0));
}
