/* codec: messages as C structs, read from and written to the wire by walking their tables.
 *
 * Stateless.  A message struct holds the fields of all versions; its strings, bytes and records
 * point into memory that outlives it (the received frame, the arena), its arrays lie in the arena.
 * A struct that is to be encoded starts from codec_set_defaults or codec_new_array, because the
 * default of a string is "" and the zeroed struct would hold null. */
#ifndef LEVEE_NET_PROTOCOL_CODEC_H
#define LEVEE_NET_PROTOCOL_CODEC_H

#include "net/protocol/descriptor.h"
#include "net/protocol/wire.h"

/* Whether the table has the layout of this version (which may be newer than what is stable). */
static inline bool codec_has_version(const struct message_desc *desc, int16_t version)
{
    return version >= desc->min_version && version <= desc->max_version;
}

/* Read one message of the given version.  Fields that the version lacks, and tagged fields that
 * were not sent, get their defaults; unknown tagged fields are skipped.  An array is allocated
 * only once its count fits into the bytes left, so a false count costs nothing.  Text that is not
 * UTF-8 has U+FFFD for each ill-formed piece, as Kafka's decoder makes it.  What follows the
 * message is left in the reader for the caller to judge. ERR_TRUNCATED: the bytes end early (also
 * when a count cannot fit).  ERR_MALFORMED: null where the version has none, tags out of order or
 * of another size than stated, a bad length.  ERR_NOMEM: the arena's limit.  ERR_UNSUPPORTED: no
 * such version.  On failure *out is undefined. */
must_use enum err codec_decode(const struct message_desc *desc, int16_t version,
                               struct wire_reader *reader, struct arena *arena, void *out);

/* The same of one that may have so many elements in all its arrays together, with the tagged fields
 * that were sent: ERR_TOO_LARGE, before more is read.  So the time of a read is bounded by other
 * things than the length of a frame. */
must_use enum err codec_decode_within(const struct message_desc *desc, int16_t version,
                                      struct wire_reader *reader, struct arena *arena,
                                      uint64_t elements_max, void *out);

/* Append one message of the given version.  Records are referred to, all else is copied.
 * ERR_UNSUPPORTED: no such version, or a field that it lacks has a value other than the default and
 * is not ignorable.  ERR_INVALID: null where the version has none.  ERR_TOO_LARGE: a string over
 * WIRE_STRING_BYTES_MAX or records over INT32_MAX bytes.  ERR_NOMEM: the arena's limit.
 * After a failure the writer is failed too: wire_writer_segments returns the same error. */
must_use enum err codec_encode(const struct message_desc *desc, int16_t version,
                               const void *message, struct wire_writer *writer);

/* Every field of a message to its default. */
void codec_set_defaults(const struct message_desc *desc, void *out);

/* Every field of a nested struct to its default; descriptors are the generated NAME_struct. */
void codec_set_struct_defaults(const struct struct_desc *desc, void *out);

/* count elements, each with its defaults, for an array field.  NULL: the arena's limit.  count 0
 * gives a pointer too. */
must_use void *codec_new_array(const struct struct_desc *desc, struct arena *arena, size_t count);

/* Whether both messages say the same in this version: fields that it lacks are not looked at.
 * Records are compared by their bytes, however they are sliced. */
bool codec_equal(const struct message_desc *desc, int16_t version, const void *a, const void *b);

/* Append the message as one line of JSON, for people and dump tools: only fields of this version,
 * under their schema names; uuids as Kafka writes them, bytes in hex, records as their size, a text
 * that is not UTF-8 with U+FFFD in place of bad bytes, secrets as "***".  Errors show in
 * wire_writer_segments. */
void codec_print(const struct message_desc *desc, int16_t version, const void *message,
                 struct wire_writer *writer);

#endif
