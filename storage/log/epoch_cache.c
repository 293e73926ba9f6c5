#include "storage/log/epoch_cache.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "storage/checkpoint_lines.h"

#include <inttypes.h>
#include <string.h>

enum { FIRST_CAPACITY = 8, FIELD_COUNT = 2 };

void epoch_cache_init(struct epoch_cache *cache)
{
    *cache = (struct epoch_cache){0};
}

void epoch_cache_deinit(struct epoch_cache *cache)
{
    mem_free(cache->entries);
    *cache = (struct epoch_cache){0};
}

static const struct epoch_entry *last_entry(const struct epoch_cache *cache)
{
    return cache->count > 0 ? &cache->entries[cache->count - 1] : NULL;
}

/* The number of entries whose epoch is <= epoch. */
static uint32_t count_up_to_epoch(const struct epoch_cache *cache, int32_t epoch)
{
    uint32_t low = 0;
    uint32_t high = cache->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (cache->entries[middle].epoch <= epoch)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The number of entries whose start offset is <= offset. */
static uint32_t count_up_to_offset(const struct epoch_cache *cache, int64_t offset)
{
    uint32_t low = 0;
    uint32_t high = cache->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (cache->entries[middle].start_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void push(struct epoch_cache *cache, int32_t epoch, int64_t start_offset)
{
    if (cache->count == cache->capacity) {
        cache->capacity = cache->capacity > 0 ? cache->capacity * 2 : FIRST_CAPACITY;
        cache->entries = mem_realloc(cache->entries, cache->capacity * sizeof(struct epoch_entry));
    }
    cache->entries[cache->count++] = (struct epoch_entry){epoch, start_offset};
}

bool epoch_cache_assign(struct epoch_cache *cache, int32_t epoch, int64_t start_offset)
{
    const struct epoch_entry *last = last_entry(cache);

    check(epoch >= 0 && start_offset >= 0);
    if (last && last->epoch == epoch && last->start_offset <= start_offset)
        return false; /* the epoch goes on */
    while (last && (last->epoch >= epoch || last->start_offset >= start_offset)) {
        cache->count--;
        last = last_entry(cache);
    }
    push(cache, epoch, start_offset); /* EPO-1 */
    return true;
}

int64_t epoch_cache_end_offset(const struct epoch_cache *cache, int32_t epoch,
                               int64_t log_end_offset, int32_t *epoch_out)
{
    uint32_t below = count_up_to_epoch(cache, epoch); /* also the index of the next one above */

    if (epoch >= 0 && cache->count > 0 && epoch_cache_latest(cache) == epoch) {
        *epoch_out = epoch;
        return log_end_offset;
    }
    if (epoch < 0 || below == cache->count) {
        *epoch_out = EPOCH_UNDEFINED;
        return EPOCH_OFFSET_UNDEFINED;
    }
    *epoch_out = below == 0 ? epoch : cache->entries[below - 1].epoch;
    return cache->entries[below].start_offset;
}

int32_t epoch_cache_find(const struct epoch_cache *cache, int64_t offset)
{
    uint32_t count = count_up_to_offset(cache, offset);

    return count > 0 ? cache->entries[count - 1].epoch : EPOCH_UNDEFINED;
}

int32_t epoch_cache_latest(const struct epoch_cache *cache)
{
    return cache->count > 0 ? cache->entries[cache->count - 1].epoch : EPOCH_UNDEFINED;
}

int32_t epoch_cache_earliest(const struct epoch_cache *cache)
{
    return cache->count > 0 ? cache->entries[0].epoch : EPOCH_UNDEFINED;
}

bool epoch_cache_truncate_end(struct epoch_cache *cache, int64_t end_offset)
{
    uint32_t before = cache->count;

    if (end_offset >= 0)
        cache->count = count_up_to_offset(cache, end_offset - 1);
    return cache->count != before;
}

bool epoch_cache_truncate_start(struct epoch_cache *cache, int64_t start_offset)
{
    uint32_t count = count_up_to_offset(cache, start_offset);
    bool changed;

    if (count == 0)
        return false;
    changed = count > 1 || cache->entries[0].start_offset != start_offset;
    memmove(cache->entries, cache->entries + count - 1,
            (cache->count - count + 1) * sizeof(struct epoch_entry));
    cache->count -= count - 1;
    cache->entries[0].start_offset = start_offset;
    return changed;
}

void epoch_cache_clear(struct epoch_cache *cache)
{
    cache->count = 0;
}

bool epoch_cache_equal(const struct epoch_cache *a, const struct epoch_cache *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (a->entries[i].epoch != b->entries[i].epoch ||
            a->entries[i].start_offset != b->entries[i].start_offset)
            return false;
    }
    return true;
}

size_t epoch_cache_encode(const struct epoch_cache *cache, char *out, size_t max_bytes)
{
    struct checkpoint_text text = {.out = out, .max_bytes = max_bytes};

    checkpoint_text_add(&text, "0\n%" PRIu32 "\n", cache->count);
    for (uint32_t i = 0; i < cache->count; i++)
        checkpoint_text_add(&text, "%" PRId32 " %" PRId64 "\n", cache->entries[i].epoch,
                            cache->entries[i].start_offset);
    return text.size_bytes;
}

/* One line; EPO-1 against what cache holds already. */
static enum err add_line(struct epoch_cache *cache, const struct checkpoint_field *fields)
{
    const struct epoch_entry *last = last_entry(cache);
    int64_t epoch;
    int64_t start_offset;

    if (text_parse_i64(fields[0].text, fields[0].size_bytes, 0, INT32_MAX, &epoch) ||
        text_parse_i64(fields[1].text, fields[1].size_bytes, 0, INT64_MAX, &start_offset))
        return ERR_MALFORMED;
    if (last && (last->epoch >= epoch || last->start_offset >= start_offset))
        return ERR_MALFORMED;
    push(cache, (int32_t)epoch, start_offset);
    return OK;
}

enum err epoch_cache_decode(struct epoch_cache *cache, const char *text, size_t size_bytes)
{
    struct epoch_cache read = {0};
    struct checkpoint_lines lines;
    struct checkpoint_field fields[FIELD_COUNT];
    enum err err = checkpoint_lines_open(&lines, text, size_bytes);

    while (!err) {
        err = checkpoint_lines_next(&lines, fields, FIELD_COUNT);
        if (!err)
            err = add_line(&read, fields);
    }
    if (err != ERR_NOT_FOUND) {
        epoch_cache_deinit(&read);
        return err;
    }
    epoch_cache_deinit(cache);
    *cache = read;
    return OK;
}
