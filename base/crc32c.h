/* crc32c: the checksum of record batches and of our own files (RFC 3720 appendix B.4).
 *
 * Castagnoli's polynomial 0x1EDC6F41, reflected, all ones in and out: "123456789" is 0xE3069283.
 * The fastest way for this processor is chosen at the first call.  Any thread. */
#ifndef LEVEE_BASE_CRC32C_H
#define LEVEE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of everything that crc stands for followed by bytes; crc 0 stands for nothing:
 * crc32c(crc32c(0, a), b) is crc32c(0, ab). */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size_bytes);

/* crc32c(0, ab) from a = crc32c(0, a), b = crc32c(0, b) and the size of b. */
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t size_b_bytes);

/* The name of the chosen way, for the start line of the broker and for benchmarks. */
const char *crc32c_method(void);

#endif
