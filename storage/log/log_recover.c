#include "storage/log/log_recover.h"

#include "base/mem.h"

#include <stdio.h>

void log_quarantine(struct log *log, const char *reason, int64_t offset, enum err err)
{
    log->quarantined = true;
    log_line(log->env->sink, LOG_ERROR, "LVE-2204",
             "a partition is quarantined: its files contradict its durable mark",
             log_str("topic", log->name), log_i64("partition", log->id.partition),
             log_str("dir", log->dir), log_str("reason", reason), log_i64("offset", offset),
             log_err(err));
}

enum err log_segment_file_size(struct segment *segment, uint64_t *out)
{
    struct io_stat stat;
    char path[LOG_PATH_MAX];
    enum err err;

    segment_path(segment, LOG_FILE_LOG, false, path);
    err = segment->of->io->v->file_stat(segment->of->io, path, &stat);
    if (err == OK)
        *out = stat.size_bytes;
    return err;
}

enum err log_cut_file(struct segment *segment)
{
    struct io *io = segment->of->io;
    uint64_t kept_bytes = (segment->size_bytes + STORE_BLOCK - 1) & ~(uint64_t)(STORE_BLOCK - 1);
    uint64_t file_bytes;
    char path[LOG_PATH_MAX];
    int32_t fd;
    enum err err = log_segment_file_size(segment, &file_bytes);

    if (err == OK && file_bytes == segment->size_bytes)
        return OK;
    segment->padded = true;
    if (err == OK && file_bytes <= kept_bytes)
        return OK;
    segment_path(segment, LOG_FILE_LOG, false, path);
    err = io->v->file_open(io, path, IO_WRITE | IO_CREATE, &fd);
    if (err != OK)
        return err;
    err = io->v->file_truncate(io, fd, kept_bytes);
    io->v->close(io, fd);
    return err;
}

void log_remove_stale(struct log *log, int64_t base_offset)
{
    struct segment *stale = segment_create(&log->segment_environment, base_offset);
    char path[LOG_PATH_MAX];

    for (int kind = 0; kind < LOG_FILE_KIND_COUNT; kind++) {
        if (kind == LOG_FILE_WINDOW)
            continue;
        segment_path(stale, (enum log_file_kind)kind, false, path);
        (void)!log->env->io->v->file_unlink(log->env->io, path);
    }
    segment_free(stale);
}
