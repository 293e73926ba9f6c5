#include "base/buffer_pool.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/poison.h"

#include <assert.h>
#include <errno.h>

enum {
    CHUNK_PAGES = BUFFER_MAX_BYTES / BUFFER_PAGE_BYTES,
    WORD_PAGES = 64,
    CHUNK_WORDS = CHUNK_PAGES / WORD_PAGES,
    POPULATE_PAGES_MIN = 16, /* one call instead of a fault for each: such a buffer is filled */
    TRIM_CHUNKS_MAX = 4,     /* of one call: about a millisecond */
    CHUNKS_MAX = 1 << 20,    /* a terabyte */
};

static_assert(CHUNK_PAGES % WORD_PAGES == 0, "a chunk is whole words");

/* Bit p of word w is page 64 * w + p. */
struct buffer_chunk {
    uint64_t free[CHUNK_WORDS];
    uint64_t touched[CHUNK_WORDS]; /* the system holds memory for it */
    uint16_t idle_count;           /* pages that are free and touched */
};

/* At the beginning of a buffer that another thread gave back. */
struct buffer_given {
    struct buffer_given *next;
    size_t size_bytes;
};

/* ---- pages of a chunk */

/* The first page from page on whose bit is value; CHUNK_PAGES: none is. */
static uint32_t find_page(const uint64_t *words, uint32_t page, bool value)
{
    while (page < CHUNK_PAGES) {
        uint64_t word = words[page / WORD_PAGES];
        uint64_t rest = (value ? word : ~word) >> (page % WORD_PAGES);
        if (rest != 0)
            return page + (uint32_t)__builtin_ctzll(rest);
        page = (page / WORD_PAGES + 1) * WORD_PAGES;
    }
    return CHUNK_PAGES;
}

/* The first page of the free run that page lies in. */
static uint32_t run_begin(const struct buffer_chunk *chunk, uint32_t page)
{
    for (;;) {
        uint32_t word = page / WORD_PAGES;
        uint64_t used = ~chunk->free[word] << (WORD_PAGES - 1 - page % WORD_PAGES);
        if (used != 0)
            return page - (uint32_t)__builtin_clzll(used) + 1;
        if (word == 0)
            return 0;
        page = word * WORD_PAGES - 1;
        if ((chunk->free[word - 1] >> (WORD_PAGES - 1)) == 0)
            return page + 1;
    }
}

static uint64_t mask_of(uint32_t word, uint32_t page, uint32_t count)
{
    uint32_t from = page > word * WORD_PAGES ? page - word * WORD_PAGES : 0;
    uint32_t to = page + count - word * WORD_PAGES;

    if (to > WORD_PAGES)
        to = WORD_PAGES;
    return (UINT64_MAX >> (WORD_PAGES - (to - from))) << from;
}

/* The first free run of count pages; CHUNK_PAGES: there is none, and longest_out is the longest. */
static uint32_t find_run(const struct buffer_chunk *chunk, uint32_t count, uint16_t *longest_out)
{
    uint32_t longest = 0;
    uint32_t page = find_page(chunk->free, 0, true);

    while (page < CHUNK_PAGES) {
        uint32_t end = find_page(chunk->free, page, false);
        if (end - page >= count)
            return page;
        if (end - page > longest)
            longest = end - page;
        page = find_page(chunk->free, end, true);
    }
    *longest_out = (uint16_t)longest;
    return CHUNK_PAGES;
}

static uint8_t *bytes_of(const struct buffer_pool *pool, const struct buffer_chunk *chunk,
                         uint32_t page)
{
    size_t index = (size_t)(chunk - pool->chunks) * CHUNK_PAGES + page;

    return pool->bytes + index * BUFFER_PAGE_BYTES;
}

static void change_idle(struct buffer_pool *pool, struct buffer_chunk *chunk, int32_t pages)
{
    chunk->idle_count = (uint16_t)(chunk->idle_count + pages);
    gauge_add(&pool->idle_bytes, (int64_t)pages * BUFFER_PAGE_BYTES);
}

static void use_run(struct buffer_pool *pool, struct buffer_chunk *chunk, uint32_t page,
                    uint32_t count)
{
    int32_t touched = 0;

    for (uint32_t word = page / WORD_PAGES; word * WORD_PAGES < page + count; word++) {
        uint64_t mask = mask_of(word, page, count);
        touched += __builtin_popcountll(chunk->touched[word] & mask);
        chunk->touched[word] |= mask;
        chunk->free[word] &= ~mask;
    }
    change_idle(pool, chunk, -touched);
    if (count >= POPULATE_PAGES_MIN && (uint32_t)touched <= count / 2)
        mem_populate(bytes_of(pool, chunk, page), (size_t)count * BUFFER_PAGE_BYTES);
    gauge_add(&pool->used_bytes, (int64_t)count * BUFFER_PAGE_BYTES);
}

