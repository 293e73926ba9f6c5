/* probe_metrics: what a probe tells Prometheus: the names that kminion gives its end-to-end check,
 * so that its dashboards and alerts fit, and levee_probe_... beside them.
 *
 * Owned by one probe, on whose loop everything is counted; any thread may scrape the registry.
 * Bounded: PROBE_LABELS_MAX pairs of coordinator and reason, what comes later counts under "other".
 * (github.com/redpanda-data/kminion: end-to-end monitoring) */
#ifndef LEVEE_TOOLS_LOAD_PROBE_METRICS_H
#define LEVEE_TOOLS_LOAD_PROBE_METRICS_H

#include "base/histogram.h"
#include "base/metrics.h"
#include "tools/load/probe_ledger.h"

enum { PROBE_LABELS_MAX = 64 };

struct probe_partition_metrics {
    struct counter produced, failed, received, lost, late;
    struct gauge in_flight;
    struct histogram produce_us, roundtrip_us;
};

struct probe_coordinator_metrics {
    int32_t node_id;
    struct counter commits;
    struct histogram commit_us;
};

struct probe_reason_metrics {
    int32_t node_id;
    char reason[48];
    struct counter failed;
};

struct probe_metrics {
    struct metrics *registry;
    struct gauge up;
    struct probe_partition_metrics *partitions;
    int32_t partitions_count;
    struct probe_coordinator_metrics *coordinators[PROBE_LABELS_MAX];
    uint32_t coordinators_count;
    struct probe_reason_metrics *reasons[PROBE_LABELS_MAX];
    uint32_t reasons_count;
};

/* registry: the caller's, given up before deinit. */
void probe_metrics_init(struct probe_metrics *metrics, struct metrics *registry);
void probe_metrics_deinit(struct probe_metrics *metrics);

/* The partitions are known now; once.  ERR_NOMEM. */
must_use enum err probe_metrics_set_partitions(struct probe_metrics *metrics, int32_t count);

/* What the ledger has of a partition. */
void probe_metrics_counts(struct probe_metrics *metrics, int32_t partition,
                          const struct probe_counts *counts);
void probe_metrics_produced(struct probe_metrics *metrics, int32_t partition, uint64_t latency_ns);
void probe_metrics_received(struct probe_metrics *metrics, int32_t partition, uint64_t latency_ns);

/* A commit; reason NULL: it was taken. */
void probe_metrics_committed(struct probe_metrics *metrics, int32_t node_id, const char *reason,
                             uint64_t latency_ns);

/* Does the canary sing? */
void probe_metrics_up(struct probe_metrics *metrics, bool is_up);

/* Every name that a probe may tell, for the documentation's test; NULL: no more. */
const char *probe_metrics_name(uint32_t index);

#endif
