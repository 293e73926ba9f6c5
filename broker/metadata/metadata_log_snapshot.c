/* Snapshots of the metadata log: found and loaded at the start, written later; see metadata_log.h.
 *
 * The walk of a snapshot: encode in memory → on_written until all is written → on_synced → install:
 * rename, sync the directory, delete what is too old, cut the log. */
#include "base/check.h"
#include "base/mem.h"
#include "base/small_file.h"
#include "base/sometimes.h"
#include "broker/metadata/metadata_log_private.h"

#include <stdio.h>
#include <string.h>

enum { SNAPSHOTS_SEEN_MAX = 64 };

static void path_of(const struct metadata_log *log, const struct snapshot_id *id,
                    const char *suffix, char out[PATH_MAX_BYTES])
{
    char name[SNAPSHOT_NAME_MAX];

    snapshot_format_name(id, name);
    snprintf(out, PATH_MAX_BYTES, "%s/%s%s", log->dir, name, suffix);
}

static void delete_snapshot(struct metadata_log *log, const struct snapshot_id *id)
{
    char path[PATH_MAX_BYTES];
    enum err err;

    path_of(log, id, "", path);
    err = log->world.io->v->file_unlink(log->world.io, path);
    if (err != OK && err != ERR_NOT_FOUND)
        log_line(log->world.sink, LOG_WARN, "LVE-4005", "an old metadata snapshot stays",
                 log_str("path", path), log_err(err));
}

/* ---- loading the newest */

struct found_snapshots {
    struct snapshot_id ids[SNAPSHOTS_SEEN_MAX]; /* newest first */
    uint32_t count;
    char parts[4][SNAPSHOT_NAME_MAX + 8];
    uint32_t part_count;
};

static bool is_newer(const struct snapshot_id *a, const struct snapshot_id *b)
{
    return a->end_offset != b->end_offset ? a->end_offset > b->end_offset : a->epoch > b->epoch;
}

static void on_name(void *context, const char *name, bool is_dir)
{
    struct found_snapshots *found = context;
    struct snapshot_id id;
    size_t size_bytes = strlen(name);
    uint32_t place;

    if (is_dir)
        return;
    if (size_bytes > 5 && strcmp(name + size_bytes - 5, ".part") == 0 &&
        size_bytes < sizeof(found->parts[0]) && found->part_count < array_count(found->parts)) {
        memcpy(found->parts[found->part_count++], name, size_bytes + 1);
        return;
    }
    if (snapshot_parse_name(name, &id) != OK)
        return;
    if (found->count == SNAPSHOTS_SEEN_MAX)
        found->count--; /* the oldest one is of least use */
    for (place = found->count; place > 0 && is_newer(&id, &found->ids[place - 1]); place--)
        found->ids[place] = found->ids[place - 1];
    found->ids[place] = id;
    found->count++;
}

static enum err read_file(struct io *io, const char *path, uint8_t **bytes_out, size_t *size_out)
{
    uint64_t size_bytes = 0;
    size_t done_bytes = 0;
    uint8_t *bytes = NULL;
    int32_t fd;
    enum err err = io->v->file_open(io, path, IO_READ, &fd);

    if (err != OK)
        return err;
    err = io->v->file_size(io, fd, &size_bytes);
    if (err == OK && size_bytes > UINT32_MAX)
        err = ERR_TOO_LARGE;
    if (err == OK) {
        bytes = mem_try_alloc(size_bytes + 1);
        err = bytes == NULL ? ERR_NOMEM : OK;
    }
    while (err == OK && done_bytes < size_bytes) {
        uint32_t read_bytes = 0;
        err = io->v->file_read(io, fd, bytes + done_bytes, (uint32_t)(size_bytes - done_bytes),
                               done_bytes, &read_bytes);
        if (err == OK && read_bytes == 0)
            err = ERR_TRUNCATED;
        done_bytes += read_bytes;
    }
    io->v->close(io, fd);
    if (err != OK) {
        mem_free(bytes);
        return err;
    }
    *bytes_out = bytes;
    *size_out = size_bytes;
    return OK;
}

/* One candidate.  Only a file that is whole is applied, so that a bad one leaves the image empty.
 */
static enum err load_snapshot(struct metadata_log *log, const struct snapshot_id *id,
                              struct image *image, bool *applied_out)
{
    char path[PATH_MAX_BYTES];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    path_of(log, id, "", path);
    err = read_file(log->world.io, path, &bytes, &size_bytes);
    if (err == OK) {
        err = snapshot_check(bytes, size_bytes);
        if (err == OK) {
            *applied_out = true;
            err = snapshot_apply(bytes, size_bytes, id, image);
        }
        mem_free(bytes);
    }
    if (err != OK)
        log_line(log->world.sink, LOG_ERROR, "LVE-4002", "a metadata snapshot cannot be used",
                 log_str("path", path), log_err(err), log_str("record", image_refused(image)));
    return err;
}

enum err metadata_log_load_snapshot(struct metadata_log *log, struct image *image)
{
    struct io *io = log->world.io;
    struct found_snapshots *found = mem_alloc(sizeof(*found));
    bool applied = false;
    char path[PATH_MAX_BYTES];
    enum err err;

