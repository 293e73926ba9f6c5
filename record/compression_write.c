/* The writing half of compression.h: everything at once. */
#include "record/big_endian.h"
#include "record/compression.h"
#include "record/compression_private.h"

#include <snappy-c.h>
#include <string.h>
#include <zstd_errors.h>

enum {
    GZIP_MEM_LEVEL = 8,
    GZIP_LEVEL_MAX = 9,
    GZIP_BOUND_BYTES = 32, /* what gzip's frame takes beyond zlib's */
    LZ4_LEVEL_MAX = 17,    /* as in Kafka; the library does the same for 12 and above */
    ZSTD_LEVEL = 3,
    SNAPPY_BLOCK_BYTES = 32 * 1024,
};

static LZ4F_preferences_t lz4_preferences(int32_t level)
{
    return (LZ4F_preferences_t){
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = level == COMPRESSION_LEVEL_DEFAULT ? 0 : level,
        .autoFlush = 1,
    };
}

size_t compression_bound(enum compression codec, size_t size_bytes)
{
    size_t blocks = size_bytes / SNAPPY_BLOCK_BYTES + 1;
    LZ4F_preferences_t preferences;

    switch (codec) {
    case COMPRESSION_GZIP:
        return compressBound(size_bytes) + GZIP_BOUND_BYTES;
    case COMPRESSION_SNAPPY:
        return XERIAL_HEADER_BYTES +
               blocks * (4 + snappy_max_compressed_length(SNAPPY_BLOCK_BYTES));
    case COMPRESSION_LZ4:
        preferences = lz4_preferences(COMPRESSION_LEVEL_DEFAULT);
        return LZ4F_compressFrameBound(size_bytes, &preferences);
    case COMPRESSION_ZSTD:
        return ZSTD_compressBound(size_bytes);
    default:
        return size_bytes;
    }
}

static enum err compress_none(const uint8_t *bytes, size_t size_bytes, uint8_t *out,
                              size_t out_max_bytes, size_t *out_bytes)
{
    if (size_bytes > out_max_bytes)
        return ERR_FULL;
    if (size_bytes > 0)
        memcpy(out, bytes, size_bytes);
    *out_bytes = size_bytes;
    return OK;
}

static enum err prepare_deflate(struct compression_context *context, int level)
{
    z_stream *stream = &context->deflate;

