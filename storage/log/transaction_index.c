#include "storage/log/transaction_index.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "record/big_endian.h"

#include <string.h>

enum { FIRST_CAPACITY = 16, VERSION = 0 };

void transaction_index_deinit(struct transaction_index *index)
{
    mem_free(index->entries);
    *index = (struct transaction_index){0};
}

void transaction_index_clear(struct transaction_index *index)
{
    index->count = 0;
    index->crc = 0;
    index->is_loaded = true;
}

void transaction_index_expect(struct transaction_index *index, uint32_t count, uint32_t crc)
{
    index->count = count;
    index->crc = crc;
    index->is_loaded = count == 0;
}

void transaction_index_unload(struct transaction_index *index)
{
    mem_free(index->entries);
    index->entries = NULL;
    index->capacity = 0;
    index->is_loaded = index->count == 0;
}

static bool reserve(struct transaction_index *index, uint32_t count)
{
    uint64_t capacity = index->capacity > 0 ? index->capacity : FIRST_CAPACITY;
    struct transaction_index_entry *larger;

    if (count <= index->capacity)
        return true;
    while (capacity < count)
        capacity *= 2;
    larger = mem_try_realloc(index->entries, capacity * sizeof(*larger));
    if (larger == NULL)
        return false;
    index->entries = larger;
    index->capacity = (uint32_t)capacity;
    return true;
}

bool transaction_index_reserve(struct transaction_index *index)
{
    check(index->is_loaded);
    return reserve(index, index->count + 1);
}

static void encode_entry(const struct transaction_index_entry *entry, uint8_t *bytes)
{
    big_endian_put_i16(bytes, VERSION);
    big_endian_put_i64(bytes + 2, entry->producer_id);
    big_endian_put_i64(bytes + 10, entry->first_offset);
    big_endian_put_i64(bytes + 18, entry->last_offset);
    big_endian_put_i64(bytes + 26, entry->last_stable_offset);
}

static bool is_sane(const struct transaction_index_entry *entry, int64_t last_offset)
{
    return entry->last_offset > last_offset && entry->first_offset >= 0 &&
           entry->first_offset < entry->last_offset; /* TRX-1 */
}

void transaction_index_add(struct transaction_index *index,
                           const struct transaction_index_entry *entry)
{
    uint8_t bytes[TRANSACTION_INDEX_ENTRY_BYTES];

    check(index->is_loaded && index->count < index->capacity);
    check(is_sane(entry, index->count > 0 ? index->entries[index->count - 1].last_offset : -1));
    encode_entry(entry, bytes);
    index->crc = crc32c(index->crc, bytes, sizeof(bytes));
    index->entries[index->count++] = *entry;
}

/* The number of entries whose marker stands below offset. */
static uint32_t count_below(const struct transaction_index *index, int64_t offset)
{
    uint32_t low = 0;
    uint32_t high = index->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (index->entries[middle].last_offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void transaction_index_collect(const struct transaction_index *index,
                               struct transaction_index_search *search)
{
    check(index->is_loaded);
    for (uint32_t i = count_below(index, search->from); i < index->count && !search->is_over; i++) {
        const struct transaction_index_entry *entry = &index->entries[i];

        search->is_over = entry->last_stable_offset >= search->bound; /* TRX-2 */
        if (entry->first_offset >= search->bound)
            continue;
        if (search->count < search->max)
            search->out[search->count] =
                (struct aborted_transaction){entry->producer_id, entry->first_offset};
        search->count++;
    }
}

void transaction_index_encode(const struct transaction_index *index, uint32_t from_count,
                              uint8_t *bytes)
{
    check(index->is_loaded);
    for (uint32_t i = from_count; i < index->count; i++, bytes += TRANSACTION_INDEX_ENTRY_BYTES)
        encode_entry(&index->entries[i], bytes);
}

enum err transaction_index_decode(struct transaction_index *index, const uint8_t *bytes,
                                  size_t size_bytes)
{
    int64_t last_offset = -1;

    if (size_bytes < transaction_index_size_bytes(index))
        return ERR_TRUNCATED;
    if (crc32c(0, bytes, transaction_index_size_bytes(index)) != index->crc)
        return ERR_CORRUPT; /* TRX-3 */
    if (!reserve(index, index->count))
        return ERR_NOMEM;
    for (uint32_t i = 0; i < index->count; i++, bytes += TRANSACTION_INDEX_ENTRY_BYTES) {
        struct transaction_index_entry entry = {
            .producer_id = big_endian_get_i64(bytes + 2),
            .first_offset = big_endian_get_i64(bytes + 10),
            .last_offset = big_endian_get_i64(bytes + 18),
            .last_stable_offset = big_endian_get_i64(bytes + 26),
        };

        if (big_endian_get_i16(bytes) != VERSION || !is_sane(&entry, last_offset))
            return ERR_CORRUPT;
        index->entries[i] = entry;
        last_offset = entry.last_offset;
    }
    index->is_loaded = true;
    return OK;
}
