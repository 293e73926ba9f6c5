/* transaction_route: to the shard that a transactional id lives on. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_ROUTE_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_ROUTE_H

#include "broker/request.h"

/* Which partition of __transaction_state an id belongs to: Kafka's Utils.abs of Java's hash code,
 * modulo the partition count. */
int32_t transaction_partition_of(const char *id, size_t id_bytes, int32_t partition_count);

/* The shard of the id's partition, by what `from` knows; from itself while __transaction_state is
 * missing, where the coordinator says NOT_COORDINATOR. */
struct shard *transaction_shard(struct shard *from, const char *id, size_t id_bytes);

/* operation on the id: KAFKA_NONE or Kafka's error. */
int16_t transaction_may(const struct request *request, struct wire_string id, int8_t operation);

#endif
