#include "base/check.h"
#include "base/mem.h"
#include "broker/key_chains.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { COUNT = 3000, KEYS = 700 };

static struct key_chains chains;
static struct key_link links[COUNT];

static void setup(void)
{
    key_chains_init(&chains, 12345);
    for (int i = 0; i < COUNT; i++) {
        links[i].key = (uint64_t)(i * 7 % KEYS);
        key_chains_add(&chains, &links[i]);
    }
}

static void teardown(void)
{
    for (int i = 0; i < COUNT; i++)
        if (list_is_linked(&links[i].node))
            key_chains_remove(&chains, &links[i]);
    key_chains_deinit(&chains);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(key_chains, .fini = teardown);

/* The next one of the same key, by a walk over all. */
static struct key_link *next_of(int index)
{
    for (int i = index + 1; i < COUNT; i++)
        if (links[i].key == links[index].key && list_is_linked(&links[i].node))
            return &links[i];
    return NULL;
}

static void compare(void)
{
    for (int i = 0; i < COUNT; i++)
        if (list_is_linked(&links[i].node))
            cr_assert(eq(ptr, key_chains_next(&chains, &links[i]), next_of(i)));
}

Test(key_chains, things_of_a_key_follow_each_other_in_their_order)
{
    setup();
    cr_assert(lt(u32, COUNT / 8, chains.chain_count)); /* it grew */
    compare();
    for (int i = 0; i < COUNT; i += 3)
        key_chains_remove(&chains, &links[i]);
    compare();
}

Test(key_chains, without_memory_chains_are_longer_and_nothing_else)
{
    mem_fail_after(1);
    setup();
    mem_fail_after(0);
    compare();
}
