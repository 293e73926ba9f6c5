/* Reading: from the tail in memory, else from the segment's file; lookups by time; scans at start.
 *
 * A file read takes an aligned window that begins at the index entry below the offset; if the first
 * batch does not fit, the window is read again in its size. */
#include "base/check.h"
#include "base/mem.h"
#include "storage/batch_reader.h"
#include "storage/log_private.h"

#include <errno.h>
#include <string.h>

enum { READ_SLACK_BYTES = 64 << 10, READ_WINDOW_MAX = 4 << 20 };

/* A read of a window of a segment's file.  It lives until the device is finished, also when its
 * reader has gone. */
struct file_read {
    struct io_op io;
    struct log_read *read; /* NULL: released */
    struct log *log;
    struct segment *segment;
    struct buf *buf;
    uint64_t window_pos;  /* of the buffer in the file */
    uint64_t batch_pos;   /* where to look for batches */
    uint64_t end_pos;     /* written when the read began */
    int64_t entry_offset; /* an index entry says that the first batch ends here; -1: none does */
};

static void add_slice(struct log_read *read, const uint8_t *bytes, uint32_t size_bytes,
                      struct buf *buf)
{
    struct log_slice *last = read->slice_count == 0 ? NULL : &read->slices[read->slice_count - 1];

    read->size_bytes += size_bytes;
    if (last != NULL && last->buf == buf && last->bytes + last->size_bytes == bytes) {
        last->size_bytes += size_bytes;
        return;
    }
    check(read->slice_count < LOG_READ_SLICES_MAX);
    read->slices[read->slice_count++] =
        (struct log_slice){.bytes = bytes, .size_bytes = size_bytes, .buf = buf_ref(buf)};
}

/* May a batch of this size still be added? */
static bool has_room(const struct log_read *read, uint32_t size_bytes)
{
    if (read->slice_count == LOG_READ_SLICES_MAX)
        return false;
    if (read->size_bytes + size_bytes <= read->max_bytes)
        return true;
    return read->size_bytes == 0 && read->at_least_one;
}

static void read_tail(struct log_read *read, struct tail_entry *entry)
{
    struct log *log = read->log;

    for (struct list *node = &entry->log_node; node != &log->tail; node = node->next) {
        struct tail_entry *next = container_of(node, struct tail_entry, log_node);
        if (next->end_offset > read->bound || !has_room(read, next->size_bytes))
            return;
        add_slice(read, next->bytes, next->size_bytes, next->buf);
        read->end_offset = next->end_offset;
    }
}

/* ---- from the file */

/* The whole batches of the window that the reader may have.  ERR_AGAIN: the first one needs a
 * larger window of *need_out bytes. */
static enum err take_batches(struct file_read *file, uint32_t got_bytes, uint32_t *need_out)
{
    struct log_read *read = file->read;
    uint64_t valid = file->window_pos + got_bytes;
    const uint8_t *start;
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;
    enum err err;

    if (valid > file->end_pos)
        valid = file->end_pos;
    if (valid <= file->batch_pos)
        return ERR_TRUNCATED;
    start = file->buf->bytes + (file->batch_pos - file->window_pos);
    batch_walk_init(&walk, start, valid - file->batch_pos);
    while ((err = batch_next(&walk, &header, &bytes)) == OK) {
        if (file->entry_offset >= 0 && batch_last_offset(&header) != file->entry_offset)
            return ERR_CORRUPT; /* or the index is wrong */
        file->entry_offset = -1;
        if (batch_last_offset(&header) < read->offset)
            continue;
        if (batch_last_offset(&header) >= read->bound || !has_room(read, header.size_bytes))
            return OK;
        if (!batch_crc_is_good(bytes, &header))
            return read->size_bytes > 0 ? OK : ERR_CORRUPT; /* L9 */
        add_slice(read, bytes, header.size_bytes, file->buf);
        read->end_offset = batch_last_offset(&header) + 1;
    }
    if (read->size_bytes > 0 || err == ERR_NOT_FOUND)
        return OK;
    if (err != ERR_TRUNCATED)
        return ERR_CORRUPT;
    /* the batch at walk.pos is cut by the window's end */
    file->batch_pos += walk.pos;
    if (valid == file->end_pos)
        return ERR_CORRUPT;
    err = batch_parse_header(start + walk.pos, valid - file->batch_pos, &header);
    *need_out = err == OK ? header.size_bytes : READ_SLACK_BYTES;
    return ERR_AGAIN;
}

static enum err read_window(struct file_read *file, uint32_t want_bytes);

