#include "base/histogram.h"
#include "base/mem.h"
#include "base/metric_family.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct metrics metrics;
static struct metrics_text text;

static const struct metric_family a_gauge = {"levee_a", "First.", METRIC_GAUGE, 0, NULL, 0};
static const struct metric_family b_counter = {
    "levee_b_total", "Second.", METRIC_COUNTER, 0, NULL, 0};
static const struct metric_family lag = {"levee_lag", "Lag.", METRIC_GAUGE, 0, NULL, 0};
static const struct metric_family shared = {
    "levee_shared_total", "Shared.", METRIC_COUNTER, 0, NULL, 0};
static const struct metric_family odd = {
    "levee_odd", "A \\ and\na line.", METRIC_GAUGE, 0, NULL, 0};
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
    cr_assert(eq(int, metrics_write(&metrics, &text), OK));
    cr_assert(eq(str, text.bytes, (char *)expected));
    cr_assert(eq(sz, text.size_bytes, strlen(expected)));
}

Test(metrics, groups_by_family_and_sums_the_loops, .init = setup, .fini = teardown)
{
    struct counter loops[3] = {{0}, {0}, {0}};
    struct counter other = {0};
    struct gauge gauge = {0};

    metrics_add_counter(&metrics, &b_counter, "topic=\"z\"", &loops[0]);
    metrics_add_gauge(&metrics, &a_gauge, "", &gauge);
    metrics_add_counter(&metrics, &b_counter, "topic=\"a\"", &other);
    metrics_add_counter(&metrics, &b_counter, "topic=\"z\"", &loops[1]);
    metrics_add_counter(&metrics, &b_counter, "topic=\"z\"", &loops[2]);
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
    metrics_sample(scrape, &lag, labels, 1.5);
    metrics_sample(scrape, &lag, labels, 2);
    labels[0] = '\0'; /* samples keep their own copy */
    metrics_sample(scrape, &shared, "", 40);
    metrics_sample(scrape, &odd, "kind=\"inf\"", INFINITY);
    metrics_sample(scrape, &odd, "kind=\"nan\"", NAN);
    metrics_sample(scrape, &odd, "kind=\"neg\"", -INFINITY);
}

Test(metrics, collectors_and_counters_share_families, .init = setup, .fini = teardown)
{
    struct metrics_collector collectors[2] = {{.collect = collect}, {.collect = collect}};
    struct counter counter = {.value = 2};

    metrics_add_collector(&metrics, &collectors[0]);
    metrics_add_counter(&metrics, &shared, "", &counter);
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
    cr_assert(eq(int, metrics_write(&metrics, &text), OK));
    cr_assert(ne(ptr, strstr(text.bytes, "levee_shared_total 82\n"), NULL));
}

Test(metrics, histograms_of_the_loops_become_one, .init = setup, .fini = teardown)
{
    static const uint64_t bounds[] = {100, 1000, 10000};
    static const struct metric_family sync = {
        "levee_sync_seconds", "Time.", METRIC_HISTOGRAM, 0.000001, bounds, 3};
    struct histogram a;
    struct histogram b;

    cr_assert(eq(int, histogram_init(&a, 3), OK));
    cr_assert(eq(int, histogram_init(&b, 3), OK));
    histogram_record(&a, 50);
    histogram_record(&b, 500);
    histogram_record(&b, 20000);
    metrics_add_histogram(&metrics, &sync, "dir=\"0\"", &a);
    metrics_add_histogram(&metrics, &sync, "dir=\"0\"", &b);
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
    static const struct metric_family x = {"levee_x_seconds", "X.", METRIC_HISTOGRAM,
                                           0.000001,          NULL, 0};
    struct histogram histogram;

    cr_assert(eq(int, histogram_init(&histogram, 2), OK));
    metrics_add_histogram(&metrics, &x, "", &histogram);
    cr_assert(eq(int, metrics_write(&metrics, &text), OK));
    cr_assert(ne(ptr, strstr(text.bytes, "levee_x_seconds_bucket{le=\"0.00025\"} 0\n"), NULL));
    cr_assert(ne(ptr, strstr(text.bytes, "levee_x_seconds_bucket{le=\"10\"} 0\n"), NULL));
    cr_assert(
        ne(ptr, strstr(text.bytes, "\nlevee_x_seconds_sum 0\nlevee_x_seconds_count 0\n"), NULL));
    histogram_deinit(&histogram);
}

