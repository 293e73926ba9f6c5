#include "base/arena.h"
#include "base/budget.h"
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

Test(arena, blocks_count_in_a_budget_and_grow_within_it)
{
    struct arena arena;
    struct budget budget;
    uint64_t cost_bytes;

    budget_init(&budget, "test", 20000);
    arena_init(&arena, 1 << 20);
    cr_assert(ne(ptr, arena_alloc(&arena, 100), NULL));
    cost_bytes = arena_cost_bytes(&arena);
    arena_set_budget(&arena, &budget); /* what it has counts from now on */
    cr_assert(eq(u64, budget_used_bytes(&budget), cost_bytes));
    cr_assert(ne(ptr, arena_alloc(&arena, 9000), NULL));
    cr_assert(eq(u64, budget_used_bytes(&budget), arena_cost_bytes(&arena)));
    cr_assert(eq(ptr, arena_alloc(&arena, 9000), NULL));
    cr_assert(eq(u64, counter_read(&budget.refusals), 1));
    arena_reset(&arena);
    cr_assert(eq(u64, budget_used_bytes(&budget), cost_bytes));
    arena_set_budget(&arena, NULL);
    cr_assert(eq(u64, budget_used_bytes(&budget), 0));
    arena_deinit(&arena);
    budget_deinit(&budget);
}

/* Twice its size would pass the budget, what is asked for does not. */
Test(arena, takes_what_it_needs_where_more_has_no_room)
{
    struct arena arena;
    struct budget budget;

    budget_init(&budget, "test", 10000);
    arena_init(&arena, 1 << 20);
    arena_set_budget(&arena, &budget);
    cr_assert(ne(ptr, arena_alloc(&arena, 4000), NULL));
    cr_assert(ne(ptr, arena_alloc(&arena, 4000), NULL));
    cr_assert(ne(ptr, arena_alloc(&arena, 1000), NULL));
    cr_assert(eq(ptr, arena_alloc(&arena, 1000), NULL));
    arena_deinit(&arena);
    budget_deinit(&budget);
}

Test(arena, reset_does_not_keep_a_large_first_block)
{
    struct arena arena;
    uint64_t before = mem_used_count();

    arena_init(&arena, 1 << 20);
    cr_assert(ne(ptr, arena_alloc(&arena, 500000), NULL));
    arena_reset(&arena);
    cr_assert(eq(u64, mem_used_count(), before));
    arena_deinit(&arena);
}

Test(arena, a_test_may_end_its_memory)
{
    struct arena arena;

    arena_init(&arena, 1 << 20);
    arena.allocs_left = 2;
    cr_assert(ne(ptr, arena_alloc(&arena, 1), NULL));
    cr_assert(ne(ptr, arena_alloc(&arena, 1), NULL));
    cr_assert(eq(ptr, arena_alloc(&arena, 1), NULL));
    cr_assert(eq(ptr, arena_alloc(&arena, 1), NULL));
    arena_deinit(&arena);
}
