/* empty_stream: compressed streams that are nearly all blocks, frames or members without output,
 * and end with a few bytes of it: what it costs to read them does not show in what comes out. */
#ifndef LEVEE_TESTS_SUPPORT_EMPTY_STREAM_H
#define LEVEE_TESTS_SUPPORT_EMPTY_STREAM_H

#include "base/check.h"
#include "base/mem.h"
#include "record/compression.h"

#include <lz4frame.h>
#include <stdbool.h>
#include <string.h>

enum empty_kind {
    EMPTY_GZIP_BLOCKS, /* of dynamic codes: tables are made for each */
    EMPTY_GZIP_MEMBERS,
    EMPTY_SNAPPY_BLOCKS,
    EMPTY_LZ4_BLOCKS,
    EMPTY_ZSTD_FRAMES,
    EMPTY_ZSTD_BLOCKS,
    EMPTY_KIND_COUNT
};

enum { EMPTY_PAYLOAD_MAX_BYTES = 60, EMPTY_SLACK_BYTES = 256 };

static inline enum compression empty_codec(enum empty_kind kind)
{
    static const enum compression codecs[] = {COMPRESSION_GZIP,   COMPRESSION_GZIP,
                                              COMPRESSION_SNAPPY, COMPRESSION_LZ4,
                                              COMPRESSION_ZSTD,   COMPRESSION_ZSTD};

    return codecs[kind];
}

/* Where a stream is put together. */
struct empty_stream {
    uint8_t *bytes; /* from mem_alloc */
    size_t size_bytes;
    size_t max_bytes; /* of what has no output */
};

static inline void empty_put(struct empty_stream *stream, const void *bytes, size_t size_bytes)
{
    memcpy(stream->bytes + stream->size_bytes, bytes, size_bytes);
    stream->size_bytes += size_bytes;
}

/* The same bytes again and again. */
static inline void empty_fill(struct empty_stream *stream, const void *bytes, size_t size_bytes)
{
    while (stream->size_bytes + size_bytes <= stream->max_bytes)
        empty_put(stream, bytes, size_bytes);
}

static inline void empty_put_little(struct empty_stream *stream, uint32_t number, size_t count)
{
    for (size_t i = 0; i < count; i++)
        stream->bytes[stream->size_bytes++] = (uint8_t)(number >> 8 * i);
}

static inline void empty_put_bit(struct empty_stream *stream, size_t *bit, bool is_set)
{
    if (*bit % 8 == 0)
        stream->bytes[stream->size_bytes++] = 0;
    if (is_set)
        stream->bytes[stream->size_bytes - 1] |= (uint8_t)(1U << *bit % 8);
    (*bit)++;
}

/* RFC 1951 3.2.7: blocks whose only code with a bit is the end of the block; and the first byte of
 * a last one that is stored. */
static inline void empty_fill_gzip_blocks(struct empty_stream *stream)
{
    static const char block[] = "001000000000001110000001000100000000000000000000000000000000000000"
                                "00010011111110110101111100";
    size_t bit = 0;

    while (stream->size_bytes + sizeof(block) / 8 <= stream->max_bytes)
        for (const char *at = block; *at != '\0'; at++)
            empty_put_bit(stream, &bit, *at == '1');
    for (const char *at = "100"; *at != '\0'; at++)
        empty_put_bit(stream, &bit, *at == '1');
}

/* RFC 1952 8 */
static inline uint32_t empty_crc32(const uint8_t *bytes, size_t size_bytes)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size_bytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
    }
    return ~crc;
}

static inline void empty_put_gzip(struct empty_stream *stream, bool has_blocks,
                                  const uint8_t *payload, uint32_t payload_bytes)
{
    static const uint8_t head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff};
    static const uint8_t member[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff,
                                     3,    0,    0, 0, 0, 0, 0, 0, 0, 0};

    if (!has_blocks)
        empty_fill(stream, member, sizeof(member));
    empty_put(stream, head, sizeof(head));
    if (has_blocks)
        empty_fill_gzip_blocks(stream);
    else
        empty_put_little(stream, 1, 1);
    empty_put_little(stream, payload_bytes | ~payload_bytes << 16, 4); /* stored */
    empty_put(stream, payload, payload_bytes);
    empty_put_little(stream, empty_crc32(payload, payload_bytes), 4);
    empty_put_little(stream, payload_bytes, 4);
}

static inline void empty_put_snappy(struct empty_stream *stream, const uint8_t *payload,
                                    uint32_t payload_bytes)
{
    static const uint8_t head[] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
    static const uint8_t block[] = {0, 0, 0, 1, 0};

    empty_put(stream, head, sizeof(head));
    empty_fill(stream, block, sizeof(block));
    empty_put_little(stream, (payload_bytes + 2) << 24, 4);
    empty_put_little(stream, payload_bytes | (payload_bytes - 1) << 10, 2); /* a literal */
    empty_put(stream, payload, payload_bytes);
}

static inline void empty_put_lz4(struct empty_stream *stream, const uint8_t *payload,
                                 uint32_t payload_bytes)
{
    static const uint8_t block[] = {1, 0, 0, 0, 0};
    LZ4F_preferences_t preferences = {.frameInfo = {.blockMode = LZ4F_blockIndependent}};
    LZ4F_cctx *writer;

    check(!LZ4F_isError(LZ4F_createCompressionContext(&writer, LZ4F_VERSION)));
    stream->size_bytes = LZ4F_compressBegin(writer, stream->bytes, EMPTY_SLACK_BYTES, &preferences);
    LZ4F_freeCompressionContext(writer);
    empty_fill(stream, block, sizeof(block));
    empty_put_little(stream, payload_bytes | 1U << 31, 4); /* as it is */
    empty_put(stream, payload, payload_bytes);
    empty_put_little(stream, 0, 4);
}

static inline void empty_put_zstd(struct empty_stream *stream, bool has_blocks,
                                  const uint8_t *payload, uint32_t payload_bytes)
{
    static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0, 0x58};
    static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0};
    static const uint8_t block[] = {0, 0, 0};

    if (!has_blocks)
        empty_fill(stream, frame, sizeof(frame));
    empty_put(stream, head, sizeof(head));
    if (has_blocks)
        empty_fill(stream, block, sizeof(block));
    empty_put_little(stream, 1 | payload_bytes << 3, 3);
    empty_put(stream, payload, payload_bytes);
}

/* size_bytes without output, then payload.  The caller frees the bytes. */
static inline struct empty_stream empty_stream_build(enum empty_kind kind, size_t size_bytes,
                                                     const void *payload, uint32_t payload_bytes)
{
    struct empty_stream stream = {.bytes = mem_alloc(size_bytes + EMPTY_SLACK_BYTES),
                                  .max_bytes = size_bytes};

    check(payload_bytes > 0 && payload_bytes <= EMPTY_PAYLOAD_MAX_BYTES);
    if (kind == EMPTY_GZIP_BLOCKS || kind == EMPTY_GZIP_MEMBERS)
        empty_put_gzip(&stream, kind == EMPTY_GZIP_BLOCKS, payload, payload_bytes);
    else if (kind == EMPTY_SNAPPY_BLOCKS)
        empty_put_snappy(&stream, payload, payload_bytes);
    else if (kind == EMPTY_LZ4_BLOCKS)
        empty_put_lz4(&stream, payload, payload_bytes);
    else
        empty_put_zstd(&stream, kind == EMPTY_ZSTD_BLOCKS, payload, payload_bytes);
    return stream;
}

#endif
