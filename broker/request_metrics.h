/* request_metrics: how many requests a shard's connections made, what they were told, how long they
 * took and in which part of their way.
 *
 * Owned by the shard; its loop counts, without locks, and other threads read.  What belongs to an
 * API is made when it is asked for first.
 *   RQM-1  a request that has its api_metrics is in work until request_metrics_answered
 *   RQM-2  without memory for an API its requests are not measured
 * The parts of the way (Kafka: RequestChannel): queue, from the whole request to the begin of its
 * work; local, while the connection's loop works on it; remote, until it is answered, for whatever
 * it waits; send, until the kernel has the answer.  The clock is read as often as the watch over
 * stalls does anyway; later points are those of the loop's turns. */
#ifndef LEVEE_BROKER_REQUEST_METRICS_H
#define LEVEE_BROKER_REQUEST_METRICS_H

#include "base/histogram.h"
#include "base/metrics.h"
#include "broker/shard.h"

struct api_desc;

enum request_phase {
    REQUEST_PHASE_QUEUE,
    REQUEST_PHASE_LOCAL,
    REQUEST_PHASE_REMOTE,
    REQUEST_PHASE_SEND,
    REQUEST_PHASE_TOTAL,
    REQUEST_PHASE_COUNT
};

enum { REQUEST_KEYS_MAX = 128 };

struct api_metrics;

struct request_metrics {
    struct api_metrics *apis[REQUEST_KEYS_MAX]; /* by key; atomic; NULL: not asked for yet */
    struct metrics_collector collector;
};

void request_metrics_deinit(struct request_metrics *metrics);

void request_metrics_register(struct request_metrics *metrics, struct metrics *registry);

/* Any thread: microseconds of that phase; NULL: no request had that key. */
const struct histogram *request_metrics_times(const struct request_metrics *metrics, int key,
                                              enum request_phase phase);

const char *request_phase_name(enum request_phase phase);

/* A request for this API begins its work; NULL: RQM-2. */
struct api_metrics *request_metrics_begin(struct request_metrics *metrics,
                                          const struct api_desc *api);

/* It is answered: with response, or none (NULL); closed: it was refused by closing. */
void request_metrics_answered(struct api_metrics *api, int16_t version, const void *response,
                              bool closed);

/* For so long it was in that part of its way. */
void request_metrics_took(struct api_metrics *api, enum request_phase phase, uint64_t took_ns);

#endif