    err = io->v->dir_list(io, log->dir, on_name, found);
    for (uint32_t i = 0; i < found->part_count && err == OK; i++) {
        snprintf(path, sizeof(path), "%s/%s", log->dir, found->parts[i]);
        err = io->v->file_unlink(io, path); /* of a start or stop that did not end */
    }
    for (uint32_t i = 0; i < found->count && err == OK; i++) {
        bool is_kept = log->snapshot_count > 0;
        if (!is_kept) {
            err = load_snapshot(log, &found->ids[i], image, &applied);
            is_kept = err == OK;
            if (err != OK && !applied && err != ERR_NOMEM)
                err = OK; /* an older one and a longer piece of log may do */
        }
        if (is_kept && log->snapshot_count < SNAPSHOTS_KEPT)
            log->snapshots[log->snapshot_count++] = found->ids[i];
    }
    mem_free(found);
    return err == ERR_NOT_FOUND ? OK : err;
}

/* ---- writing a snapshot */

bool metadata_log_wants_snapshot(const struct metadata_log *log)
{
    return !log->writing.active &&
           (log->appended_bytes >= log->options.snapshot_interval_bytes ||
            (log->appended_bytes > 0 && BUGGIFY("metadata log: a snapshot begins early")));
}

bool metadata_log_is_writing(const struct metadata_log *log)
{
    return log->writing.active;
}

bool metadata_log_has_news(const struct metadata_log *log, const struct image *image)
{
    return image_offset(image) >= 0 &&
           (log->snapshot_count == 0 || image_offset(image) >= log->snapshots[0].end_offset);
}

static void end_snapshot(struct metadata_log *log, enum err err)
{
    struct snapshot_write *writing = &log->writing;
    struct io *io = log->world.io;
    char part[PATH_MAX_BYTES];

    if (writing->fd >= 0)
        io->v->close(io, writing->fd);
    writing->fd = -1;
    mem_free(writing->bytes);
    writing->bytes = NULL;
    writing->active = false;
    if (err != OK) {
        path_of(log, &writing->id, ".part", part);
        (void)!io->v->file_unlink(io, part);
        log_line(log->world.sink, LOG_ERROR, "LVE-4003", "a metadata snapshot was not written",
                 log_i64("end_offset", writing->id.end_offset), log_err(err));
    }
    if (writing->done != NULL)
        writing->done(writing->context, err);
}

static void on_cut(void *context, enum err err)
{
    struct metadata_log *log = context;

    if (err != OK)
        log_line(log->world.sink, LOG_WARN, "LVE-4004", "the metadata log was not cut",
                 log_err(err));
}

/* The new file under its name: now older ones and the log below may go. */
static enum err install(struct metadata_log *log)
{
    struct snapshot_write *writing = &log->writing;
    struct io *io = log->world.io;
    char part[PATH_MAX_BYTES];
    char path[PATH_MAX_BYTES];
    int64_t cut_offset;
    enum err err;

    path_of(log, &writing->id, ".part", part);
    path_of(log, &writing->id, "", path);
    err = small_file_install(io, log->dir, part, path);
    if (err != OK)
        return err;
    if (log->snapshot_count == SNAPSHOTS_KEPT)
        delete_snapshot(log, &log->snapshots[--log->snapshot_count]);
    for (uint32_t i = log->snapshot_count; i > 0; i--)
        log->snapshots[i] = log->snapshots[i - 1];
    log->snapshots[0] = writing->id;
    log->snapshot_count++;
    log->appended_bytes -= writing->covers_bytes;
    cut_offset = log->snapshots[log->snapshot_count - 1].end_offset;
    if (log->snapshot_count == SNAPSHOTS_KEPT && cut_offset > log_offsets(log->log).log_start) {
        err = log_delete_records(log->log, cut_offset, on_cut, log); /* MLG-3 */
        if (err != OK)
            on_cut(log, err);
    }
    return OK; /* a log that stays too long does no harm */
}

static void on_synced(struct io_op *op, int32_t result)
{
    struct metadata_log *log = container_of(op, struct metadata_log, writing.write.op);
    enum err err = result < 0 ? err_from_errno(-result) : OK;

    end_snapshot(log, err == OK ? install(log) : err);
}

static void on_written(struct whole_write *write, enum err err)
{
    struct metadata_log *log = container_of(write, struct metadata_log, writing.write);

    if (err != OK)
        end_snapshot(log, err);
    else
        io_sync(log->world.io, &write->op, log->writing.fd, on_synced);
}

void metadata_log_snapshot(struct metadata_log *log, const struct image *image,
                           void (*done)(void *context, enum err err), void *context)
{
    struct snapshot_write *writing = &log->writing;
    struct io *io = log->world.io;
    char part[PATH_MAX_BYTES];
    enum err err;

    if (writing->active) {
        check(writing->done == NULL || done == NULL);
        if (done != NULL) {
            writing->done = done;
            writing->context = context;
        }
        return;
    }
    *writing = (struct snapshot_write){
        .active = true,
        .fd = -1,
        .id = {.end_offset = image_offset(image) + 1, .epoch = image_epoch(image)},
        .covers_bytes = log->appended_bytes,
        .done = done,
        .context = context,
    };
    path_of(log, &writing->id, ".part", part);
    err = snapshot_encode(image, &writing->id, clock_wall_ms(log->world.clock), &writing->bytes,
                          &writing->size_bytes);
    if (err == OK)
        err = io->v->file_open(io, part, IO_WRITE | IO_CREATE | IO_TRUNCATE, &writing->fd);
    if (err != OK) {
        writing->fd = -1;
        end_snapshot(log, err);
        return;
    }
    whole_write_bytes(&writing->write, io, writing->fd, writing->bytes, writing->size_bytes, 0,
                      false, 1, on_written);
}
