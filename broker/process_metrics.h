/* process_metrics: what the system tells of this process, under the names that Prometheus gives it,
 * what runs, and how far it is.
 *
 * Read at each scrape, on the thread that scrapes; owned by serve.c. */
#ifndef LEVEE_BROKER_PROCESS_METRICS_H
#define LEVEE_BROKER_PROCESS_METRICS_H

#include "base/metrics.h"
#include "broker/health.h"

struct process_metrics {
    struct metrics_collector collector;
    const struct health *health;
    int64_t started_ms; /* wall clock */
    uint32_t shard_count;
    const char *io_backend;
};

/* started_ms: wall clock, now.  io_backend: "io_uring" or "plain", constant.  health stays the
 * caller's; all outlive the registry. */
void process_metrics_register(struct process_metrics *process, const struct health *health,
                              int64_t started_ms, uint32_t shard_count, const char *io_backend,
                              struct metrics *metrics);

#endif
