#include "net/protocol/wire.h"

#include <assert.h>

enum {
    CHUNK_BYTES_FIRST = 512,
    CHUNK_BYTES_MAX = 64 * 1024,
    SEGMENTS_FIRST = 8,
};

static_assert(sizeof(double) == sizeof(uint64_t), "float64 is an IEEE double");
static_assert((int)WIRE_VARLONG_BYTES_MAX <= (int)WIRE_SINK_BYTES,
              "a failed writer must absorb any number");

/* What an empty string or array of bytes points at: not NULL, which would be null. */
static const uint8_t nothing[1];

bool wire_string_equal(struct wire_string a, struct wire_string b)
{
    if (a.text == NULL || b.text == NULL)
        return a.text == NULL && b.text == NULL;
    return a.size_bytes == b.size_bytes && memcmp(a.text, b.text, (size_t)a.size_bytes) == 0;
}

bool wire_string_is(struct wire_string string, const char *text)
{
    return wire_string_equal(string, wire_string(text));
}

/* -- reading ---------------------------------------------------------------------------------- */

/* LEB128 of at most bits bits.  A last byte that carries more than fits is malformed, so that each
 * accepted encoding means what its bytes say. */
static enum err read_leb128(struct wire_reader *reader, unsigned bits, uint64_t *out)
{
    const uint8_t *at = reader->next;
    uint64_t value = 0;

    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t byte;
        if (at == reader->end)
            return ERR_TRUNCATED;
        byte = *at++;
        if (shift + 7 > bits && (byte >> (bits - shift)) != 0)
            return ERR_MALFORMED;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            reader->next = at;
            *out = value;
            return OK;
        }
    }
    return ERR_MALFORMED;
}

enum err wire_read_uvarint(struct wire_reader *reader, uint32_t *out)
{
    uint64_t value;
    enum err err;

    if (reader->next < reader->end && *reader->next < 0x80) {
        *out = *reader->next++;
        return OK;
    }
    err = read_leb128(reader, 32, &value);
    if (err)
        return err;
    *out = (uint32_t)value;
    return OK;
}

enum err wire_read_varint(struct wire_reader *reader, int32_t *out)
{
    uint32_t zigzag;
    enum err err = wire_read_uvarint(reader, &zigzag);

    if (err)
        return err;
    *out = (int32_t)((zigzag >> 1) ^ (0 - (zigzag & 1)));
    return OK;
}

enum err wire_read_varlong(struct wire_reader *reader, int64_t *out)
{
    uint64_t zigzag;
    enum err err = read_leb128(reader, 64, &zigzag);

    if (err)
        return err;
    *out = (int64_t)((zigzag >> 1) ^ (0 - (zigzag & 1)));
    return OK;
}

enum err wire_read_bool(struct wire_reader *reader, bool *out)
{
    uint8_t value;
    enum err err = wire_read_uint8(reader, &value);

    if (err)
        return err;
    *out = value != 0;
    return OK;
}

enum err wire_read_float64(struct wire_reader *reader, double *out)
{
    uint64_t value;
    enum err err = wire_read_uint64(reader, &value);

    if (err)
        return err;
    memcpy(out, &value, sizeof(value));
    return OK;
}

enum err wire_read_uuid(struct wire_reader *reader, struct uuid *out)
{
    const uint8_t *bytes;
    enum err err = wire_read_raw(reader, sizeof(out->bytes), &bytes);

    if (err)
        return err;
    memcpy(out->bytes, bytes, sizeof(out->bytes));
    return OK;
}

enum err wire_read_length(struct wire_reader *reader, bool compact, int32_t *out)
{
    const uint8_t *before = reader->next;
    uint32_t length_plus_one;
    int32_t length;
    enum err err;

    if (compact) {
        err = wire_read_uvarint(reader, &length_plus_one);
        if (!err && length_plus_one > (uint32_t)INT32_MAX + 1)
            err = ERR_MALFORMED;
        length = (int32_t)(length_plus_one - 1);
    } else {
        err = wire_read_int32(reader, &length);
        if (!err && length < -1)
            err = ERR_MALFORMED;
    }
    if (err) {
        reader->next = before; /* WIRE-1 */
        return err;
    }
    *out = length;
    return OK;
}

enum err wire_read_string(struct wire_reader *reader, bool compact, struct wire_string *out)
{
    const uint8_t *before = reader->next;
    const uint8_t *bytes = NULL;
    int32_t length;
    int16_t short_length;
    enum err err;

    if (compact) {
        err = wire_read_length(reader, true, &length);
    } else {
        err = wire_read_int16(reader, &short_length);
        length = err ? 0 : short_length;
    }
    if (err)
        return err;
    if (length < -1 || length > WIRE_STRING_BYTES_MAX)
        err = ERR_MALFORMED;
    else if (length >= 0)
        err = wire_read_raw(reader, (size_t)length, &bytes);
    if (err) {
        reader->next = before; /* WIRE-1 */
        return err;
    }
    *out = (struct wire_string){(const char *)bytes, length < 0 ? 0 : length};
    return OK;
}

