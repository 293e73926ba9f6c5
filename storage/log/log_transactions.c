#include "storage/log/log_transactions.h"

#include "base/check.h"
#include "record/little_endian.h"
#include "storage/log/producer_append.h"
#include "storage/log/segment_aborted.h"

enum { DECIDED_BYTES = 16, SEGMENT_BYTES = 16 };

/* Markers below it hold nobody back.  What a start reads is durable. */
static int64_t settled_below(const struct log *log)
{
    const struct log_offsets *offsets = &log->offsets;

    if (log->env->state == STORE_OPENING || offsets->high_watermark < offsets->durable)
        return offsets->high_watermark;
    return offsets->durable;
}

bool log_transactions_reserve(struct log *log, struct segment *segment)
{
    return unreplicated_reserve(&log->unreplicated) && transaction_index_reserve(&segment->aborted);
}

void log_transactions_ended(struct log *log, struct segment *segment,
                            const struct producer_completed *completed)
{
    int64_t open_offset = producer_state_first_open_offset(&log->producers);
    struct transaction_index_entry entry = {
        .producer_id = completed->producer_id,
        .first_offset = completed->first_offset,
        .last_offset = completed->last_offset,
        .last_stable_offset = open_offset >= 0 ? open_offset : completed->last_offset + 1};

    if (completed->last_offset >= settled_below(log)) /* LTX-2 */
        unreplicated_add(&log->unreplicated, completed->first_offset, completed->last_offset);
    if (!completed->aborted)
        return;
    transaction_index_add(&segment->aborted, &entry); /* LTX-1 */
    segment->aborted_dirty = true;
}

enum err log_transactions_replay(struct log *log, struct segment *segment, const uint8_t *bytes,
                                 const struct batch_header *header, uint64_t owner)
{
    struct producer_completed completed;
    enum err err;

    if (batch_is_control(header) && !log_transactions_reserve(log, segment))
        return ERR_NOMEM;
    err =
        producer_append_replay(&log->producers, bytes, header, owner, log_wall_ms(log), &completed);
    if (err == OK && completed.producer_id >= 0)
        log_transactions_ended(log, segment, &completed);
    return err;
}

int64_t log_transactions_first_unstable(struct log *log)
{
    int64_t open_offset = producer_state_first_open_offset(&log->producers);
    int64_t decided_offset;

    unreplicated_release(&log->unreplicated, settled_below(log));
    decided_offset = unreplicated_first_offset(&log->unreplicated);
    if (open_offset < 0 || (decided_offset >= 0 && decided_offset < open_offset))
        return decided_offset;
    return open_offset;
}

void log_transactions_clear(struct log *log)
{
    unreplicated_clear(&log->unreplicated);
    for (uint32_t i = 0; i < log->segments.count; i++)
        segment_aborted_clear(segment_manifest_at(&log->segments, i));
}

/* ---- in the window file */

static uint32_t count_segments(const struct log *log)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < log->segments.count; i++)
        count += segment_manifest_at(&log->segments, i)->aborted.count > 0;
    return count;
}

size_t log_transactions_size(const struct log *log)
{
    return 4 + (size_t)log->unreplicated.count * DECIDED_BYTES + 4 +
           (size_t)count_segments(log) * SEGMENT_BYTES;
}

void log_transactions_encode(const struct log *log, uint8_t *bytes)
{
    little_endian_put_u32(bytes, log->unreplicated.count);
    bytes += 4;
    for (uint32_t i = 0; i < log->unreplicated.count; i++, bytes += DECIDED_BYTES) {
        struct unreplicated_txn txn = unreplicated_at(&log->unreplicated, i);

        little_endian_put_u64(bytes, (uint64_t)txn.first_offset);
        little_endian_put_u64(bytes + 8, (uint64_t)txn.marker_offset);
    }
    little_endian_put_u32(bytes, count_segments(log));
    bytes += 4;
    for (uint32_t i = 0; i < log->segments.count; i++) {
        const struct segment *segment = segment_manifest_at(&log->segments, i);

        if (segment->aborted.count == 0)
            continue;
        little_endian_put_u64(bytes, (uint64_t)segment->base_offset);
        little_endian_put_u32(bytes + 8, segment->aborted.count);
        little_endian_put_u32(bytes + 12, segment->aborted.crc);
        bytes += SEGMENT_BYTES;
    }
}

static enum err take_decided(struct log *log, const uint8_t *bytes)
{
    int64_t first_offset = (int64_t)little_endian_get_u64(bytes);
    int64_t marker_offset = (int64_t)little_endian_get_u64(bytes + 8);
    const struct unreplicated *un = &log->unreplicated;

    if (first_offset < 0 || first_offset >= marker_offset ||
        marker_offset >= log->producers.end_offset ||
        (un->count > 0 && unreplicated_at(un, un->count - 1).marker_offset >= marker_offset))
        return ERR_MALFORMED;
    if (!unreplicated_reserve(&log->unreplicated))
        return ERR_NOMEM;
    if (marker_offset >= settled_below(log))
        unreplicated_add(&log->unreplicated, first_offset, marker_offset);
    return OK;
}

/* Segments that retention has taken since are not there; one that is missing between others was
 * compacted since, and what its index had is in another one's. */
static enum err take_segment(struct log *log, const uint8_t *bytes)
{
    int64_t base_offset = (int64_t)little_endian_get_u64(bytes);
    uint32_t index = 0;
    struct segment *segment = segment_manifest_find(&log->segments, base_offset, &index);
    enum err err;

    if (segment == NULL)
        return OK;
    if (segment->base_offset != base_offset)
        return ERR_CORRUPT;
    transaction_index_expect(&segment->aborted, little_endian_get_u32(bytes + 8),
                             little_endian_get_u32(bytes + 12));
    if (segment->aborted.count == 0)
        return OK;
    err = segment_aborted_load(segment);
    if (err != OK && err != ERR_NOMEM)
        log_line(log->env->sink, LOG_WARN, "LVE-2210",
                 "indexes of a segment were lost or wrong and were built anew",
                 log_str("dir", log->dir), log_i64("base_offset", base_offset));
    return err;
}

/* A counted list of parts of part_bytes; *bytes and *left_bytes move behind it. */
static enum err take_list(struct log *log, const uint8_t **bytes, size_t *left_bytes,
                          size_t part_bytes,
                          enum err (*take)(struct log *log, const uint8_t *bytes))
{
    uint64_t count;
    enum err err = OK;

    if (*left_bytes < 4)
        return ERR_MALFORMED;
    count = little_endian_get_u32(*bytes);
    *bytes += 4;
    *left_bytes -= 4;
    if (count * part_bytes > *left_bytes)
        return ERR_MALFORMED;
    *left_bytes -= (size_t)count * part_bytes;
    for (; count > 0 && err == OK; count--, *bytes += part_bytes)
        err = take(log, *bytes);
    return err;
}

enum err log_transactions_decode(struct log *log, const uint8_t *bytes, size_t size_bytes)
{
    enum err err = take_list(log, &bytes, &size_bytes, DECIDED_BYTES, take_decided);

    if (err == OK)
        err = take_list(log, &bytes, &size_bytes, SEGMENT_BYTES, take_segment);
    return err == OK && size_bytes > 0 ? ERR_MALFORMED : err;
}
