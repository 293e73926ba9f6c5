/* compression_private: what the files of compression share. */
#ifndef LEVEE_RECORD_COMPRESSION_PRIVATE_H
#define LEVEE_RECORD_COMPRESSION_PRIVATE_H

#include "record/compression.h"

#include <lz4frame.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>

enum {
    GZIP_WINDOW_BITS = 15 + 16, /* the largest window, with a gzip header and no other */
    XERIAL_HEADER_BYTES = 16,
    COMPRESSION_SNAPPY_EXPANSION_MAX = 22, /* a copy of 64 bytes takes 3 */
    XERIAL_VERSION = 1,
};

extern const uint8_t compression_xerial_magic[8];
extern const uint16_t compression_block_price_bytes[COMPRESSION_COUNT];

struct compression_context {
    uint8_t *window;
    z_stream inflate;
    z_stream deflate;
    bool inflate_ready;
    bool deflate_ready;
    int deflate_level;
    LZ4F_dctx *lz4_in;
    bool lz4_in_frame; /* its last frame was not read to its end */
    ZSTD_DCtx *zstd_in;
    ZSTD_CCtx *zstd_out;
    uint8_t *block; /* one uncompressed snappy block */
    size_t block_bytes;
};

/* zlib's memory comes through base/mem. */
void *compression_zlib_alloc(void *opaque, unsigned count, unsigned size_bytes);
void compression_zlib_free(void *opaque, void *memory);

/* zlib counts in unsigned; the rest goes in the next call. */
static inline unsigned compression_clamp(size_t size_bytes)
{
    return size_bytes > INT32_MAX ? (unsigned)INT32_MAX : (unsigned)size_bytes;
}

/* ---- reading: each fills the reader's window, unless the stream is at its end */

/* One more block was read, or a part of one. */
static inline void compression_charge(struct compression_reader *reader, size_t used_bytes,
                                      size_t made_bytes)
{
    reader->work_bytes += compression_block_price_bytes[reader->codec] + used_bytes + made_bytes;
}

static inline void compression_set_window(struct compression_reader *reader, const uint8_t *bytes,
                                          size_t size_bytes)
{
    reader->window = bytes;
    reader->window_pos = 0;
    reader->window_bytes = size_bytes;
}

must_use enum err compression_fill_snappy(struct compression_reader *reader);

#endif
