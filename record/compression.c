#include "record/compression.h"

#include "base/check.h"
#include "base/mem.h"
#include "record/big_endian.h"
#include "record/compression_private.h"

#include <string.h>
#include <zstd_errors.h>

enum {
    WINDOW_BYTES = 64 * 1024,
    ZSTD_WINDOW_LOG_MAX = 27,        /* 128 MiB */
    SNAPPY_KEEP_BYTES = 1024 * 1024, /* a larger block is given back before the next stream */
    LZ4_FLAGS_POS = 4,
    ZSTD_FIRST_BYTES = 5, /* what each library wants first: less than a frame without output */
    LZ4_FIRST_BYTES = 7,
};

void *compression_zlib_alloc(void *opaque, unsigned count, unsigned size_bytes)
{
    return mem_try_alloc((size_t)count * size_bytes);
}

void compression_zlib_free(void *opaque, void *memory)
{
    mem_free(memory);
}

/* What a block costs beside its bytes, in bytes of output at 2.5 ns each: measured with blocks that
 * have no output, or some bytes of it. */
const uint16_t compression_block_price_bytes[COMPRESSION_COUNT] = {
    [COMPRESSION_GZIP] = 2048, /* 2 to 4 us for the tables of a dynamic block */
    [COMPRESSION_SNAPPY] = 64,
    [COMPRESSION_LZ4] = 64,
    [COMPRESSION_ZSTD] = 1024, /* 0.1 us without tables, some us with them; a frame counts thrice */
};

const char *compression_name(enum compression codec)
{
    static const char *const names[COMPRESSION_COUNT] = {
        [COMPRESSION_NONE] = "none", [COMPRESSION_GZIP] = "gzip", [COMPRESSION_SNAPPY] = "snappy",
        [COMPRESSION_LZ4] = "lz4",   [COMPRESSION_ZSTD] = "zstd",
    };

    return compression_is_known((int)codec) ? names[codec] : "unknown";
}

struct compression_context *compression_context_create(void)
{
    return mem_alloc(sizeof(struct compression_context));
}

void compression_context_destroy(struct compression_context *context)
{
    if (!context)
        return;
    if (context->inflate_ready)
        inflateEnd(&context->inflate);
    if (context->deflate_ready)
        deflateEnd(&context->deflate);
    LZ4F_freeDecompressionContext(context->lz4_in);
    ZSTD_freeDCtx(context->zstd_in);
    ZSTD_freeCCtx(context->zstd_out);
    mem_free(context->block);
    mem_free(context->window);
    mem_free(context);
}

/* ---- reading: one prepare_* before the first byte, then one fill_* per window */

static enum err prepare_gzip(struct compression_context *context)
{
    z_stream *stream = &context->inflate;

    if (context->inflate_ready)
        return inflateReset(stream) == Z_OK ? OK : ERR_NOMEM;
    *stream = (z_stream){.zalloc = compression_zlib_alloc, .zfree = compression_zlib_free};
    if (inflateInit2(stream, GZIP_WINDOW_BITS) != Z_OK)
        return ERR_NOMEM;
    context->inflate_ready = true;
    return OK;
}

/* liblz4 1.9.4 does not reset the content size that a frame announced and did not yield: the next
 * frame of that state, which announces none, would end with LZ4F_ERROR_frameSize_wrong. */
static enum err prepare_lz4(struct compression_context *context)
{
    if (context->lz4_in_frame) {
        LZ4F_freeDecompressionContext(context->lz4_in);
        context->lz4_in = NULL;
    }
    context->lz4_in_frame = false;
    if (!context->lz4_in &&
        LZ4F_isError(LZ4F_createDecompressionContext(&context->lz4_in, LZ4F_VERSION))) {
        context->lz4_in = NULL;
        return ERR_NOMEM;
    }
    LZ4F_resetDecompressionContext(context->lz4_in);
    return OK;
}

