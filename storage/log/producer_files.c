#include "storage/log/producer_files.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "record/big_endian.h"
#include "record/little_endian.h"

#include <string.h>

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_CRC_POS = 2,
    SNAPSHOT_CRC_FROM_POS = 6,
    SNAPSHOT_HEAD_BYTES = 10,
    SNAPSHOT_ENTRY_BYTES = 46,

    WINDOW_FORMAT_FIRST = 1, /* nothing behind the producers */
    WINDOW_FORMAT = 2,
    WINDOW_FORMAT_POS = 8,
    WINDOW_CRC_POS = 12,
    WINDOW_CRC_FROM_POS = 16,
    WINDOW_HEAD_BYTES = 28,
    WINDOW_ENTRY_BYTES = 40,
    WINDOW_BATCH_BYTES = 28,
    WINDOW_BATCHES_MAX = 5, /* of the format */
};

static const char window_magic[8] = {'L', 'V', 'E', 'E', 'P', 'W', 'I', 'N'};

_Static_assert((int)PRODUCER_WINDOW <= (int)WINDOW_BATCHES_MAX, "the file holds every batch");

/* ---- what both formats ask */

static bool batch_is_sane(const struct producer_batch *batch, int64_t end_offset)
{
    return batch->first_sequence >= 0 && batch->last_sequence >= 0 && batch->offset_delta >= 0 &&
           batch->last_offset >= batch->offset_delta && batch->last_offset < end_offset &&
           batch->last_sequence == batch_sequence_add(batch->first_sequence, batch->offset_delta);
}

/* PST-2, as far as it is true of verbatim batches too: offsets grow, sequences may jump. */
static bool entry_is_sane(const struct producer_entry *entry, int64_t end_offset)
{
    if (entry->epoch < BATCH_NO_PRODUCER_EPOCH || entry->txn_first_offset < -1 ||
        entry->txn_first_offset >= end_offset)
        return false;
    for (uint8_t i = 0; i < entry->batch_count; i++) {
        const struct producer_batch *batch = &entry->batches[i];

        if (!batch_is_sane(batch, end_offset))
            return false;
        if (i > 0 && batch->last_offset - batch->offset_delta <= entry->batches[i - 1].last_offset)
            return false;
    }
    return true;
}

/* ---- Kafka's snapshot */

size_t producer_snapshot_size(const struct producer_state *ps)
{
    return SNAPSHOT_HEAD_BYTES + (size_t)ps->count * SNAPSHOT_ENTRY_BYTES;
}

static void put_snapshot_entry(uint8_t *to, const struct producer_entry *entry)
{
    struct producer_batch newest = {
        .last_sequence = BATCH_NO_SEQUENCE,
        .last_offset = -1,
    };

    if (entry->batch_count > 0)
        newest = entry->batches[entry->batch_count - 1];
    big_endian_put_i64(to, entry->producer_id);
    big_endian_put_i16(to + 8, entry->epoch);
    big_endian_put_i32(to + 10, newest.last_sequence);
    big_endian_put_i64(to + 14, newest.last_offset);
    big_endian_put_i32(to + 22, newest.offset_delta);
    big_endian_put_i64(to + 26, entry->last_timestamp_ms);
    big_endian_put_i32(to + 34, entry->coordinator_epoch);
    big_endian_put_i64(to + 38, entry->txn_first_offset);
}

void producer_snapshot_encode(const struct producer_state *ps, uint8_t *bytes)
{
    size_t size_bytes = producer_snapshot_size(ps);
    uint8_t *to = bytes + SNAPSHOT_HEAD_BYTES;

    big_endian_put_i16(bytes, SNAPSHOT_VERSION);
    big_endian_put_u32(bytes + SNAPSHOT_CRC_FROM_POS, ps->count);
    for (const struct producer_entry *entry = producer_state_next(ps, NULL); entry;
         entry = producer_state_next(ps, entry)) {
        put_snapshot_entry(to, entry);
        to += SNAPSHOT_ENTRY_BYTES;
    }
    check((size_t)(to - bytes) == size_bytes);
    big_endian_put_u32(bytes + SNAPSHOT_CRC_POS, crc32c(0, bytes + SNAPSHOT_CRC_FROM_POS,
                                                        size_bytes - SNAPSHOT_CRC_FROM_POS));
}

