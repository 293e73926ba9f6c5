/* record_types: the records that Kafka keeps in its internal topics, by family and type.
 *
 * Group, transaction and share records (__consumer_offsets, __transaction_state,
 * __share_group_state): the key is an int16 type and the key message in its version 0, the value is
 * an int16 version and the value message; a null value deletes.
 * Metadata records (__cluster_metadata) have no key; the value is three unsigned varints (frame
 * version 1, type, version) and the message.  Stateless; any thread. */
#ifndef LEVEE_NET_PROTOCOL_RECORD_TYPES_H
#define LEVEE_NET_PROTOCOL_RECORD_TYPES_H

#include "net/protocol/codec.h"

enum record_family {
    RECORD_GROUP,
    RECORD_TXN,
    RECORD_SHARE,
    RECORD_METADATA,
};

enum { RECORD_METADATA_FRAME_VERSION = 1 };

struct record_desc {
    enum record_family family;
    int16_t type;
    const struct message_desc *key; /* NULL for RECORD_METADATA */
    const struct message_desc *value;
};

/* NULL: no such type. */
const struct record_desc *record_find(enum record_family family, int16_t type);

/* Append type and key message.  Errors as codec_encode. */
must_use enum err record_encode_key(const struct record_desc *record, const void *key,
                                    struct wire_writer *writer);

/* Append version and value message; for a metadata record its frame version and type too.  Errors
 * as codec_encode. */
must_use enum err record_encode_value(const struct record_desc *record, int16_t version,
                                      const void *value, struct wire_writer *writer);

/* Read the type at the start of a key; the key message follows in the reader (codec_decode with
 * (*out)->key, version 0).  ERR_NOT_FOUND: a type that we do not know; Kafka skips such records. */
must_use enum err record_read_key_type(struct wire_reader *reader, enum record_family family,
                                       const struct record_desc **out);

/* Read the version at the start of a value; the message follows in the reader.
 * ERR_NEWER_FORMAT: a version above those we know.  ERR_MALFORMED: negative or too old. */
must_use enum err record_read_value_version(struct wire_reader *reader,
                                            const struct record_desc *record, int16_t *version);

/* Read the three numbers in front of a metadata record; the message follows in the reader.  The
 * type need not be one that record_find knows, nor the version one of its own.  ERR_NEWER_FORMAT:
 * another frame version.  ERR_MALFORMED: a number outside int16. */
must_use enum err record_read_metadata_prefix(struct wire_reader *reader, int16_t *type,
                                              int16_t *version);

/* Kinds protocol of the schema (ConsumerProtocolSubscription, -Assignment), which members of a
 * group exchange through the broker: int16 version, then the message.  A version above those we
 * know is read as the highest known, and bytes that follow are left alone (KIP-429).  Errors as
 * codec_decode; a negative version is ERR_MALFORMED. */
must_use enum err record_decode_consumer_protocol(const struct message_desc *desc,
                                                  struct wire_reader *reader, struct arena *arena,
                                                  void *out);

/* The inverse.  Errors as codec_encode. */
must_use enum err record_encode_consumer_protocol(const struct message_desc *desc, int16_t version,
                                                  const void *message, struct wire_writer *writer);

#endif
