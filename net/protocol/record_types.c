#include "net/protocol/record_types.h"

#include "net/protocol/kafka_tables.h"

const struct record_desc *record_find(enum record_family family, int16_t type)
{
    for (int i = 0; i < KAFKA_RECORD_COUNT; i++) {
        if (kafka_records[i].family == family && kafka_records[i].type == type)
            return &kafka_records[i];
    }
    return NULL;
}

enum err record_encode_key(const struct record_desc *record, const void *key,
                           struct wire_writer *writer)
{
    check(record->key != NULL);
    wire_write_int16(writer, record->type);
    return codec_encode(record->key, 0, key, writer);
}

enum err record_encode_value(const struct record_desc *record, int16_t version, const void *value,
                             struct wire_writer *writer)
{
    check(version >= 0);
    if (record->family == RECORD_METADATA) {
        wire_write_uvarint(writer, RECORD_METADATA_FRAME_VERSION);
        wire_write_uvarint(writer, (uint32_t)record->type);
        wire_write_uvarint(writer, (uint32_t)version);
    } else {
        wire_write_int16(writer, version);
    }
    return codec_encode(record->value, version, value, writer);
}

enum err record_read_key_type(struct wire_reader *reader, enum record_family family,
                              const struct record_desc **out)
{
    const struct record_desc *record;
    int16_t type;
    enum err err = wire_read_int16(reader, &type);

    if (err)
        return err;
    record = record_find(family, type);
    if (record == NULL)
        return ERR_NOT_FOUND;
    *out = record;
    return OK;
}

static enum err check_version(const struct message_desc *desc, int16_t version)
{
    if (version > desc->max_version)
        return ERR_NEWER_FORMAT;
    return version < desc->min_version ? ERR_MALFORMED : OK;
}

enum err record_read_value_version(struct wire_reader *reader, const struct record_desc *record,
                                   int16_t *version)
{
    int16_t found;
    enum err err = wire_read_int16(reader, &found);

    if (!err)
        err = check_version(record->value, found);
    if (err)
        return err;
    *version = found;
    return OK;
}

enum err record_read_metadata_prefix(struct wire_reader *reader, int16_t *type, int16_t *version)
{
    uint32_t frame, found_type, found;
    enum err err = wire_read_uvarint(reader, &frame);

    if (err)
        return err;
    if (frame != RECORD_METADATA_FRAME_VERSION)
        return ERR_NEWER_FORMAT;
    err = wire_read_uvarint(reader, &found_type);
    if (!err)
        err = wire_read_uvarint(reader, &found);
    if (err)
        return err;
    if (found_type > INT16_MAX || found > INT16_MAX)
        return ERR_MALFORMED;
    *type = (int16_t)found_type;
    *version = (int16_t)found;
    return OK;
}

enum err record_decode_consumer_protocol(const struct message_desc *desc,
                                         struct wire_reader *reader, struct arena *arena, void *out)
{
    int16_t version;
    enum err err = wire_read_int16(reader, &version);

    if (err)
        return err;
    if (version < desc->min_version)
        return ERR_MALFORMED;
    if (version > desc->max_version)
        version = desc->max_version;
    return codec_decode(desc, version, reader, arena, out);
}

enum err record_encode_consumer_protocol(const struct message_desc *desc, int16_t version,
                                         const void *message, struct wire_writer *writer)
{
    wire_write_int16(writer, version);
    return codec_encode(desc, version, message, writer);
}
