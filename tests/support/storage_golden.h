/* storage_golden: files that other programs wrote, and batches in one line, for tests of storage/.
 */
#ifndef LEVEE_TESTS_SUPPORT_STORAGE_GOLDEN_H
#define LEVEE_TESTS_SUPPORT_STORAGE_GOLDEN_H

#include "record/batch_builder.h"

#include <stddef.h>
#include <stdint.h>

struct golden {
    uint8_t *bytes; /* a block of exactly size_bytes, so that reading beyond it is seen */
    size_t size_bytes;
};

/* tests/golden/<name>; the test fails when it cannot be read. */
struct golden golden_read(const char *name);
void golden_free(struct golden *golden);

/* A copy of bytes in a block of its own, for the same reason. */
struct golden golden_copy(const void *bytes, size_t size_bytes);

/* A batch of record_count records with keys and values of some 20 bytes, times from 1700000000000
 * on, by options. */
struct golden golden_batch(const struct batch_builder_options *options, int32_t record_count);

/* Store the checksum that the bytes have now. */
void golden_repair(struct golden *batch);

#endif
