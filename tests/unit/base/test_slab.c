#include "base/mem.h"
#include "base/slab.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

static uint32_t released_count;

static void on_release(struct buf *buf)
{
    cr_assert(eq(u8, buf->bytes[0], 7));
    cr_assert(eq(ptr, buf->context, &released_count));
    released_count++;
}

Test(slab, counts_what_is_out_and_gets_it_back)
{
    uint64_t before = mem_used_count();
    struct slab slab;
    struct buf *buf;

    slab_init(&slab, 1 << 20);
    buf = buf_create(&slab, 1000, 1);
    cr_assert(ne(ptr, buf, NULL));
    cr_assert(eq(u32, buf->capacity_bytes, 1000));
    memset(buf->bytes, 1, 1000);
    cr_assert(ge(u64, slab_used_bytes(&slab), 1000));
    buf_unref(buf);
    buf_unref(NULL);
    cr_assert(eq(u64, slab_used_bytes(&slab), 0));
    cr_assert(eq(u64, mem_used_count(), before));
    slab_deinit(&slab);
}

Test(slab, refuses_what_would_pass_the_limit)
{
    struct slab slab;
    struct buf *buf;
    uint64_t cost;

    slab_init(&slab, 1 << 20);
    buf = buf_create(&slab, 1000, 1);
    cost = slab_used_bytes(&slab);
    buf_unref(buf);

    slab_init(&slab, 2 * cost);
    buf = buf_create(&slab, 1000, 1);
    cr_assert(eq(ptr, buf_create(&slab, 1001, 1), NULL));
    cr_assert(eq(ptr, buf_create(&slab, UINT32_MAX, 4096), NULL));
    cr_assert(eq(u64, slab_used_bytes(&slab), cost));
    struct buf *second = buf_create(&slab, 1000, 1);
    cr_assert(ne(ptr, second, NULL));
    cr_assert(eq(ptr, buf_create(&slab, 0, 1), NULL));
    buf_unref(buf);
    buf = buf_create(&slab, 900, 1);
    cr_assert(ne(ptr, buf, NULL));
    buf_unref(buf);
    buf_unref(second);
    slab_deinit(&slab);
}

Test(slab, aligns_as_asked)
{
    struct slab slab;

    slab_init(&slab, 1 << 24);
    for (uint32_t align = 1; align <= 8192; align *= 2) {
        for (uint32_t size = 0; size < 9000; size += 1777) {
            struct buf *buf = buf_create(&slab, size, align);
            cr_assert(eq(u64, (uintptr_t)buf->bytes % align, 0));
            memset(buf->bytes, 0xff, size);
            cr_assert(eq(u32, buf->capacity_bytes, size)); /* the header was not written over */
            buf_unref(buf);
        }
    }
    slab_deinit(&slab);
}

Test(slab, lives_until_the_last_reference_is_dropped)
{
    struct slab slab;
    struct buf *buf;

    slab_init(&slab, 1 << 20);
    buf = buf_create(&slab, 10, 4096);
    buf->on_release = on_release;
    buf->context = &released_count;
    buf->bytes[0] = 7;
    cr_assert(buf_is_unshared(buf));
    cr_assert(eq(ptr, buf_ref(buf), buf));
    cr_assert(not(buf_is_unshared(buf)));
    buf_unref(buf);
    cr_assert(eq(u32, released_count, 0));
    cr_assert(buf_is_unshared(buf));
    buf_unref(buf);
    cr_assert(eq(u32, released_count, 1));
    slab_deinit(&slab);
}

Test(slab, a_foreign_buffer_goes_back_to_its_owner)
{
    uint8_t bytes[16] = {7};
    struct buf buf;

    buf_init_foreign(&buf, bytes, sizeof(bytes), on_release);
    buf.context = &released_count;
    buf_ref(&buf);
    buf_unref(&buf);
    cr_assert(eq(u32, released_count, 0));
    buf_unref(&buf);
    cr_assert(eq(u32, released_count, 1));
}

Test(slab, without_memory_the_count_comes_back)
{
    uint64_t before = mem_used_count();
    struct slab slab;

    slab_init(&slab, 1 << 20);
    mem_fail_after(1);
    cr_assert(eq(ptr, buf_create(&slab, 10, 1), NULL));
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        cr_assert(eq(ptr, buf_create(&slab, 10, 4096), NULL));
    }
    cr_assert(eq(u64, slab_used_bytes(&slab), 0));
    cr_assert(eq(u64, mem_used_count(), before));
    slab_deinit(&slab);
}

Test(slab, dropping_too_often_stops_the_process, .signal = SIGABRT)
{
    uint8_t bytes[16];
    struct buf buf;

    buf_init_foreign(&buf, bytes, sizeof(bytes), NULL);
    buf_unref(&buf);
    buf_unref(&buf);
}

static void *take_and_drop(void *argument)
{
    struct slab *slab = argument;
    int taken = 0;

    while (taken < 2000) {
        struct buf *buf = buf_create(slab, 64, 1);
        if (buf == NULL) {
            sched_yield(); /* who holds the last one may not be running */
            continue;
        }
        taken++;
        if (slab_used_bytes(slab) > slab->budget.max_bytes)
            return (void *)1;
        buf_unref(buf_ref(buf));
        buf_unref(buf);
    }
    return NULL;
}

Test(slab, threads_never_pass_the_limit_together)
{
    struct slab slab;
    pthread_t threads[4];

    slab_init(&slab, 300); /* room for two */
    for (int i = 0; i < 4; i++)
        cr_assert(eq(int, pthread_create(&threads[i], NULL, take_and_drop, &slab), 0));
    for (int i = 0; i < 4; i++) {
        void *result;
        cr_assert(eq(int, pthread_join(threads[i], &result), 0));
        cr_assert(eq(ptr, result, NULL));
    }
    slab_deinit(&slab);
}
