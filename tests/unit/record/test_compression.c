#include "base/mem.h"
#include "base/prng.h"
#include "record/compression.h"
#include "tests/support/empty_stream.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <string.h>

static struct compression_context *context;

static void setup(void)
{
    context = compression_context_create();
}

static void teardown(void)
{
    compression_context_destroy(context);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(compression, .init = setup, .fini = teardown);

/* Something between noise and zeros. */
static struct golden text_of(struct prng *prng, size_t size_bytes)
{
    uint8_t *bytes = mem_alloc(size_bytes);
    struct golden text;

    for (size_t i = 0; i < size_bytes;) {
        size_t run = prng_below(prng, 40) + 1;
        bool repeat = i > 300 && prng_chance(prng, 2, 3);
        size_t back = prng_below(prng, 300) + 1;

        for (; run > 0 && i < size_bytes; run--, i++)
            bytes[i] = repeat ? bytes[i - back] : (uint8_t)prng_u64(prng);
    }
    text = golden_copy(bytes, size_bytes);
    mem_free(bytes);
    return text;
}

static struct golden compress(int codec, int32_t level, const struct golden *text)
{
    size_t room_bytes = compression_bound((enum compression)codec, text->size_bytes);
    uint8_t *room = mem_alloc(room_bytes);
    struct golden packed;
    size_t size_bytes;

    cr_assert(eq(int,
                 compression_compress(context, codec, level, text->bytes, text->size_bytes, room,
                                      room_bytes, &size_bytes),
                 OK));
    packed = golden_copy(room, size_bytes);
    mem_free(room);
    return packed;
}

static enum err decompress(int codec, const uint8_t *bytes, size_t size_bytes, uint64_t max_bytes,
                           struct golden *out)
{
    struct golden copy = golden_copy(bytes, size_bytes);
    enum err err = compression_decompress(context, codec, copy.bytes, copy.size_bytes, max_bytes,
                                          &out->bytes, &out->size_bytes);

    golden_free(&copy);
    return err;
}

static void expect_same(const struct golden *a, const struct golden *b)
{
    cr_assert(eq(sz, a->size_bytes, b->size_bytes));
    cr_assert(eq(int, memcmp(a->bytes, b->bytes, a->size_bytes), 0));
}

Test(compression, every_codec_gives_back_what_it_got)
{
    const size_t sizes[] = {0, 1, 2, 100, 32767, 32768, 32769, 65536, 65537, 300000, 1500000};
    struct prng prng;

    prng_init(&prng, 8);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct golden text = text_of(&prng, sizes[i]);

        for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
            struct golden packed = compress(codec, COMPRESSION_LEVEL_DEFAULT, &text);
            struct golden again;

            cr_assert(
                eq(int, decompress(codec, packed.bytes, packed.size_bytes, sizes[i], &again), OK),
                "codec %d size %zu", codec, sizes[i]);
            expect_same(&text, &again);
            golden_free(&packed);
            golden_free(&again);
        }
        golden_free(&text);
    }
}

Test(compression, levels_are_the_libraries_own)
{
    struct prng prng;
    struct golden text;
    uint8_t room[20000];
    size_t size_bytes;

    prng_init(&prng, 9);
    text = text_of(&prng, 10000);
    for (int32_t level = 1; level <= 9; level += 4) {
        for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
            struct golden packed = compress(codec, level, &text);
            struct golden again;

            cr_assert(
                eq(int, decompress(codec, packed.bytes, packed.size_bytes, 10000, &again), OK));
            expect_same(&text, &again);
            golden_free(&packed);
            golden_free(&again);
        }
    }
    cr_assert(eq(int,
                 compression_compress(context, COMPRESSION_GZIP, 10, text.bytes, 10, room,
                                      sizeof(room), &size_bytes),
                 ERR_INVALID));
    cr_assert(eq(int,
                 compression_compress(context, COMPRESSION_LZ4, 0, text.bytes, 10, room,
                                      sizeof(room), &size_bytes),
                 ERR_INVALID));
    cr_assert(eq(int,
                 compression_compress(context, COMPRESSION_ZSTD, 23, text.bytes, 10, room,
                                      sizeof(room), &size_bytes),
                 ERR_INVALID));
    cr_assert(eq(
        int, compression_compress(context, 5, 1, text.bytes, 10, room, sizeof(room), &size_bytes),
        ERR_CODEC));
    golden_free(&text);
}