enum err wire_read_bytes(struct wire_reader *reader, bool compact, struct wire_bytes *out)
{
    const uint8_t *before = reader->next;
    const uint8_t *bytes = NULL;
    int32_t length;
    enum err err = wire_read_length(reader, compact, &length);

    if (err)
        return err;
    if (length >= 0) {
        err = wire_read_raw(reader, (size_t)length, &bytes);
        if (err) {
            reader->next = before; /* WIRE-1 */
            return err;
        }
    }
    *out = (struct wire_bytes){bytes, length < 0 ? 0 : length};
    return OK;
}

/* -- writing ---------------------------------------------------------------------------------- */

void wire_writer_init(struct wire_writer *writer, struct arena *arena)
{
    wire_writer_init_with(writer, arena, NULL, 0);
}

void wire_writer_init_with(struct wire_writer *writer, struct arena *arena, uint8_t *chunk,
                           size_t chunk_bytes)
{
    /* field by field: the sink may stay as it is, and small writers are made often */
    writer->arena = arena;
    writer->next = chunk;
    writer->chunk_end = chunk == NULL ? NULL : chunk + chunk_bytes;
    writer->run_start = chunk;
    writer->segments = NULL;
    writer->segment_count = 0;
    writer->segment_max = 0;
    writer->next_chunk_bytes = CHUNK_BYTES_FIRST;
    writer->sealed_bytes = 0;
    writer->frame = NULL;
    writer->err = OK;
}

static void push_segment(struct wire_writer *writer, struct wire_segment segment)
{
    if (writer->segment_count == writer->segment_max) {
        uint32_t max = writer->segment_max == 0 ? SEGMENTS_FIRST : writer->segment_max * 2;
        struct wire_segment *segments = arena_alloc_array(writer->arena, max, sizeof(*segments));
        if (segments == NULL) {
            wire_writer_fail(writer, ERR_NOMEM);
            return;
        }
        if (writer->segment_count > 0)
            memcpy(segments, writer->segments, writer->segment_count * sizeof(*segments));
        writer->segments = segments;
        writer->segment_max = max;
    }
    writer->segments[writer->segment_count++] = segment;
    writer->sealed_bytes += segment.size_bytes;
}

/* Turn the bytes since run_start into a segment. */
static void seal_run(struct wire_writer *writer)
{
    if (writer->next == writer->run_start)
        return;
    push_segment(writer, (struct wire_segment){
                             .bytes = writer->run_start,
                             .size_bytes = (uint32_t)(writer->next - writer->run_start),
                         });
    writer->run_start = writer->next;
}

/* A new chunk with room for at least size_bytes.  False: the writer has failed. */
static bool start_chunk(struct wire_writer *writer, size_t size_bytes)
{
    size_t chunk_bytes = writer->next_chunk_bytes;
    uint8_t *chunk;

    if (writer->err)
        return false;
    seal_run(writer);
    if (writer->err)
        return false;
    if (chunk_bytes < size_bytes)
        chunk_bytes = size_bytes;
    chunk = arena_alloc(writer->arena, chunk_bytes);
    if (chunk == NULL) {
        wire_writer_fail(writer, ERR_NOMEM);
        return false;
    }
    writer->next = chunk;
    writer->run_start = chunk;
    writer->chunk_end = chunk + chunk_bytes;
    if (writer->next_chunk_bytes < CHUNK_BYTES_MAX)
        writer->next_chunk_bytes *= 2;
    return true;
}

uint8_t *wire_writer_reserve_slowly(struct wire_writer *writer, size_t size_bytes)
{
    uint8_t *room;

    check(size_bytes <= WIRE_SINK_BYTES);
    if (!start_chunk(writer, size_bytes))
        return writer->sink;
    room = writer->next;
    writer->next += size_bytes;
    return room;
}

void wire_write_uvarint(struct wire_writer *writer, uint32_t value)
{
    uint8_t bytes[WIRE_UVARINT_BYTES_MAX];
    size_t size = 0;

    if (value < 0x80) {
        wire_write_uint8(writer, (uint8_t)value);
        return;
    }
    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    memcpy(wire_writer_reserve(writer, size), bytes, size);
}

void wire_write_varint(struct wire_writer *writer, int32_t value)
{
    wire_write_uvarint(writer, ((uint32_t)value << 1) ^ (uint32_t)(value >> 31));
}

void wire_write_varlong(struct wire_writer *writer, int64_t value)
{
    uint8_t bytes[WIRE_VARLONG_BYTES_MAX];
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    size_t size = 0;

    while (zigzag >= 0x80) {
        bytes[size++] = (uint8_t)(zigzag | 0x80);
        zigzag >>= 7;
    }
    bytes[size++] = (uint8_t)zigzag;
    memcpy(wire_writer_reserve(writer, size), bytes, size);
}

void wire_write_float64(struct wire_writer *writer, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    wire_write_uint64(writer, bits);
}

void wire_write_raw(struct wire_writer *writer, const void *bytes, size_t size_bytes)
{
    if (size_bytes == 0)
        return;
    if ((size_t)(writer->chunk_end - writer->next) < size_bytes && !start_chunk(writer, size_bytes))
        return;
    memcpy(writer->next, bytes, size_bytes);
    writer->next += size_bytes;
}

