/* shard_metrics: everything that one shard counts, into the registry. */
#ifndef LEVEE_BROKER_SHARD_METRICS_H
#define LEVEE_BROKER_SHARD_METRICS_H

#include <stdint.h>

struct metrics;
struct shard;

/* The shard is whole, and outlives the registry. */
void shard_metrics_register(struct shard *shard, struct metrics *metrics);

/* Grows with all that clients get and the store does; any thread. */
uint64_t shard_metrics_progress(const struct shard *shard);

#endif
