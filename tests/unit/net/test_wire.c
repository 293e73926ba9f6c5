#include "net/protocol/wire.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <float.h>
#include <stdlib.h>

static struct {
    struct arena arena;
    struct wire_writer writer;
    struct wire_reader reader;
} f;

static void setup(void)
{
    arena_init(&f.arena, 1 << 20);
    wire_writer_init(&f.writer, &f.arena);
}

static void teardown(void)
{
    arena_deinit(&f.arena);
}

/* Let the reader read what the writer holds. */
static void turn_round(void)
{
    struct wire_bytes bytes;

    cr_assert(eq(int, wire_writer_flatten(&f.writer, &bytes), OK));
    wire_reader_init(&f.reader, bytes.bytes, (size_t)bytes.size_bytes);
}

#define read_bytes(...)                                        \
    do {                                                       \
        static const uint8_t literal[] = {__VA_ARGS__};        \
        wire_reader_init(&f.reader, literal, sizeof(literal)); \
    } while (0)

Test(wire, numbers_are_big_endian, .init = setup, .fini = teardown)
{
    static const uint8_t expected[] = {0xff, 0x12, 0x34, 0x80, 0,    0, 1, 1, 2, 3, 4, 5,
                                       6,    7,    8,    0x3f, 0xf8, 0, 0, 0, 0, 0, 0};
    struct wire_bytes bytes;

    wire_write_int8(&f.writer, -1);
    wire_write_uint16(&f.writer, 0x1234);
    wire_write_int32(&f.writer, INT32_MIN + 1);
    wire_write_int64(&f.writer, 0x0102030405060708);
    wire_write_float64(&f.writer, 1.5);
    cr_assert(eq(int, wire_writer_flatten(&f.writer, &bytes), OK));
    cr_assert(eq(sz, (size_t)bytes.size_bytes, sizeof(expected)));
    cr_assert(eq(int, memcmp(bytes.bytes, expected, sizeof(expected)), 0));
}

Test(wire, numbers_come_back, .init = setup, .fini = teardown)
{
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    double f64;
    bool truth;

    wire_write_int8(&f.writer, INT8_MIN);
    wire_write_int16(&f.writer, INT16_MIN);
    wire_write_int32(&f.writer, INT32_MIN);
    wire_write_int64(&f.writer, INT64_MIN);
    wire_write_float64(&f.writer, -DBL_MAX);
    wire_write_uint8(&f.writer, 0x80);
    turn_round();
    cr_assert(eq(int, wire_read_int8(&f.reader, &i8), OK));
    cr_assert(eq(int, wire_read_int16(&f.reader, &i16), OK));
    cr_assert(eq(int, wire_read_int32(&f.reader, &i32), OK));
    cr_assert(eq(int, wire_read_int64(&f.reader, &i64), OK));
    cr_assert(eq(int, wire_read_float64(&f.reader, &f64), OK));
    cr_assert(eq(int, wire_read_bool(&f.reader, &truth), OK));
    cr_assert(eq(i8, i8, INT8_MIN));
    cr_assert(eq(i16, i16, INT16_MIN));
    cr_assert(eq(i32, i32, INT32_MIN));
    cr_assert(eq(i64, i64, INT64_MIN));
    cr_assert(eq(dbl, f64, -DBL_MAX));
    cr_assert(truth); /* any byte but zero */
    cr_assert(eq(sz, wire_reader_left(&f.reader), 0));
    cr_assert(eq(sz, wire_reader_pos(&f.reader), 24));
}

Test(wire, a_number_that_does_not_fit_is_truncated_and_moves_nothing, .init = setup,
     .fini = teardown)
{
    int64_t i64 = 5;
    int32_t i32 = 5;
    int16_t i16 = 5;
    int8_t i8 = 5;
    struct uuid uuid;

    read_bytes(1, 2, 3, 4, 5, 6, 7);
    cr_assert(eq(int, wire_read_int64(&f.reader, &i64), ERR_TRUNCATED));
    cr_assert(eq(int, wire_read_uuid(&f.reader, &uuid), ERR_TRUNCATED));
    cr_assert(eq(i64, i64, 5));
    cr_assert(eq(sz, wire_reader_pos(&f.reader), 0));
    cr_assert(eq(int, wire_read_int32(&f.reader, &i32), OK));
    cr_assert(eq(int, wire_read_int32(&f.reader, &i32), ERR_TRUNCATED));
    cr_assert(eq(int, wire_read_int16(&f.reader, &i16), OK));
    cr_assert(eq(int, wire_read_int16(&f.reader, &i16), ERR_TRUNCATED));
    cr_assert(eq(int, wire_read_int8(&f.reader, &i8), OK));
    cr_assert(eq(int, wire_read_int8(&f.reader, &i8), ERR_TRUNCATED));
    cr_assert(eq(i32, i32, 0x01020304));
    cr_assert(eq(i16, i16, 0x0506));
    cr_assert(eq(i8, i8, 7));
}