Test(compression, too_little_room_is_said_and_not_overrun)
{
    struct prng prng;
    struct golden text;

    prng_init(&prng, 10);
    text = text_of(&prng, 5000);
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        uint8_t *room = mem_alloc(50);
        size_t size_bytes;

        cr_assert(eq(int,
                     compression_compress(context, codec, COMPRESSION_LEVEL_DEFAULT, text.bytes,
                                          text.size_bytes, room, 50, &size_bytes),
                     ERR_FULL));
        mem_free(room);
    }
    golden_free(&text);
}

Test(compression, snappy_is_read_raw_and_in_blocks)
{
    struct prng prng;
    struct golden text;
    struct golden again;
    uint8_t *room;
    size_t size_bytes;

    prng_init(&prng, 11);
    text = text_of(&prng, 200000);
    size_bytes = snappy_max_compressed_length(text.size_bytes);
    room = mem_alloc(size_bytes);
    cr_assert(eq(int,
                 snappy_compress((char *)text.bytes, text.size_bytes, (char *)room, &size_bytes),
                 SNAPPY_OK));
    cr_assert(eq(int, decompress(COMPRESSION_SNAPPY, room, size_bytes, 200000, &again), OK));
    expect_same(&text, &again);
    golden_free(&again);
    cr_assert(
        eq(int, decompress(COMPRESSION_SNAPPY, room, size_bytes, 199999, &again), ERR_TOO_LARGE));
    mem_free(room);
    golden_free(&text);
}

Test(compression, streams_put_together_are_read_through)
{
    const int codecs[] = {COMPRESSION_GZIP, COMPRESSION_SNAPPY, COMPRESSION_ZSTD};
    struct prng prng;

    prng_init(&prng, 12);
    for (size_t i = 0; i < 3; i++) {
        struct golden text = text_of(&prng, 70000);
        struct golden packed = compress(codecs[i], COMPRESSION_LEVEL_DEFAULT, &text);
        uint8_t *twice = mem_alloc(packed.size_bytes * 2);
        struct golden again;

        memcpy(twice, packed.bytes, packed.size_bytes);
        memcpy(twice + packed.size_bytes, packed.bytes, packed.size_bytes);
        cr_assert(eq(int, decompress(codecs[i], twice, packed.size_bytes * 2, 140000, &again), OK));
        cr_assert(eq(sz, again.size_bytes, 140000));
        cr_assert(eq(int, memcmp(again.bytes + 70000, text.bytes, 70000), 0));
        golden_free(&again);
        golden_free(&packed);
        golden_free(&text);
        mem_free(twice);
    }
}

Test(compression, lz4_that_java_cannot_read_is_refused)
{
    LZ4F_preferences_t preferences = {.frameInfo = {.blockMode = LZ4F_blockLinked}};
    static uint8_t text[200000]; /* one block alone is never dependent */
    static uint8_t room[210000];
    struct golden again;
    size_t size_bytes = LZ4F_compressFrame(room, sizeof(room), text, sizeof(text), &preferences);

    cr_assert(not(LZ4F_isError(size_bytes)));
    cr_assert(
        eq(int, decompress(COMPRESSION_LZ4, room, size_bytes, 200000, &again), ERR_MALFORMED));
    preferences.frameInfo.blockMode = LZ4F_blockIndependent;
    preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    preferences.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled;
    preferences.frameInfo.contentSize = sizeof(text);
    size_bytes = LZ4F_compressFrame(room, sizeof(room), text, sizeof(text), &preferences);
    cr_assert(eq(int, decompress(COMPRESSION_LZ4, room, size_bytes, 200000, &again), OK));
    golden_free(&again);
    memcpy(room + size_bytes, "x", 1);
    cr_assert(
        eq(int, decompress(COMPRESSION_LZ4, room, size_bytes + 1, 200000, &again), ERR_MALFORMED));
}

