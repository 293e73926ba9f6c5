#include "record/batch.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "record/big_endian.h"

enum {
    LENGTH_POS = 8,
    ATTRIBUTES_POS = 21,
    LAST_OFFSET_DELTA_POS = 23,
    BASE_TIMESTAMP_POS = 27,
    MAX_TIMESTAMP_POS = 35,
    PRODUCER_ID_POS = 43,
    PRODUCER_EPOCH_POS = 51,
    BASE_SEQUENCE_POS = 53,
    RECORD_COUNT_POS = 57,
};

_Static_assert((int)RECORD_COUNT_POS + 4 == (int)BATCH_HEADER_BYTES,
               "the header ends with the count");
_Static_assert((int)ATTRIBUTES_POS == (int)BATCH_CRC_FROM_POS,
               "the checksum begins with the attributes");

enum err batch_parse_header(const uint8_t *bytes, size_t size_bytes, struct batch_header *out)
{
    int32_t length;
    int8_t magic;

    if (size_bytes < BATCH_MAGIC_POS + 1)
        return ERR_TRUNCATED;
    length = big_endian_get_i32(bytes + LENGTH_POS);
    magic = (int8_t)bytes[BATCH_MAGIC_POS];
    if (magic < 0 || magic > BATCH_MAGIC)
        return ERR_CORRUPT;
    if (magic < BATCH_MAGIC)
        return ERR_UNSUPPORTED;
    if (length < BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES)
        return ERR_CORRUPT;
    if (size_bytes < BATCH_HEADER_BYTES)
        return ERR_TRUNCATED;

    *out = (struct batch_header){
        .base_offset = big_endian_get_i64(bytes),
        .size_bytes = (uint32_t)length + BATCH_PREFIX_BYTES,
        .leader_epoch = big_endian_get_i32(bytes + BATCH_LEADER_EPOCH_POS),
        .crc = big_endian_get_u32(bytes + BATCH_CRC_POS),
        .attributes = big_endian_get_i16(bytes + ATTRIBUTES_POS),
        .magic = magic,
        .last_offset_delta = big_endian_get_i32(bytes + LAST_OFFSET_DELTA_POS),
        .base_timestamp_ms = big_endian_get_i64(bytes + BASE_TIMESTAMP_POS),
        .max_timestamp_ms = big_endian_get_i64(bytes + MAX_TIMESTAMP_POS),
        .producer_id = big_endian_get_i64(bytes + PRODUCER_ID_POS),
        .producer_epoch = big_endian_get_i16(bytes + PRODUCER_EPOCH_POS),
        .base_sequence = big_endian_get_i32(bytes + BASE_SEQUENCE_POS),
        .record_count = big_endian_get_i32(bytes + RECORD_COUNT_POS),
    };
    return OK;
}

enum err batch_parse(const uint8_t *bytes, size_t size_bytes, struct batch_header *out)
{
    struct batch_header header;
    enum err err = batch_parse_header(bytes, size_bytes, &header);

    if (err)
        return err;
    if (header.size_bytes > size_bytes)
        return ERR_TRUNCATED;
    *out = header;
    return OK;
}

void batch_put_header(uint8_t *bytes, const struct batch_header *header)
{
    check(header->size_bytes >= BATCH_HEADER_BYTES);
    check(header->size_bytes - BATCH_PREFIX_BYTES <= INT32_MAX);
    big_endian_put_i64(bytes, header->base_offset);
    big_endian_put_u32(bytes + LENGTH_POS, header->size_bytes - BATCH_PREFIX_BYTES);
    big_endian_put_i32(bytes + BATCH_LEADER_EPOCH_POS, header->leader_epoch);
    bytes[BATCH_MAGIC_POS] = (uint8_t)header->magic;
    big_endian_put_u32(bytes + BATCH_CRC_POS, header->crc);
    big_endian_put_i16(bytes + ATTRIBUTES_POS, header->attributes);
    big_endian_put_i32(bytes + LAST_OFFSET_DELTA_POS, header->last_offset_delta);
    big_endian_put_i64(bytes + BASE_TIMESTAMP_POS, header->base_timestamp_ms);
    big_endian_put_i64(bytes + MAX_TIMESTAMP_POS, header->max_timestamp_ms);
    big_endian_put_i64(bytes + PRODUCER_ID_POS, header->producer_id);
    big_endian_put_i16(bytes + PRODUCER_EPOCH_POS, header->producer_epoch);
    big_endian_put_i32(bytes + BASE_SEQUENCE_POS, header->base_sequence);
    big_endian_put_i32(bytes + RECORD_COUNT_POS, header->record_count);
}

