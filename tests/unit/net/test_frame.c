#include "base/check.h"
#include "base/prng.h"
#include "net/frame.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct slab slab;
static struct frame_reader reader;

static void setup(void)
{
    slab_init(&slab, 512 << 20);
    frame_reader_init(&reader, &slab, 100 << 20);
}

static void teardown(void)
{
    frame_reader_deinit(&reader);
    slab_deinit(&slab); /* checks that every byte is back */
}

static void put_size(uint8_t *bytes, uint32_t size)
{
    bytes[0] = (uint8_t)(size >> 24);
    bytes[1] = (uint8_t)(size >> 16);
    bytes[2] = (uint8_t)(size >> 8);
    bytes[3] = (uint8_t)size;
}

Test(frame, a_whole_frame_is_copied_once_into_a_buffer_of_its_size, .init = setup, .fini = teardown)
{
    uint8_t bytes[4 + 5 + 3];
    uint32_t used, size;
    struct buf *buf;

    put_size(bytes, 5);
    memcpy(bytes + 4, "hello", 5);
    cr_assert(eq(int, frame_read(&reader, bytes, sizeof(bytes), &used), OK));
    cr_assert(eq(u32, used, 9)); /* not the beginning of the next one */
    cr_assert(frame_is_whole(&reader));
    cr_assert(eq(int, frame_read(&reader, bytes, 3, &used), OK));
    cr_assert(eq(u32, used, 0)); /* nothing until it is taken */
    buf = frame_take(&reader, &size);
    cr_assert(eq(u32, size, 5));
    cr_assert(eq(u32, buf->capacity_bytes, 5));
    cr_assert(eq(int, memcmp(buf->bytes, "hello", 5), 0));
    cr_assert(not(frame_is_partial(&reader)));
    buf_unref(buf);
}

Test(frame, bytes_may_come_one_by_one, .init = setup, .fini = teardown)
{
    uint8_t bytes[4 + 300];
    uint32_t used, size;
    struct buf *buf;

    put_size(bytes, 300);
    for (uint32_t i = 0; i < 300; i++)
        bytes[4 + i] = (uint8_t)i;
    for (uint32_t i = 0; i < sizeof(bytes); i++) {
        cr_assert(not(frame_is_whole(&reader)));
        cr_assert(eq(int, frame_read(&reader, bytes + i, 1, &used), OK));
        cr_assert(eq(u32, used, 1));
        cr_assert(frame_is_partial(&reader));
    }
    cr_assert(frame_is_whole(&reader));
    buf = frame_take(&reader, &size);
    cr_assert(eq(int, memcmp(buf->bytes, bytes + 4, 300), 0));
    buf_unref(buf);
}

Test(frame, refuses_sizes_below_one_and_above_the_limit, .init = setup, .fini = teardown)
{
    static const struct {
        uint32_t size;
        enum err err;
    } rows[] = {
        {0, ERR_MALFORMED},
        {UINT32_MAX, ERR_MALFORMED},
        {0x80000000U, ERR_MALFORMED},
        {INT32_MAX, ERR_TOO_LARGE},
        {(100 << 20) + 1, ERR_TOO_LARGE},
        {100 << 20, OK},
        {0x47455420 /* "GET " */, ERR_TOO_LARGE},
    };

    for (size_t i = 0; i < array_count(rows); i++) {
        uint8_t bytes[4];
        uint32_t used;

        frame_reader_init(&reader, &slab, 100 << 20);
        put_size(bytes, rows[i].size);
        cr_assert(eq(int, frame_read(&reader, bytes, 4, &used), rows[i].err), "%u", rows[i].size);
    }
}

Test(frame, memory_follows_the_bytes_received, .init = setup, .fini = teardown)
{
    static uint8_t bytes[70000];
    uint32_t announced = 100 << 20;
    uint64_t received = 0;
    uint32_t used;

    put_size(bytes, announced);
    cr_assert(eq(int, frame_read(&reader, bytes, 4, &used), OK));
    cr_assert(eq(u64, slab_used_bytes(&slab), 0));
    for (uint32_t step = 1; received<20 << 20; step = step * 2> 70000 ? 70000 : step * 2) {
        uint64_t limit;

        cr_assert(eq(int, frame_read(&reader, bytes, step, &used), OK));
        cr_assert(eq(u32, used, step));
        received += step;
        limit = received * FRAME_GROWTH_LARGE;
        limit = limit < FRAME_FIRST_BYTES ? FRAME_FIRST_BYTES : limit;
        cr_assert(le(u64, slab_used_bytes(&slab), limit + 128 /* the buffer's header */));
    }
}

Test(frame, receives_in_place_within_the_same_growth, .init = setup, .fini = teardown)
{
    static uint8_t bytes[FRAME_FIRST_BYTES + 4];
    uint32_t total = 8 << 20, used, size;
    uint64_t filled = FRAME_FIRST_BYTES;
    struct buf *buf;

    put_size(bytes, total);
    cr_assert(eq(int, frame_read(&reader, bytes, 4 + 10, &used), OK));
    cr_assert(not(frame_wants_bytes_in_place(&reader))); /* too little came to trust it */
    cr_assert(eq(int, frame_read(&reader, bytes, FRAME_FIRST_BYTES - 10, &used), OK));
    cr_assert(frame_wants_bytes_in_place(&reader));
    while (!frame_is_whole(&reader)) {
        uint8_t *place;
        uint32_t room;

        cr_assert(eq(int, frame_place(&reader, &place, &room), OK));
        cr_assert(lt(u32, 0, room));
        cr_assert(le(u64, filled + room, FRAME_GROWTH_LARGE * (filled + 1)));
        room = room > 100000 ? 100000 : room; /* a short receive */
        memset(place, 'x', room);
        frame_filled(&reader, room, 0);
        filled += room;
    }
    cr_assert(eq(u64, filled, total));
    cr_assert(not(frame_wants_bytes_in_place(&reader)));
    buf = frame_take(&reader, &size);
    cr_assert(eq(u32, size, total));
    cr_assert(eq(u8, buf->bytes[total - 1], 'x'));
    buf_unref(buf);
}

