#include "base/metrics.h"

#include "base/check.h"
#include "base/histogram.h"
#include "base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was registered. */
struct metric {
    struct metric *next; /* atomic */
    const struct metric_family *family;
    char *label_text;
    const struct counter *counter;
    const struct gauge *gauge;
    const struct histogram *histogram;
};

/* What one scrape has seen.  Whole numbers are summed apart, since a double would round them. */
struct sample {
    const struct metric_family *family;
    const char *label_text;
    char *label_copy; /* ours: label_text of a collector */
    const struct histogram *histogram;
    const struct histogram *recent; /* NULL: percentiles are those of histogram */
    int64_t whole;
    double rest;
};

struct metrics_scrape {
    struct sample *samples;
    size_t count;
    size_t max;
    struct metrics_text *out;
    size_t out_max_bytes;
    bool lacks_memory; /* there will be no text */
};

static const uint64_t latency_us_bounds[] = {
    100,   250,    500,    1000,   2500,    5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

void metrics_init(struct metrics *metrics)
{
    *metrics = (struct metrics){0};
}

void metrics_deinit(struct metrics *metrics)
{
    struct metric *metric;

    while ((metric = metrics->first) != NULL) {
        metrics->first = metric->next;
        mem_free(metric->label_text);
        mem_free(metric);
    }
    *metrics = (struct metrics){0};
}

static bool is_name(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_:0123456789";

    return name[0] != '\0' && !(name[0] >= '0' && name[0] <= '9') &&
           strspn(name, allowed) == strlen(name);
}

static void add(struct metrics *metrics, const struct metric *what)
{
    struct metric *metric = mem_alloc(sizeof(*metric));

    check(is_name(what->family->name));
    *metric = *what;
    metric->label_text = mem_strdup(what->label_text);
    __atomic_store_n(metrics->last == NULL ? &metrics->first : &metrics->last->next, metric,
                     __ATOMIC_RELEASE);
    metrics->last = metric;
}

void metrics_add_counter(struct metrics *metrics, const struct metric_family *family,
                         const char *label_text, const struct counter *counter)
{
    check(family->type == METRIC_COUNTER);
    add(metrics, &(struct metric){.family = family,
                                  .label_text = (char *)(uintptr_t)label_text,
                                  .counter = counter});
}

void metrics_add_gauge(struct metrics *metrics, const struct metric_family *family,
                       const char *label_text, const struct gauge *gauge)
{
    check(family->type == METRIC_GAUGE || family->type == METRIC_UNTYPED);
    add(metrics, &(struct metric){.family = family,
                                  .label_text = (char *)(uintptr_t)label_text,
                                  .gauge = gauge});
}

static bool is_of_histograms(const struct metric_family *family)
{
    return family->type == METRIC_HISTOGRAM || family->type == METRIC_SUMMARY;
}

void metrics_add_histogram(struct metrics *metrics, const struct metric_family *family,
                           const char *label_text, const struct histogram *histogram)
{
    check(is_of_histograms(family));
    for (size_t i = 1; i < family->bound_count; i++)
        check(family->bounds[i - 1] < family->bounds[i]);
    add(metrics, &(struct metric){.family = family,
                                  .label_text = (char *)(uintptr_t)label_text,
                                  .histogram = histogram});
}

void metrics_add_collector(struct metrics *metrics, struct metrics_collector *collector)
{
    struct metrics_collector **end = &metrics->first_collector;

    while (*end != NULL)
        end = &(*end)->next;
    collector->next = NULL;
    __atomic_store_n(end, collector, __ATOMIC_RELEASE);
}

static bool reserve_sample(struct metrics_scrape *scrape)
{
    size_t max = scrape->max == 0 ? 256 : scrape->max * 2;
    struct sample *samples;

    if (scrape->count < scrape->max)
        return true;
    samples = mem_try_realloc(scrape->samples, max * sizeof(*samples));
    if (samples == NULL)
        return false;
    scrape->samples = samples;
    scrape->max = max;
    return true;
}

static void add_sample(struct metrics_scrape *scrape, const struct sample *sample)
{
    if (scrape->lacks_memory || !reserve_sample(scrape))
        scrape->lacks_memory = true;
    else
        scrape->samples[scrape->count++] = *sample;
}

/* With a label text of its own. */
static void add_labeled(struct metrics_scrape *scrape, struct sample *sample,
                        const char *label_text)
{
    size_t count = scrape->count;

    sample->label_copy = mem_try_strdup(label_text);
    sample->label_text = sample->label_copy;
    if (sample->label_copy == NULL)
        scrape->lacks_memory = true;
    else
        add_sample(scrape, sample);
    if (scrape->count == count)
        mem_free(sample->label_copy);
}

static double unit_of(const struct metric_family *family)
{
    return family->unit == 0 ? 1 : family->unit;
}

void metrics_sample(struct metrics_scrape *scrape, const struct metric_family *family,
                    const char *label_text, double value)
{
    const double exact_max = 9007199254740992.0; /* 2^53 */
    bool is_whole = value >= -exact_max && value <= exact_max && (double)(int64_t)value == value;
    struct sample sample = {
        .family = family,
        .whole = is_whole ? (int64_t)value : 0,
        .rest = is_whole ? 0 : value,
    };

    check(is_name(family->name) && !is_of_histograms(family));
    add_labeled(scrape, &sample, label_text);
}

void metrics_sample_histogram(struct metrics_scrape *scrape, const struct metric_family *family,
                              const char *label_text, const struct histogram *histogram)
{
    struct sample sample = {.family = family, .histogram = histogram};

    check(is_name(family->name) && is_of_histograms(family));
    add_labeled(scrape, &sample, label_text);
}

void metrics_sample_summary(struct metrics_scrape *scrape, const struct metric_family *family,
                            const char *label_text, const struct histogram *all,
                            const struct histogram *recent)
{
    struct sample sample = {.family = family, .histogram = all, .recent = recent};

    check(is_name(family->name) && family->type == METRIC_SUMMARY);
    add_labeled(scrape, &sample, label_text);
}

static void sample_metric(struct metrics_scrape *scrape, const struct metric *metric)
{
    struct sample sample = {
        .family = metric->family,
        .label_text = metric->label_text,
        .histogram = metric->histogram,
    };

    if (metric->counter != NULL)
        sample.whole = (int64_t)counter_read(metric->counter);
    if (metric->gauge != NULL)
        sample.whole = gauge_read(metric->gauge);
    add_sample(scrape, &sample);
}

static int compare_samples(const void *a, const void *b)
{
    const struct sample *left = a;
    const struct sample *right = b;
    int order = left->family == right->family ? 0 : strcmp(left->family->name, right->family->name);

    return order != 0 ? order : strcmp(left->label_text, right->label_text);
}

static void print(struct metrics_scrape *scrape, const char *format, ...) printf_like(2, 3);

static void print(struct metrics_scrape *scrape, const char *format, ...)
{
    struct metrics_text *out = scrape->out;
    va_list args;
    size_t room;
    int size;

    if (scrape->lacks_memory)
        return;
    for (;;) {
        char *larger;
        room = scrape->out_max_bytes - out->size_bytes;
        va_start(args, format);
        size = vsnprintf(out->bytes + out->size_bytes, room, format, args);
        va_end(args);
        check(size >= 0);
        if ((size_t)size < room)
            break;
        larger = mem_try_realloc(out->bytes, scrape->out_max_bytes * 2 + (size_t)size);
        if (larger == NULL) {
            scrape->lacks_memory = true;
            return;
        }
        out->bytes = larger;
        scrape->out_max_bytes = scrape->out_max_bytes * 2 + (size_t)size;
    }
    out->size_bytes += (size_t)size;
}

static void print_double(struct metrics_scrape *scrape, double value)
{
    if (isnan(value))
        print(scrape, "NaN");
    else if (isinf(value))
        print(scrape, value > 0 ? "+Inf" : "-Inf");
    else
        print(scrape, "%.15g", value);
}

static void print_family(struct metrics_scrape *scrape, const struct metric_family *family)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "summary", "untyped"};

    print(scrape, "# HELP %s ", family->name);
    for (const char *c = family->help; *c != '\0'; c++) {
        if (*c == '\\' || *c == '\n')
            print(scrape, *c == '\n' ? "\\n" : "\\\\");
        else
            print(scrape, "%c", *c);
    }
    print(scrape, "\n# TYPE %s %s\n", family->name, types[family->type]);
}

