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
    const char *name;
    const char *help;
    char *label_text;
    enum metric_type type;
    const struct counter *counter;
    const struct gauge *gauge;
    const struct histogram *histogram;
    double unit;
    const uint64_t *bounds;
    size_t bound_count;
};

/* What one scrape has seen.  Whole numbers are summed apart, since a double would round them. */
struct sample {
    const struct metric *metric; /* of a histogram */
    const char *name;
    const char *help;
    const char *label_text;
    char *label_copy; /* ours: label_text of a collector */
    enum metric_type type;
    int64_t whole;
    double rest;
};

struct metrics_scrape {
    struct sample *samples;
    size_t count;
    size_t max;
    struct metrics_text *out;
    size_t out_max_bytes;
};

const uint64_t metrics_latency_us_bounds[] = {
    100,   250,    500,    1000,   2500,    5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};
const size_t metrics_latency_us_bound_count = array_count(metrics_latency_us_bounds);

void metrics_init(struct metrics *metrics)
{
    *metrics = (struct metrics){0};
}

void metrics_deinit(struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->entry_count; i++)
        mem_free(metrics->entries[i].label_text);
    mem_free(metrics->entries);
    *metrics = (struct metrics){0};
}

static bool is_name(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_:0123456789";

    return name[0] != '\0' && !(name[0] >= '0' && name[0] <= '9') &&
           strspn(name, allowed) == strlen(name);
}

static struct metric *add(struct metrics *metrics, const char *name, const char *help,
                          const char *label_text, enum metric_type type)
{
    struct metric *metric;

    check(is_name(name));
    if (metrics->entry_count == metrics->entry_max) {
        metrics->entry_max = metrics->entry_max == 0 ? 64 : metrics->entry_max * 2;
        metrics->entries =
            mem_realloc(metrics->entries, metrics->entry_max * sizeof(*metrics->entries));
    }
    metric = &metrics->entries[metrics->entry_count++];
    *metric = (struct metric){
        .name = name, .help = help, .label_text = mem_strdup(label_text), .type = type};
    return metric;
}

void metrics_add_counter(struct metrics *metrics, const char *name, const char *help,
                         const char *label_text, const struct counter *counter)
{
    add(metrics, name, help, label_text, METRIC_COUNTER)->counter = counter;
}

void metrics_add_gauge(struct metrics *metrics, const char *name, const char *help,
                       const char *label_text, const struct gauge *gauge)
{
    add(metrics, name, help, label_text, METRIC_GAUGE)->gauge = gauge;
}

void metrics_add_histogram(struct metrics *metrics, const char *name, const char *help,
                           const char *label_text, const struct histogram *histogram, double unit,
                           const uint64_t *bounds, size_t bound_count)
{
    struct metric *metric = add(metrics, name, help, label_text, METRIC_HISTOGRAM);

    for (size_t i = 1; i < bound_count; i++)
        check(bounds[i - 1] < bounds[i]);
    metric->histogram = histogram;
    metric->unit = unit;
    metric->bounds = bounds;
    metric->bound_count = bound_count;
}

void metrics_add_collector(struct metrics *metrics, struct metrics_collector *collector)
{
    struct metrics_collector **end = &metrics->collectors;

    while (*end != NULL)
        end = &(*end)->next;
    collector->next = NULL;
    *end = collector;
}

static struct sample *add_sample(struct metrics_scrape *scrape)
{
    if (scrape->count == scrape->max) {
        scrape->max = scrape->max == 0 ? 256 : scrape->max * 2;
        scrape->samples = mem_realloc(scrape->samples, scrape->max * sizeof(*scrape->samples));
    }
    return &scrape->samples[scrape->count++];
}

void metrics_sample(struct metrics_scrape *scrape, enum metric_type type, const char *name,
                    const char *help, const char *label_text, double value)
{
    const double exact_max = 9007199254740992.0; /* 2^53 */
    bool is_whole = value >= -exact_max && value <= exact_max && (double)(int64_t)value == value;
    char *label_copy = mem_strdup(label_text);

    check(type == METRIC_COUNTER || type == METRIC_GAUGE);
    check(is_name(name));
    *add_sample(scrape) = (struct sample){
        .name = name,
        .help = help,
        .label_text = label_copy,
        .label_copy = label_copy,
        .type = type,
        .whole = is_whole ? (int64_t)value : 0,
        .rest = is_whole ? 0 : value,
    };
}

static void sample_metric(struct metrics_scrape *scrape, const struct metric *metric)
{
    struct sample sample = {
        .metric = metric,
        .name = metric->name,
        .help = metric->help,
        .label_text = metric->label_text,
        .type = metric->type,
    };

    if (metric->counter != NULL)
        sample.whole = (int64_t)counter_read(metric->counter);
    if (metric->gauge != NULL)
        sample.whole = gauge_read(metric->gauge);
    *add_sample(scrape) = sample;
}

static int compare_samples(const void *a, const void *b)
{
    const struct sample *left = a;
    const struct sample *right = b;
    int order = strcmp(left->name, right->name);

    return order != 0 ? order : strcmp(left->label_text, right->label_text);
}

