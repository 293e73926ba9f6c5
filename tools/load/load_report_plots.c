#include "tools/load/load_report_plots.h"

#include "base/mem.h"
#include "tools/load/load_format.h"
#include "tools/load/load_svg.h"

#include <math.h>

enum { ARRAYS_MAX = 2 * LOAD_SERIES_MAX, CURVE_STEPS_A_NINE = 20, CURVE_POINTS_MAX = 160 };

/* One plot and the arrays that its series point to. */
struct drawing {
    const struct load_report *report;
    FILE *file;
    struct load_plot plot;
    double *arrays[ARRAYS_MAX];
    uint32_t arrays_count;
    enum err err;
};

typedef double value_fn(const struct load_sample *sample);

static double per_second(uint64_t count, const struct load_sample *sample)
{
    return sample->interval_ns == 0 ? NAN : (double)count * 1e9 / (double)sample->interval_ns;
}

static double cpus(double cpu_s, const struct load_sample *sample)
{
    return cpu_s < 0 || sample->interval_ns == 0 ? NAN : cpu_s * 1e9 / (double)sample->interval_ns;
}

static double latency(const struct load_latency *from, uint64_t ns)
{
    return from->count == 0 ? NAN : (double)ns;
}

static double at_s(const struct load_sample *s)
{
    return (double)s->at_ns / 1e9;
}

static double intended(const struct load_sample *s)
{
    return per_second(s->intended_count, s);
}

static double stored(const struct load_sample *s)
{
    return per_second(s->stored_count, s);
}

static double was_read(const struct load_sample *s)
{
    return per_second(s->read_count, s);
}

static double transactions(const struct load_sample *s)
{
    return per_second(s->transactions_count, s);
}

static double errors(const struct load_sample *s)
{
    return per_second(s->error_count, s);
}

static double e2e_p50(const struct load_sample *s)
{
    return latency(&s->e2e, s->e2e.p50_ns);
}

static double e2e_p99(const struct load_sample *s)
{
    return latency(&s->e2e, s->e2e.p99_ns);
}

static double e2e_max(const struct load_sample *s)
{
    return latency(&s->e2e, s->e2e.max_ns);
}

static double produce_p50(const struct load_sample *s)
{
    return latency(&s->produce, s->produce.p50_ns);
}

static double produce_p99(const struct load_sample *s)
{
    return latency(&s->produce, s->produce.p99_ns);
}

static double produce_max(const struct load_sample *s)
{
    return latency(&s->produce, s->produce.max_ns);
}

static double broker_cpu(const struct load_sample *s)
{
    return cpus(s->broker_cpu_s, s);
}

static double client_cpu(const struct load_sample *s)
{
    return cpus(s->client_cpu_s, s);
}

static double lag(const struct load_sample *s)
{
    return (double)s->lag_count;
}

static double late(const struct load_sample *s)
{
    return (double)s->late_count;
}

static double memory(const struct load_sample *s)
{
    return s->broker_rss_bytes == 0 ? NAN : (double)s->broker_rss_bytes;
}

static void begin(struct drawing *drawing, const char *title, const char *note, enum load_unit unit,
                  bool is_log)
{
    drawing->plot = (struct load_plot){.title = title,
                                       .note = note,
                                       .x_unit = LOAD_UNIT_SECONDS,
                                       .y_unit = unit,
                                       .is_log = is_log};
}

static void end(struct drawing *drawing)
{
    if (drawing->err == OK)
        load_svg_print(&drawing->plot, drawing->file);
    for (uint32_t i = 0; i < drawing->arrays_count; i++)
        mem_free(drawing->arrays[i]);
    drawing->arrays_count = 0;
}

static double *array(struct drawing *drawing, uint32_t count)
{
    double *values = NULL;

    if (drawing->arrays_count < ARRAYS_MAX)
        values = mem_try_alloc((count + 1) * sizeof(*values));
    if (values == NULL)
        drawing->err = ERR_NOMEM;
    else
        drawing->arrays[drawing->arrays_count++] = values;
    return values;
}

/* A series over time; NULL: no memory, or none of its values is known, or all are 0 and it may be
 * left out then. */