/* count samples of the same family and labels. */
static void print_number(struct metrics_scrape *scrape, const struct sample *samples, size_t count)
{
    const struct metric_family *family = samples[0].family;
    bool has_labels = samples[0].label_text[0] != '\0';
    uint64_t whole = 0; /* wraps as a counter does */
    double rest = 0;

    for (size_t i = 0; i < count; i++) {
        whole += (uint64_t)samples[i].whole;
        rest += samples[i].rest;
    }
    print(scrape, "%s%s%s%s ", family->name, has_labels ? "{" : "", samples[0].label_text,
          has_labels ? "}" : "");
    if (rest != 0 || family->unit != 0) /* NaN too */
        print_double(scrape, ((double)(int64_t)whole + rest) * unit_of(family));
    else if (family->type == METRIC_COUNTER)
        print(scrape, "%" PRIu64, whole);
    else
        print(scrape, "%" PRId64, (int64_t)whole);
    print(scrape, "\n");
}

/* name, a suffix and the labels, one more among them if more is not "". */
static void print_name(struct metrics_scrape *scrape, const struct sample *sample,
                       const char *suffix, const char *more)
{
    bool has_labels = sample->label_text[0] != '\0';
    bool has_more = more[0] != '\0';

    print(scrape, "%s%s%s%s%s%s%s ", sample->family->name, suffix,
          has_labels || has_more ? "{" : "", sample->label_text, has_labels && has_more ? "," : "",
          more, has_labels || has_more ? "}" : "");
}

