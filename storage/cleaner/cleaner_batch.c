#include "storage/cleaner/cleaner_batch.h"

#include "base/check.h"
#include "base/mem.h"

#include <string.h>

enum { FIRST_BYTES = 64 << 10, FIRST_ABORTS = 16, AHEAD = 32 };

/* ---- bytes */

void cleaner_bytes_deinit(struct cleaner_bytes *bytes)
{
    mem_free(bytes->bytes);
    *bytes = (struct cleaner_bytes){0};
}

/* Room for more_bytes behind what is there. */
static enum err reserve(struct cleaner_bytes *bytes, size_t more_bytes)
{
    size_t needed_bytes = bytes->size_bytes + more_bytes;
    size_t capacity_bytes = bytes->capacity_bytes == 0 ? FIRST_BYTES : bytes->capacity_bytes * 2;
    uint8_t *larger;

    if (needed_bytes <= bytes->capacity_bytes)
        return OK;
    if (capacity_bytes < needed_bytes)
        capacity_bytes = needed_bytes;
    larger = mem_try_realloc(bytes->bytes, capacity_bytes);
    if (larger == NULL)
        return ERR_NOMEM;
    bytes->bytes = larger;
    bytes->capacity_bytes = capacity_bytes;
    return OK;
}

static enum err append(struct cleaner_bytes *bytes, const void *from, size_t size_bytes)
{
    enum err err = reserve(bytes, size_bytes);

    if (err != OK)
        return err;
    memcpy(bytes->bytes + bytes->size_bytes, from, size_bytes);
    bytes->size_bytes += size_bytes;
    return OK;
}

/* ---- life */

void cleaner_batch_init(struct cleaner_batch *batch, size_t uncompressed_max_bytes)
{
    batch_reader_init(&batch->reader, batch->context, uncompressed_max_bytes);
    batch->keep = (struct cleaner_bytes){0};
    batch->records = (struct cleaner_bytes){0};
    batch->aborts = (struct cleaner_offsets){0};
    batch->counts = (struct cleaner_batch_counts){0};
    batch->decoded_bytes = 0;
    batch->space_bytes = 0;
}

void cleaner_batch_deinit(struct cleaner_batch *batch)
{
    batch_reader_deinit(&batch->reader);
    cleaner_bytes_deinit(&batch->keep);
    cleaner_bytes_deinit(&batch->records);
    mem_free(batch->aborts.items);
}

void cleaner_batch_shrink(struct cleaner_batch *batch)
{
    size_t max_bytes = batch->reader.uncompressed_max_bytes;

    if (batch->records.capacity_bytes > CLEANER_KEPT_BYTES)
        cleaner_bytes_deinit(&batch->records);
    if (batch->keep.capacity_bytes > CLEANER_KEPT_BYTES)
        cleaner_bytes_deinit(&batch->keep);
    if (batch->space_bytes > CLEANER_KEPT_BYTES) {
        batch_reader_deinit(&batch->reader);
        batch_reader_init(&batch->reader, batch->context, max_bytes);
        batch->space_bytes = 0;
    }
}

bool cleaner_batch_marker(const uint8_t *bytes, const struct batch_header *header,
                          struct control_marker *out)
{
    return batch_is_control(header) && batch_has_producer(header) &&
           control_parse_marker(bytes, header, out) == OK;
}

static enum err open_batch(struct cleaner_batch *batch, const uint8_t *bytes,
                           const struct batch_header *header)
{
    enum err err = batch_reader_open(&batch->reader, bytes, header->size_bytes);

    if (err != OK)
        return err;
    batch->decoded_bytes += batch->reader.walk.size_bytes;
    if (batch->reader.walk.bytes == batch->reader.space)
        batch->space_bytes = batch->reader.walk.size_bytes;
    return OK;
}

/* ---- the map */

