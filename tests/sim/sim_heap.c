#include "tests/sim/sim_heap.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/mem_watch.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 4096 };

/* Of the leak sanitizer, where there is one. */
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);
__attribute__((weak)) void __lsan_register_root_region(const void *begin, size_t size);
__attribute__((weak)) void __lsan_unregister_root_region(const void *begin, size_t size);

/* Of the address sanitizer: a pool may have closed what it had free. */
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void *begin, size_t size);

static struct sim_heap *current;
static uint32_t own_depth; /* the simulator takes a block */

static size_t place_of(const struct sim_heap *heap, const void *memory)
{
    uint64_t bits = (uint64_t)(uintptr_t)memory;
    size_t place = (size_t)((bits >> 4) * 0x9e3779b97f4a7c15ULL >> 20) & (heap->capacity - 1);

    while (heap->blocks[place].memory != NULL && heap->blocks[place].memory != memory)
        place = (place + 1) & (heap->capacity - 1);
    return place;
}

static void grow(struct sim_heap *heap)
{
    struct sim_heap_block *old = heap->blocks;
    size_t old_capacity = heap->capacity;

    heap->capacity *= 2;
    heap->blocks = calloc(heap->capacity, sizeof(*heap->blocks));
    check(heap->blocks != NULL);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].memory != NULL)
            heap->blocks[place_of(heap, old[i].memory)] = old[i];
    free(old);
}

static void on_taken(void *memory, size_t map_bytes)
{
    struct sim_heap *heap = current;

    if (own_depth > 0 || !heap->is_running(heap->context))
        return;
    if (2 * (heap->count + 1) > heap->capacity)
        grow(heap);
    heap->blocks[place_of(heap, memory)] =
        (struct sim_heap_block){.memory = memory, .map_bytes = map_bytes};
    heap->count++;
    if (map_bytes > 0 && __lsan_register_root_region != NULL)
        __lsan_register_root_region(memory, map_bytes); /* pointers may be in it */
}

/* The blocks behind a freed place move up, so that none is cut off. */
static void take_out(struct sim_heap *heap, size_t place)
{
    size_t mask = heap->capacity - 1;

    heap->blocks[place] = (struct sim_heap_block){0};
    heap->count--;
    for (size_t next = (place + 1) & mask; heap->blocks[next].memory != NULL;
         next = (next + 1) & mask) {
        struct sim_heap_block moved = heap->blocks[next];
        heap->blocks[next] = (struct sim_heap_block){0};
        heap->blocks[place_of(heap, moved.memory)] = moved;
    }
}

static void on_given_back(void *memory)
{
    struct sim_heap *heap = current;
    size_t place = place_of(heap, memory);

    if (heap->blocks[place].memory == NULL)
        return;
    if (heap->blocks[place].map_bytes > 0 && __lsan_unregister_root_region != NULL)
        __lsan_unregister_root_region(memory, heap->blocks[place].map_bytes);
    take_out(heap, place);
}

static const struct mem_watcher watcher = {.taken = on_taken, .given_back = on_given_back};

void sim_heap_begin(struct sim_heap *heap, bool (*is_running)(void *context), void *context)
{
    check(current == NULL);
    *heap =
        (struct sim_heap){.is_running = is_running, .context = context, .capacity = CAPACITY_FIRST};
    heap->blocks = calloc(heap->capacity, sizeof(*heap->blocks));
    check(heap->blocks != NULL);
    current = heap;
    heap->is_kept = mem_watch_set(&watcher);
}

void sim_heap_end(struct sim_heap *heap)
{
    if (current != heap)
        return;
    sim_heap_release(heap);
    (void)!mem_watch_set(NULL);
    current = NULL;
    free(heap->blocks);
    *heap = (struct sim_heap){0};
}

bool sim_heap_has(const struct sim_heap *heap, const void *memory)
{
    return heap->blocks[place_of(heap, memory)].memory != NULL;
}

bool sim_heap_leaks(const struct sim_heap *heap)
{
    struct sim_heap_block *blocks = heap->blocks;
    bool leaks;

    if (__lsan_do_recoverable_leak_check == NULL || !heap->is_kept)
        return false;
    /* that the table names a block does not keep it */
    for (size_t i = 0; i < heap->capacity; i++)
        blocks[i].memory = (void *)~(uintptr_t)blocks[i].memory;
    leaks = __lsan_do_recoverable_leak_check() != 0;
    for (size_t i = 0; i < heap->capacity; i++)
        blocks[i].memory = (void *)~(uintptr_t)blocks[i].memory;
    return leaks;
}

uint64_t sim_heap_release(struct sim_heap *heap)
{
    uint64_t count = heap->count;

    check(current == heap);
    for (size_t i = 0; i < heap->capacity && heap->count > 0;) {
        struct sim_heap_block block = heap->blocks[i];
        if (block.memory == NULL) {
            i++; /* what moves up into a freed place is looked at again */
            continue;
        }
        if (block.map_bytes == 0) {
            mem_free(block.memory);
            continue;
        }
        if (__asan_unpoison_memory_region != NULL)
            __asan_unpoison_memory_region(block.memory, block.map_bytes);
        mem_unmap(block.memory, block.map_bytes);
    }
    return count;
}

void *sim_heap_own_alloc(size_t size_bytes)
{
    void *memory;

    own_depth++;
    memory = mem_alloc(size_bytes);
    own_depth--;
    return memory;
}

void *sim_heap_own_realloc(void *memory, size_t size_bytes)
{
    own_depth++;
    memory = mem_realloc(memory, size_bytes);
    own_depth--;
    return memory;
}

char *sim_heap_own_strdup(const char *text)
{
    char *copy;

    own_depth++;
    copy = mem_strdup(text);
    own_depth--;
    return copy;
}
