/* codec_equal of codec.h: two messages, field by field. */
#include "net/protocol/codec.h"
#include "net/protocol/field_type.h"

static bool structs_equal(const struct struct_desc *desc, int16_t version, const uint8_t *a,
                          const uint8_t *b);

/* Walks both lists of slices at once; the cuts may differ. */
static bool records_equal(const struct wire_records *a, const struct wire_records *b)
{
    uint32_t a_index = 0, b_index = 0, a_pos = 0, b_pos = 0;

    if (a->size_bytes != b->size_bytes)
        return false;
    for (uint32_t left_bytes = a->size_bytes; left_bytes > 0;) {
        uint32_t a_bytes, b_bytes, same_bytes;
        if (a_pos == a->slices[a_index].size_bytes) {
            a_index++;
            a_pos = 0;
            continue;
        }
        if (b_pos == b->slices[b_index].size_bytes) {
            b_index++;
            b_pos = 0;
            continue;
        }
        a_bytes = a->slices[a_index].size_bytes - a_pos;
        b_bytes = b->slices[b_index].size_bytes - b_pos;
        same_bytes = a_bytes < b_bytes ? a_bytes : b_bytes;
        if (memcmp(a->slices[a_index].bytes + a_pos, b->slices[b_index].bytes + b_pos,
                   same_bytes) != 0)
            return false;
        a_pos += same_bytes;
        b_pos += same_bytes;
        left_bytes -= same_bytes;
    }
    return true;
}

/* Neither is null. */
static bool items_equal(const struct field_desc *field, int16_t version, const void *a,
                        const void *b)
{
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
    case FIELD_VSTRING:
        return wire_string_equal(*(const struct wire_string *)a, *(const struct wire_string *)b);
    case FIELD_BYTES:
    case FIELD_VBYTES: {
        const struct wire_bytes *x = a, *y = b;
        return x->size_bytes == y->size_bytes &&
               memcmp(x->bytes, y->bytes, (size_t)x->size_bytes) == 0;
    }
    case FIELD_RECORDS:
        return records_equal(a, b);
    case FIELD_STRUCT:
        return structs_equal(field->element, version, a, b);
    default:
        return memcmp(a, b, field_item_bytes(field)) == 0;
    }
}

static bool fields_equal(const struct field_desc *field, int16_t version, const void *a,
                         const void *b)
{
    const struct wire_array *x = a, *y = b;
    size_t item_bytes = field_item_bytes(field);

    if (field_is_null(field, a) || field_is_null(field, b))
        return field_is_null(field, a) && field_is_null(field, b);
    if (!(field->flags & FIELD_ARRAY)) {
        if (field->flags & FIELD_POINTER)
            return structs_equal(field->element, version, *(const uint8_t *const *)a,
                                 *(const uint8_t *const *)b);
        return items_equal(field, version, a, b);
    }
    if (x->count != y->count)
        return false;
    for (size_t i = 0; i < (size_t)x->count; i++) {
        if (!items_equal(field, version, (const uint8_t *)x->items + i * item_bytes,
                         (const uint8_t *)y->items + i * item_bytes))
            return false;
    }
    return true;
}

static bool structs_equal(const struct struct_desc *desc, int16_t version, const uint8_t *a,
                          const uint8_t *b)
{
    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (version_in(version, &field->present) &&
            !fields_equal(field, version, a + field->offset, b + field->offset))
            return false;
    }
    return true;
}

bool codec_equal(const struct message_desc *desc, int16_t version, const void *a, const void *b)
{
    return structs_equal(desc->body, version, a, b);
}
