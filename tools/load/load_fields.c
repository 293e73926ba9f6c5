#include "tools/load/load_fields.h"

#include "base/mem.h"
#include "base/text.h"
#include "tools/load/load_result.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FIELD(type, member, kind)                       \
    {                                                   \
#member, kind, offsetof(struct type, member), 0 \
    }
#define TEXT(type, member)                                       \
    {                                                            \
#member, LOAD_FIELD_TEXT, offsetof(struct type, member), \
            sizeof(((struct type *)NULL)->member)                \
    }
#define END                        \
    {                              \
        NULL, LOAD_FIELD_U64, 0, 0 \
    }

const struct load_field load_fields_result[] = {
    TEXT(load_result, workload),
    TEXT(load_result, brokers),
    TEXT(load_result, driver),
    TEXT(load_result, durability),
    FIELD(load_result, began_at_ms, LOAD_FIELD_U64),
    FIELD(load_result, duration_ns, LOAD_FIELD_U64),
    FIELD(load_result, is_open_loop, LOAD_FIELD_BOOL),
    FIELD(load_result, is_partial, LOAD_FIELD_BOOL),
    FIELD(load_result, intended_rate, LOAD_FIELD_DOUBLE),
    FIELD(load_result, rate_error, LOAD_FIELD_DOUBLE),
    FIELD(load_result, topics_count, LOAD_FIELD_I32),
    FIELD(load_result, partitions_count, LOAD_FIELD_I32),
    FIELD(load_result, producers_count, LOAD_FIELD_I32),
    FIELD(load_result, consumers_count, LOAD_FIELD_I32),
    FIELD(load_result, message_bytes, LOAD_FIELD_U64),
    FIELD(load_result, sent_count, LOAD_FIELD_U64),
    FIELD(load_result, stored_count, LOAD_FIELD_U64),
    FIELD(load_result, stored_bytes, LOAD_FIELD_U64),
    FIELD(load_result, read_count, LOAD_FIELD_U64),
    FIELD(load_result, read_bytes, LOAD_FIELD_U64),
    FIELD(load_result, error_count, LOAD_FIELD_U64),
    FIELD(load_result, late_count, LOAD_FIELD_U64),
    FIELD(load_result, transactions_count, LOAD_FIELD_U64),
    FIELD(load_result, aborted_count, LOAD_FIELD_U64),
    FIELD(load_result, requests_count, LOAD_FIELD_U64),
    FIELD(load_result, slot_ns, LOAD_FIELD_U64),
    FIELD(load_result, client_cpu_s, LOAD_FIELD_DOUBLE),
    FIELD(load_result, is_verified, LOAD_FIELD_BOOL),
    END,
};

const struct load_field load_fields_sample[] = {
    FIELD(load_sample, at_ns, LOAD_FIELD_U64),
    FIELD(load_sample, interval_ns, LOAD_FIELD_U64),
    FIELD(load_sample, intended_count, LOAD_FIELD_U64),
    FIELD(load_sample, sent_count, LOAD_FIELD_U64),
    FIELD(load_sample, stored_count, LOAD_FIELD_U64),
    FIELD(load_sample, stored_bytes, LOAD_FIELD_U64),
    FIELD(load_sample, read_count, LOAD_FIELD_U64),
    FIELD(load_sample, read_bytes, LOAD_FIELD_U64),
    FIELD(load_sample, error_count, LOAD_FIELD_U64),
    FIELD(load_sample, transactions_count, LOAD_FIELD_U64),
    FIELD(load_sample, lag_count, LOAD_FIELD_U64),
    FIELD(load_sample, late_count, LOAD_FIELD_U64),
    FIELD(load_sample, broker_cpu_s, LOAD_FIELD_DOUBLE),
    FIELD(load_sample, client_cpu_s, LOAD_FIELD_DOUBLE),
    FIELD(load_sample, broker_rss_bytes, LOAD_FIELD_U64),
    END,
};

const struct load_field load_fields_latency[] = {
    FIELD(load_latency, count, LOAD_FIELD_U64),
    FIELD(load_latency, mean_ns, LOAD_FIELD_U64),
    FIELD(load_latency, p50_ns, LOAD_FIELD_U64),
    FIELD(load_latency, p75_ns, LOAD_FIELD_U64),
    FIELD(load_latency, p95_ns, LOAD_FIELD_U64),
    FIELD(load_latency, p99_ns, LOAD_FIELD_U64),
    FIELD(load_latency, p999_ns, LOAD_FIELD_U64),
    FIELD(load_latency, p9999_ns, LOAD_FIELD_U64),
    FIELD(load_latency, p99999_ns, LOAD_FIELD_U64),
    FIELD(load_latency, max_ns, LOAD_FIELD_U64),
    END,
};

const struct load_field load_fields_broker[] = {
    FIELD(load_broker_use, is_known, LOAD_FIELD_BOOL),
    FIELD(load_broker_use, pid, LOAD_FIELD_I32),
    FIELD(load_broker_use, cpu_s, LOAD_FIELD_DOUBLE),
    FIELD(load_broker_use, kernel_cpu_s, LOAD_FIELD_DOUBLE),
    FIELD(load_broker_use, rss_max_bytes, LOAD_FIELD_U64),
    FIELD(load_broker_use, written_bytes, LOAD_FIELD_U64),
    FIELD(load_broker_use, flushes_count, LOAD_FIELD_U64),
    TEXT(load_broker_use, device),
    END,
};

