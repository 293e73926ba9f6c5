/* broker: a whole broker over handed-in loops' parts: built, started, stopped, taken down.
 *
 * serve.c gives it rings, the system's clock and threads; the simulator gives it simulated ones.
 * The steps:
 *   broker_open    on the starting thread, before any loop runs: identity, recovery, metadata,
 *                  partitions.  Synchronous.
 *   broker_start   posts the first mail to every loop; from now on the loops must be turned.
 *                  events.ready runs on shard 0 when clients are served.
 *   broker_stop    any thread: drain and stop in order; events.stopped runs on shard 0.
 *   broker_close   after the loops have ended (or never ran). */
#ifndef LEVEE_BROKER_BROKER_H
#define LEVEE_BROKER_BROKER_H

#include "broker/broker_sizes.h"
#include "broker/shard.h"

struct broker;
struct health;
struct scrape;

/* What one shard stands on; the caller's, and outlives the broker. */
struct broker_ground {
    struct io *io;
    struct clock *clock;
    struct log_sink *sink;
    uint64_t seed;
};

struct broker_events {
    void (*ready)(void *context);                 /* shard 0 */
    void (*failed)(void *context, enum err err);  /* the storage of a shard failed: final */
    void (*stopped)(void *context, enum err err); /* everything is durable; shard 0 */
};

struct broker_options {
    const struct config *config;
    const struct broker_ground *grounds; /* one for each shard */
    uint32_t shard_count;
    const struct broker_events *events;
    void *context;
    struct health *health;
    struct metrics *metrics;   /* filled at the end of broker_open */
    uint32_t descriptor_max;   /* RLIMIT_NOFILE; 0: no limit */
    uint64_t memory_max_bytes; /* what the system gives the process; 0: unknown */
    struct offload *offload;   /* outlives the loops; NULL: the loops do all work themselves */
    struct broker_sizes sizes; /* zero: the product's */
};

/* ERR_LOCKED, ERR_FOREIGN, ERR_NEWER_FORMAT, ERR_CORRUPT and others: told in a log line that says
 * what to do next. */
must_use enum err broker_open(const struct broker_options *options, struct broker **out);
void broker_start(struct broker *broker);
void broker_stop(struct broker *broker);
void broker_close(struct broker *broker, bool clean);

/* Grows with all that clients get and the stores do; any thread, from broker_open on: a stop during
 * which it stands still hangs. */
uint64_t broker_progress(const struct broker *broker);

/* What the buffers in use take of their pools (base/buffer_pool); any thread. */
uint64_t broker_buffer_bytes(const struct broker *broker);

/* From any thread, while the loops turn: what the pools keep idle goes back to the system soon. */
void broker_trim_memory(struct broker *broker);

struct shard *broker_shard(struct broker *broker, uint32_t index);

/* To ask its loops for what /metrics tells, from broker_start to the end of the loops. */
struct scrape *broker_scrape(struct broker *broker);

/* The port that a listener got (it may have asked for 0). */
uint16_t broker_listener_port(const struct broker *broker, uint32_t listener_index);

#endif