static void free_run(struct buffer_pool *pool, struct buffer_chunk *chunk, uint32_t page,
                     uint32_t count)
{
    uint32_t run_pages;

    for (uint32_t word = page / WORD_PAGES; word * WORD_PAGES < page + count; word++) {
        uint64_t mask = mask_of(word, page, count);
        check((chunk->free[word] & mask) == 0);
        chunk->free[word] |= mask;
    }
    run_pages = find_page(chunk->free, page, false) - run_begin(chunk, page);
    if (run_pages > pool->run_max[chunk - pool->chunks])
        pool->run_max[chunk - pool->chunks] = (uint16_t)run_pages; /* POOL-2 */
    change_idle(pool, chunk, (int32_t)count);
    gauge_add(&pool->used_bytes, -(int64_t)count * BUFFER_PAGE_BYTES);
}

/* ---- to the system */

static void trim_chunk(struct buffer_pool *pool, struct buffer_chunk *chunk)
{
    uint64_t idle[CHUNK_WORDS];
    uint32_t page;

    for (uint32_t word = 0; word < CHUNK_WORDS; word++)
        idle[word] = chunk->free[word] & chunk->touched[word]; /* POOL-4 */
    page = find_page(idle, 0, true);
    while (page < CHUNK_PAGES) {
        uint32_t end = find_page(idle, page, false);
        if (!mem_forget(bytes_of(pool, chunk, page), (size_t)(end - page) * BUFFER_PAGE_BYTES))
            return; /* locked in memory: it stays */
        page = find_page(idle, end, true);
    }
    for (uint32_t word = 0; word < CHUNK_WORDS; word++)
        chunk->touched[word] &= ~idle[word];
    change_idle(pool, chunk, -(int32_t)chunk->idle_count);
}

/* Of the highest chunk that has idle pages.  False: none has. */
static bool trim_one(struct buffer_pool *pool)
{
    while (pool->idle_end > 0 && pool->chunks[pool->idle_end - 1].idle_count == 0)
        pool->idle_end--;
    if (pool->idle_end == 0)
        return false;
    trim_chunk(pool, &pool->chunks[--pool->idle_end]);
    return true;
}

/* ---- taking and giving */

/* An address that is each thread's own.  (No variable of ours: mold 1.10 links an executable whose
 * only one is zero so that it does not start.) */
static const void *thread_mark(void)
{
    return &errno;
}

static bool is_owner(const struct buffer_pool *pool)
{
    return __atomic_load_n(&pool->owner, __ATOMIC_RELAXED) == thread_mark();
}

static bool is_of_pool(const struct buffer_pool *pool, const void *buffer)
{
    const uint8_t *bytes = buffer;

    return pool != NULL && pool->bytes != NULL && bytes >= pool->bytes &&
           bytes < pool->bytes + (size_t)pool->chunk_count * BUFFER_MAX_BYTES;
}

static uint32_t pages_of(size_t size_bytes)
{
    return (uint32_t)(buffer_cost_bytes(size_bytes) / BUFFER_PAGE_BYTES);
}

static void take_back(struct buffer_pool *pool, void *buffer, size_t size_bytes)
{
    uint32_t page = (uint32_t)((size_t)((uint8_t *)buffer - pool->bytes) / BUFFER_PAGE_BYTES);
    uint32_t index = page / CHUNK_PAGES;
    uint32_t count = pages_of(size_bytes);

    check(page % CHUNK_PAGES + count <= CHUNK_PAGES); /* POOL-1 */
    poison(buffer, (size_t)count * BUFFER_PAGE_BYTES);
    free_run(pool, &pool->chunks[index], page % CHUNK_PAGES, count);
    if (index < pool->chunk_full)
        pool->chunk_full = index;
    if (index >= pool->idle_end)
        pool->idle_end = index + 1;
    if ((uint64_t)gauge_read(&pool->idle_bytes) > pool->idle_max_bytes)
        (void)trim_one(pool); /* POOL-3: a chunk at most came, a chunk's idle pages go */
}

static void collect(struct buffer_pool *pool)
{
    struct buffer_given *given;

    if (__atomic_load_n(&pool->given, __ATOMIC_RELAXED) == NULL)
        return;
    /* acquire: what the givers did with the bytes comes before what is done now */
    given = __atomic_exchange_n(&pool->given, NULL, __ATOMIC_ACQUIRE);
    while (given != NULL) {
        struct buffer_given *next = given->next;
        take_back(pool, given, given->size_bytes);
        given = next;
    }
}