const struct load_field load_fields_limits[] = {
    FIELD(load_limits, is_known, LOAD_FIELD_BOOL),
    FIELD(load_limits, sync_p50_ns, LOAD_FIELD_U64),
    FIELD(load_limits, sync_p99_ns, LOAD_FIELD_U64),
    FIELD(load_limits, loopback_p50_ns, LOAD_FIELD_U64),
    FIELD(load_limits, loopback_p99_ns, LOAD_FIELD_U64),
    FIELD(load_limits, disk_bytes_per_s, LOAD_FIELD_DOUBLE),
    FIELD(load_limits, loopback_bytes_per_s, LOAD_FIELD_DOUBLE),
    END,
};

const struct load_field load_fields_verdict[] = {
    FIELD(load_verdict, sent_count, LOAD_FIELD_U64),
    FIELD(load_verdict, stored_count, LOAD_FIELD_U64),
    FIELD(load_verdict, unknown_count, LOAD_FIELD_U64),
    FIELD(load_verdict, failed_count, LOAD_FIELD_U64),
    FIELD(load_verdict, aborted_count, LOAD_FIELD_U64),
    FIELD(load_verdict, read_count, LOAD_FIELD_U64),
    FIELD(load_verdict, foreign_count, LOAD_FIELD_U64),
    FIELD(load_verdict, unread_count, LOAD_FIELD_U64),
    FIELD(load_verdict, redelivered_count, LOAD_FIELD_U64),
    FIELD(load_verdict, committed_transactions, LOAD_FIELD_U64),
    FIELD(load_verdict, aborted_transactions, LOAD_FIELD_U64),
    FIELD(load_verdict, unknown_transactions, LOAD_FIELD_U64),
    FIELD(load_verdict, memory_max_bytes, LOAD_FIELD_U64),
    FIELD(load_verdict, is_exactly_once, LOAD_FIELD_BOOL),
    END,
};

const struct load_field load_fields_finding[] = {
    FIELD(load_finding, topic, LOAD_FIELD_U32),
    FIELD(load_finding, partition, LOAD_FIELD_I32),
    FIELD(load_finding, offset, LOAD_FIELD_I64),
    FIELD(load_finding, other_offset, LOAD_FIELD_I64),
    FIELD(load_finding, producer, LOAD_FIELD_U32),
    FIELD(load_finding, sequence, LOAD_FIELD_U64),
    FIELD(load_finding, transaction, LOAD_FIELD_U64),
    END,
};

json_t *load_fields_text(const char *text)
{
    size_t size_bytes = strlen(text);
    json_t *value = json_stringn(text, size_bytes);
    char *mended;

    if (value != NULL || text_is_utf8(text, size_bytes))
        return value;
    mended = mem_try_alloc(3 * size_bytes + 1);
    if (mended == NULL)
        return NULL;
    value = json_stringn(mended, text_utf8_mend(text, size_bytes, mended));
    mem_free(mended);
    return value;
}

json_t *load_fields_value(const struct load_field *field, const void *object)
{
    const void *at = (const char *)object + field->offset;

    switch (field->kind) {
    case LOAD_FIELD_U64:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case LOAD_FIELD_I64:
        return json_integer(*(const int64_t *)at);
    case LOAD_FIELD_U32:
        return json_integer(*(const uint32_t *)at);
    case LOAD_FIELD_I32:
        return json_integer(*(const int32_t *)at);
    case LOAD_FIELD_DOUBLE:
        return isfinite(*(const double *)at) ? json_real(*(const double *)at) : json_null();
    case LOAD_FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case LOAD_FIELD_TEXT:
        return load_fields_text(at);
    }
    return NULL;
}

static enum err set_integer(const struct load_field *field, void *at, json_int_t value)
{
    switch (field->kind) {
    case LOAD_FIELD_U64:
        *(uint64_t *)at = (uint64_t)value;
        return value < 0 ? ERR_MALFORMED : OK;
    case LOAD_FIELD_I64:
        *(int64_t *)at = value;
        return OK;
    case LOAD_FIELD_U32:
        *(uint32_t *)at = (uint32_t)value;
        return value < 0 || value > UINT32_MAX ? ERR_MALFORMED : OK;
    default:
        *(int32_t *)at = (int32_t)value;
        return value < INT32_MIN || value > INT32_MAX ? ERR_MALFORMED : OK;
    }
}

enum err load_fields_set(const struct load_field *field, void *object, const json_t *value)
{
    void *at = (char *)object + field->offset;

    if (value == NULL || json_is_null(value))
        return OK;
    switch (field->kind) {
    case LOAD_FIELD_DOUBLE:
        *(double *)at = json_number_value(value);
        return json_is_number(value) ? OK : ERR_MALFORMED;
    case LOAD_FIELD_BOOL:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value) ? OK : ERR_MALFORMED;
    case LOAD_FIELD_TEXT:
        if (!json_is_string(value))
            return ERR_MALFORMED;
        snprintf(at, field->size_bytes, "%s", json_string_value(value));
        return OK;
    default:
        return json_is_integer(value) ? set_integer(field, at, json_integer_value(value))
                                      : ERR_MALFORMED;
    }
}

enum err load_fields_add(json_t *into, const char *name, json_t *value)
{
    return json_object_set_new(into, name, value) == 0 ? OK : ERR_NOMEM;
}

enum err load_fields_put(const struct load_field *fields, const void *object, json_t *into)
{
    enum err err = OK;

    for (const struct load_field *field = fields; field->name != NULL && err == OK; field++)
        err = load_fields_add(into, field->name, load_fields_value(field, object));
    return err;
}

enum err load_fields_get(const struct load_field *fields, void *object, const json_t *from)
{
    enum err err = json_is_object(from) ? OK : ERR_MALFORMED;

    for (const struct load_field *field = fields; field->name != NULL && err == OK; field++)
        err = load_fields_set(field, object, json_object_get(from, field->name));
    return err;
}
