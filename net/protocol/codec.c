/* Reading, writing and defaults; codec_equal.c and codec_print.c hold the rest of codec.h.
 *
 * Decode and encode mirror each other: a struct is its untagged fields in order, then, in flexible
 * versions, the tagged section: count, then by ascending tag: tag, size, value. */
#include "net/protocol/codec.h"

#include "net/protocol/field_type.h"

enum { TAGGED_CHUNK_BYTES = 256 };

/* What an empty text or run of bytes points at. */
static const uint8_t nothing[1];

/* -- defaults --------------------------------------------------------------------------------- */

static void set_default(const struct field_desc *field, void *at)
{
    bool null = (field->flags & FIELD_NULL_DEFAULT) != 0;

    if (field->flags & FIELD_ARRAY) {
        *(struct wire_array *)at = (struct wire_array){NULL, null ? -1 : 0};
        return;
    }
    switch ((enum field_type)field->type) {
    case FIELD_BOOL:
        *(bool *)at = field->default_number != 0;
        break;
    case FIELD_INT8:
        *(int8_t *)at = (int8_t)field->default_number;
        break;
    case FIELD_INT16:
    case FIELD_UINT16:
        *(int16_t *)at = (int16_t)field->default_number;
        break;
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_UVARINT:
    case FIELD_VARINT:
        *(int32_t *)at = (int32_t)field->default_number;
        break;
    case FIELD_INT64:
    case FIELD_FLOAT64:
    case FIELD_VARLONG:
        memcpy(at, &field->default_number, sizeof(int64_t));
        break;
    case FIELD_UUID:
        memset(at, 0, sizeof(struct uuid));
        break;
    case FIELD_STRING:
    case FIELD_VSTRING:
        *(struct wire_string *)at = (struct wire_string){null ? NULL : (const char *)nothing, 0};
        break;
    case FIELD_BYTES:
    case FIELD_VBYTES:
        *(struct wire_bytes *)at = (struct wire_bytes){null ? NULL : nothing, 0};
        break;
    case FIELD_RECORDS:
        *(struct wire_records *)at = (struct wire_records){.is_null = null};
        break;
    case FIELD_STRUCT:
        if (field->flags & FIELD_POINTER)
            *(const void **)at = field->default_struct;
        else
            codec_set_struct_defaults(field->element, at);
        break;
    }
}

void codec_set_struct_defaults(const struct struct_desc *desc, void *out)
{
    memset(out, 0, desc->size_bytes);
    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!(field->flags & FIELD_ZERO_DEFAULT))
            set_default(field, (uint8_t *)out + field->offset);
    }
}

void codec_set_defaults(const struct message_desc *desc, void *out)
{
    codec_set_struct_defaults(desc->body, out);
}

void *codec_new_array(const struct struct_desc *desc, struct arena *arena, size_t count)
{
    uint8_t *items = arena_alloc_array(arena, count == 0 ? 1 : count, desc->size_bytes);

    if (items == NULL || count == 0)
        return items;
    codec_set_struct_defaults(desc, items);
    for (size_t i = 1; i < count; i++)
        memcpy(items + i * desc->size_bytes, items, desc->size_bytes);
    return items;
}

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

/* -- decoding --------------------------------------------------------------------------------- */

struct decoder {
    struct arena *arena;
    int16_t version;
    uint16_t version_index; /* into min_size_bytes */
    bool flexible;
};

static enum err decode_struct(const struct decoder *decoder, const struct struct_desc *desc,
                              struct wire_reader *reader, uint8_t *out);

static inline enum err decode_number(const struct field_desc *field, struct wire_reader *reader,
                                     void *at)
{
    switch ((enum field_type)field->type) {
    case FIELD_BOOL:
        return wire_read_bool(reader, at);
    case FIELD_INT8:
        return wire_read_int8(reader, at);
    case FIELD_INT16:
    case FIELD_UINT16:
        return wire_read_int16(reader, at);
    case FIELD_INT32:
    case FIELD_UINT32:
        return wire_read_int32(reader, at);
    case FIELD_INT64:
        return wire_read_int64(reader, at);
    case FIELD_FLOAT64:
        return wire_read_float64(reader, at);
    case FIELD_UUID:
        return wire_read_uuid(reader, at);
    case FIELD_UVARINT:
        return wire_read_uvarint(reader, at);
    case FIELD_VARINT:
        return wire_read_varint(reader, at);
    case FIELD_VARLONG:
        return wire_read_varlong(reader, at);
    default:
        check(false); /* the other types are not numbers */
    }
}

static enum err decode_string(struct wire_reader *reader, bool compact, bool nullable,
                              struct wire_string *out)
{
    enum err err = wire_read_string(reader, compact, out);

    if (!err && out->text == NULL && !nullable)
        return ERR_MALFORMED;
    return err;
}