/* Where to look for offset: at the index entry below it. */
static void place_read(struct file_read *file, int64_t offset)
{
    struct offset_position place = offset_index_find(&file->segment->index, offset);

    file->batch_pos = place.pos;
    file->entry_offset = place.pos > 0 ? place.offset : -1;
}

/* What was found is not what the index said: once per segment, the index is doubted first. */
static enum err doubt_index(struct file_read *file)
{
    struct log_read *read = file->read;

    if (file->segment->indexes_rebuilt || read->size_bytes > 0 ||
        segment_rebuild_indexes(file->segment) != OK)
        return ERR_CORRUPT;
    place_read(file, read->offset);
    return read_window(file, READ_SLACK_BYTES);
}

/* Nothing is in flight for it. */
static void end_file_read(struct file_read *file)
{
    struct log *log = file->log;

    segment_io_ended(file->segment);
    buf_unref(file->buf); /* the slices have their own references */
    if (file->read != NULL)
        file->read->file = NULL;
    mem_free(file);
    if (log->closing)
        log_io_ended(log);
}

static void tell_damage(const struct log *log, int64_t offset, enum err err)
{
    log_line(log->store->world.sink, LOG_ERROR, "LVE-2209", "bytes of a segment cannot be served",
             log_str("topic", log->name), log_i64("partition", log->id.partition),
             log_i64("offset", offset), log_err(err));
}

static void on_file_read(struct io_op *op, int32_t result)
{
    struct file_read *file = container_of(op, struct file_read, io);
    struct log_read *read = file->read;
    uint32_t need_bytes = 0;
    enum err err = result < 0 ? err_from_errno(-result) : OK;

    if (read == NULL) {
        end_file_read(file);
        return;
    }
    if (file->log->closing)
        err = ERR_NOT_FOUND;
    else if (result == -EINTR || result == -EAGAIN)
        err = read_window(file, file->buf->capacity_bytes);
    else if (err == OK)
        err = take_batches(file, (uint32_t)result, &need_bytes);
    if (err == ERR_AGAIN && need_bytes > 0)
        err = read_window(file, need_bytes);
    if (err == ERR_CORRUPT || err == ERR_TRUNCATED)
        err = doubt_index(file);
    if (err == ERR_AGAIN)
        return;
    if (err == ERR_CORRUPT || err == ERR_IO)
        tell_damage(file->log, read->offset, err);
    end_file_read(file);
    read->done(read, err);
}

/* Read want_bytes from batch_pos on, into a buffer of its own. */
static enum err read_window(struct file_read *file, uint32_t want_bytes)
{
    struct segment *segment = file->segment;
    struct store *store = file->log->store;
    uint64_t end = file->batch_pos + want_bytes;
    uint32_t size_bytes;
    enum err err = segment_open_file(segment);

    if (err != OK)
        return err;
    file->window_pos = file->batch_pos & ~(uint64_t)(STORE_BLOCK - 1);
    if (end > file->end_pos)
        end = file->end_pos;
    end = (end + STORE_BLOCK - 1) & ~(uint64_t)(STORE_BLOCK - 1);
    size_bytes = (uint32_t)(end - file->window_pos);
    buf_unref(file->buf);
    file->buf = buf_create(store->reads, size_bytes, STORE_BLOCK);
    if (file->buf == NULL) {
        store_evict(store);
        file->buf = buf_create(store->reads, size_bytes, STORE_BLOCK);
    }
    if (file->buf == NULL)
        return ERR_NOMEM;
    io_read(store->io, &file->io, segment->fd, file->buf->bytes, size_bytes, file->window_pos,
            on_file_read);
    return ERR_AGAIN;
}

/* The segment that holds offset, or the next one that holds anything behind it. */
static struct segment *segment_for_read(const struct log *log, int64_t offset)
{
    uint32_t index;
    struct segment *segment = log_segment_of(log, offset, &index);

    if (segment == NULL)
        segment = log->segments[index = 0];
    while (segment->end_offset <= offset && index + 1 < log->segment_count)
        segment = log->segments[++index];
    return segment;
}

static enum err read_file(struct log_read *read)
{
    struct log *log = read->log;
    struct segment *segment = segment_for_read(log, read->offset);
    uint32_t want_bytes = read->max_bytes < READ_WINDOW_MAX ? read->max_bytes : READ_WINDOW_MAX;
    struct file_read *file;
    enum err err = segment_load_indexes(segment);

