/* crc32c_arm: with ARMv8's crc32cx instruction in three lanes.  Compiled with +crc+crypto. */
#include "base/crc32c_ways.h"

#include <arm_acle.h>
#include <arm_neon.h>
#include <sys/auxv.h>

/* AT_HWCAP of arm64 (Documentation/arch/arm64/elf_hwcaps.rst of the kernel) */
enum {
    HAS_PMULL = 1 << 4,
    HAS_CRC32 = 1 << 7,
};

#define THREE_WAY_TARGET

static inline uint32_t three_way_u64(uint32_t state, uint64_t value)
{
    return __crc32cd(state, value);
}

static inline uint32_t three_way_u8(uint32_t state, uint8_t value)
{
    return __crc32cb(state, value);
}

static inline uint64_t three_way_multiply(uint32_t a, uint32_t b)
{
    return vgetq_lane_u64(vreinterpretq_u64_p128(vmull_p64(a, b)), 0);
}

#include "base/crc32c_three_way.h"

size_t crc32c_ways(struct crc32c_way *out, size_t max)
{
    unsigned long can = getauxval(AT_HWCAP);
    size_t count = 0;

    if (count < max && (can & HAS_PMULL) && (can & HAS_CRC32))
        out[count++] = (struct crc32c_way){"armv8", three_way_update};
    if (count < max)
        out[count++] = (struct crc32c_way){"table", crc32c_table_update};
    return count;
}