Test(wire, varints_come_back_at_every_length, .init = setup, .fini = teardown)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int64_t delta = -1; delta <= 1; delta++) {
            uint64_t value = (1ull << bit) + (uint64_t)delta;
            uint32_t u32;
            int32_t i32;
            int64_t i64;

            wire_writer_init(&f.writer, &f.arena);
            wire_write_uvarint(&f.writer, (uint32_t)value);
            wire_write_varint(&f.writer, (int32_t)value);
            wire_write_varlong(&f.writer, (int64_t)value);
            turn_round();
            cr_assert(eq(int, wire_read_uvarint(&f.reader, &u32), OK));
            cr_assert(eq(int, wire_read_varint(&f.reader, &i32), OK));
            cr_assert(eq(int, wire_read_varlong(&f.reader, &i64), OK));
            cr_assert(eq(u32, u32, (uint32_t)value));
            cr_assert(eq(i32, i32, (int32_t)value));
            cr_assert(eq(i64, i64, (int64_t)value));
            cr_assert(eq(sz, wire_reader_left(&f.reader), 0));
        }
    }
}

Test(wire, zigzag_is_that_of_protocol_buffers, .init = setup, .fini = teardown)
{
    static const int32_t values[] = {0, -1, 1, -2, INT32_MAX, INT32_MIN};
    static const uint32_t encoded[] = {0, 1, 2, 3, UINT32_MAX - 1, UINT32_MAX};

    for (size_t i = 0; i < array_count(values); i++) {
        uint32_t u32;
        wire_writer_init(&f.writer, &f.arena);
        wire_write_varint(&f.writer, values[i]);
        turn_round();
        cr_assert(eq(int, wire_read_uvarint(&f.reader, &u32), OK));
        cr_assert(eq(u32, u32, encoded[i]));
    }
}

Test(wire, a_varint_of_more_than_32_bits_is_malformed, .init = setup, .fini = teardown)
{
    uint32_t value = 77;

    read_bytes(0xff, 0xff, 0xff, 0xff, 0x0f);
    cr_assert(eq(int, wire_read_uvarint(&f.reader, &value), OK));
    cr_assert(eq(u32, value, UINT32_MAX));
    read_bytes(0xff, 0xff, 0xff, 0xff, 0x10); /* bit 32 */
    cr_assert(eq(int, wire_read_uvarint(&f.reader, &value), ERR_MALFORMED));
    read_bytes(0x80, 0x80, 0x80, 0x80, 0x80, 0x00); /* a sixth byte */
    cr_assert(eq(int, wire_read_uvarint(&f.reader, &value), ERR_MALFORMED));
    read_bytes(0x80, 0x80, 0x80, 0x80); /* the fifth is missing */
    cr_assert(eq(int, wire_read_uvarint(&f.reader, &value), ERR_TRUNCATED));
    cr_assert(eq(u32, value, UINT32_MAX));
    cr_assert(eq(sz, wire_reader_pos(&f.reader), 0));
}

Test(wire, a_varlong_of_more_than_64_bits_is_malformed, .init = setup, .fini = teardown)
{
    int64_t value = 77;

    read_bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
    cr_assert(eq(int, wire_read_varlong(&f.reader, &value), OK));
    cr_assert(eq(i64, value, INT64_MIN));
    read_bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02);
    cr_assert(eq(int, wire_read_varlong(&f.reader, &value), ERR_MALFORMED));
    read_bytes(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);
    cr_assert(eq(int, wire_read_varlong(&f.reader, &value), ERR_MALFORMED));
    read_bytes(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80);
    cr_assert(eq(int, wire_read_varlong(&f.reader, &value), ERR_TRUNCATED));
    cr_assert(eq(sz, wire_reader_pos(&f.reader), 0));
}