    if (context->deflate_ready && context->deflate_level == level)
        return deflateReset(stream) == Z_OK ? OK : ERR_NOMEM;
    if (context->deflate_ready)
        deflateEnd(stream);
    context->deflate_ready = false;
    *stream = (z_stream){.zalloc = compression_zlib_alloc, .zfree = compression_zlib_free};
    if (deflateInit2(stream, level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_NOMEM;
    context->deflate_ready = true;
    context->deflate_level = level;
    return OK;
}

static enum err compress_gzip(struct compression_context *context, int32_t level,
                              const uint8_t *bytes, size_t size_bytes, uint8_t *out,
                              size_t out_max_bytes, size_t *out_bytes)
{
    z_stream *stream = &context->deflate;
    enum err err;

    if (level == COMPRESSION_LEVEL_DEFAULT)
        level = Z_DEFAULT_COMPRESSION;
    if (level < Z_DEFAULT_COMPRESSION || level > GZIP_LEVEL_MAX)
        return ERR_INVALID;
    err = prepare_deflate(context, level);
    if (err)
        return err;
    stream->next_in = (Bytef *)(uintptr_t)bytes;
    stream->avail_in = (unsigned)size_bytes;
    stream->next_out = out;
    stream->avail_out = compression_clamp(out_max_bytes);
    if (deflate(stream, Z_FINISH) != Z_STREAM_END)
        return ERR_FULL;
    *out_bytes = (size_t)(stream->next_out - out);
    return OK;
}

static enum err compress_snappy(const uint8_t *bytes, size_t size_bytes, uint8_t *out,
                                size_t out_max_bytes, size_t *out_bytes)
{
    size_t used_bytes = XERIAL_HEADER_BYTES;

    if (out_max_bytes < compression_bound(COMPRESSION_SNAPPY, size_bytes))
        return ERR_FULL; /* the library asks for the worst case */
    memcpy(out, compression_xerial_magic, sizeof(compression_xerial_magic));
    big_endian_put_i32(out + 8, XERIAL_VERSION);
    big_endian_put_i32(out + 12, XERIAL_VERSION);
    for (size_t pos = 0; pos < size_bytes; pos += SNAPPY_BLOCK_BYTES) {
        size_t some_bytes = size_bytes - pos;
        size_t made_bytes = out_max_bytes - used_bytes - 4;

        if (some_bytes > SNAPPY_BLOCK_BYTES)
            some_bytes = SNAPPY_BLOCK_BYTES;
        if (snappy_compress((const char *)bytes + pos, some_bytes, (char *)out + used_bytes + 4,
                            &made_bytes) != SNAPPY_OK)
            return ERR_FULL;
        big_endian_put_u32(out + used_bytes, (uint32_t)made_bytes);
        used_bytes += 4 + made_bytes;
    }
    *out_bytes = used_bytes;
    return OK;
}

static enum err compress_lz4(int32_t level, const uint8_t *bytes, size_t size_bytes, uint8_t *out,
                             size_t out_max_bytes, size_t *out_bytes)
{
    LZ4F_preferences_t preferences = lz4_preferences(level);
    size_t made_bytes;

    if (level != COMPRESSION_LEVEL_DEFAULT && (level < 1 || level > LZ4_LEVEL_MAX))
        return ERR_INVALID;
    if (out_max_bytes < LZ4F_compressFrameBound(size_bytes, &preferences))
        return ERR_FULL; /* the library asks for the worst case */
    made_bytes = LZ4F_compressFrame(out, out_max_bytes, bytes, size_bytes, &preferences);
    if (LZ4F_isError(made_bytes))
        return ERR_NOMEM;
    *out_bytes = made_bytes;
    return OK;
}

static enum err compress_zstd(struct compression_context *context, int32_t level,
                              const uint8_t *bytes, size_t size_bytes, uint8_t *out,
                              size_t out_max_bytes, size_t *out_bytes)
{
    size_t made_bytes;

    if (level == COMPRESSION_LEVEL_DEFAULT)
        level = ZSTD_LEVEL;
    if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel())
        return ERR_INVALID;
    if (!context->zstd_out)
        context->zstd_out = ZSTD_createCCtx();
    if (!context->zstd_out)
        return ERR_NOMEM;
    made_bytes = ZSTD_compressCCtx(context->zstd_out, out, out_max_bytes, bytes, size_bytes, level);
    if (!ZSTD_isError(made_bytes)) {
        *out_bytes = made_bytes;
        return OK;
    }
    return ZSTD_getErrorCode(made_bytes) == ZSTD_error_dstSize_tooSmall ? ERR_FULL : ERR_NOMEM;
}

enum err compression_compress(struct compression_context *context, int codec, int32_t level,
                              const uint8_t *bytes, size_t size_bytes, uint8_t *out,
                              size_t out_max_bytes, size_t *out_bytes)
{
    if (!compression_is_known(codec))
        return ERR_CODEC;
    if (size_bytes > INT32_MAX)
        return ERR_TOO_LARGE;
    switch ((enum compression)codec) {
    case COMPRESSION_GZIP:
        return compress_gzip(context, level, bytes, size_bytes, out, out_max_bytes, out_bytes);
    case COMPRESSION_SNAPPY:
        return compress_snappy(bytes, size_bytes, out, out_max_bytes, out_bytes);
    case COMPRESSION_LZ4:
        return compress_lz4(level, bytes, size_bytes, out, out_max_bytes, out_bytes);
    case COMPRESSION_ZSTD:
        return compress_zstd(context, level, bytes, size_bytes, out, out_max_bytes, out_bytes);
    default:
        return compress_none(bytes, size_bytes, out, out_max_bytes, out_bytes);
    }
}
