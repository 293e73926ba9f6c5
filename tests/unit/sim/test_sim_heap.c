#include "base/mem.h"
#include "base/prng.h"
#include "tests/sim/sim_broker.h"
#include "tests/sim/sim_heap.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static bool runs;

static bool is_running(void *context)
{
    return runs;
}

static void skip_in_releases(const struct sim_heap *heap)
{
    if (!heap->is_kept)
        cr_skip_test("no account in releases");
}

Test(sim_heap, what_a_running_program_takes_is_given_back)
{
    uint64_t before = mem_used_count();
    struct sim_heap heap;
    void *kept = mem_alloc(10);
    void *moved;

    sim_heap_begin(&heap, is_running, NULL);
    skip_in_releases(&heap);
    runs = true;
    cr_assert(mem_strdup("lost") != NULL);
    moved = mem_realloc(mem_alloc(1), 1 << 20);
    kept = mem_realloc(kept, 1 << 20); /* it has it now */
    mem_free(mem_alloc(7));
    cr_assert(mem_try_map(1 << 20) != NULL);
    cr_assert(eq(sz, heap.count, 4));
    cr_assert(sim_heap_has(&heap, moved));
    runs = false;
    cr_assert(eq(u64, sim_heap_release(&heap), 4));
    cr_assert(eq(u64, mem_used_count(), before));
    sim_heap_end(&heap);
}

Test(sim_heap, the_simulators_own_blocks_and_those_of_others_stay)
{
    struct sim_heap heap;
    void *own;
    void *other;

    sim_heap_begin(&heap, is_running, NULL);
    skip_in_releases(&heap);
    runs = true;
    own = sim_heap_own_realloc(sim_heap_own_alloc(1), 100);
    mem_free(sim_heap_own_strdup("x"));
    runs = false;
    other = mem_alloc(1);
    cr_assert(eq(sz, heap.count, 0));
    sim_heap_end(&heap);
    mem_free(own);
    mem_free(other);
}

Test(sim_heap, thousands_come_and_go)
{
    enum { COUNT = 20000 };
    static void *blocks[COUNT];
    uint64_t before = mem_used_count();
    struct sim_heap heap;
    struct prng prng;
    size_t live = 0;

    prng_init(&prng, 1);
    sim_heap_begin(&heap, is_running, NULL);
    skip_in_releases(&heap);
    runs = true;
    for (uint32_t i = 0; i < 10 * COUNT; i++) {
        void **block = &blocks[prng_below(&prng, COUNT)];
        live += *block == NULL ? 1 : (size_t)-1;
        if (*block == NULL) {
            *block = mem_alloc(1 + prng_below(&prng, 100));
        } else {
            mem_free(*block);
            *block = NULL;
        }
        if (i % 1000 == 0)
            cr_assert(eq(sz, heap.count, live));
    }
    for (uint32_t i = 0; i < COUNT; i++)
        cr_assert(blocks[i] == NULL || sim_heap_has(&heap, blocks[i]));
    runs = false;
    sim_heap_end(&heap);
    cr_assert(eq(u64, mem_used_count(), before));
}

/* ---- a broker */

static bool is_ready(void *context)
{
    const struct sim_broker *broker = context;

    return broker->ready;
}

static struct sim_broker broker;

static struct sim_world *start_broker(void)
{
    static const char *sets[] = {
        "listeners=PLAINTEXT://:9092", "levee.http.listener=",           "log.dirs=data",
        "levee.disk.reserve.bytes=0",  "offsets.topic.num.partitions=1", NULL};
    struct sim_world *world = sim_world_create(&(struct sim_world_options){.seed = 1});

    sim_broker_init(&broker, world, "broker",
                    &(struct sim_broker_options){.shards_count = 2, .sets = sets});
    return world;
}

Test(sim_heap, a_crashed_broker_is_taken_down)
{
    uint64_t before = mem_used_count();
    struct sim_world *world = start_broker();

    skip_in_releases(&broker.heap);
    for (uint32_t i = 0; i < 8; i++) {
        sim_node_start(broker.node);
        cr_assert(lt(sz, 0, broker.heap.count));
        if (i % 2 == 0)
            cr_assert(sim_world_run_until(world, is_ready, &broker, 60 * SIM_SECOND));
        else
            sim_world_run_for(world, i * SIM_MS);
        sim_node_crash(broker.node, i % 3 == 0 ? SIM_KILL : SIM_POWER_LOSS);
        cr_assert(eq(sz, broker.heap.count, 0));
    }
    for (uint64_t call = 1; call < 40; call += 3) { /* in the middle of a start */
        sim_node_crash_at_call(broker.node, call, SIM_KILL);
        sim_node_start(broker.node);
        sim_world_run_for(world, SIM_SECOND);
        sim_node_crash(broker.node, SIM_KILL);
        cr_assert(eq(sz, broker.heap.count, 0));
    }
    cr_assert(eq(u64, broker.leaks_count, 0));
    cr_assert(eq(u64, broker.left_count, 0));
    sim_world_destroy(world);
    sim_broker_deinit(&broker);
    cr_assert(eq(u64, mem_used_count(), before));
}

Test(sim_heap, a_broker_that_ends_in_order_leaves_nothing)
{
    struct sim_world *world = start_broker();

    sim_node_start(broker.node);
    cr_assert(sim_world_run_until(world, is_ready, &broker, 60 * SIM_SECOND));
    sim_node_stop(broker.node);
    cr_assert(broker.stopped);
    cr_assert(eq(u64, broker.left_count, 0));
    sim_world_destroy(world);
    sim_broker_deinit(&broker);
}

/* ---- what nobody points at (only where there is a leak sanitizer) */

static void *hidden_of_process;

/* No copy of the address stays in a register or on the stack of the caller. */
__attribute__((noinline)) static void lose_some(void)
{
    for (uint32_t i = 0; i < 16; i++)
        *(void *volatile *)&hidden_of_process = mem_alloc(64);
    hidden_of_process = NULL;
}

__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

Test(sim_heap, blocks_that_were_lost_are_found)
{
    struct sim_heap heap;

    if (__lsan_do_recoverable_leak_check == NULL)
        cr_skip_test("no leak sanitizer");
    sim_heap_begin(&heap, is_running, NULL);
    cr_assert(not(sim_heap_leaks(&heap)));
    runs = true;
    lose_some();
    runs = false;
    cr_assert(sim_heap_leaks(&heap));
    sim_heap_end(&heap);
}