/* One context serves all clients of a loop: what one leaves unread must not touch the next. */
Test(compression, a_stream_given_up_does_not_touch_the_next)
{
    LZ4F_preferences_t preferences = {
        .frameInfo = {.blockMode = LZ4F_blockIndependent, .contentSize = 100000}};
    struct prng prng;
    struct golden text;
    struct golden again;
    static uint8_t sized[110000]; /* a frame that announces its content */
    size_t sized_bytes;

    prng_init(&prng, 16);
    text = text_of(&prng, 100000);
    sized_bytes =
        LZ4F_compressFrame(sized, sizeof(sized), text.bytes, text.size_bytes, &preferences);
    cr_assert(not(LZ4F_isError(sized_bytes)));
    cr_assert(eq(int, decompress(COMPRESSION_LZ4, sized, sized_bytes - 8, 100000, &again),
                 ERR_TRUNCATED));
    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct golden packed = compress(codec, COMPRESSION_LEVEL_DEFAULT, &text);
        struct compression_reader reader;
        uint8_t byte;
        size_t got;

        for (int way = 0; way < 3; way++) { /* after an end inside, garbage, and a reader let go */
            cr_assert(
                eq(int, decompress(codec, packed.bytes, packed.size_bytes, text.size_bytes, &again),
                   OK));
            expect_same(&again, &text);
            golden_free(&again);
            if (way == 0)
                cr_assert(ne(int,
                             decompress(codec, packed.bytes, packed.size_bytes / 2, 100000, &again),
                             OK));
            if (way != 1)
                continue;
            cr_assert(eq(int,
                         compression_reader_init(&reader, context, codec, packed.bytes,
                                                 packed.size_bytes, text.size_bytes),
                         OK));
            cr_assert(eq(int, compression_read(&reader, &byte, 1, &got), OK));
        }
        golden_free(&packed);
    }
    golden_free(&text);
}

/* A bomb is refused at the limit, and no memory near its size is ever asked for. */
Test(compression, bombs_end_at_the_limit)
{
    const size_t bomb_bytes = 64 << 20;
    const uint64_t limit_bytes = 100000;
    struct golden zeros = {.bytes = mem_alloc(bomb_bytes), .size_bytes = bomb_bytes};

    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct golden packed = compress(codec, COMPRESSION_LEVEL_DEFAULT, &zeros);
        struct compression_reader reader;
        struct golden again;
        uint64_t used_before;
        uint64_t skipped;

        cr_assert(eq(int, decompress(codec, packed.bytes, packed.size_bytes, limit_bytes, &again),
                     ERR_TOO_LARGE));
        used_before = mem_used_bytes();
        cr_assert(eq(int,
                     compression_reader_init(&reader, context, codec, packed.bytes,
                                             packed.size_bytes, limit_bytes),
                     OK));
        cr_assert(eq(int, compression_skip(&reader, UINT64_MAX, &skipped), ERR_TOO_LARGE));
        cr_assert(mem_used_bytes() < used_before + 2 * limit_bytes);
        /* and to the end when it is allowed */
        cr_assert(eq(int,
                     compression_reader_init(&reader, context, codec, packed.bytes,
                                             packed.size_bytes, bomb_bytes),
                     OK));
        cr_assert(eq(int, compression_skip(&reader, UINT64_MAX, &skipped), OK));
        cr_assert(eq(u64, skipped, bomb_bytes));
        cr_assert(mem_used_bytes() < used_before + (1 << 20));
        golden_free(&packed);
    }
    golden_free(&zeros);
}

/* What goes in counts as well as what comes out, and every block. */
Test(compression, a_stream_without_output_ends_at_the_limit_of_work)
{
    const char payload[] = "something at last";
    const uint64_t limit_bytes = 1 << 20;

    for (int kind = 0; kind < EMPTY_KIND_COUNT; kind++) {
        struct empty_stream stream =
            empty_stream_build((enum empty_kind)kind, 1000000, payload, sizeof(payload));
        int codec = empty_codec((enum empty_kind)kind);
        struct compression_reader reader;
        struct golden again;
        uint64_t skipped;

        cr_assert(eq(int, decompress(codec, stream.bytes, stream.size_bytes, 100, &again), OK),
                  "%d", kind);
        cr_assert(eq(sz, again.size_bytes, sizeof(payload)));
        cr_assert(eq(int, memcmp(again.bytes, payload, sizeof(payload)), 0));
        golden_free(&again);
        cr_assert(eq(
            int,
            compression_reader_init(&reader, context, codec, stream.bytes, stream.size_bytes, 100),
            OK));
        reader.work_max_bytes = limit_bytes;
        cr_assert(eq(int, compression_skip(&reader, 1, &skipped), ERR_FULL), "%d", kind);
        cr_assert(eq(int, compression_skip(&reader, 1, &skipped), ERR_FULL));
        cr_assert(lt(u64, reader.work_bytes, limit_bytes + 10000));
        cr_assert(lt(u64, limit_bytes, reader.work_bytes));
        mem_free(stream.bytes);
    }
}

