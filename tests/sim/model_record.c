#include "tests/sim/model_record.h"

#include "base/check.h"

#include <string.h>

/* Numbers that depend on the value alone. */
static uint32_t dice(uint64_t value, uint32_t which, uint32_t sides)
{
    uint64_t mixed = (value + which * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;

    mixed = (mixed ^ mixed >> 29) * 0x94d049bb133111ebULL;
    return (uint32_t)((mixed ^ mixed >> 32) % sides);
}

static uint8_t filling(uint64_t value, uint32_t which, uint32_t i)
{
    return (uint8_t)(value >> (i % 5 * 8)) ^ (uint8_t)(which * 31 + i);
}

static void put_key(struct model_record *out, uint64_t value, bool carries_value)
{
    uint32_t size_bytes = dice(value, 1, MODEL_RECORD_TEXT_MAX - HISTORY_VALUE_BYTES_MIN);

    out->record.key = out->key;
    if (carries_value) {
        size_bytes += HISTORY_VALUE_BYTES_MIN;
        history_value_put(value, out->key, size_bytes);
    } else if (dice(value, 2, 3) == 0) {
        out->record.key = NULL;
        out->record.key_bytes = -1;
        return;
    }
    for (uint32_t i = 0; i < size_bytes && !carries_value; i++)
        out->key[i] = filling(value, 1, i);
    out->record.key_bytes = (int32_t)size_bytes;
}

static void put_headers(struct model_record *out, uint64_t value)
{
    uint32_t count = dice(value, 3, MODEL_RECORD_HEADERS_MAX + 2);

    if (count > MODEL_RECORD_HEADERS_MAX) /* most records have none */
        count = 0;
    for (uint32_t h = 0; h < count; h++) {
        struct record_header *header = &out->headers[h];
        uint32_t value_bytes = dice(value, 20 + h, MODEL_RECORD_TEXT_MAX);
        header->key = out->header_keys[h];
        header->key_bytes = dice(value, 10 + h, 4); /* an empty one, and one twice: both allowed */
        memset(out->header_keys[h], 'k', header->key_bytes);
        header->value = out->header_values[h];
        header->value_bytes = (int32_t)value_bytes;
        for (uint32_t i = 0; i < value_bytes; i++)
            out->header_values[h][i] = filling(value, 20 + h, i);
        if (dice(value, 30 + h, 3) == 0) {
            header->value = NULL;
            header->value_bytes = -1;
        }
    }
    out->record.headers = out->headers;
    out->record.header_count = (int32_t)count;
}

void model_record_make(struct model_record *out, uint64_t value, int32_t value_bytes, bool plain,
                       uint8_t *bytes)
{
    bool in_key = value_bytes < HISTORY_VALUE_BYTES_MIN;

    check(!plain || !in_key);
    record_init(&out->record, NULL, -1, value_bytes < 0 ? NULL : bytes, value_bytes);
    if (!in_key)
        history_value_put(value, bytes, (uint32_t)value_bytes);
    for (int32_t i = 0; in_key && i < value_bytes; i++)
        bytes[i] = filling(value, 0, (uint32_t)i);
    if (plain)
        return;
    put_key(out, value, in_key);
    put_headers(out, value);
}

/* ---- the way back */

static bool same_bytes(const void *got, int32_t got_bytes, const void *made, int32_t made_bytes)
{
    return got_bytes == made_bytes &&
           (got_bytes <= 0 || memcmp(got, made, (size_t)got_bytes) == 0) &&
           (got_bytes >= 0) == (made_bytes >= 0);
}

static bool same_headers(const struct record *record, const struct model_record *made)
{
    struct record_header_walk walk;
    struct record_header header;

    if (record->header_count != made->record.header_count)
        return false;
    record_header_walk_init(&walk, record);
    for (int32_t h = 0; h < record->header_count; h++) {
        const struct record_header *wanted = &made->headers[h];
        if (record_header_next(&walk, &header) != OK ||
            !same_bytes(header.key, (int32_t)header.key_bytes, wanted->key,
                        (int32_t)wanted->key_bytes) ||
            !same_bytes(header.value, header.value_bytes, wanted->value, wanted->value_bytes))
            return false;
    }
    return true;
}

bool model_record_read(const struct record *record, bool plain, uint64_t *value_out)
{
    struct model_record made;
    uint8_t small[HISTORY_VALUE_BYTES_MIN];
    bool in_key = record->value_bytes < HISTORY_VALUE_BYTES_MIN;
    uint64_t value;

    if (plain)
        return record->key_bytes == -1 && record->header_count == 0 && !in_key &&
               history_value_get(record->value, (uint32_t)record->value_bytes, value_out);
    if (in_key ? record->key_bytes < 0 ||
                     !history_value_get(record->key, (uint32_t)record->key_bytes, &value)
               : !history_value_get(record->value, (uint32_t)record->value_bytes, &value))
        return false;
    if (in_key) {
        model_record_make(&made, value, record->value_bytes, false, small);
        if (!same_bytes(record->value, record->value_bytes, small, record->value_bytes))
            return false;
    } else { /* the value was compared; what is left does not depend on it */
        put_key(&made, value, false);
        put_headers(&made, value);
    }
    *value_out = value;
    return same_bytes(record->key, record->key_bytes, made.key, made.record.key_bytes) &&
           same_headers(record, &made);
}
