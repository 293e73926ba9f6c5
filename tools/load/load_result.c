#include "tools/load/load_result.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { HISTOGRAM_DIGITS = 3, SAMPLES_FIRST = 128 };

const char *load_histogram_text(enum load_histogram_kind kind)
{
    static const char *const texts[LOAD_HISTOGRAM_COUNT] = {
        [LOAD_HISTOGRAM_PRODUCE] = "produce", [LOAD_HISTOGRAM_SERVICE] = "service",
        [LOAD_HISTOGRAM_E2E] = "e2e",         [LOAD_HISTOGRAM_COMMIT] = "commit",
        [LOAD_HISTOGRAM_BEGIN] = "begin",     [LOAD_HISTOGRAM_REJOIN] = "rejoin",
        [LOAD_HISTOGRAM_DELAY] = "delay",
    };

    return kind < LOAD_HISTOGRAM_COUNT ? texts[kind] : "?";
}

struct load_latency load_latency_of(const struct histogram *histogram)
{
    if (histogram_count(histogram) == 0)
        return (struct load_latency){0};
    return (struct load_latency){
        .count = histogram_count(histogram),
        .mean_ns = (uint64_t)histogram_mean(histogram),
        .p50_ns = histogram_percentile(histogram, 50),
        .p75_ns = histogram_percentile(histogram, 75),
        .p95_ns = histogram_percentile(histogram, 95),
        .p99_ns = histogram_percentile(histogram, 99),
        .p999_ns = histogram_percentile(histogram, 99.9),
        .p9999_ns = histogram_percentile(histogram, 99.99),
        .p99999_ns = histogram_percentile(histogram, 99.999),
        .max_ns = histogram_max(histogram),
    };
}

enum err load_result_create(struct load_result **out)
{
    struct load_result *result = mem_try_alloc(sizeof(*result));
    enum err err = result == NULL ? ERR_NOMEM : OK;

    for (int i = 0; i < LOAD_HISTOGRAM_COUNT && err == OK; i++)
        err = histogram_init(&result->histograms[i], HISTOGRAM_DIGITS);
    if (err != OK) {
        load_result_destroy(result);
        return err;
    }
    *out = result;
    return OK;
}

void load_result_destroy(struct load_result *result)
{
    if (result == NULL)
        return;
    for (int i = 0; i < LOAD_HISTOGRAM_COUNT; i++)
        histogram_deinit(&result->histograms[i]);
    mem_free(result->samples);
    mem_free(result);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void add_latency(struct load_latency *into, const struct load_latency *from)
{
    uint64_t count = into->count + from->count;

    if (from->count == 0)
        return;
    into->mean_ns = (uint64_t)(((double)into->mean_ns * (double)into->count +
                                (double)from->mean_ns * (double)from->count) /
                               (double)count);
    into->count = count;
    into->p50_ns = larger(into->p50_ns, from->p50_ns);
    into->p75_ns = larger(into->p75_ns, from->p75_ns);
    into->p95_ns = larger(into->p95_ns, from->p95_ns);
    into->p99_ns = larger(into->p99_ns, from->p99_ns);
    into->p999_ns = larger(into->p999_ns, from->p999_ns);
    into->p9999_ns = larger(into->p9999_ns, from->p9999_ns);
    into->p99999_ns = larger(into->p99999_ns, from->p99999_ns);
    into->max_ns = larger(into->max_ns, from->max_ns);
}

static double add_known(double a, double b)
{
    return a < 0 ? b : b < 0 ? a : a + b;
}

static void add_counts(struct load_sample *into, const struct load_sample *from)
{
    into->intended_count += from->intended_count;
    into->sent_count += from->sent_count;
    into->stored_count += from->stored_count;
    into->stored_bytes += from->stored_bytes;
    into->read_count += from->read_count;
    into->read_bytes += from->read_bytes;
    into->error_count += from->error_count;
    into->transactions_count += from->transactions_count;
    into->client_cpu_s = add_known(into->client_cpu_s, from->client_cpu_s);
    into->broker_rss_bytes = larger(into->broker_rss_bytes, from->broker_rss_bytes);
    add_latency(&into->produce, &from->produce);
    add_latency(&into->e2e, &from->e2e);
    add_latency(&into->delay, &from->delay);
}

/* The interval behind it. */
static void append_sample(struct load_sample *into, const struct load_sample *next)
{
    add_counts(into, next);
    into->broker_cpu_s = add_known(into->broker_cpu_s, next->broker_cpu_s);
    into->at_ns = next->at_ns;
    into->interval_ns += next->interval_ns;
    into->lag_count = next->lag_count;
    into->late_count = next->late_count;
}

/* The same interval, seen by another: of one broker, whose CPU both may have seen. */
static void overlay_sample(struct load_sample *into, const struct load_sample *other)
{
    add_counts(into, other);
    if (other->broker_cpu_s > into->broker_cpu_s)
        into->broker_cpu_s = other->broker_cpu_s;
    into->at_ns = larger(into->at_ns, other->at_ns);
    into->interval_ns = larger(into->interval_ns, other->interval_ns);
    into->lag_count += other->lag_count;
    into->late_count += other->late_count;
}

static void halve(struct load_result *result)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < result->samples_count; i += 2) {
        result->samples[count] = result->samples[i];
        if (i + 1 < result->samples_count)
            append_sample(&result->samples[count], &result->samples[i + 1]);
        count++;
    }
    result->samples_count = count;
    result->slot_ns *= 2;
}