Test(compression, honest_streams_cost_little_more_than_they_give)
{
    struct prng prng;
    struct golden text;

    prng_init(&prng, 20);
    text = text_of(&prng, 1500000);
    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct golden packed = compress(codec, COMPRESSION_LEVEL_DEFAULT, &text);
        struct compression_reader reader;
        uint64_t skipped;

        cr_assert(eq(int,
                     compression_reader_init(&reader, context, codec, packed.bytes,
                                             packed.size_bytes, text.size_bytes),
                     OK));
        reader.work_max_bytes = (text.size_bytes + packed.size_bytes) * 21 / 20;
        cr_assert(eq(int, compression_skip(&reader, UINT64_MAX, &skipped), OK), "codec %d", codec);
        cr_assert(eq(u64, skipped, text.size_bytes));
        golden_free(&packed);
    }
    golden_free(&text);
}

Test(compression, a_raw_snappy_block_cannot_claim_what_it_cannot_make)
{
    /* the preamble says 2^31 - 1 */
    const uint8_t claim[] = {0xff, 0xff, 0xff, 0xff, 0x07, 0x00, 'x'};
    uint64_t before = mem_used_bytes();
    struct golden again;

    cr_assert(eq(int, decompress(COMPRESSION_SNAPPY, claim, sizeof(claim), UINT32_MAX, &again),
                 ERR_MALFORMED));
    cr_assert(mem_used_bytes() < before + (1 << 20));
}

Test(compression, every_prefix_is_an_error)
{
    struct prng prng;
    struct golden text;

    prng_init(&prng, 13);
    text = text_of(&prng, 3000);
    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct golden packed = compress(codec, COMPRESSION_LEVEL_DEFAULT, &text);

        for (size_t size = 0; size < packed.size_bytes; size++) {
            struct golden again;
            enum err err = decompress(codec, packed.bytes, size, 3000, &again);

            if (codec == COMPRESSION_SNAPPY && size == 16) { /* blocks, and no block */
                cr_assert(eq(int, err, OK));
                cr_assert(eq(sz, again.size_bytes, 0));
                golden_free(&again);
                continue;
            }
            cr_assert(err == ERR_TRUNCATED || err == ERR_MALFORMED, "codec %d size %zu: %s", codec,
                      size, err_name(err));
        }
        golden_free(&packed);
    }
    golden_free(&text);
}

Test(compression, mutations_never_lead_outside)
{
    const uint64_t seed = 20240612;
    struct prng prng;
    struct golden text;

    prng_init(&prng, seed);
    text = text_of(&prng, 2000);
    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct golden packed = compress(codec, COMPRESSION_LEVEL_DEFAULT, &text);

        for (int i = 0; i < 20000; i++) {
            struct golden broken = golden_copy(packed.bytes, packed.size_bytes);
            struct golden again;
            uint64_t changes = prng_below(&prng, 4) + 1;

            for (uint64_t j = 0; j < changes; j++)
                broken.bytes[prng_below(&prng, broken.size_bytes)] = (uint8_t)prng_u64(&prng);
            if (decompress(codec, broken.bytes, broken.size_bytes, 4000, &again) == OK) {
                cr_assert(again.size_bytes <= 4000, "seed %lu", seed);
                golden_free(&again);
            }
            golden_free(&broken);
        }
        golden_free(&packed);
    }
    golden_free(&text);
}

