#include "base/buffer_pool.h"
#include "base/mem.h"
#include "base/prng.h"
#include "base/slab.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = BUFFER_PAGE_BYTES, MIB = 1 << 20 };

static struct buffer_pool pool;
static uint64_t blocks_before;

static void start(uint64_t max_bytes, uint64_t idle_max_bytes)
{
    blocks_before = mem_used_count();
    buffer_pool_init(&pool, max_bytes, idle_max_bytes);
    cr_assert(ne(ptr, pool.bytes, NULL));
}

static void end(void)
{
    buffer_pool_deinit(&pool);
    cr_assert(eq(u64, mem_used_count(), blocks_before));
}

static uint64_t idle_bytes(void)
{
    return (uint64_t)gauge_read(&pool.idle_bytes);
}

/* What the system holds of the pool's chunks (mincore(2)). */
static uint64_t resident_bytes(void)
{
    static unsigned char pages[64 * MIB / PAGE];
    uint64_t bytes = 0;
    size_t size_bytes = (size_t)pool.chunk_count * MIB;

    cr_assert(le(sz, size_bytes / PAGE, sizeof(pages)));
    cr_assert(eq(int, mincore(pool.bytes, size_bytes, pages), 0));
    for (size_t i = 0; i < size_bytes / PAGE; i++)
        bytes += (pages[i] & 1) * PAGE;
    return bytes;
}

Test(buffer_pool, a_buffer_is_whole_pages_and_serves_again)
{
    uint8_t *first;
    uint8_t *second;

    start(4 * MIB, 4 * MIB);
    first = buffer_take(&pool, 10000);
    cr_assert(eq(u64, (uintptr_t)first % PAGE, 0));
    memset(first, 1, 10000);
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), 3 * PAGE));
    buffer_give(&pool, first, 10000);
    buffer_give(&pool, NULL, 10000);
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), 0));
    cr_assert(eq(u64, idle_bytes(), 3 * PAGE));
    second = buffer_take(&pool, 12288);
    cr_assert(eq(ptr, second, first));
    cr_assert(eq(u64, idle_bytes(), 0));
    buffer_give(&pool, second, 12288);
    cr_assert(eq(u64, counter_read(&pool.heap_buffers), 0));
    end();
}

Test(buffer_pool, pages_of_small_buffers_make_a_large_one)
{
    uint8_t *small[256];
    uint8_t *large;

    start(MIB, MIB);
    for (int i = 0; i < 256; i++)
        small[i] = buffer_take(&pool, 1 + (size_t)i);
    large = buffer_take(&pool, 2 * PAGE); /* all are used: the heap's */
    cr_assert(eq(u64, counter_read(&pool.heap_buffers), 1));
    buffer_give(&pool, large, 2 * PAGE);
    buffer_give(&pool, small[63], 64);
    buffer_give(&pool, small[65], 66);
    buffer_give(&pool, small[64], 65); /* joins both, over the end of a word */
    large = buffer_take(&pool, 3 * PAGE);
    cr_assert(eq(ptr, large, small[63]));
    buffer_give(&pool, large, 3 * PAGE);
    for (int i = 0; i < 256; i++)
        if (i < 63 || i > 65)
            buffer_give(&pool, small[i], 1 + (size_t)i);
    large = buffer_take(&pool, MIB);
    cr_assert(eq(ptr, large, pool.bytes));
    buffer_give(&pool, large, MIB);
    cr_assert(eq(u64, counter_read(&pool.heap_buffers), 1));
    end();
}

Test(buffer_pool, what_is_too_large_comes_from_the_heap)
{
    uint8_t *large;

    start(4 * MIB, 4 * MIB);
    large = buffer_take(&pool, MIB + 1);
    cr_assert(eq(u64, (uintptr_t)large % PAGE, 0));
    memset(large, 1, MIB + 1);
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), 0));
    cr_assert(eq(u64, mem_used_count(), blocks_before + 2));
    buffer_give(&pool, large, MIB + 1);
    cr_assert(eq(u64, mem_used_count(), blocks_before + 1));
    cr_assert(eq(u64, counter_read(&pool.heap_buffers), 1));
    end();
}

Test(buffer_pool, without_a_pool_or_a_chunk_the_heap_serves)
{
    struct buffer_pool none;
    void *buffer = buffer_take(NULL, 100000);

    cr_assert(ne(ptr, buffer, NULL));
    buffer_give(NULL, buffer, 100000);
    buffer_pool_init(&none, MIB - 1, 0);
    cr_assert(eq(ptr, none.bytes, NULL));
    buffer = buffer_take(&none, 100000);
    cr_assert(ne(ptr, buffer, NULL));
    buffer_give(&none, buffer, 100000);
    cr_assert(not(buffer_pool_trim(&none)));
    buffer_pool_deinit(&none);
}

