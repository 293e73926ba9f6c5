#include "base/hash_map.h"
#include "base/mem.h"
#include "base/prng.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { ITEMS = 3000 };

struct item {
    char key[16];
    size_t key_bytes;
    uint32_t id;
    bool in_map;
};
static struct item items[ITEMS];

static void make_items(void)
{
    for (uint32_t i = 0; i < ITEMS; i++) {
        items[i].id = i;
        items[i].key_bytes = (size_t)snprintf(items[i].key, sizeof(items[i].key), "topic-%u", i);
    }
}

static enum err insert(struct hash_map *map, struct item *item)
{
    return hash_map_insert(map, item->key, item->key_bytes, item);
}

Test(hash_map, behaves_like_an_array_of_flags, .init = make_items)
{
    uint64_t before = mem_used_count();
    struct hash_map map;
    struct prng prng;
    size_t count = 0;

    prng_init(&prng, 31);
    hash_map_init(&map, 99);
    for (int i = 0; i < 60000; i++) {
        /* phases of growth and of shrinking */
        bool growing = i / 10000 % 2 == 0;
        struct item *item = &items[prng_below(&prng, ITEMS)];
        cr_assert(
            eq(ptr, hash_map_find(&map, item->key, item->key_bytes), item->in_map ? item : NULL));
        if (prng_chance(&prng, growing ? 3 : 1, 4)) {
            cr_assert(eq(int, insert(&map, item), item->in_map ? ERR_EXISTS : OK));
            count += !item->in_map;
            item->in_map = true;
        } else {
            void *removed = hash_map_remove(&map, item->key, item->key_bytes);
            cr_assert(eq(ptr, removed, item->in_map ? item : NULL));
            count -= item->in_map;
            item->in_map = false;
        }
        cr_assert(eq(sz, hash_map_count(&map), count));
    }
    for (uint32_t i = 0; i < ITEMS; i++)
        cr_assert(eq(ptr, hash_map_find(&map, items[i].key, items[i].key_bytes),
                     items[i].in_map ? &items[i] : NULL));
    hash_map_deinit(&map);
    cr_assert(eq(u64, mem_used_count(), before));
}

Test(hash_map, walks_in_the_order_of_insertion_whatever_the_seed, .init = make_items)
{
    for (uint64_t seed = 0; seed < 3; seed++) {
        struct hash_map map;
        struct item *item;
        size_t cursor = 0;
        uint32_t last = 0;
        size_t count = 0;
        hash_map_init(&map, seed);
        for (uint32_t i = 0; i < 500; i++)
            cr_assert(eq(int, insert(&map, &items[i]), OK));
        for (uint32_t i = 0; i < 500; i += 3)
            cr_assert(eq(ptr, hash_map_remove(&map, items[i].key, items[i].key_bytes), &items[i]));
        for (uint32_t i = 500; i < 1000; i++)
            cr_assert(eq(int, insert(&map, &items[i]), OK));
        while ((item = hash_map_next(&map, &cursor)) != NULL) {
            cr_assert(count == 0 || item->id > last);
            last = item->id;
            count++;
        }
        cr_assert(eq(sz, count, hash_map_count(&map)));
        cr_assert(eq(sz, count, 1000 - 167));
        hash_map_deinit(&map);
    }
}

Test(hash_map, elements_may_be_removed_while_walking, .init = make_items)
{
    struct hash_map map;
    struct item *item;
    size_t cursor = 0;
    size_t count = 0;

    hash_map_init(&map, 5);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert(eq(int, insert(&map, &items[i]), OK));
    while ((item = hash_map_next(&map, &cursor)) != NULL) {
        count++;
        cr_assert(eq(ptr, hash_map_remove(&map, item->key, item->key_bytes), item));
        if (item->id % 2 == 0) /* and one that was still to come */
            hash_map_remove(&map, items[item->id + 1].key, items[item->id + 1].key_bytes);
    }
    cr_assert(eq(sz, count, 500));
    cr_assert(eq(sz, hash_map_count(&map), 0));
    hash_map_deinit(&map);
}