enum err load_result_sample(struct load_result *result, const struct load_sample *sample)
{
    struct load_sample *last;

    if (result->slot_ns == 0)
        result->slot_ns = sample->interval_ns == 0 ? 1 : sample->interval_ns;
    if (result->samples_count > 0) {
        /* a tenth of an interval is the jitter of whoever takes samples */
        last = &result->samples[result->samples_count - 1];
        if (last->interval_ns + sample->interval_ns <= result->slot_ns + sample->interval_ns / 10) {
            append_sample(last, sample);
            return OK;
        }
    }
    if (result->samples_count == LOAD_SAMPLES_MAX)
        halve(result);
    /* room doubles: 128, 256, ... */
    if (result->samples == NULL || (result->samples_count >= SAMPLES_FIRST &&
                                    (result->samples_count & (result->samples_count - 1)) == 0)) {
        size_t room = result->samples_count < SAMPLES_FIRST ? SAMPLES_FIRST
                                                            : 2 * (size_t)result->samples_count;
        struct load_sample *grown =
            mem_try_realloc(result->samples, room * sizeof(struct load_sample));
        if (grown == NULL)
            return ERR_NOMEM;
        result->samples = grown;
    }
    result->samples[result->samples_count++] = *sample;
    return OK;
}

/* Which interval of the run a sample is, by its middle: workers take theirs at nearly the same
 * time. */
static uint64_t slot_of(const struct load_sample *sample, uint64_t slot_ns)
{
    uint64_t half_ns = sample->interval_ns / 2;

    return sample->at_ns < half_ns ? 0 : (sample->at_ns - half_ns) / slot_ns;
}

/* The samples of both by time into a new array; both lie in slots of slot_ns. */
static uint32_t zip(struct load_sample *out, const struct load_sample *a, uint32_t a_count,
                    const struct load_sample *b, uint32_t b_count, uint64_t slot_ns)
{
    uint32_t count = 0;

    for (uint32_t i = 0, k = 0; i < a_count || k < b_count;) {
        uint64_t a_slot = i < a_count ? slot_of(&a[i], slot_ns) : UINT64_MAX;
        uint64_t b_slot = k < b_count ? slot_of(&b[k], slot_ns) : UINT64_MAX;
        const struct load_sample *next = a_slot <= b_slot ? &a[i++] : &b[k++];
        if (count > 0 && slot_of(&out[count - 1], slot_ns) >= slot_of(next, slot_ns))
            overlay_sample(&out[count - 1], next);
        else
            out[count++] = *next;
    }
    return count;
}