/* What has come of a receive cannot be seen before it is whole: from who is slow, less is awaited.
 */
Test(frame, pieces_in_place_are_as_large_as_they_come_fast, .init = setup, .fini = teardown)
{
    static uint8_t bytes[FRAME_FIRST_BYTES + 4];
    static const uint64_t fast_ns = 1000000, slow_ns = 500000000;
    uint32_t used, room = 0, first_room = 0;
    uint8_t *place;

    put_size(bytes, 50 << 20);
    cr_assert(eq(int, frame_read(&reader, bytes, sizeof(bytes), &used), OK));
    for (int i = 0; i < 12; i++) {
        cr_assert(eq(int, frame_place(&reader, &place, &room), OK));
        first_room = i == 0 ? room : first_room;
        frame_filled(&reader, room, fast_ns);
    }
    cr_assert(le(u32, first_room, FRAME_PLACE_MIN));
    cr_assert(eq(u32, room, FRAME_PLACE_MAX));
    for (int i = 0; i < 12; i++) {
        cr_assert(eq(int, frame_place(&reader, &place, &room), OK));
        frame_filled(&reader, room, slow_ns);
    }
    cr_assert(le(u32, room, FRAME_PLACE_MIN));
}

Test(frame, a_full_slab_is_an_error_and_nothing_leaks, .init = setup, .fini = teardown)
{
    static uint8_t bytes[20000];
    uint32_t used;

    slab.budget.max_bytes = 10000;
    put_size(bytes, 50000);
    cr_assert(eq(int, frame_read(&reader, bytes, 3000, &used), OK));
    cr_assert(eq(int, frame_read(&reader, bytes, 20000, &used), ERR_NOMEM));
}

/* Random frames, cut at random places, come out as they went in. */
Test(frame, any_cutting_of_the_stream_gives_the_same_frames, .init = setup, .fini = teardown,
     .timeout = 600)
{
    enum { STREAM_MAX = 3 << 20, FRAME_COUNT = 200 };
    static uint8_t stream[STREAM_MAX];
    static uint32_t sizes[FRAME_COUNT];
    uint64_t seed = (uint64_t)time(NULL);
    uint32_t stream_bytes = 0, pos = 0, next = 0, frame_pos = 0;
    struct prng prng;

    prng_init(&prng, seed);
    fprintf(stderr, "test_frame seed %lu\n", (unsigned long)seed);
    for (uint32_t i = 0; i < FRAME_COUNT; i++) {
        uint32_t max = prng_chance(&prng, 1, 20) ? 100000 : 3000;

        sizes[i] = (uint32_t)prng_below(&prng, max) + 1;
        put_size(stream + stream_bytes, sizes[i]);
        prng_fill(&prng, stream + stream_bytes + 4, sizes[i]);
        stream_bytes += 4 + sizes[i];
    }
    while (next < FRAME_COUNT) {
        uint32_t step = (uint32_t)prng_below(&prng, prng_chance(&prng, 1, 4) ? 70000 : 50) + 1;
        uint32_t used = 0;

        if (step > stream_bytes - pos)
            step = stream_bytes - pos;
        cr_assert(eq(int, frame_read(&reader, stream + pos, step, &used), OK));
        pos += used;
        if (frame_is_whole(&reader)) {
            uint32_t size;
            struct buf *buf = frame_take(&reader, &size);

            cr_assert(eq(u32, size, sizes[next]));
            cr_assert(eq(int, memcmp(buf->bytes, stream + frame_pos + 4, size), 0));
            frame_pos += 4 + size;
            next++;
            buf_unref(buf);
        } else {
            cr_assert(eq(u32, used, step));
        }
    }
    cr_assert(eq(u32, pos, stream_bytes));
}

/* With both its buffers, while it grows, and with an eighth of the slab for others. */
Test(frame, a_frame_that_is_alone_gets_whole_up_to_seven_sixteenths_of_the_slab, .init = setup,
     .fini = teardown)
{
    enum { SLAB = 16 << 20, PIECE = 82000 };
    static uint8_t bytes[PIECE];

    slab.budget.max_bytes = SLAB;
    for (uint32_t size = SLAB / 16 * 7; size > SLAB / 4; size -= 300000) {
        uint32_t left = size + 4, got, used;

        put_size(bytes, size);
        while (left > 0) {
            uint32_t step = left < PIECE ? left : PIECE;
            cr_assert(eq(int, frame_read(&reader, bytes, step, &used), OK), "%u of %u left", left,
                      size);
            memset(bytes, 0, 4);
            left -= used;
        }
        buf_unref(frame_take(&reader, &got));
        cr_assert(eq(u32, got, size));
    }
}
