#include "record/record.h"

#include "base/check.h"
#include "base/varint.h"

#include <string.h>

/* What is left of the bytes being read. */
struct cursor {
    const uint8_t *bytes;
    size_t left_bytes;
};

static enum err take_i32(struct cursor *cursor, int32_t *out)
{
    int used = varint_get_i32(cursor->bytes, cursor->left_bytes, out);

    if (used <= 0)
        return used == VARINT_TRUNCATED ? ERR_TRUNCATED : ERR_MALFORMED;
    cursor->bytes += used;
    cursor->left_bytes -= (size_t)used;
    return OK;
}

static enum err take_i64(struct cursor *cursor, int64_t *out)
{
    int used = varint_get_i64(cursor->bytes, cursor->left_bytes, out);

    if (used <= 0)
        return used == VARINT_TRUNCATED ? ERR_TRUNCATED : ERR_MALFORMED;
    cursor->bytes += used;
    cursor->left_bytes -= (size_t)used;
    return OK;
}

/* Length, then that many bytes; length -1 is null when that is allowed. */
static enum err take_bytes(struct cursor *cursor, bool nullable, const uint8_t **bytes_out,
                           int32_t *size_out)
{
    int32_t size_bytes;
    enum err err = take_i32(cursor, &size_bytes);

    if (err)
        return err;
    if (size_bytes < 0) {
        if (size_bytes != -1 || !nullable)
            return ERR_MALFORMED;
        *bytes_out = NULL;
        *size_out = -1;
        return OK;
    }
    if ((size_t)size_bytes > cursor->left_bytes)
        return ERR_TRUNCATED;
    *bytes_out = cursor->bytes;
    *size_out = size_bytes;
    cursor->bytes += size_bytes;
    cursor->left_bytes -= (size_t)size_bytes;
    return OK;
}

static enum err take_header(struct cursor *cursor, struct record_header *out)
{
    const uint8_t *key;
    const uint8_t *value;
    int32_t key_bytes;
    int32_t value_bytes;
    enum err err = take_bytes(cursor, false, &key, &key_bytes);

    if (err)
        return err;
    err = take_bytes(cursor, true, &value, &value_bytes);
    if (err)
        return err;
    *out = (struct record_header){
        .key = (const char *)key,
        .key_bytes = (uint32_t)key_bytes,
        .value = value,
        .value_bytes = value_bytes,
    };
    return OK;
}

/* The parts of a record; cursor holds exactly what its length field counts. */
static enum err take_body(struct cursor *cursor, struct record *out)
{
    struct record record = {0};
    struct record_header header;
    enum err err;

    if (cursor->left_bytes < 1)
        return ERR_MALFORMED;
    cursor->bytes++; /* attributes: no bit is in use */
    cursor->left_bytes--;
    err = take_i64(cursor, &record.timestamp_delta_ms);
    if (!err)
        err = take_i32(cursor, &record.offset_delta);
    if (!err)
        err = take_bytes(cursor, true, &record.key, &record.key_bytes);
    if (!err)
        err = take_bytes(cursor, true, &record.value, &record.value_bytes);
    if (!err)
        err = take_i32(cursor, &record.header_count);
    if (err)
        return err;
    if (record.header_count < 0)
        return ERR_MALFORMED;
    record.header_data = cursor->bytes;
    record.header_data_bytes = (uint32_t)cursor->left_bytes;
    for (int32_t i = 0; i < record.header_count; i++) {
        err = take_header(cursor, &header);
        if (err)
            return err;
    }
    if (cursor->left_bytes != 0)
        return ERR_MALFORMED;
    *out = record;
    return OK;
}

enum err record_decode(const uint8_t *bytes, size_t size_bytes, struct record *out,
                       size_t *used_out)
{
    struct cursor cursor = {bytes, size_bytes};
    struct cursor body;
    int32_t body_bytes;
    enum err err = take_i32(&cursor, &body_bytes);

    if (err)
        return err;
    if (body_bytes < 0)
        return ERR_MALFORMED;
    if ((size_t)body_bytes > cursor.left_bytes)
        return ERR_TRUNCATED;
    body = (struct cursor){cursor.bytes, (size_t)body_bytes};
    err = take_body(&body, out);
    if (err)
        return ERR_MALFORMED; /* whatever it was: the record is all there */
    *used_out = size_bytes - cursor.left_bytes + (size_t)body_bytes;
    return OK;
}

static size_t bytes_size(int32_t size_bytes)
{
    return varint_size_i32(size_bytes) + (size_bytes > 0 ? (size_t)size_bytes : 0);
}

