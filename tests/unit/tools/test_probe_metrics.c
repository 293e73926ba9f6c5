#include "tools/load/probe_metrics.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct metrics registry;
static struct probe_metrics metrics;
static struct metrics_text text;

static void begin(void)
{
    metrics_init(&registry);
    probe_metrics_init(&metrics, &registry);
    cr_assert(eq(int, probe_metrics_set_partitions(&metrics, 2), OK));
}

static void end(void)
{
    metrics_text_deinit(&text);
    metrics_deinit(&registry);
    probe_metrics_deinit(&metrics);
}

static bool tells(const char *line)
{
    metrics_text_deinit(&text);
    text = (struct metrics_text){0};
    cr_assert(eq(int, metrics_write(&registry, &text), OK));
    return strstr(text.bytes, line) != NULL;
}

Test(probe_metrics, has_the_names_of_kminion, .init = begin, .fini = end)
{
    struct probe_counts counts = {
        .produced = 7, .failed = 2, .received = 4, .lost = 1, .late = 1, .in_flight = 3};

    probe_metrics_counts(&metrics, 1, &counts);
    probe_metrics_produced(&metrics, 1, 2000000);
    probe_metrics_received(&metrics, 1, 3000000);
    probe_metrics_committed(&metrics, 5, NULL, 1000000);
    probe_metrics_up(&metrics, true);
    cr_assert(tells("kminion_end_to_end_messages_produced_total{partition_id=\"1\"} 7\n"));
    cr_assert(tells("kminion_end_to_end_messages_produced_failed_total{partition_id=\"1\"} 2\n"));
    cr_assert(tells("kminion_end_to_end_messages_produced_in_flight{partition_id=\"1\"} 3\n"));
    cr_assert(tells("kminion_end_to_end_messages_received_total{partition_id=\"1\"} 4\n"));
    cr_assert(tells("kminion_end_to_end_messages_lost_total{partition_id=\"1\"} 1\n"));
    cr_assert(tells("kminion_end_to_end_produce_latency_seconds_sum{partition_id=\"1\"} 0.002\n"));
    cr_assert(
        tells("kminion_end_to_end_roundtrip_latency_seconds_sum{partition_id=\"1\"} 0.003\n"));
    cr_assert(tells("kminion_end_to_end_offset_commits_total{coordinator_id=\"5\"} 1\n"));
    cr_assert(
        tells("kminion_end_to_end_offset_commit_latency_seconds_count{coordinator_id=\"5\"} 1\n"));
    cr_assert(tells("levee_probe_messages_late_total{partition_id=\"1\"} 1\n"));
    cr_assert(tells("levee_probe_up 1\n"));
    for (uint32_t i = 0; probe_metrics_name(i) != NULL; i++)
        if (strstr(probe_metrics_name(i), "commits_failed") == NULL)
            cr_assert(tells(probe_metrics_name(i)), "%s", probe_metrics_name(i));
}

Test(probe_metrics, tells_why_commits_failed, .init = begin, .fini = end)
{
    probe_metrics_committed(&metrics, 1, "NOT_COORDINATOR", 1000);
    probe_metrics_committed(&metrics, 1, "NOT_COORDINATOR", 1000);
    cr_assert(tells("kminion_end_to_end_offset_commits_failed_total{coordinator_id=\"1\","
                    "reason=\"NOT_COORDINATOR\"} 2\n"));
    cr_assert(tells("kminion_end_to_end_offset_commits_total{coordinator_id=\"1\"} 2\n"));
}

Test(probe_metrics, is_bounded_in_coordinators_and_reasons, .init = begin, .fini = end)
{
    for (int32_t i = 0; i < 3 * PROBE_LABELS_MAX; i++)
        probe_metrics_committed(&metrics, i, "X", 1000);
    cr_assert(eq(u32, metrics.coordinators_count, PROBE_LABELS_MAX));
    cr_assert(eq(u32, metrics.reasons_count, PROBE_LABELS_MAX));
    cr_assert(tells("coordinator_id=\"other\""));
}
