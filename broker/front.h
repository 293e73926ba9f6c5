/* front: the broker's connections: listeners, one conn_server a shard, and the requests' birth.
 *
 * Listeners accept on shard 0 and deal connections out in turn.  A request is made on the shard of
 * its connection, goes through dispatch and dies when its answer was sent. */
#ifndef LEVEE_BROKER_FRONT_H
#define LEVEE_BROKER_FRONT_H

#include "broker/shard.h"

struct config;
struct front;
struct metrics;

/* Servers for every shard; nothing listens yet.  connections_max: more than that there
 * cannot be, whatever max.connections says; 0: no such limit.  answers_max_bytes: unsent ones of a
 * connection, beyond which it is not read; 0: the product's. */
must_use enum err front_create(const struct config *config, const struct shards *shards,
                               uint32_t connections_max, uint64_t answers_max_bytes,
                               struct front **out);
void front_destroy(struct front *front);

/* Before the loops run: bind the listeners; who connects waits in the kernel until
 * front_start_shard.  ERR_IN_USE: an address is another process's; ERR_NOT_FOUND: a host that
 * nobody knows; told in a log line. */
must_use enum err front_listen(struct front *front);

/* On each shard: connections may come. Shard 0 begins to accept. */
void front_start_shard(struct front *front, struct shard *shard);

/* On each shard: no new requests; those in work are answered or cut off after five seconds; then
 * done. */
void front_stop_shard(struct front *front, struct shard *shard, void (*done)(void *context),
                      void *context);

uint16_t front_port(const struct front *front, uint32_t listener_index);

void front_register_metrics(struct front *front, struct metrics *metrics);

#endif
