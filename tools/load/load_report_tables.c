#include "tools/load/load_report_tables.h"

#include "tools/load/load_compare.h"
#include "tools/load/load_format.h"
#include "tools/load/load_html.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void cell(FILE *file, const char *text)
{
    fputs("<td>", file);
    load_html_text(file, text);
    fputs("</td>", file);
}

static void heading(FILE *file, const char *text)
{
    fputs("<th scope=\"row\">", file);
    load_html_text(file, text);
    fputs("</th>", file);
}

static void cell_metric(FILE *file, enum load_metric metric, const struct load_result *result)
{
    char text[LOAD_FORMAT_BYTES];

    load_metric_format(metric, load_metric_of(metric, result), text, sizeof(text));
    cell(file, text);
}

void load_report_tables_runs(const struct load_report *report, FILE *file)
{
    static const struct {
        enum load_metric metric;
        const char *name;
    } columns[] = {
        {LOAD_METRIC_STORED_RATE, "stored"},      {LOAD_METRIC_READ_RATE, "read"},
        {LOAD_METRIC_PRODUCE_P50, "produce p50"}, {LOAD_METRIC_PRODUCE_P99, "produce p99"},
        {LOAD_METRIC_E2E_P50, "end to end p50"},  {LOAD_METRIC_E2E_P99, "end to end p99"},
        {LOAD_METRIC_COMMIT_P99, "commit p99"},   {LOAD_METRIC_CPU, "broker CPU a GB"},
        {LOAD_METRIC_RSS, "broker memory"},
    };
    bool is_known[sizeof(columns) / sizeof(columns[0])] = {false};

    for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++)
        for (uint32_t i = 0; i < report->results_count; i++)
            if (isfinite(load_metric_of(columns[c].metric, report->results[i])))
                is_known[c] = true;
    fputs("<div class=\"scroll\"><table><thead><tr><th>run</th>", file);
    for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++)
        if (is_known[c])
            fprintf(file, "<th>%s</th>", columns[c].name);
    fputs("<th>durability</th><th>verdict</th></tr></thead><tbody>", file);
    for (uint32_t i = 0; i < report->results_count; i++) {
        const struct load_result *result = report->results[i];
        fprintf(file, "<tr><th scope=\"row\"><i class=\"b%u\">&#9632;</i> ", i % 8);
        load_html_text(file, report->labels[i]);
        fputs("</th>", file);
        for (size_t c = 0; c < sizeof(columns) / sizeof(columns[0]); c++)
            if (is_known[c])
                cell_metric(file, columns[c].metric, result);
        cell(file, result->durability[0] == '\0' ? "not known" : result->durability);
        cell(file, !result->is_verified                          ? "not verified"
                   : result->verdict.is_exactly_once             ? "exactly once"
                   : load_verdict_has_findings(&result->verdict) ? "problems found"
                                                                 : "not known");
        fputs("</tr>", file);
    }
    fputs("</tbody></table></div>\n", file);
}

void load_report_tables_percentiles(const struct load_report *report, FILE *file)
{
    static const double percents[] = {50, 90, 99, 99.9, 99.99, 99.999};
    char text[LOAD_FORMAT_BYTES];
    bool is_any = false;

    for (int kind = 0; kind < LOAD_HISTOGRAM_COUNT; kind++)
        for (uint32_t i = 0; i < report->results_count; i++)
            is_any = is_any || histogram_count(&report->results[i]->histograms[kind]) > 0;
    if (!is_any)
        return;
    fputs("<h2>Percentiles</h2>\n", file);
    fputs("<div class=\"scroll\"><table><thead><tr><th>latency</th><th>values</th><th>mean</th>"
          "<th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>p99.99</th><th>p99.999</th>"
          "<th>maximum</th></tr></thead><tbody>",
          file);
    for (int kind = 0; kind < LOAD_HISTOGRAM_COUNT; kind++)
        for (uint32_t i = 0; i < report->results_count; i++) {
            const struct histogram *histogram = &report->results[i]->histograms[kind];
            uint64_t count = histogram_count(histogram);
            if (count == 0)
                continue;
            fputs("<tr><th scope=\"row\">", file);
            if (report->results_count > 1)
                fprintf(file, "<i class=\"b%u\">&#9632;</i> ", i % 8);
            fputs(load_histogram_text((enum load_histogram_kind)kind), file);
            if (report->results_count > 1)
                load_html_print(file, ", %s", report->labels[i]);
            fputs("</th>", file);
            cell(file, load_format_count(count, text));
            cell(file, load_format_ns(histogram_mean(histogram), text));
            for (size_t p = 0; p < sizeof(percents) / sizeof(percents[0]); p++) {
                /* a percentile that no value decides is none */
                bool is_there = (double)count * (100 - percents[p]) >= 99.9 || percents[p] <= 50;
                cell(file,
                     is_there ? load_format_ns((double)histogram_percentile(histogram, percents[p]),
                                               text)
                              : "");
            }
            cell(file, load_format_ns((double)histogram_max(histogram), text));
            fputs("</tr>", file);
        }
    fputs("</tbody></table></div>\n", file);
}

