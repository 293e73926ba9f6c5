#include "base/check.h"
#include "base/whole_write.h"
#include "tests/support/fake_io.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

enum { BLOCK = IO_ALIGN, BLOCKS = 3, FRUITLESS = 16 };

static struct fake_io fake;
static int32_t fd;
static struct whole_write write;
static uint32_t done_count;
static enum err done_err;
static uint8_t bytes[BLOCKS * BLOCK];

static void setup(void)
{
    fake_io_init(&fake);
    fake.hold[FAKE_WRITE] = true;
    cr_assert(eq(int, fake.io.v->file_open(&fake.io, "f.x", IO_WRITE | IO_CREATE, &fd), OK));
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i / BLOCK * 7 + i);
}

TestSuite(whole_write, .init = setup, .timeout = 30);

static void on_done(struct whole_write *whole, enum err err)
{
    done_count++;
    done_err = err;
}

/* The attempt in flight ends: of at most cap_bytes, or with an error. */
static void attempt(uint32_t cap_bytes, int errno_value)
{
    struct list *node;
    struct io_op *op;

    fake.cap_bytes = cap_bytes;
    fake_io_complete(&fake, 0);
    node = list_pop_front(&fake.io.completed);
    op = container_of(node, struct io_op, node);
    op->in_flight = false;
    op->done(op, errno_value != 0 ? -errno_value : op->result);
}

static void check_content(void)
{
    struct fake_file *file = fake_io_file(&fake, "f.x");

    cr_assert(eq(u64, file->size_bytes, sizeof(bytes)));
    cr_assert(eq(int, memcmp(file->bytes, bytes, sizeof(bytes)), 0));
}

Test(whole_write, a_short_write_goes_on_where_it_ended)
{
    whole_write_bytes(&write, &fake.io, fd, bytes, sizeof(bytes), 0, false, 1, on_done);
    attempt(100, 0);
    cr_assert(eq(u32, done_count, 0));
    cr_assert(eq(u64, fake.ops[0].pos, 100));
    attempt(5000, 0);
    attempt(0, EINTR);
    attempt(0, 0);
    cr_assert(eq(u32, done_count, 1));
    cr_assert(eq(int, done_err, OK));
    cr_assert(eq(u32, write.short_count, 2));
    check_content();
}

Test(whole_write, a_direct_one_goes_on_at_a_block)
{
    whole_write_bytes(&write, &fake.io, fd, bytes, sizeof(bytes), 0, false, BLOCK, on_done);
    attempt(BLOCK + 100, 0);
    cr_assert(eq(u64, fake.ops[0].pos, BLOCK));
    attempt(0, 0);
    cr_assert(eq(int, done_err, OK));
    check_content();
}

Test(whole_write, pieces_go_on_inside_the_one_where_it_ended)
{
    struct iovec vec[BLOCKS];

    for (int i = 0; i < BLOCKS; i++)
        vec[i] = (struct iovec){bytes + i * BLOCK, BLOCK};
    whole_write_vec(&write, &fake.io, fd, vec, BLOCKS, 0, true, 1, on_done);
    cr_assert(fake.ops[0].dsync);
    attempt(BLOCK, 0);
    cr_assert(eq(u32, write.vec_count, BLOCKS - 1));
    attempt(BLOCK / 2, 0);
    attempt(BLOCK, 0);
    cr_assert(eq(u32, done_count, 0));
    attempt(0, 0);
    cr_assert(eq(int, done_err, OK));
    check_content();
}

Test(whole_write, what_moves_nothing_ends_after_some_attempts)
{
    whole_write_bytes(&write, &fake.io, fd, bytes, sizeof(bytes), 0, false, BLOCK, on_done);
    for (int i = 1; i < FRUITLESS; i++)
        attempt(i % 2 == 0 ? 100 : 0, i % 2 == 0 ? 0 : EAGAIN);
    cr_assert(eq(u32, done_count, 0));
    attempt(100, 0);
    cr_assert(eq(u32, done_count, 1));
    cr_assert(eq(int, done_err, ERR_IO));
}

Test(whole_write, one_that_moved_counts_anew)
{
    whole_write_bytes(&write, &fake.io, fd, bytes, sizeof(bytes), 0, false, 1, on_done);
    for (int i = 1; i < FRUITLESS; i++)
        attempt(0, EINTR);
    attempt(1, 0);
    for (int i = 1; i < FRUITLESS; i++)
        attempt(0, EINTR);
    cr_assert(eq(u32, done_count, 0));
    attempt(0, 0);
    cr_assert(eq(int, done_err, OK));
    check_content();
}

Test(whole_write, an_error_is_told_and_it_may_start_anew)
{
    whole_write_bytes(&write, &fake.io, fd, bytes, sizeof(bytes), 0, false, 1, on_done);
    attempt(100, 0);
    attempt(0, ENOSPC);
    cr_assert(eq(int, done_err, ERR_NOSPACE));
    whole_write_bytes(&write, &fake.io, fd, bytes, sizeof(bytes), 0, false, 1, on_done);
    attempt(0, 0);
    cr_assert(eq(u32, done_count, 2));
    cr_assert(eq(int, done_err, OK));
    check_content();
}

Test(whole_write, one_that_was_stopped_makes_no_further_attempt)
{
    whole_write_bytes(&write, &fake.io, fd, bytes, sizeof(bytes), 0, false, 1, on_done);
    whole_write_stop(&write);
    attempt(100, 0);
    cr_assert(eq(u32, fake.op_count, 0));
    cr_assert(eq(u32, done_count, 1));
    cr_assert(eq(int, done_err, ERR_CANCELED));
    whole_write_bytes(&write, &fake.io, fd, bytes, sizeof(bytes), 0, false, 1, on_done);
    whole_write_stop(&write);
    attempt(0, 0); /* nothing was left */
    cr_assert(eq(int, done_err, OK));
}
