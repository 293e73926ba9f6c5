/* big_endian: integers at any address in the byte order of Kafka's formats. */
#ifndef LEVEE_RECORD_BIG_ENDIAN_H
#define LEVEE_RECORD_BIG_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t big_endian_get_u16(const uint8_t *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof(value));
    return be16toh(value);
}

static inline uint32_t big_endian_get_u32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return be32toh(value);
}

static inline uint64_t big_endian_get_u64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return be64toh(value);
}

static inline int16_t big_endian_get_i16(const uint8_t *bytes)
{
    return (int16_t)big_endian_get_u16(bytes);
}

static inline int32_t big_endian_get_i32(const uint8_t *bytes)
{
    return (int32_t)big_endian_get_u32(bytes);
}

static inline int64_t big_endian_get_i64(const uint8_t *bytes)
{
    return (int64_t)big_endian_get_u64(bytes);
}

static inline void big_endian_put_u16(uint8_t *bytes, uint16_t value)
{
    value = htobe16(value);
    memcpy(bytes, &value, sizeof(value));
}

static inline void big_endian_put_u32(uint8_t *bytes, uint32_t value)
{
    value = htobe32(value);
    memcpy(bytes, &value, sizeof(value));
}

static inline void big_endian_put_u64(uint8_t *bytes, uint64_t value)
{
    value = htobe64(value);
    memcpy(bytes, &value, sizeof(value));
}

static inline void big_endian_put_i16(uint8_t *bytes, int16_t value)
{
    big_endian_put_u16(bytes, (uint16_t)value);
}

static inline void big_endian_put_i32(uint8_t *bytes, int32_t value)
{
    big_endian_put_u32(bytes, (uint32_t)value);
}

static inline void big_endian_put_i64(uint8_t *bytes, int64_t value)
{
    big_endian_put_u64(bytes, (uint64_t)value);
}

#endif
