/* varint: integers in 7-bit groups, least significant first, the high bit saying "more follows".
 *
 * u32, u64: plain.  i32, i64: zigzag before that (0, -1, 1, -2 ... become 0, 1, 2, 3 ...).  The
 * same in Kafka's records, in tagged fields and in Protocol Buffers. */
#ifndef LEVEE_BASE_VARINT_H
#define LEVEE_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

enum {
    VARINT_U32_MAX_BYTES = 5,
    VARINT_U64_MAX_BYTES = 10,
};

/* What varint_get_* return when they return no count of bytes. */
enum {
    VARINT_TRUNCATED = 0,  /* the range ends inside the number */
    VARINT_MALFORMED = -1, /* too long, or bits beyond the type */
};

static inline uint32_t varint_zigzag_i32(int32_t value)
{
    return ((uint32_t)value << 1) ^ (uint32_t)(value >> 31);
}

static inline int32_t varint_unzigzag_u32(uint32_t value)
{
    return (int32_t)((value >> 1) ^ (0U - (value & 1)));
}

static inline uint64_t varint_zigzag_i64(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t varint_unzigzag_u64(uint64_t value)
{
    return (int64_t)((value >> 1) ^ (0ULL - (value & 1)));
}

/* Read from the front of bytes.  The count of bytes used (> 0), or VARINT_TRUNCATED, or
 * VARINT_MALFORMED; *out is written on success only.  Needlessly long forms are accepted, as Kafka
 * does, up to VARINT_*_MAX_BYTES. */
int varint_get_u32(const uint8_t *bytes, size_t size_bytes, uint32_t *out);
int varint_get_u64(const uint8_t *bytes, size_t size_bytes, uint64_t *out);
int varint_get_i32(const uint8_t *bytes, size_t size_bytes, int32_t *out);
int varint_get_i64(const uint8_t *bytes, size_t size_bytes, int64_t *out);

/* Write to the front of bytes.  The count of bytes written, or 0 when they do not fit; then
 * nothing was written. */
size_t varint_put_u32(uint8_t *bytes, size_t max_bytes, uint32_t value);
size_t varint_put_u64(uint8_t *bytes, size_t max_bytes, uint64_t value);
size_t varint_put_i32(uint8_t *bytes, size_t max_bytes, int32_t value);
size_t varint_put_i64(uint8_t *bytes, size_t max_bytes, int64_t value);

/* Bytes that the number takes: 1..5 or 1..10. */
static inline size_t varint_size_u64(uint64_t value)
{
    return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

static inline size_t varint_size_u32(uint32_t value)
{
    return varint_size_u64(value);
}

static inline size_t varint_size_i32(int32_t value)
{
    return varint_size_u64(varint_zigzag_i32(value));
}

static inline size_t varint_size_i64(int64_t value)
{
    return varint_size_u64(varint_zigzag_i64(value));
}

#endif
