#include "tools/load/load_report.h"

#include "tools/load/load_compare.h"
#include "tools/load/load_format.h"
#include "tools/load/load_html.h"
#include "tools/load/load_report_assets.h"
#include "tools/load/load_report_compare.h"
#include "tools/load/load_report_plots.h"
#include "tools/load/load_report_tables.h"
#include "tools/load/load_text_file.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* A run that sent so much later than its schedule says so at the top. */
#define LATE_SHARE_TOLD 0.001

static void print_head(const struct load_report *report, FILE *file)
{
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n<title>",
          file);
    load_html_text(file, report->title);
    fputs("</title>\n<style>\n", file);
    fputs(load_report_assets_css, file);
    fputs("</style>\n</head>\n<body>\n<main>\n", file);
}

static void print_chip(FILE *file, const char *text)
{
    fputs("<span class=\"chip\">", file);
    load_html_text(file, text);
    fputs("</span>", file);
}

/* "2026-11-30 22:40 UTC" */
static void print_date(FILE *file, uint64_t at_ms)
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;
    char text[64];

    if (at_ms == 0 || gmtime_r(&seconds, &parts) == NULL)
        return;
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts);
    print_chip(file, text);
}

static const char *plural(int32_t count)
{
    return count == 1 ? "" : "s";
}

static void print_shape(const struct load_result *result, FILE *file)
{
    char text[LOAD_TEXT_MAX];
    char number[LOAD_FORMAT_BYTES];

    if (result->duration_ns >= 600000000000)
        snprintf(text, sizeof(text), "%.3g min measured", (double)result->duration_ns / 60e9);
    else
        snprintf(text, sizeof(text), "%.3g s measured", (double)result->duration_ns / 1e9);
    print_chip(file, text);
    snprintf(text, sizeof(text), "%s loop%s%s%s", result->is_open_loop ? "open" : "closed",
             result->is_open_loop && result->intended_rate > 0 ? ", " : "",
             result->is_open_loop && result->intended_rate > 0
                 ? load_format_number(result->intended_rate, number)
                 : "",
             result->is_open_loop && result->intended_rate > 0 ? " records a second" : "");
    print_chip(file, text);
    snprintf(text, sizeof(text), "%" PRId32 " topic%s \xc3\x97 %" PRId32 " partition%s",
             result->topics_count, plural(result->topics_count), result->partitions_count,
             plural(result->partitions_count));
    print_chip(file, text);
    snprintf(text, sizeof(text), "%" PRId32 " producer%s, %" PRId32 " consumer%s",
             result->producers_count, plural(result->producers_count), result->consumers_count,
             plural(result->consumers_count));
    print_chip(file, text);
    if (result->message_bytes > 0) {
        snprintf(text, sizeof(text), "%s bytes a record",
                 load_format_count(result->message_bytes, number));
        print_chip(file, text);
    }
}

/* In a comparison the user may have said it. */
static const char *durability_of(const struct load_report *report, uint32_t index)
{
    const char *durability = report->comparison != NULL && index < 2
                                 ? report->comparison->sides[index].durability
                                 : report->results[index]->durability;

    return durability[0] == '\0' ? "not known" : durability;
}

static void print_header(const struct load_report *report, FILE *file)
{
    const struct load_result *result = report->results[0];

    fputs("<header>\n<h1>", file);
    load_html_text(file, report->title);
    fputs("</h1>\n", file);
    for (uint32_t i = 0; i < report->results_count; i++) {
        const struct load_result *one = report->results[i];
        fputs("<p>", file);
        if (report->results_count > 1)
            fprintf(file, "<i class=\"b%u\">&#9632;</i> ", i % 8);
        fputs("<b>", file);
        load_html_text(file, report->results_count > 1 ? report->labels[i]
                             : one->driver[0] == '\0'  ? "a broker"
                                                       : one->driver);
        fputs("</b>", file);
        if (one->brokers[0] != '\0')
            load_html_print(file, " at %s", one->brokers);
        load_html_print(file, "; durability: %s", durability_of(report, i));
        fputs("</p>\n", file);
    }
    fputs("<div class=\"chips\">", file);
    print_date(file, result->began_at_ms);
    print_shape(result, file);
    fputs("</div>\n</header>\n", file);
}

