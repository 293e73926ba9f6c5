/* crc32c_x86: with SSE 4.2's crc32 instruction in three lanes, or with AVX-512's carry-less
 * products of 64 bytes at a time. */
#include "base/crc32c_ways.h"

#include <immintrin.h>

#define THREE_WAY_TARGET __attribute__((target("sse4.2,pclmul")))

THREE_WAY_TARGET static inline uint32_t three_way_u64(uint32_t state, uint64_t value)
{
    return (uint32_t)_mm_crc32_u64(state, value);
}

THREE_WAY_TARGET static inline uint32_t three_way_u8(uint32_t state, uint8_t value)
{
    return _mm_crc32_u8(state, value);
}

THREE_WAY_TARGET static inline uint64_t three_way_multiply(uint32_t a, uint32_t b)
{
    return (uint64_t)_mm_cvtsi128_si64(
        _mm_clmulepi64_si128(_mm_cvtsi64_si128(a), _mm_cvtsi64_si128(b), 0));
}

#include "base/crc32c_three_way.h"

/* Folding: 128 bits of the message, moved d bits forward, are worth the same modulo the polynomial
 * as their first half times x^(d + 64) plus their second half times x^d.  The reflected product is
 * off by x.  So FOLD(d) is x^(d + 63) for the low quadword, which comes first, and x^(d - 1) for
 * the high one, each in the upper 32 bits of 64. */
#define FOLD_2048 0xe9a5d8be00000000, 0x1426a81500000000
#define FOLD_1536 0x7ccbbbf200000000, 0x31c9460800000000
#define FOLD_1024 0x6577b24500000000, 0x7417153f00000000
#define FOLD_512 0x1c19243b00000000, 0x75bba45b00000000
#define FOLD_384 0xa46ef4aa00000000, 0x6051243f00000000
#define FOLD_256 0x33ccbbbc00000000, 0xa2158b3400000000
#define FOLD_128 0x3743f7bd00000000, 0x3171d43000000000

static const uint64_t fold_2048[8] = {FOLD_2048, FOLD_2048, FOLD_2048, FOLD_2048};
static const uint64_t fold_1536[8] = {FOLD_1536, FOLD_1536, FOLD_1536, FOLD_1536};
static const uint64_t fold_1024[8] = {FOLD_1024, FOLD_1024, FOLD_1024, FOLD_1024};
static const uint64_t fold_512[8] = {FOLD_512, FOLD_512, FOLD_512, FOLD_512};
static const uint64_t fold_lanes[8] = {FOLD_384, FOLD_256, FOLD_128}; /* the last lane stays */

#define WIDE_TARGET __attribute__((target("avx512f,vpclmulqdq,sse4.2,pclmul")))

/* sum moved by the distance of the constants, plus next. */
WIDE_TARGET static inline __m512i fold(__m512i sum, const uint64_t constants[8], __m512i next)
{
    __m512i k = _mm512_loadu_si512(constants);

    return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(sum, k, 0x00),
                                     _mm512_clmulepi64_epi128(sum, k, 0x11), next,
                                     0x96 /* a ^ b ^ c */);
}

WIDE_TARGET static uint32_t wide_update(uint32_t state, const uint8_t *bytes, size_t size_bytes)
{
    __m512i sum[4];
    uint64_t lanes[8];

    if (size_bytes < 256)
        return three_way_update(state, bytes, size_bytes);
    for (size_t i = 0; i < 4; i++)
        sum[i] = _mm512_loadu_si512(bytes + 64 * i);
    /* the register is the same as so many bits added to the front of the message */
    sum[0] = _mm512_xor_si512(sum[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128((int32_t)state)));
    for (bytes += 256, size_bytes -= 256; size_bytes >= 256; bytes += 256, size_bytes -= 256) {
        for (size_t i = 0; i < 4; i++)
            sum[i] = fold(sum[i], fold_2048, _mm512_loadu_si512(bytes + 64 * i));
    }
    sum[3] = fold(sum[0], fold_1536, sum[3]);
    sum[3] = fold(sum[1], fold_1024, sum[3]);
    sum[3] = fold(sum[2], fold_512, sum[3]);
    for (; size_bytes >= 64; bytes += 64, size_bytes -= 64)
        sum[3] = fold(sum[3], fold_512, _mm512_loadu_si512(bytes));

    /* four lanes to one: the products of the first three and the last as it is */
    _mm512_storeu_si512(lanes, fold(sum[3], fold_lanes, _mm512_setzero_si512()));
    lanes[0] ^= lanes[2] ^ lanes[4];
    lanes[1] ^= lanes[3] ^ lanes[5];
    lanes[0] ^= (uint64_t)_mm_extract_epi64(_mm512_extracti32x4_epi32(sum[3], 3), 0);
    lanes[1] ^= (uint64_t)_mm_extract_epi64(_mm512_extracti32x4_epi32(sum[3], 3), 1);
    state = three_way_u64(three_way_u64(0, lanes[0]), lanes[1]);
    return three_way_update(state, bytes, size_bytes);
}

size_t crc32c_ways(struct crc32c_way *out, size_t max)
{
    size_t count = 0;

    __builtin_cpu_init();
    if (count < max && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq") &&
        __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
        out[count++] = (struct crc32c_way){"avx512", wide_update};
    if (count < max && __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
        out[count++] = (struct crc32c_way){"sse4.2", three_way_update};
    if (count < max)
        out[count++] = (struct crc32c_way){"table", crc32c_table_update};
    return count;
}
