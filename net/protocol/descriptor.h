/* descriptor: what a message looks like, as tables that generate.py writes and codec reads.
 *
 * All tables are constant; any thread may read them.
 *   DSC-1  fields of a struct_desc stand in the order of the wire (untagged) with tagged ones
 *          between
 *   DSC-2  tagged lists the indexes of all fields that are tagged in some version, by ascending tag
 *   DSC-3  min_size_bytes has one entry for each version from min_version to max_version of the
 * message */
#ifndef LEVEE_NET_PROTOCOL_DESCRIPTOR_H
#define LEVEE_NET_PROTOCOL_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>

/* Types of a field, or of the elements of an array field, and the C types that hold them.  The last
 * five occur in layouts only; VSTRING and VBYTES have a zigzag varint length, -1 for null. */
enum field_type {
    FIELD_BOOL,    /* bool */
    FIELD_INT8,    /* int8_t */
    FIELD_INT16,   /* int16_t */
    FIELD_UINT16,  /* uint16_t */
    FIELD_INT32,   /* int32_t */
    FIELD_UINT32,  /* uint32_t */
    FIELD_INT64,   /* int64_t */
    FIELD_FLOAT64, /* double */
    FIELD_UUID,    /* struct uuid */
    FIELD_STRING,  /* struct wire_string */
    FIELD_BYTES,   /* struct wire_bytes */
    FIELD_RECORDS, /* struct wire_records */
    FIELD_STRUCT,  /* the struct itself, or a const pointer to it where some version has null */
    FIELD_UVARINT, /* uint32_t */
    FIELD_VARINT,  /* int32_t */
    FIELD_VARLONG, /* int64_t */
    FIELD_VSTRING, /* struct wire_string */
    FIELD_VBYTES,  /* struct wire_bytes */
};

enum field_flag {
    FIELD_IGNORABLE = 1 << 0, /* a value that the version lacks is dropped, not refused */
    FIELD_NOFLEX = 1 << 1,    /* never in compact form */
    FIELD_SECRET = 1 << 2,    /* never printed */
    FIELD_ARRAY = 1 << 3,     /* struct wire_array of type */
    FIELD_VARRAY = 1 << 4,    /* FIELD_ARRAY with a zigzag varint count */
    FIELD_POINTER = 1 << 5,   /* FIELD_STRUCT held by pointer */
    FIELD_NULL_DEFAULT = 1 << 6,
    FIELD_ZERO_DEFAULT = 1 << 7, /* the default is all zero bytes in C */
};

/* How every array field lies in its struct: the generated types differ only in that of items.
 * count -1 is null. */
struct wire_array {
    void *items;
    int32_t count;
};

struct version_range {
    int16_t min;
    int16_t max; /* less than min: no version */
};

struct struct_desc;

struct field_desc {
    const char *name;
    const struct struct_desc *element; /* of FIELD_STRUCT, else NULL */
    const void *default_struct;        /* of FIELD_POINTER whose default is not null */
    int64_t default_number;            /* integers, bool; the bits of a float64 */
    uint32_t offset;                   /* in the struct */
    struct version_range present;
    struct version_range nullable;
    struct version_range tagged;
    uint16_t tag;
    uint8_t type;  /* enum field_type */
    uint8_t flags; /* enum field_flag */
};

struct struct_desc {
    const char *name;
    const struct field_desc *fields;
    const uint8_t *tagged;
    const uint16_t *min_size_bytes; /* on the wire, by version */
    uint32_t size_bytes;            /* in memory */
    uint8_t field_count;
    uint8_t tagged_count;
};

enum message_kind {
    MESSAGE_HEADER,
    MESSAGE_REQUEST,
    MESSAGE_RESPONSE,
    MESSAGE_LAYOUT,
    MESSAGE_CONTROL,
    MESSAGE_PROTOCOL,
    MESSAGE_DATA,
    MESSAGE_GROUP_KEY,
    MESSAGE_GROUP_VALUE,
    MESSAGE_TXN_KEY,
    MESSAGE_TXN_VALUE,
    MESSAGE_SHARE_KEY,
    MESSAGE_SHARE_VALUE,
    MESSAGE_METADATA,
};

struct message_desc {
    const char *name; /* Kafka's: "FetchRequest" */
    const struct struct_desc *body;
    int16_t key; /* API key of requests and responses, record type of records, else -1 */
    int16_t min_version;
    int16_t max_version;        /* newest version whose layout is known */
    int16_t stable_max_version; /* newest version that Kafka 4.3 calls stable; -1: none */
    int16_t flexible_min;       /* INT16_MAX: no version is flexible */
    uint8_t kind;               /* enum message_kind */
};

static inline bool version_in(int16_t version, const struct version_range *range)
{
    return version >= range->min && version <= range->max;
}

#endif