static struct load_series *add(struct drawing *drawing, const char *name,
                               const struct load_result *result, value_fn *value,
                               bool is_left_out_if_zero)
{
    double *x = array(drawing, result->samples_count);
    double *y = array(drawing, result->samples_count);
    bool is_known = false;

    if (x == NULL || y == NULL)
        return NULL;
    for (uint32_t i = 0; i < result->samples_count; i++) {
        x[i] = at_s(&result->samples[i]);
        y[i] = value(&result->samples[i]);
        is_known = is_known || (isfinite(y[i]) && (y[i] > 0 || !is_left_out_if_zero));
    }
    return is_known ? load_svg_add(&drawing->plot, name, x, y, result->samples_count) : NULL;
}

static void add_max(struct drawing *drawing, const char *name, const struct load_result *result,
                    value_fn *value)
{
    struct load_series *series = add(drawing, name, result, value, true);

    if (series != NULL)
        series->thinning = LOAD_THIN_MAX;
}

/* Values at 1 - 10^-x, up to where one value decides, which is the largest. */
static void add_curve(struct drawing *drawing, const char *name, const struct histogram *histogram)
{
    double *x = array(drawing, CURVE_POINTS_MAX + 1);
    double *y = array(drawing, CURVE_POINTS_MAX + 1);
    double end_x = log10((double)histogram_count(histogram));
    uint32_t count = 0;

    if (x == NULL || y == NULL || histogram_count(histogram) == 0)
        return;
    for (uint32_t i = 0; i < CURVE_POINTS_MAX; i++) {
        double nines = (double)i / CURVE_STEPS_A_NINE;
        if (nines >= end_x)
            break;
        x[count] = nines;
        y[count++] = (double)histogram_percentile(histogram, 100 - 100 * pow(10, -nines));
    }
    x[count] = end_x;
    y[count++] = (double)histogram_max(histogram);
    load_svg_add(&drawing->plot, name, x, y, count);
}

static void mark_limits(struct drawing *drawing, const struct load_limits *limits)
{
    if (!limits->is_known)
        return;
    load_svg_mark(&drawing->plot, "raw device: 4 KiB durable, median", (double)limits->sync_p50_ns);
    load_svg_mark(&drawing->plot, "loopback there and back, median",
                  (double)limits->loopback_p50_ns);
}

static bool has(const struct load_result *result, enum load_histogram_kind kind)
{
    return histogram_count(&result->histograms[kind]) > 0;
}

static void print_curve_of_one(struct drawing *drawing, const struct load_result *result)
{
    static const char *const names[LOAD_HISTOGRAM_COUNT] = {
        [LOAD_HISTOGRAM_PRODUCE] = "produce",
        [LOAD_HISTOGRAM_SERVICE] = "service (from the sending)",
        [LOAD_HISTOGRAM_E2E] = "end to end",
        [LOAD_HISTOGRAM_COMMIT] = "commit",
        [LOAD_HISTOGRAM_BEGIN] = "transaction, begin to begin",
        [LOAD_HISTOGRAM_REJOIN] = "rejoin",
        [LOAD_HISTOGRAM_DELAY] = "delay before sending",
    };

    begin(drawing, "Latency by percentile", "percentile of the records", LOAD_UNIT_NS, true);
    drawing->plot.x_unit = LOAD_UNIT_NINES;
    for (int i = 0; i < LOAD_HISTOGRAM_COUNT; i++)
        if (i != LOAD_HISTOGRAM_DELAY && has(result, (enum load_histogram_kind)i))
            add_curve(drawing, names[i], &result->histograms[i]);
    mark_limits(drawing, &result->limits);
    end(drawing);
}

