/* load_payload: the bytes of the values: made so that lz4 and zstd reach about a wished ratio, or
 * those of a file.
 *
 * One pool of bytes for a run, which never changes once it is made; any thread reads.  Each loop
 * has its own place in it and walks through it from end to end, so that what lies in one batch does
 * not repeat before LOAD_PAYLOAD_POOL_BYTES are through.  A chunk of the pool is random bytes and
 * then a run of one byte; no compressor makes the first smaller, nor needs more than a few bytes
 * for the second.  The ratio is that of the payload alone: stamps and keys come to it. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_PAYLOAD_H
#define LEVEE_TOOLS_LOAD_LOAD_PAYLOAD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOAD_PAYLOAD_POOL_BYTES = 4 << 20 };

struct load_payload {
    uint8_t *pool; /* pool_bytes, and again its first size_max_bytes */
    size_t pool_bytes;
    size_t size_max_bytes;
    bool is_file;
};

/* ratio: original size to compressed size, 1 to 100.  size_max_bytes: of one payload.  ERR_INVALID,
 * ERR_NOMEM. */
must_use enum err load_payload_init(struct load_payload *payload, double ratio,
                                    size_t size_max_bytes, uint64_t seed);

/* The bytes of a file, each payload from its begin, and round again if the file is shorter (as
 * OpenMessaging Benchmark's payloadFile).  ERR_INVALID: it is empty; ERR_TOO_LARGE: more than
 * 64 MiB; ERR_NOT_FOUND, errors of files; ERR_NOMEM. */
must_use enum err load_payload_init_file(struct load_payload *payload, const char *path,
                                         size_t size_max_bytes);

/* A zeroed one is accepted. */
void load_payload_deinit(struct load_payload *payload);

/* size_bytes (at most size_max_bytes) of payload, valid as long as the pool.  *place: of the caller
 * alone; begin anywhere. */
const uint8_t *load_payload_next(const struct load_payload *payload, uint64_t *place,
                                 size_t size_bytes);

#endif