uint32_t batch_compute_crc(const uint8_t *bytes, uint32_t size_bytes)
{
    check(size_bytes >= BATCH_HEADER_BYTES);
    return crc32c(0, bytes + BATCH_CRC_FROM_POS, size_bytes - BATCH_CRC_FROM_POS);
}

bool batch_crc_is_good(const uint8_t *bytes, const struct batch_header *header)
{
    return batch_compute_crc(bytes, header->size_bytes) == header->crc;
}

bool batch_parts_crc_is_good(const uint8_t *header_bytes, const uint8_t *record_bytes,
                             const struct batch_header *header)
{
    uint32_t crc = batch_compute_crc(header_bytes, BATCH_HEADER_BYTES);

    return crc32c(crc, record_bytes, header->size_bytes - BATCH_HEADER_BYTES) == header->crc;
}

void batch_set_crc(uint8_t *bytes, uint32_t size_bytes)
{
    big_endian_put_u32(bytes + BATCH_CRC_POS, batch_compute_crc(bytes, size_bytes));
}

void batch_set_base_offset(uint8_t *bytes, int64_t base_offset)
{
    big_endian_put_i64(bytes, base_offset);
}

void batch_set_leader_epoch(uint8_t *bytes, int32_t leader_epoch)
{
    big_endian_put_i32(bytes + BATCH_LEADER_EPOCH_POS, leader_epoch);
}

/* A CRC is linear: crc(a b) is shift(crc(a), size b) ^ crc(b).  So the difference that a new front
 * makes is the shifted difference of the fronts' checksums, and b need not be read. */
static void set_timestamp_type(uint8_t *bytes, bool log_append_time, int64_t max_timestamp_ms)
{
    const size_t front_bytes = BATCH_HEADER_BYTES - BATCH_CRC_FROM_POS;
    uint32_t size_bytes = big_endian_get_u32(bytes + LENGTH_POS) + BATCH_PREFIX_BYTES;
    uint32_t attributes = big_endian_get_u16(bytes + ATTRIBUTES_POS);
    uint32_t crc = big_endian_get_u32(bytes + BATCH_CRC_POS);
    uint32_t before;
    uint32_t after;

    check(size_bytes >= BATCH_HEADER_BYTES);
    before = crc32c(0, bytes + BATCH_CRC_FROM_POS, front_bytes);
    attributes &= ~(uint32_t)BATCH_LOG_APPEND_TIME;
    if (log_append_time)
        attributes |= BATCH_LOG_APPEND_TIME;
    big_endian_put_u16(bytes + ATTRIBUTES_POS, (uint16_t)attributes);
    big_endian_put_i64(bytes + MAX_TIMESTAMP_POS, max_timestamp_ms);
    after = crc32c(0, bytes + BATCH_CRC_FROM_POS, front_bytes);
    big_endian_put_u32(bytes + BATCH_CRC_POS,
                       crc32c_combine(before ^ after, crc, size_bytes - BATCH_HEADER_BYTES));
}

void batch_set_append_time(uint8_t *header_bytes, int64_t now_ms)
{
    set_timestamp_type(header_bytes, true, now_ms);
}

void batch_set_create_time(uint8_t *header_bytes, int64_t max_timestamp_ms)
{
    set_timestamp_type(header_bytes, false, max_timestamp_ms);
}

int32_t batch_sequence_add(int32_t sequence, int32_t delta)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)delta) & INT32_MAX);
}

int32_t batch_sequence_subtract(int32_t sequence, int32_t delta)
{
    return (int32_t)(((uint32_t)sequence - (uint32_t)delta) & INT32_MAX);
}

int32_t batch_last_sequence(const struct batch_header *header)
{
    if (header->base_sequence == BATCH_NO_SEQUENCE)
        return BATCH_NO_SEQUENCE;
    return batch_sequence_add(header->base_sequence, header->last_offset_delta);
}

void batch_walk_init(struct batch_walk *walk, const uint8_t *bytes, size_t size_bytes)
{
    *walk = (struct batch_walk){.bytes = bytes, .size_bytes = size_bytes};
}

enum err batch_next(struct batch_walk *walk, struct batch_header *header_out,
                    const uint8_t **bytes_out)
{
    size_t left_bytes = walk->size_bytes - walk->pos;
    struct batch_header header;
    enum err err;

    if (left_bytes == 0)
        return ERR_NOT_FOUND;
    err = batch_parse(walk->bytes + walk->pos, left_bytes, &header);
    if (err)
        return err;
    *header_out = header;
    *bytes_out = walk->bytes + walk->pos;
    walk->pos += header.size_bytes;
    return OK;
}
