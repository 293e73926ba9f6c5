/* request_summaries: Kafka's percentiles of request times, which are those of the last minutes.
 *
 * One per broker, for all shards together; works at each scrape, on the thread that scrapes.  What
 * was recorded up to some time ago is kept aside and taken away from what is recorded now.
 *   RQS-1  percentiles cover the last REQUEST_WINDOW_MS at least, and twice that at most, when
 *          scrapes come more often; else the time since the scrape before the last
 *   RQS-2  without memory for an API, its percentiles are not told */
#ifndef LEVEE_BROKER_REQUEST_SUMMARIES_H
#define LEVEE_BROKER_REQUEST_SUMMARIES_H

#include "broker/request_metrics.h"

enum { REQUEST_WINDOW_MS = 150000 };

struct request_summary;

struct request_summaries {
    const struct shards *shards;
    struct request_summary *by_key[REQUEST_KEYS_MAX]; /* NULL: not asked for yet */
    struct metrics_collector collector;
};

/* shards must be complete before the first scrape. */
void request_summaries_register(struct request_summaries *summaries, const struct shards *shards,
                                struct metrics *registry);

/* After the last scrape.  A zeroed one is accepted. */
void request_summaries_deinit(struct request_summaries *summaries);

#endif