    if (err != OK)
        return err;
    if (offset_index_find(&segment->index, read->offset).pos >= segment->written_pos)
        return OK; /* nothing behind offset in the files */
    counter_add(&log->store->cache_misses, 1);
    file = mem_alloc(sizeof(*file));
    *file = (struct file_read){
        .read = read, .log = log, .segment = segment, .end_pos = segment->written_pos};
    place_read(file, read->offset);
    read->file = file;
    segment->io_count++;
    err = read_window(file, want_bytes + log->config.index_interval_bytes + READ_SLACK_BYTES);
    if (err != ERR_AGAIN)
        end_file_read(file);
    return err;
}

enum err log_read(struct log *log, struct log_read *read)
{
    struct tail_entry *entry;

    read->log = log;
    read->slice_count = 0;
    read->size_bytes = 0;
    read->end_offset = read->offset;
    read->file = NULL;
    if (log->quarantined)
        return ERR_QUARANTINED;
    if (read->offset < log->offsets.log_start || read->offset > log->offsets.log_end)
        return ERR_OFFSET_RANGE;
    if (read->offset >= read->bound)
        return OK;
    entry = log_tail_find(log, read->offset);
    if (entry != NULL) {
        counter_add(&log->store->cache_hits, 1);
        read_tail(read, entry);
        return OK;
    }
    return read_file(read);
}

void log_read_release(struct log_read *read)
{
    if (read->file != NULL)
        read->file->read = NULL;
    read->file = NULL;
    for (uint32_t i = 0; i < read->slice_count; i++)
        buf_unref(read->slices[i].buf);
    read->slice_count = 0;
    read->size_bytes = 0;
}

/* ---- scan, now: for loading at start */

struct scan {
    int64_t offset;
    bool (*visit)(void *context, const uint8_t *batch, uint32_t size_bytes);
    void *context;
    bool stopped;
    bool corrupt;
};

static bool scan_batch(void *context, const struct batch_header *header, const uint8_t *bytes,
                       uint64_t pos)
{
    struct scan *scan = context;

    if (batch_last_offset(header) < scan->offset)
        return true;
    scan->corrupt = !batch_crc_is_good(bytes, header);
    if (scan->corrupt)
        return false;
    scan->stopped = !scan->visit(scan->context, bytes, header->size_bytes);
    return !scan->stopped;
}

enum err log_scan(struct log *log, int64_t offset,
                  bool (*visit)(void *context, const uint8_t *batch, uint32_t size_bytes),
                  void *context)
{
    struct scan scan = {.offset = offset, .visit = visit, .context = context};

    if (log->quarantined)
        return ERR_QUARANTINED;
    for (uint32_t i = 0; i < log->segment_count && !scan.stopped; i++) {
        struct segment *segment = log->segments[i];
        enum err err;
        if (segment->end_offset <= offset)
            continue;
        err = segment_walk(segment, 0, segment->written_pos, scan_batch, &scan);
        if (err == OK && scan.corrupt)
            err = ERR_CORRUPT;
        if (err != OK)
            return err;
    }
    list_for_each(node, &log->tail)
    {
        struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        if (scan.stopped)
            return OK;
        if (!entry->written && entry->end_offset > offset)
            scan.stopped = !visit(context, entry->bytes, entry->size_bytes);
    }
    return OK;
}

/* ---- by time: read on from the time index entry until a record is late enough */

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

static enum err search_slices(struct log_time_lookup *lookup, bool *found_out)
{
    struct log_read *read = &lookup->read;

    for (uint32_t i = 0; i < read->slice_count; i++) {
        struct batch_walk walk;
        struct batch_header header;
        const uint8_t *bytes;
        batch_walk_init(&walk, read->slices[i].bytes, read->slices[i].size_bytes);
        while (batch_next(&walk, &header, &bytes) == OK) {
            enum err err;
            if (header.max_timestamp_ms < lookup->timestamp_ms || batch_is_control(&header))
                continue;
            err = search_batch(lookup, bytes, &header, found_out);
            if (err != OK || *found_out)
                return err;
        }
    }
    return OK;
}

/* One more piece of log; OK: finished (found or at the end). */
static enum err search_on(struct log_time_lookup *lookup)
{
    struct log_read *read = &lookup->read;
    bool found = false;
    enum err err = OK;

    while (err == OK && lookup->scan_offset < lookup->bound) {
        struct log *log = read->log;
        read->offset = lookup->scan_offset;
        read->bound = lookup->bound;
        read->max_bytes = 256 << 10;
        read->at_least_one = true;
        read->done = on_lookup_read;
        err = log_read(log, read);
        if (err != OK)
            return err;
        if (read->size_bytes == 0)
            return OK;
        err = search_slices(lookup, &found);
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
        err = search_slices(lookup, &found);
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

void log_lookup_release(struct log_time_lookup *lookup)
{
    log_read_release(&lookup->read);
}
