#include "tools/load/probe_metrics.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HISTOGRAM_DIGITS = 2, NS_PER_US = 1000, LABEL_BYTES_MAX = 160 };

enum family {
    FAMILY_PRODUCED,
    FAMILY_PRODUCED_FAILED,
    FAMILY_IN_FLIGHT,
    FAMILY_RECEIVED,
    FAMILY_LOST,
    FAMILY_PRODUCE_LATENCY,
    FAMILY_ROUNDTRIP_LATENCY,
    FAMILY_COMMITS,
    FAMILY_COMMITS_FAILED,
    FAMILY_COMMIT_LATENCY,
    FAMILY_LATE,
    FAMILY_UP,
    FAMILY_PROBE_COUNT,
};

#define US 0.000001

/* clang-format off */
static const struct metric_family families[FAMILY_PROBE_COUNT] = {
    [FAMILY_PRODUCED] = {"kminion_end_to_end_messages_produced_total",
        "Records that were answered, with success or not {partition_id}.", METRIC_COUNTER},
    [FAMILY_PRODUCED_FAILED] = {"kminion_end_to_end_messages_produced_failed_total",
        "Records that could not be produced in time {partition_id}.", METRIC_COUNTER},
    [FAMILY_IN_FLIGHT] = {"kminion_end_to_end_messages_produced_in_flight",
        "Records that were sent and not answered yet {partition_id}.", METRIC_GAUGE},
    [FAMILY_RECEIVED] = {"kminion_end_to_end_messages_received_total",
        "Records of this probe that were read back in time {partition_id}.", METRIC_COUNTER},
    [FAMILY_LOST] = {"kminion_end_to_end_messages_lost_total",
        "Records that were acknowledged and not read back in time {partition_id}.", METRIC_COUNTER},
    [FAMILY_PRODUCE_LATENCY] = {"kminion_end_to_end_produce_latency_seconds",
        "From the intended time of a record to its acknowledgement {partition_id, le}.",
        METRIC_HISTOGRAM, US},
    [FAMILY_ROUNDTRIP_LATENCY] = {"kminion_end_to_end_roundtrip_latency_seconds",
        "From the intended time of a record until it was read back {partition_id, le}.",
        METRIC_HISTOGRAM, US},
    [FAMILY_COMMITS] = {"kminion_end_to_end_offset_commits_total",
        "Commits of offsets, taken or not {coordinator_id}.", METRIC_COUNTER},
    [FAMILY_COMMITS_FAILED] = {"kminion_end_to_end_offset_commits_failed_total",
        "Commits of offsets that failed {coordinator_id, reason}.", METRIC_COUNTER},
    [FAMILY_COMMIT_LATENCY] = {"kminion_end_to_end_offset_commit_latency_seconds",
        "What a commit of offsets took {coordinator_id, le}.", METRIC_HISTOGRAM, US},
    [FAMILY_LATE] = {"levee_probe_messages_late_total",
        "Records that were read back after their time, and count as lost {partition_id}.",
        METRIC_COUNTER},
    [FAMILY_UP] = {"levee_probe_up",
        "1: records go round; 0: none came back for two seconds and twenty intervals.",
        METRIC_GAUGE},
};
/* clang-format on */

const char *probe_metrics_name(uint32_t index)
{
    return index < FAMILY_PROBE_COUNT ? families[index].name : NULL;
}

void probe_metrics_init(struct probe_metrics *metrics, struct metrics *registry)
{
    *metrics = (struct probe_metrics){.registry = registry};
    metrics_add_gauge(registry, &families[FAMILY_UP], "", &metrics->up);
}

static void free_partitions(struct probe_metrics *metrics)
{
    for (int32_t p = 0; p < metrics->partitions_count; p++) {
        histogram_deinit(&metrics->partitions[p].produce_us);
        histogram_deinit(&metrics->partitions[p].roundtrip_us);
    }
    mem_free(metrics->partitions);
    metrics->partitions = NULL;
    metrics->partitions_count = 0;
}

void probe_metrics_deinit(struct probe_metrics *metrics)
{
    free_partitions(metrics);
    for (uint32_t i = 0; i < metrics->coordinators_count; i++) {
        histogram_deinit(&metrics->coordinators[i]->commit_us);
        mem_free(metrics->coordinators[i]);
    }
    for (uint32_t i = 0; i < metrics->reasons_count; i++)
        mem_free(metrics->reasons[i]);
}

/* ---- partitions */

static void register_partition(struct probe_metrics *metrics, int32_t partition)
{
    struct probe_partition_metrics *of = &metrics->partitions[partition];
    struct metrics *registry = metrics->registry;
    char label[LABEL_BYTES_MAX];

    snprintf(label, sizeof(label), "partition_id=\"%" PRId32 "\"", partition);
    metrics_add_counter(registry, &families[FAMILY_PRODUCED], label, &of->produced);
    metrics_add_counter(registry, &families[FAMILY_PRODUCED_FAILED], label, &of->failed);
    metrics_add_gauge(registry, &families[FAMILY_IN_FLIGHT], label, &of->in_flight);
    metrics_add_counter(registry, &families[FAMILY_RECEIVED], label, &of->received);
    metrics_add_counter(registry, &families[FAMILY_LOST], label, &of->lost);
    metrics_add_counter(registry, &families[FAMILY_LATE], label, &of->late);
    metrics_add_histogram(registry, &families[FAMILY_PRODUCE_LATENCY], label, &of->produce_us);
    metrics_add_histogram(registry, &families[FAMILY_ROUNDTRIP_LATENCY], label, &of->roundtrip_us);
}

