#include "tools/load/load_metric.h"

#include "tools/load/load_format.h"

#include <math.h>
#include <stdio.h>

enum unit { UNIT_RATE, UNIT_NS, UNIT_CPU, UNIT_BYTES, UNIT_NUMBER };

static const struct {
    const char *text;
    enum unit unit;
    bool is_more_better;
} metrics[LOAD_METRIC_COUNT] = {
    [LOAD_METRIC_STORED_RATE] = {"records stored a second", UNIT_RATE, true},
    [LOAD_METRIC_READ_RATE] = {"records read a second", UNIT_RATE, true},
    [LOAD_METRIC_PRODUCE_P50] = {"produce p50", UNIT_NS, false},
    [LOAD_METRIC_PRODUCE_P99] = {"produce p99", UNIT_NS, false},
    [LOAD_METRIC_PRODUCE_P999] = {"produce p99.9", UNIT_NS, false},
    [LOAD_METRIC_E2E_P50] = {"end to end p50", UNIT_NS, false},
    [LOAD_METRIC_E2E_P99] = {"end to end p99", UNIT_NS, false},
    [LOAD_METRIC_E2E_P999] = {"end to end p99.9", UNIT_NS, false},
    [LOAD_METRIC_COMMIT_P50] = {"commit p50", UNIT_NS, false},
    [LOAD_METRIC_COMMIT_P99] = {"commit p99", UNIT_NS, false},
    [LOAD_METRIC_TRANSACTIONS_RATE] = {"transactions a second", UNIT_RATE, true},
    [LOAD_METRIC_CPU] = {"broker CPU a GB", UNIT_CPU, false},
    [LOAD_METRIC_RSS] = {"broker memory", UNIT_BYTES, false},
    [LOAD_METRIC_WRITTEN] = {"device bytes a byte stored", UNIT_NUMBER, false},
    [LOAD_METRIC_FLUSHES] = {"device flushes a 1,000 records", UNIT_NUMBER, false},
};

const char *load_metric_text(enum load_metric metric)
{
    return metric < LOAD_METRIC_COUNT ? metrics[metric].text : "?";
}

bool load_metric_is_more_better(enum load_metric metric)
{
    return metrics[metric].is_more_better;
}

static double percentile(const struct load_result *result, enum load_histogram_kind kind,
                         double percent)
{
    const struct histogram *histogram = &result->histograms[kind];

    /* a percentile that no value decides is none */
    if ((double)histogram_count(histogram) * (100 - percent) < 99.9)
        return NAN;
    return (double)histogram_percentile(histogram, percent);
}

static double quotient(double value, double by)
{
    return by > 0 ? value / by : NAN;
}

static double of_broker(enum load_metric metric, const struct load_result *result)
{
    const struct load_broker_use *use = &result->broker;
    struct load_measured measured = load_result_measured(result); /* as long as use is of */

    if (!use->is_known)
        return NAN;
    switch (metric) {
    case LOAD_METRIC_CPU:
        return quotient((use->cpu_s + use->kernel_cpu_s) * 1e9,
                        (double)(measured.stored_bytes + measured.read_bytes));
    case LOAD_METRIC_RSS:
        return use->rss_max_bytes == 0 ? NAN : (double)use->rss_max_bytes;
    case LOAD_METRIC_WRITTEN:
        return use->device[0] == '\0'
                   ? NAN
                   : quotient((double)use->written_bytes, (double)measured.stored_bytes);
    default:
        return use->device[0] == '\0'
                   ? NAN
                   : quotient(1000 * (double)use->flushes_count, (double)measured.stored_count);
    }
}

double load_metric_of(enum load_metric metric, const struct load_result *result)
{
    switch (metric) {
    case LOAD_METRIC_STORED_RATE:
        return result->stored_count == 0 ? NAN : load_result_stored_rate(result);
    case LOAD_METRIC_READ_RATE:
        return result->read_count == 0 ? NAN : load_result_read_rate(result);
    case LOAD_METRIC_PRODUCE_P50:
        return percentile(result, LOAD_HISTOGRAM_PRODUCE, 50);
    case LOAD_METRIC_PRODUCE_P99:
        return percentile(result, LOAD_HISTOGRAM_PRODUCE, 99);
    case LOAD_METRIC_PRODUCE_P999:
        return percentile(result, LOAD_HISTOGRAM_PRODUCE, 99.9);
    case LOAD_METRIC_E2E_P50:
        return percentile(result, LOAD_HISTOGRAM_E2E, 50);
    case LOAD_METRIC_E2E_P99:
        return percentile(result, LOAD_HISTOGRAM_E2E, 99);
    case LOAD_METRIC_E2E_P999:
        return percentile(result, LOAD_HISTOGRAM_E2E, 99.9);
    case LOAD_METRIC_COMMIT_P50:
        return percentile(result, LOAD_HISTOGRAM_COMMIT, 50);
    case LOAD_METRIC_COMMIT_P99:
        return percentile(result, LOAD_HISTOGRAM_COMMIT, 99);
    case LOAD_METRIC_TRANSACTIONS_RATE:
        return result->transactions_count == 0 ? NAN : load_result_transactions_rate(result);
    default:
        return of_broker(metric, result);
    }
}

void load_metric_format(enum load_metric metric, double value, char *out, size_t out_max)
{
    char text[LOAD_FORMAT_BYTES];

    switch (metrics[metric].unit) {
    case UNIT_RATE:
        snprintf(out, out_max, "%s/s", load_format_number(value, text));
        break;
    case UNIT_NS:
        snprintf(out, out_max, "%s", load_format_ns(value, text));
        break;
    case UNIT_CPU:
        snprintf(out, out_max, "%s s", load_format_number(value, text));
        break;
    case UNIT_BYTES:
        snprintf(out, out_max, "%s", load_format_bytes(value, text));
        break;
    case UNIT_NUMBER:
        snprintf(out, out_max, "%s", load_format_number(value, text));
        break;
    }
    if (!isfinite(value))
        snprintf(out, out_max, "-");
}
