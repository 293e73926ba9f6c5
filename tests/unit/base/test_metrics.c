#include "base/histogram.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct metrics metrics;
static struct metrics_text text;
static uint64_t before;

static void setup(void)
{
    before = mem_used_count();
    metrics_init(&metrics);
}

static void teardown(void)
{
    metrics_text_deinit(&text);
    metrics_deinit(&metrics);
    cr_assert(eq(u64, mem_used_count(), before));
}

static void expect(const char *expected)
{
    metrics_text_deinit(&text);
    metrics_write(&metrics, &text);
    cr_assert(eq(str, text.bytes, (char *)expected));
    cr_assert(eq(sz, text.size_bytes, strlen(expected)));
}

Test(metrics, groups_by_family_and_sums_the_loops, .init = setup, .fini = teardown)
{
    struct counter loops[3] = {{0}, {0}, {0}};
    struct counter other = {0};
    struct gauge gauge = {0};

    metrics_add_counter(&metrics, "levee_b_total", "Second.", "topic=\"z\"", &loops[0]);
    metrics_add_gauge(&metrics, "levee_a", "First.", "", &gauge);
    metrics_add_counter(&metrics, "levee_b_total", "Second.", "topic=\"a\"", &other);
    metrics_add_counter(&metrics, "levee_b_total", "Second.", "topic=\"z\"", &loops[1]);
    metrics_add_counter(&metrics, "levee_b_total", "Second.", "topic=\"z\"", &loops[2]);
    for (uint64_t i = 0; i < 3; i++)
        counter_add(&loops[i], 10 * i + 1);
    counter_add(&other, 9007199254740993); /* no double holds it */
    gauge_set(&gauge, 5);
    gauge_add(&gauge, -12);
    expect("# HELP levee_a First.\n"
           "# TYPE levee_a gauge\n"
           "levee_a -7\n"
           "# HELP levee_b_total Second.\n"
           "# TYPE levee_b_total counter\n"
           "levee_b_total{topic=\"a\"} 9007199254740993\n"
           "levee_b_total{topic=\"z\"} 33\n");
}

static void collect(struct metrics_collector *collector, struct metrics_scrape *scrape)
{
    char labels[64] = "";

    cr_assert(eq(int, metrics_label(labels, sizeof(labels), "group", "g1", 2), OK));
    metrics_sample(scrape, METRIC_GAUGE, "levee_lag", "Lag.", labels, 1.5);
    metrics_sample(scrape, METRIC_GAUGE, "levee_lag", "Lag.", labels, 2);
    labels[0] = '\0'; /* samples keep their own copy */
    metrics_sample(scrape, METRIC_COUNTER, "levee_shared_total", "Shared.", "", 40);
    metrics_sample(scrape, METRIC_GAUGE, "levee_odd", "A \\ and\na line.", "kind=\"inf\"",
                   INFINITY);
    metrics_sample(scrape, METRIC_GAUGE, "levee_odd", "A \\ and\na line.", "kind=\"nan\"", NAN);
    metrics_sample(scrape, METRIC_GAUGE, "levee_odd", "A \\ and\na line.", "kind=\"neg\"",
                   -INFINITY);
}

Test(metrics, collectors_and_counters_share_families, .init = setup, .fini = teardown)
{
    struct metrics_collector collectors[2] = {{.collect = collect}, {.collect = collect}};
    struct counter counter = {.value = 2};

    metrics_add_collector(&metrics, &collectors[0]);
    metrics_add_counter(&metrics, "levee_shared_total", "Shared.", "", &counter);
    expect("# HELP levee_lag Lag.\n"
           "# TYPE levee_lag gauge\n"
           "levee_lag{group=\"g1\"} 3.5\n"
           "# HELP levee_odd A \\\\ and\\na line.\n"
           "# TYPE levee_odd gauge\n"
           "levee_odd{kind=\"inf\"} +Inf\n"
           "levee_odd{kind=\"nan\"} NaN\n"
           "levee_odd{kind=\"neg\"} -Inf\n"
           "# HELP levee_shared_total Shared.\n"
           "# TYPE levee_shared_total counter\n"
           "levee_shared_total 42\n");
    metrics_add_collector(&metrics, &collectors[1]);
    metrics_text_deinit(&text);
    metrics_write(&metrics, &text);
    cr_assert(ne(ptr, strstr(text.bytes, "levee_shared_total 82\n"), NULL));
}