static void leave_for_owner(struct buffer_pool *pool, void *buffer, size_t size_bytes)
{
    struct buffer_given *given = buffer;

    given->size_bytes = size_bytes;
    given->next = __atomic_load_n(&pool->given, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&pool->given, &given->next, given, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        continue;
}

static void begin_chunk(struct buffer_pool *pool)
{
    uint32_t index = pool->chunk_end++;

    for (uint32_t word = 0; word < CHUNK_WORDS; word++)
        pool->chunks[index].free[word] = UINT64_MAX;
    pool->run_max[index] = CHUNK_PAGES;
    poison(bytes_of(pool, &pool->chunks[index], 0), BUFFER_MAX_BYTES);
}

/* NULL: no run of count pages is free. */
static void *take_run(struct buffer_pool *pool, uint32_t count)
{
    while (pool->chunk_full < pool->chunk_end && pool->run_max[pool->chunk_full] == 0)
        pool->chunk_full++;
    for (uint32_t index = pool->chunk_full; index < pool->chunk_count; index++) {
        struct buffer_chunk *chunk = &pool->chunks[index];
        uint32_t page;
        if (index == pool->chunk_end)
            begin_chunk(pool);
        if (pool->run_max[index] < count)
            continue;
        page = find_run(chunk, count, &pool->run_max[index]);
        if (page < CHUNK_PAGES) {
            use_run(pool, chunk, page, count);
            return bytes_of(pool, chunk, page);
        }
    }
    return NULL;
}

void *buffer_take(struct buffer_pool *pool, size_t size_bytes)
{
    void *buffer;

    check(size_bytes > 0);
    if (pool == NULL || !is_owner(pool))
        return mem_try_alloc_aligned(BUFFER_PAGE_BYTES, size_bytes);
    collect(pool);
    if (size_bytes <= BUFFER_MAX_BYTES) {
        if (mem_is_refused())
            return NULL;
        buffer = take_run(pool, pages_of(size_bytes));
        if (buffer != NULL) {
            poison_end(buffer, buffer_cost_bytes(size_bytes));
            return buffer;
        }
    }
    counter_add(&pool->heap_buffers, 1);
    return mem_try_alloc_aligned(BUFFER_PAGE_BYTES, size_bytes);
}

void buffer_give(struct buffer_pool *pool, void *buffer, size_t size_bytes)
{
    if (!is_of_pool(pool, buffer)) {
        mem_free(buffer);
    } else if (is_owner(pool)) {
        take_back(pool, buffer, size_bytes);
    } else {
        leave_for_owner(pool, buffer, size_bytes);
    }
}

/* ---- the pool */

/* The books of a chunk lie behind all chunks: they, too, are touched when they are used. */
static size_t mapping_bytes(uint32_t chunk_count)
{
    size_t chunk_bytes = BUFFER_MAX_BYTES + sizeof(struct buffer_chunk) +
                         sizeof(*((struct buffer_pool *)0)->run_max);

    return (size_t)buffer_cost_bytes(chunk_count * chunk_bytes);
}

void buffer_pool_init(struct buffer_pool *pool, uint64_t max_bytes, uint64_t idle_max_bytes)
{
    uint64_t count = max_bytes / BUFFER_MAX_BYTES;
    uint32_t chunk_count = count < CHUNKS_MAX ? (uint32_t)count : CHUNKS_MAX;
    size_t chunks_bytes = (size_t)chunk_count * BUFFER_MAX_BYTES;

    *pool = (struct buffer_pool){.idle_max_bytes = idle_max_bytes};
    buffer_pool_own(pool);
    if (chunk_count > 0)
        pool->bytes = mem_try_map(mapping_bytes(chunk_count));
    if (pool->bytes == NULL)
        return; /* address space is limited: the heap serves */
    pool->chunk_count = chunk_count;
    pool->chunks = (struct buffer_chunk *)(void *)(pool->bytes + chunks_bytes);
    pool->run_max = (uint16_t *)(void *)(pool->chunks + chunk_count);
    gauge_set(&pool->max_bytes, (int64_t)chunks_bytes);
}

void buffer_pool_deinit(struct buffer_pool *pool)
{
    if (pool->bytes != NULL) {
        collect(pool);
        check(gauge_read(&pool->used_bytes) == 0);
        poison_end(pool->bytes, (size_t)pool->chunk_end * BUFFER_MAX_BYTES);
        mem_unmap(pool->bytes, mapping_bytes(pool->chunk_count));
    }
    *pool = (struct buffer_pool){0};
}

void buffer_pool_own(struct buffer_pool *pool)
{
    __atomic_store_n(&pool->owner, thread_mark(), __ATOMIC_RELAXED);
}

bool buffer_pool_trim(struct buffer_pool *pool)
{
    collect(pool);
    for (uint32_t i = 0; i < TRIM_CHUNKS_MAX; i++)
        if (!trim_one(pool))
            return false;
    return true;
}

uint64_t buffer_pool_used_bytes(const struct buffer_pool *pool)
{
    return (uint64_t)gauge_read(&pool->used_bytes);
}