enum err probe_metrics_set_partitions(struct probe_metrics *metrics, int32_t count)
{
    enum err err = OK;

    metrics->partitions = mem_try_alloc((size_t)count * sizeof(*metrics->partitions));
    if (metrics->partitions == NULL)
        return ERR_NOMEM;
    metrics->partitions_count = count;
    for (int32_t p = 0; p < count && err == OK; p++) {
        err = histogram_init(&metrics->partitions[p].produce_us, HISTOGRAM_DIGITS);
        if (err == OK)
            err = histogram_init(&metrics->partitions[p].roundtrip_us, HISTOGRAM_DIGITS);
    }
    if (err != OK) {
        free_partitions(metrics);
        return err;
    }
    for (int32_t p = 0; p < count; p++)
        register_partition(metrics, p);
    return OK;
}

static void raise_to(struct counter *counter, uint64_t value)
{
    counter_add(counter, value - counter_read(counter));
}

void probe_metrics_counts(struct probe_metrics *metrics, int32_t partition,
                          const struct probe_counts *counts)
{
    struct probe_partition_metrics *of = &metrics->partitions[partition];

    raise_to(&of->produced, counts->produced);
    raise_to(&of->failed, counts->failed);
    raise_to(&of->received, counts->received);
    raise_to(&of->lost, counts->lost);
    raise_to(&of->late, counts->late);
    gauge_set(&of->in_flight, (int64_t)counts->in_flight);
}

void probe_metrics_produced(struct probe_metrics *metrics, int32_t partition, uint64_t latency_ns)
{
    histogram_record(&metrics->partitions[partition].produce_us, latency_ns / NS_PER_US);
}

void probe_metrics_received(struct probe_metrics *metrics, int32_t partition, uint64_t latency_ns)
{
    histogram_record(&metrics->partitions[partition].roundtrip_us, latency_ns / NS_PER_US);
}

void probe_metrics_up(struct probe_metrics *metrics, bool is_up)
{
    gauge_set(&metrics->up, is_up);
}

/* ---- commits */

/* NULL: no memory, or too many. */
static struct probe_coordinator_metrics *coordinator(struct probe_metrics *metrics, int32_t node_id)
{
    struct probe_coordinator_metrics *of;
    char label[LABEL_BYTES_MAX];

    for (uint32_t i = 0; i < metrics->coordinators_count; i++)
        if (metrics->coordinators[i]->node_id == node_id)
            return metrics->coordinators[i];
    if (metrics->coordinators_count == PROBE_LABELS_MAX)
        return metrics->coordinators[PROBE_LABELS_MAX - 1];
    of = mem_try_alloc(sizeof(*of));
    if (of == NULL || histogram_init(&of->commit_us, HISTOGRAM_DIGITS) != OK) {
        mem_free(of);
        return NULL;
    }
    of->node_id = node_id;
    if (metrics->coordinators_count == PROBE_LABELS_MAX - 1)
        snprintf(label, sizeof(label), "coordinator_id=\"other\"");
    else
        snprintf(label, sizeof(label), "coordinator_id=\"%" PRId32 "\"", node_id);
    metrics->coordinators[metrics->coordinators_count++] = of;
    metrics_add_counter(metrics->registry, &families[FAMILY_COMMITS], label, &of->commits);
    metrics_add_histogram(metrics->registry, &families[FAMILY_COMMIT_LATENCY], label,
                          &of->commit_us);
    return of;
}

static struct counter *failures(struct probe_metrics *metrics, int32_t node_id, const char *reason)
{
    struct probe_reason_metrics *of;
    char label[LABEL_BYTES_MAX];

    for (uint32_t i = 0; i < metrics->reasons_count; i++)
        if (metrics->reasons[i]->node_id == node_id &&
            strncmp(metrics->reasons[i]->reason, reason, sizeof(of->reason) - 1) == 0)
            return &metrics->reasons[i]->failed;
    if (metrics->reasons_count == PROBE_LABELS_MAX)
        return &metrics->reasons[PROBE_LABELS_MAX - 1]->failed;
    of = mem_try_alloc(sizeof(*of));
    if (of == NULL)
        return NULL;
    of->node_id = node_id;
    snprintf(of->reason, sizeof(of->reason), "%s",
             metrics->reasons_count == PROBE_LABELS_MAX - 1 ? "other" : reason);
    snprintf(label, sizeof(label), "coordinator_id=\"%" PRId32 "\"", node_id);
    if (metrics_label(label, sizeof(label), "reason", of->reason, strlen(of->reason)) != OK) {
        mem_free(of);
        return NULL;
    }
    metrics->reasons[metrics->reasons_count++] = of;
    metrics_add_counter(metrics->registry, &families[FAMILY_COMMITS_FAILED], label, &of->failed);
    return &of->failed;
}

void probe_metrics_committed(struct probe_metrics *metrics, int32_t node_id, const char *reason,
                             uint64_t latency_ns)
{
    struct probe_coordinator_metrics *of = coordinator(metrics, node_id);
    struct counter *failed = reason == NULL ? NULL : failures(metrics, node_id, reason);

    if (failed != NULL)
        counter_add(failed, 1);
    if (of == NULL)
        return;
    counter_add(&of->commits, 1);
    histogram_record(&of->commit_us, latency_ns / NS_PER_US);
}
