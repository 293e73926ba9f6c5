/* Lookups by time: from the time index entry below, read on until a record is late enough. */
#include "base/check.h"
#include "storage/batch_reader.h"
#include "storage/log_private.h"

enum { READ_BYTES = 256 << 10, READS_MAX = 16 }; /* at one go */

static void on_lookup_read(struct log_read *read, enum err err);

static bool has_hit(struct log_time_lookup *lookup, const struct batch_header *header,
                    int64_t offset, int64_t timestamp_ms)
{
    if (timestamp_ms < lookup->timestamp_ms)
        return false;
    lookup->found_offset = offset;
    lookup->found_timestamp_ms = timestamp_ms;
    lookup->found_leader_epoch = header->leader_epoch;
    return true;
}

/* The first record of the batch that is late enough. */
static enum err search_batch(struct log_time_lookup *lookup, const uint8_t *bytes,
                             const struct batch_header *header, bool *found_out)
{
    struct compression_context *context = compression_context_create();
    struct batch_reader reader;
    struct record record;
    int64_t offset;
    int64_t timestamp_ms;
    enum err err;

    batch_reader_init(&reader, context, (size_t)1 << 30);
    err = batch_reader_open(&reader, bytes, header->size_bytes);
    while (err == OK && !*found_out &&
           (err = batch_reader_next(&reader, &record, &offset, &timestamp_ms)) == OK)
        *found_out = offset >= lookup->read.log->offsets.log_start &&
                     has_hit(lookup, header, offset, timestamp_ms);
    batch_reader_deinit(&reader);
    compression_context_destroy(context);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err search_bytes(struct log_time_lookup *lookup, bool *found_out)
{
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;

    batch_walk_init(&walk, lookup->read.bytes, lookup->read.size_bytes);
    while (batch_next(&walk, &header, &bytes) == OK) {
        enum err err;
        if (header.max_timestamp_ms < lookup->timestamp_ms || batch_is_control(&header))
            continue;
        err = search_batch(lookup, bytes, &header, found_out);
        if (err != OK || *found_out)
            return err;
    }
    return OK;
}

/* From scan_offset, which stands behind what was searched; OK: finished (found or at the end). */
static enum err search_on(struct log_time_lookup *lookup)
{
    struct log_read *read = &lookup->read;
    bool found = false;
    enum err err = OK;

    for (uint32_t reads = 0; err == OK && lookup->scan_offset < lookup->bound; reads++) {
        struct log *log = read->log;
        if (reads == READS_MAX)
            return ERR_FULL;
        read->offset = lookup->scan_offset;
        read->bound = lookup->bound;
        read->max_bytes = READ_BYTES;
        read->at_least_one = true;
        read->done = on_lookup_read;
        err = log_read(log, read);
        if (err != OK)
            return err;
        if (read->size_bytes == 0)
            return OK;
        err = search_bytes(lookup, &found);
        lookup->scan_offset = read->end_offset;
        log_read_release(read);
        if (found)
            return err;
    }
    return err;
}

static void on_lookup_read(struct log_read *read, enum err err)
{
    struct log_time_lookup *lookup = container_of(read, struct log_time_lookup, read);
    bool found = false;

    if (err == OK)
        err = search_bytes(lookup, &found);
    if (err == OK && !found) {
        lookup->scan_offset = read->size_bytes == 0 ? lookup->bound : read->end_offset;
        log_read_release(read);
        err = search_on(lookup);
        if (err == ERR_AGAIN)
            return;
    }
    log_read_release(read);
    lookup->done(lookup, err);
}

/* Where a record of at least timestamp_ms can be at the earliest: the first segment whose largest
 * timestamp is late enough, and in it the index entry before. */
static enum err place_lookup(struct log *log, struct log_time_lookup *lookup)
{
    int64_t first_in_memory =
        log->first_unwritten != NULL ? log->first_unwritten->base_offset : log->offsets.log_end;

    lookup->scan_offset = lookup->bound;
    for (uint32_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        struct time_position position;
        enum err err = segment_load_indexes(segment);
        if (err != OK)
            return err;
        if (segment->times.max_timestamp_ms < lookup->timestamp_ms)
            continue;
        position = time_index_find(&segment->times, lookup->timestamp_ms - 1);
        if (!segment->indexes_rebuilt && position.offset < first_in_memory &&
            !segment_time_is_true(segment, &position)) {
            err = segment_rebuild_indexes(segment);
            if (err != OK)
                return err;
            position = time_index_find(&segment->times, lookup->timestamp_ms - 1);
        }
        lookup->scan_offset = position.offset;
        break;
    }
    if (lookup->scan_offset < log->offsets.log_start)
        lookup->scan_offset = log->offsets.log_start;
    return OK;
}

static enum err find_largest(struct log *log, struct log_time_lookup *lookup)
{
    int64_t largest = -1;

    for (uint32_t i = 0; i < log->segment_count; i++) {
        enum err err = segment_load_indexes(log->segments[i]);
        if (err != OK)
            return err;
        if (log->segments[i]->times.max_timestamp_ms > largest)
            largest = log->segments[i]->times.max_timestamp_ms;
    }
    lookup->timestamp_ms = largest < 0 ? INT64_MAX : largest;
    return OK;
}

enum err log_lookup_time(struct log *log, struct log_time_lookup *lookup)
{
    enum err err = OK;

    lookup->found_offset = -1;
    lookup->found_timestamp_ms = -1;
    lookup->found_leader_epoch = -1;
    lookup->read = (struct log_read){.log = log};
    if (log->quarantined)
        return ERR_QUARANTINED;
    if (lookup->max_timestamp)
        err = find_largest(log, lookup);
    if (err == OK)
        err = place_lookup(log, lookup);
    return err == OK ? search_on(lookup) : err;
}

enum err log_lookup_resume(struct log *log, struct log_time_lookup *lookup)
{
    if (log->quarantined)
        return ERR_QUARANTINED;
    lookup->read.log = log;
    if (lookup->scan_offset < log->offsets.log_start)
        lookup->scan_offset = log->offsets.log_start;
    return search_on(lookup);
}

void log_lookup_release(struct log_time_lookup *lookup)
{
    log_read_release(&lookup->read);
}