static enum err decode_bytes(struct wire_reader *reader, bool compact, bool nullable,
                             struct wire_bytes *out)
{
    enum err err = wire_read_bytes(reader, compact, out);

    if (!err && out->bytes == NULL && !nullable)
        return ERR_MALFORMED;
    return err;
}

/* A varint length, -1 for null, and bytes: keys, values and headers inside a record. */
static enum err decode_vbytes(struct wire_reader *reader, bool nullable, const uint8_t **bytes,
                              int32_t *size_bytes)
{
    int32_t length;
    enum err err = wire_read_varint(reader, &length);

    if (err)
        return err;
    if (length < -1 || (length == -1 && !nullable))
        return ERR_MALFORMED;
    *bytes = NULL;
    *size_bytes = length < 0 ? 0 : length;
    return length < 0 ? OK : wire_read_raw(reader, (size_t)length, bytes);
}

static enum err decode_records(const struct decoder *decoder, struct wire_reader *reader,
                               bool compact, bool nullable, struct wire_records *out)
{
    struct wire_bytes bytes;
    struct wire_slice *slice;
    enum err err = decode_bytes(reader, compact, nullable, &bytes);

    if (err)
        return err;
    *out = (struct wire_records){.is_null = bytes.bytes == NULL};
    if (bytes.size_bytes == 0)
        return OK;
    slice = arena_alloc(decoder->arena, sizeof(*slice));
    if (slice == NULL)
        return ERR_NOMEM;
    slice->bytes = bytes.bytes;
    slice->size_bytes = (uint32_t)bytes.size_bytes;
    out->slices = slice;
    out->slice_count = 1;
    out->size_bytes = slice->size_bytes;
    return OK;
}

static enum err decode_pointer(const struct decoder *decoder, const struct field_desc *field,
                               struct wire_reader *reader, const void **out)
{
    uint8_t *target = arena_alloc(decoder->arena, field->element->size_bytes);

    if (target == NULL)
        return ERR_NOMEM;
    *out = target;
    return decode_struct(decoder, field->element, reader, target);
}

static enum err decode_array(const struct decoder *decoder, const struct field_desc *field,
                             struct wire_reader *reader, bool nullable, struct wire_array *out);

/* One value where it stands in sequence. */
static inline enum err decode_value(const struct decoder *decoder, const struct field_desc *field,
                                    struct wire_reader *reader, void *at)
{
    bool compact = decoder->flexible && !(field->flags & FIELD_NOFLEX);
    bool nullable = version_in(decoder->version, &field->nullable);
    int8_t present;
    enum err err;

    if (field->flags & FIELD_ARRAY)
        return decode_array(decoder, field, reader, nullable, at);
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
        return decode_string(reader, compact, nullable, at);
    case FIELD_BYTES:
        return decode_bytes(reader, compact, nullable, at);
    case FIELD_RECORDS:
        return decode_records(decoder, reader, compact, nullable, at);
    case FIELD_VSTRING: {
        struct wire_string *string = at;
        const uint8_t *bytes = NULL;
        err = decode_vbytes(reader, nullable, &bytes, &string->size_bytes);
        string->text = (const char *)bytes;
        return err;
    }
    case FIELD_VBYTES: {
        struct wire_bytes *bytes = at;
        return decode_vbytes(reader, nullable, &bytes->bytes, &bytes->size_bytes);
    }
    case FIELD_STRUCT:
        if (!(field->flags & FIELD_POINTER))
            return decode_struct(decoder, field->element, reader, at);
        if (nullable) {
            err = wire_read_int8(reader, &present);
            if (err)
                return err;
            if (present == -1) {
                *(const void **)at = NULL;
                return OK;
            }
            if (present != 1)
                return ERR_MALFORMED;
        }
        return decode_pointer(decoder, field, reader, at);
    default:
        return decode_number(field, reader, at);
    }
}

static enum err decode_items(const struct decoder *decoder, const struct field_desc *field,
                             struct wire_reader *reader, uint8_t *items, size_t count)
{
    bool compact = decoder->flexible && !(field->flags & FIELD_NOFLEX);
    size_t item_bytes = field_item_bytes(field);
    enum err err = OK;

    switch ((enum field_type)field->type) {
    case FIELD_INT32:
    case FIELD_UINT32:
        /* all of it is there: decode_array compared the count to the bytes left */
        for (size_t i = 0; i < count; i++) {
            uint32_t value;
            memcpy(&value, reader->next + i * sizeof(value), sizeof(value));
            ((uint32_t *)(void *)items)[i] = __builtin_bswap32(value);
        }
        reader->next += count * sizeof(uint32_t);
        return OK;
    case FIELD_STRUCT:
        for (size_t i = 0; i < count && !err; i++)
            err = decode_struct(decoder, field->element, reader, items + i * item_bytes);
        return err;
    case FIELD_STRING:
        for (size_t i = 0; i < count && !err; i++)
            err = decode_string(reader, compact, false, (void *)(items + i * item_bytes));
        return err;
    case FIELD_BYTES:
        for (size_t i = 0; i < count && !err; i++)
            err = decode_bytes(reader, compact, false, (void *)(items + i * item_bytes));
        return err;
    default:
        for (size_t i = 0; i < count && !err; i++)
            err = decode_number(field, reader, items + i * item_bytes);
        return err;
    }
}