static void offset_cell(FILE *file, int64_t offset)
{
    char text[LOAD_FORMAT_BYTES];

    snprintf(text, sizeof(text), "%" PRId64, offset);
    cell(file, offset < 0 ? "" : text);
}

static void finding_row(const struct load_finding *finding, FILE *file)
{
    char text[LOAD_FORMAT_BYTES];

    fputs("<tr>", file);
    heading(file, load_finding_text(finding->kind));
    snprintf(text, sizeof(text), "%" PRIu32 " / %" PRId32, finding->topic, finding->partition);
    cell(file, text);
    offset_cell(file, finding->offset);
    offset_cell(file, finding->other_offset);
    snprintf(text, sizeof(text), "%" PRIu32, finding->producer);
    cell(file, text);
    snprintf(text, sizeof(text), "%" PRIu64, finding->sequence);
    cell(file, text);
    snprintf(text, sizeof(text), "%" PRIu64, finding->transaction);
    cell(file, finding->transaction == 0 ? "" : text);
    fputs("</tr>", file);
}

void load_report_tables_findings(const struct load_report *report, FILE *file)
{
    for (uint32_t i = 0; i < report->results_count; i++) {
        const struct load_verdict *verdict = &report->results[i]->verdict;
        if (!report->results[i]->is_verified || verdict->findings_count == 0)
            continue;
        fputs("<h2>What was found</h2>\n<div class=\"scroll\"><table>", file);
        if (report->results_count > 1) {
            fputs("<caption>", file);
            load_html_text(file, report->labels[i]);
            fputs("</caption>", file);
        }
        fputs("<thead><tr><th>finding</th><th>topic / partition</th><th>offset</th>"
              "<th>other offset</th><th>producer</th><th>sequence</th><th>transaction</th></tr>"
              "</thead><tbody>",
              file);
        for (uint32_t f = 0; f < verdict->findings_count; f++)
            finding_row(&verdict->findings[f], file);
        fputs("</tbody></table></div>\n", file);
    }
}

static void pair(FILE *file, const char *name, const char *value)
{
    fputs("<tr>", file);
    heading(file, name);
    cell(file, value);
    fputs("</tr>", file);
}

static void table_begin(FILE *file, const char *caption, const char *label)
{
    fputs("<div class=\"scroll\"><table class=\"pairs\"><caption>", file);
    load_html_text(file, caption);
    if (label != NULL)
        load_html_print(file, ": %s", label);
    fputs("</caption><tbody>", file);
}

static void table_end(FILE *file)
{
    fputs("</tbody></table></div>\n", file);
}