Test(buffer_pool, a_refused_allocation_is_refused_here_too)
{
    void *buffer;

    start(4 * MIB, 4 * MIB);
    mem_fail_after(2);
    buffer = buffer_take(&pool, 100000);
    cr_assert(ne(ptr, buffer, NULL));
    cr_assert(eq(ptr, buffer_take(&pool, 100000), NULL));
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), 25 * PAGE));
    buffer_give(&pool, buffer, 100000);
    end();
}

Test(buffer_pool, idle_pages_past_the_limit_go_back_to_the_system)
{
    uint8_t *buffers[32];

    start(32 * MIB, 4 * MIB);
    for (int i = 0; i < 32; i++) {
        buffers[i] = buffer_take(&pool, MIB);
        memset(buffers[i], 1, MIB);
    }
    cr_assert(eq(u64, resident_bytes(), 32 * MIB));
    for (int i = 0; i < 32; i++) {
        buffer_give(&pool, buffers[i], MIB);
        cr_assert(le(u64, idle_bytes(), 5 * MIB)); /* POOL-3 */
    }
    cr_assert(eq(u64, resident_bytes(), idle_bytes()));
    for (int i = 0; i < 32; i++) { /* what came back is memory as any other */
        buffers[i] = buffer_take(&pool, MIB);
        memset(buffers[i], 2, MIB);
    }
    for (int i = 0; i < 32; i++)
        buffer_give(&pool, buffers[i], MIB);
    end();
}

Test(buffer_pool, trimming_leaves_what_is_used)
{
    uint8_t *low[8];
    uint8_t *high[8];
    uint32_t calls = 0;

    start(16 * MIB, 16 * MIB);
    for (int i = 0; i < 8; i++) {
        low[i] = buffer_take(&pool, PAGE);
        high[i] = buffer_take(&pool, MIB - 8 * PAGE);
        memset(low[i], i, PAGE);
        memset(high[i], 9, MIB - 8 * PAGE);
    }
    for (int i = 0; i < 8; i++)
        buffer_give(&pool, high[i], MIB - 8 * PAGE);
    cr_assert(eq(u64, idle_bytes(), 8 * (MIB - 8 * PAGE)));
    while (buffer_pool_trim(&pool))
        calls++;
    cr_assert(lt(u32, 0, calls)); /* in steps */
    cr_assert(eq(u64, idle_bytes(), 0));
    cr_assert(eq(u64, resident_bytes(), buffer_pool_used_bytes(&pool)));
    for (int i = 0; i < 8; i++) {
        cr_assert(eq(u8, low[i][0], i));
        cr_assert(eq(u8, low[i][PAGE - 1], i));
        buffer_give(&pool, low[i], PAGE);
    }
    end();
}

/* Of the mapping that begins there, as /proc/self/smaps has them: does it have flag? */
static bool has_flag(const void *mapping, const char *flag)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[512];
    bool is_inside = false;
    bool has = false;

    cr_assert(ne(ptr, file, NULL));
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_inside = from <= (unsigned long)mapping && (unsigned long)mapping < to;
        else if (is_inside && strncmp(line, "VmFlags:", 8) == 0)
            has = strstr(line, flag) != NULL;
    }
    fclose(file);
    return has;
}

/* Else khugepaged makes huge ones of what was given back, wherever a page is left. */
Test(buffer_pool, its_pages_stay_small_where_huge_ones_are_for_everybody)
{
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) != 0)
        cr_skip_test("this kernel has no transparent huge pages");
    start(4 * MIB, MIB);
    cr_assert(has_flag(pool.bytes, " nh"));
    end();
}

/* ---- other threads */

static void *give_from_elsewhere(void *context)
{
    uint8_t **buffers = context;
    void *own = buffer_take(&pool, 5 * PAGE); /* not the owner: the heap's */

    cr_assert(ne(ptr, own, NULL));
    buffer_give(&pool, own, 5 * PAGE);
    for (int i = 0; i < 100; i++)
        buffer_give(&pool, buffers[i], 5 * PAGE);
    return NULL;
}

Test(buffer_pool, other_threads_give_back_and_the_owner_collects)
{
    uint8_t *buffers[4][100];
    pthread_t threads[4];
    void *next;

    start(16 * MIB, 16 * MIB);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 100; j++)
            buffers[i][j] = buffer_take(&pool, 5 * PAGE);
    for (int i = 0; i < 4; i++)
        cr_assert(eq(int, pthread_create(&threads[i], NULL, give_from_elsewhere, buffers[i]), 0));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), 400 * 5 * PAGE));
    next = buffer_take(&pool, PAGE);
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), PAGE));
    cr_assert(eq(u64, counter_read(&pool.heap_buffers), 0));
    buffer_give(&pool, next, PAGE);
    end();
}