Test(metrics, histograms_of_the_loops_become_one, .init = setup, .fini = teardown)
{
    static const uint64_t bounds[] = {100, 1000, 10000};
    struct histogram a;
    struct histogram b;

    cr_assert(eq(int, histogram_init(&a, 3), OK));
    cr_assert(eq(int, histogram_init(&b, 3), OK));
    histogram_record(&a, 50);
    histogram_record(&b, 500);
    histogram_record(&b, 20000);
    metrics_add_histogram(&metrics, "levee_sync_seconds", "Time.", "dir=\"0\"", &a, 0.000001,
                          bounds, 3);
    metrics_add_histogram(&metrics, "levee_sync_seconds", "Time.", "dir=\"0\"", &b, 0.000001,
                          bounds, 3);
    expect("# HELP levee_sync_seconds Time.\n"
           "# TYPE levee_sync_seconds histogram\n"
           "levee_sync_seconds_bucket{dir=\"0\",le=\"0.0001\"} 1\n"
           "levee_sync_seconds_bucket{dir=\"0\",le=\"0.001\"} 2\n"
           "levee_sync_seconds_bucket{dir=\"0\",le=\"0.01\"} 2\n"
           "levee_sync_seconds_bucket{dir=\"0\",le=\"+Inf\"} 3\n"
           "levee_sync_seconds_sum{dir=\"0\"} 0.02055\n"
           "levee_sync_seconds_count{dir=\"0\"} 3\n");
    histogram_deinit(&a);
    histogram_deinit(&b);
}

Test(metrics, a_histogram_without_labels_has_no_empty_braces, .init = setup, .fini = teardown)
{
    struct histogram histogram;

    cr_assert(eq(int, histogram_init(&histogram, 2), OK));
    metrics_add_histogram(&metrics, "levee_x_seconds", "X.", "", &histogram, 0.000001,
                          metrics_latency_us_bounds, metrics_latency_us_bound_count);
    metrics_write(&metrics, &text);
    cr_assert(ne(ptr, strstr(text.bytes, "levee_x_seconds_bucket{le=\"0.00025\"} 0\n"), NULL));
    cr_assert(ne(ptr, strstr(text.bytes, "levee_x_seconds_bucket{le=\"10\"} 0\n"), NULL));
    cr_assert(
        ne(ptr, strstr(text.bytes, "\nlevee_x_seconds_sum 0\nlevee_x_seconds_count 0\n"), NULL));
    histogram_deinit(&histogram);
}

Test(metrics, label_text_is_escaped_or_left_alone)
{
    char labels[32] = "";

    cr_assert(eq(int, metrics_label(labels, sizeof(labels), "t", "a\"b\\c\nd", 7), OK));
    cr_assert(eq(int, metrics_label(labels, sizeof(labels), "p", "0", 1), OK));
    cr_assert(eq(str, labels, "t=\"a\\\"b\\\\c\\nd\",p=\"0\""));
    cr_assert(eq(int, metrics_label(labels, sizeof(labels), "long", "0123456789", 10), ERR_FULL));
    cr_assert(eq(str, labels, "t=\"a\\\"b\\\\c\\nd\",p=\"0\""));
}

Test(metrics, an_empty_registry_gives_an_empty_text, .init = setup, .fini = teardown)
{
    expect("");
}

Test(metrics, many_samples_fit, .init = setup, .fini = teardown)
{
    static struct counter counters[1000];
    size_t lines = 0;

    for (size_t i = 0; i < 1000; i++) {
        char labels[32];
        snprintf(labels, sizeof(labels), "partition=\"%03zu\"", i);
        counters[i].value = i;
        metrics_add_counter(&metrics, "levee_many_total", "Many.", labels, &counters[i]);
    }
    metrics_write(&metrics, &text);
    for (char *c = text.bytes; *c != '\0'; c++)
        lines += *c == '\n';
    cr_assert(eq(sz, lines, 1002));
    cr_assert(ne(ptr, strstr(text.bytes, "levee_many_total{partition=\"999\"} 999\n"), NULL));
}

Test(metrics, one_name_with_two_types_stops_the_process, .init = setup, .signal = SIGABRT)
{
    struct counter counter = {0};
    struct gauge gauge = {0};

    metrics_add_counter(&metrics, "levee_x", "X.", "", &counter);
    metrics_add_gauge(&metrics, "levee_x", "X.", "", &gauge);
    metrics_write(&metrics, &text);
}

Test(metrics, a_name_that_prometheus_refuses_stops_the_process, .init = setup, .signal = SIGABRT)
{
    struct counter counter = {0};

    metrics_add_counter(&metrics, "levee-x", "X.", "", &counter);
}