/* The samples of result in slots of slot_ns: its own or larger. */
static uint32_t coarsen(struct load_sample *samples, uint32_t samples_count, uint64_t slot_ns)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < samples_count; i++) {
        if (count > 0 && slot_of(&samples[count - 1], slot_ns) == slot_of(&samples[i], slot_ns))
            append_sample(&samples[count - 1], &samples[i]);
        else
            samples[count++] = samples[i];
    }
    return count;
}

static enum err merge_samples(struct load_result *into, const struct load_result *from)
{
    uint64_t slot_ns = larger(into->slot_ns, from->slot_ns);
    struct load_sample *both;
    struct load_sample *copy;

    if (from->samples_count == 0)
        return OK;
    both = mem_try_alloc(2 * (size_t)LOAD_SAMPLES_MAX * sizeof(*both));
    copy = mem_try_alloc(from->samples_count * sizeof(*copy));
    if (both == NULL || copy == NULL) {
        mem_free(both);
        mem_free(copy);
        return ERR_NOMEM;
    }
    memcpy(copy, from->samples, from->samples_count * sizeof(*copy));
    into->samples_count =
        zip(both, into->samples, coarsen(into->samples, into->samples_count, slot_ns), copy,
            coarsen(copy, from->samples_count, slot_ns), slot_ns);
    mem_free(into->samples);
    mem_free(copy);
    into->samples = both;
    into->slot_ns = slot_ns;
    while (into->samples_count > LOAD_SAMPLES_MAX)
        halve(into);
    return OK;
}

static void merge_counts(struct load_result *into, const struct load_result *from)
{
    double due = into->intended_rate + from->intended_rate;

    if (due > 0)
        into->rate_error =
            (into->rate_error * into->intended_rate + from->rate_error * from->intended_rate) / due;
    into->intended_rate = due;
    into->producers_count += from->producers_count;
    into->consumers_count += from->consumers_count;
    into->sent_count += from->sent_count;
    into->stored_count += from->stored_count;
    into->stored_bytes += from->stored_bytes;
    into->read_count += from->read_count;
    into->read_bytes += from->read_bytes;
    into->error_count += from->error_count;
    into->late_count += from->late_count;
    into->transactions_count += from->transactions_count;
    into->aborted_count += from->aborted_count;
    into->requests_count += from->requests_count;
    into->client_cpu_s += from->client_cpu_s;
}

static void take_text(char into[static LOAD_TEXT_MAX], const char from[static LOAD_TEXT_MAX])
{
    if (into[0] == '\0')
        memcpy(into, from, LOAD_TEXT_MAX);
}

static void merge_texts(struct load_result *into, const struct load_result *from)
{
    take_text(into->workload, from->workload);
    take_text(into->brokers, from->brokers);
    take_text(into->driver, from->driver);
    take_text(into->durability, from->durability);
    if (into->settings_count == 0)
        for (uint32_t i = 0; i < from->settings_count; i++)
            into->settings[into->settings_count++] = from->settings[i];
    if (into->environment_count == 0)
        for (uint32_t i = 0; i < from->environment_count; i++)
            into->environment[into->environment_count++] = from->environment[i];
    for (uint32_t i = 0; i < from->errors_count; i++)
        load_result_error(into, "%s", from->errors[i]);
}

enum err load_result_merge(struct load_result *into, const struct load_result *from)
{
    enum err err = merge_samples(into, from);

    if (err != OK)
        return err;
    for (int i = 0; i < LOAD_HISTOGRAM_COUNT; i++)
        histogram_merge(&into->histograms[i], &from->histograms[i]);
    merge_counts(into, from);
    merge_texts(into, from);
    if (into->began_at_ms == 0 || (from->began_at_ms != 0 && from->began_at_ms < into->began_at_ms))
        into->began_at_ms = from->began_at_ms;
    into->duration_ns = larger(into->duration_ns, from->duration_ns);
    into->is_open_loop = into->is_open_loop || from->is_open_loop;
    into->is_partial = into->is_partial || from->is_partial;
    if (into->topics_count < from->topics_count)
        into->topics_count = from->topics_count;
    if (into->partitions_count < from->partitions_count)
        into->partitions_count = from->partitions_count;
    into->message_bytes = larger(into->message_bytes, from->message_bytes);
    if (!into->broker.is_known)
        into->broker = from->broker;
    if (!into->limits.is_known)
        into->limits = from->limits;
    if (from->is_verified && into->is_verified)
        load_verdict_merge(&into->verdict, &from->verdict);
    else if (from->is_verified)
        into->verdict = from->verdict;
    into->is_verified = into->is_verified || from->is_verified;
    return OK;
}

