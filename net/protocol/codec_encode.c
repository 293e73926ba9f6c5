/* codec_encode of codec.h: a message to the wire.
 *
 * Mirrors codec_decode.c, whose head says how a struct lies there; the value of a tagged field is
 * written aside first, because its size stands in front. */
#include "net/protocol/codec.h"
#include "net/protocol/field_type.h"

enum { TAGGED_CHUNK_BYTES = 256 };

static bool struct_is_default(const struct struct_desc *desc, const uint8_t *at);

static bool is_default(const struct field_desc *field, const void *at)
{
    bool null = (field->flags & FIELD_NULL_DEFAULT) != 0;

    if (field->flags & FIELD_ARRAY)
        return ((const struct wire_array *)at)->count == (null ? -1 : 0);
    switch ((enum field_type)field->type) {
    case FIELD_BOOL:
        return *(const bool *)at == (field->default_number != 0);
    case FIELD_INT8:
        return *(const int8_t *)at == (int8_t)field->default_number;
    case FIELD_INT16:
    case FIELD_UINT16:
        return *(const int16_t *)at == (int16_t)field->default_number;
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_UVARINT:
    case FIELD_VARINT:
        return *(const int32_t *)at == (int32_t)field->default_number;
    case FIELD_INT64:
    case FIELD_FLOAT64:
    case FIELD_VARLONG:
        return memcmp(at, &field->default_number, sizeof(int64_t)) == 0;
    case FIELD_UUID:
        return uuid_is_zero(at);
    case FIELD_STRING:
    case FIELD_VSTRING: {
        const struct wire_string *string = at;
        return null ? string->text == NULL : string->text != NULL && string->size_bytes == 0;
    }
    case FIELD_BYTES:
    case FIELD_VBYTES: {
        const struct wire_bytes *bytes = at;
        return null ? bytes->bytes == NULL : bytes->bytes != NULL && bytes->size_bytes == 0;
    }
    case FIELD_RECORDS: {
        const struct wire_records *records = at;
        return null ? records->is_null : !records->is_null && records->size_bytes == 0;
    }
    case FIELD_STRUCT:
        if (field->flags & FIELD_POINTER)
            at = *(const void *const *)at;
        if (null || at == NULL)
            return null && at == NULL;
        return struct_is_default(field->element, at);
    }
    return false;
}

static bool struct_is_default(const struct struct_desc *desc, const uint8_t *at)
{
    for (unsigned i = 0; i < desc->field_count; i++) {
        if (!is_default(&desc->fields[i], at + desc->fields[i].offset))
            return false;
    }
    return true;
}

struct encoder {
    int16_t version;
    bool flexible;
};

static void encode_struct(const struct encoder *encoder, const struct struct_desc *desc,
                          const uint8_t *at, struct wire_writer *writer);

static inline void encode_number(const struct field_desc *field, const void *at,
                                 struct wire_writer *writer)
{
    switch ((enum field_type)field->type) {
    case FIELD_BOOL:
        wire_write_uint8(writer, *(const bool *)at);
        break;
    case FIELD_INT8:
        wire_write_int8(writer, *(const int8_t *)at);
        break;
    case FIELD_INT16:
    case FIELD_UINT16:
        wire_write_int16(writer, *(const int16_t *)at);
        break;
    case FIELD_INT32:
    case FIELD_UINT32:
        wire_write_int32(writer, *(const int32_t *)at);
        break;
    case FIELD_INT64:
        wire_write_int64(writer, *(const int64_t *)at);
        break;
    case FIELD_FLOAT64:
        wire_write_float64(writer, *(const double *)at);
        break;
    case FIELD_UUID:
        memcpy(wire_writer_reserve(writer, sizeof(struct uuid)), at, sizeof(struct uuid));
        break;
    case FIELD_UVARINT:
        wire_write_uvarint(writer, *(const uint32_t *)at);
        break;
    case FIELD_VARINT:
        wire_write_varint(writer, *(const int32_t *)at);
        break;
    case FIELD_VARLONG:
        wire_write_varlong(writer, *(const int64_t *)at);
        break;
    default:
        check(false); /* the other types are not numbers */
    }
}

static void encode_vbytes(const void *bytes, int32_t size_bytes, struct wire_writer *writer)
{
    wire_write_varint(writer, bytes == NULL ? -1 : size_bytes);
    if (bytes != NULL)
        wire_write_raw(writer, bytes, (size_t)size_bytes);
}

/* Lists of partitions and of replicas: as many at a time as the writer has contiguous room for. */
static void encode_int32s(const int32_t *items, size_t count, struct wire_writer *writer)
{
    enum { AT_ONCE = WIRE_SINK_BYTES / sizeof(int32_t) };

    while (count > 0) {
        size_t now = count < AT_ONCE ? count : AT_ONCE;
        uint8_t *room = wire_writer_reserve(writer, now * sizeof(*items));
        for (size_t i = 0; i < now; i++) {
            uint32_t value = __builtin_bswap32((uint32_t)items[i]);
            memcpy(room + i * sizeof(value), &value, sizeof(value));
        }
        items += now;
        count -= now;
    }
}