static enum cleaner_fate fate_of(const struct cleaner_batch *batch,
                                 const struct batch_header *header)
{
    if (!batch_is_transactional(header) || !batch_has_producer(header))
        return CLEANER_COMMITTED;
    if (header->base_offset >= batch->decided_end)
        return CLEANER_UNDECIDED;
    return cleaner_transactions_fate(batch->transactions, header->producer_id,
                                     batch_last_offset(header));
}

/* Records whose places in the map are on their way. */
struct ahead {
    struct {
        struct cleaner_key key;
        int64_t offset;
        bool has_key;
        bool has_value;
    } at[AHEAD];
    uint32_t count;
};

/* The next few records at or above from_offset.  ERR_NOT_FOUND: those are the last. */
static enum err read_ahead(struct cleaner_batch *batch, struct ahead *ahead, int64_t from_offset)
{
    struct record record;
    int64_t offset;
    enum err err = OK;

    ahead->count = 0;
    while (ahead->count < AHEAD &&
           (err = batch_reader_next(&batch->reader, &record, &offset, NULL)) == OK) {
        if (offset < from_offset)
            continue;
        ahead->at[ahead->count].offset = offset;
        ahead->at[ahead->count].has_key = record.key_bytes >= 0;
        ahead->at[ahead->count].has_value = record.value_bytes >= 0;
        if (record.key_bytes >= 0)
            ahead->at[ahead->count].key =
                cleaner_map_key(batch->map, record.key, (size_t)record.key_bytes);
        ahead->count++;
    }
    return err;
}

static enum err map_ahead(struct cleaner_batch *batch, const struct ahead *ahead,
                          int64_t *full_offset_out)
{
    for (uint32_t i = 0; i < ahead->count; i++) {
        enum err err = OK;
        if (ahead->at[i].has_key)
            err = cleaner_map_put(batch->map, ahead->at[i].key, ahead->at[i].offset);
        if (err == ERR_FULL)
            *full_offset_out = ahead->at[i].offset;
        if (err != OK)
            return err;
    }
    return OK;
}

