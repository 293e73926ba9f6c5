/* wire: Kafka's primitive types as bytes: a bounded reader and a gathering writer.
 *
 * A reader walks one byte range that it does not own; what it returns for strings and bytes points
 * into that range.  A writer collects small fields in chunks taken from an arena and refers to
 * record bytes where they lie.  Both belong to one request on one loop.
 *   WIRE-1  start <= next <= end; a failed read leaves next where it was
 *   WIRE-2  a writer that failed stays failed, and its segments are not handed out
 * Numbers are big-endian; the rules are those of Kafka's protocol guide ("Protocol Primitive
 * Types") and, for the compact forms and the unsigned varints, of KIP-482. */
#ifndef LEVEE_NET_PROTOCOL_WIRE_H
#define LEVEE_NET_PROTOCOL_WIRE_H

#include "base/arena.h"
#include "base/check.h"
#include "base/err.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    WIRE_STRING_BYTES_MAX = 32767,
    WIRE_UVARINT_BYTES_MAX = 5,
    WIRE_VARLONG_BYTES_MAX = 10,
};

/* UTF-8 that is not NUL-terminated and not checked for validity; text NULL is null. */
struct wire_string {
    const char *text;
    int32_t size_bytes;
};

/* Opaque bytes; bytes NULL is null. */
struct wire_bytes {
    const uint8_t *bytes;
    int32_t size_bytes;
};

/* A piece of record bytes.  owner is opaque here: whoever sends the bytes releases it. */
struct wire_slice {
    const uint8_t *bytes;
    uint32_t size_bytes;
    void *owner;
};

/* Record batches, back to back.  Decoding yields one slice; an answer to Fetch may hold many.  A
 * zeroed value is present and empty.  size_bytes is the sum over the slices. */
struct wire_records {
    const struct wire_slice *slices;
    uint32_t slice_count;
    uint32_t size_bytes;
    bool is_null;
};

/* A wire_string of a C string (NULL gives null). */
static inline struct wire_string wire_string(const char *text)
{
    return (struct wire_string){text, text == NULL ? 0 : (int32_t)strlen(text)};
}

/* Equal texts; null equals only null. */
bool wire_string_equal(struct wire_string a, struct wire_string b);

/* Equal to a C string that is not NULL. */
bool wire_string_is(struct wire_string string, const char *text);

/* -- reading ---------------------------------------------------------------------------------- */

struct wire_reader {
    const uint8_t *start;
    const uint8_t *next;
    const uint8_t *end;
};

/* Read size_bytes at bytes, which stay the caller's and outlive every result. */
static inline void wire_reader_init(struct wire_reader *reader, const void *bytes,
                                    size_t size_bytes)
{
    reader->start = bytes;
    reader->next = bytes;
    reader->end = reader->start + size_bytes;
}

/* Bytes not yet read. */
static inline size_t wire_reader_left(const struct wire_reader *reader)
{
    return (size_t)(reader->end - reader->next);
}

/* Bytes read so far. */
static inline size_t wire_reader_pos(const struct wire_reader *reader)
{
    return (size_t)(reader->next - reader->start);
}

/* The wire_read_* functions advance past one value.  ERR_TRUNCATED: the range ends before the value
 * does.  ERR_MALFORMED: no such value exists (a varint too long or too large, a negative length
 * other than -1, a string over WIRE_STRING_BYTES_MAX).  On failure *out is untouched. */

must_use static inline enum err wire_read_uint8(struct wire_reader *reader, uint8_t *out)
{
    if (wire_reader_left(reader) < 1)
        return ERR_TRUNCATED;
    *out = *reader->next++;
    return OK;
}

must_use static inline enum err wire_read_uint16(struct wire_reader *reader, uint16_t *out)
{
    uint16_t value;

    if (wire_reader_left(reader) < sizeof(value))
        return ERR_TRUNCATED;
    memcpy(&value, reader->next, sizeof(value));
    *out = __builtin_bswap16(value);
    reader->next += sizeof(value);
    return OK;
}

must_use static inline enum err wire_read_uint32(struct wire_reader *reader, uint32_t *out)
{
    uint32_t value;

    if (wire_reader_left(reader) < sizeof(value))
        return ERR_TRUNCATED;
    memcpy(&value, reader->next, sizeof(value));
    *out = __builtin_bswap32(value);
    reader->next += sizeof(value);
    return OK;
}

must_use static inline enum err wire_read_uint64(struct wire_reader *reader, uint64_t *out)
{
    uint64_t value;

    if (wire_reader_left(reader) < sizeof(value))
        return ERR_TRUNCATED;
    memcpy(&value, reader->next, sizeof(value));
    *out = __builtin_bswap64(value);
    reader->next += sizeof(value);
    return OK;
}

