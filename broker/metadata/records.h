/* records: KRaft metadata records in memory, and as the values of a batch's records.
 *
 * Framing of a value: unsigned varints 1, type, version, then the flexible body; keys are null
 * (Kafka's MetadataRecordSerde). Stateless. */
#ifndef LEVEE_BROKER_METADATA_RECORDS_H
#define LEVEE_BROKER_METADATA_RECORDS_H

#include "base/arena.h"
#include "base/err.h"
#include "net/protocol/record_types.h"

#include <stdint.h>

enum metadata_type {
    METADATA_REGISTER_BROKER = 0,
    METADATA_UNREGISTER_BROKER = 1,
    METADATA_TOPIC = 2,
    METADATA_PARTITION = 3,
    METADATA_CONFIG = 4,
    METADATA_PARTITION_CHANGE = 5,
    METADATA_FENCE_BROKER = 7,
    METADATA_UNFENCE_BROKER = 8,
    METADATA_REMOVE_TOPIC = 9,
    METADATA_DELEGATION_TOKEN = 10,
    METADATA_USER_SCRAM_CREDENTIAL = 11,
    METADATA_FEATURE_LEVEL = 12,
    METADATA_CLIENT_QUOTA = 14,
    METADATA_PRODUCER_IDS = 15,
    METADATA_BROKER_REGISTRATION_CHANGE = 17,
    METADATA_ACCESS_CONTROL_ENTRY = 18,
    METADATA_REMOVE_ACCESS_CONTROL_ENTRY = 19,
    METADATA_NO_OP = 20,
    METADATA_ZK_MIGRATION_STATE = 21,
    METADATA_REMOVE_USER_SCRAM_CREDENTIAL = 22,
    METADATA_BEGIN_TRANSACTION = 23,
    METADATA_END_TRANSACTION = 24,
    METADATA_ABORT_TRANSACTION = 25,
    METADATA_REMOVE_DELEGATION_TOKEN = 26,
    METADATA_REGISTER_CONTROLLER = 27,
    METADATA_CLEAR_ELR = 28,
    METADATA_UNREGISTER_CONTROLLER = 29,
};

/* What is done with the records of a type. */
enum metadata_use {
    METADATA_ACTED_ON,    /* they make the image */
    METADATA_PASSED_OVER, /* what they say is of no use to one broker with its own controller */
    METADATA_KEPT, /* nothing here acts on them yet, or the type is unknown: they are kept and
                      written again (image_opaque.c) */
};

enum metadata_use metadata_type_use(int16_t type);

/* One record: body is the struct of its type (struct topic_record, ...).  NULL: it is only kept, as
 * the bytes of its value. */
struct metadata_record {
    enum metadata_type type; /* or a number that is none of them */
    int16_t version;
    const void *body;
    const uint8_t *opaque; /* when body is NULL */
    size_t opaque_bytes;
};

/* Records that belong together, in order; memory is the arena's. */
struct metadata_records {
    struct arena *arena;
    struct metadata_record *items;
    uint32_t count;
    uint32_t max;
};

void metadata_records_init(struct metadata_records *records, struct arena *arena);

/* A new record at the end: its body with the schema's defaults, for the caller to fill; strings
 * and arrays that it points at must live as long as the arena.  NULL: the arena's limit. */
must_use void *metadata_records_add(struct metadata_records *records, enum metadata_type type,
                                    int16_t version);

/* The value's bytes.  Errors as codec_encode. */
must_use enum err metadata_record_encode(const struct metadata_record *record,
                                         struct wire_writer *writer);

/* Read a value; body and what it points at lie in value and arena.  A trailing byte is an error.
 * Without a body come the types that are METADATA_KEPT, and newer versions of those that are
 * METADATA_PASSED_OVER.  ERR_MALFORMED; ERR_NEWER_FORMAT: a frame that we do not know, or a newer
 * version of a type that is METADATA_ACTED_ON. */
must_use enum err metadata_record_decode(const uint8_t *value, size_t size_bytes,
                                         struct arena *arena, struct metadata_record *out);

/* "TopicRecord version 0", for a log line about a value that may be anything. */
void metadata_record_describe(const uint8_t *value, size_t size_bytes, char *out,
                              size_t out_max_bytes);

#endif
