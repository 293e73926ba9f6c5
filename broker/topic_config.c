#include "broker/topic_config.h"

#include "base/text.h"
#include "broker/config/config_value.h"
#include "broker/metadata/image.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"

#include <stdio.h>
#include <string.h>

/* How many milliseconds a broker's key counts by: a topic's count by one. */
static int64_t unit_of(const struct config_key *key)
{
    switch (key->unit) {
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

bool topic_config_is_fixed(const char *topic, enum topic_config_id id)
{
    return topic != NULL && topic_is_internal(topic) && id == TOPIC_CONFIG_LEVEE_DURABILITY;
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
                               const char *topic, enum topic_config_id id,
                               struct config_synonym out[CONFIG_SYNONYMS_MAX])
{
    const struct config_key *key = topic_config_key(id);
    const char *own;
    uint32_t count = 0;

    if (topic_config_is_fixed(topic, id)) {
        out[0] = (struct config_synonym){key, key->default_text, CONFIG_SOURCE_DEFAULT};
        return 1;
    }
    own = own_text(image, topic, key);
    if (own != NULL)
        out[count++] = (struct config_synonym){key, own, CONFIG_SOURCE_TOPIC};
    return count + config_synonyms(config, image, key->behind, out + count);
}

void topic_config_value(const struct config *config, const struct image *image, const char *topic,
                        enum topic_config_id id, struct topic_config_value *out)
{
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    const struct config_key *key = topic_config_key(id);
    uint32_t count = topic_config_synonyms(config, image, topic, id, synonyms);
    bool is_own = count > 0 && synonyms[0].source == CONFIG_SOURCE_TOPIC;

    *out = (struct topic_config_value){.text = key->default_text, .source = CONFIG_SOURCE_DEFAULT};
    if (count == 0)
        return;
    out->source = synonyms[0].source;
    out->text = is_own ? synonyms[0].text
                       : convert(synonyms[0].text, key, unit_of(synonyms[0].key), out->text_space);
}

/* ---- typed */

void topic_config_defaults(const struct config *config, const struct image *image,
                           struct topic_config_values *out)
{
    struct topic_config_value value;

    for (uint32_t i = 0; i < TOPIC_CONFIG_ID_COUNT; i++) {
        enum topic_config_id id = (enum topic_config_id)i;
        topic_config_value(config, image, NULL, id, &value);
        config_value_put(out, topic_config_key(id), value.text);
    }
}

struct resolver {
    const char *topic;
    struct topic_config_values values;
};

static void put_own(void *context, const char *name, const char *text)
{
    struct resolver *resolver = context;
    const struct config_key *key = topic_config_key_find(name);

    if (key != NULL && !topic_config_is_fixed(resolver->topic, topic_config_key_id(key)) &&
        config_check(key, text, NULL, 0) == OK)
        config_value_put(&resolver->values, key, text);
}

static int8_t codec_of(enum topic_config_compression_type type)
{
    static const int8_t codecs[] = {
        [TOPIC_CONFIG_COMPRESSION_TYPE_UNCOMPRESSED] = 0,
        [TOPIC_CONFIG_COMPRESSION_TYPE_GZIP] = 1,
        [TOPIC_CONFIG_COMPRESSION_TYPE_SNAPPY] = 2,
        [TOPIC_CONFIG_COMPRESSION_TYPE_LZ4] = 3,
        [TOPIC_CONFIG_COMPRESSION_TYPE_ZSTD] = 4,
        [TOPIC_CONFIG_COMPRESSION_TYPE_PRODUCER] = -1,
    };

    return codecs[type];
}

static void fill(const struct topic_config_values *values, struct topic_config *out)
{
    *out = (struct topic_config){
        .max_message_bytes = values->max_message_bytes,
        .timestamp_before_max_ms = values->message_timestamp_before_max_ms,
        .timestamp_after_max_ms = values->message_timestamp_after_max_ms,
        .min_insync_replicas = values->min_insync_replicas,
        .compression = codec_of(values->compression_type),
        .compact = (values->cleanup_policy & TOPIC_CONFIG_CLEANUP_POLICY_COMPACT) != 0,
        .log_append_time =
            values->message_timestamp_type == TOPIC_CONFIG_MESSAGE_TIMESTAMP_TYPE_LOGAPPENDTIME,
    };
    out->log = (struct log_config){
        .segment_bytes = (uint32_t)values->segment_bytes,
        /* what is never closed is never compacted (LogConfig.maxSegmentMs) */
        .segment_ms = out->compact && values->max_compaction_lag_ms < values->segment_ms
                          ? values->max_compaction_lag_ms
                          : values->segment_ms,
        .retention_ms = values->retention_ms,
        .retention_bytes = values->retention_bytes,
        .index_interval_bytes = (uint32_t)values->index_interval_bytes,
        .segment_index_bytes = (uint32_t)values->segment_index_bytes,
        .file_delete_delay_ms = values->file_delete_delay_ms,
        .retention_by_delete = (values->cleanup_policy & TOPIC_CONFIG_CLEANUP_POLICY_DELETE) != 0,
        .compact = out->compact,
        .min_cleanable_dirty_ratio = values->min_cleanable_dirty_ratio,
        .min_compaction_lag_ms = values->min_compaction_lag_ms,
        .max_compaction_lag_ms = values->max_compaction_lag_ms,
        .delete_retention_ms = values->delete_retention_ms,
        .relaxed = values->levee_durability == TOPIC_CONFIG_LEVEE_DURABILITY_CACHE,
        .log_append_time = out->log_append_time,
    };
}

void topic_config_resolve(const struct topic_config_values *defaults, const struct image *image,
                          const char *topic, struct topic_config *out)
{
    struct resolver resolver = {.topic = topic, .values = *defaults};
    const struct config_key *durability = topic_config_key(TOPIC_CONFIG_LEVEE_DURABILITY);

    if (topic_config_is_fixed(topic, TOPIC_CONFIG_LEVEE_DURABILITY))
        config_value_put(&resolver.values, durability, durability->default_text);
    if (image != NULL)
        image_config_each(image, KAFKA_CONFIG_RESOURCE_TYPE_TOPIC, topic, put_own, &resolver);
    fill(&resolver.values, out);
}
