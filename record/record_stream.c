#include "record/record_stream.h"

#include "base/varint.h"
#include "record/record.h"

enum {
    WHOLE_MAX_BYTES = 64 << 10, /* a longer record may be all headers, and is read in parts */
    /* What stepping over them takes, in bytes of output at 2.5 ns each. */
    RECORD_WORK_BYTES = 8,
    HEADER_WORK_BYTES = 4,
};

enum err record_stream_init(struct record_stream *stream, struct compression_reader *reader)
{
    *stream = (struct record_stream){.reader = reader};
    return compression_peek(reader, &stream->bytes, &stream->left_bytes);
}

/* Show the next window when this one is used up; left_bytes is 0 at the end. */
static enum err refill(struct record_stream *stream, size_t used_bytes)
{
    stream->bytes += used_bytes;
    stream->left_bytes -= used_bytes;
    compression_advance(stream->reader, used_bytes);
    if (stream->left_bytes > 0)
        return OK;
    return compression_peek(stream->reader, &stream->bytes, &stream->left_bytes);
}

/* Step over size_bytes of the record, whose budget is *body_bytes. */
static enum err skip(struct record_stream *stream, uint32_t size_bytes, uint32_t *body_bytes)
{
    if (size_bytes > *body_bytes)
        return ERR_MALFORMED;
    *body_bytes -= size_bytes;
    while (size_bytes > 0) {
        size_t some_bytes = size_bytes;
        enum err err;

        if (stream->left_bytes == 0)
            return ERR_TRUNCATED;
        if (some_bytes > stream->left_bytes)
            some_bytes = stream->left_bytes;
        err = refill(stream, some_bytes);
        if (err)
            return err;
        size_bytes -= (uint32_t)some_bytes;
    }
    return OK;
}

/* Collect the bytes of one varint, which may lie across two windows. */
static enum err take_varint(struct record_stream *stream, uint8_t digits[VARINT_U64_MAX_BYTES],
                            size_t *count_out, uint32_t *body_bytes)
{
    for (size_t count = 0; count < VARINT_U64_MAX_BYTES; count++) {
        enum err err;

        if (stream->left_bytes == 0)
            return ERR_TRUNCATED;
        digits[count] = stream->bytes[0];
        err = skip(stream, 1, body_bytes);
        if (err)
            return err;
        if (!(digits[count] & 0x80)) {
            *count_out = count + 1;
            return OK;
        }
    }
    return ERR_MALFORMED;
}

static enum err take_i32(struct record_stream *stream, uint32_t *body_bytes, int32_t *out)
{
    uint8_t digits[VARINT_U64_MAX_BYTES];
    size_t count;
    enum err err = take_varint(stream, digits, &count, body_bytes);

    if (err)
        return err;
    return varint_get_i32(digits, count, out) > 0 ? OK : ERR_MALFORMED;
}

static enum err take_i64(struct record_stream *stream, uint32_t *body_bytes, int64_t *out)
{
    uint8_t digits[VARINT_U64_MAX_BYTES];
    size_t count;
    enum err err = take_varint(stream, digits, &count, body_bytes);

    if (err)
        return err;
    return varint_get_i64(digits, count, out) > 0 ? OK : ERR_MALFORMED;
}

/* Length and that many bytes.  *size_out (may be NULL): the length, -1 for null. */
static enum err skip_bytes(struct record_stream *stream, uint32_t *body_bytes, bool nullable,
                           int32_t *size_out)
{
    int32_t size_bytes;
    enum err err = take_i32(stream, body_bytes, &size_bytes);

    if (err)
        return err;
    if (size_bytes < -1 || (size_bytes == -1 && !nullable))
        return ERR_MALFORMED;
    if (size_out)
        *size_out = size_bytes;
    return size_bytes > 0 ? skip(stream, (uint32_t)size_bytes, body_bytes) : OK;
}

static enum err skip_headers(struct record_stream *stream, uint32_t *body_bytes)
{
    int32_t header_count;
    enum err err = take_i32(stream, body_bytes, &header_count);

    if (err)
        return err;
    if (header_count < 0)
        return ERR_MALFORMED;
    for (int32_t i = 0; i < header_count; i++) {
        stream->reader->work_bytes += HEADER_WORK_BYTES;
        if (compression_is_spent(stream->reader))
            return ERR_FULL;
        err = skip_bytes(stream, body_bytes, false, NULL);
        if (!err)
            err = skip_bytes(stream, body_bytes, true, NULL);
        if (err)
            return err;
    }
    return OK;
}

/* A record that is long, or lies across windows, field by field. */
static enum err take_parts(struct record_stream *stream, struct record_face *out)
{
    uint32_t body_bytes = VARINT_U32_MAX_BYTES; /* for the length itself */
    int32_t length;
    int32_t key_bytes;
    enum err err = take_i32(stream, &body_bytes, &length);

    if (err)
        return err;
    if (length < 0)
        return ERR_MALFORMED;
    body_bytes = (uint32_t)length;
    err = skip(stream, 1, &body_bytes); /* attributes */
    if (!err)
        err = take_i64(stream, &body_bytes, &out->timestamp_delta_ms);
    if (!err)
        err = take_i32(stream, &body_bytes, &out->offset_delta);
    if (!err)
        err = skip_bytes(stream, &body_bytes, true, &key_bytes);
    if (!err)
        err = skip_bytes(stream, &body_bytes, true, NULL);
    if (!err)
        err = skip_headers(stream, &body_bytes);
    if (err)
        return err;
    out->has_key = key_bytes >= 0;
    return body_bytes == 0 ? OK : ERR_MALFORMED;
}

/* At once when it lies in the window as a whole, which it mostly does. */
enum err record_stream_next(struct record_stream *stream, struct record_face *out)
{
    struct record record;
    size_t used_bytes;
    enum err err;

    stream->reader->work_bytes += RECORD_WORK_BYTES;
    if (compression_is_spent(stream->reader))
        return ERR_FULL;
    err = record_decode(stream->bytes,
                        stream->left_bytes < WHOLE_MAX_BYTES ? stream->left_bytes : WHOLE_MAX_BYTES,
                        &record, &used_bytes);
    if (err == ERR_TRUNCATED)
        return take_parts(stream, out);
    if (err)
        return err;
    *out = (struct record_face){
        .timestamp_delta_ms = record.timestamp_delta_ms,
        .offset_delta = record.offset_delta,
        .has_key = record.key_bytes >= 0,
    };
    stream->reader->work_bytes += (uint64_t)record.header_count * HEADER_WORK_BYTES;
    return refill(stream, used_bytes);
}
