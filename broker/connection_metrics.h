/* connection_metrics: what the connections of a shard and their admission count, by Kafka's names.
 */
#ifndef LEVEE_BROKER_CONNECTION_METRICS_H
#define LEVEE_BROKER_CONNECTION_METRICS_H

#include "base/metrics.h"

struct admission;
struct conn_counters;
struct conn_traffic;

/* They must outlive the registry. */
void connection_metrics_register(const struct conn_counters *counters, struct metrics *metrics);

/* Under Kafka's tag: listener="PLAINTEXT".  There are as many as are configured. */
void connection_metrics_register_listener(const struct conn_traffic *traffic, const char *name,
                                          struct metrics *metrics);
void connection_metrics_register_admission(const struct admission *admission,
                                           struct metrics *metrics);

#endif
