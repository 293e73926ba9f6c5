/* config_key: the keys of the configuration: broker's, topics', groups', client metrics'.
 *
 * broker/config/schema has them all; generate.py makes of it the tables here, an id for each key
 * (CONFIG_LOG_SEGMENT_BYTES, TOPIC_CONFIG_SEGMENT_BYTES), which is its row, the typed values
 * (config_values.h) and docs/configuration.md.  Code asks by id; a name is looked up only where a
 * client or an operator wrote it.  Constant, for every thread. */
#ifndef LEVEE_BROKER_CONFIG_CONFIG_KEY_H
#define LEVEE_BROKER_CONFIG_CONFIG_KEY_H

#include "broker/config/config_id.h"

#include <stdbool.h>
#include <stdint.h>

enum config_type {
    CONFIG_BOOL,
    CONFIG_I32,
    CONFIG_I64,
    CONFIG_I16,
    CONFIG_DOUBLE,
    CONFIG_STRING,
    CONFIG_LIST,
    CONFIG_PASSWORD,
    CONFIG_CLASS
};

enum config_effect {
    CONFIG_ACTS,    /* read by our code */
    CONFIG_STORED,  /* a feature that does not exist here yet: validated, stored, echoed */
    CONFIG_IGNORED, /* JVM-only: accepted, named once as having no effect */
    CONFIG_REFUSED, /* asks for protection that is not there: setting it is a fault */
};

enum config_unit {
    CONFIG_UNIT_NONE,
    CONFIG_UNIT_MS,
    CONFIG_UNIT_SECONDS,
    CONFIG_UNIT_MINUTES,
    CONFIG_UNIT_HOURS,
    CONFIG_UNIT_BYTES,
};

/* What a legal value obeys beside its type, range and choices (config_check). */
enum config_rule {
    CONFIG_RULE_NONE,
    CONFIG_RULE_GZIP_LEVEL,         /* -1, or 1 to 9 */
    CONFIG_RULE_NOT_ZERO,           /* nothing would be kept */
    CONFIG_RULE_THROTTLED_REPLICAS, /* "*", or partition:broker, comma-separated */
    CONFIG_RULE_IP_OVERRIDES,       /* address:count, comma-separated */
    CONFIG_RULE_OFFSET_RESET,       /* earliest, latest, by_duration:ISO8601 */
};

enum { CONFIG_NO_VALUE = UINT16_MAX };

/* One row of a table. */
struct config_key {
    const char *name;
    enum config_type type;
    enum config_effect effect;
    enum config_unit unit; /* of a number, as its name says */
    enum config_rule rule;
    bool dynamic;             /* changeable by IncrementalAlterConfigs */
    bool internal;            /* Kafka keeps it to itself: accepted, never described */
    bool listener;            /* changeable for one listener only, under its prefix */
    const char *default_text; /* NULL: no default (null) */
    int64_t min, max;         /* numbers */
    const char *choices;      /* comma-separated allowed words, or NULL */
    const char *doc;          /* one or two sentences, with the unit; never NULL */
    enum config_id behind;    /* the broker's key that counts where this one is not set */
    enum config_id least;     /* the broker's keys that bound a group's number ... */
    enum config_id most;      /* ... or CONFIG_NO_KEY */
    uint16_t value_pos;       /* in the struct of values of its scope, or CONFIG_NO_VALUE */
};

extern const struct config_key config_tables_broker[CONFIG_ID_COUNT];
extern const struct config_key config_tables_topic[TOPIC_CONFIG_ID_COUNT];
extern const struct config_key config_tables_group[GROUP_CONFIG_ID_COUNT];
extern const struct config_key config_tables_client_metrics[CLIENT_METRICS_CONFIG_ID_COUNT];

/* The row of that name in a table of count rows by rising name; NULL: there is none. */
const struct config_key *config_key_search(const struct config_key *table, uint32_t count,
                                           const char *name);

/* ---- of the broker */

/* All keys. */
const struct config_key *config_keys(uint32_t *count_out);
const struct config_key *config_key_find(const char *name);

static inline const struct config_key *config_key(enum config_id id)
{
    return &config_tables_broker[id];
}

/* key: one of the broker's. */
static inline enum config_id config_key_id(const struct config_key *key)
{
    return (enum config_id)(key - config_tables_broker);
}

#endif
