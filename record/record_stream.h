/* record_stream: what the records of a batch say of themselves, front to back, compressed or not:
 * keys, values and headers are stepped over, so that memory does not depend on what the batch
 * expands to.
 *
 * Owned by whoever reads; holds nothing.  Records and headers count in reader->work_bytes. */
#ifndef LEVEE_RECORD_RECORD_STREAM_H
#define LEVEE_RECORD_RECORD_STREAM_H

#include "base/err.h"
#include "record/compression.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record_face {
    int64_t timestamp_delta_ms;
    int32_t offset_delta;
    bool has_key;
};

/* The uncompressed records, seen through the reader's window: bytes[0 .. left_bytes). */
struct record_stream {
    struct compression_reader *reader;
    const uint8_t *bytes;
    size_t left_bytes; /* 0: the stream is at its end */
};

/* reader: at a batch's first record; the caller's.  Errors as compression_peek. */
must_use enum err record_stream_init(struct record_stream *stream,
                                     struct compression_reader *reader);

/* The next record.  ERR_TRUNCATED: the stream ends before it does; ERR_MALFORMED as record_decode;
 * ERR_FULL: reader->work_max_bytes is spent; others as compression_peek. */
must_use enum err record_stream_next(struct record_stream *stream, struct record_face *out);

#endif