static void encode_array(const struct encoder *encoder, const struct field_desc *field,
                         const struct wire_array *array, struct wire_writer *writer)
{
    bool compact = encoder->flexible && !(field->flags & FIELD_NOFLEX);
    size_t item_bytes = field_item_bytes(field);
    const uint8_t *item = array->items;

    check(array->count >= -1);
    if (field->flags & FIELD_VARRAY)
        wire_write_varint(writer, array->count);
    else
        wire_write_length(writer, encoder->flexible, array->count);
    if (field->type == FIELD_INT32 && array->count > 0) {
        encode_int32s((const int32_t *)array->items, (size_t)array->count, writer);
        return;
    }
    for (int32_t i = 0; i < array->count && !writer->err; i++, item += item_bytes) {
        switch ((enum field_type)field->type) {
        case FIELD_STRUCT:
            encode_struct(encoder, field->element, item, writer);
            break;
        case FIELD_STRING: {
            const struct wire_string *string = (const void *)item;
            if (string->text == NULL)
                wire_writer_fail(writer, ERR_INVALID);
            wire_write_string(writer, compact, *string);
            break;
        }
        case FIELD_BYTES: {
            const struct wire_bytes *bytes = (const void *)item;
            if (bytes->bytes == NULL)
                wire_writer_fail(writer, ERR_INVALID);
            wire_write_bytes(writer, compact, *bytes);
            break;
        }
        default:
            encode_number(field, item, writer);
        }
    }
}

/* One value where it stands in sequence, or the value of a tagged field. */
static void encode_value(const struct encoder *encoder, const struct field_desc *field,
                         const void *at, bool tagged, struct wire_writer *writer)
{
    bool compact = encoder->flexible && !(field->flags & FIELD_NOFLEX);

    if (!version_in(encoder->version, &field->nullable) && field_is_null(field, at)) {
        wire_writer_fail(writer, ERR_INVALID);
        return;
    }
    if (field->flags & FIELD_ARRAY) {
        encode_array(encoder, field, at, writer);
        return;
    }
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
        wire_write_string(writer, compact, *(const struct wire_string *)at);
        break;
    case FIELD_BYTES:
        wire_write_bytes(writer, compact, *(const struct wire_bytes *)at);
        break;
    case FIELD_RECORDS:
        wire_write_records(writer, compact, at);
        break;
    case FIELD_VSTRING: {
        const struct wire_string *string = at;
        encode_vbytes(string->text, string->size_bytes, writer);
        break;
    }
    case FIELD_VBYTES: {
        const struct wire_bytes *bytes = at;
        encode_vbytes(bytes->bytes, bytes->size_bytes, writer);
        break;
    }
    case FIELD_STRUCT:
        if (field->flags & FIELD_POINTER) {
            at = *(const void *const *)at;
            if (version_in(encoder->version, &field->nullable)) {
                /* tagged: an unsigned varint 0 or 1; in sequence: an int8 -1 or 1 */
                wire_write_int8(writer, at != NULL ? 1 : tagged ? 0 : -1);
            }
        }
        if (at != NULL)
            encode_struct(encoder, field->element, at, writer);
        break;
    default:
        encode_number(field, at, writer);
    }
}

static bool is_sent_tagged(const struct encoder *encoder, const struct field_desc *field,
                           const uint8_t *at)
{
    return version_in(encoder->version, &field->present) &&
           version_in(encoder->version, &field->tagged) && !is_default(field, at + field->offset);
}

static void encode_tagged_section(const struct encoder *encoder, const struct struct_desc *desc,
                                  const uint8_t *at, struct wire_writer *writer)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < desc->tagged_count; i++)
        count += is_sent_tagged(encoder, &desc->fields[desc->tagged[i]], at);
    wire_write_uvarint(writer, count);
    for (unsigned i = 0; count > 0; i++) {
        const struct field_desc *field = &desc->fields[desc->tagged[i]];
        uint8_t chunk[TAGGED_CHUNK_BYTES];
        struct wire_writer inner;

        if (!is_sent_tagged(encoder, field, at))
            continue;
        /* the size stands in front, so the value is written aside first */
        wire_writer_init_with(&inner, writer->arena, chunk, sizeof(chunk));
        encode_value(encoder, field, at + field->offset, true, &inner);
        wire_write_uvarint(writer, field->tag);
        wire_write_uvarint(writer, (uint32_t)wire_writer_size(&inner));
        wire_write_writer(writer, &inner);
        count--;
    }
}

static void encode_struct(const struct encoder *encoder, const struct struct_desc *desc,
                          const uint8_t *at, struct wire_writer *writer)
{
    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];

        if (!version_in(encoder->version, &field->present)) {
            if (!(field->flags & FIELD_IGNORABLE) && !is_default(field, at + field->offset))
                wire_writer_fail(writer, ERR_UNSUPPORTED);
        } else if (!version_in(encoder->version, &field->tagged)) {
            encode_value(encoder, field, at + field->offset, false, writer);
        }
    }
    if (encoder->flexible)
        encode_tagged_section(encoder, desc, at, writer);
}

enum err codec_encode(const struct message_desc *desc, int16_t version, const void *message,
                      struct wire_writer *writer)
{
    struct encoder encoder = {.version = version, .flexible = version >= desc->flexible_min};

    if (!codec_has_version(desc, version))
        wire_writer_fail(writer, ERR_UNSUPPORTED);
    else
        encode_struct(&encoder, desc->body, message, writer);
    return writer->err;
}
