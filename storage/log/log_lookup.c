/* Lookups by time: from the time index entry below, read on until a record is late enough. */
#include "base/check.h"
#include "storage/log/log_private.h"

enum {
    READ_BYTES = 256 << 10,
    READS_MAX = 16,         /* at one go */
    READ_BYTES_A_WORK = 12, /* copying them, or their checksum, takes 0.2 ns each */
};

static void on_lookup_read(struct log_read *read, enum err err);

static void take_found(struct log_time_lookup *lookup, const struct batch_search *search)
{
    lookup->found_offset = search->found_offset;
    lookup->found_timestamp_ms = search->found_timestamp_ms;
    lookup->found_leader_epoch = search->found_leader_epoch;
}

/* What this go may still cost. */
static uint64_t left_work_bytes(const struct log_time_lookup *lookup)
{
    return lookup->work_bytes < lookup->work_max_bytes ? lookup->work_max_bytes - lookup->work_bytes
                                                       : 0;
}

/* Look into a batch, as far as this go allows. */
static enum err search_batch(struct log_time_lookup *lookup, const uint8_t *bytes,
                             const struct batch_header *header, bool *found_out)
{
    struct batch_search search = log_lookup_search(lookup);
    enum err err = ERR_FULL;

    search.work_max_bytes = left_work_bytes(lookup);
    if (search.work_max_bytes > 0)
        err = batch_search(&search, lookup->context, bytes, header);
    lookup->work_bytes += search.work_bytes;
    if (err == ERR_FULL) {
        lookup->batch = bytes;
        lookup->batch_had_bytes = search.work_max_bytes;
    } else if (err == OK && search.found) {
        take_found(lookup, &search);
        *found_out = true;
    }
    return err;
}

/* The batches that were read, from search_pos on. */
static enum err search_read(struct log_time_lookup *lookup, bool *found_out)
{
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;
    enum err err = OK;

    batch_walk_init(&walk, lookup->read.bytes, lookup->read.size_bytes);
    for (walk.pos = lookup->search_pos; err == OK && !*found_out;
         lookup->search_pos = (uint32_t)walk.pos) {
        if (batch_next(&walk, &header, &bytes) != OK)
            return OK;
        if (header.max_timestamp_ms >= lookup->timestamp_ms) /* markers too, as in Kafka */
            err = search_batch(lookup, bytes, &header, found_out);
        if (err != OK)
            return err; /* ERR_FULL: once more, from here */
    }
    return err;
}

static enum err read_on(struct log_time_lookup *lookup)
{
    struct log_read *read = &lookup->read;
    enum err err;

    lookup->search_pos = 0;
    read->offset = lookup->scan_offset;
    read->bound = lookup->bound;
    read->max_bytes = READ_BYTES;
    read->at_least_one = true;
    read->done = on_lookup_read;
    err = log_read(read->log, read);
    lookup->work_bytes += read->size_bytes / READ_BYTES_A_WORK;
    return err;
}

/* From scan_offset on, and first in what was read there; OK: finished (found or at the end). */
static enum err search_on(struct log_time_lookup *lookup)
{
    struct log_read *read = &lookup->read;
    bool found = false;
    enum err err = OK;

    lookup->batch = NULL;
    lookup->batch_had_bytes = 0;
    for (uint32_t reads = 0; err == OK; reads++) {
        if (read->size_bytes > 0) {
            err = search_read(lookup, &found);
            if (err != OK || found)
                return err;
            lookup->scan_offset = read->end_offset;
            log_read_release(read);
        }
        if (lookup->scan_offset >= lookup->bound)
            return OK;
        if (reads == READS_MAX || (reads > 0 && left_work_bytes(lookup) == 0))
            return ERR_FULL;
        err = read_on(lookup);
        if (err == OK && read->size_bytes == 0)
            return OK;
    }
    return err;
}

/* What it costs to look at the bytes is for log_lookup_resume, in a turn that has room for it. */
static void on_lookup_read(struct log_read *read, enum err err)
{
    struct log_time_lookup *lookup = container_of(read, struct log_time_lookup, read);

    lookup->work_bytes = 0;
    lookup->batch = NULL;
    lookup->batch_had_bytes = 0;
    if (err == OK && read->size_bytes == 0)
        lookup->scan_offset = lookup->bound;
    if (err != OK || read->size_bytes == 0)
        log_read_release(read);
    lookup->done(lookup, err == OK ? ERR_FULL : err);
}

struct batch_search log_lookup_search(const struct log_time_lookup *lookup)
{
    return (struct batch_search){.timestamp_ms = lookup->timestamp_ms,
                                 .from_offset = lookup->read.log->offsets.log_start,
                                 .work_max_bytes = UINT64_MAX};
}

enum err log_lookup_searched(struct log *log, struct log_time_lookup *lookup,
                             const struct batch_search *search)
{
    struct batch_header header;

    if (search->found && search->found_offset >= log->offsets.log_start) {
        take_found(lookup, search);
        return OK;
    }
    if (!search->found && batch_parse_header(lookup->batch, BATCH_HEADER_BYTES, &header) == OK)
        lookup->search_pos += header.size_bytes;
    return ERR_FULL;
}

/* Where a record of at least timestamp_ms can be at the earliest: the first segment whose largest
 * timestamp is late enough, and in it the index entry before. */
static enum err place_lookup(struct log *log, struct log_time_lookup *lookup)
{
    int64_t first_in_memory = log->tail.first_unwritten != NULL
                                  ? log->tail.first_unwritten->base_offset
                                  : log->offsets.log_end;

    lookup->scan_offset = lookup->bound;
    for (uint32_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = segment_manifest_at(&log->segments, i);
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

    for (uint32_t i = 0; i < log->segments.count; i++) {
        enum err err = segment_load_indexes(segment_manifest_at(&log->segments, i));
        if (err != OK)
            return err;
        if (segment_manifest_at(&log->segments, i)->times.max_timestamp_ms > largest)
            largest = segment_manifest_at(&log->segments, i)->times.max_timestamp_ms;
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
    lookup->work_bytes = 0;
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
    lookup->work_bytes = 0;
    if (lookup->scan_offset < log->offsets.log_start)
        lookup->scan_offset = log->offsets.log_start;
    return search_on(lookup);
}

void log_lookup_pause(struct log_time_lookup *lookup)
{
    struct batch_header header;

    if (lookup->batch != NULL &&
        batch_parse_header(lookup->batch, BATCH_HEADER_BYTES, &header) == OK &&
        header.base_offset > lookup->scan_offset)
        lookup->scan_offset = header.base_offset;
    lookup->batch = NULL;
    log_read_release(&lookup->read);
}

void log_lookup_release(struct log_time_lookup *lookup)
{
    log_read_release(&lookup->read);
}