static enum err decode_array(const struct decoder *decoder, const struct field_desc *field,
                             struct wire_reader *reader, bool nullable, struct wire_array *out)
{
    size_t item_min_bytes = field_item_min_bytes(field, decoder->version_index, decoder->flexible);
    int32_t count;
    enum err err;

    if (field->flags & FIELD_VARRAY)
        err = wire_read_varint(reader, &count);
    else
        err = wire_read_length(reader, decoder->flexible, &count);
    if (err)
        return err;
    if (count < -1 || (count == -1 && !nullable))
        return ERR_MALFORMED;
    out->items = NULL;
    out->count = count;
    if (count <= 0)
        return OK;
    if ((size_t)count > wire_reader_left(reader) / item_min_bytes)
        return ERR_TRUNCATED;
    out->items = arena_alloc_array(decoder->arena, (size_t)count, field_item_bytes(field));
    if (out->items == NULL)
        return ERR_NOMEM;
    return decode_items(decoder, field, reader, out->items, (size_t)count);
}

static enum err decode_tagged_value(const struct decoder *decoder, const struct field_desc *field,
                                    struct wire_reader *reader, void *at)
{
    uint32_t present;
    enum err err;

    if (!(field->flags & FIELD_POINTER) || !version_in(decoder->version, &field->nullable))
        return decode_value(decoder, field, reader, at);
    err = wire_read_uvarint(reader, &present);
    if (err)
        return err;
    if (present > 1)
        return ERR_MALFORMED;
    *(const void **)at = NULL;
    return present == 0 ? OK : decode_pointer(decoder, field, reader, at);
}

static const struct field_desc *find_tagged(const struct struct_desc *desc, int16_t version,
                                            uint32_t tag)
{
    for (unsigned i = 0; i < desc->tagged_count; i++) {
        const struct field_desc *field = &desc->fields[desc->tagged[i]];
        if (field->tag == tag && version_in(version, &field->tagged))
            return field;
    }
    return NULL;
}

static enum err decode_tagged_section(const struct decoder *decoder, const struct struct_desc *desc,
                                      struct wire_reader *reader, uint8_t *out)
{
    uint32_t count, tag, size_bytes;
    int64_t tag_before = -1;
    enum err err = wire_read_uvarint(reader, &count);

    for (; !err && count > 0; count--) {
        const struct field_desc *field;
        const uint8_t *bytes;
        struct wire_reader inner;

        err = wire_read_uvarint(reader, &tag);
        if (!err)
            err = wire_read_uvarint(reader, &size_bytes);
        if (!err)
            err = wire_read_raw(reader, size_bytes, &bytes);
        if (err)
            return err;
        if (tag <= tag_before)
            return ERR_MALFORMED;
        tag_before = tag;
        field = find_tagged(desc, decoder->version, tag);
        if (field == NULL)
            continue;
        wire_reader_init(&inner, bytes, size_bytes);
        err = decode_tagged_value(decoder, field, &inner, out + field->offset);
        if (err == ERR_TRUNCATED || (!err && wire_reader_left(&inner) != 0))
            return ERR_MALFORMED; /* the stated size is wrong */
    }
    return err;
}

/* out is zeroed. */
static enum err decode_struct(const struct decoder *decoder, const struct struct_desc *desc,
                              struct wire_reader *reader, uint8_t *out)
{
    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        enum err err;

        if (!version_in(decoder->version, &field->present) ||
            version_in(decoder->version, &field->tagged)) {
            if (!(field->flags & FIELD_ZERO_DEFAULT))
                set_default(field, out + field->offset);
            continue;
        }
        err = decode_value(decoder, field, reader, out + field->offset);
        if (err)
            return err;
    }
    return decoder->flexible ? decode_tagged_section(decoder, desc, reader, out) : OK;
}

enum err codec_decode(const struct message_desc *desc, int16_t version, struct wire_reader *reader,
                      struct arena *arena, void *out)
{
    struct decoder decoder = {
        .arena = arena,
        .version = version,
        .flexible = version >= desc->flexible_min,
    };

    if (!codec_has_version(desc, version))
        return ERR_UNSUPPORTED;
    decoder.version_index = (uint16_t)(version - desc->min_version);
    memset(out, 0, desc->body->size_bytes);
    return decode_struct(&decoder, desc->body, reader, out);
}

/* -- encoding --------------------------------------------------------------------------------- */

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