must_use static inline enum err wire_read_int8(struct wire_reader *reader, int8_t *out)
{
    return wire_read_uint8(reader, (uint8_t *)out);
}

must_use static inline enum err wire_read_int16(struct wire_reader *reader, int16_t *out)
{
    return wire_read_uint16(reader, (uint16_t *)out);
}

must_use static inline enum err wire_read_int32(struct wire_reader *reader, int32_t *out)
{
    return wire_read_uint32(reader, (uint32_t *)out);
}

must_use static inline enum err wire_read_int64(struct wire_reader *reader, int64_t *out)
{
    return wire_read_uint64(reader, (uint64_t *)out);
}

/* Unsigned LEB128 of at most five bytes and 32 bits. */
must_use enum err wire_read_uvarint(struct wire_reader *reader, uint32_t *out);

/* Zigzag in an unsigned varint of 32 bits. */
must_use enum err wire_read_varint(struct wire_reader *reader, int32_t *out);

/* Zigzag in an unsigned varint of 64 bits, at most ten bytes. */
must_use enum err wire_read_varlong(struct wire_reader *reader, int64_t *out);

/* Any byte but zero is true. */
must_use enum err wire_read_bool(struct wire_reader *reader, bool *out);

must_use enum err wire_read_float64(struct wire_reader *reader, double *out);

must_use enum err wire_read_uuid(struct wire_reader *reader, struct uuid *out);

/* size_bytes raw bytes; *out points at them. */
must_use static inline enum err wire_read_raw(struct wire_reader *reader, size_t size_bytes,
                                              const uint8_t **out)
{
    if (wire_reader_left(reader) < size_bytes)
        return ERR_TRUNCATED;
    *out = reader->next;
    reader->next += size_bytes;
    return OK;
}

/* A length in front of something: an int32 (int16 is for wire_read_string alone), or when compact
 * an unsigned varint of length + 1.  *out is -1 for null, else >= 0; not compared to what is left.
 */
must_use enum err wire_read_length(struct wire_reader *reader, bool compact, int32_t *out);

/* int16 length and text, or when compact the form of KIP-482.  Null gives text NULL. */
must_use enum err wire_read_string(struct wire_reader *reader, bool compact,
                                   struct wire_string *out);

/* int32 length and bytes, or when compact the form of KIP-482.  Null gives bytes NULL. */
must_use enum err wire_read_bytes(struct wire_reader *reader, bool compact, struct wire_bytes *out);

/* -- writing ---------------------------------------------------------------------------------- */

/* A run of finished bytes, in order of sending.  owner as in wire_slice; NULL for bytes that lie in
 * the writer's arena. */
struct wire_segment {
    const uint8_t *bytes;
    uint32_t size_bytes;
    void *owner;
};

enum { WIRE_SINK_BYTES = 16 };

struct wire_writer {
    struct arena *arena;
    uint8_t *next;                 /* where the next byte goes */
    uint8_t *chunk_end;            /* end of the chunk that next is in */
    uint8_t *run_start;            /* bytes from here to next are in no segment yet */
    struct wire_segment *segments; /* finished runs and references */
    uint32_t segment_count;
    uint32_t segment_max;
    uint32_t next_chunk_bytes;
    uint64_t sealed_bytes;         /* in segments */
    uint8_t *frame;                /* the int32 of wire_writer_begin_frame, or NULL */
    enum err err;                  /* the first failure */
    uint8_t sink[WIRE_SINK_BYTES]; /* takes small writes once failed */
};

/* Empty; memory comes from the arena, which must outlive the segments.  Needs no deinit. */
void wire_writer_init(struct wire_writer *writer, struct arena *arena);

/* As wire_writer_init, with a first chunk that the caller lends until the segments are used. */
void wire_writer_init_with(struct wire_writer *writer, struct arena *arena, uint8_t *chunk,
                           size_t chunk_bytes);

/* The first segments go there, which the caller lends as long; of a fresh writer. */
static inline void wire_writer_lend_segments(struct wire_writer *writer,
                                             struct wire_segment *segments, uint32_t segment_max)
{
    writer->segments = segments;
    writer->segment_max = segment_max;
}

/* What was written so far, in bytes. */
static inline uint64_t wire_writer_size(const struct wire_writer *writer)
{
    return writer->sealed_bytes + (uint64_t)(writer->next - writer->run_start);
}

