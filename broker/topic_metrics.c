#include "broker/topic_metrics.h"

#include "base/check.h"

enum metric_id topic_metrics_id(enum topic_metric metric)
{
    static const enum metric_id ids[TOPIC_METRIC_COUNT] = {
        [TOPIC_METRIC_BYTES_IN] = FAMILY_TOPIC_BYTES_IN,
        [TOPIC_METRIC_BYTES_OUT] = FAMILY_TOPIC_BYTES_OUT,
        [TOPIC_METRIC_BYTES_REJECTED] = FAMILY_TOPIC_BYTES_REJECTED,
        [TOPIC_METRIC_MESSAGES_IN] = FAMILY_TOPIC_MESSAGES_IN,
        [TOPIC_METRIC_PRODUCES] = FAMILY_TOPIC_PRODUCES,
        [TOPIC_METRIC_FETCHES] = FAMILY_TOPIC_FETCHES,
        [TOPIC_METRIC_PRODUCES_FAILED] = FAMILY_TOPIC_PRODUCES_FAILED,
        [TOPIC_METRIC_FETCHES_FAILED] = FAMILY_TOPIC_FETCHES_FAILED,
    };

    check((unsigned)metric < TOPIC_METRIC_COUNT);
    return ids[metric];
}

void topic_metrics_register(const struct topic_metrics *metrics, struct metrics *registry)
{
    for (int metric = 0; metric < TOPIC_METRIC_COUNT; metric++)
        metrics_add_counter(registry, metric_family(topic_metrics_id((enum topic_metric)metric)),
                            "", &metrics->counters[metric]);
}