/* "2 lost, 1 doubled" */
static void print_counts(const struct load_verdict *verdict, FILE *file)
{
    char number[LOAD_FORMAT_BYTES];
    const char *between = "";

    for (int i = 0; i < LOAD_FINDING_COUNT; i++) {
        if (verdict->counts[i] == 0)
            continue;
        fprintf(file, "%s%s %s", between, load_format_count(verdict->counts[i], number),
                load_finding_text((enum load_finding_kind)i));
        between = ", ";
    }
    if (verdict->unread_count > 0)
        fprintf(file, "%s%s could not be read, lost or not", between,
                load_format_count(verdict->unread_count, number));
}

static void print_verdict(const struct load_result *result, const char *label, FILE *file)
{
    const struct load_verdict *verdict = &result->verdict;
    char a[LOAD_FORMAT_BYTES];
    char b[LOAD_FORMAT_BYTES];

    if (!result->is_verified) {
        fputs("<div class=\"banner plain\"><b>Not verified.</b> ", file);
        if (label != NULL)
            load_html_print(file, "%s: ", label);
        fputs("Whether records were lost or doubled was not looked at (--verify).</div>\n", file);
        return;
    }
    fprintf(file, "<div class=\"banner %s\"><b>", verdict->is_exactly_once ? "good" : "bad");
    if (verdict->is_exactly_once)
        fputs("&#10003; Exactly once.", file);
    else {
        fputs("&#10007; ", file);
        print_counts(verdict, file);
        fputc('.', file);
    }
    fputs("</b> <span>", file);
    if (label != NULL)
        load_html_print(file, "%s: ", label);
    fprintf(file, "%s records stored, %s read", load_format_count(verdict->stored_count, a),
            load_format_count(verdict->read_count, b));
    if (verdict->is_exactly_once)
        fputs("; none lost, doubled, torn, out of order or corrupt", file);
    if (verdict->committed_transactions + verdict->aborted_transactions > 0)
        fprintf(file, "; %s transactions committed, %s aborted",
                load_format_count(verdict->committed_transactions, a),
                load_format_count(verdict->aborted_transactions, b));
    fputs(".</span></div>\n", file);
}

/* Of several runs, one line where all say the same. */
static void print_verdicts(const struct load_report *report, FILE *file)
{
    uint32_t good_count = 0;
    uint32_t unknown_count = 0;

    for (uint32_t i = 0; i < report->results_count; i++) {
        good_count +=
            report->results[i]->is_verified && report->results[i]->verdict.is_exactly_once;
        unknown_count += !report->results[i]->is_verified;
    }
    if (report->results_count == 1)
        print_verdict(report->results[0], NULL, file);
    else if (good_count == report->results_count)
        fprintf(
            file,
            "<div class=\"banner good\"><b>&#10003; Exactly once.</b> <span>%s: no record lost, "
            "doubled, torn, out of order or corrupt.</span></div>\n",
            report->comparison != NULL ? "Each run of both sides" : "All runs");
    else if (unknown_count == report->results_count)
        fputs("<div class=\"banner plain\"><b>Not verified.</b> Whether records were lost or "
              "doubled was not looked at (--verify).</div>\n",
              file);
    else
        for (uint32_t i = 0; i < report->results_count; i++)
            print_verdict(report->results[i], report->labels[i], file);
}

/* What a reader must know before he believes the figures. */
static void print_warnings(const struct load_result *result, const char *label, FILE *file)
{
    char number[LOAD_FORMAT_BYTES];
    bool is_late = result->is_open_loop && result->sent_count + result->late_count > 0 &&
                   (double)result->late_count >
                       LATE_SHARE_TOLD * (double)(result->sent_count + result->late_count);

    if (result->is_partial) {
        fputs("<div class=\"banner warn\"><b>Ended early.</b> <span>", file);
        if (label != NULL)
            load_html_print(file, "%s: ", label);
        fputs("What is here was measured until then.</span></div>\n", file);
    }
    if (is_late) {
        fputs("<div class=\"banner warn\"><b>The schedule was not kept.</b> <span>", file);
        if (label != NULL)
            load_html_print(file, "%s: ", label);
        fprintf(file,
                "%s records were sent late or not at all; their latency counts from when they were "
                "due.</span></div>\n",
                load_format_count(result->late_count, number));
    }
    if (result->error_count > 0)
        fprintf(file,
                "<div class=\"banner bad\"><b>%s errors.</b> <span>The first different ones are "
                "listed below.</span></div>\n",
                load_format_count(result->error_count, number));
}

