#include "tools/load/verify_compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PROGRESS_RECORDS = 10000 };

static const struct {
    enum verify_field field;
    const char *name;
} names[] = {
    {VERIFY_FIELD_OFFSET, "offset"},   {VERIFY_FIELD_TIMESTAMP, "timestamp"},
    {VERIFY_FIELD_KEY, "key"},         {VERIFY_FIELD_VALUE, "value"},
    {VERIFY_FIELD_HEADERS, "headers"},
};

enum { NAMES_COUNT = sizeof(names) / sizeof(names[0]) };

const char *verify_field_text(enum verify_field field)
{
    for (int i = 0; i < NAMES_COUNT; i++)
        if (names[i].field == field)
            return names[i].name;
    return "?";
}

enum err verify_fields_parse(const char *text, uint32_t *fields_out)
{
    uint32_t fields = 0;

    for (;;) {
        size_t size_bytes = strcspn(text, ",");
        uint32_t field = 0;
        for (int i = 0; i < NAMES_COUNT; i++)
            if (strlen(names[i].name) == size_bytes && memcmp(names[i].name, text, size_bytes) == 0)
                field = names[i].field;
        if (field == 0)
            return ERR_INVALID;
        fields |= field;
        if (text[size_bytes] == '\0')
            break;
        text += size_bytes + 1;
    }
    *fields_out = fields;
    return OK;
}

static bool bytes_equal(const void *a, int32_t a_bytes, const void *b, int32_t b_bytes)
{
    return a_bytes == b_bytes && (a_bytes <= 0 || memcmp(a, b, (size_t)a_bytes) == 0);
}

static bool headers_equal(const struct record *a, const struct record *b)
{
    return a->header_count == b->header_count &&
           bytes_equal(a->header_data, (int32_t)a->header_data_bytes, b->header_data,
                       (int32_t)b->header_data_bytes);
}

uint32_t verify_compare_records(const struct client_fetched_record *a,
                                const struct client_fetched_record *b, uint32_t fields)
{
    uint32_t differs = 0;

    if (a->offset != b->offset)
        differs |= VERIFY_FIELD_OFFSET;
    if (a->timestamp_ms != b->timestamp_ms)
        differs |= VERIFY_FIELD_TIMESTAMP;
    if (!bytes_equal(a->record.key, a->record.key_bytes, b->record.key, b->record.key_bytes))
        differs |= VERIFY_FIELD_KEY;
    if (!bytes_equal(a->record.value, a->record.value_bytes, b->record.value,
                     b->record.value_bytes))
        differs |= VERIFY_FIELD_VALUE;
    if (!headers_equal(&a->record, &b->record))
        differs |= VERIFY_FIELD_HEADERS;
    differs &= fields;
    return differs & (~differs + 1); /* the first of them */
}

static void tell_field(struct verify_difference *out, const struct client_fetched_record *a,
                       const struct client_fetched_record *b)
{
    const char *name = verify_field_text((enum verify_field)out->field);

    switch (out->field) {
    case VERIFY_FIELD_OFFSET:
        snprintf(out->text, sizeof(out->text),
                 "%s: the same place in the order has offset %" PRId64 " and %" PRId64, name,
                 a->offset, b->offset);
        break;
    case VERIFY_FIELD_TIMESTAMP:
        snprintf(out->text, sizeof(out->text), "%s: %" PRId64 " and %" PRId64, name,
                 a->timestamp_ms, b->timestamp_ms);
        break;
    case VERIFY_FIELD_KEY:
        snprintf(out->text, sizeof(out->text), "%s: %" PRId32 " and %" PRId32 " bytes", name,
                 a->record.key_bytes, b->record.key_bytes);
        break;
    case VERIFY_FIELD_VALUE:
        snprintf(out->text, sizeof(out->text), "%s: %" PRId32 " and %" PRId32 " bytes", name,
                 a->record.value_bytes, b->record.value_bytes);
        break;
    default:
        snprintf(out->text, sizeof(out->text), "%s: %" PRId32 " and %" PRId32, name,
                 a->record.header_count, b->record.header_count);
        break;
    }
}

/* What one of the two did: ERR_NOT_FOUND is its end. */
struct side {
    struct client_fetched batch;
    struct client_fetched_record record;
    enum err err;
};

static bool is_end(enum err err)
{
    return err == OK || err == ERR_NOT_FOUND;
}

static void judge(const struct side *a, const struct side *b, uint32_t fields,
                  struct verify_difference *out)
{
    *out = (struct verify_difference){.offset = a->err == OK ? a->record.offset : -1,
                                      .offset_b = b->err == OK ? b->record.offset : -1};
    if (a->err != OK && b->err != OK)
        return;
    if (a->err != OK || b->err != OK) {
        out->is_different = true;
        snprintf(out->text, sizeof(out->text), "the %s ends here, and the %s goes on",
                 a->err != OK ? "first" : "second", a->err != OK ? "second" : "first");
        return;
    }
    out->field = verify_compare_records(&a->record, &b->record, fields);
    if (out->field == 0)
        return;
    out->is_different = true;
    tell_field(out, &a->record, &b->record);
}

enum err verify_compare_partition(struct verify_source sources[2], int32_t partition,
                                  uint32_t fields, struct verify_difference *out,
                                  uint64_t *records_out, int *which,
                                  void (*progress)(void *context, uint64_t records), void *context)
{
    struct side sides[2] = {0};
    uint64_t records = 0;
    enum err err = OK;

    for (int i = 0; i < 2 && err == OK; i++) {
        *which = i;
        err = verify_source_begin(&sources[i], partition, true);
    }
    while (err == OK) {
        for (int i = 0; i < 2 && err == OK; i++) {
            *which = i;
            sides[i].err =
                verify_source_next_record(&sources[i], &sides[i].batch, &sides[i].record);
            err = is_end(sides[i].err) ? OK : sides[i].err;
        }
        if (err != OK)
            break;
        judge(&sides[0], &sides[1], fields, out);
        if (out->is_different || sides[0].err != OK)
            break;
        if (++records % PROGRESS_RECORDS == 0 && progress != NULL)
            progress(context, records);
    }
    *records_out = records;
    return err;
}