Test(hash_map, keys_are_bytes_of_any_length)
{
    struct hash_map map;
    int empty, zero, two_zeroes;

    hash_map_init(&map, 1);
    cr_assert(eq(int, hash_map_insert(&map, "", 0, &empty), OK));
    cr_assert(eq(int, hash_map_insert(&map, "\0", 1, &zero), OK));
    cr_assert(eq(int, hash_map_insert(&map, "\0\0", 2, &two_zeroes), OK));
    cr_assert(eq(int, hash_map_insert(&map, NULL, 0, &zero), ERR_EXISTS));
    cr_assert(eq(ptr, hash_map_find(&map, "\0\0", 1), &zero));
    cr_assert(eq(ptr, hash_map_find(&map, "x", 0), &empty));
    cr_assert(eq(ptr, hash_map_find(&map, "\0\0\0", 3), NULL));
    hash_map_deinit(&map);
}

Test(hash_map, churn_does_not_grow_the_tables, .init = make_items)
{
    struct hash_map map;

    hash_map_init(&map, 2);
    for (uint32_t i = 0; i < 100000; i++) {
        struct item *item = &items[i % ITEMS];
        cr_assert(eq(int, insert(&map, item), OK));
        if (i >= 3) {
            struct item *old = &items[(i - 3) % ITEMS];
            cr_assert(eq(ptr, hash_map_remove(&map, old->key, old->key_bytes), old));
        }
    }
    cr_assert(le(u32, map.slots_count, 16));
    hash_map_deinit(&map);
}

Test(hash_map, without_memory_it_stays_as_it_was, .init = make_items)
{
    struct hash_map map;
    uint32_t inserted = 0;

    hash_map_init(&map, 3);
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        cr_assert(eq(int, insert(&map, &items[0]), ERR_NOMEM));
        cr_assert(eq(ptr, hash_map_find(&map, items[0].key, items[0].key_bytes), NULL));
        mem_fail_after(0);
    }
    for (; inserted < map.entries_max || inserted == 0; inserted++)
        cr_assert(eq(int, insert(&map, &items[inserted]), OK));
    mem_fail_after(2);
    cr_assert(eq(int, insert(&map, &items[inserted]), ERR_NOMEM));
    for (uint32_t i = 0; i < inserted; i++)
        cr_assert(eq(ptr, hash_map_find(&map, items[i].key, items[i].key_bytes), &items[i]));
    cr_assert(eq(int, insert(&map, &items[inserted]), OK));
    hash_map_deinit(&map);
}

Test(hash_map, what_follows_on_a_remove_needs_no_memory, .init = make_items)
{
    struct hash_map map;
    uint32_t count = 0;

    hash_map_init(&map, 3);
    for (; count < map.entries_max || count == 0; count++)
        cr_assert(eq(int, insert(&map, &items[count]), OK));
    for (uint32_t i = 0; i < 100; i++) { /* full: each insert would make larger tables */
        struct item *old = &items[i];
        cr_assert(eq(ptr, hash_map_remove(&map, old->key, old->key_bytes), old));
        mem_fail_after(1);
        cr_assert(eq(int, insert(&map, &items[count + i]), OK));
        mem_fail_after(0);
        for (uint32_t k = i + 1; k <= count + i; k++)
            cr_assert(eq(ptr, hash_map_find(&map, items[k].key, items[k].key_bytes), &items[k]));
    }
    hash_map_deinit(&map);
}

Test(hash_map, an_empty_or_zeroed_map_is_fine)
{
    struct hash_map map = {0};
    size_t cursor = 0;

    cr_assert(eq(ptr, hash_map_find(&map, "a", 1), NULL));
    cr_assert(eq(ptr, hash_map_remove(&map, "a", 1), NULL));
    cr_assert(eq(ptr, hash_map_next(&map, &cursor), NULL));
    hash_map_deinit(&map);
}
