/* topic_config: a topic's effective configuration, resolved and typed.
 *
 * topic override < broker's dynamic (own, then cluster default) < static < default, with Kafka's
 * broker synonyms (log.retention.ms/minutes/hours, ...).  All of Kafka's topic configs are known;
 * those whose feature exists act. Rules: Kafka's LogConfig, protocol/configs.tsv. */
#ifndef LEVEE_BROKER_TOPIC_CONFIG_H
#define LEVEE_BROKER_TOPIC_CONFIG_H

#include "broker/config_synonyms.h"
#include "storage/log/log.h"

struct topic_config {
    struct log_config log;
    int32_t max_message_bytes;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int32_t min_insync_replicas;
    int8_t compression; /* Kafka's codec number; -1: producer */
    bool compact;
    bool log_append_time;
};

/* What a topic without values of its own has, typed.  image may be NULL. */
void topic_config_defaults(const struct config *config, const struct image *image,
                           struct topic_config_values *out);

/* The topic's own values, as image has them, over defaults.  image may lack the topic, or be NULL.
 */
void topic_config_resolve(const struct topic_config_values *defaults, const struct image *image,
                          const char *topic, struct topic_config *out);

/* The rows of topic-level keys; effect says whether it acts. */
const struct config_key *topic_config_keys(uint32_t *count_out);
const struct config_key *topic_config_key_find(const char *name);

static inline const struct config_key *topic_config_key(enum topic_config_id id)
{
    return &config_tables_topic[id];
}

/* key: one of a topic's. */
static inline enum topic_config_id topic_config_key_id(const struct config_key *key)
{
    return (enum topic_config_id)(key - config_tables_topic);
}

/* levee.durability of an internal topic: the default (sync), whatever is set for the broker or was
 * once stored for the topic.  What a coordinator decided and answered must not be undone by a power
 * loss: committed offsets, ids, decisions (DUR-G3, DUR-T3).  topic may be NULL. */
bool topic_config_is_fixed(const char *topic, enum topic_config_id id);

/* Effective text and source of one key of a topic, and its synonyms in Kafka's order (topic,
 * broker, default broker, static, default). The value is in the topic key's unit. */
struct topic_config_value {
    const char *text; /* NULL: null; lives until the image changes or in text_space */
    enum config_source source;
    char text_space[64];
};
void topic_config_value(const struct config *config, const struct image *image, const char *topic,
                        enum topic_config_id id, struct topic_config_value *out);

/* Each value in the unit of its own key. */
uint32_t topic_config_synonyms(const struct config *config, const struct image *image,
                               const char *topic, enum topic_config_id id,
                               struct config_synonym out[CONFIG_SYNONYMS_MAX]);

#endif
