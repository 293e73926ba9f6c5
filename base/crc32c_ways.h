/* crc32c_ways: the different ways to compute the checksum; inside crc32c only.
 *
 * Meson chooses one of crc32c_x86.c, crc32c_arm.c and crc32c_plain.c, which tells what this
 * processor can do.  state is the register of the shift circuit: the checksum inverted. */
#ifndef LEVEE_BASE_CRC32C_WAYS_H
#define LEVEE_BASE_CRC32C_WAYS_H

#include <stddef.h>
#include <stdint.h>

struct crc32c_way {
    const char *name;
    uint32_t (*update)(uint32_t state, const uint8_t *bytes, size_t size_bytes);
};

/* Every way that this processor can go, the best one first; at most max of them.  The last is
 * always the table.  Returns how many. */
size_t crc32c_ways(struct crc32c_way *out, size_t max);

/* Eight bytes at a time through eight tables. */
uint32_t crc32c_table_update(uint32_t state, const uint8_t *bytes, size_t size_bytes);

#endif
