#include "base/crc32c.h"

#include "base/check.h"
#include "base/crc32c_ways.h"

static uint32_t choose_and_update(uint32_t state, const uint8_t *bytes, size_t size_bytes);

/* Threads that come first at the same time all store the same. */
static uint32_t (*update)(uint32_t, const uint8_t *, size_t) = choose_and_update;

static uint32_t choose_and_update(uint32_t state, const uint8_t *bytes, size_t size_bytes)
{
    struct crc32c_way best;

    check(crc32c_ways(&best, 1) == 1);
    __atomic_store_n(&update, best.update, __ATOMIC_RELAXED);
    return best.update(state, bytes, size_bytes);
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size_bytes)
{
    return ~__atomic_load_n(&update, __ATOMIC_RELAXED)(~crc, bytes, size_bytes);
}

const char *crc32c_method(void)
{
    struct crc32c_way best;

    check(crc32c_ways(&best, 1) == 1);
    return best.name;
}

/* a * b modulo the polynomial; bit 31 is x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;

    for (; a != 0; a <<= 1) {
        if (a & 0x80000000U)
            product ^= b;
        b = b >> 1 ^ (0x82f63b78U & (0U - (b & 1)));
    }
    return product;
}

uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b_bytes)
{
    /* x^(2^k); x^(2^31) is x again, so that the table goes round */
    static const uint32_t powers[31] = {
        0x40000000, 0x20000000, 0x08000000, 0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c,
        0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16,
        0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc, 0xfe7740e6, 0xf946610b,
        0x3c204f8f, 0x538586e3, 0x59726915, 0x734d5309, 0xbc1ac763, 0x7d0722cc, 0xd289cabe,
        0xe94ca9bc, 0x05b74f3f, 0xa51e1f42,
    };

    /* times x^(8 * size): what size_b_bytes of zeroes would do to the register.  The inversions of
     * a and b cancel each other. */
    for (unsigned k = 3; size_b_bytes != 0; size_b_bytes >>= 1, k++) {
        if (size_b_bytes & 1)
            crc_a = multiply(crc_a, powers[k % array_count(powers)]);
    }
    return crc_a ^ crc_b;
}
