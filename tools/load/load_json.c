#include "tools/load/load_json.h"

#include "base/mem.h"
#include "tools/load/load_fields.h"
#include "tools/load/load_text_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_VERSION = 1, DUMP_FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(15) };

/* OpenMessaging's names of what we have: its suffixes, and where a sample has them. */
static const struct {
    const char *suffix;
    size_t offset;
    double percent; /* -1: mean, 101: maximum */
} omb_points[] = {
    {"Avg", offsetof(struct load_latency, mean_ns), -1},
    {"50pct", offsetof(struct load_latency, p50_ns), 50},
    {"75pct", offsetof(struct load_latency, p75_ns), 75},
    {"95pct", offsetof(struct load_latency, p95_ns), 95},
    {"99pct", offsetof(struct load_latency, p99_ns), 99},
    {"999pct", offsetof(struct load_latency, p999_ns), 99.9},
    {"9999pct", offsetof(struct load_latency, p9999_ns), 99.99},
    {"99999pct", offsetof(struct load_latency, p99999_ns), 99.999},
    {"Max", offsetof(struct load_latency, max_ns), 101},
};

static const struct {
    const char *name;       /* of the arrays */
    const char *aggregated; /* of the whole run */
    enum load_histogram_kind kind;
    size_t offset;  /* in a sample */
    double unit_ns; /* TestResult has milliseconds, and microseconds for the delay */
    bool is_whole;  /* its type is long */
} omb_kinds[] = {
    {"publishLatency", "aggregatedPublishLatency", LOAD_HISTOGRAM_PRODUCE,
     offsetof(struct load_sample, produce), 1e6, false},
    {"publishDelayLatency", "aggregatedPublishDelayLatency", LOAD_HISTOGRAM_DELAY,
     offsetof(struct load_sample, delay), 1e3, true},
    {"endToEndLatency", "aggregatedEndToEndLatency", LOAD_HISTOGRAM_E2E,
     offsetof(struct load_sample, e2e), 1e6, false},
};

/* Three digits behind the point: a nanosecond is more than a reader needs there. */
static json_t *rounded(double value, bool is_whole)
{
    if (!isfinite(value))
        value = 0;
    return is_whole ? json_integer((json_int_t)llround(value))
                    : json_real(round(value * 1000) / 1000);
}

static double a_second(uint64_t count, uint64_t interval_ns)
{
    return interval_ns == 0 ? 0 : (double)count * 1e9 / (double)interval_ns;
}

/* A run too short for a sample still has one point to draw. */
static struct load_sample whole_as_sample(const struct load_result *result)
{
    return (struct load_sample){
        .at_ns = result->duration_ns,
        .interval_ns = result->duration_ns,
        .stored_count = result->stored_count,
        .read_count = result->read_count,
        .error_count = result->error_count,
        .produce = load_latency_of(&result->histograms[LOAD_HISTOGRAM_PRODUCE]),
        .e2e = load_latency_of(&result->histograms[LOAD_HISTOGRAM_E2E]),
        .delay = load_latency_of(&result->histograms[LOAD_HISTOGRAM_DELAY]),
    };
}

static enum err put_rates(json_t *into, const struct load_sample *samples, uint32_t count)
{
    json_t *published = json_array();
    json_t *errors = json_array();
    json_t *consumed = json_array();
    json_t *backlog = json_array();
    enum err err;

    for (uint32_t i = 0; i < count; i++) {
        const struct load_sample *sample = &samples[i];
        uint64_t ns = sample->interval_ns;
        json_array_append_new(published, rounded(a_second(sample->stored_count, ns), false));
        json_array_append_new(errors, rounded(a_second(sample->error_count, ns), false));
        json_array_append_new(consumed, rounded(a_second(sample->read_count, ns), false));
        json_array_append_new(backlog, json_integer((json_int_t)sample->lag_count));
    }
    err = load_fields_add(into, "publishRate", published);
    if (load_fields_add(into, "publishErrorRate", errors) != OK)
        err = ERR_NOMEM;
    if (load_fields_add(into, "consumeRate", consumed) != OK)
        err = ERR_NOMEM;
    if (load_fields_add(into, "backlog", backlog) != OK)
        err = ERR_NOMEM;
    return err;
}

