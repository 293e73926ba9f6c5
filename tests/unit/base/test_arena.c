#include "base/arena.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

Test(arena, hands_out_zeroed_aligned_memory)
{
    struct arena arena;

    arena_init(&arena, 1 << 20);
    for (size_t size = 1; size < 9000; size += 123) {
        uint8_t *bytes = arena_alloc(&arena, size);
        cr_assert(ne(ptr, bytes, NULL));
        cr_assert(eq(u64, (uintptr_t)bytes % 16, 0));
        for (size_t i = 0; i < size; i++)
            cr_assert(eq(u8, bytes[i], 0));
        memset(bytes, 0xff, size);
    }
    arena_deinit(&arena);
}

Test(arena, refuses_what_would_pass_the_limit)
{
    struct arena arena;

    arena_init(&arena, 10000);
    cr_assert(eq(ptr, arena_alloc(&arena, 10001), NULL));
    cr_assert(eq(ptr, arena_alloc(&arena, SIZE_MAX), NULL));
    cr_assert(eq(ptr, arena_alloc_array(&arena, SIZE_MAX / 2, 4), NULL));
    cr_assert(ne(ptr, arena_alloc(&arena, 9000), NULL));
    cr_assert(eq(ptr, arena_alloc(&arena, 1500), NULL));
    arena_deinit(&arena);
}

Test(arena, reset_keeps_one_zeroed_block_and_leaks_nothing)
{
    struct arena arena;
    uint64_t before = mem_used_count();

    arena_init(&arena, 1 << 20);
    memset(arena_alloc(&arena, 100), 0xff, 100);
    memset(arena_alloc(&arena, 100000), 0xff, 100000);
    arena_reset(&arena);
    cr_assert(eq(u64, mem_used_count(), before + 1));
    cr_assert(eq(u8, *(uint8_t *)arena_alloc(&arena, 100), 0));
    arena_deinit(&arena);
    cr_assert(eq(u64, mem_used_count(), before));
}

Test(arena, printf_writes_the_whole_text)
{
    struct arena arena;

    arena_init(&arena, 1 << 20);
    cr_assert(eq(str, arena_printf(&arena, "%s-%d", "topic", 7), "topic-7"));
    arena_deinit(&arena);
}
