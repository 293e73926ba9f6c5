#include "base/varint.h"

/* At most max_count groups of 7 bits; a byte above last_max as the last of them has bits that the
 * type has not. */
static inline int get(const uint8_t *bytes, size_t size_bytes, int max_count, uint8_t last_max,
                      uint64_t *out)
{
    uint64_t value = 0;

    for (int i = 0; i < max_count; i++) {
        if ((size_t)i == size_bytes)
            return VARINT_TRUNCATED;
        if (i == max_count - 1 && bytes[i] > last_max)
            return VARINT_MALFORMED;
        value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (bytes[i] < 0x80) {
            *out = value;
            return i + 1;
        }
    }
    return VARINT_MALFORMED; /* not reached: last_max is below 0x80 */
}

int varint_get_u32(const uint8_t *bytes, size_t size_bytes, uint32_t *out)
{
    uint64_t value;
    int used;

    if (size_bytes > 0 && bytes[0] < 0x80) {
        *out = bytes[0];
        return 1;
    }
    used = get(bytes, size_bytes, VARINT_U32_MAX_BYTES, 0x0f, &value);
    if (used > 0)
        *out = (uint32_t)value;
    return used;
}

int varint_get_u64(const uint8_t *bytes, size_t size_bytes, uint64_t *out)
{
    if (size_bytes > 0 && bytes[0] < 0x80) {
        *out = bytes[0];
        return 1;
    }
    return get(bytes, size_bytes, VARINT_U64_MAX_BYTES, 0x01, out);
}

int varint_get_i32(const uint8_t *bytes, size_t size_bytes, int32_t *out)
{
    uint32_t value;
    int used = varint_get_u32(bytes, size_bytes, &value);

    if (used > 0)
        *out = varint_unzigzag_u32(value);
    return used;
}

int varint_get_i64(const uint8_t *bytes, size_t size_bytes, int64_t *out)
{
    uint64_t value;
    int used = varint_get_u64(bytes, size_bytes, &value);

    if (used > 0)
        *out = varint_unzigzag_u64(value);
    return used;
}

size_t varint_put_u64(uint8_t *bytes, size_t max_bytes, uint64_t value)
{
    size_t size_bytes = varint_size_u64(value);

    if (size_bytes > max_bytes)
        return 0;
    for (size_t i = 0; i + 1 < size_bytes; i++) {
        bytes[i] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size_bytes - 1] = (uint8_t)value;
    return size_bytes;
}

size_t varint_put_u32(uint8_t *bytes, size_t max_bytes, uint32_t value)
{
    return varint_put_u64(bytes, max_bytes, value);
}

size_t varint_put_i32(uint8_t *bytes, size_t max_bytes, int32_t value)
{
    return varint_put_u64(bytes, max_bytes, varint_zigzag_i32(value));
}

size_t varint_put_i64(uint8_t *bytes, size_t max_bytes, int64_t value)
{
    return varint_put_u64(bytes, max_bytes, varint_zigzag_i64(value));
}
