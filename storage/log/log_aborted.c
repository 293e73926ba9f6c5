#include "storage/log/log_aborted.h"

#include "base/mem.h"
#include "storage/log/log_close.h"
#include "storage/log/log_private.h"
#include "storage/log/segment_aborted.h"

#include <errno.h>

/* A read of one index file, from its begin.  It lives until the device is finished, also when its
 * reader has gone. */
struct aborted_file {
    struct io_op io;
    struct log_aborted *aborted; /* NULL: released */
    struct log *log;
    struct segment *segment; /* in use, so that it stays */
    int32_t fd;
    uint32_t size_bytes; /* as far as the index is known to go */
    uint32_t done_bytes;
    uint8_t bytes[];
};

static enum err look_on(struct log_aborted *aborted);

static void end_file(struct aborted_file *file)
{
    struct log *log = file->log;
    struct io *io = log->env->io;

    if (file->fd >= 0)
        io->v->close(io, file->fd);
    segment_manifest_io_ended(file->segment);
    if (file->aborted != NULL)
        file->aborted->file = NULL;
    mem_free(file);
    if (log->closing)
        log_io_ended(log);
}

static void on_read(struct io_op *op, int32_t result);

static void read_rest(struct aborted_file *file)
{
    io_read(file->log->env->io, &file->io, file->fd, file->bytes + file->done_bytes,
            file->size_bytes - file->done_bytes, file->done_bytes, on_read);
}

/* What was read becomes the segment's index, unless somebody else was faster, or the segment was
 * replaced meanwhile: then the new one is asked. */
static enum err take_file(struct aborted_file *file)
{
    struct segment *segment = file->segment;
    enum err err;

    if (file->log->closing)
        return ERR_NOT_FOUND;
    if (segment_manifest_is_retired(segment) || segment->aborted.is_loaded)
        return OK;
    err = transaction_index_decode(&segment->aborted, file->bytes, file->done_bytes);
    if (err != OK)
        return err == ERR_TRUNCATED ? ERR_CORRUPT : err;
    segment->aborted_saved = segment->aborted.count;
    segment_aborted_use(segment);
    return OK;
}

static void tell_damage(const struct log *log, int64_t offset, enum err err)
{
    log_line(log->env->sink, LOG_ERROR, "LVE-2209", "bytes of a segment cannot be served",
             log_str("topic", log->name), log_i64("partition", log->id.partition),
             log_i64("offset", offset), log_err(err));
}

static void on_read(struct io_op *op, int32_t result)
{
    struct aborted_file *file = container_of(op, struct aborted_file, io);
    struct log_aborted *aborted = file->aborted;
    bool is_again = result == -EINTR || result == -EAGAIN;
    enum err err = OK;

    if (result > 0)
        file->done_bytes += (uint32_t)result;
    if (aborted != NULL && !file->log->closing &&
        (is_again || (result > 0 && file->done_bytes < file->size_bytes))) {
        read_rest(file);
        return;
    }
    if (result < 0)
        err = err_from_errno(-result);
    else if (aborted != NULL)
        err = take_file(file);
    if (aborted != NULL && (err == ERR_CORRUPT || err == ERR_IO))
        tell_damage(file->log, file->segment->base_offset, err);
    end_file(file);
    if (aborted == NULL)
        return;
    if (err == OK)
        err = look_on(aborted);
    if (err != ERR_AGAIN)
        aborted->done(aborted, err);
}

/* ERR_AGAIN: on its way. */
static enum err begin_file(struct log_aborted *aborted, struct segment *segment)
{
    struct log *log = aborted->log;
    struct io *io = log->env->io;
    size_t size_bytes = transaction_index_size_bytes(&segment->aborted);
    struct aborted_file *file;
    char path[LOG_PATH_MAX];
    enum err err;

    if (size_bytes > INT32_MAX)
        return ERR_NOMEM;
    file = mem_try_alloc(sizeof(*file) + size_bytes);
    if (file == NULL)
        return ERR_NOMEM;
    file->aborted = aborted;
    file->log = log;
    file->segment = segment;
    file->size_bytes = (uint32_t)size_bytes;
    file->fd = -1;
    segment->file.io_count++;
    aborted->file = file;
    segment_path(segment, LOG_FILE_TXN_INDEX, false, path);
    err = io->v->file_open(io, path, IO_READ, &file->fd);
    if (err == OK) {
        read_rest(file);
        return ERR_AGAIN;
    }
    file->fd = -1;
    if (err == ERR_NOT_FOUND)
        err = ERR_CORRUPT;
    if (err == ERR_CORRUPT || err == ERR_IO)
        tell_damage(log, segment->base_offset, err);
    end_file(file);
    return err;
}

static enum err look_on(struct log_aborted *aborted)
{
    struct log *log = aborted->log;
    struct transaction_index_search search = {.from = aborted->from,
                                              .bound = aborted->bound,
                                              .out = aborted->out,
                                              .max = aborted->max,
                                              .count = aborted->count};
    uint32_t index = 0;

    if (log->quarantined)
        return ERR_QUARANTINED;
    segment_manifest_find(&log->segments, aborted->segment_offset, &index);
    for (; index < log->segments.count && !search.is_over; index++) {
        struct segment *segment = segment_manifest_at(&log->segments, index);

        aborted->segment_offset = segment->base_offset;
        if (segment->aborted.count == 0)
            continue;
        if (!segment->aborted.is_loaded)
            return begin_file(aborted, segment);
        segment_aborted_use(segment);
        transaction_index_collect(&segment->aborted, &search);
        aborted->count = search.count;
    }
    return OK;
}

enum err log_aborted_find(struct log *log, struct log_aborted *aborted)
{
    aborted->log = log;
    aborted->count = 0;
    aborted->file = NULL;
    aborted->segment_offset = aborted->from;
    return aborted->from < aborted->bound ? look_on(aborted) : OK;
}

void log_aborted_release(struct log_aborted *aborted)
{
    if (aborted->file != NULL)
        aborted->file->aborted = NULL;
    aborted->file = NULL;
}