enum err cleaner_batch_map(struct cleaner_batch *batch, const uint8_t *bytes,
                           const struct batch_header *header, int64_t from_offset,
                           int64_t *full_offset_out)
{
    struct ahead ahead;
    enum err err;

    if (batch_last_offset(header) < from_offset || batch_is_control(header) ||
        header->record_count == 0 || fate_of(batch, header) != CLEANER_COMMITTED)
        return OK;
    if (!batch_crc_is_good(bytes, header))
        return ERR_CORRUPT;
    err = open_batch(batch, bytes, header);
    while (err == OK) {
        enum err mapped;
        err = read_ahead(batch, &ahead, from_offset);
        if (err != OK && err != ERR_NOT_FOUND)
            break;
        mapped = map_ahead(batch, &ahead, full_offset_out);
        err = mapped != OK ? mapped : err;
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

/* ---- what is left of a batch */

/* Below it no older value of a key stays behind a newer one: a tombstone's time may begin there,
 * and end.  Above it is what the map does not know, or what may yet be committed with an older
 * value. */
static int64_t settled_end(const struct cleaner_batch *batch)
{
    int64_t end = cleaner_transactions_first_undecided(batch->transactions);

    if (end > batch->decided_end)
        end = batch->decided_end;
    return end < batch->map_end ? end : batch->map_end;
}

static bool is_kept(struct cleaner_batch *batch, const struct ahead *ahead, uint32_t i)
{
    const struct batch_header *header = &batch->reader.header;
    int64_t offset = ahead->at[i].offset;

    if (offset >= batch->map_end)
        return true;
    if (!ahead->at[i].has_key) {
        batch->counts.keyless++;
        return false;
    }
    if (offset < cleaner_map_find(batch->map, ahead->at[i].key))
        return false;
    return ahead->at[i].has_value || !batch_has_delete_horizon(header) ||
           batch->now_ms < header->base_timestamp_ms || offset >= settled_end(batch); /* CLB-3 */
}

struct kept {
    uint32_t count;
    bool has_tombstone; /* whose time begins now */
};

/* Which records stay (CLB-1): a bit each. */
static enum err choose(struct cleaner_batch *batch, struct kept *out)
{
    struct ahead ahead;
    uint32_t at = 0;
    enum err err;

    *out = (struct kept){0};
    if ((size_t)batch->reader.header.record_count > batch->reader.walk.size_bytes)
        return ERR_MALFORMED; /* or negative */
    batch->keep.size_bytes = 0;
    err = reserve(&batch->keep, (size_t)batch->reader.header.record_count / 8 + 1);
    if (err != OK)
        return err;
    memset(batch->keep.bytes, 0, (size_t)batch->reader.header.record_count / 8 + 1);
    while (err == OK) {
        err = read_ahead(batch, &ahead, INT64_MIN);
        for (uint32_t i = 0; i < ahead.count; i++, at++) {
            if (!is_kept(batch, &ahead, i))
                continue;
            batch->keep.bytes[at / 8] |= (uint8_t)(1U << (at % 8));
            out->count++;
            out->has_tombstone |= !ahead.at[i].has_value && ahead.at[i].offset < settled_end(batch);
        }
    }
    batch->counts.records_in += at;
    return err == ERR_NOT_FOUND ? OK : err;
}

/* The records that stay, as they are or with deltas to base_timestamp_ms; *max_out: the latest. */
static enum err encode_records(struct cleaner_batch *batch, int64_t base_timestamp_ms,
                               int64_t *max_out)
{
    const struct batch_header *header = &batch->reader.header;
    struct record_walk *walk = &batch->reader.walk;
    bool is_same = base_timestamp_ms == header->base_timestamp_ms;
    struct record record;
    enum err err = OK;

    *max_out = INT64_MIN;
    batch->records.size_bytes = 0;
    err = reserve(&batch->records, walk->size_bytes); /* not twice as much in the end */
    record_walk_init(walk, walk->bytes, walk->size_bytes, header->record_count);
    for (uint32_t at = 0; err == OK; at++) {
        size_t from = walk->pos;
        int64_t timestamp_ms;
        size_t size_bytes;
        err = record_next(walk, &record);
        if (err != OK || (batch->keep.bytes[at / 8] >> (at % 8) & 1) == 0)
            continue;
        timestamp_ms =
            (int64_t)((uint64_t)header->base_timestamp_ms + (uint64_t)record.timestamp_delta_ms);
        if (timestamp_ms > *max_out)
            *max_out = timestamp_ms;
        if (is_same) {
            err = append(&batch->records, walk->bytes + from, walk->pos - from);
            continue;
        }
        record.timestamp_delta_ms = (int64_t)((uint64_t)timestamp_ms - (uint64_t)base_timestamp_ms);
        size_bytes = record_size(&record);
        err = size_bytes == 0 ? ERR_TOO_LARGE : reserve(&batch->records, size_bytes);
        if (err != OK)
            break;
        check(record_encode(&record, batch->records.bytes + batch->records.size_bytes,
                            size_bytes) == size_bytes);
        batch->records.size_bytes += size_bytes;
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

/* batch->records as they are to be stored, at bytes->size_bytes + the header's room. */
static enum err put_records(struct cleaner_batch *batch, struct cleaner_bytes *out,
                            size_t *size_out)
{
    int codec = batch_codec(&batch->reader.header);
    size_t records_bytes = batch->records.size_bytes;
    size_t room_bytes = codec == COMPRESSION_NONE
                            ? records_bytes
                            : compression_bound((enum compression)codec, records_bytes);
    enum err err = reserve(out, BATCH_HEADER_BYTES + room_bytes);
    uint8_t *to;

    if (err != OK)
        return err;
    to = out->bytes + out->size_bytes + BATCH_HEADER_BYTES;
    if (codec == COMPRESSION_NONE) {
        memcpy(to, batch->records.bytes, records_bytes);
        *size_out = records_bytes;
        return OK;
    }
    return compression_compress(batch->context, codec, COMPRESSION_LEVEL_DEFAULT,
                                batch->records.bytes, records_bytes, to, room_bytes, size_out);
}

static void put_batch(struct cleaner_bytes *out, struct batch_header *header, size_t records_bytes)
{
    uint8_t *at = out->bytes + out->size_bytes;

    header->size_bytes = (uint32_t)(BATCH_HEADER_BYTES + records_bytes);
    batch_put_header(at, header);
    batch_set_crc(at, header->size_bytes);
    out->size_bytes += header->size_bytes;
}

/* CLB-2, with those records that stay; horizon_ms -1: none, or the one that it has. */
static enum err rebuild(struct cleaner_batch *batch, uint32_t record_count, int64_t horizon_ms,
                        struct cleaner_bytes *out)
{
    struct batch_header header = batch->reader.header;
    int64_t max_timestamp_ms;
    size_t records_bytes = 0;
    enum err err;

    if (horizon_ms >= 0) {
        header.base_timestamp_ms = horizon_ms;
        header.attributes = (int16_t)(header.attributes | BATCH_DELETE_HORIZON);
    }
    err = encode_records(batch, header.base_timestamp_ms, &max_timestamp_ms);
    if (err == OK)
        err = put_records(batch, out, &records_bytes);
    if (err != OK)
        return err;
    if (records_bytes > (size_t)INT32_MAX - BATCH_HEADER_BYTES)
        return ERR_TOO_LARGE;
    if (!batch_is_log_append_time(&header))
        header.max_timestamp_ms = max_timestamp_ms;
    header.record_count = (int32_t)record_count;
    put_batch(out, &header, records_bytes);
    return OK;
}

/* Nothing but its header: what a producer's state, or the end of a segment, needs of it. */
static enum err put_empty(const struct batch_header *from, struct cleaner_bytes *out)
{
    struct batch_header header = *from;
    enum err err = reserve(out, BATCH_HEADER_BYTES);

    if (err != OK)
        return err;
    header.attributes = (int16_t)(header.attributes & ~(BATCH_CODEC_MASK | BATCH_DELETE_HORIZON));
    header.base_timestamp_ms = header.max_timestamp_ms;
    header.record_count = 0;
    put_batch(out, &header, 0);
    return OK;
}

static enum err keep_whole(struct cleaner_batch *batch, const uint8_t *bytes,
                           const struct batch_header *header, struct cleaner_bytes *out)
{
    batch->counts.records_out += header->record_count > 0 ? (uint64_t)header->record_count : 0;
    return append(out, bytes, header->size_bytes);
}

/* ---- markers */

static enum err note_abort(struct cleaner_batch *batch, int64_t offset)
{
    struct cleaner_offsets *aborts = &batch->aborts;
    uint32_t capacity = aborts->capacity == 0 ? FIRST_ABORTS : aborts->capacity * 2;
    int64_t *larger;

    if (aborts->count == aborts->capacity) {
        larger = mem_try_realloc(aborts->items, capacity * sizeof(*larger));
        if (larger == NULL)
            return ERR_NOMEM;
        aborts->items = larger;
        aborts->capacity = capacity;
    }
    aborts->items[aborts->count++] = offset;
    return OK;
}

/* delete.retention.ms may be as large as a number can be. */
static int64_t horizon_ms(const struct cleaner_batch *batch)
{
    int64_t horizon;

    return __builtin_add_overflow(batch->now_ms, batch->delete_retention_ms, &horizon) ? INT64_MAX
                                                                                       : horizon;
}

/* Its time begins. */
static enum err put_horizon(struct cleaner_batch *batch, const uint8_t *bytes,
                            const struct batch_header *header, struct cleaner_bytes *out)
{
    uint32_t count = (uint32_t)header->record_count;
    enum err err = open_batch(batch, bytes, header);

    batch->keep.size_bytes = 0;
    if (err == OK)
        err = reserve(&batch->keep, count / 8 + 1);
    if (err != OK)
        return err;
    memset(batch->keep.bytes, 0xff, count / 8 + 1);
    batch->counts.changed_batches++;
    batch->counts.records_out += count;
    return rebuild(batch, count, horizon_ms(batch), out);
}

/* CLT-2, CLB-3.  What is no end of a transaction stays. */
static enum err filter_control(struct cleaner_batch *batch, const uint8_t *bytes,
                               const struct batch_header *header, bool must_stay,
                               struct cleaner_bytes *out)
{
    struct control_marker marker;
    bool has_data;
    enum err err = OK;

    if (!cleaner_batch_marker(bytes, header, &marker))
        return keep_whole(batch, bytes, header, out);
    has_data = cleaner_transactions_end(batch->transactions, header->producer_id) ||
               header->base_offset >= batch->decided_end;
    if (!has_data && !must_stay && batch_has_delete_horizon(header) &&
        batch->now_ms >= header->base_timestamp_ms) {
        batch->counts.changed_batches++;
        return OK;
    }
    if (!marker.commit)
        err = note_abort(batch, header->base_offset);
    if (err != OK)
        return err;
    if (has_data || batch_has_delete_horizon(header))
        return keep_whole(batch, bytes, header, out);
    return put_horizon(batch, bytes, header, out);
}

/* ---- data */

static enum err drop(struct cleaner_batch *batch, const uint8_t *bytes,
                     const struct batch_header *header, bool must_stay, struct cleaner_bytes *out)
{
    enum err err = OK;

    if (must_stay && header->record_count == 0)
        return append(out, bytes, header->size_bytes);
    batch->counts.changed_batches++;
    if (must_stay)
        err = put_empty(header, out);
    return err;
}

static enum err filter_data(struct cleaner_batch *batch, const uint8_t *bytes,
                            const struct batch_header *header, bool must_stay,
                            struct cleaner_bytes *out)
{
    enum cleaner_fate fate = fate_of(batch, header);
    struct kept kept;
    enum err err;

    if (fate == CLEANER_UNDECIDED)
        return keep_whole(batch, bytes, header, out);
    if (fate == CLEANER_ABORTED || header->record_count == 0) {
        batch->counts.records_in += header->record_count > 0 ? (uint64_t)header->record_count : 0;
        return drop(batch, bytes, header, must_stay, out);
    }
    err = open_batch(batch, bytes, header);
    if (err == OK)
        err = choose(batch, &kept);
    if (err != OK)
        return err;
    if (kept.count == 0)
        return drop(batch, bytes, header, must_stay, out);
    if (kept.count == (uint32_t)header->record_count &&
        (!kept.has_tombstone || batch_has_delete_horizon(header)))
        return keep_whole(batch, bytes, header, out);
    batch->counts.changed_batches++;
    batch->counts.records_out += kept.count;
    return rebuild(batch, kept.count,
                   kept.has_tombstone && !batch_has_delete_horizon(header) ? horizon_ms(batch) : -1,
                   out);
}

enum err cleaner_batch_filter(struct cleaner_batch *batch, const uint8_t *bytes,
                              const struct batch_header *header, bool must_stay,
                              struct cleaner_bytes *out)
{
    size_t before_bytes = out->size_bytes;
    enum err err;

    if (!batch_crc_is_good(bytes, header))
        return ERR_CORRUPT;
    must_stay = must_stay || cleaner_producers_need(batch->producers, header);
    if (batch_is_control(header))
        return filter_control(batch, bytes, header, must_stay, out);
    err = filter_data(batch, bytes, header, must_stay, out);
    if (err == OK && out->size_bytes > before_bytes && batch_is_transactional(header) &&
        batch_has_producer(header))
        err = cleaner_transactions_stays(batch->transactions, header->producer_id);
    return err;
}
