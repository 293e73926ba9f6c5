#include "broker/topic_config.h"

#include "base/check.h"
#include "base/text.h"
#include "broker/metadata/image.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"

#include <stdio.h>
#include <string.h>

/* How many milliseconds a broker's key counts by: a topic's count by one. */
static int64_t unit_of(const char *broker_name)
{
    switch (config_key_find(broker_name)->unit) {
    case CONFIG_UNIT_HOURS:
        return 3600 * 1000;
    case CONFIG_UNIT_MINUTES:
        return 60 * 1000;
    default:
        return 1;
    }
}

/* text of a broker key in the topic key's unit.  How long records are kept is -1 without a limit,
 * whichever negative number the broker was given (KafkaConfig.logRetentionTimeMillis). */
static const char *convert(const char *text, const struct config_key *key, int64_t unit,
                           char space[64])
{
    bool is_retention = key == topic_config_key(TOPIC_CONFIG_RETENTION_MS);
    int64_t value;

    if ((unit == 1 && !is_retention) ||
        text_parse_i64(text, strlen(text), INT64_MIN, INT64_MAX, &value) != OK)
        return text;
    if (value < 0)
        return is_retention ? "-1" : text;
    snprintf(space, 64, "%lld", (long long)(value * unit)); /* hours and minutes are 32 bits */
    return space;
}

const struct config_key *topic_config_keys(uint32_t *count_out)
{
    *count_out = TOPIC_CONFIG_ID_COUNT;
    return config_tables_topic;
}

const struct config_key *topic_config_key_find(const char *name)
{
    return config_key_search(config_tables_topic, TOPIC_CONFIG_ID_COUNT, name);
}

bool topic_config_is_fixed(const char *topic, const char *name)
{
    return topic != NULL && topic_is_internal(topic) && strcmp(name, "levee.durability") == 0;
}

/* The topic's own value; a stored text that is no legal value does not count (see config.c). */
static const char *own_text(const struct image *image, const char *topic,
                            const struct config_key *key)
{
    const char *text =
        topic == NULL || image == NULL
            ? NULL
            : image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_TOPIC, topic, key->name);

    return text != NULL && config_check(key, text, NULL, 0) == OK ? text : NULL;
}

uint32_t topic_config_synonyms(const struct config *config, const struct image *image,
                               const char *topic, const char *name,
                               struct config_synonym out[CONFIG_SYNONYMS_MAX])
{
    const struct config_key *key = topic_config_key_find(name);
    const char *own;
    uint32_t count = 0;

    check(key != NULL);
    if (topic_config_is_fixed(topic, name)) {
        out[0] = (struct config_synonym){name, key->default_text, CONFIG_SOURCE_DEFAULT};
        return 1;
    }
    own = own_text(image, topic, key);
    if (own != NULL)
        out[count++] = (struct config_synonym){name, own, CONFIG_SOURCE_TOPIC};
    return count + config_synonyms(config, image, key->behind, out + count);
}

void topic_config_value(const struct config *config, const struct image *image, const char *topic,
                        const char *name, struct topic_config_value *out)
{
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    uint32_t count = topic_config_synonyms(config, image, topic, name, synonyms);
    bool is_own = count > 0 && synonyms[0].source == CONFIG_SOURCE_TOPIC;

    const struct config_key *key = topic_config_key_find(name);

    *out = (struct topic_config_value){.text = key->default_text, .source = CONFIG_SOURCE_DEFAULT};
    if (count == 0)
        return;
    out->source = synonyms[0].source;
    out->text = is_own ? synonyms[0].text
                       : convert(synonyms[0].text, key, unit_of(synonyms[0].name), out->text_space);
}

enum err topic_config_check(const char *name, const char *value, char *problem_out,
                            size_t problem_max)
{
    const struct config_key *key = topic_config_key_find(name);

    if (key == NULL) {
        if (problem_out != NULL)
            snprintf(problem_out, problem_max, "Unknown topic config name: %s", name);
        return ERR_INVALID;
    }
    return value == NULL ? OK : config_check(key, value, problem_out, problem_max);
}

/* ---- typed */

struct resolver {
    const struct config *config;
    const struct image *image;
    const char *topic;
};

static int64_t number(const struct resolver *resolver, const char *name)
{
    struct topic_config_value value;
    int64_t out;
    enum err err;

    topic_config_value(resolver->config, resolver->image, resolver->topic, name, &value);
    err = text_parse_i64(value.text, strlen(value.text), INT64_MIN, INT64_MAX, &out);
    check(err == OK); /* checked when it was set */
    return out;
}

static bool has_word(const struct resolver *resolver, const char *name, const char *word)
{
    struct topic_config_value value;

    topic_config_value(resolver->config, resolver->image, resolver->topic, name, &value);
    for (const char *rest = value.text; *rest != '\0';) {
        size_t size_bytes;
        rest += strspn(rest, " ,");
        size_bytes = strcspn(rest, " ,");
        if (text_equal(rest, size_bytes, word))
            return true;
        rest += size_bytes;
    }
    return false;
}

static int8_t codec_of(const struct resolver *resolver)
{
    static const char *const names[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};

    for (int8_t i = 0; i < (int8_t)array_count(names); i++)
        if (has_word(resolver, "compression.type", names[i]))
            return i;
    return -1;
}

void topic_config_resolve(const struct config *config, const struct image *image, const char *topic,
                          struct topic_config *out)
{
    struct resolver resolver = {config, image, topic};

    *out = (struct topic_config){
        .max_message_bytes = (int32_t)number(&resolver, "max.message.bytes"),
        .timestamp_before_max_ms = number(&resolver, "message.timestamp.before.max.ms"),
        .timestamp_after_max_ms = number(&resolver, "message.timestamp.after.max.ms"),
        .min_insync_replicas = (int32_t)number(&resolver, "min.insync.replicas"),
        .compression = codec_of(&resolver),
        .compact = has_word(&resolver, "cleanup.policy", "compact"),
        .log_append_time = has_word(&resolver, "message.timestamp.type", "LogAppendTime"),
    };
    out->log = (struct log_config){
        .segment_bytes = (uint32_t)number(&resolver, "segment.bytes"),
        .segment_ms = number(&resolver, "segment.ms"),
        .retention_ms = number(&resolver, "retention.ms"),
        .retention_bytes = number(&resolver, "retention.bytes"),
        .index_interval_bytes = (uint32_t)number(&resolver, "index.interval.bytes"),
        .segment_index_bytes = (uint32_t)number(&resolver, "segment.index.bytes"),
        .file_delete_delay_ms = number(&resolver, "file.delete.delay.ms"),
        .retention_by_delete = has_word(&resolver, "cleanup.policy", "delete"),
        .relaxed = has_word(&resolver, "levee.durability", "cache"),
        .log_append_time = out->log_append_time,
    };
}