static void broker_table(const struct load_result *result, const char *label, FILE *file)
{
    const struct load_broker_use *use = &result->broker;
    struct load_measured measured = load_result_measured(result);
    double seconds = (double)result->duration_ns / 1e9;
    char text[LOAD_TEXT_MAX];
    char number[LOAD_FORMAT_BYTES];

    if (!use->is_known)
        return;
    table_begin(file, "The broker's process", label);
    snprintf(text, sizeof(text), "%.2f s, %.2f of a core", use->cpu_s,
             seconds > 0 ? use->cpu_s / seconds : 0);
    pair(file, "CPU of all its threads", text);
    snprintf(text, sizeof(text), "%.2f s (beyond what they use when idle)", use->kernel_cpu_s);
    pair(file, "CPU of kernel threads", text);
    pair(file, "largest resident memory", load_format_bytes((double)use->rss_max_bytes, number));
    if (use->device[0] != '\0') {
        load_format_bytes((double)use->written_bytes, number);
        if (measured.stored_bytes > 0)
            snprintf(text, sizeof(text), "%s to %s, %.2f bytes a byte stored", number, use->device,
                     (double)use->written_bytes / (double)measured.stored_bytes);
        else
            snprintf(text, sizeof(text), "%s to %s", number, use->device);
        pair(file, "written to the device", text);
        load_format_count(use->flushes_count, number);
        snprintf(text, sizeof(text), "%s, %.0f a second", number,
                 seconds > 0 ? (double)use->flushes_count / seconds : 0);
        pair(file, "flushes of the device", text);
    }
    table_end(file);
}

static void limits_table(const struct load_limits *limits, const char *label, FILE *file)
{
    char text[LOAD_TEXT_MAX];
    char a[LOAD_FORMAT_BYTES];
    char b[LOAD_FORMAT_BYTES];

    if (!limits->is_known)
        return;
    table_begin(file, "Limits, measured in the same run", label);
    snprintf(text, sizeof(text), "p50 %s, p99 %s", load_format_ns((double)limits->sync_p50_ns, a),
             load_format_ns((double)limits->sync_p99_ns, b));
    pair(file, "4 KiB written and durable", text);
    snprintf(text, sizeof(text), "%s a second", load_format_bytes(limits->disk_bytes_per_s, a));
    pair(file, "1 MiB writes, durable", text);
    snprintf(text, sizeof(text), "p50 %s, p99 %s",
             load_format_ns((double)limits->loopback_p50_ns, a),
             load_format_ns((double)limits->loopback_p99_ns, b));
    pair(file, "1 KiB there, 64 B back, by loopback", text);
    snprintf(text, sizeof(text), "%s a second", load_format_bytes(limits->loopback_bytes_per_s, a));
    pair(file, "one connection, by loopback", text);
    table_end(file);
}

static void lines_table(const char *caption, const struct load_line *lines, uint32_t count,
                        const char *label, FILE *file)
{
    if (count == 0)
        return;
    table_begin(file, caption, label);
    for (uint32_t i = 0; i < count; i++)
        pair(file, lines[i].key, lines[i].value);
    table_end(file);
}

static void errors_table(const struct load_result *result, const char *label, FILE *file)
{
    if (result->errors_count == 0)
        return;
    table_begin(file, "Errors, the first different ones", label);
    for (uint32_t i = 0; i < result->errors_count; i++) {
        char number[LOAD_FORMAT_BYTES];
        snprintf(number, sizeof(number), "%u", i + 1);
        pair(file, number, result->errors[i]);
    }
    table_end(file);
}

void load_report_tables_pairs(const struct load_report *report, FILE *file)
{
    bool is_folded = report->results_count > 2; /* many tables: each run's behind its name */

    fputs("<h2>Broker, limits, surroundings</h2>\n", file);
    for (uint32_t i = 0; i < report->results_count; i++) {
        const struct load_result *result = report->results[i];
        const char *label = report->results_count == 2 ? report->labels[i] : NULL;
        if (is_folded) {
            fprintf(file, "<details><summary><i class=\"b%u\">&#9632;</i> ", i % 8);
            load_html_text(file, report->labels[i]);
            fputs("</summary>\n", file);
        }
        fputs("<div class=\"two\">\n", file);
        errors_table(result, label, file);
        broker_table(result, label, file);
        limits_table(&result->limits, label, file);
        lines_table("Workload", result->settings, result->settings_count, label, file);
        lines_table("Surroundings", result->environment, result->environment_count, label, file);
        fputs(is_folded ? "</div></details>\n" : "</div>\n", file);
    }
}
