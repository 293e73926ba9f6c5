/* group_route: to the shard that a group lives on. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_ROUTE_H
#define LEVEE_BROKER_COORDINATOR_GROUP_ROUTE_H

#include "broker/request.h"

/* The shard of the group's partition; the request's own while __consumer_offsets is missing, where
 * the coordinator says NOT_COORDINATOR. */
struct shard *group_shard(const struct request *request, struct wire_string group_id);

/* READ on the group, a non-empty id: KAFKA_NONE or Kafka's error. */
int16_t group_may(const struct request *request, struct wire_string group_id, int8_t operation);

#endif