void wire_write_length(struct wire_writer *writer, bool compact, int32_t length)
{
    check(length >= -1);
    if (compact)
        wire_write_uvarint(writer, (uint32_t)length + 1);
    else
        wire_write_int32(writer, length);
}

void wire_write_string(struct wire_writer *writer, bool compact, struct wire_string value)
{
    int32_t length = value.text == NULL ? -1 : value.size_bytes;

    if (length > WIRE_STRING_BYTES_MAX) {
        wire_writer_fail(writer, ERR_TOO_LARGE);
        return;
    }
    check(length >= -1);
    if (compact)
        wire_write_uvarint(writer, (uint32_t)length + 1);
    else
        wire_write_int16(writer, (int16_t)length);
    if (length > 0)
        wire_write_raw(writer, value.text, (size_t)length);
}

void wire_write_bytes(struct wire_writer *writer, bool compact, struct wire_bytes value)
{
    int32_t length = value.bytes == NULL ? -1 : value.size_bytes;

    wire_write_length(writer, compact, length);
    if (length > 0)
        wire_write_raw(writer, value.bytes, (size_t)length);
}

void wire_write_records(struct wire_writer *writer, bool compact, const struct wire_records *value)
{
    uint64_t size_bytes = 0;

    if (value->is_null) {
        wire_write_length(writer, compact, -1);
        return;
    }
    for (uint32_t i = 0; i < value->slice_count; i++)
        size_bytes += value->slices[i].size_bytes;
    check(size_bytes == value->size_bytes);
    if (size_bytes > INT32_MAX) {
        wire_writer_fail(writer, ERR_TOO_LARGE);
        return;
    }
    wire_write_length(writer, compact, (int32_t)size_bytes);
    for (uint32_t i = 0; i < value->slice_count; i++)
        wire_write_reference(writer, &value->slices[i]);
}

void wire_write_reference(struct wire_writer *writer, const struct wire_slice *slice)
{
    if (writer->err || (slice->size_bytes == 0 && slice->owner == NULL))
        return;
    seal_run(writer);
    push_segment(writer, (struct wire_segment){slice->bytes, slice->size_bytes, slice->owner});
}

void wire_write_writer(struct wire_writer *writer, struct wire_writer *other)
{
    if (other->err) {
        wire_writer_fail(writer, other->err);
        return;
    }
    for (uint32_t i = 0; i < other->segment_count; i++) {
        const struct wire_segment *segment = &other->segments[i];
        struct wire_slice slice = {segment->bytes, segment->size_bytes, segment->owner};
        if (slice.owner == NULL)
            wire_write_raw(writer, slice.bytes, slice.size_bytes);
        else
            wire_write_reference(writer, &slice);
    }
    wire_write_raw(writer, other->run_start, (size_t)(other->next - other->run_start));
}

void wire_writer_begin_frame(struct wire_writer *writer)
{
    check(writer->frame == NULL && wire_writer_size(writer) == 0);
    writer->frame = wire_writer_reserve(writer, sizeof(int32_t));
}

void wire_writer_end_frame(struct wire_writer *writer)
{
    uint64_t size_bytes = wire_writer_size(writer) - sizeof(int32_t);
    uint32_t big_endian;

    check(writer->frame != NULL);
    if (writer->err)
        return;
    if (size_bytes > INT32_MAX) {
        wire_writer_fail(writer, ERR_TOO_LARGE);
        return;
    }
    big_endian = __builtin_bswap32((uint32_t)size_bytes);
    memcpy(writer->frame, &big_endian, sizeof(big_endian));
    writer->frame = NULL;
}

enum err wire_writer_segments(struct wire_writer *writer, const struct wire_segment **segments,
                              uint32_t *segment_count)
{
    if (!writer->err)
        seal_run(writer);
    if (writer->err)
        return writer->err; /* WIRE-2 */
    *segments = writer->segments;
    *segment_count = writer->segment_count;
    return OK;
}

enum err wire_writer_flatten(struct wire_writer *writer, struct wire_bytes *out)
{
    uint64_t size_bytes = wire_writer_size(writer);
    const struct wire_segment *segments;
    uint32_t count;
    uint8_t *bytes;
    enum err err;

    if (writer->err)
        return writer->err;
    if (size_bytes > INT32_MAX)
        return ERR_TOO_LARGE;
    if (size_bytes == 0) {
        *out = (struct wire_bytes){nothing, 0};
        return OK;
    }
    if (writer->segment_count == 0) {
        *out = (struct wire_bytes){writer->run_start, (int32_t)size_bytes};
        return OK;
    }
    err = wire_writer_segments(writer, &segments, &count);
    if (err)
        return err;
    bytes = arena_alloc(writer->arena, size_bytes);
    if (bytes == NULL)
        return ERR_NOMEM;
    out->bytes = bytes;
    out->size_bytes = (int32_t)size_bytes;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(bytes, segments[i].bytes, segments[i].size_bytes);
        bytes += segments[i].size_bytes;
    }
    return OK;
}