/* Remember a failure; the first one stays.  For the codec, which checks values. */
static inline void wire_writer_fail(struct wire_writer *writer, enum err err)
{
    if (writer->err == OK)
        writer->err = err;
}

/* The slow half of wire_writer_reserve: starts a new chunk. */
uint8_t *wire_writer_reserve_slowly(struct wire_writer *writer, size_t size_bytes);

/* size_bytes (at most WIRE_SINK_BYTES) of contiguous room, for the caller to fill at once.  Never
 * NULL: without memory the writer fails and the room is not part of the output. */
static inline uint8_t *wire_writer_reserve(struct wire_writer *writer, size_t size_bytes)
{
    uint8_t *room = writer->next;

    if ((size_t)(writer->chunk_end - room) < size_bytes)
        return wire_writer_reserve_slowly(writer, size_bytes);
    writer->next = room + size_bytes;
    return room;
}

static inline void wire_write_uint8(struct wire_writer *writer, uint8_t value)
{
    *wire_writer_reserve(writer, 1) = value;
}

static inline void wire_write_uint16(struct wire_writer *writer, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(wire_writer_reserve(writer, sizeof(value)), &value, sizeof(value));
}

static inline void wire_write_uint32(struct wire_writer *writer, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(wire_writer_reserve(writer, sizeof(value)), &value, sizeof(value));
}

static inline void wire_write_uint64(struct wire_writer *writer, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(wire_writer_reserve(writer, sizeof(value)), &value, sizeof(value));
}

static inline void wire_write_int8(struct wire_writer *writer, int8_t value)
{
    wire_write_uint8(writer, (uint8_t)value);
}

static inline void wire_write_int16(struct wire_writer *writer, int16_t value)
{
    wire_write_uint16(writer, (uint16_t)value);
}

static inline void wire_write_int32(struct wire_writer *writer, int32_t value)
{
    wire_write_uint32(writer, (uint32_t)value);
}

static inline void wire_write_int64(struct wire_writer *writer, int64_t value)
{
    wire_write_uint64(writer, (uint64_t)value);
}

/* The inverses of wire_read_uvarint, _varint, _varlong and _float64. */
void wire_write_uvarint(struct wire_writer *writer, uint32_t value);
void wire_write_varint(struct wire_writer *writer, int32_t value);
void wire_write_varlong(struct wire_writer *writer, int64_t value);
void wire_write_float64(struct wire_writer *writer, double value);

/* Copies size_bytes. */
void wire_write_raw(struct wire_writer *writer, const void *bytes, size_t size_bytes);

/* The inverse of wire_read_length: length -1 is null. */
void wire_write_length(struct wire_writer *writer, bool compact, int32_t length);

/* Length and a copy of the text; null as such.  A text over WIRE_STRING_BYTES_MAX fails the writer
 * with ERR_TOO_LARGE. */
void wire_write_string(struct wire_writer *writer, bool compact, struct wire_string value);

/* Length and a copy of the bytes; null as such. */
void wire_write_bytes(struct wire_writer *writer, bool compact, struct wire_bytes value);

/* Length, then one segment for each slice: nothing is copied.  The slices' bytes must live until
 * the segments were sent; the owners are passed on in the segments. */
void wire_write_records(struct wire_writer *writer, bool compact, const struct wire_records *value);

/* One segment that refers to bytes of the caller.  An empty one without owner is left out. */
void wire_write_reference(struct wire_writer *writer, const struct wire_slice *slice);

/* Append what another writer holds: its references stay references, its own bytes are copied. */
void wire_write_writer(struct wire_writer *writer, struct wire_writer *other);

/* Write the int32 in front of a message; wire_writer_end_frame sets it to the number of bytes
 * written since.  One frame may be open at a time. */
void wire_writer_begin_frame(struct wire_writer *writer);

/* See above.  Fails the writer with ERR_TOO_LARGE when the size passes INT32_MAX. */
void wire_writer_end_frame(struct wire_writer *writer);

/* All that was written, in order; lives as long as the arena and the referenced bytes.  Writing may
 * go on afterwards, then ask again.  Errors: the first failure of any write (ERR_NOMEM: the arena's
 * limit); the caller keeps all owners then. */
must_use enum err wire_writer_segments(struct wire_writer *writer,
                                       const struct wire_segment **segments,
                                       uint32_t *segment_count);

/* All that was written as one run of bytes in the arena, copied only when there are several
 * segments.  ERR_TOO_LARGE: over INT32_MAX.  Other errors as wire_writer_segments. */
must_use enum err wire_writer_flatten(struct wire_writer *writer, struct wire_bytes *out);

#endif
