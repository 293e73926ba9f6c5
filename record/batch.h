/* batch: the 61-byte header of a record batch, Kafka's message format v2, and walks over batches.
 *
 * Works on bytes that somebody else owns; holds nothing; any thread.  Big endian:
 *
 *    0 int64 base offset        8 int32 length: bytes that follow it (size of the batch - 12)
 *   12 int32 leader epoch      16 int8  magic, 2
 *   17 uint32 CRC-32C of everything from 21 to the end
 *   21 int16 attributes        23 int32 last offset delta
 *   27 int64 base timestamp    35 int64 max timestamp
 *   43 int64 producer id       51 int16 producer epoch    53 int32 base sequence
 *   57 int32 record count      61 records, compressed together when attributes say so
 *
 * Base offset, length, leader epoch and magic are outside the checksum.  (KIP-98, KIP-101) */
#ifndef LEVEE_RECORD_BATCH_H
#define LEVEE_RECORD_BATCH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BATCH_HEADER_BYTES = 61,
    BATCH_PREFIX_BYTES = 12, /* base offset and length, which length does not count */
    BATCH_LEADER_EPOCH_POS = 12,
    BATCH_MAGIC_POS = 16,
    BATCH_CRC_POS = 17,
    BATCH_CRC_FROM_POS = 21, /* first byte that the checksum covers */
    BATCH_MAGIC = 2,
};

enum {
    BATCH_CODEC_MASK = 0x07,      /* enum compression */
    BATCH_LOG_APPEND_TIME = 0x08, /* every record has the max timestamp */
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40, /* base timestamp is the delete horizon (KIP-534) */
    BATCH_ATTRIBUTES_KNOWN = 0x7f,
};

enum {
    BATCH_NO_PRODUCER_ID = -1,
    BATCH_NO_PRODUCER_EPOCH = -1,
    BATCH_NO_SEQUENCE = -1,
    BATCH_NO_TIMESTAMP = -1,
    BATCH_NO_LEADER_EPOCH = -1,
};

struct batch_header {
    int64_t base_offset;
    uint32_t size_bytes; /* of the whole batch: the length field + 12 */
    int32_t leader_epoch;
    uint32_t crc; /* as stored */
    int16_t attributes;
    int8_t magic;
    int32_t last_offset_delta;
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

/* Read the header at the front of bytes; the records need not be there.
 * ERR_TRUNCATED: fewer bytes than a header.  ERR_CORRUPT: the length field is smaller than a header
 * or negative, or magic is none that ever existed.  ERR_UNSUPPORTED: magic 0 or 1.  Nothing else is
 * judged: offsets, counts and attributes are as stored, the checksum is not computed. */
must_use enum err batch_parse_header(const uint8_t *bytes, size_t size_bytes,
                                     struct batch_header *out);

/* As batch_parse_header, and the whole batch lies in bytes, otherwise ERR_TRUNCATED. */
must_use enum err batch_parse(const uint8_t *bytes, size_t size_bytes, struct batch_header *out);

/* Write all 61 bytes, header->crc included. */
void batch_put_header(uint8_t *bytes, const struct batch_header *header);

/* The checksum that size_bytes (a whole batch) should carry. */
uint32_t batch_compute_crc(const uint8_t *bytes, uint32_t size_bytes);

/* Does the stored checksum of the batch that header was parsed from match its bytes? */
bool batch_crc_is_good(const uint8_t *bytes, const struct batch_header *header);

/* The same where the header's bytes and those of the records lie apart. */
bool batch_parts_crc_is_good(const uint8_t *header_bytes, const uint8_t *record_bytes,
                             const struct batch_header *header);

/* Compute and store the checksum. */
void batch_set_crc(uint8_t *bytes, uint32_t size_bytes);

/* Outside the checksum: free. */
void batch_set_base_offset(uint8_t *bytes, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *bytes, int32_t leader_epoch);

/* Bit 3 set and max timestamp = now_ms: the topic's message.timestamp.type is LogAppendTime.
 * Both want a header that batch_parse_header takes, alone or with its records, and set the checksum
 * by what changed in it, without reading the records: how many bytes those are says the batch's own
 * length.  A checksum that was wrong stays wrong. */
void batch_set_append_time(uint8_t *header_bytes, int64_t now_ms);

/* Bit 3 clear and max timestamp = max_timestamp_ms: CreateTime, what the records say. */
void batch_set_create_time(uint8_t *header_bytes, int64_t max_timestamp_ms);

static inline int batch_codec(const struct batch_header *header)
{
    return header->attributes & BATCH_CODEC_MASK; /* 0..7; only enum compression is defined */
}

static inline bool batch_is_log_append_time(const struct batch_header *header)
{
    return (header->attributes & BATCH_LOG_APPEND_TIME) != 0;
}

static inline bool batch_is_transactional(const struct batch_header *header)
{
    return (header->attributes & BATCH_TRANSACTIONAL) != 0;
}

static inline bool batch_is_control(const struct batch_header *header)
{
    return (header->attributes & BATCH_CONTROL) != 0;
}

static inline bool batch_has_delete_horizon(const struct batch_header *header)
{
    return (header->attributes & BATCH_DELETE_HORIZON) != 0;
}

static inline bool batch_has_producer(const struct batch_header *header)
{
    return header->producer_id > BATCH_NO_PRODUCER_ID;
}

/* Last offset that the batch covers.  Wraps silently when the stored numbers are absurd. */
static inline int64_t batch_last_offset(const struct batch_header *header)
{
    return (int64_t)((uint64_t)header->base_offset + (uint64_t)(int64_t)header->last_offset_delta);
}

/* sequence + delta (>= 0), going on at 0 after 2147483647 (KIP-98). */
int32_t batch_sequence_add(int32_t sequence, int32_t delta);

/* The inverse. */
int32_t batch_sequence_subtract(int32_t sequence, int32_t delta);

/* Sequence of the last record, also when the batch wraps; -1 when base sequence is -1. */
int32_t batch_last_sequence(const struct batch_header *header);

/* Batches that stand back to back in size_bytes of bytes. */
struct batch_walk {
    const uint8_t *bytes;
    size_t size_bytes;
    size_t pos; /* of the next batch */
};

void batch_walk_init(struct batch_walk *walk, const uint8_t *bytes, size_t size_bytes);

/* The next batch: its header and where it begins (header->size_bytes of it are there).
 * ERR_NOT_FOUND: the range ended exactly.  Other errors as batch_parse; walk->pos stays at the
 * batch that could not be read. */
must_use enum err batch_next(struct batch_walk *walk, struct batch_header *header_out,
                             const uint8_t **bytes_out);

#endif
