/* partition_facts: what Metadata and DescribeTopicPartitions tell of a partition alike, copied for
 * an answer.  Reads the home shard's image. */
#ifndef LEVEE_BROKER_PARTITION_FACTS_H
#define LEVEE_BROKER_PARTITION_FACTS_H

#include "broker/metadata/image.h"
#include "broker/request.h"

/* The leader when it is registered and not fenced, else -1. */
int32_t partition_facts_leader(const struct image *image, const struct image_partition *partition);

/* Broker ids into an array field.  False: no memory. */
must_use bool partition_facts_copy_ids(struct request *request, const int32_t *ids, uint32_t count,
                                       int32_t **items_out, int32_t *count_out);

/* The replicas on brokers that are not alive.  False: no memory. */
must_use bool partition_facts_copy_offline(struct request *request,
                                           const struct image_partition *partition,
                                           int32_t **items_out, int32_t *count_out);

#endif