/* "publishLatency50pct": [...], "aggregatedPublishLatency50pct": ... */
static enum err put_latencies(json_t *into, const struct load_result *result, size_t kind,
                              const struct load_sample *samples, uint32_t count)
{
    const struct histogram *histogram = &result->histograms[omb_kinds[kind].kind];
    double unit_ns = omb_kinds[kind].unit_ns;
    bool is_whole = omb_kinds[kind].is_whole;
    char name[64];
    enum err err = OK;

    for (size_t p = 0; p < sizeof(omb_points) / sizeof(omb_points[0]) && err == OK; p++) {
        double percent = omb_points[p].percent;
        bool is_whole_point = is_whole && percent >= 0; /* averages are double in all three */
        json_t *points = json_array();
        for (uint32_t i = 0; i < count; i++) {
            const char *latency = (const char *)&samples[i] + omb_kinds[kind].offset;
            uint64_t ns = *(const uint64_t *)(latency + omb_points[p].offset);
            json_array_append_new(points, rounded((double)ns / unit_ns, is_whole_point));
        }
        snprintf(name, sizeof(name), "%s%s", omb_kinds[kind].name, omb_points[p].suffix);
        err = load_fields_add(into, name, points);
        if (err != OK)
            break;
        snprintf(name, sizeof(name), "%s%s", omb_kinds[kind].aggregated, omb_points[p].suffix);
        err = load_fields_add(
            into, name,
            rounded((percent < 0     ? histogram_mean(histogram)
                     : percent > 100 ? (double)histogram_max(histogram)
                                     : (double)histogram_percentile(histogram, percent)) /
                        unit_ns,
                    is_whole_point));
    }
    return err;
}

/* Each step leaves four fifths of what was above the one before, up to where one value decides. */
static enum err put_quantiles(json_t *into, const struct load_result *result, size_t kind)
{
    const struct histogram *histogram = &result->histograms[omb_kinds[kind].kind];
    json_t *quantiles = json_object();
    double rest = 100;
    char name[64];

    for (int step = 0; step < 80 && quantiles != NULL; step++) {
        double percent = 100 - rest;
        snprintf(name, sizeof(name), "%.6f", percent);
        json_object_set_new(
            quantiles, name,
            rounded((double)histogram_percentile(histogram, percent) / omb_kinds[kind].unit_ns,
                    omb_kinds[kind].is_whole));
        if (rest * (double)histogram_count(histogram) < 100)
            break; /* less than one value is left */
        rest *= 0.8;
    }
    snprintf(name, sizeof(name), "100.0");
    if (quantiles != NULL)
        json_object_set_new(quantiles, name,
                            rounded((double)histogram_max(histogram) / omb_kinds[kind].unit_ns,
                                    omb_kinds[kind].is_whole));
    snprintf(name, sizeof(name), "%sQuantiles", omb_kinds[kind].aggregated);
    return load_fields_add(into, name, quantiles);
}

static enum err put_omb(json_t *into, const struct load_result *result)
{
    struct load_sample whole = whole_as_sample(result);
    const struct load_sample *samples = result->samples_count == 0 ? &whole : result->samples;
    uint32_t count = result->samples_count == 0 ? 1 : result->samples_count;
    int32_t topics = result->topics_count < 1 ? 1 : result->topics_count;
    enum err err = OK;