/* What the length field counts; 0 when it cannot be encoded. */
static size_t body_size(const struct record *record)
{
    size_t size_bytes;

    if (record->key_bytes < -1 || record->value_bytes < -1 || record->header_count < 0)
        return 0;
    size_bytes = 1 + varint_size_i64(record->timestamp_delta_ms) +
                 varint_size_i32(record->offset_delta) + bytes_size(record->key_bytes) +
                 bytes_size(record->value_bytes) + varint_size_i32(record->header_count);
    if (!record->headers)
        return size_bytes + record->header_data_bytes;
    for (int32_t i = 0; i < record->header_count; i++) {
        const struct record_header *header = &record->headers[i];

        if (header->key_bytes > INT32_MAX || header->value_bytes < -1)
            return 0;
        size_bytes += bytes_size((int32_t)header->key_bytes) + bytes_size(header->value_bytes);
    }
    return size_bytes;
}

size_t record_size(const struct record *record)
{
    size_t size_bytes = body_size(record);

    if (size_bytes == 0 || size_bytes > RECORD_MAX_BYTES)
        return 0;
    size_bytes += varint_size_i32((int32_t)size_bytes);
    return size_bytes > RECORD_MAX_BYTES ? 0 : size_bytes;
}

static uint8_t *put_i32(uint8_t *to, int32_t value)
{
    return to + varint_put_i32(to, VARINT_U32_MAX_BYTES, value);
}

static uint8_t *put_bytes(uint8_t *to, const void *bytes, int32_t size_bytes)
{
    size_t used = varint_put_i32(to, varint_size_i32(size_bytes), size_bytes);

    check(used > 0);
    to += used;
    if (size_bytes > 0) {
        memcpy(to, bytes, (size_t)size_bytes);
        to += size_bytes;
    }
    return to;
}

static uint8_t *put_headers(uint8_t *to, const struct record *record)
{
    if (!record->headers) {
        if (record->header_data_bytes > 0)
            memcpy(to, record->header_data, record->header_data_bytes);
        return to + record->header_data_bytes;
    }
    for (int32_t i = 0; i < record->header_count; i++) {
        const struct record_header *header = &record->headers[i];

        to = put_bytes(to, header->key, (int32_t)header->key_bytes);
        to = put_bytes(to, header->value, header->value_bytes);
    }
    return to;
}

size_t record_encode(const struct record *record, uint8_t *bytes, size_t max_bytes)
{
    size_t total_bytes = record_size(record);
    uint8_t *to = bytes;

    if (total_bytes == 0 || total_bytes > max_bytes)
        return 0;
    to = put_i32(to, (int32_t)body_size(record));
    *to++ = 0;
    to += varint_put_i64(to, VARINT_U64_MAX_BYTES, record->timestamp_delta_ms);
    to = put_i32(to, record->offset_delta);
    to = put_bytes(to, record->key, record->key_bytes);
    to = put_bytes(to, record->value, record->value_bytes);
    to = put_i32(to, record->header_count);
    to = put_headers(to, record);
    check((size_t)(to - bytes) == total_bytes);
    return total_bytes;
}

void record_init(struct record *out, const void *key, int32_t key_bytes, const void *value,
                 int32_t value_bytes)
{
    *out = (struct record){
        .key = key,
        .key_bytes = key_bytes,
        .value = value,
        .value_bytes = value_bytes,
    };
}

void record_walk_init(struct record_walk *walk, const uint8_t *bytes, size_t size_bytes,
                      int32_t record_count)
{
    *walk = (struct record_walk){
        .bytes = bytes,
        .size_bytes = size_bytes,
        .left_count = record_count,
    };
}

enum err record_next(struct record_walk *walk, struct record *out)
{
    size_t used;
    enum err err;

    if (walk->left_count <= 0)
        return walk->pos == walk->size_bytes ? ERR_NOT_FOUND : ERR_MALFORMED;
    err = record_decode(walk->bytes + walk->pos, walk->size_bytes - walk->pos, out, &used);
    if (err)
        return err;
    walk->pos += used;
    walk->left_count--;
    return OK;
}

void record_header_walk_init(struct record_header_walk *walk, const struct record *record)
{
    *walk = (struct record_header_walk){
        .bytes = record->header_data,
        .size_bytes = record->header_data_bytes,
        .left_count = record->header_count,
    };
}

enum err record_header_next(struct record_header_walk *walk, struct record_header *out)
{
    struct cursor cursor = {walk->bytes, walk->size_bytes};

    if (walk->left_count <= 0)
        return ERR_NOT_FOUND;
    if (take_header(&cursor, out))
        return ERR_MALFORMED;
    walk->bytes = cursor.bytes;
    walk->size_bytes = cursor.left_bytes;
    walk->left_count--;
    return OK;
}
