/* record: one record inside a batch v2, and walks over records that are not compressed.
 *
 * Works on bytes that somebody else owns; holds nothing; any thread.  Numbers are zigzag varints:
 *
 *   length of the rest (i32) | int8 attributes, 0 | timestamp delta (i64) | offset delta (i32)
 *   key length (i32, -1 null), key | value length (i32, -1 null), value
 *   header count (i32) { key length (i32, never null), key | value length (i32, -1 null), value }
 */
#ifndef LEVEE_RECORD_RECORD_H
#define LEVEE_RECORD_RECORD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record_header {
    const char *key; /* UTF-8 by agreement; not checked, as in Kafka's broker */
    uint32_t key_bytes;
    int32_t value_bytes; /* -1: null */
    const uint8_t *value;
};

/* Decoded: everything points into the bytes it was read from.  To encode: fill it; headers come
 * from `headers` when that is not NULL, otherwise as encoded from `header_data`. */
struct record {
    int64_t timestamp_delta_ms;
    int32_t offset_delta;
    int32_t key_bytes;   /* -1: null */
    int32_t value_bytes; /* -1: null */
    int32_t header_count;
    const uint8_t *key;
    const uint8_t *value;
    const uint8_t *header_data; /* header_count headers, encoded */
    uint32_t header_data_bytes;
    const struct record_header *headers; /* NULL after decoding */
};

/* Largest record that can be encoded or decoded, its length field included. */
#define RECORD_MAX_BYTES ((size_t)INT32_MAX)

/* Read the record at the front of bytes; *used_out is its size with the length field.
 * ERR_TRUNCATED: bytes end before it does.  ERR_MALFORMED: its parts do not fill it exactly, a
 * length or count is negative where it may not be, or a varint is bad.  Attribute bits are ignored,
 * as in Kafka. */
must_use enum err record_decode(const uint8_t *bytes, size_t size_bytes, struct record *out,
                                size_t *used_out);

/* Bytes that the record takes with its length field; 0 when it cannot be encoded (above
 * RECORD_MAX_BYTES, lengths below -1, header_count negative). */
size_t record_size(const struct record *record);

/* Write it.  The bytes written; 0 when it does not fit in max_bytes or cannot be encoded. */
size_t record_encode(const struct record *record, uint8_t *bytes, size_t max_bytes);

/* A value with 0 bytes is empty, NULL value is null; for filling a struct record in one line. */
void record_init(struct record *out, const void *key, int32_t key_bytes, const void *value,
                 int32_t value_bytes);

/* Records that stand back to back. */
struct record_walk {
    const uint8_t *bytes;
    size_t size_bytes;
    size_t pos;
    int32_t left_count; /* records still to come by the batch header's count */
};

void record_walk_init(struct record_walk *walk, const uint8_t *bytes, size_t size_bytes,
                      int32_t record_count);

/* ERR_NOT_FOUND: count and bytes ended together.  ERR_TRUNCATED, ERR_MALFORMED as record_decode;
 * ERR_MALFORMED also when bytes are left behind the last record. */
must_use enum err record_next(struct record_walk *walk, struct record *out);

/* The headers of a decoded record. */
struct record_header_walk {
    const uint8_t *bytes;
    size_t size_bytes;
    int32_t left_count;
};

void record_header_walk_init(struct record_header_walk *walk, const struct record *record);

/* ERR_NOT_FOUND: no more.  ERR_MALFORMED: cannot happen after record_decode said OK. */
must_use enum err record_header_next(struct record_header_walk *walk, struct record_header *out);

#endif