static void print_sum_and_count(struct metrics_scrape *scrape, const struct sample *samples,
                                size_t count, uint64_t total)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (double)histogram_sum(samples[i].histogram) * unit_of(samples[i].family);
    print_name(scrape, &samples[0], "_sum", "");
    print_double(scrape, sum);
    print(scrape, "\n");
    print_name(scrape, &samples[0], "_count", "");
    print(scrape, "%" PRIu64 "\n", total);
}

static void print_histogram(struct metrics_scrape *scrape, const struct sample *samples,
                            size_t count)
{
    const struct metric_family *family = samples[0].family;
    const uint64_t *bounds = family->bounds != NULL ? family->bounds : latency_us_bounds;
    size_t bound_count =
        family->bounds != NULL ? family->bound_count : array_count(latency_us_bounds);
    uint64_t *counts = mem_try_alloc(bound_count * sizeof(*counts));
    uint64_t total = 0;

    if (counts == NULL) {
        scrape->lacks_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        total += histogram_count_up_to(samples[i].histogram, bounds, bound_count, counts);
    for (size_t i = 0; i < bound_count; i++) {
        char le[48];
        snprintf(le, sizeof(le), "le=\"%.15g\"", (double)bounds[i] * unit_of(family));
        print_name(scrape, &samples[0], "_bucket", le);
        print(scrape, "%" PRIu64 "\n", counts[i]);
    }
    print_name(scrape, &samples[0], "_bucket", "le=\"+Inf\"");
    print(scrape, "%" PRIu64 "\n", total);
    print_sum_and_count(scrape, samples, count, total);
    mem_free(counts);
}

/* The percentiles that Kafka's metrics reporters tell. */
static void print_summary(struct metrics_scrape *scrape, const struct sample *samples, size_t count)
{
    static const struct {
        const char *label;
        double percent;
    } quantiles[] = {
        {"quantile=\"0.50\"", 50}, {"quantile=\"0.75\"", 75}, {"quantile=\"0.95\"", 95},
        {"quantile=\"0.98\"", 98}, {"quantile=\"0.99\"", 99}, {"quantile=\"0.999\"", 99.9},
    };
    struct histogram merged;
    uint64_t total = 0;

    if (histogram_init(&merged, samples[0].histogram->digits) != OK) {
        scrape->lacks_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        histogram_merge(&merged,
                        samples[i].recent != NULL ? samples[i].recent : samples[i].histogram);
        total += histogram_count(samples[i].histogram);
    }
    for (size_t i = 0; i < array_count(quantiles); i++) {
        print_name(scrape, &samples[0], "", quantiles[i].label);
        if (histogram_count(&merged) == 0)
            print_double(scrape, NAN);
        else
            print_double(scrape, (double)histogram_percentile(&merged, quantiles[i].percent) *
                                     unit_of(samples[0].family));
        print(scrape, "\n");
    }
    print_sum_and_count(scrape, samples, count, total);
    histogram_deinit(&merged);
}

/* count samples of the same family and labels. */
static void print_same(struct metrics_scrape *scrape, const struct sample *samples, size_t count)
{
    if (samples[0].family->type == METRIC_HISTOGRAM)
        print_histogram(scrape, samples, count);
    else if (samples[0].family->type == METRIC_SUMMARY)
        print_summary(scrape, samples, count);
    else
        print_number(scrape, samples, count);
}

static void print_samples(struct metrics_scrape *scrape)
{
    const struct sample *samples = scrape->samples;
    size_t count;

    for (size_t i = 0; i < scrape->count; i += count) {
        bool is_new = i == 0 || strcmp(samples[i - 1].family->name, samples[i].family->name) != 0;
        if (is_new)
            print_family(scrape, samples[i].family);
        else
            check(samples[i - 1].family->type == samples[i].family->type);
        for (count = 1; i + count < scrape->count; count++) {
            if (compare_samples(&samples[i], &samples[i + count]) != 0)
                break;
            check(samples[i].family->type == samples[i + count].family->type);
        }
        print_same(scrape, &samples[i], count);
    }
}

enum err metrics_write(const struct metrics *metrics, struct metrics_text *out)
{
    struct metrics_scrape scrape = {.out = out, .out_max_bytes = 4096};
    const struct metric *metric = __atomic_load_n(&metrics->first, __ATOMIC_ACQUIRE);
    struct metrics_collector *collector =
        __atomic_load_n(&metrics->first_collector, __ATOMIC_ACQUIRE);

    *out = (struct metrics_text){.bytes = mem_try_alloc(scrape.out_max_bytes)};
    scrape.lacks_memory = out->bytes == NULL;
    for (; metric != NULL; metric = __atomic_load_n(&metric->next, __ATOMIC_ACQUIRE))
        sample_metric(&scrape, metric);
    for (; collector != NULL; collector = __atomic_load_n(&collector->next, __ATOMIC_ACQUIRE))
        collector->collect(collector, &scrape);
    if (scrape.count > 0)
        qsort(scrape.samples, scrape.count, sizeof(*scrape.samples), compare_samples);
    print_samples(&scrape);
    for (size_t i = 0; i < scrape.count; i++)
        mem_free(scrape.samples[i].label_copy);
    mem_free(scrape.samples);
    if (!scrape.lacks_memory)
        return OK;
    metrics_text_deinit(out);
    return ERR_NOMEM;
}

void metrics_text_deinit(struct metrics_text *text)
{
    mem_free(text->bytes);
    *text = (struct metrics_text){0};
}

enum err metrics_label(char *text, size_t max_bytes, const char *key, const char *value,
                       size_t value_bytes)
{
    size_t begin = strlen(text);
    size_t pos = begin;
    size_t need_bytes = strlen(key) + strlen(",=\"\"") + 1;

    for (size_t i = 0; i < value_bytes; i++)
        need_bytes += value[i] == '\\' || value[i] == '"' || value[i] == '\n' ? 2 : 1;
    if (max_bytes - begin < need_bytes)
        return ERR_FULL;
    pos += (size_t)snprintf(text + pos, max_bytes - pos, "%s%s=\"", begin > 0 ? "," : "", key);
    for (size_t i = 0; i < value_bytes; i++) {
        if (value[i] == '\\' || value[i] == '"' || value[i] == '\n')
            text[pos++] = '\\';
        text[pos++] = value[i] == '\n' ? 'n' : value[i];
    }
    text[pos++] = '"';
    text[pos] = '\0';
    return OK;
}
