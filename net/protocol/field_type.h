/* field_type: what the files of the codec have to know about the type of a field. */
#ifndef LEVEE_NET_PROTOCOL_FIELD_TYPE_H
#define LEVEE_NET_PROTOCOL_FIELD_TYPE_H

#include "net/protocol/descriptor.h"
#include "net/protocol/wire.h"

/* Bytes of one value in memory: of the field, or of one element when it is an array. */
static inline size_t field_item_bytes(const struct field_desc *field)
{
    switch ((enum field_type)field->type) {
    case FIELD_BOOL:
    case FIELD_INT8:
        return 1;
    case FIELD_INT16:
    case FIELD_UINT16:
        return 2;
    case FIELD_INT32:
    case FIELD_UINT32:
    case FIELD_UVARINT:
    case FIELD_VARINT:
        return 4;
    case FIELD_INT64:
    case FIELD_FLOAT64:
    case FIELD_VARLONG:
        return 8;
    case FIELD_UUID:
        return sizeof(struct uuid);
    case FIELD_STRING:
    case FIELD_VSTRING:
        return sizeof(struct wire_string);
    case FIELD_BYTES:
    case FIELD_VBYTES:
        return sizeof(struct wire_bytes);
    case FIELD_RECORDS:
        return sizeof(struct wire_records);
    case FIELD_STRUCT:
        return field->element->size_bytes;
    }
    check(false); /* every type is above */
}

/* The least that one array element takes on the wire, never 0.  version_index counts from the
 * message's first version. */
static inline size_t field_item_min_bytes(const struct field_desc *field, unsigned version_index,
                                          bool flexible)
{
    size_t min_bytes;

    switch ((enum field_type)field->type) {
    case FIELD_STRING:
        return flexible ? 1 : 2;
    case FIELD_BYTES:
    case FIELD_RECORDS:
        return flexible ? 1 : 4;
    case FIELD_STRUCT:
        min_bytes = field->element->min_size_bytes[version_index];
        return min_bytes == 0 ? 1 : min_bytes;
    case FIELD_UVARINT:
    case FIELD_VARINT:
    case FIELD_VARLONG:
    case FIELD_VSTRING:
    case FIELD_VBYTES:
        return 1;
    default:
        return field_item_bytes(field);
    }
}

/* Whether the field at this address holds null. */
static inline bool field_is_null(const struct field_desc *field, const void *at)
{
    if (field->flags & FIELD_ARRAY)
        return ((const struct wire_array *)at)->count < 0;
    switch ((enum field_type)field->type) {
    case FIELD_STRING:
    case FIELD_VSTRING:
        return ((const struct wire_string *)at)->text == NULL;
    case FIELD_BYTES:
    case FIELD_VBYTES:
        return ((const struct wire_bytes *)at)->bytes == NULL;
    case FIELD_RECORDS:
        return ((const struct wire_records *)at)->is_null;
    case FIELD_STRUCT:
        return (field->flags & FIELD_POINTER) && *(const void *const *)at == NULL;
    default:
        return false;
    }
}

#endif
