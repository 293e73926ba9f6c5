/* fuzz_compression: any bytes as the compressed region of a batch, in each codec; and any bytes
 * compressed.
 *
 * The first byte chooses codec and direction, the second the size of pieces or the level.  However
 * a stream is read, it says the same; what was compressed is what comes out again. */
#include "base/check.h"
#include "base/mem.h"
#include "record/compression.h"
#include "tests/fuzz/fuzz_seed.h"

#include <string.h>

enum { OUTPUT_MAX_BYTES = 1 << 20, HEAD_BYTES = 2, LEVEL_MIN = -5, LEVEL_COUNT = 16 };

static struct compression_context
    *context; /* one for all inputs, as a loop has one for all batches */

static bool is_expected(enum err err)
{
    return err == ERR_MALFORMED || err == ERR_TRUNCATED || err == ERR_TOO_LARGE || err == ERR_NOMEM;
}

/* Read in pieces, by copy, look or skip in turn; compared with what is expected at each. */
static enum err read_pieces(int codec, const uint8_t *bytes, size_t size_bytes, size_t piece_bytes,
                            const uint8_t *expected, size_t expected_bytes, size_t *total_out)
{
    struct compression_reader reader;
    uint8_t *piece = mem_alloc(piece_bytes);
    size_t pos = 0;
    enum err err =
        compression_reader_init(&reader, context, codec, bytes, size_bytes, OUTPUT_MAX_BYTES);

    for (uint32_t turn = 0; err == OK; turn++) {
        const uint8_t *seen = piece;
        uint64_t skipped = 0;
        size_t got = 0;
        if (turn % 3 == 0) {
            err = compression_read(&reader, piece, piece_bytes, &got);
        } else if (turn % 3 == 1) {
            err = compression_peek(&reader, &seen, &got);
            if (err == OK)
                compression_advance(&reader, got);
        } else {
            err = compression_skip(&reader, piece_bytes, &skipped);
            got = (size_t)skipped;
            seen = NULL;
        }
        if (err != OK || got == 0)
            break;
        check(pos + got <= OUTPUT_MAX_BYTES);
        if (expected != NULL) {
            check(got <= expected_bytes - pos);
            check(seen == NULL || memcmp(seen, expected + pos, got) == 0);
        }
        pos += got;
    }
    if (err != OK) { /* it stays so */
        size_t got;
        check(compression_read(&reader, piece, piece_bytes, &got) == err);
    }
    mem_free(piece);
    *total_out = pos;
    return err;
}

static void compress(int codec, int32_t level, const uint8_t *bytes, size_t size_bytes)
{
    size_t bound_bytes = compression_bound((enum compression)codec, size_bytes);
    uint8_t *out = mem_alloc(bound_bytes);
    uint8_t *again;
    size_t out_bytes;
    size_t again_bytes;
    enum err err = compression_compress(context, codec, level, bytes, size_bytes, out, bound_bytes,
                                        &out_bytes);

    if (err == OK) {
        uint8_t *tight = mem_alloc(out_bytes);
        size_t tight_bytes;
        check(out_bytes <= bound_bytes);
        check(compression_decompress(context, codec, out, out_bytes, OUTPUT_MAX_BYTES, &again,
                                     &again_bytes) == OK);
        check(again_bytes == size_bytes && memcmp(again, bytes, size_bytes) == 0);
        mem_free(again);
        err = compression_compress(context, codec, level, bytes, size_bytes, tight,
                                   out_bytes > 0 ? out_bytes - 1 : 0, &tight_bytes);
        check(err == ERR_FULL || (err == OK && tight_bytes < out_bytes) || out_bytes == 0);
        mem_free(tight);
    } else {
        check(err == ERR_INVALID && level != COMPRESSION_LEVEL_DEFAULT);
    }
    mem_free(out);
}

/* libzstd keeps the largest buffers of its last 128 frames, and finds out in a small one what it
 * decodes further in a large one: of a broken frame no two contexts say the same. */
static void forget_buffers(int codec)
{
    if (codec != COMPRESSION_ZSTD)
        return;
    compression_context_destroy(context);
    context = compression_context_create();
}

static void decompress(int codec, size_t piece_bytes, const uint8_t *bytes, size_t size_bytes)
{
    uint8_t *out = NULL;
    size_t out_bytes = 0;
    size_t total_bytes;
    enum err err;

    forget_buffers(codec);
    err = compression_decompress(context, codec, bytes, size_bytes, OUTPUT_MAX_BYTES, &out,
                                 &out_bytes);
    check(err == OK || is_expected(err));
    check(out_bytes <= OUTPUT_MAX_BYTES);
    forget_buffers(codec);
    check(read_pieces(codec, bytes, size_bytes, piece_bytes, out, out_bytes, &total_bytes) == err);
    if (err != OK)
        return;
    check(total_bytes == out_bytes);
    if (out_bytes <= 1 << 16)
        compress(codec, COMPRESSION_LEVEL_DEFAULT, out, out_bytes);
    mem_free(out);
}

static int codec_of(uint8_t choice)
{
    return choice % COMPRESSION_COUNT;
}

static bool is_compression(uint8_t choice)
{
    return choice / COMPRESSION_COUNT % 4 == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    uint8_t *bytes;

    if (size_bytes < HEAD_BYTES)
        return 0;
    if (context == NULL)
        context = compression_context_create();
    size_bytes -= HEAD_BYTES;
    bytes = mem_alloc(size_bytes); /* of exactly that size */
    memcpy(bytes, data + HEAD_BYTES, size_bytes);
    if (is_compression(data[0]))
        compress(codec_of(data[0]),
                 data[1] == 0 ? COMPRESSION_LEVEL_DEFAULT : LEVEL_MIN + data[1] % LEVEL_COUNT,
                 bytes, size_bytes);
    else
        decompress(codec_of(data[0]), 1 + (size_t)data[1] * 16, bytes, size_bytes);
    mem_free(bytes);
    return 0;
}

/* ---- seeds: something with repetitions, compressed */

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    uint8_t plain[4096];
    size_t plain_bytes = (size_t)prng_below(prng, sizeof(plain));
    uint8_t *packed;
    size_t bound_bytes;
    size_t size_bytes;
    int codec = (int)prng_below(prng, COMPRESSION_COUNT);

    prng_fill(prng, plain, sizeof(plain));
    for (size_t i = 16; i < plain_bytes; i++)
        if (plain[i] % 4 != 0)
            plain[i] = plain[i - 1 - plain[i - 1] % 16];
    bound_bytes = compression_bound((enum compression)codec, plain_bytes);
    packed = mem_alloc(bound_bytes);
    if (context == NULL)
        context = compression_context_create();
    check(compression_compress(context, codec, COMPRESSION_LEVEL_DEFAULT, plain, plain_bytes,
                               packed, bound_bytes, &size_bytes) == OK);
    if (size_bytes + HEAD_BYTES > max_bytes)
        size_bytes = 0;
    else
        memcpy(out + HEAD_BYTES, packed, size_bytes);
    mem_free(packed);
    if (size_bytes == 0)
        return 0;
    out[0] = (uint8_t)(COMPRESSION_COUNT + codec);
    out[1] = (uint8_t)prng_below(prng, 256);
    return HEAD_BYTES + size_bytes;
}

FUZZ_SEEDS(make_seed)