static void get_snapshot_entry(const uint8_t *from, int64_t now_ms, struct producer_entry *out)
{
    struct producer_batch newest = {
        .last_sequence = big_endian_get_i32(from + 10),
        .last_offset = big_endian_get_i64(from + 14),
        .offset_delta = big_endian_get_i32(from + 22),
        .timestamp_ms = big_endian_get_i64(from + 26),
    };

    *out = (struct producer_entry){
        .producer_id = big_endian_get_i64(from),
        .epoch = big_endian_get_i16(from + 8),
        .coordinator_epoch = big_endian_get_i32(from + 34),
        .last_timestamp_ms = newest.timestamp_ms,
        .last_seen_ms = now_ms,
        .txn_first_offset = big_endian_get_i64(from + 38),
    };
    if (newest.last_offset < 0 || newest.last_sequence < 0)
        return;
    newest.first_sequence = batch_sequence_subtract(newest.last_sequence, newest.offset_delta);
    out->batches[0] = newest;
    out->batch_count = 1;
}

static enum err read_snapshot(struct producer_state *ps, int64_t end_offset, int64_t now_ms,
                              const uint8_t *bytes, size_t size_bytes)
{
    const uint8_t *from = bytes + SNAPSHOT_HEAD_BYTES;
    uint64_t count;

    if (size_bytes < SNAPSHOT_HEAD_BYTES)
        return ERR_TRUNCATED;
    if (big_endian_get_i16(bytes) != SNAPSHOT_VERSION)
        return big_endian_get_i16(bytes) > SNAPSHOT_VERSION ? ERR_NEWER_FORMAT : ERR_MALFORMED;
    if (crc32c(0, bytes + SNAPSHOT_CRC_FROM_POS, size_bytes - SNAPSHOT_CRC_FROM_POS) !=
        big_endian_get_u32(bytes + SNAPSHOT_CRC_POS))
        return ERR_CORRUPT;
    count = big_endian_get_u32(bytes + SNAPSHOT_CRC_FROM_POS);
    if (count * SNAPSHOT_ENTRY_BYTES != size_bytes - SNAPSHOT_HEAD_BYTES)
        return ERR_MALFORMED;
    for (uint64_t i = 0; i < count; i++, from += SNAPSHOT_ENTRY_BYTES) {
        struct producer_entry entry;
        enum err err;

        get_snapshot_entry(from, now_ms, &entry);
        if (!entry_is_sane(&entry, end_offset))
            return ERR_MALFORMED;
        err = producer_state_restore(ps, &entry);
        if (err)
            return err;
    }
    return OK;
}

enum err producer_snapshot_decode(struct producer_state *ps, int64_t end_offset, int64_t now_ms,
                                  const uint8_t *bytes, size_t size_bytes)
{
    enum err err;

    producer_state_clear(ps, end_offset);
    err = read_snapshot(ps, end_offset, now_ms, bytes, size_bytes);
    if (err)
        producer_state_clear(ps, 0);
    return err;
}

/* ---- our window file */

size_t producer_window_size(const struct producer_state *ps)
{
    size_t size_bytes = WINDOW_HEAD_BYTES;

    for (const struct producer_entry *entry = producer_state_next(ps, NULL); entry;
         entry = producer_state_next(ps, entry))
        size_bytes += WINDOW_ENTRY_BYTES + (size_t)entry->batch_count * WINDOW_BATCH_BYTES;
    return size_bytes;
}

static uint8_t *put_window_entry(uint8_t *to, const struct producer_entry *entry)
{
    little_endian_put_u64(to, (uint64_t)entry->producer_id);
    little_endian_put_u16(to + 8, (uint16_t)entry->epoch);
    little_endian_put_u16(to + 10, entry->batch_count);
    little_endian_put_u32(to + 12, (uint32_t)entry->coordinator_epoch);
    little_endian_put_u64(to + 16, (uint64_t)entry->last_timestamp_ms);
    little_endian_put_u64(to + 24, (uint64_t)entry->last_seen_ms);
    little_endian_put_u64(to + 32, (uint64_t)entry->txn_first_offset);
    to += WINDOW_ENTRY_BYTES;
    for (uint8_t i = 0; i < entry->batch_count; i++, to += WINDOW_BATCH_BYTES) {
        const struct producer_batch *batch = &entry->batches[i];

        little_endian_put_u32(to, (uint32_t)batch->first_sequence);
        little_endian_put_u32(to + 4, (uint32_t)batch->last_sequence);
        little_endian_put_u64(to + 8, (uint64_t)batch->last_offset);
        little_endian_put_u32(to + 16, (uint32_t)batch->offset_delta);
        little_endian_put_u64(to + 20, (uint64_t)batch->timestamp_ms);
    }
    return to;
}