Test(compression, reads_of_any_size_give_the_same_bytes)
{
    struct prng prng;
    struct golden text;

    prng_init(&prng, 14);
    text = text_of(&prng, 250000);
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct golden packed = compress(codec, COMPRESSION_LEVEL_DEFAULT, &text);
        struct compression_reader reader;
        size_t pos = 0;
        uint8_t piece[100000];
        size_t got;

        cr_assert(eq(int,
                     compression_reader_init(&reader, context, codec, packed.bytes,
                                             packed.size_bytes, text.size_bytes),
                     OK));
        while (pos < text.size_bytes) {
            size_t wanted = prng_below(&prng, prng_chance(&prng, 1, 2) ? 10 : sizeof(piece)) + 1;
            uint64_t skipped;

            if (prng_chance(&prng, 1, 4)) {
                cr_assert(eq(int, compression_skip(&reader, wanted, &skipped), OK));
                pos += skipped;
                continue;
            }
            cr_assert(eq(int, compression_read(&reader, piece, wanted, &got), OK));
            cr_assert(got == wanted || pos + got == text.size_bytes);
            cr_assert(eq(int, memcmp(piece, text.bytes + pos, got), 0));
            pos += got;
        }
        cr_assert(eq(int, compression_read(&reader, piece, 1, &got), OK));
        cr_assert(eq(sz, got, 0));
        golden_free(&packed);
    }
    golden_free(&text);
}

Test(compression, an_error_stays)
{
    const uint8_t garbage[] = "not compressed at all";

    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct compression_reader reader;
        uint8_t byte;
        size_t got;

        cr_assert(
            eq(int,
               compression_reader_init(&reader, context, codec, garbage, sizeof(garbage) - 1, 1000),
               OK));
        cr_assert(eq(int, compression_read(&reader, &byte, 1, &got), ERR_MALFORMED));
        cr_assert(eq(int, compression_read(&reader, &byte, 1, &got), ERR_MALFORMED));
    }
    for (int codec = COMPRESSION_COUNT; codec < 8; codec++) {
        struct compression_reader reader;

        cr_assert(
            eq(int, compression_reader_init(&reader, context, codec, garbage, 1, 100), ERR_CODEC));
    }
}

Test(compression, an_old_zstd_format_is_refused)
{
    const uint8_t v07[] = {0x27, 0xb5, 0x2f, 0xfd, 0x00, 0x00, 0xc0, 0x00, 0x00};
    struct golden again;

    cr_assert(eq(int, decompress(COMPRESSION_ZSTD, v07, sizeof(v07), 100, &again), ERR_MALFORMED));
}

Test(compression, one_context_serves_many_batches_without_more_memory)
{
    struct prng prng;
    struct golden text;
    uint64_t count = 0;

    prng_init(&prng, 15);
    text = text_of(&prng, 100000);
    for (int round = 0; round < 20; round++) {
        for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
            struct golden packed = compress(codec, COMPRESSION_LEVEL_DEFAULT, &text);
            struct compression_reader reader;
            uint64_t skipped;

            cr_assert(eq(int,
                         compression_reader_init(&reader, context, codec, packed.bytes,
                                                 packed.size_bytes, text.size_bytes),
                         OK));
            cr_assert(eq(int, compression_skip(&reader, UINT64_MAX, &skipped), OK));
            golden_free(&packed);
        }
        if (round == 1)
            count = mem_used_count();
    }
    cr_assert(eq(u64, mem_used_count(), count));
    golden_free(&text);
}

Test(compression, a_refused_allocation_is_an_answer)
{
    struct prng prng;
    struct golden text;

    prng_init(&prng, 16);
    text = text_of(&prng, 5000);
    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct golden packed = compress(codec, COMPRESSION_LEVEL_DEFAULT, &text);

        for (uint64_t n = 1; n < 20; n++) {
            struct golden again;
            enum err err;

            compression_context_destroy(context);
            context = compression_context_create();
            mem_fail_after(n);
            err = compression_decompress(context, codec, packed.bytes, packed.size_bytes, 5000,
                                         &again.bytes, &again.size_bytes);
            mem_fail_after(0);
            cr_assert(err == OK || err == ERR_NOMEM);
            if (err == OK) {
                expect_same(&text, &again);
                golden_free(&again);
            }
        }
        golden_free(&packed);
    }
    golden_free(&text);
}
