#include "base/mem.h"

#include "base/check.h"
#include "base/mem_watch.h"
#include "base/sometimes.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_ullong used_bytes;
static atomic_ullong used_count;
static atomic_ullong fail_countdown;
static atomic_bool fails_on; /* not once only */

#ifdef LEVEE_RELEASE

bool mem_watch_set(const struct mem_watcher *new_watcher)
{
    return false;
}

static void tell_taken(void *memory, size_t map_bytes)
{
}

static void tell_given_back(void *memory)
{
}

#else

static const struct mem_watcher *watcher;

bool mem_watch_set(const struct mem_watcher *new_watcher)
{
    watcher = new_watcher;
    return true;
}

static void tell_taken(void *memory, size_t map_bytes)
{
    if (watcher != NULL && memory != NULL)
        watcher->taken(memory, map_bytes);
}

static void tell_given_back(void *memory)
{
    if (watcher != NULL && memory != NULL)
        watcher->given_back(memory);
}

#endif

bool mem_is_refused(void)
{
    if (BUGGIFY("mem: an allocation is refused"))
        return true;
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)
        return false;
    if (atomic_fetch_sub_explicit(&fail_countdown, 1, memory_order_relaxed) != 1)
        return false;
    if (atomic_load_explicit(&fails_on, memory_order_relaxed))
        atomic_store_explicit(&fail_countdown, 1, memory_order_relaxed);
    return true;
}

static void *count_in(void *memory)
{
    if (memory != NULL) {
        atomic_fetch_add_explicit(&used_bytes, malloc_usable_size(memory), memory_order_relaxed);
        atomic_fetch_add_explicit(&used_count, 1, memory_order_relaxed);
        tell_taken(memory, 0);
    }
    return memory;
}

static void count_out(void *memory)
{
    tell_given_back(memory);
    atomic_fetch_sub_explicit(&used_bytes, malloc_usable_size(memory), memory_order_relaxed);
    atomic_fetch_sub_explicit(&used_count, 1, memory_order_relaxed);
}

static void *or_end(void *memory, size_t size_bytes)
{
    if (memory == NULL) {
        fprintf(stderr, "LVE-1002 out of memory: %zu bytes refused; raise the memory limit\n",
                size_bytes);
        abort();
    }
    return memory;
}

void *mem_try_alloc(size_t size_bytes)
{
    return mem_is_refused() ? NULL : count_in(calloc(1, size_bytes == 0 ? 1 : size_bytes));
}

void *mem_alloc(size_t size_bytes)
{
    return or_end(count_in(calloc(1, size_bytes == 0 ? 1 : size_bytes)), size_bytes);
}

void *mem_realloc(void *memory, size_t size_bytes)
{
    if (memory != NULL)
        count_out(memory);
    return or_end(count_in(realloc(memory, size_bytes == 0 ? 1 : size_bytes)), size_bytes);
}

void *mem_try_realloc(void *memory, size_t size_bytes)
{
    size_t old_bytes = malloc_usable_size(memory);
    void *moved;

    if (mem_is_refused())
        return NULL;
    tell_given_back(memory);
    moved = realloc(memory, size_bytes == 0 ? 1 : size_bytes);
    if (moved == NULL) {
        tell_taken(memory, 0);
        return NULL;
    }
    if (memory == NULL)
        return count_in(moved);
    tell_taken(moved, 0);
    atomic_fetch_add_explicit(&used_bytes, malloc_usable_size(moved) - old_bytes,
                              memory_order_relaxed);
    return moved;
}

void *mem_try_alloc_aligned(size_t align_bytes, size_t size_bytes)
{
    void *memory = NULL;

    if (mem_is_refused() || posix_memalign(&memory, align_bytes, size_bytes) != 0)
        return NULL;
    return count_in(memory);
}

void *mem_try_map(size_t size_bytes)
{
    void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, size_bytes, MADV_NOHUGEPAGE); /* EINVAL: the kernel has none */
    atomic_fetch_add_explicit(&used_count, 1, memory_order_relaxed);
    tell_taken(memory, size_bytes);
    return memory;
}

void mem_unmap(void *memory, size_t size_bytes)
{
    tell_given_back(memory);
    check(munmap(memory, size_bytes) == 0);
    atomic_fetch_sub_explicit(&used_count, 1, memory_order_relaxed);
}

void mem_populate(void *pages, size_t size_bytes)
{
    enum { MADVISE_POPULATE_WRITE = 23 }; /* MADV_POPULATE_WRITE, which older headers lack */

    (void)madvise(pages, size_bytes, MADVISE_POPULATE_WRITE);
}

bool mem_forget(void *pages, size_t size_bytes)
{
    return madvise(pages, size_bytes, MADV_DONTNEED) == 0;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t size_bytes)
{
    char *copy = mem_alloc(size_bytes + 1);

    memcpy(copy, text, size_bytes);
    return copy;
}

char *mem_try_strdup(const char *text)
{
    return mem_try_strndup(text, strlen(text));
}

char *mem_try_strndup(const char *text, size_t size_bytes)
{
    char *copy = mem_try_alloc(size_bytes + 1);

    if (copy != NULL)
        memcpy(copy, text, size_bytes);
    return copy;
}

void mem_free(void *memory)
{
    if (memory == NULL)
        return;
    count_out(memory);
    free(memory);
}

uint64_t mem_used_bytes(void)
{
    return atomic_load_explicit(&used_bytes, memory_order_relaxed);
}

uint64_t mem_used_count(void)
{
    return atomic_load_explicit(&used_count, memory_order_relaxed);
}

static void fail_after(uint64_t n, bool on)
{
    atomic_store_explicit(&fails_on, on, memory_order_relaxed);
    atomic_store_explicit(&fail_countdown, n, memory_order_relaxed);
}

void mem_fail_after(uint64_t n)
{
    fail_after(n, false);
}

void mem_end_after(uint64_t n)
{
    fail_after(n, true);
}