Test(wire, null_empty_and_filled_strings_differ, .init = setup, .fini = teardown)
{
    for (int compact = 0; compact <= 1; compact++) {
        struct wire_string a, b, c;

        wire_writer_init(&f.writer, &f.arena);
        wire_write_string(&f.writer, compact, wire_string(NULL));
        wire_write_string(&f.writer, compact, wire_string(""));
        wire_write_string(&f.writer, compact, wire_string("topic"));
        turn_round();
        cr_assert(eq(int, wire_read_string(&f.reader, compact, &a), OK));
        cr_assert(eq(int, wire_read_string(&f.reader, compact, &b), OK));
        cr_assert(eq(int, wire_read_string(&f.reader, compact, &c), OK));
        cr_assert(eq(ptr, (void *)a.text, NULL));
        cr_assert(ne(ptr, (void *)b.text, NULL));
        cr_assert(eq(i32, b.size_bytes, 0));
        cr_assert(wire_string_is(c, "topic"));
        cr_assert(not(wire_string_is(c, "topi")));
        cr_assert(not(wire_string_is(a, "")));
        cr_assert(wire_string_equal(a, wire_string(NULL)));
        cr_assert(not(wire_string_equal(a, b)));
        /* zero copy: the text lies in what was read */
        cr_assert(eq(ptr, (void *)(c.text + c.size_bytes), (void *)f.reader.end));
    }
}

Test(wire, a_string_holds_at_most_32767_bytes, .init = setup, .fini = teardown)
{
    char *text = calloc(1, 40000);
    struct wire_string longest = {text, WIRE_STRING_BYTES_MAX};
    struct wire_string too_long = {text, WIRE_STRING_BYTES_MAX + 1};
    const struct wire_segment *segments;
    uint32_t count;

    for (int compact = 0; compact <= 1; compact++) {
        struct wire_string back;
        wire_writer_init(&f.writer, &f.arena);
        wire_write_string(&f.writer, compact, longest);
        turn_round();
        cr_assert(eq(int, wire_read_string(&f.reader, compact, &back), OK));
        cr_assert(eq(i32, back.size_bytes, WIRE_STRING_BYTES_MAX));
        wire_write_string(&f.writer, compact, too_long);
        cr_assert(eq(int, wire_writer_segments(&f.writer, &segments, &count), ERR_TOO_LARGE));
    }

    /* a compact length can state more than a string may have, even if the bytes are there */
    text[0] = (char)0x81; /* 32768 + 1 as a varint */
    text[1] = (char)0x80;
    text[2] = 0x02;
    wire_reader_init(&f.reader, text, 40000);
    cr_assert(eq(int, wire_read_string(&f.reader, true, &longest), ERR_MALFORMED));
    cr_assert(eq(sz, wire_reader_pos(&f.reader), 0));
    free(text);
}

Test(wire, lengths_below_minus_one_are_malformed, .init = setup, .fini = teardown)
{
    struct wire_string string;
    struct wire_bytes bytes;
    int32_t length;

    read_bytes(0xff, 0xfe);
    cr_assert(eq(int, wire_read_string(&f.reader, false, &string), ERR_MALFORMED));
    read_bytes(0xff, 0xff, 0xff, 0xfe);
    cr_assert(eq(int, wire_read_bytes(&f.reader, false, &bytes), ERR_MALFORMED));
    read_bytes(0xff, 0xff, 0xff, 0xff, 0x0f); /* 2^32 - 2 */
    cr_assert(eq(int, wire_read_length(&f.reader, true, &length), ERR_MALFORMED));
    cr_assert(eq(sz, wire_reader_pos(&f.reader), 0));
    read_bytes(0x80, 0x80, 0x80, 0x80, 0x08); /* INT32_MAX */
    cr_assert(eq(int, wire_read_length(&f.reader, true, &length), OK));
    cr_assert(eq(i32, length, INT32_MAX));
}

Test(wire, bytes_longer_than_the_rest_are_truncated, .init = setup, .fini = teardown)
{
    struct wire_bytes bytes = {NULL, 9};

    read_bytes(0, 0, 0, 3, 1, 2);
    cr_assert(eq(int, wire_read_bytes(&f.reader, false, &bytes), ERR_TRUNCATED));
    cr_assert(eq(sz, wire_reader_pos(&f.reader), 0));
    read_bytes(4, 1, 2);
    cr_assert(eq(int, wire_read_bytes(&f.reader, true, &bytes), ERR_TRUNCATED));
    cr_assert(eq(i32, bytes.size_bytes, 9));
    read_bytes(0);
    cr_assert(eq(int, wire_read_bytes(&f.reader, true, &bytes), OK));
    cr_assert(eq(ptr, (void *)bytes.bytes, NULL));
}