    if (load_fields_add(into, "workload", load_fields_text(result->workload)) != OK ||
        load_fields_add(into, "driver", load_fields_text(result->driver)) != OK ||
        load_fields_add(into, "messageSize", json_integer((json_int_t)result->message_bytes)) ||
        load_fields_add(into, "topics", json_integer(result->topics_count)) != OK ||
        load_fields_add(into, "partitions", json_integer(result->partitions_count)) != OK ||
        load_fields_add(into, "producersPerTopic",
                        json_integer(result->producers_count / topics)) ||
        load_fields_add(into, "consumersPerTopic", json_integer(result->consumers_count / topics)))
        return ERR_NOMEM;
    err = put_rates(into, samples, count);
    for (size_t i = 0; i < sizeof(omb_kinds) / sizeof(omb_kinds[0]) && err == OK; i++) {
        err = put_latencies(into, result, i, samples, count);
        if (err == OK)
            err = put_quantiles(into, result, i);
    }
    return err;
}

/* Ours: columns, so that a table of them is one step away. */
static enum err put_columns(json_t *into, const struct load_result *result,
                            const struct load_field *fields, size_t offset)
{
    enum err err = OK;

    for (const struct load_field *field = fields; field->name != NULL && err == OK; field++) {
        json_t *column = json_array();
        for (uint32_t i = 0; i < result->samples_count; i++)
            json_array_append_new(
                column, load_fields_value(field, (const char *)&result->samples[i] + offset));
        err = load_fields_add(into, field->name, column);
    }
    return err;
}

static enum err put_samples(json_t *ours, const struct load_result *result)
{
    static const struct {
        const char *name;
        size_t offset;
    } latencies[] = {
        {"produce", offsetof(struct load_sample, produce)},
        {"e2e", offsetof(struct load_sample, e2e)},
        {"delay", offsetof(struct load_sample, delay)},
    };
    json_t *samples = json_object();
    enum err err = load_fields_add(ours, "samples", samples);

    if (err == OK)
        err = put_columns(samples, result, load_fields_sample, 0);
    for (size_t i = 0; i < sizeof(latencies) / sizeof(latencies[0]) && err == OK; i++) {
        json_t *columns = json_object();
        err = load_fields_add(samples, latencies[i].name, columns);
        if (err == OK)
            err = put_columns(columns, result, load_fields_latency, latencies[i].offset);
    }
    return err;
}

/* Counts as pairs: the highest value of a bucket, and how often. */
static enum err put_histogram(json_t *into, const char *name, const struct histogram *histogram)
{
    json_t *counts = json_array();
    json_t *object = json_pack(
        "{s:i,s:I,s:I,s:I,s:I}", "digits", (int)histogram->digits, "count",
        (json_int_t)histogram_count(histogram), "sum", (json_int_t)histogram_sum(histogram), "min",
        (json_int_t)histogram_min(histogram), "max", (json_int_t)histogram_max(histogram));

    for (size_t i = 0; i < histogram->counts_count; i++)
        if (histogram->counts[i] != 0)
            json_array_append_new(counts,
                                  json_pack("[I,I]", (json_int_t)histogram_bucket_end(histogram, i),
                                            (json_int_t)histogram->counts[i]));
    if (object == NULL || load_fields_add(object, "counts", counts) != OK) {
        json_decref(object);
        return ERR_NOMEM;
    }
    return load_fields_add(into, name, object);
}

static enum err put_histograms(json_t *ours, const struct load_result *result)
{
    json_t *histograms = json_object();
    enum err err = load_fields_add(ours, "histograms", histograms);

    for (int i = 0; i < LOAD_HISTOGRAM_COUNT && err == OK; i++)
        if (histogram_count(&result->histograms[i]) > 0)
            err = put_histogram(histograms, load_histogram_text((enum load_histogram_kind)i),
                                &result->histograms[i]);
    return err;
}

static enum err put_part(json_t *into, const char *name, const struct load_field *fields,
                         const void *object)
{
    json_t *part = json_object();
    enum err err = load_fields_add(into, name, part);

    return err == OK ? load_fields_put(fields, object, part) : err;
}

static enum err put_verdict(json_t *ours, const struct load_verdict *verdict)
{
    json_t *counts = json_object();
    json_t *findings = json_array();
    enum err err = put_part(ours, "verdict", load_fields_verdict, verdict);
    json_t *part = json_object_get(ours, "verdict");

