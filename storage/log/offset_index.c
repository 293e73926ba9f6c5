#include "storage/log/offset_index.h"

#include "base/check.h"
#include "base/mem.h"
#include "record/big_endian.h"

#include <string.h>

enum { FIRST_CAPACITY = 16 };

void offset_index_init(struct offset_index *index, int64_t base_offset, uint32_t interval_bytes,
                       uint32_t count_max)
{
    check(base_offset >= 0);
    *index = (struct offset_index){
        .base_offset = base_offset,
        .interval_bytes = interval_bytes,
        .count_max = count_max,
    };
}

void offset_index_deinit(struct offset_index *index)
{
    mem_free(index->entries);
    *index = (struct offset_index){0};
}

static bool reserve(struct offset_index *index, uint32_t count)
{
    uint32_t capacity = index->capacity > 0 ? index->capacity : FIRST_CAPACITY;
    struct offset_index_entry *larger;

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

static bool is_out_of_reach(const struct offset_index *index, int64_t offset)
{
    return offset < index->base_offset || offset - index->base_offset > INT32_MAX;
}

static void add_entry(struct offset_index *index, int64_t offset, uint64_t pos)
{
    const struct offset_index_entry *last =
        index->count > 0 ? &index->entries[index->count - 1] : NULL;
    int32_t relative_offset;

    if (index->count >= index->count_max || is_out_of_reach(index, offset) || pos > INT32_MAX)
        return;
    relative_offset = (int32_t)(offset - index->base_offset);
    if (last && (relative_offset <= last->relative_offset || pos <= last->pos))
        return; /* OIX-1 */
    if (!reserve(index, index->count + 1))
        return;
    index->entries[index->count++] = (struct offset_index_entry){relative_offset, (uint32_t)pos};
}

bool offset_index_add_batch(struct offset_index *index, int64_t last_offset, uint64_t pos,
                            uint32_t size_bytes)
{
    bool due = index->bytes_since_entry > index->interval_bytes;

    if (due) {
        add_entry(index, last_offset, pos);
        index->bytes_since_entry = 0;
    }
    index->bytes_since_entry += size_bytes;
    return due;
}

bool offset_index_is_full(const struct offset_index *index, int64_t last_offset)
{
    return index->count >= index->count_max || is_out_of_reach(index, last_offset);
}

static struct offset_position position_of(const struct offset_index *index, uint32_t i)
{
    return (struct offset_position){
        .offset = index->base_offset + index->entries[i].relative_offset,
        .pos = index->entries[i].pos,
    };
}

/* The number of entries with offset <= offset. */
static uint32_t count_up_to_offset(const struct offset_index *index, int64_t offset)
{
    uint32_t low = 0;
    uint32_t high = index->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (index->base_offset + index->entries[middle].relative_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct offset_position offset_index_find(const struct offset_index *index, int64_t offset)
{
    uint32_t count = count_up_to_offset(index, offset);

    if (count == 0)
        return (struct offset_position){.offset = index->base_offset};
    return position_of(index, count - 1);
}

bool offset_index_upper(const struct offset_index *index, uint64_t pos, struct offset_position *out)
{
    uint32_t low = 0;
    uint32_t high = index->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (index->entries[middle].pos <= pos)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == index->count)
        return false;
    *out = position_of(index, low);
    return true;
}

bool offset_index_last(const struct offset_index *index, struct offset_position *out)
{
    if (index->count == 0)
        return false;
    *out = position_of(index, index->count - 1);
    return true;
}

void offset_index_truncate(struct offset_index *index, int64_t offset)
{
    if (offset <= index->base_offset)
        index->count = 0;
    else
        index->count = count_up_to_offset(index, offset - 1);
    index->bytes_since_entry = 0;
}

void offset_index_clear(struct offset_index *index)
{
    index->count = 0;
    index->bytes_since_entry = 0;
}

bool offset_index_fits(const struct offset_index *index, uint64_t segment_bytes,
                       int64_t last_offset)
{
    struct offset_position last;

    if (!offset_index_last(index, &last))
        return true;
    return last.pos < segment_bytes && last.offset <= last_offset; /* OIX-1 covers the others */
}

size_t offset_index_size_bytes(const struct offset_index *index)
{
    return (size_t)index->count * OFFSET_INDEX_ENTRY_BYTES;
}

void offset_index_encode(const struct offset_index *index, uint8_t *bytes)
{
    for (uint32_t i = 0; i < index->count; i++, bytes += OFFSET_INDEX_ENTRY_BYTES) {
        big_endian_put_i32(bytes, index->entries[i].relative_offset);
        big_endian_put_u32(bytes + 4, index->entries[i].pos);
    }
}

static enum err check_entries(int64_t base_offset, const uint8_t *bytes, size_t count)
{
    int32_t last_offset = -1;
    int32_t last_pos = -1;

    for (size_t i = 0; i < count; i++, bytes += OFFSET_INDEX_ENTRY_BYTES) {
        int32_t relative_offset = big_endian_get_i32(bytes);
        int32_t pos = big_endian_get_i32(bytes + 4);

        if (relative_offset <= last_offset || pos <= last_pos)
            return ERR_CORRUPT; /* OIX-1 */
        last_offset = relative_offset;
        last_pos = pos;
    }
    if (count > 0 && base_offset > INT64_MAX - last_offset)
        return ERR_CORRUPT; /* no offset is so large */
    return OK;
}

enum err offset_index_decode(struct offset_index *index, const uint8_t *bytes, size_t size_bytes)
{
    size_t count = size_bytes / OFFSET_INDEX_ENTRY_BYTES;
    enum err err;

    if (size_bytes % OFFSET_INDEX_ENTRY_BYTES != 0)
        return ERR_MALFORMED;
    if (count > index->count_max)
        return ERR_TOO_LARGE;
    err = check_entries(index->base_offset, bytes, count);
    if (err)
        return err;
    if (!reserve(index, (uint32_t)count))
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++, bytes += OFFSET_INDEX_ENTRY_BYTES) {
        index->entries[i] = (struct offset_index_entry){
            .relative_offset = big_endian_get_i32(bytes),
            .pos = big_endian_get_u32(bytes + 4),
        };
    }
    index->count = (uint32_t)count;
    index->bytes_since_entry = 0;
    return OK;
}