void producer_window_encode(const struct producer_state *ps, uint8_t *bytes, size_t size_bytes)
{
    uint8_t *to = bytes + WINDOW_HEAD_BYTES;

    memcpy(bytes, window_magic, sizeof(window_magic));
    little_endian_put_u32(bytes + WINDOW_FORMAT_POS, WINDOW_FORMAT);
    little_endian_put_u64(bytes + WINDOW_CRC_FROM_POS, (uint64_t)ps->end_offset);
    little_endian_put_u32(bytes + WINDOW_CRC_FROM_POS + 8, ps->count);
    for (const struct producer_entry *entry = producer_state_next(ps, NULL); entry;
         entry = producer_state_next(ps, entry))
        to = put_window_entry(to, entry);
    check((size_t)(to - bytes) == producer_window_size(ps));
    little_endian_put_u32(bytes + WINDOW_CRC_POS,
                          crc32c(0, bytes + WINDOW_CRC_FROM_POS, size_bytes - WINDOW_CRC_FROM_POS));
}

/* The size of the entry at the front of from; 0 when it is not all there or has too many batches.
 */
static size_t get_window_entry(const uint8_t *from, size_t left_bytes, struct producer_entry *out)
{
    unsigned batch_count;
    unsigned skipped;

    if (left_bytes < WINDOW_ENTRY_BYTES)
        return 0;
    batch_count = little_endian_get_u16(from + 10);
    if (batch_count > WINDOW_BATCHES_MAX ||
        left_bytes < WINDOW_ENTRY_BYTES + (size_t)batch_count * WINDOW_BATCH_BYTES)
        return 0;
    skipped = batch_count > PRODUCER_WINDOW ? batch_count - PRODUCER_WINDOW : 0;
    *out = (struct producer_entry){
        .producer_id = (int64_t)little_endian_get_u64(from),
        .epoch = (int16_t)little_endian_get_u16(from + 8),
        .batch_count = (uint8_t)(batch_count - skipped),
        .coordinator_epoch = (int32_t)little_endian_get_u32(from + 12),
        .last_timestamp_ms = (int64_t)little_endian_get_u64(from + 16),
        .last_seen_ms = (int64_t)little_endian_get_u64(from + 24),
        .txn_first_offset = (int64_t)little_endian_get_u64(from + 32),
    };
    from += WINDOW_ENTRY_BYTES + (size_t)skipped * WINDOW_BATCH_BYTES;
    for (uint8_t i = 0; i < out->batch_count; i++, from += WINDOW_BATCH_BYTES) {
        out->batches[i] = (struct producer_batch){
            .first_sequence = (int32_t)little_endian_get_u32(from),
            .last_sequence = (int32_t)little_endian_get_u32(from + 4),
            .last_offset = (int64_t)little_endian_get_u64(from + 8),
            .offset_delta = (int32_t)little_endian_get_u32(from + 16),
            .timestamp_ms = (int64_t)little_endian_get_u64(from + 20),
        };
    }
    return WINDOW_ENTRY_BYTES + (size_t)batch_count * WINDOW_BATCH_BYTES;
}

static enum err read_window(struct producer_state *ps, const uint8_t *bytes, size_t size_bytes,
                            size_t *used_out)
{
    size_t pos = WINDOW_HEAD_BYTES;
    uint32_t format;
    uint32_t count;

    if (size_bytes < WINDOW_HEAD_BYTES)
        return ERR_TRUNCATED;
    if (memcmp(bytes, window_magic, sizeof(window_magic)) != 0)
        return ERR_MALFORMED;
    format = little_endian_get_u32(bytes + WINDOW_FORMAT_POS);
    if (format < WINDOW_FORMAT_FIRST || format > WINDOW_FORMAT)
        return format > WINDOW_FORMAT ? ERR_NEWER_FORMAT : ERR_MALFORMED;
    if (crc32c(0, bytes + WINDOW_CRC_FROM_POS, size_bytes - WINDOW_CRC_FROM_POS) !=
        little_endian_get_u32(bytes + WINDOW_CRC_POS))
        return ERR_CORRUPT;
    ps->end_offset = (int64_t)little_endian_get_u64(bytes + WINDOW_CRC_FROM_POS);
    count = little_endian_get_u32(bytes + WINDOW_CRC_FROM_POS + 8);
    if (ps->end_offset < 0)
        return ERR_MALFORMED;
    for (uint32_t i = 0; i < count; i++) {
        struct producer_entry entry;
        size_t used_bytes = get_window_entry(bytes + pos, size_bytes - pos, &entry);
        enum err err;

        if (used_bytes == 0 || !entry_is_sane(&entry, ps->end_offset))
            return ERR_MALFORMED;
        err = producer_state_restore(ps, &entry);
        if (err)
            return err;
        pos += used_bytes;
    }
    *used_out = pos;
    return pos == size_bytes || format > WINDOW_FORMAT_FIRST ? OK : ERR_MALFORMED;
}

enum err producer_window_decode(struct producer_state *ps, const uint8_t *bytes, size_t size_bytes,
                                size_t *used_out)
{
    enum err err;

    producer_state_clear(ps, 0);
    err = read_window(ps, bytes, size_bytes, used_out);
    if (err)
        producer_state_clear(ps, 0);
    return err;
}
