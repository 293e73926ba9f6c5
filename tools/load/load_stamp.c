#include "tools/load/load_stamp.h"

#include "base/check.h"
#include "record/big_endian.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    MAGIC = 0x4c56454c,
    SUM_BYTES = 8,
};

static uint64_t checksum(const uint8_t *value, size_t size_bytes, const void *key,
                         int32_t key_bytes)
{
    uint64_t sum = XXH3_64bits(value + SUM_BYTES, size_bytes - SUM_BYTES);

    return key_bytes < 0 ? sum : XXH3_64bits_withSeed(key, (size_t)key_bytes, sum);
}

void load_stamp_write(uint8_t *value, size_t size_bytes, const void *key, int32_t key_bytes,
                      const struct load_stamp *stamp)
{
    check(size_bytes >= LOAD_STAMP_BYTES);
    /* 8 bytes at a time, as the checksum loads them at once: two stores do not forward to one load
     */
    big_endian_put_u64(value + 8, (uint64_t)MAGIC << 32 | stamp->run);
    big_endian_put_u64(value + 16, (uint64_t)stamp->producer << 32 | stamp->epoch);
    big_endian_put_u64(value + 24, stamp->sequence);
    big_endian_put_u64(value + 32, stamp->intended_ns);
    big_endian_put_u64(value + 40, stamp->transaction);
    big_endian_put_u64(value + 48, (uint64_t)stamp->index << 32 | stamp->index_count);
    big_endian_put_u64(value + 56, stamp->partition_sequence);
    big_endian_put_u64(value, checksum(value, size_bytes, key, key_bytes));
}

enum err load_stamp_read(const uint8_t *value, size_t size_bytes, const void *key,
                         int32_t key_bytes, struct load_stamp *out)
{
    if (value == NULL || size_bytes < LOAD_STAMP_BYTES || big_endian_get_u32(value + 8) != MAGIC)
        return ERR_NOT_FOUND;
    if (big_endian_get_u64(value) != checksum(value, size_bytes, key, key_bytes))
        return ERR_CORRUPT;
    *out = (struct load_stamp){
        .run = big_endian_get_u32(value + 12),
        .producer = big_endian_get_u32(value + 16),
        .epoch = big_endian_get_u32(value + 20),
        .sequence = big_endian_get_u64(value + 24),
        .intended_ns = big_endian_get_u64(value + 32),
        .transaction = big_endian_get_u64(value + 40),
        .index = big_endian_get_u32(value + 48),
        .index_count = big_endian_get_u32(value + 52),
        .partition_sequence = big_endian_get_u64(value + 56),
    };
    return OK;
}