static void tile_begin(FILE *file, const char *name)
{
    fprintf(file, "<div class=\"tile\"><h3>%s</h3><strong>", name);
}

/* A figure whose unit stands apart by a space. */
static void tile_figure(FILE *file, const char *text)
{
    const char *space = strrchr(text, ' ');

    if (space == NULL)
        load_html_text(file, text);
    else {
        fwrite(text, 1, (size_t)(space - text), file);
        fputs(" <em>", file);
        load_html_text(file, space + 1);
        fputs("</em>", file);
    }
    fputs("</strong><small>", file);
}

static void tile_end(FILE *file)
{
    fputs("</small></div>\n", file);
}

static void tile_rate(FILE *file, const char *name, double rate, uint64_t bytes,
                      const struct load_result *result)
{
    char number[LOAD_FORMAT_BYTES];
    double seconds = (double)result->duration_ns / 1e9;

    tile_begin(file, name);
    fputs(load_format_number(rate, number), file);
    fputs(" <em>/s</em></strong><small>", file);
    load_html_print(file, "%s a second",
                    load_format_bytes(seconds > 0 ? (double)bytes / seconds : 0, number));
    if (result->is_open_loop && result->intended_rate > 0)
        load_html_print(file, "; rate error %.2g %%", result->rate_error * 100);
    tile_end(file);
}

static void tile_latency(FILE *file, const char *name, const struct histogram *histogram,
                         double percent, const struct load_limits *limits)
{
    double ns = percent > 100 ? (double)histogram_max(histogram)
                              : (double)histogram_percentile(histogram, percent);
    char number[LOAD_FORMAT_BYTES];

    tile_begin(file, name);
    tile_figure(file, load_format_ns(ns, number));
    if (percent > 100)
        load_html_print(file, "of %s", load_format_count(histogram_count(histogram), number));
    else if (limits->is_known && percent == 50 && limits->sync_p50_ns > 0)
        load_html_print(file, "%.3g times a raw durable write (%s)",
                        ns / (double)limits->sync_p50_ns,
                        load_format_ns((double)limits->sync_p50_ns, number));
    else if (limits->is_known && percent == 99 && limits->sync_p99_ns > 0)
        load_html_print(file, "raw durable write p99: %s",
                        load_format_ns((double)limits->sync_p99_ns, number));
    tile_end(file);
}

static void tile_broker(FILE *file, const struct load_result *result)
{
    double cost = load_metric_of(LOAD_METRIC_CPU, result);
    char number[LOAD_FORMAT_BYTES];

    if (!isfinite(cost))
        return;
    tile_begin(file, "Broker CPU a GB");
    fprintf(file, "%.3g <em>s</em></strong><small>", cost);
    load_html_print(file, "kernel threads with it; memory %s",
                    load_format_bytes((double)result->broker.rss_max_bytes, number));
    tile_end(file);
}

