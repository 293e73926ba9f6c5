#include "broker/metadata/records.h"

#include "base/check.h"

#include <string.h>

void metadata_records_init(struct metadata_records *records, struct arena *arena)
{
    *records = (struct metadata_records){.arena = arena};
}

static bool grow(struct metadata_records *records)
{
    uint32_t max = records->max == 0 ? 16 : records->max * 2;
    struct metadata_record *items =
        arena_alloc_array(records->arena, max, sizeof(struct metadata_record));

    if (items == NULL)
        return false;
    if (records->count > 0)
        memcpy(items, records->items, records->count * sizeof(*items));
    records->items = items;
    records->max = max;
    return true;
}

void *metadata_records_add(struct metadata_records *records, enum metadata_type type,
                           int16_t version)
{
    const struct record_desc *desc = record_find(RECORD_METADATA, (int16_t)type);
    void *body;

    check(desc != NULL);
    if (records->count == records->max && !grow(records))
        return NULL;
    body = arena_alloc(records->arena, desc->value->body->size_bytes);
    if (body == NULL)
        return NULL;
    codec_set_defaults(desc->value, body);
    records->items[records->count++] =
        (struct metadata_record){.type = type, .version = version, .body = body};
    return body;
}

enum err metadata_record_encode(const struct metadata_record *record, struct wire_writer *writer)
{
    return record_encode_value(record_find(RECORD_METADATA, (int16_t)record->type), record->version,
                               record->body, writer);
}

enum err metadata_record_decode(const uint8_t *value, size_t size_bytes, struct arena *arena,
                                struct metadata_record *out)
{
    const struct record_desc *desc;
    struct wire_reader reader;
    int16_t version;
    void *body;
    enum err err;

    wire_reader_init(&reader, value, size_bytes);
    err = record_read_metadata_prefix(&reader, &desc, &version);
    if (err == ERR_NOT_FOUND)
        return ERR_NEWER_FORMAT;
    if (err != OK)
        return err;
    body = arena_alloc(arena, desc->value->body->size_bytes);
    if (body == NULL)
        return ERR_NOMEM;
    err = codec_decode(desc->value, version, &reader, arena, body);
    if (err != OK)
        return err == ERR_TRUNCATED ? ERR_MALFORMED : err;
    if (wire_reader_left(&reader) > 0)
        return ERR_MALFORMED;
    *out = (struct metadata_record){
        .type = (enum metadata_type)desc->type, .version = version, .body = body};
    return OK;
}