Test(metrics, a_summary_tells_percentiles_in_its_unit, .init = setup, .fini = teardown)
{
    static const struct metric_family times = {"levee_timems", "Time.", METRIC_SUMMARY,
                                               0.001,          NULL,    0};
    struct histogram loops[2];

    for (size_t i = 0; i < 2; i++) {
        cr_assert(eq(int, histogram_init(&loops[i], 1), OK));
        metrics_add_histogram(&metrics, &times, "", &loops[i]);
    }
    expect("# HELP levee_timems Time.\n"
           "# TYPE levee_timems summary\n"
           "levee_timems{quantile=\"0.50\"} NaN\n"
           "levee_timems{quantile=\"0.75\"} NaN\n"
           "levee_timems{quantile=\"0.95\"} NaN\n"
           "levee_timems{quantile=\"0.98\"} NaN\n"
           "levee_timems{quantile=\"0.99\"} NaN\n"
           "levee_timems{quantile=\"0.999\"} NaN\n"
           "levee_timems_sum 0\n"
           "levee_timems_count 0\n");
    histogram_record_n(&loops[0], 10, 94);
    histogram_record_n(&loops[1], 2000, 6);
    expect("# HELP levee_timems Time.\n"
           "# TYPE levee_timems summary\n"
           "levee_timems{quantile=\"0.50\"} 0.01\n"
           "levee_timems{quantile=\"0.75\"} 0.01\n"
           "levee_timems{quantile=\"0.95\"} 2\n"
           "levee_timems{quantile=\"0.98\"} 2\n"
           "levee_timems{quantile=\"0.99\"} 2\n"
           "levee_timems{quantile=\"0.999\"} 2\n"
           "levee_timems_sum 12.94\n"
           "levee_timems_count 100\n");
    for (size_t i = 0; i < 2; i++)
        histogram_deinit(&loops[i]);
}

Test(metrics, a_unit_turns_whole_numbers_into_those_of_the_name, .init = setup, .fini = teardown)
{
    static const struct metric_family stalled = {
        "levee_stalled_seconds_total", "Time.", METRIC_COUNTER, 0.001, NULL, 0};
    static const struct metric_family count = {"levee_x_count", "X.", METRIC_UNTYPED, 0, NULL, 0};
    struct counter loops[2] = {{1500}, {250}};
    struct gauge open = {3};

    metrics_add_counter(&metrics, &stalled, "", &loops[0]);
    metrics_add_counter(&metrics, &stalled, "", &loops[1]);
    metrics_add_gauge(&metrics, &count, "", &open);
    expect("# HELP levee_stalled_seconds_total Time.\n"
           "# TYPE levee_stalled_seconds_total counter\n"
           "levee_stalled_seconds_total 1.75\n"
           "# HELP levee_x_count X.\n"
           "# TYPE levee_x_count untyped\n"
           "levee_x_count 3\n");
}

Test(metrics, what_is_added_between_two_scrapes_is_in_the_second, .init = setup, .fini = teardown)
{
    struct counter counter = {1};
    struct gauge gauge = {2};

    metrics_add_gauge(&metrics, &a_gauge, "", &gauge);
    cr_assert(eq(int, metrics_write(&metrics, &text), OK));
    cr_assert(strstr(text.bytes, "levee_b_total") == NULL);
    metrics_text_deinit(&text);
    metrics_add_counter(&metrics, &b_counter, "", &counter);
    cr_assert(eq(int, metrics_write(&metrics, &text), OK));
    cr_assert(strstr(text.bytes, "levee_a 2\n") != NULL);
    cr_assert(strstr(text.bytes, "levee_b_total 1\n") != NULL);
}

static void collect_labels(struct metrics_collector *collector, struct metrics_scrape *scrape)
{
    char label[32];

    for (int i = 0; i < 300; i++) { /* more than the first table of samples has room for */
        snprintf(label, sizeof(label), "n=\"%d\"", i);
        metrics_sample(scrape, &a_gauge, label, i);
    }
}