static void print_one(struct drawing *drawing, const struct load_result *result)
{
    struct load_series *series;

    begin(drawing, "Throughput", "records a second", LOAD_UNIT_COUNT, false);
    series = add(drawing, "intended", result, intended, true);
    if (series != NULL)
        series->is_faint = true;
    series = add(drawing, "stored", result, stored, true);
    if (series != NULL)
        series->colour = 0;
    series = add(drawing, "read", result, was_read, true);
    if (series != NULL) {
        series->colour = 1;
        series->is_dashed = true; /* it lies on the other one when all is well */
    }
    end(drawing);
    print_curve_of_one(drawing, result);
    begin(drawing, "End-to-end latency", "from the intended time until it is read", LOAD_UNIT_NS,
          true);
    add(drawing, "median", result, e2e_p50, true);
    add_max(drawing, "p99", result, e2e_p99);
    add_max(drawing, "maximum", result, e2e_max);
    end(drawing);
    begin(drawing, "Produce latency", "from the intended time until it is acknowledged",
          LOAD_UNIT_NS, true);
    add(drawing, "median", result, produce_p50, true);
    add_max(drawing, "p99", result, produce_p99);
    add_max(drawing, "maximum", result, produce_max);
    end(drawing);
    begin(drawing, "Processors in use", "1 is one core", LOAD_UNIT_COUNT, false);
    add(drawing, "broker", result, broker_cpu, true);
    add(drawing, "this tool", result, client_cpu, true);
    end(drawing);
    begin(drawing, "Lag", "records", LOAD_UNIT_COUNT, false);
    add_max(drawing, "stored and not read yet", result, lag);
    add_max(drawing, "due and not sent yet", result, late);
    end(drawing);
    begin(drawing, "Transactions", "committed a second", LOAD_UNIT_COUNT, false);
    add(drawing, "committed", result, transactions, true);
    end(drawing);
    begin(drawing, "Errors", "a second", LOAD_UNIT_COUNT, false);
    add_max(drawing, "errors", result, errors);
    end(drawing);
    begin(drawing, "Memory of the broker", "resident bytes", LOAD_UNIT_BYTES, false);
    add(drawing, "resident", result, memory, true);
    end(drawing);
}

static void print_all(struct drawing *drawing, const char *title, const char *note,
                      enum load_unit unit, bool is_log, value_fn *value)
{
    const struct load_report *report = drawing->report;

    begin(drawing, title, note, unit, is_log);
    for (uint32_t i = 0; i < report->results_count; i++) {
        struct load_series *series =
            add(drawing, report->labels[i], report->results[i], value, true);
        if (series != NULL) {
            series->colour = i % 8;
            series->is_dashed = i >= 8;
            series->thinning = is_log ? LOAD_THIN_MAX : LOAD_THIN_MEAN;
        }
    }
    end(drawing);
}

static void print_curves(struct drawing *drawing, enum load_histogram_kind kind, const char *title)
{
    const struct load_report *report = drawing->report;

    begin(drawing, title, "percentile of the records", LOAD_UNIT_NS, true);
    drawing->plot.x_unit = LOAD_UNIT_NINES;
    for (uint32_t i = 0; i < report->results_count; i++) {
        uint32_t count = drawing->plot.series_count;
        if (has(report->results[i], kind))
            add_curve(drawing, report->labels[i], &report->results[i]->histograms[kind]);
        if (drawing->plot.series_count > count) {
            drawing->plot.series[count].colour = i % 8;
            drawing->plot.series[count].is_dashed = i >= 8;
        }
    }
    mark_limits(drawing, &report->results[0]->limits);
    end(drawing);
}

static void print_several(struct drawing *drawing)
{
    print_curves(drawing, LOAD_HISTOGRAM_E2E, "End-to-end latency by percentile");
    print_curves(drawing, LOAD_HISTOGRAM_PRODUCE, "Produce latency by percentile");
    print_curves(drawing, LOAD_HISTOGRAM_COMMIT, "Commit latency by percentile");
    print_all(drawing, "Records stored", "a second", LOAD_UNIT_COUNT, false, stored);
    print_all(drawing, "Records read", "a second", LOAD_UNIT_COUNT, false, was_read);
    print_all(drawing, "End-to-end latency, p99", "over time", LOAD_UNIT_NS, true, e2e_p99);
    print_all(drawing, "Produce latency, p99", "over time", LOAD_UNIT_NS, true, produce_p99);
    print_all(drawing, "Processors that the broker uses", "1 is one core", LOAD_UNIT_COUNT, false,
              broker_cpu);
    print_all(drawing, "Lag", "records stored and not read yet", LOAD_UNIT_COUNT, false, lag);
    print_all(drawing, "Transactions", "committed a second", LOAD_UNIT_COUNT, false, transactions);
}

enum err load_report_plots_print(const struct load_report *report, FILE *file)
{
    struct drawing drawing = {.report = report, .file = file};

    fputs("<div class=\"plots\">\n", file);
    if (report->results_count == 1)
        print_one(&drawing, report->results[0]);
    else
        print_several(&drawing);
    fputs("</div>\n", file);
    return drawing.err;
}
