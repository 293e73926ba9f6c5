/* topic_metrics: what clients did to one partition, or to all of a shard, by Kafka's names
 * (BrokerTopicMetrics).
 *
 * The loop of the partition counts for both; other threads may read. */
#ifndef LEVEE_BROKER_TOPIC_METRICS_H
#define LEVEE_BROKER_TOPIC_METRICS_H

#include "base/metric_family.h"

enum topic_metric {
    TOPIC_METRIC_BYTES_IN,
    TOPIC_METRIC_BYTES_OUT,
    TOPIC_METRIC_BYTES_REJECTED,
    TOPIC_METRIC_MESSAGES_IN,
    TOPIC_METRIC_PRODUCES,
    TOPIC_METRIC_FETCHES,
    TOPIC_METRIC_PRODUCES_FAILED,
    TOPIC_METRIC_FETCHES_FAILED,
    TOPIC_METRIC_COUNT
};

struct topic_metrics {
    struct counter counters[TOPIC_METRIC_COUNT];
};

enum metric_id topic_metrics_id(enum topic_metric metric);

static inline void topic_metrics_count(struct topic_metrics *metrics, enum topic_metric metric,
                                       uint64_t n)
{
    counter_add(&metrics->counters[metric], n);
}

/* Of all topics together: without labels. */
void topic_metrics_register(const struct topic_metrics *metrics, struct metrics *registry);

#endif
