/* crc32c_three_way: the checksum with a processor's instruction for eight bytes, three lanes at
 * once since that instruction takes three cycles and one can begin every cycle.
 *
 * Included by one platform's file, which has defined
 *   THREE_WAY_TARGET                 attributes of the functions
 *   three_way_u64(state, value)      the register after 8 bytes
 *   three_way_u8(state, value)       the register after 1 byte
 *   three_way_multiply(a, b)         carry-less product of two 32-bit numbers */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A lane's register, moved past the bytes of the lanes behind it: times x^(8n) for n bytes.  The
 * reflected product is off by x and three_way_u64(0, product) multiplies by x^32, so these are
 * x^(8n - 33) modulo the polynomial. */
struct three_way_size {
    size_t lane_bytes;
    uint32_t past_two; /* n = 2 * lane_bytes */
    uint32_t past_one; /* n = lane_bytes */
};
static const struct three_way_size three_way_long = {1024, 0xa51b6135U, 0x170076faU};
static const struct three_way_size three_way_short = {128, 0xb9e02b86U, 0x0d3b6092U};

static inline uint64_t three_way_load(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* 3 * size->lane_bytes from bytes. */
THREE_WAY_TARGET static inline uint32_t three_way_block(uint32_t state, const uint8_t *bytes,
                                                        const struct three_way_size *size)
{
    const uint8_t *lane1 = bytes + size->lane_bytes;
    const uint8_t *lane2 = lane1 + size->lane_bytes;
    uint32_t state1 = 0;
    uint32_t state2 = 0;

    for (size_t i = 0; i < size->lane_bytes; i += 8) {
        state = three_way_u64(state, three_way_load(bytes + i));
        state1 = three_way_u64(state1, three_way_load(lane1 + i));
        state2 = three_way_u64(state2, three_way_load(lane2 + i));
    }
    return state2 ^ three_way_u64(0, three_way_multiply(state, size->past_two) ^
                                         three_way_multiply(state1, size->past_one));
}

THREE_WAY_TARGET static uint32_t three_way_update(uint32_t state, const uint8_t *bytes,
                                                  size_t size_bytes)
{
    for (; size_bytes >= 3 * three_way_long.lane_bytes;
         bytes += 3 * three_way_long.lane_bytes, size_bytes -= 3 * three_way_long.lane_bytes)
        state = three_way_block(state, bytes, &three_way_long);
    for (; size_bytes >= 3 * three_way_short.lane_bytes;
         bytes += 3 * three_way_short.lane_bytes, size_bytes -= 3 * three_way_short.lane_bytes)
        state = three_way_block(state, bytes, &three_way_short);
    for (; size_bytes >= 8; bytes += 8, size_bytes -= 8)
        state = three_way_u64(state, three_way_load(bytes));
    for (; size_bytes > 0; bytes++, size_bytes--)
        state = three_way_u8(state, *bytes);
    return state;
}
