#include "base/crc32c_ways.h"

#include <string.h>

/* Row k, bit b: what the byte 1 << b does to the register when k zero bytes follow it.  A whole
 * byte does the sum of its bits, so these 64 numbers give the 2048 of the tables. */
#define ROW_0(X, n)                                                                    \
    X(n, 0xf26b8303U, 0xe13b70f7U, 0xc79a971fU, 0x8ad958cfU, 0x105ec76fU, 0x20bd8edeU, \
      0x417b1dbcU, 0x82f63b78U)
#define ROW_1(X, n)                                                                    \
    X(n, 0x13a29877U, 0x274530eeU, 0x4e8a61dcU, 0x9d14c3b8U, 0x3fc5f181U, 0x7f8be302U, \
      0xff17c604U, 0xfbc3faf9U)
#define ROW_2(X, n)                                                                    \
    X(n, 0xa541927eU, 0x4f6f520dU, 0x9edea41aU, 0x38513ec5U, 0x70a27d8aU, 0xe144fb14U, \
      0xc76580d9U, 0x8b277743U)
#define ROW_3(X, n)                                                                    \
    X(n, 0xdd45aab8U, 0xbf672381U, 0x7b2231f3U, 0xf64463e6U, 0xe964b13dU, 0xd725148bU, \
      0xaba65fe7U, 0x52a0c93fU)
#define ROW_4(X, n)                                                                    \
    X(n, 0x38116facU, 0x7022df58U, 0xe045beb0U, 0xc5670b91U, 0x8f2261d3U, 0x1ba8b557U, \
      0x37516aaeU, 0x6ea2d55cU)
#define ROW_5(X, n)                                                                    \
    X(n, 0xef306b19U, 0xdb8ca0c3U, 0xb2f53777U, 0x6006181fU, 0xc00c303eU, 0x85f4168dU, \
      0x0e045bebU, 0x1c08b7d6U)
#define ROW_6(X, n)                                                                    \
    X(n, 0x68032cc8U, 0xd0065990U, 0xa5e0c5d1U, 0x4e2dfd53U, 0x9c5bfaa6U, 0x3d5b83bdU, \
      0x7ab7077aU, 0xf56e0ef4U)
#define ROW_7(X, n)                                                                    \
    X(n, 0x493c7d27U, 0x9278fa4eU, 0x211d826dU, 0x423b04daU, 0x847609b4U, 0x0d006599U, \
      0x1a00cb32U, 0x34019664U)

#define BIT(n, b, value) (((n) >> (b)&1) * (value))
#define ENTRY(n, b0, b1, b2, b3, b4, b5, b6, b7)                                     \
    (BIT(n, 0, b0) ^ BIT(n, 1, b1) ^ BIT(n, 2, b2) ^ BIT(n, 3, b3) ^ BIT(n, 4, b4) ^ \
     BIT(n, 5, b5) ^ BIT(n, 6, b6) ^ BIT(n, 7, b7))
#define FOUR(row, n) row(ENTRY, (n)), row(ENTRY, (n) + 1), row(ENTRY, (n) + 2), row(ENTRY, (n) + 3)
#define SIXTEEN(row, n) FOUR(row, n), FOUR(row, (n) + 4), FOUR(row, (n) + 8), FOUR(row, (n) + 12)
#define SIXTY_FOUR(row, n) \
    SIXTEEN(row, n), SIXTEEN(row, (n) + 16), SIXTEEN(row, (n) + 32), SIXTEEN(row, (n) + 48)
#define TABLE(row)                                                                          \
    {                                                                                       \
        SIXTY_FOUR(row, 0), SIXTY_FOUR(row, 64), SIXTY_FOUR(row, 128), SIXTY_FOUR(row, 192) \
    }

static const uint32_t tables[8][256] = {
    TABLE(ROW_0), TABLE(ROW_1), TABLE(ROW_2), TABLE(ROW_3),
    TABLE(ROW_4), TABLE(ROW_5), TABLE(ROW_6), TABLE(ROW_7),
};

static uint32_t load_le32(const uint8_t *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? value : __builtin_bswap32(value);
}

uint32_t crc32c_table_update(uint32_t state, const uint8_t *bytes, size_t size_bytes)
{
    for (; size_bytes >= 8; bytes += 8, size_bytes -= 8) {
        uint32_t low = load_le32(bytes) ^ state;
        uint32_t high = load_le32(bytes + 4);
        state = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^
                tables[4][low >> 24] ^ tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^
                tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (; size_bytes > 0; bytes++, size_bytes--)
        state = tables[0][(state ^ *bytes) & 255] ^ state >> 8;
    return state;
}
