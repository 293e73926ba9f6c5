/* codec_decode of codec.h: a message from the wire.
 *
 * Mirrors codec_encode.c: a struct is its untagged fields in order, then, in flexible versions, the
 * tagged section: count, then by ascending tag: tag, size, value. */
#include "base/text.h"
#include "net/protocol/codec.h"
#include "net/protocol/codec_private.h"
#include "net/protocol/field_type.h"

struct decoder {
    struct arena *arena;
    int16_t version;
    uint16_t version_index; /* into min_size_bytes */
    bool flexible;
    uint64_t *elements_left;
};

/* So many elements more.  False: the message has too many. */
static bool count_elements(const struct decoder *decoder, uint64_t count)
{
    if (count > *decoder->elements_left)
        return false;
    *decoder->elements_left -= count;
    return true;
}

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

/* Kafka's decoder puts U+FFFD for what is not UTF-8 and goes on: whoever is told the name could not
 * read it otherwise. */
static enum err mend(const struct decoder *decoder, struct wire_string *text_io)
{
    size_t size_bytes = (size_t)text_io->size_bytes;
    char *space;

    if (text_io->text == NULL || text_is_utf8(text_io->text, size_bytes))
        return OK;
    space = arena_alloc(decoder->arena, size_bytes * 3);
    if (space == NULL)
        return ERR_NOMEM;
    size_bytes = text_utf8_mend(text_io->text, size_bytes, space);
    if (size_bytes > WIRE_STRING_BYTES_MAX)
        return ERR_MALFORMED; /* no answer could name it */
    *text_io = (struct wire_string){space, (int32_t)size_bytes};
    return OK;
}

static enum err decode_string(const struct decoder *decoder, struct wire_reader *reader,
                              bool compact, bool nullable, struct wire_string *out)
{
    enum err err = wire_read_string(reader, compact, out);

    if (!err && out->text == NULL && !nullable)
        return ERR_MALFORMED;
    return err ? err : mend(decoder, out);
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
        return decode_string(decoder, reader, compact, nullable, at);
    case FIELD_BYTES:
        return decode_bytes(reader, compact, nullable, at);
    case FIELD_RECORDS:
        return decode_records(decoder, reader, compact, nullable, at);
    case FIELD_VSTRING: {
        struct wire_string *string = at;
        const uint8_t *bytes = NULL;
        err = decode_vbytes(reader, nullable, &bytes, &string->size_bytes);
        string->text = (const char *)bytes;
        return err ? err : mend(decoder, string);
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
            err = decode_string(decoder, reader, compact, false, (void *)(items + i * item_bytes));
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
    if (!count_elements(decoder, (uint64_t)count))
        return ERR_TOO_LARGE;
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

    if (!err && !count_elements(decoder, count))
        return ERR_TOO_LARGE;
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
                codec_set_default(field, out + field->offset);
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
    return codec_decode_within(desc, version, reader, arena, UINT64_MAX, out);
}

enum err codec_decode_within(const struct message_desc *desc, int16_t version,
                             struct wire_reader *reader, struct arena *arena, uint64_t elements_max,
                             void *out)
{
    struct decoder decoder = {
        .arena = arena,
        .version = version,
        .flexible = version >= desc->flexible_min,
        .elements_left = &elements_max,
    };

    if (!codec_has_version(desc, version))
        return ERR_UNSUPPORTED;
    decoder.version_index = (uint16_t)(version - desc->min_version);
    memset(out, 0, desc->body->size_bytes);
    return decode_struct(&decoder, desc->body, reader, out);
}
