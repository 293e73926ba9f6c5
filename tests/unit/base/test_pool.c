#include "base/mem.h"
#include "base/pool.h"
#include "base/prng.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <string.h>

Test(pool, hands_out_each_object_once_and_then_null)
{
    struct pool pool;
    uint8_t *objects[5];

    cr_assert(eq(int, pool_init(&pool, 5, 24), OK));
    for (size_t i = 0; i < 5; i++) {
        objects[i] = pool_take(&pool);
        cr_assert(ne(ptr, objects[i], NULL));
        cr_assert(eq(u64, (uintptr_t)objects[i] % 16, 0));
        for (size_t k = 0; k < 24; k++)
            cr_assert(eq(u8, objects[i][k], 0));
        memset(objects[i], (int)i + 1, 24);
    }
    cr_assert(eq(ptr, pool_take(&pool), NULL));
    for (size_t i = 0; i < 5; i++) {
        cr_assert(eq(u8, objects[i][23], i + 1));
        pool_give(&pool, objects[i]);
    }
    pool_deinit(&pool);
}

Test(pool, random_use_never_shares_an_object)
{
    uint64_t before = mem_used_count();
    struct prng prng;
    struct pool pool;
    uint64_t *held[32] = {NULL};
    uint64_t held_count = 0;

    prng_init(&prng, 21);
    cr_assert(eq(int, pool_init(&pool, 20, sizeof(uint64_t)), OK));
    for (int i = 0; i < 5000; i++) {
        size_t at = prng_below(&prng, 32);
        if (held[at] != NULL) {
            cr_assert(eq(u64, *held[at], at));
            pool_give(&pool, held[at]);
            held[at] = NULL;
            held_count--;
            continue;
        }
        held[at] = pool_take(&pool);
        cr_assert(eq(int, held[at] == NULL, held_count == 20));
        if (held[at] != NULL) {
            *held[at] = at;
            held_count++;
        }
        cr_assert(eq(u32, pool.free_count, (uint32_t)(20 - held_count)));
    }
    for (size_t i = 0; i < 32; i++) {
        if (held[i] != NULL)
            pool_give(&pool, held[i]);
    }
    pool_deinit(&pool);
    cr_assert(eq(u64, mem_used_count(), before));
}

Test(pool, without_memory_says_so_and_keeps_nothing)
{
    uint64_t before = mem_used_count();
    struct pool pool;

    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        cr_assert(eq(int, pool_init(&pool, 4, 8), ERR_NOMEM));
        cr_assert(eq(u64, mem_used_count(), before));
    }
    cr_assert(eq(int, pool_init(&pool, 1000, SIZE_MAX / 4), ERR_NOMEM));
}

Test(pool, giving_back_twice_stops_the_process, .signal = SIGABRT)
{
    struct pool pool;
    void *object;

    cr_assert(eq(int, pool_init(&pool, 2, 8), OK));
    object = pool_take(&pool);
    pool_give(&pool, object);
    pool_give(&pool, object);
}

Test(pool, giving_back_a_stranger_stops_the_process, .signal = SIGABRT)
{
    struct pool pool;
    uint8_t *object;

    cr_assert(eq(int, pool_init(&pool, 2, 32), OK));
    object = pool_take(&pool);
    pool_give(&pool, object + 16);
}

Test(pool, an_empty_or_zeroed_pool_is_fine)
{
    struct pool pool = {0};

    pool_deinit(&pool);
    cr_assert(eq(int, pool_init(&pool, 0, 8), OK));
    cr_assert(eq(ptr, pool_take(&pool), NULL));
    pool_deinit(&pool);
}
