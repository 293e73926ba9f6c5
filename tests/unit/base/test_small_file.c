#include "base/mem.h"
#include "base/small_file.h"
#include "tests/support/fake_io.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

static struct fake_io fake;
static struct io *io;

static void setup(void)
{
    fake_io_init(&fake);
    io = &fake.io;
    fake_io_put(&fake, "d/f.x", "old content", 11);
}

TestSuite(small_file, .init = setup, .timeout = 30);

static void check_holds(const char *text)
{
    uint8_t *bytes;
    size_t size_bytes;

    cr_assert(eq(int, small_file_read(io, "d/f.x", &bytes, &size_bytes), OK));
    cr_assert(eq(sz, size_bytes, strlen(text)));
    cr_assert(eq(int, memcmp(bytes, text, size_bytes), 0));
    mem_free(bytes);
    cr_assert(eq(u32, fake.open_count, 0));
}

Test(small_file, is_replaced_as_a_whole)
{
    cr_assert(eq(int, small_file_replace(io, "d", "d/f.x", "new", 3), OK));
    check_holds("new");
    cr_assert(eq(ptr, fake_io_file(&fake, "d/f.x.tmp"), NULL));
    cr_assert(eq(u64, fake.counts[FAKE_FILE_SYNC], 1));
    cr_assert(eq(u64, fake.counts[FAKE_DIR_SYNC], 1));
}

Test(small_file, whatever_fails_leaves_the_old_content)
{
    static const enum fake_kind kinds[] = {FAKE_OPEN, FAKE_FILE_WRITE, FAKE_FILE_SYNC};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        fake_io_fail(&fake, kinds[i], 1, ENOSPC);
        cr_assert(eq(int, small_file_replace(io, "d", "d/f.x", "new", 3), ERR_NOSPACE));
        check_holds("old content");
    }
    cr_assert(eq(int, small_file_replace(io, "d", "d/f.x", "new", 3), OK)); /* over what was left */
    check_holds("new");
}

Test(small_file, a_name_that_is_not_durable_is_an_error)
{
    fake_io_fail(&fake, FAKE_DIR_SYNC, 1, EIO);
    cr_assert(eq(int, small_file_replace(io, "d", "d/f.x", "new", 3), ERR_IO));
}

Test(small_file, may_be_synced_by_the_caller)
{
    cr_assert(eq(int, small_file_write(io, "d/f.x", "", 0), OK));
    check_holds("");
    cr_assert(eq(int, small_file_replace(io, NULL, "d/f.x", "new", 3), OK));
    cr_assert(eq(u64, fake.counts[FAKE_FILE_SYNC], 1));
    cr_assert(eq(u64, fake.counts[FAKE_DIR_SYNC], 0));
    fake_io_fail(&fake, FAKE_FILE_WRITE, 1, EIO);
    cr_assert(eq(int, small_file_write(io, "d/f.x", "newer", 5), ERR_IO));
    check_holds("new");
}

Test(small_file, is_read_up_to_a_size)
{
    char bytes[4];
    size_t size_bytes = 0;

    cr_assert(eq(int, small_file_read_into(io, "d/f.x", bytes, sizeof(bytes), &size_bytes), OK));
    cr_assert(eq(sz, size_bytes, 4));
    cr_assert(eq(int, memcmp(bytes, "old ", 4), 0));
    fake_io_put(&fake, "d/f.x", "o", 1);
    cr_assert(eq(int, small_file_read_into(io, "d/f.x", bytes, sizeof(bytes), &size_bytes), OK));
    cr_assert(eq(sz, size_bytes, 1));
    cr_assert(eq(int, small_file_read_into(io, "d/g.x", bytes, sizeof(bytes), &size_bytes),
                 ERR_NOT_FOUND));
}

Test(small_file, a_long_path_is_refused)
{
    char path[SMALL_FILE_PATH_MAX + 10];

    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    cr_assert(eq(int, small_file_write(io, path, "", 0), ERR_INVALID));
}
