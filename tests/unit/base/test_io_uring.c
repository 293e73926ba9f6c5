#include "tests/support/io_rig.h"

#include <string.h>

enum { MANY_COUNT = 3000 };

Test(io_uring, more_ops_at_once_than_the_queue_holds_all_complete, .fini = io_rig_close)
{
    static struct call calls[MANY_COUNT];
    static char bytes[MANY_COUNT];
    int32_t fd;

    clock_system_init(&clock_now);
    cr_assert(eq(int, io_uring_create(&(struct io_uring_options){.entry_count = 16}, &io), OK));
    loop_init(&loop, 0, io, &clock_now);
    cr_assert(eq(int, io->v->file_open(io, "/dev/zero", IO_READ, &fd), OK));
    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < MANY_COUNT; i++)
        io_read(io, &calls[i].op, fd, &bytes[i], 1, 0, on_call);
    for (int i = 0; i < MANY_COUNT; i++) {
        cr_assert(eq(i32, await(&calls[i]), 1));
        cr_assert(eq(i8, bytes[i], 0));
    }
    io->v->close(io, fd);
}

Test(io_uring, an_idle_loop_enters_the_kernel_once, .fini = io_rig_close)
{
    uint64_t before;

    io_rig_open(&(struct io_rig_body){0});
    turns(1);
    before = io->submit_count;
    cr_assert(eq(int, loop_turn(&loop, 30000000), OK));
    cr_assert(eq(u64, io->submit_count, before + 1));
    cr_assert(eq(int, loop_turn(&loop, 0), OK)); /* nothing to submit and no time: no call */
    cr_assert(eq(u64, io->submit_count, before + 1));
}
