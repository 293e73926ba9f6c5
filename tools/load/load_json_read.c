#include "base/mem.h"
#include "tools/load/load_fields.h"
#include "tools/load/load_json.h"
#include "tools/load/load_text_file.h"

#include <string.h>

static enum err get_columns(struct load_result *result, const struct load_field *fields,
                            size_t offset, const json_t *from)
{
    for (const struct load_field *field = fields; field->name != NULL; field++) {
        const json_t *column = json_object_get(from, field->name);
        if (column == NULL)
            continue; /* of an older version */
        if (json_array_size(column) != result->samples_count)
            return ERR_MALFORMED;
        for (uint32_t i = 0; i < result->samples_count; i++) {
            enum err err = load_fields_set(field, (char *)&result->samples[i] + offset,
                                           json_array_get(column, i));
            if (err != OK)
                return err;
        }
    }
    return OK;
}

static enum err get_samples(struct load_result *result, const json_t *from)
{
    size_t count = json_array_size(json_object_get(from, "at_ns"));
    enum err err;

    if (count == 0)
        return OK;
    if (count > LOAD_SAMPLES_MAX)
        return ERR_TOO_LARGE;
    result->samples = mem_try_alloc(2 * (size_t)LOAD_SAMPLES_MAX * sizeof(*result->samples));
    if (result->samples == NULL)
        return ERR_NOMEM;
    result->samples_count = (uint32_t)count;
    err = get_columns(result, load_fields_sample, 0, from);
    if (err == OK)
        err = get_columns(result, load_fields_latency, offsetof(struct load_sample, produce),
                          json_object_get(from, "produce"));
    if (err == OK)
        err = get_columns(result, load_fields_latency, offsetof(struct load_sample, e2e),
                          json_object_get(from, "e2e"));
    if (err == OK)
        err = get_columns(result, load_fields_latency, offsetof(struct load_sample, delay),
                          json_object_get(from, "delay"));
    return err;
}

static enum err get_histogram(struct histogram *histogram, const json_t *from)
{
    const json_t *counts = json_object_get(from, "counts");
    json_int_t total, sum, min, max, digits;
    json_t *pair;
    size_t i;

    if (json_unpack((json_t *)(uintptr_t)from, "{s:I,s:I,s:I,s:I,s:I}", "digits", &digits, "count",
                    &total, "sum", &sum, "min", &min, "max", &max) != 0 ||
        digits != histogram->digits || min < 0 || max < min)
        return ERR_MALFORMED;
    json_array_foreach(counts, i, pair)
    {
        json_int_t value, count;
        if (json_unpack(pair, "[I,I]", &value, &count) != 0 || value < 0 || count <= 0)
            return ERR_MALFORMED;
        histogram_record_n(histogram, (uint64_t)value, (uint64_t)count);
    }
    if (histogram_count(histogram) != (uint64_t)total || total == 0)
        return ERR_MALFORMED;
    histogram->sum = (uint64_t)sum;
    histogram->min = (uint64_t)min;
    histogram->max = (uint64_t)max;
    return OK;
}

static enum err get_histograms(struct load_result *result, const json_t *from)
{
    for (int i = 0; i < LOAD_HISTOGRAM_COUNT; i++) {
        const json_t *one = json_object_get(from, load_histogram_text((enum load_histogram_kind)i));
        enum err err = one == NULL ? OK : get_histogram(&result->histograms[i], one);
        if (err != OK)
            return err;
    }
    return OK;
}

static enum err get_finding(struct load_verdict *verdict, const json_t *from)
{
    struct load_finding *finding = &verdict->findings[verdict->findings_count];
    const char *kind = json_string_value(json_object_get(from, "kind"));
    enum err err = load_fields_get(load_fields_finding, finding, from);

    if (err != OK || kind == NULL)
        return ERR_MALFORMED;
    for (int i = 0; i < LOAD_FINDING_COUNT; i++) {
        if (strcmp(kind, load_finding_text((enum load_finding_kind)i)) != 0)
            continue;
        finding->kind = (enum load_finding_kind)i;
        verdict->findings_count++;
        return OK;
    }
    return ERR_MALFORMED;
}

static enum err get_verdict(struct load_verdict *verdict, const json_t *from)
{
    const json_t *counts = json_object_get(from, "counts");
    enum err err = load_fields_get(load_fields_verdict, verdict, from);
    json_t *finding;
    size_t index;

    for (int i = 0; i < LOAD_FINDING_COUNT; i++)
        verdict->counts[i] = (uint64_t)json_integer_value(
            json_object_get(counts, load_finding_text((enum load_finding_kind)i)));
    json_array_foreach(json_object_get(from, "findings"), index, finding)
    {
        if (err != OK || verdict->findings_count == LOAD_FINDINGS_MAX)
            break;
        err = get_finding(verdict, finding);
    }
    return err;
}

static void get_lines(struct load_result *result, const json_t *from,
                      void (*put)(struct load_result *result, const char *key, const char *format,
                                  ...))
{
    json_t *object = (json_t *)(uintptr_t)from; /* iterators take no const */
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (json_is_string(value))
            put(result, key, "%s", json_string_value(value));
    }
}

static enum err get_ours(struct load_result *result, const json_t *ours)
{
    const json_t *verdict = json_object_get(ours, "verdict");
    const json_t *broker = json_object_get(ours, "broker");
    const json_t *limits = json_object_get(ours, "limits");
    json_t *error;
    size_t i;
    enum err err = load_fields_get(load_fields_result, result, ours);

    if (err == OK && broker != NULL)
        err = load_fields_get(load_fields_broker, &result->broker, broker);
    if (err == OK && limits != NULL)
        err = load_fields_get(load_fields_limits, &result->limits, limits);
    if (err == OK && result->is_verified)
        err = get_verdict(&result->verdict, verdict);
    if (err == OK)
        err = get_samples(result, json_object_get(ours, "samples"));
    if (err == OK)
        err = get_histograms(result, json_object_get(ours, "histograms"));
    get_lines(result, json_object_get(ours, "settings"), load_result_setting);
    get_lines(result, json_object_get(ours, "environment"), load_result_environment);
    json_array_foreach(json_object_get(ours, "errors"), i, error)
    {
        if (json_is_string(error))
            load_result_error(result, "%s", json_string_value(error));
    }
    return err;
}

enum err load_json_parse(const char *text, size_t size_bytes, struct load_result **out)
{
    struct load_result *result;
    json_error_t problem;
    json_t *all;
    enum err err;

    if (size_bytes > LOAD_JSON_BYTES_MAX)
        return ERR_TOO_LARGE;
    all = json_loadb(text, size_bytes, 0, &problem);
    if (all == NULL)
        return json_error_code(&problem) == json_error_out_of_memory ? ERR_NOMEM : ERR_MALFORMED;
    err = load_result_create(&result);
    if (err == OK) {
        err = get_ours(result, json_object_get(all, "levee"));
        if (err == OK)
            *out = result;
        else
            load_result_destroy(result);
    }
    json_decref(all);
    return err;
}

enum err load_json_read(const char *path, struct load_result **out)
{
    char *text;
    size_t size_bytes;
    enum err err = load_text_file_read(path, LOAD_JSON_BYTES_MAX, &text, &size_bytes);

    if (err != OK)
        return err;
    err = load_json_parse(text, size_bytes, out);
    mem_free(text);
    return err;
}
