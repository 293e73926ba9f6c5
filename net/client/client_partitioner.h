/* client_partitioner: which partition a record goes to when its producer names none.
 *
 * With a key: as Kafka's clients all do, so that one key is in one partition whoever writes it.
 * Without: one partition of a topic for as much as a batch, then another by chance (KIP-794).
 * Owned by a producer, one for each topic; same loop. */
#ifndef LEVEE_NET_CLIENT_CLIENT_PARTITIONER_H
#define LEVEE_NET_CLIENT_CLIENT_PARTITIONER_H

#include "base/prng.h"
#include "net/client/client_cluster.h"

#include <stddef.h>
#include <stdint.h>

/* Kafka's murmur2, seed 0x9747b28c (org.apache.kafka.common.utils.Utils.murmur2). */
uint32_t client_partitioner_murmur2(const void *bytes, size_t size_bytes);

/* toPositive(murmur2(key)) % partitions_count (BuiltInPartitioner.partitionForKey).
 * partitions_count > 0. */
int32_t client_partitioner_of_key(const void *key, size_t key_bytes, int32_t partitions_count);

/* Zeroed: none chosen. */
struct client_partitioner {
    int32_t partition; /* in use while is_chosen */
    uint32_t left_bytes;
    bool is_chosen;
};

/* The partition of a record of size_bytes without a key; of those that have a leader, if any has.
 * topic is known and has partitions.  stick_bytes: how much goes to one (batch.size). */
int32_t client_partitioner_stick(struct client_partitioner *partitioner, struct prng *prng,
                                 const struct client_topic *topic, uint32_t size_bytes,
                                 uint32_t stick_bytes);

#endif
