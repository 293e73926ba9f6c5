/* Reading: from the tail in memory, else from the segment's file; scans at start.
 *
 * What the tail has is lent while the readers hold little of it, and copied otherwise: its buffers
 * are the journal's, and readers that are slow must not keep them (log_loan.h).  A file read takes
 * an aligned window that begins at the index entry below the offset and walks from there: a batch
 * that ends before the offset is stepped over by its header, a first batch that does not fit is
 * read again in its size.  What the files lack, the next segment or the tail has. */
#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/log/log_close.h"
#include "storage/log/log_loan.h"
#include "storage/log/log_private.h"

#include <errno.h>
#include <string.h>

enum {
    READ_SLACK_BYTES = 64 << 10,
    BUF_COST_BYTES = 128,     /* of a buf beside its bytes, at most */
    LEND_MIN_BYTES = 4 << 10, /* smaller batches are copied for less than it costs to send each */
};

/* A read of a window of a segment's file.  It lives until the device is finished, also when its
 * reader has gone. */
struct file_read {
    struct io_op io;
    struct log_read *read; /* NULL: released */
    struct log *log;
    struct segment *segment;
    struct buf *buf;
    uint64_t window_pos;  /* of the buffer in the file */
    uint64_t window_end;  /* of what was asked of the device */
    uint64_t batch_pos;   /* where to look for batches */
    uint64_t end_pos;     /* written when the read began */
    int64_t entry_offset; /* an index entry says that the first batch ends here; -1: none does */
};

/* ---- memory */

static void on_oversize_release(struct buf *buf)
{
    budget_give(buf->context, buf_cost_bytes(buf));
}

/* For a batch that is larger than all that readers may hold: when they hold nothing. */
static struct buf *create_oversize(struct log_environment *env, uint32_t size_bytes,
                                   uint32_t align_bytes)
{
    struct budget *budget = &env->reads->budget;
    struct buf *buf = NULL;

    if (budget_used_bytes(budget) == 0)
        buf = buf_create(env->oversize, size_bytes, align_bytes);
    if (buf == NULL)
        return NULL;
    budget_force(budget, buf_cost_bytes(buf));
    buf->context = budget;
    buf->on_release = on_oversize_release;
    return buf;
}

static enum err take_buf(struct log_read *read, uint64_t size_bytes, uint32_t align_bytes,
                         struct buf **out)
{
    struct log_environment *env = read->log->env;

    read->need_bytes = size_bytes;
    if (size_bytes > UINT32_MAX)
        return ERR_TOO_LARGE;
    *out = size_bytes < env->reads->budget.max_bytes - BUF_COST_BYTES
               ? buf_create(env->reads, (uint32_t)size_bytes, align_bytes)
               : create_oversize(env, (uint32_t)size_bytes, align_bytes);
    if (*out == NULL)
        return ERR_NOMEM;
    read->need_bytes = 0;
    return OK;
}

/* A few batches of a large window keep only what they are. */
static void trim(struct log_read *read)
{
    struct buf *small;

    if (read->size_bytes > read->buf->capacity_bytes / 2)
        return;
    small = buf_create(read->log->env->reads, read->size_bytes, 1);
    if (small == NULL)
        return;
    memcpy(small->bytes, read->bytes, read->size_bytes);
    buf_unref(read->buf);
    read->buf = small;
    read->bytes = small->bytes;
}

/* May a batch of this size still be added? */
static bool has_room(const struct log_read *read, uint32_t size_bytes)
{
    if (read->size_bytes + (uint64_t)size_bytes <= read->max_bytes)
        return true;
    return read->size_bytes == 0 && read->at_least_one;
}

/* ---- from the tail */

/* The batches from first up to end as they are.  False: they are to be copied. */
static bool lend(struct log_read *read, struct tail_entry *first, const struct list *end,
                 uint32_t count)
{
    struct log_loan *loan;

    if (!read->may_borrow || count > LOG_LOAN_PARTS_MAX ||
        read->size_bytes / count < LEND_MIN_BYTES)
        return false;
    loan = log_loan_create(read->log->env->lent, count);
    if (loan == NULL)
        return false;
    for (const struct list *node = &first->log_node; node != end; node = node->next) {
        const struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        if (!log_loan_add(loan, entry->bytes, entry->size_bytes, entry->buf)) {
            buf_unref(&loan->buf);
            return false;
        }
        read->end_offset = entry->end_offset;
    }
    read->loan = loan;
    read->buf = &loan->buf;
    return true;
}