static void put_line(struct load_line *lines, uint32_t *count, const char *key, const char *format,
                     va_list args)
{
    struct load_line *line = NULL;

    for (uint32_t i = 0; i < *count && line == NULL; i++)
        if (strncmp(lines[i].key, key, sizeof(lines[i].key) - 1) == 0)
            line = &lines[i];
    if (line == NULL) {
        if (*count == LOAD_LINES_MAX)
            return;
        line = &lines[(*count)++];
    }
    snprintf(line->key, sizeof(line->key), "%s", key);
    vsnprintf(line->value, sizeof(line->value), format, args);
}

void load_result_setting(struct load_result *result, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line(result->settings, &result->settings_count, key, format, args);
    va_end(args);
}

void load_result_environment(struct load_result *result, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line(result->environment, &result->environment_count, key, format, args);
    va_end(args);
}

void load_result_error(struct load_result *result, const char *format, ...)
{
    const uint32_t errors_max = sizeof(result->errors) / sizeof(result->errors[0]);
    char text[LOAD_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (uint32_t i = 0; i < result->errors_count; i++)
        if (strcmp(result->errors[i], text) == 0)
            return;
    if (result->errors_count < errors_max)
        memcpy(result->errors[result->errors_count++], text, sizeof(text));
}

enum load_histogram_kind load_result_main(const struct load_result *result)
{
    static const enum load_histogram_kind order[] = {LOAD_HISTOGRAM_E2E, LOAD_HISTOGRAM_PRODUCE,
                                                     LOAD_HISTOGRAM_COMMIT, LOAD_HISTOGRAM_REJOIN};

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (histogram_count(&result->histograms[order[i]]) > 0)
            return order[i];
    return LOAD_HISTOGRAM_PRODUCE;
}

static double per_second(uint64_t count, uint64_t duration_ns)
{
    return duration_ns == 0 ? 0 : (double)count * 1e9 / (double)duration_ns;
}

struct load_measured load_result_measured(const struct load_result *result)
{
    struct load_measured measured = {0};

    for (uint32_t i = 0; i < result->samples_count; i++) {
        const struct load_sample *sample = &result->samples[i];
        measured.ns += sample->interval_ns;
        measured.stored_count += sample->stored_count;
        measured.stored_bytes += sample->stored_bytes;
        measured.read_count += sample->read_count;
        measured.read_bytes += sample->read_bytes;
        measured.transactions_count += sample->transactions_count;
    }
    if (measured.ns > 0)
        return measured;
    return (struct load_measured){
        .ns = result->duration_ns,
        .stored_count = result->stored_count,
        .stored_bytes = result->stored_bytes,
        .read_count = result->read_count,
        .read_bytes = result->read_bytes,
        .transactions_count = result->transactions_count,
    };
}

double load_result_stored_rate(const struct load_result *result)
{
    struct load_measured measured = load_result_measured(result);

    return per_second(measured.stored_count, measured.ns);
}

double load_result_read_rate(const struct load_result *result)
{
    struct load_measured measured = load_result_measured(result);

    return per_second(measured.read_count, measured.ns);
}

double load_result_transactions_rate(const struct load_result *result)
{
    struct load_measured measured = load_result_measured(result);

    return per_second(measured.transactions_count, measured.ns);
}

static double times_mean(double rate, uint64_t bytes, uint64_t count)
{
    return count == 0 ? 0 : rate * (double)bytes / (double)count;
}

double load_result_stored_bytes_rate(const struct load_result *result)
{
    return times_mean(load_result_stored_rate(result), result->stored_bytes, result->stored_count);
}

double load_result_read_bytes_rate(const struct load_result *result)
{
    return times_mean(load_result_read_rate(result), result->read_bytes, result->read_count);
}
