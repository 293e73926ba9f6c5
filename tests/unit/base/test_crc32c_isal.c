/* Our checksum beside ISA-L's, where that library is installed. */
#include "base/crc32c.h"
#include "base/prng.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <isa-l/crc.h>

static uint8_t bytes[1 << 20];

/* crc32_iscsi starts from its argument as it is and inverts nothing. */
static uint32_t isal(uint32_t crc, uint8_t *at, size_t size)
{
    return ~crc32_iscsi(at, (int)size, ~crc);
}

Test(crc32c_isal, is_the_same_at_all_small_sizes_and_random_large_ones)
{
    struct prng prng;

    prng_init(&prng, 61);
    prng_fill(&prng, bytes, sizeof(bytes));
    for (size_t size = 0; size <= 2000; size++) {
        for (size_t align = 0; align < 16; align++)
            cr_assert(eq(u32, crc32c(0, bytes + align, size), isal(0, bytes + align, size)));
    }
    for (int i = 0; i < 300; i++) {
        size_t begin = prng_below(&prng, 100);
        size_t size = prng_below(&prng, sizeof(bytes) - begin);
        uint32_t crc = (uint32_t)prng_u64(&prng);
        cr_assert(eq(u32, crc32c(crc, bytes + begin, size), isal(crc, bytes + begin, size)));
    }
}
