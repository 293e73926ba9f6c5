/* topic_config_table: which broker keys give a topic-level key its default. */
#ifndef LEVEE_BROKER_TOPIC_CONFIG_TABLE_H
#define LEVEE_BROKER_TOPIC_CONFIG_TABLE_H

#include "broker/topic_config.h"

struct topic_config_origin {
    const char *name;
    /* the first that is set counts; units differ: hours, minutes (NULL ends) */
    const char *broker_names[CONFIG_SYNONYM_NAMES_MAX];
};

/* key: a row of topic_config_keys. */
const struct topic_config_origin *topic_config_origin(const struct config_key *key);

#endif