static void print(struct metrics_scrape *scrape, const char *format, ...) printf_like(2, 3);

static void print(struct metrics_scrape *scrape, const char *format, ...)
{
    struct metrics_text *out = scrape->out;
    va_list args;
    size_t room;
    int size;

    for (;;) {
        room = scrape->out_max_bytes - out->size_bytes;
        va_start(args, format);
        size = vsnprintf(out->bytes + out->size_bytes, room, format, args);
        va_end(args);
        check(size >= 0);
        if ((size_t)size < room)
            break;
        scrape->out_max_bytes = scrape->out_max_bytes * 2 + (size_t)size;
        out->bytes = mem_realloc(out->bytes, scrape->out_max_bytes);
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

static void print_family(struct metrics_scrape *scrape, const struct sample *sample)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    print(scrape, "# HELP %s ", sample->name);
    for (const char *c = sample->help; *c != '\0'; c++) {
        if (*c == '\\' || *c == '\n')
            print(scrape, *c == '\n' ? "\\n" : "\\\\");
        else
            print(scrape, "%c", *c);
    }
    print(scrape, "\n# TYPE %s %s\n", sample->name, types[sample->type]);
}

/* count samples of the same name and labels. */
static void print_number(struct metrics_scrape *scrape, const struct sample *samples, size_t count)
{
    bool has_labels = samples[0].label_text[0] != '\0';
    uint64_t whole = 0; /* wraps as a counter does */
    double rest = 0;

    for (size_t i = 0; i < count; i++) {
        whole += (uint64_t)samples[i].whole;
        rest += samples[i].rest;
    }
    print(scrape, "%s%s%s%s ", samples[0].name, has_labels ? "{" : "", samples[0].label_text,
          has_labels ? "}" : "");
    if (rest != 0) /* NaN too */
        print_double(scrape, (double)(int64_t)whole + rest);
    else if (samples[0].type == METRIC_COUNTER)
        print(scrape, "%" PRIu64, whole);
    else
        print(scrape, "%" PRId64, (int64_t)whole);
    print(scrape, "\n");
}

static void print_histogram(struct metrics_scrape *scrape, const struct sample *samples,
                            size_t count)
{
    const struct metric *first = samples[0].metric;
    const char *labels = first->label_text;
    const char *comma = labels[0] != '\0' ? "," : "";
    const char *open = labels[0] != '\0' ? "{" : "";
    const char *close = labels[0] != '\0' ? "}" : "";
    uint64_t *counts = mem_alloc(first->bound_count * sizeof(*counts));
    uint64_t total = 0;
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        const struct metric *metric = samples[i].metric;
        check(metric->bounds == first->bounds && metric->bound_count == first->bound_count);
        total +=
            histogram_count_up_to(metric->histogram, metric->bounds, metric->bound_count, counts);
        sum += (double)histogram_sum(metric->histogram) * metric->unit;
    }
    for (size_t i = 0; i < first->bound_count; i++) {
        print(scrape, "%s_bucket{%s%sle=\"", first->name, labels, comma);
        print_double(scrape, (double)first->bounds[i] * first->unit);
        print(scrape, "\"} %" PRIu64 "\n", counts[i]);
    }
    print(scrape, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", first->name, labels, comma, total);
    print(scrape, "%s_sum%s%s%s ", first->name, open, labels, close);
    print_double(scrape, sum);
    print(scrape, "\n%s_count%s%s%s %" PRIu64 "\n", first->name, open, labels, close, total);
    mem_free(counts);
}

static void print_samples(struct metrics_scrape *scrape)
{
    const struct sample *samples = scrape->samples;
    size_t count;

    for (size_t i = 0; i < scrape->count; i += count) {
        bool is_new = i == 0 || strcmp(samples[i - 1].name, samples[i].name) != 0;
        if (is_new)
            print_family(scrape, &samples[i]);
        else
            check(samples[i - 1].type == samples[i].type);
        for (count = 1; i + count < scrape->count; count++) {
            if (compare_samples(&samples[i], &samples[i + count]) != 0)
                break;
            check(samples[i].type == samples[i + count].type);
        }
        if (samples[i].type == METRIC_HISTOGRAM)
            print_histogram(scrape, &samples[i], count);
        else
            print_number(scrape, &samples[i], count);
    }
}

void metrics_write(const struct metrics *metrics, struct metrics_text *out)
{
    struct metrics_scrape scrape = {.out = out, .out_max_bytes = 4096};

    *out = (struct metrics_text){.bytes = mem_alloc(scrape.out_max_bytes)};
    for (size_t i = 0; i < metrics->entry_count; i++)
        sample_metric(&scrape, &metrics->entries[i]);
    for (struct metrics_collector *c = metrics->collectors; c != NULL; c = c->next)
        c->collect(c, &scrape);
    if (scrape.count > 0)
        qsort(scrape.samples, scrape.count, sizeof(*scrape.samples), compare_samples);
    print_samples(&scrape);
    for (size_t i = 0; i < scrape.count; i++)
        mem_free(scrape.samples[i].label_copy);
    mem_free(scrape.samples);
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
