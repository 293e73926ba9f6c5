#include "broker/metadata/records.h"

#include "base/check.h"

#include <stdio.h>
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

enum metadata_use metadata_type_use(int16_t type)
{
    switch ((enum metadata_type)type) {
    case METADATA_REGISTER_BROKER:
    case METADATA_UNREGISTER_BROKER:
    case METADATA_TOPIC:
    case METADATA_PARTITION:
    case METADATA_CONFIG:
    case METADATA_PARTITION_CHANGE:
    case METADATA_FENCE_BROKER:
    case METADATA_UNFENCE_BROKER:
    case METADATA_REMOVE_TOPIC:
    case METADATA_FEATURE_LEVEL:
    case METADATA_PRODUCER_IDS:
    case METADATA_BROKER_REGISTRATION_CHANGE:
    case METADATA_BEGIN_TRANSACTION:
    case METADATA_END_TRANSACTION:
    case METADATA_ABORT_TRANSACTION:
        return METADATA_ACTED_ON;
    case METADATA_NO_OP:
    case METADATA_ZK_MIGRATION_STATE: /* Kafka 4 reads it and forgets it */
    case METADATA_REGISTER_CONTROLLER:
    case METADATA_UNREGISTER_CONTROLLER:
    case METADATA_CLEAR_ELR: /* eligible replicas (KIP-966): one broker elects itself */
        return METADATA_PASSED_OVER;
    case METADATA_DELEGATION_TOKEN:
    case METADATA_USER_SCRAM_CREDENTIAL:
    case METADATA_CLIENT_QUOTA:
    case METADATA_ACCESS_CONTROL_ENTRY:
    case METADATA_REMOVE_ACCESS_CONTROL_ENTRY:
    case METADATA_REMOVE_USER_SCRAM_CREDENTIAL:
    case METADATA_REMOVE_DELEGATION_TOKEN:
        break;
    }
    return METADATA_KEPT;
}

enum err metadata_record_encode(const struct metadata_record *record, struct wire_writer *writer)
{
    if (record->body == NULL) {
        wire_write_raw(writer, record->opaque, record->opaque_bytes);
        return OK; /* a failure is the writer's, and stays in it */
    }
    return record_encode_value(record_find(RECORD_METADATA, (int16_t)record->type), record->version,
                               record->body, writer);
}

enum err metadata_record_decode(const uint8_t *value, size_t size_bytes, struct arena *arena,
                                struct metadata_record *out)
{
    const struct record_desc *desc;
    struct wire_reader reader;
    enum metadata_use use;
    int16_t type;
    int16_t version;
    void *body;
    enum err err;

    wire_reader_init(&reader, value, size_bytes);
    err = record_read_metadata_prefix(&reader, &type, &version);
    if (err != OK)
        return err == ERR_TRUNCATED ? ERR_MALFORMED : err;
    *out = (struct metadata_record){.type = (enum metadata_type)type, .version = version};
    use = metadata_type_use(type);
    desc = record_find(RECORD_METADATA, type);
    if (use == METADATA_KEPT ||
        (use == METADATA_PASSED_OVER && version > desc->value->max_version)) {
        out->opaque = value;
        out->opaque_bytes = size_bytes;
        return OK;
    }
    if (!codec_has_version(desc->value, version))
        return version > desc->value->max_version ? ERR_NEWER_FORMAT : ERR_MALFORMED;
    body = arena_alloc(arena, desc->value->body->size_bytes);
    if (body == NULL)
        return ERR_NOMEM;
    err = codec_decode(desc->value, version, &reader, arena, body);
    if (err != OK)
        return err == ERR_TRUNCATED ? ERR_MALFORMED : err;
    if (wire_reader_left(&reader) > 0)
        return ERR_MALFORMED;
    out->body = body;
    return OK;
}

void metadata_record_describe(const uint8_t *value, size_t size_bytes, char *out,
                              size_t out_max_bytes)
{
    const struct record_desc *desc;
    struct wire_reader reader;
    int16_t type;
    int16_t version;
    enum err err;

    wire_reader_init(&reader, value, size_bytes);
    err = record_read_metadata_prefix(&reader, &type, &version);
    desc = err == OK ? record_find(RECORD_METADATA, type) : NULL;
    if (err != OK)
        snprintf(out, out_max_bytes, "a record of an unknown frame");
    else if (desc == NULL)
        snprintf(out, out_max_bytes, "a record of type %d, version %d", type, version);
    else
        snprintf(out, out_max_bytes, "%s version %d", desc->value->name, version);
}