static enum err prepare_zstd(struct compression_context *context)
{
    if (!context->zstd_in)
        context->zstd_in = ZSTD_createDCtx();
    if (!context->zstd_in)
        return ERR_NOMEM;
    ZSTD_DCtx_reset(context->zstd_in, ZSTD_reset_session_only);
    if (ZSTD_isError(
            ZSTD_DCtx_setParameter(context->zstd_in, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
        return ERR_NOMEM;
    return OK;
}

enum err compression_reader_init(struct compression_reader *reader,
                                 struct compression_context *context, int codec,
                                 const uint8_t *bytes, size_t size_bytes, uint64_t output_max_bytes)
{
    enum err err = OK;

    if (!compression_is_known(codec))
        return ERR_CODEC;
    if (codec != COMPRESSION_NONE && context->block_bytes > SNAPPY_KEEP_BYTES) {
        mem_free(context->block);
        context->block = NULL;
        context->block_bytes = 0;
    }
    if (codec != COMPRESSION_NONE && !context->window) {
        context->window = mem_try_alloc(WINDOW_BYTES);
        if (!context->window)
            return ERR_NOMEM;
    }
    if (codec == COMPRESSION_GZIP)
        err = prepare_gzip(context);
    else if (codec == COMPRESSION_LZ4)
        err = prepare_lz4(context);
    else if (codec == COMPRESSION_ZSTD)
        err = prepare_zstd(context);
    if (err)
        return err;
    *reader = (struct compression_reader){
        .context = context,
        .codec = (enum compression)codec,
        .in = bytes,
        .in_bytes = size_bytes,
        .output_max_bytes = output_max_bytes,
        .work_max_bytes = UINT64_MAX,
        .ask_bytes = codec == COMPRESSION_LZ4 ? LZ4_FIRST_BYTES : ZSTD_FIRST_BYTES,
    };
    return OK;
}

/* RFC 8878 3.1.1.1: the window of the first frame; the largest that is read where more frames
 * follow, or it cannot be told. */
static uint64_t zstd_window_bytes(const uint8_t *bytes, size_t size_bytes)
{
    const unsigned single_segment = 0x20, window_pos = 5, exponent_shift = 3, mantissa_mask = 7;
    const uint64_t max_bytes = (uint64_t)1 << ZSTD_WINDOW_LOG_MAX;
    uint64_t window_bytes;

    if (size_bytes <= window_pos || ZSTD_findFrameCompressedSize(bytes, size_bytes) != size_bytes)
        return max_bytes;
    window_bytes = ZSTD_getFrameContentSize(bytes, size_bytes);
    if (!(bytes[window_pos - 1] & single_segment))
        window_bytes = ((uint64_t)1 << (10 + (bytes[window_pos] >> exponent_shift))) / 8 *
                       (8 + (bytes[window_pos] & mantissa_mask));
    return window_bytes < max_bytes ? window_bytes : max_bytes;
}

uint64_t compression_memory_bytes(int codec, const uint8_t *bytes, size_t size_bytes)
{
    const uint64_t library_bytes = 256 * 1024, lz4_block_max_bytes = 4 * 1024 * 1024;

    switch (codec) {
    case COMPRESSION_GZIP:
        return WINDOW_BYTES + library_bytes;
    case COMPRESSION_SNAPPY:
        return WINDOW_BYTES + COMPRESSION_SNAPPY_EXPANSION_MAX * (uint64_t)size_bytes;
    case COMPRESSION_LZ4:
        return WINDOW_BYTES + library_bytes + 2 * lz4_block_max_bytes;
    case COMPRESSION_ZSTD:
        return WINDOW_BYTES + library_bytes + zstd_window_bytes(bytes, size_bytes);
    default:
        return 0;
    }
}

static enum err fill_none(struct compression_reader *reader)
{
    reader->at_end = true;
    compression_set_window(reader, reader->in, reader->in_bytes);
    reader->in_pos = reader->in_bytes;
    return OK;
}

static enum err fill_gzip(struct compression_reader *reader)
{
    z_stream *stream = &reader->context->inflate;
    size_t made_bytes = 0;

    while (made_bytes == 0) {
        unsigned given_bytes = compression_clamp(reader->in_bytes - reader->in_pos);
        int status;

        if (reader->frame_done) {
            reader->at_end = given_bytes == 0;
            if (reader->at_end)
                break;
            if (inflateReset(stream) != Z_OK) /* one more member */
                return ERR_NOMEM;
            reader->frame_done = false;
        }
        if (compression_is_spent(reader))
            return ERR_FULL;
        stream->next_in = (Bytef *)(uintptr_t)(reader->in + reader->in_pos);
        stream->avail_in = given_bytes;
        stream->next_out = reader->context->window;
        stream->avail_out = WINDOW_BYTES;
        status = inflate(stream, Z_BLOCK); /* one block at most, so that it can be counted */
        reader->in_pos += given_bytes - stream->avail_in;
        made_bytes = WINDOW_BYTES - stream->avail_out;
        compression_charge(reader, given_bytes - stream->avail_in, made_bytes);
        if (status == Z_STREAM_END)
            reader->frame_done = true;
        else if (status == Z_BUF_ERROR || (status == Z_OK && given_bytes == 0 && made_bytes == 0))
            return ERR_TRUNCATED; /* it asks for input and there is none */
        else if (status != Z_OK)
            return status == Z_MEM_ERROR ? ERR_NOMEM : ERR_MALFORMED;
    }
    compression_set_window(reader, reader->context->window, made_bytes);
    return OK;
}

/* How much of the input goes into one call: no more than the library asks for, so that it does not
 * read one block after the other. */
static size_t next_bytes(const struct compression_reader *reader)
{
    size_t left_bytes = reader->in_bytes - reader->in_pos;

    return left_bytes < reader->ask_bytes ? left_bytes : reader->ask_bytes;
}

/* Java's reader knows neither blocks that refer to earlier ones, nor dictionaries. */
static enum err check_lz4_frame(const uint8_t *bytes, size_t size_bytes)
{
    static const uint8_t magic[4] = {0x04, 0x22, 0x4d, 0x18};
    const unsigned version_mask = 0xc0, version = 0x40, independent = 0x20, unknown = 0x03;
    unsigned flags;

    if (size_bytes <= LZ4_FLAGS_POS)
        return ERR_TRUNCATED;
    flags = bytes[LZ4_FLAGS_POS];
    if (memcmp(bytes, magic, sizeof(magic)) != 0 || (flags & version_mask) != version ||
        !(flags & independent) || (flags & unknown))
        return ERR_MALFORMED;
    return OK;
}

static enum err fill_lz4(struct compression_reader *reader)
{
    size_t made_bytes = 0;
    enum err err = OK;

    if (reader->in_pos == 0)
        err = check_lz4_frame(reader->in, reader->in_bytes);
    if (err)
        return err;
    reader->context->lz4_in_frame = true;
    while (made_bytes == 0 && !reader->frame_done) {
        size_t used_bytes = next_bytes(reader);
        size_t hint;

        if (compression_is_spent(reader))
            return ERR_FULL;
        made_bytes = WINDOW_BYTES;
        hint = LZ4F_decompress(reader->context->lz4_in, reader->context->window, &made_bytes,
                               reader->in + reader->in_pos, &used_bytes, NULL);
        if (LZ4F_isError(hint))
            return ERR_MALFORMED;
        reader->in_pos += used_bytes;
        reader->ask_bytes = hint;
        reader->frame_done = hint == 0;
        compression_charge(reader, used_bytes, made_bytes);
        if (used_bytes == 0 && made_bytes == 0 && !reader->frame_done)
            return ERR_TRUNCATED;
    }
    if (reader->frame_done) {
        reader->context->lz4_in_frame = false;
        if (reader->in_pos != reader->in_bytes)
            return ERR_MALFORMED; /* Java reads one frame and stops */
        reader->at_end = true;
    }
    compression_set_window(reader, reader->context->window, made_bytes);
    return OK;
}

static enum err err_from_zstd(size_t code)
{
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return ERR_NOMEM;
    case ZSTD_error_frameParameter_windowTooLarge:
        return ERR_TOO_LARGE;
    default:
        return ERR_MALFORMED;
    }
}

/* The library may be built to read formats older than RFC 8878; others do not read them. */
static enum err check_zstd_magic(const uint8_t *bytes, size_t size_bytes)
{
    uint32_t magic;

    if (size_bytes < sizeof(magic))
        return ERR_TRUNCATED;
    magic = __builtin_bswap32(big_endian_get_u32(bytes));
    if (magic != ZSTD_MAGICNUMBER &&
        (magic & ZSTD_MAGIC_SKIPPABLE_MASK) != ZSTD_MAGIC_SKIPPABLE_START)
        return ERR_MALFORMED;
    return OK;
}

static enum err fill_zstd(struct compression_reader *reader)
{
    ZSTD_outBuffer out = {reader->context->window, WINDOW_BYTES, 0};

    while (out.pos == 0) {
        ZSTD_inBuffer in = {reader->in, reader->in_pos + next_bytes(reader), reader->in_pos};
        size_t used_bytes;
        size_t hint;

        if (reader->frame_done && reader->in_pos == reader->in_bytes) {
            reader->at_end = true;
            break;
        }
        if (compression_is_spent(reader))
            return ERR_FULL;
        if (reader->frame_done || in.pos == 0) {
            enum err err = check_zstd_magic(reader->in + in.pos, reader->in_bytes - in.pos);

            if (err)
                return err;
        }
        hint = ZSTD_decompressStream(reader->context->zstd_in, &out, &in);
        if (ZSTD_isError(hint))
            return err_from_zstd(hint);
        used_bytes = in.pos - reader->in_pos;
        reader->in_pos = in.pos;
        reader->frame_done = hint == 0;
        reader->ask_bytes = reader->frame_done ? ZSTD_FIRST_BYTES : hint;
        compression_charge(reader, used_bytes, out.pos);
        if (used_bytes == 0 && out.pos == 0 && !reader->frame_done)
            return ERR_TRUNCATED;
    }
    compression_set_window(reader, reader->context->window, out.pos);
    return OK;
}

/* Make the window hold a byte, unless the stream is at its end. */
static enum err fill(struct compression_reader *reader)
{
    enum err err = OK;

    if (reader->failed)
        return reader->failed;
    if (reader->window_pos < reader->window_bytes || reader->at_end)
        return OK;
    switch (reader->codec) {
    case COMPRESSION_GZIP:
        err = fill_gzip(reader);
        break;
    case COMPRESSION_SNAPPY:
        err = compression_fill_snappy(reader);
        break;
    case COMPRESSION_LZ4:
        err = fill_lz4(reader);
        break;
    case COMPRESSION_ZSTD:
        err = fill_zstd(reader);
        break;
    default:
        err = fill_none(reader);
        break;
    }
    if (!err) {
        reader->output_bytes += reader->window_bytes - reader->window_pos;
        if (reader->output_bytes > reader->output_max_bytes)
            err = ERR_TOO_LARGE;
    }
    reader->failed = err;
    return err;
}

enum err compression_peek(struct compression_reader *reader, const uint8_t **bytes_out,
                          size_t *size_out)
{
    enum err err = fill(reader);

    if (err)
        return err;
    *size_out = reader->window_bytes - reader->window_pos;
    *bytes_out = *size_out > 0 ? reader->window + reader->window_pos : reader->in;
    return OK;
}

void compression_advance(struct compression_reader *reader, size_t size_bytes)
{
    check(size_bytes <= reader->window_bytes - reader->window_pos);
    reader->window_pos += size_bytes;
}

enum err compression_read(struct compression_reader *reader, void *out, size_t size_bytes,
                          size_t *read_out)
{
    size_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        const uint8_t *bytes;
        size_t some_bytes;
        enum err err = compression_peek(reader, &bytes, &some_bytes);

        if (err)
            return err;
        if (some_bytes == 0)
            break;
        if (some_bytes > size_bytes - done_bytes)
            some_bytes = size_bytes - done_bytes;
        memcpy((uint8_t *)out + done_bytes, bytes, some_bytes);
        compression_advance(reader, some_bytes);
        done_bytes += some_bytes;
    }
    *read_out = done_bytes;
    return OK;
}

enum err compression_skip(struct compression_reader *reader, uint64_t size_bytes,
                          uint64_t *skipped_out)
{
    uint64_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        const uint8_t *bytes;
        size_t some_bytes;
        enum err err = compression_peek(reader, &bytes, &some_bytes);

        if (err)
            return err;
        if (some_bytes == 0)
            break;
        if (some_bytes > size_bytes - done_bytes)
            some_bytes = (size_t)(size_bytes - done_bytes);
        compression_advance(reader, some_bytes);
        done_bytes += some_bytes;
    }
    *skipped_out = done_bytes;
    return OK;
}