static enum err read_tail(struct log_read *read, struct tail_entry *first)
{
    struct list *end = &read->log->tail.entries;
    struct list *node;
    uint32_t count = 0;
    uint8_t *to;
    enum err err;

    for (node = &first->log_node; node != end; node = node->next) {
        const struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        if (entry->end_offset > read->bound || !has_room(read, entry->size_bytes))
            break;
        read->size_bytes += entry->size_bytes;
        count++;
    }
    if (read->size_bytes == 0)
        return OK;
    end = node;
    if (lend(read, first, end, count))
        return OK;
    err = take_buf(read, read->size_bytes, 1, &read->buf);
    if (err != OK) {
        read->size_bytes = 0;
        return err;
    }
    read->bytes = to = read->buf->bytes;
    for (node = &first->log_node; node != end; node = node->next) {
        const struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        memcpy(to, entry->bytes, entry->size_bytes);
        to += entry->size_bytes;
        read->end_offset = entry->end_offset;
    }
    return OK;
}

/* ---- from the file */

static enum err read_window(struct file_read *file, uint64_t want_bytes);
static enum err read_segment(struct file_read *file, uint32_t index);
static enum err read_next_segment(struct file_read *file);

static void take_batch(struct file_read *file, const uint8_t *bytes,
                       const struct batch_header *header)
{
    struct log_read *read = file->read;

    if (read->size_bytes == 0) {
        read->bytes = bytes;
        read->buf = buf_ref(file->buf);
    }
    read->size_bytes += header->size_bytes;
    read->end_offset = batch_last_offset(header) + 1;
}

/* The batch at batch_pos, whose first bytes are in the window; what the file or the index promised
 * must be true of it. */
static enum err parse_batch(struct file_read *file, const uint8_t *bytes, uint64_t size_bytes,
                            struct batch_header *header)
{
    enum err err = batch_parse_header(bytes, size_bytes, header);

    if (err == ERR_TRUNCATED && file->batch_pos + size_bytes < file->end_pos)
        return ERR_TRUNCATED;
    if (err != OK || header->size_bytes > file->end_pos - file->batch_pos)
        return ERR_CORRUPT;
    if (file->entry_offset >= 0 && batch_last_offset(header) != file->entry_offset)
        return ERR_CORRUPT; /* or the index is wrong */
    file->entry_offset = -1;
    return OK;
}

/* The window does not hold what is looked for: another one, from batch_pos on.  A device that gave
 * less than it was asked for has no more. */
static enum err read_on(struct file_read *file, uint64_t valid, uint64_t need_bytes)
{
    if (valid < file->window_end)
        return ERR_TRUNCATED;
    return read_window(file, need_bytes);
}

static uint64_t window_bytes(const struct log *log, const struct log_read *read)
{
    uint32_t max_bytes = log->env->options->read_window_max_bytes;

    if (BUGGIFY("log read: a window is small"))
        return READ_SLACK_BYTES;
    return (uint64_t)READ_SLACK_BYTES + (read->max_bytes < max_bytes ? read->max_bytes : max_bytes);
}

/* The whole batches of the window that the reader may have.  ERR_AGAIN: another window is being
 * read. */
static enum err take_batches(struct file_read *file, uint32_t got_bytes)
{
    struct log_read *read = file->read;
    uint64_t valid = file->window_pos + got_bytes;

    if (valid > file->end_pos)
        valid = file->end_pos;
    while (file->batch_pos < file->end_pos) {
        struct batch_header header;
        const uint8_t *bytes = file->buf->bytes + (file->batch_pos - file->window_pos);
        enum err err;
        if (file->batch_pos >= valid)
            return read->size_bytes > 0 ? OK : read_on(file, valid, window_bytes(file->log, read));
        err = parse_batch(file, bytes, valid - file->batch_pos, &header);
        if (err != OK && read->size_bytes > 0)
            return OK; /* the next read finds out what it is */
        if (err == ERR_TRUNCATED)
            return read_on(file, valid, window_bytes(file->log, read));
        if (err != OK)
            return err;
        if (batch_last_offset(&header) >= read->offset) {
            if (batch_last_offset(&header) >= read->bound || !has_room(read, header.size_bytes))
                return OK;
            if (file->batch_pos + header.size_bytes > valid)
                return read->size_bytes > 0 ? OK : read_on(file, valid, header.size_bytes);
            if (!batch_crc_is_good(bytes, &header))
                return read->size_bytes > 0 ? OK : ERR_CORRUPT; /* DUR-L9 */
            take_batch(file, bytes, &header);
        }
        file->batch_pos += header.size_bytes;
        if (file->batch_pos == file->end_pos)
            file->end_pos = file->segment->written_pos; /* perhaps more meanwhile */
    }
    return read->size_bytes > 0 ? OK : read_next_segment(file);
}

