/* client_metrics_config: the settings of a subscription to clients' metrics (KIP-714; config
 * resource CLIENT_METRICS).  No client is asked for metrics here yet: they are validated, stored as
 * records and told.  Kafka's ClientMetricsConfigs. */
#ifndef LEVEE_BROKER_CLIENT_METRICS_CONFIG_H
#define LEVEE_BROKER_CLIENT_METRICS_CONFIG_H

#include "broker/config.h"

/* In order of name. */
const struct config_key *client_metrics_config_keys(uint32_t *count_out);
const struct config_key *client_metrics_config_key_find(const char *name);

static inline const struct config_key *client_metrics_config_key(enum client_metrics_config_id id)
{
    return &config_tables_client_metrics[id];
}

/* Is it an interval that Kafka allows? */
bool client_metrics_config_is_interval(int64_t interval_ms);

/* The first entry of the list `match` that is no KEY=PATTERN with a key that clients have; false:
 * there is none.  A pattern is looked at for what no regular expression of Java's may have: open
 * brackets, repetition of nothing; it is not compiled. */
bool client_metrics_config_find_bad_match(const char *list, size_t size_bytes, const char **out,
                                          size_t *bytes_out);

/* Has the list an entry of nothing? */
bool client_metrics_config_has_empty(const char *list, size_t size_bytes);

#endif