/* Memory for more output: twice as much, but never above the limit (and one byte at least). */
static enum err grow(uint8_t **memory, size_t *capacity_bytes, size_t used_bytes,
                     size_t needed_bytes, uint64_t max_bytes)
{
    uint64_t wanted_bytes = (uint64_t)*capacity_bytes * 2;
    uint8_t *larger;

    if (wanted_bytes < needed_bytes)
        wanted_bytes = needed_bytes;
    if (wanted_bytes > max_bytes)
        wanted_bytes = max_bytes;
    larger = mem_try_alloc((size_t)wanted_bytes);
    if (!larger)
        return ERR_NOMEM;
    if (used_bytes > 0)
        memcpy(larger, *memory, used_bytes);
    mem_free(*memory);
    *memory = larger;
    *capacity_bytes = (size_t)wanted_bytes;
    return OK;
}

enum err compression_decompress(struct compression_context *context, int codec,
                                const uint8_t *bytes, size_t size_bytes, uint64_t output_max_bytes,
                                uint8_t **out, size_t *out_bytes)
{
    struct compression_reader reader;
    uint8_t *memory = NULL;
    size_t capacity_bytes = 0;
    size_t used_bytes = 0;
    enum err err =
        compression_reader_init(&reader, context, codec, bytes, size_bytes, output_max_bytes);

    while (!err) {
        const uint8_t *some;
        size_t some_bytes;

        err = compression_peek(&reader, &some, &some_bytes);
        if (err || some_bytes == 0)
            break;
        if (used_bytes + some_bytes > capacity_bytes)
            err = grow(&memory, &capacity_bytes, used_bytes, used_bytes + some_bytes,
                       output_max_bytes);
        if (err)
            break;
        memcpy(memory + used_bytes, some, some_bytes);
        used_bytes += some_bytes;
        compression_advance(&reader, some_bytes);
    }
    if (!err && !memory) {
        memory = mem_try_alloc(0);
        err = memory ? OK : ERR_NOMEM;
    }
    if (err) {
        mem_free(memory);
        return err;
    }
    *out = memory;
    *out_bytes = used_bytes;
    return OK;
}