Test(wire, records_are_referred_to_with_their_owners, .init = setup, .fini = teardown)
{
    static const uint8_t first[] = "first", second[] = "second";
    int owner_a, owner_b, owner_c;
    struct wire_slice slices[] = {
        {first, 5, &owner_a}, {second, 0, NULL}, {second, 6, &owner_b}, {second, 0, &owner_c}};
    struct wire_records records = {.slices = slices, .slice_count = 4, .size_bytes = 11};
    const struct wire_segment *segments;
    struct wire_bytes bytes;
    uint32_t count;

    wire_write_int16(&f.writer, 7);
    wire_write_records(&f.writer, false, &records);
    wire_write_int16(&f.writer, 8);
    cr_assert(eq(int, wire_writer_segments(&f.writer, &segments, &count), OK));
    cr_assert(eq(u32, count, 5));
    cr_assert(eq(u32, segments[0].size_bytes, 6));
    cr_assert(eq(ptr, segments[0].owner, NULL));
    cr_assert(eq(ptr, (void *)segments[1].bytes, (void *)first));
    cr_assert(eq(ptr, segments[1].owner, &owner_a));
    cr_assert(eq(ptr, (void *)segments[2].bytes, (void *)second));
    cr_assert(eq(ptr, segments[2].owner, &owner_b));
    cr_assert(eq(ptr, segments[3].owner, &owner_c)); /* empty, but somebody must release it */
    cr_assert(eq(u32, segments[4].size_bytes, 2));
    cr_assert(eq(u64, wire_writer_size(&f.writer), 19));
    cr_assert(eq(int, wire_writer_flatten(&f.writer, &bytes), OK));
    cr_assert(eq(i32, bytes.size_bytes, 19));
    cr_assert(eq(int, memcmp(bytes.bytes, "\0\7\0\0\0\13firstsecond\0\10", 19), 0));
}

Test(wire, a_frame_states_what_follows_it, .init = setup, .fini = teardown)
{
    char text[5000] = {0}; /* more than a chunk, so that the frame's int32 is in an older one */
    int32_t size;

    wire_writer_begin_frame(&f.writer);
    wire_write_raw(&f.writer, text, sizeof(text));
    wire_writer_end_frame(&f.writer);
    turn_round();
    cr_assert(eq(int, wire_read_int32(&f.reader, &size), OK));
    cr_assert(eq(i32, size, 5000));
    cr_assert(eq(sz, wire_reader_left(&f.reader), 5000));
}

Test(wire, bytes_stay_in_order_over_many_chunks, .init = setup, .fini = teardown)
{
    for (uint32_t i = 0; i < 50000; i++)
        wire_write_uvarint(&f.writer, i);
    turn_round();
    for (uint32_t i = 0; i < 50000; i++) {
        uint32_t value;
        cr_assert(eq(int, wire_read_uvarint(&f.reader, &value), OK));
        cr_assert(eq(u32, value, i));
    }
    cr_assert(eq(sz, wire_reader_left(&f.reader), 0));
}

Test(wire, a_writer_without_memory_fails_and_stays_failed)
{
    const struct wire_segment *segments;
    struct wire_bytes bytes;
    struct arena arena;
    struct wire_writer writer;
    struct uuid uuid = {{1}};
    uint32_t count;

    arena_init(&arena, 8000);
    wire_writer_init(&writer, &arena);
    for (int i = 0; i < 10000; i++) {
        memcpy(wire_writer_reserve(&writer, sizeof(uuid)), &uuid, sizeof(uuid));
        wire_write_raw(&writer, "some bytes", 10);
        wire_write_int8(&writer, 1);
    }
    cr_assert(eq(int, wire_writer_segments(&writer, &segments, &count), ERR_NOMEM));
    cr_assert(eq(int, wire_writer_flatten(&writer, &bytes), ERR_NOMEM));
    cr_assert(le(sz, arena.total_bytes, 8000));
    arena_deinit(&arena);
}

Test(wire, an_empty_writer_holds_nothing, .init = setup, .fini = teardown)
{
    const struct wire_segment *segments;
    struct wire_bytes bytes;
    uint32_t count = 9;

    cr_assert(eq(int, wire_writer_segments(&f.writer, &segments, &count), OK));
    cr_assert(eq(u32, count, 0));
    cr_assert(eq(int, wire_writer_flatten(&f.writer, &bytes), OK));
    cr_assert(eq(i32, bytes.size_bytes, 0));
    cr_assert(ne(ptr, (void *)bytes.bytes, NULL)); /* empty is not null */
}
