#include "base/mem.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

Test(mem, counts_what_is_out)
{
    uint64_t bytes = mem_used_bytes();
    uint64_t count = mem_used_count();
    uint8_t *a = mem_alloc(100);
    uint8_t *b = mem_try_alloc_aligned(4096, 5000);
    char *c = mem_strndup("topic-7", 5);

    cr_assert(eq(u64, mem_used_count(), count + 3));
    cr_assert(ge(u64, mem_used_bytes(), bytes + 5106));
    cr_assert(eq(u64, (uintptr_t)b % 4096, 0));
    cr_assert(eq(str, c, "topic"));
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(NULL);
    cr_assert(eq(u64, mem_used_count(), count));
    cr_assert(eq(u64, mem_used_bytes(), bytes));
}

Test(mem, fresh_memory_is_zeroed_and_never_null)
{
    uint8_t *bytes = mem_try_alloc(3000);
    uint8_t *nothing = mem_alloc(0);

    for (size_t i = 0; i < 3000; i++)
        cr_assert(eq(u8, bytes[i], 0));
    cr_assert(ne(ptr, nothing, NULL));
    mem_free(bytes);
    mem_free(nothing);
}

Test(mem, realloc_keeps_the_content_and_the_count)
{
    uint64_t bytes = mem_used_bytes();
    uint64_t count = mem_used_count();
    char *text = mem_realloc(NULL, 6);

    strcpy(text, "levee");
    text = mem_realloc(text, 100000);
    cr_assert(eq(str, text, "levee"));
    cr_assert(eq(u64, mem_used_count(), count + 1));
    mem_free(text);
    cr_assert(eq(u64, mem_used_bytes(), bytes));
}

Test(mem, a_resize_that_is_refused_leaves_the_memory_as_it_was)
{
    uint64_t bytes = mem_used_bytes();
    uint64_t count = mem_used_count();
    char *text = mem_strdup("kept");

    mem_fail_after(1);
    cr_assert(eq(ptr, mem_try_realloc(text, 100000), NULL));
    cr_assert(eq(str, text, "kept"));
    text = mem_try_realloc(text, 100000);
    cr_assert(eq(str, text, "kept"));
    cr_assert(ge(u64, mem_used_bytes(), bytes + 100000));
    cr_assert(eq(u64, mem_used_count(), count + 1));
    mem_free(text);
    text = mem_try_realloc(NULL, 10);
    cr_assert(eq(u64, mem_used_count(), count + 1));
    mem_free(text);
    cr_assert(eq(u64, mem_used_bytes(), bytes));
}

Test(mem, can_be_told_to_fail_once)
{
    void *first;
    void *third;

    mem_fail_after(2);
    first = mem_try_alloc(1);
    cr_assert(ne(ptr, first, NULL));
    cr_assert(eq(ptr, mem_try_alloc_aligned(64, 64), NULL));
    third = mem_try_alloc(1);
    cr_assert(ne(ptr, third, NULL));
    mem_fail_after(1);
    mem_fail_after(0);
    mem_free(first);
    first = mem_try_alloc(1);
    cr_assert(ne(ptr, first, NULL));
    mem_free(first);
    mem_free(third);
}
