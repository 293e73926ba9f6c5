#include "storage/log/time_index.h"

#include "base/check.h"
#include "base/mem.h"
#include "record/big_endian.h"

#include <string.h>

enum { FIRST_CAPACITY = 16, NO_TIMESTAMP = -1 };

void time_index_init(struct time_index *index, int64_t base_offset, uint32_t count_max)
{
    check(base_offset >= 0);
    *index = (struct time_index){
        .base_offset = base_offset,
        .count_max = count_max,
        .max_timestamp_ms = NO_TIMESTAMP,
        .max_offset = base_offset,
    };
}

void time_index_deinit(struct time_index *index)
{
    mem_free(index->entries);
    *index = (struct time_index){0};
}

static bool reserve(struct time_index *index, uint32_t count)
{
    uint32_t capacity = index->capacity > 0 ? index->capacity : FIRST_CAPACITY;
    struct time_index_entry *larger;

    if (count <= index->capacity)
        return true;
    while (capacity < count)
        capacity *= 2;
    larger = mem_try_alloc(capacity * sizeof(*larger));
    if (!larger)
        return false;
    if (index->count > 0)
        memcpy(larger, index->entries, index->count * sizeof(*larger));
    mem_free(index->entries);
    index->entries = larger;
    index->capacity = capacity;
    return true;
}

void time_index_note_batch(struct time_index *index, int64_t max_timestamp_ms, int64_t last_offset)
{
    if (max_timestamp_ms <= index->max_timestamp_ms)
        return;
    index->max_timestamp_ms = max_timestamp_ms;
    index->max_offset = last_offset;
}

static struct time_position position_of(const struct time_index *index, uint32_t i)
{
    return (struct time_position){
        .timestamp_ms = index->entries[i].timestamp_ms,
        .offset = index->base_offset + index->entries[i].relative_offset,
    };
}

struct time_position time_index_last(const struct time_index *index)
{
    if (index->count == 0)
        return (struct time_position){NO_TIMESTAMP, index->base_offset};
    return position_of(index, index->count - 1);
}

bool time_index_add_entry(struct time_index *index, bool at_end)
{
    struct time_position last = time_index_last(index);
    uint32_t count_max = index->count_max + (at_end ? 1 : 0);

    if (index->max_timestamp_ms <= last.timestamp_ms || index->max_offset < last.offset)
        return false; /* TIX-1 */
    if (index->count >= count_max || index->max_offset - index->base_offset > INT32_MAX)
        return false;
    if (!reserve(index, index->count + 1))
        return false;
    index->entries[index->count++] = (struct time_index_entry){
        .timestamp_ms = index->max_timestamp_ms,
        .relative_offset = (int32_t)(index->max_offset - index->base_offset),
    };
    return true;
}

struct time_position time_index_find(const struct time_index *index, int64_t timestamp_ms)
{
    uint32_t low = 0;
    uint32_t high = index->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (index->entries[middle].timestamp_ms <= timestamp_ms)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return (struct time_position){NO_TIMESTAMP, index->base_offset};
    return position_of(index, low - 1);
}

static void remember_last(struct time_index *index)
{
    struct time_position last = time_index_last(index);

    index->max_timestamp_ms = last.timestamp_ms;
    index->max_offset = last.offset;
}

void time_index_truncate(struct time_index *index, int64_t offset)
{
    while (index->count > 0 && time_index_last(index).offset >= offset)
        index->count--;
    remember_last(index);
}

void time_index_clear(struct time_index *index)
{
    index->count = 0;
    remember_last(index);
}

bool time_index_fits(const struct time_index *index, int64_t last_offset)
{
    return index->count == 0 || time_index_last(index).offset <= last_offset;
}

size_t time_index_size_bytes(const struct time_index *index)
{
    return (size_t)index->count * TIME_INDEX_ENTRY_BYTES;
}

void time_index_encode(const struct time_index *index, uint8_t *bytes)
{
    for (uint32_t i = 0; i < index->count; i++, bytes += TIME_INDEX_ENTRY_BYTES) {
        big_endian_put_i64(bytes, index->entries[i].timestamp_ms);
        big_endian_put_i32(bytes + 8, index->entries[i].relative_offset);
    }
}

static enum err check_entries(int64_t base_offset, const uint8_t *bytes, size_t count)
{
    int64_t last_timestamp_ms = NO_TIMESTAMP;
    int32_t last_offset = 0;

    for (size_t i = 0; i < count; i++, bytes += TIME_INDEX_ENTRY_BYTES) {
        int64_t timestamp_ms = big_endian_get_i64(bytes);
        int32_t relative_offset = big_endian_get_i32(bytes + 8);

        if (timestamp_ms <= last_timestamp_ms || relative_offset < last_offset)
            return ERR_CORRUPT; /* TIX-1 */
        last_timestamp_ms = timestamp_ms;
        last_offset = relative_offset;
    }
    if (count > 0 && base_offset > INT64_MAX - last_offset)
        return ERR_CORRUPT; /* no offset is so large */
    return OK;
}

enum err time_index_decode(struct time_index *index, const uint8_t *bytes, size_t size_bytes)
{
    size_t count = size_bytes / TIME_INDEX_ENTRY_BYTES;
    enum err err;

    if (size_bytes % TIME_INDEX_ENTRY_BYTES != 0)
        return ERR_MALFORMED;
    if (count > (size_t)index->count_max + 1)
        return ERR_TOO_LARGE;
    err = check_entries(index->base_offset, bytes, count);
    if (err)
        return err;
    if (!reserve(index, (uint32_t)count))
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++, bytes += TIME_INDEX_ENTRY_BYTES) {
        index->entries[i] = (struct time_index_entry){
            .timestamp_ms = big_endian_get_i64(bytes),
            .relative_offset = big_endian_get_i32(bytes + 8),
        };
    }
    index->count = (uint32_t)count;
    remember_last(index);
    return OK;
}
