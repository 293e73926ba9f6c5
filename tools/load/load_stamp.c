#include "tools/load/load_stamp.h"

#include "base/check.h"
#include "record/big_endian.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    MAGIC = 0x4c56454c,
    SUM_POS = 56,
};

static uint64_t checksum(const uint8_t *value, size_t size_bytes, const void *key,
                         int32_t key_bytes)
{
    uint8_t sums[24];

    big_endian_put_u64(sums, XXH3_64bits(value, SUM_POS));
    big_endian_put_u64(sums + 8,
                       XXH3_64bits(value + LOAD_STAMP_BYTES, size_bytes - LOAD_STAMP_BYTES));
    big_endian_put_u64(sums + 16, key_bytes < 0 ? 0 : XXH3_64bits(key, (size_t)key_bytes));
    return XXH3_64bits(sums, sizeof(sums));
}

void load_stamp_write(uint8_t *value, size_t size_bytes, const void *key, int32_t key_bytes,
                      const struct load_stamp *stamp)
{
    check(size_bytes >= LOAD_STAMP_BYTES);
    big_endian_put_u32(value, MAGIC);
    big_endian_put_u32(value + 4, stamp->run);
    big_endian_put_u32(value + 8, stamp->producer);
    big_endian_put_u32(value + 12, stamp->epoch);
    big_endian_put_u64(value + 16, stamp->sequence);
    big_endian_put_u64(value + 24, stamp->intended_ns);
    big_endian_put_u64(value + 32, stamp->transaction);
    big_endian_put_u32(value + 40, stamp->index);
    big_endian_put_u32(value + 44, stamp->index_count);
    big_endian_put_u64(value + 48, stamp->partition_sequence);
    big_endian_put_u64(value + SUM_POS, checksum(value, size_bytes, key, key_bytes));
}

enum err load_stamp_read(const uint8_t *value, size_t size_bytes, const void *key,
                         int32_t key_bytes, struct load_stamp *out)
{
    if (value == NULL || size_bytes < LOAD_STAMP_BYTES || big_endian_get_u32(value) != MAGIC)
        return ERR_NOT_FOUND;
    if (big_endian_get_u64(value + SUM_POS) != checksum(value, size_bytes, key, key_bytes))
        return ERR_CORRUPT;
    *out = (struct load_stamp){
        .run = big_endian_get_u32(value + 4),
        .producer = big_endian_get_u32(value + 8),
        .epoch = big_endian_get_u32(value + 12),
        .sequence = big_endian_get_u64(value + 16),
        .intended_ns = big_endian_get_u64(value + 24),
        .transaction = big_endian_get_u64(value + 32),
        .index = big_endian_get_u32(value + 40),
        .index_count = big_endian_get_u32(value + 44),
        .partition_sequence = big_endian_get_u64(value + 48),
    };
    return OK;
}