/* Where to look for offset: at the index entry below it. */
static void place_read(struct file_read *file, int64_t offset)
{
    struct offset_position place = offset_index_find(&file->segment->index, offset);

    file->batch_pos = place.pos;
    file->entry_offset = place.pos > 0 ? place.offset : -1;
}

/* What was found is not what the index said: once per segment, the index is doubted first.  Of one
 * that was replaced meanwhile the file has gone: the new one is asked. */
static enum err doubt_index(struct file_read *file)
{
    struct log_read *read = file->read;
    uint32_t index = 0;

    if (segment_manifest_is_retired(file->segment) && read->size_bytes == 0) {
        segment_manifest_find(&file->log->segments, read->offset, &index);
        return read_segment(file, index);
    }

    if (file->segment->indexes_rebuilt || read->size_bytes > 0 ||
        segment_rebuild_indexes(file->segment) != OK)
        return ERR_CORRUPT;
    place_read(file, read->offset);
    return read_window(file, window_bytes(file->log, read));
}

static void leave_segment(struct file_read *file)
{
    if (file->segment != NULL)
        segment_manifest_io_ended(file->segment);
    file->segment = NULL;
}

/* Nothing is in flight for it. */
static void end_file_read(struct file_read *file)
{
    struct log *log = file->log;

    leave_segment(file);
    buf_unref(file->buf); /* the reader has a reference of its own */
    if (file->read != NULL)
        file->read->file = NULL;
    mem_free(file);
    if (log->closing)
        log_io_ended(log);
}

static void tell_damage(const struct log *log, int64_t offset, enum err err)
{
    log_line(log->env->sink, LOG_ERROR, "LVE-2209", "bytes of a segment cannot be served",
             log_str("topic", log->name), log_i64("partition", log->id.partition),
             log_i64("offset", offset), log_err(err));
}

static void on_file_read(struct io_op *op, int32_t result)
{
    struct file_read *file = container_of(op, struct file_read, io);
    struct log_read *read = file->read;
    enum err err = result < 0 ? err_from_errno(-result) : OK;

    if (read == NULL) {
        end_file_read(file);
        return;
    }
    if (file->log->closing)
        err = ERR_NOT_FOUND;
    else if (result == -EINTR || result == -EAGAIN)
        err = read_window(file, file->window_end - file->batch_pos);
    else if (err == OK)
        err = take_batches(file, (uint32_t)result);
    if (err == ERR_CORRUPT || err == ERR_TRUNCATED)
        err = doubt_index(file);
    if (err == ERR_AGAIN)
        return;
    if (err == ERR_CORRUPT || err == ERR_IO)
        tell_damage(file->log, read->offset, err);
    end_file_read(file);
    if (err == OK && read->size_bytes > 0)
        trim(read);
    read->done(read, err);
}

/* Read want_bytes from batch_pos on.  ERR_AGAIN: they are on their way. */
static enum err read_window(struct file_read *file, uint64_t want_bytes)
{
    struct segment *segment = file->segment;
    struct log_environment *env = file->log->env;
    uint64_t end = file->batch_pos + want_bytes;
    uint64_t size_bytes;
    enum err err = segment_open_file(segment);

    if (err != OK)
        return err;
    if (end > file->end_pos)
        end = file->end_pos;
    file->window_pos = file->batch_pos & ~(uint64_t)(STORE_BLOCK - 1);
    file->window_end = end;
    end = (end + STORE_BLOCK - 1) & ~(uint64_t)(STORE_BLOCK - 1);
    size_bytes = end - file->window_pos;
    if (file->buf == NULL || file->buf->capacity_bytes < size_bytes) {
        uint64_t wish_bytes = file->read->need_bytes; /* that it waited for: no later want */
        buf_unref(file->buf);
        file->buf = NULL;
        err = take_buf(file->read, size_bytes < wish_bytes ? wish_bytes : size_bytes, STORE_BLOCK,
                       &file->buf);
        if (err != OK)
            return err;
    }
    io_read(env->io, &file->io, segment->file.fd, file->buf->bytes, (uint32_t)size_bytes,
            file->window_pos, on_file_read);
    return ERR_AGAIN;
}

/* Begin in the segment at index, or behind it.  A closed one may end, and all of them may, before
 * offset (LOG-2: holes of an adopted log); then the tail has what follows. */
static enum err read_segment(struct file_read *file, uint32_t index)
{
    struct log *log = file->log;
    struct log_read *read = file->read;
    struct tail_entry *first;