static void print_tiles(const struct load_result *result, FILE *file)
{
    static const char *const names[LOAD_HISTOGRAM_COUNT][3] = {
        [LOAD_HISTOGRAM_PRODUCE] = {"Produce, median", "Produce, p99", "Produce, max"},
        [LOAD_HISTOGRAM_E2E] = {"End to end, median", "End to end, p99", "End to end, max"},
        [LOAD_HISTOGRAM_COMMIT] = {"Commit, median", "Commit, p99", "Commit, max"},
        [LOAD_HISTOGRAM_REJOIN] = {"Rejoin, median", "Rejoin, p99", "Rejoin, max"},
    };
    enum load_histogram_kind main_kind = load_result_main(result);
    const struct histogram *histogram = &result->histograms[main_kind];
    static const double percents[] = {50, 99, 101};

    fputs("<div class=\"tiles\">\n", file);
    if (result->stored_count > 0)
        tile_rate(file, "Stored", load_result_stored_rate(result), result->stored_bytes, result);
    if (result->read_count > 0 && result->stored_count == 0)
        tile_rate(file, "Read", load_result_read_rate(result), result->read_bytes, result);
    for (int i = 0; i < 3 && histogram_count(histogram) > 0; i++)
        tile_latency(file, names[main_kind][i], histogram, percents[i], &result->limits);
    if (main_kind == LOAD_HISTOGRAM_E2E &&
        histogram_count(&result->histograms[LOAD_HISTOGRAM_PRODUCE]) > 0)
        tile_latency(file, "Produce, p99", &result->histograms[LOAD_HISTOGRAM_PRODUCE], 99,
                     &result->limits);
    if (main_kind != LOAD_HISTOGRAM_COMMIT &&
        histogram_count(&result->histograms[LOAD_HISTOGRAM_COMMIT]) > 0)
        tile_latency(file, "Commit, p99", &result->histograms[LOAD_HISTOGRAM_COMMIT], 99,
                     &result->limits);
    tile_broker(file, result);
    fputs("</div>\n", file);
}

static void print_footer(FILE *file)
{
    fputs("<footer><p>How to read it: latencies count from when a record was <em>due</em> by the "
          "schedule, not from when it was sent, so a broker that stalls shows the stall. A "
          "percentile of a point in time is that of its interval; the curve and the tables have "
          "all values.</p><p>Made by levee bench. The same figures as JSON: --format json.</p>"
          "</footer>\n</main>\n<script>\n",
          file);
    fputs(load_report_assets_js, file);
    fputs("</script>\n</body>\n</html>\n", file);
}

static enum err print_page(const void *object, FILE *file)
{
    const struct load_report *report = object;
    bool is_one = report->results_count == 1;
    enum err err;

    print_head(report, file);
    print_header(report, file);
    print_verdicts(report, file);
    for (uint32_t i = 0; i < report->results_count; i++)
        print_warnings(report->results[i], is_one ? NULL : report->labels[i], file);
    if (is_one)
        print_tiles(report->results[0], file);
    if (report->comparison != NULL)
        load_report_compare_print(report->comparison, file);
    if (!is_one && report->comparison == NULL) {
        fputs("<h2>Runs</h2>\n", file);
        load_report_tables_runs(report, file);
    }
    fputs("<h2>Plots</h2>\n", file);
    err = load_report_plots_print(report, file);
    load_report_tables_percentiles(report, file);
    load_report_tables_findings(report, file);
    load_report_tables_pairs(report, file);
    print_footer(file);
    return err == OK && ferror(file) ? ERR_IO : err;
}

/* "A: levee 0.1.0" would be the caller's; ours is the driver, and a number where two are equal. */
static void label_of(const struct load_report *report, uint32_t index, char *out, size_t out_max)
{
    const struct load_result *result = report->results[index];
    const char *name = result->driver[0] == '\0' ? "run" : result->driver;
    bool is_single = true;

    for (uint32_t i = 0; i < report->results_count; i++)
        if (i != index && strcmp(report->results[i]->driver, result->driver) == 0)
            is_single = false;
    if (is_single)
        snprintf(out, out_max, "%s", name);
    else
        snprintf(out, out_max, "%.200s #%u", name, index + 1);
}

enum err load_report_write(const struct load_report *report, const char *path)
{
    char texts[LOAD_REPORT_RUNS_MAX][LOAD_TEXT_MAX];
    const char *labels[LOAD_REPORT_RUNS_MAX];
    struct load_report whole = *report;

    if (report->results_count == 0 || report->results_count > LOAD_REPORT_RUNS_MAX)
        return ERR_INVALID;
    for (uint32_t i = 0; i < report->results_count; i++) {
        label_of(report, i, texts[i], sizeof(texts[i]));
        labels[i] = report->labels == NULL ? texts[i] : report->labels[i];
    }
    whole.labels = labels;
    if (whole.title == NULL)
        whole.title =
            report->results[0]->workload[0] == '\0' ? "levee bench" : report->results[0]->workload;
    return load_text_file_write(path, print_page, &whole);
}