    for (int i = 0; i < LOAD_FINDING_COUNT; i++)
        json_object_set_new(counts, load_finding_text((enum load_finding_kind)i),
                            json_integer((json_int_t)verdict->counts[i]));
    for (uint32_t i = 0; i < verdict->findings_count && err == OK; i++) {
        const struct load_finding *finding = &verdict->findings[i];
        json_t *one = json_pack("{s:s}", "kind", load_finding_text(finding->kind));
        err = one == NULL ? ERR_NOMEM : load_fields_put(load_fields_finding, finding, one);
        json_array_append_new(findings, one);
    }
    if (load_fields_add(part, "findings", findings) != OK)
        err = ERR_NOMEM;
    if (load_fields_add(part, "counts", counts) != OK)
        err = ERR_NOMEM;
    return err;
}

static enum err put_lines(json_t *ours, const char *name, const struct load_line *lines,
                          uint32_t count)
{
    json_t *object = json_object();
    enum err err = load_fields_add(ours, name, object);

    for (uint32_t i = 0; i < count && err == OK; i++) {
        json_t *key = load_fields_text(lines[i].key); /* names that are no UTF-8 are mended, too */
        err = key == NULL ? ERR_NOMEM
                          : load_fields_add(object, json_string_value(key),
                                            load_fields_text(lines[i].value));
        json_decref(key);
    }
    return err;
}

static enum err put_ours(json_t *ours, const struct load_result *result)
{
    json_t *errors = json_array();
    enum err err = load_fields_add(ours, "version", json_integer(JSON_VERSION));

    for (uint32_t i = 0; i < result->errors_count; i++)
        json_array_append_new(errors, load_fields_text(result->errors[i]));
    if (load_fields_add(ours, "errors", errors) != OK)
        err = ERR_NOMEM;
    if (err == OK)
        err = load_fields_put(load_fields_result, result, ours);
    if (err == OK)
        err = put_part(ours, "broker", load_fields_broker, &result->broker);
    if (err == OK)
        err = put_part(ours, "limits", load_fields_limits, &result->limits);
    if (err == OK && result->is_verified)
        err = put_verdict(ours, &result->verdict);
    if (err == OK)
        err = put_lines(ours, "settings", result->settings, result->settings_count);
    if (err == OK)
        err = put_lines(ours, "environment", result->environment, result->environment_count);
    if (err == OK)
        err = put_samples(ours, result);
    return err == OK ? put_histograms(ours, result) : err;
}

static enum err as_json(const struct load_result *result, json_t **out)
{
    json_t *all = json_object();
    json_t *ours = json_object();
    enum err err = all == NULL ? ERR_NOMEM : put_omb(all, result);

    if (err != OK || load_fields_add(all, "levee", json_incref(ours)) != OK)
        err = ERR_NOMEM;
    if (err == OK)
        err = put_ours(ours, result);
    json_decref(ours);
    if (err == OK)
        *out = all;
    else
        json_decref(all);
    return err;
}

enum err load_json_print(const struct load_result *result, FILE *file)
{
    json_t *all;
    enum err err = as_json(result, &all);

    if (err != OK)
        return err;
    if (json_dumpf(all, file, DUMP_FLAGS) != 0 || ferror(file))
        err = ERR_IO;
    json_decref(all);
    return err;
}

enum err load_json_text(const struct load_result *result, char **out)
{
    json_t *all;
    char *text;
    enum err err = as_json(result, &all);

    if (err != OK)
        return err;
    text = json_dumps(all, DUMP_FLAGS);
    json_decref(all);
    if (text == NULL)
        return ERR_NOMEM;
    *out = mem_try_strdup(text);
    free(text);
    return *out == NULL ? ERR_NOMEM : OK;
}

static enum err print_line(const void *result, FILE *file)
{
    enum err err = load_json_print(result, file);

    if (err == OK && fputc('\n', file) == EOF)
        err = ERR_IO;
    return err;
}

enum err load_json_write(const struct load_result *result, const char *path)
{
    return load_text_file_write(path, print_line, result);
}
