/* sample_report: reports of made-up runs, for whoever looks at them with a browser.
 *
 * usage: sample_report DIR      writes one.html, findings.html, short.html, compare.html, many.html
 */
#include "tests/support/load_sample_run.h"
#include "tools/load/load_compare.h"
#include "tools/load/load_report.h"

#include <string.h>

static const char *directory;

static void must(enum err err, const char *what)
{
    if (err == OK)
        return;
    fprintf(stderr, "sample_report: %s: %s\n", what, err_text(err));
    exit(1);
}

static void write_report(const struct load_report *report, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s.html", directory, name);
    must(load_report_write(report, path), path);
}

static void write_one(const struct load_sample_run *run, const char *name, const char *evil)
{
    struct load_result *result = load_sample_result(run, "levee 0.1.0", "fsync before ack");
    const struct load_result *results[] = {result};
    struct load_report report = {.results = results, .results_count = 1};

    if (evil != NULL) {
        snprintf(result->workload, sizeof(result->workload), "%s", evil);
        snprintf(result->driver, sizeof(result->driver), "%s", evil);
        snprintf(result->durability, sizeof(result->durability), "%s", evil);
        load_result_setting(result, evil, "%s", evil);
        load_result_environment(result, evil, "%s", evil);
        load_result_error(result, "%s", evil);
        result->error_count = 7;
        result->late_count = result->sent_count / 50;
        result->is_partial = true;
    }
    write_report(&report, name);
    load_result_destroy(result);
}

static struct load_result *side(uint32_t seed, bool is_b)
{
    struct load_sample_run run = {.seed = seed,
                                  .seconds = 60,
                                  .rate = 50000,
                                  .median_ms = is_b ? 6.5 + 0.4 * (seed % 3) : 1.9,
                                  .cpus = is_b ? 0.95 : 0.34};
    struct load_result *result =
        load_sample_result(&run, is_b ? "Apache Kafka 4.4.0" : "levee 0.1.0",
                           is_b ? "fsync before ack" : "fsync before ack");

    result->broker.rss_max_bytes = is_b ? 840000000 : 150000000 + 3000000 * (seed % 5);
    result->broker.flushes_count = (is_b ? 150000 : 54000) + 1000 * (seed % 7);
    return result;
}

static void write_compare(uint32_t blocks, bool is_other, const char *name)
{
    static struct load_comparison comparison;
    struct load_result *shown[2] = {side(100, false), side(101, true)};
    const char *labels[] = {"A: levee 0.1.0", "B: Apache Kafka 4.4.0"};
    struct load_report report = {.title =
                                     "levee beside Apache Kafka: 1 topic, 16 partitions, 1 KiB",
                                 .results = (const struct load_result *const *)shown,
                                 .results_count = 2,
                                 .labels = labels,
                                 .comparison = &comparison};

    load_compare_init(&comparison, "127.0.0.1:9092", "127.0.0.1:9192", NULL,
                      is_other ? "page cache" : NULL);
    for (uint32_t block = 0; block < blocks; block++) {
        struct load_result *runs[LOAD_COMPARE_RUNS];
        for (uint32_t i = 0; i < LOAD_COMPARE_RUNS; i++)
            runs[i] = side(block * 4 + i + 1, i == 1 || i == 2);
        must(load_compare_block(&comparison, (const struct load_result *const *)runs), "block");
        for (uint32_t i = 0; i < LOAD_COMPARE_RUNS; i++)
            load_result_destroy(runs[i]);
    }
    must(load_compare_finish(&comparison, true), "comparison");
    load_compare_print(&comparison, stdout);
    write_report(&report, name);
    load_result_destroy(shown[0]);
    load_result_destroy(shown[1]);
}

static void write_many(void)
{
    const struct load_result *results[10];
    struct load_report report = {.results = results, .results_count = 10};

    for (uint32_t i = 0; i < 10; i++) {
        struct load_sample_run run = {.seed = i + 1,
                                      .seconds = 120,
                                      .rate = 10000 * (i + 1),
                                      .median_ms = 1 + 0.5 * i,
                                      .cpus = 0.1 * (i + 1)};
        results[i] = load_sample_result(&run, "levee 0.1.0", "fsync before ack");
    }
    write_report(&report, "many");
    for (uint32_t i = 0; i < 10; i++)
        load_result_destroy((struct load_result *)(uintptr_t)results[i]);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: sample_report DIR\n");
        return 2;
    }
    directory = argv[1];
    write_one(&(struct load_sample_run){.seed = 1,
                                        .seconds = 300,
                                        .rate = 50000,
                                        .median_ms = 1.9,
                                        .cpus = 0.34,
                                        .stall_at = 180},
              "one", NULL);
    write_one(&(struct load_sample_run){.seed = 2,
                                        .seconds = 9000,
                                        .rate = 20000,
                                        .median_ms = 3,
                                        .cpus = 0.2,
                                        .has_findings = true},
              "findings",
              "<script>alert(1)</script>\"'><img src=http://127.0.0.1:1/x> \xff\x01 "
              "\xe2\x80\xae&amp; a_very_long_name_without_any_place_to_break_the_line");
    write_one(&(struct load_sample_run){.seed = 3, .seconds = 1, .rate = 100, .median_ms = 1},
              "short", NULL);
    write_compare(6, false, "compare");
    write_compare(3, true, "other");
    write_many();
    return 0;
}