static void *take_the_pool(void *context)
{
    void *buffer;

    buffer_pool_own(&pool);
    buffer = buffer_take(&pool, PAGE);
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), PAGE));
    buffer_give(&pool, buffer, PAGE);
    return NULL;
}

Test(buffer_pool, the_thread_that_owns_it_takes)
{
    pthread_t thread;

    start(4 * MIB, 4 * MIB);
    cr_assert(eq(int, pthread_create(&thread, NULL, take_the_pool, NULL), 0));
    pthread_join(thread, NULL);
    buffer_give(&pool, buffer_take(&pool, PAGE), PAGE); /* ours no more: the heap's */
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), 0));
    cr_assert(eq(u64, idle_bytes(), PAGE));
    end();
}

/* ---- many in any order, beside a map of who has which page */

struct held {
    uint8_t *bytes;
    uint32_t size_bytes;
    uint8_t fill;
};

static uint32_t random_size(struct prng *prng)
{
    uint32_t most = 1U << (uint32_t)prng_below(prng, 22);

    return 1 + (uint32_t)prng_below(prng, most);
}

static void check_and_give(struct held *held)
{
    cr_assert(eq(u8, held->bytes[0], held->fill));
    cr_assert(eq(u8, held->bytes[held->size_bytes / 2], held->fill));
    cr_assert(eq(u8, held->bytes[held->size_bytes - 1], held->fill));
    buffer_give(&pool, held->bytes, held->size_bytes);
    held->bytes = NULL;
}

Test(buffer_pool, no_two_have_the_same_page_in_any_order)
{
    static struct held held[400];
    uint64_t in_pool_bytes;
    struct prng prng;

    prng_init(&prng, 7);
    start(32 * MIB, 2 * MIB);
    for (int round = 0; round < 30000; round++) {
        struct held *one = &held[prng_below(&prng, 400)];
        if (one->bytes != NULL) {
            check_and_give(one);
            continue;
        }
        if (round % 1000 == 0)
            (void)buffer_pool_trim(&pool);
        one->size_bytes = random_size(&prng);
        one->fill = (uint8_t)round;
        one->bytes = buffer_take(&pool, one->size_bytes);
        memset(one->bytes, one->fill, one->size_bytes);
        cr_assert(le(u64, idle_bytes(), 3 * MIB));
    }
    in_pool_bytes = 0;
    for (int i = 0; i < 400; i++)
        if (held[i].bytes >= pool.bytes && held[i].bytes < pool.bytes + 32 * MIB)
            in_pool_bytes += buffer_cost_bytes(held[i].size_bytes);
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), in_pool_bytes));
    cr_assert(eq(u64, resident_bytes(), in_pool_bytes + idle_bytes()));
    for (int i = 0; i < 400; i++)
        if (held[i].bytes != NULL)
            check_and_give(&held[i]);
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), 0));
    end();
}

/* ---- a slab's larger bufs are the pool's */

Test(buffer_pool, a_slab_counts_what_was_asked_and_gives_the_pages_back)
{
    struct slab slab;
    struct buf *apart;
    struct buf *whole;
    struct buf *small;
    uint64_t cost_bytes;

    start(8 * MIB, 8 * MIB);
    slab_init(&slab, 4 * MIB);
    slab_set_pool(&slab, &pool);
    apart = buf_create(&slab, 64 << 10, PAGE);
    whole = buf_create(&slab, 100000, 1);
    small = buf_create(&slab, 1000, 1);
    cost_bytes = buf_cost_bytes(apart) + buf_cost_bytes(whole) + buf_cost_bytes(small);
    cr_assert(eq(u64, slab_used_bytes(&slab), cost_bytes));
    cr_assert(lt(u64, cost_bytes, (64 << 10) + 100000 + 1000 + 3 * 128));
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), 16 * PAGE + 25 * PAGE));
    cr_assert(eq(u64, (uintptr_t)apart->bytes % PAGE, 0));
    memset(apart->bytes, 1, apart->capacity_bytes);
    memset(whole->bytes, 1, whole->capacity_bytes);
    slab_set_pool(&slab, NULL); /* each remembers where it came from */
    buf_unref(apart);
    buf_unref(whole);
    buf_unref(small);
    cr_assert(eq(u64, slab_used_bytes(&slab), 0));
    cr_assert(eq(u64, buffer_pool_used_bytes(&pool), 0));
    slab_deinit(&slab);
    end();
}
