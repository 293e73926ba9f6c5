/* codec_print of codec.h: a message as one line of JSON. */
#include "net/protocol/codec.h"
#include "net/protocol/field_type.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void print_struct(const struct struct_desc *desc, int16_t version, const uint8_t *at,
                         struct wire_writer *writer);

static void print_text(struct wire_writer *writer, const char *text)
{
    wire_write_raw(writer, text, strlen(text));
}

/* Bytes of the valid UTF-8 sequence at text, 0 if there is none (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
static size_t utf8_sequence_bytes(const uint8_t *text, size_t size_bytes)
{
    uint8_t first = text[0];
    uint8_t second_min = 0x80, second_max = 0xbf;
    size_t count = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (count == 0 || first > 0xf4 || count > size_bytes)
        return 0;
    if (first == 0xe0)
        second_min = 0xa0;
    else if (first == 0xed)
        second_max = 0x9f;
    else if (first == 0xf0)
        second_min = 0x90;
    else if (first == 0xf4)
        second_max = 0x8f;
    if (count > 1 && (text[1] < second_min || text[1] > second_max))
        return 0;
    for (size_t i = 2; i < count; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    return count;
}

static void print_string(struct wire_writer *writer, const struct wire_string *string)
{
    const uint8_t *text = (const uint8_t *)string->text;
    size_t left_bytes = (size_t)string->size_bytes;
    char escape[8];

    wire_write_uint8(writer, '"');
    while (left_bytes > 0) {
        size_t count = utf8_sequence_bytes(text, left_bytes);
        if (count == 0) {
            print_text(writer, "\\ufffd");
            count = 1;
        } else if (text[0] == '"' || text[0] == '\\') {
            wire_write_uint8(writer, '\\');
            wire_write_uint8(writer, text[0]);
        } else if (text[0] < 0x20 || text[0] == 0x7f) {
            snprintf(escape, sizeof(escape), "\\u%04x", text[0]);
            print_text(writer, escape);
        } else {
            wire_write_raw(writer, text, count);
        }
        text += count;
        left_bytes -= count;
    }
    wire_write_uint8(writer, '"');
}

static void print_bytes(struct wire_writer *writer, const struct wire_bytes *bytes)
{
    static const char digits[] = "0123456789abcdef";

    wire_write_uint8(writer, '"');
    for (int32_t i = 0; i < bytes->size_bytes; i++) {
        wire_write_uint8(writer, (uint8_t)digits[bytes->bytes[i] >> 4]);
        wire_write_uint8(writer, (uint8_t)digits[bytes->bytes[i] & 15]);
    }
    wire_write_uint8(writer, '"');
}

static void print_integer(struct wire_writer *writer, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    print_text(writer, text);
}

/* Not null. */
static void print_item(const struct field_desc *field, int16_t version, const void *at,
                       struct wire_writer *writer)
{
    char text[64];

    switch ((enum field_type)field->type) {
    case FIELD_BOOL:
        print_text(writer, *(const bool *)at ? "true" : "false");
        break;
    case FIELD_INT8:
        print_integer(writer, *(const int8_t *)at);
        break;
    case FIELD_INT16:
        print_integer(writer, *(const int16_t *)at);
        break;
    case FIELD_UINT16:
        print_integer(writer, *(const uint16_t *)at);
        break;
    case FIELD_INT32:
    case FIELD_VARINT:
        print_integer(writer, *(const int32_t *)at);
        break;
    case FIELD_UINT32:
    case FIELD_UVARINT:
        print_integer(writer, *(const uint32_t *)at);
        break;
    case FIELD_INT64:
    case FIELD_VARLONG:
        print_integer(writer, *(const int64_t *)at);
        break;
    case FIELD_FLOAT64:
        /* JSON has no word for infinity or for what is not a number */
        if (isfinite(*(const double *)at))
            snprintf(text, sizeof(text), "%.17g", *(const double *)at);
        else
            snprintf(text, sizeof(text), "\"%f\"", *(const double *)at);
        print_text(writer, text);
        break;
    case FIELD_UUID: {
        char uuid[UUID_TEXT_MAX];
        uuid_format(at, uuid);
        snprintf(text, sizeof(text), "\"%s\"", uuid);
        print_text(writer, text);
        break;
    }
    case FIELD_STRING:
    case FIELD_VSTRING:
        print_string(writer, at);
        break;
    case FIELD_BYTES:
    case FIELD_VBYTES:
        print_bytes(writer, at);
        break;
    case FIELD_RECORDS:
        snprintf(text, sizeof(text), "{\"size_bytes\":%" PRIu32 "}",
                 ((const struct wire_records *)at)->size_bytes);
        print_text(writer, text);
        break;
    case FIELD_STRUCT:
        print_struct(field->element, version, at, writer);
        break;
    }
}

static void print_field(const struct field_desc *field, int16_t version, const void *at,
                        struct wire_writer *writer)
{
    const struct wire_array *array = at;
    size_t item_bytes = field_item_bytes(field);

    if (field_is_null(field, at)) {
        print_text(writer, "null");
    } else if (field->flags & FIELD_SECRET) {
        print_text(writer, "\"***\"");
    } else if (field->flags & FIELD_ARRAY) {
        wire_write_uint8(writer, '[');
        for (int32_t i = 0; i < array->count; i++) {
            if (i > 0)
                wire_write_uint8(writer, ',');
            print_item(field, version, (const uint8_t *)array->items + (size_t)i * item_bytes,
                       writer);
        }
        wire_write_uint8(writer, ']');
    } else {
        if (field->flags & FIELD_POINTER)
            at = *(const void *const *)at;
        print_item(field, version, at, writer);
    }
}

static void print_struct(const struct struct_desc *desc, int16_t version, const uint8_t *at,
                         struct wire_writer *writer)
{
    const char *separator = "{\"";

    for (unsigned i = 0; i < desc->field_count; i++) {
        const struct field_desc *field = &desc->fields[i];
        if (!version_in(version, &field->present))
            continue;
        print_text(writer, separator);
        print_text(writer, field->name);
        print_text(writer, "\":");
        print_field(field, version, at + field->offset, writer);
        separator = ",\"";
    }
    print_text(writer, separator[0] == '{' ? "{}" : "}");
}

void codec_print(const struct message_desc *desc, int16_t version, const void *message,
                 struct wire_writer *writer)
{
    print_struct(desc->body, version, message, writer);
}