    for (; index < log->segments.count; index++) {
        struct segment *segment = segment_manifest_at(&log->segments, index);
        enum err err;
        if (segment->end_offset <= read->offset && index + 1 < log->segments.count)
            continue;
        err = segment_load_indexes(segment);
        if (err != OK)
            return err;
        leave_segment(file);
        file->segment = segment;
        segment->file.io_count++;
        file->end_pos = segment->written_pos;
        place_read(file, read->offset);
        if (file->batch_pos < file->end_pos)
            return read_window(file, window_bytes(file->log, read));
    }
    first = log_tail_first(&log->tail);
    return first != NULL && first->base_offset >= read->offset ? read_tail(read, first) : OK;
}

/* The segment has nothing at or behind the offset.  One that took its place meanwhile may stand for
 * what follows, too: it is asked itself. */
static enum err read_next_segment(struct file_read *file)
{
    uint32_t index = 0;

    if (segment_manifest_is_retired(file->segment)) {
        segment_manifest_find(&file->log->segments, file->read->offset, &index);
        return read_segment(file, index);
    }
    segment_manifest_find(&file->log->segments, file->segment->base_offset, &index);
    return read_segment(file, index + 1);
}

static enum err read_file(struct log_read *read)
{
    struct log *log = read->log;
    struct file_read *file;
    uint32_t index = 0;
    enum err err;

    counter_add(&log->env->metrics->cache_misses, 1);
    segment_manifest_find(&log->segments, read->offset, &index);
    file = mem_try_alloc(sizeof(*file));
    if (file == NULL)
        return ERR_NOMEM;
    *file = (struct file_read){.read = read, .log = log};
    read->file = file;
    err = read_segment(file, index);
    if (err != ERR_AGAIN)
        end_file_read(file);
    return err;
}

enum err log_read(struct log *log, struct log_read *read)
{
    struct tail_entry *entry;

    read->log = log;
    read->bytes = NULL;
    read->buf = NULL;
    read->loan = NULL;
    read->size_bytes = 0;
    read->end_offset = read->offset;
    read->file = NULL;
    if (log->quarantined)
        return ERR_QUARANTINED;
    if (read->offset < log->offsets.log_start || read->offset > log->offsets.log_end)
        return ERR_OFFSET_RANGE;
    if (read->offset >= read->bound)
        return OK;
    entry = log_tail_find(&log->tail, read->offset);
    if (entry != NULL) {
        counter_add(&log->env->metrics->cache_hits, 1);
        return read_tail(read, entry);
    }
    return read_file(read);
}

bool log_count_new_bytes(const struct log *log, int64_t *offset, int64_t bound, uint32_t max_bytes,
                         uint32_t *bytes_out)
{
    const struct tail_entry *entry;

    *bytes_out = 0;
    if (*offset >= bound)
        return true;
    entry = log_tail_find(&log->tail, *offset);
    if (entry == NULL)
        return false;
    for (; entry != NULL && entry->end_offset <= bound; entry = log_tail_next(entry)) {
        if (*bytes_out + (uint64_t)entry->size_bytes > max_bytes) {
            *bytes_out = max_bytes; /* full: what follows counts no more */
            *offset = bound;
            return true;
        }
        *bytes_out += entry->size_bytes;
        *offset = entry->end_offset;
    }
    return true;
}

void log_read_release(struct log_read *read)
{
    if (read->file != NULL)
        read->file->read = NULL;
    read->file = NULL;
    buf_unref(read->buf);
    read->buf = NULL;
    read->loan = NULL;
    read->bytes = NULL;
    read->size_bytes = 0;
}

/* ---- scan, now: for loading, also in steps */

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
    for (uint32_t i = 0; i < log->segments.count && !scan.stopped; i++) {
        struct segment *segment = segment_manifest_at(&log->segments, i);
        uint64_t pos = 0;
        enum err err;
        if (segment->end_offset <= offset)
            continue;
        if (segment->base_offset < offset && segment_load_indexes(segment) == OK)
            pos = offset_index_find(&segment->index, offset).pos;
        err = segment_walk(segment, pos, segment->written_pos, scan_batch, &scan);
        if (err == OK && scan.corrupt)
            err = ERR_CORRUPT;
        if (err != OK)
            return err;
    }
    list_for_each(node, &log->tail.entries)
    {
        struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        if (scan.stopped)
            return OK;
        if (!entry->written && entry->end_offset > offset)
            scan.stopped = !visit(context, entry->bytes, entry->size_bytes);
    }
    return OK;
}