/* A text that lacks samples would be taken for all there is. */
Test(metrics, without_memory_there_is_no_text_and_nothing_is_kept, .init = setup, .fini = teardown)
{
    static const struct metric_family x = {"levee_x_seconds", "X.", METRIC_HISTOGRAM,
                                           0.000001,          NULL, 0};
    static const struct metric_family y = {"levee_y_seconds", "Y.", METRIC_SUMMARY,
                                           0.000001,          NULL, 0};
    struct metrics_collector collector = {.collect = collect_labels};
    struct histogram histogram;
    uint64_t count;
    uint32_t refused_count = 0;
    enum err err = ERR_NOMEM;

    cr_assert(eq(int, histogram_init(&histogram, 2), OK));
    metrics_add_histogram(&metrics, &x, "", &histogram);
    metrics_add_histogram(&metrics, &y, "", &histogram);
    metrics_add_collector(&metrics, &collector);
    count = mem_used_count();
    for (uint64_t n = 1; err == ERR_NOMEM; n++) {
        mem_fail_after(n);
        err = metrics_write(&metrics, &text);
        mem_fail_after(0);
        if (err != ERR_NOMEM)
            break;
        refused_count++;
        cr_assert(eq(ptr, text.bytes, NULL));
        cr_assert(eq(u64, mem_used_count(), count));
    }
    cr_assert(eq(int, err, OK));
    cr_assert(lt(u32, 300, refused_count));
    cr_assert(ne(ptr, strstr(text.bytes, "levee_a{n=\"299\"} 299\n"), NULL));
    cr_assert(ne(ptr, strstr(text.bytes, "levee_y_seconds_count 0\n"), NULL));
    histogram_deinit(&histogram);
}

/* What promtool check metrics asks of names and help texts. */
Test(metrics, names_of_the_list_follow_the_rules_of_prometheus)
{
    static const char *const units[] = {"_milliseconds_", "_microseconds_", "_minutes_", "_hours_",
                                        "_kilobytes_",    "_megabytes_",    "_ms_",      "_us_",
                                        "_kb_",           "_mb_",           "_percent_"};

    for (int id = 0; id < FAMILY_COUNT; id++) {
        const struct metric_family *family = metric_family((enum metric_id)id);
        const char *name = family->name;
        size_t size = strlen(name);
        char words[128];
        bool is_total = size > 6 && strcmp(name + size - 6, "_total") == 0;
        cr_assert(strlen(family->help) > 0 && family->help[strlen(family->help) - 1] == '.');
        cr_assert(eq(int, is_total, family->type == METRIC_COUNTER), "%s", name);
        cr_assert(strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == size, "%s", name);
        snprintf(words, sizeof(words), "%s_", name);
        for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
            cr_assert(strstr(words, units[i]) == NULL, "%s", name);
        if (family->type != METRIC_UNTYPED)
            cr_assert(strcmp(name + size - 6, "_count") != 0 &&
                          strcmp(name + size - 4, "_sum") != 0,
                      "%s", name);
        for (int other = 0; other < id; other++)
            cr_assert(strcmp(name, metric_family((enum metric_id)other)->name) != 0, "%s", name);
    }
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
    static const struct metric_family many = {
        "levee_many_total", "Many.", METRIC_COUNTER, 0, NULL, 0};
    static struct counter counters[1000];
    size_t lines = 0;

    for (size_t i = 0; i < 1000; i++) {
        char labels[32];
        snprintf(labels, sizeof(labels), "partition=\"%03zu\"", i);
        counters[i].value = i;
        metrics_add_counter(&metrics, &many, labels, &counters[i]);
    }
    cr_assert(eq(int, metrics_write(&metrics, &text), OK));
    for (char *c = text.bytes; *c != '\0'; c++)
        lines += *c == '\n';
    cr_assert(eq(sz, lines, 1002));
    cr_assert(ne(ptr, strstr(text.bytes, "levee_many_total{partition=\"999\"} 999\n"), NULL));
}

Test(metrics, one_name_with_two_types_stops_the_process, .init = setup, .signal = SIGABRT)
{
    static const struct metric_family one = {"levee_x", "X.", METRIC_COUNTER, 0, NULL, 0};
    static const struct metric_family two = {"levee_x", "X.", METRIC_GAUGE, 0, NULL, 0};
    struct counter counter = {0};
    struct gauge gauge = {0};

    metrics_add_counter(&metrics, &one, "", &counter);
    metrics_add_gauge(&metrics, &two, "", &gauge);
    cr_assert(eq(int, metrics_write(&metrics, &text), OK));
}

Test(metrics, a_name_that_prometheus_refuses_stops_the_process, .init = setup, .signal = SIGABRT)
{
    static const struct metric_family bad = {"levee-x", "X.", METRIC_COUNTER, 0, NULL, 0};
    struct counter counter = {0};

    metrics_add_counter(&metrics, &bad, "", &counter);
}
