/* A log of Kafka's, or of ours from before its first mark: taken as its files are, once.
 *
 * Every whole batch is accepted up to the first bad one, which may not be below Kafka's recovery
 * point.  What this accepts, the next start accepts (log_believe).  Decision 0007 has the holes
 * that Kafka's cleaner leaves.  Aborted and open transactions are what the batches say, whatever
 * Kafka's indexes and snapshots do. */
#include "base/mem.h"
#include "base/small_file.h"
#include "storage/dir/offset_checkpoint.h"
#include "storage/log/log_append.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_recover.h"
#include "storage/log/log_roll.h"
#include "storage/log/log_swap.h"

#include <stdio.h>
#include <string.h>

struct adoption {
    struct log *log;
    int64_t recovery_point; /* Kafka had synced the log up to there: what is missing below it, the
                             * cleaner took */
    struct segment *segment;
    int64_t first_offset; /* of its first batch */
    uint64_t pos;
    bool complete; /* all of it is batches */
};

static bool adopt_batch(void *context, const struct batch_header *header, const uint8_t *bytes,
                        uint64_t pos)
{
    struct adoption *adoption = context;

    if (header->base_offset < adoption->log->offsets.log_end || !batch_crc_is_good(bytes, header))
        return false;
    log_note_batch(adoption->log, adoption->segment, header, pos);
    if (pos == 0)
        adoption->first_offset = header->base_offset;
    adoption->pos = pos + header->size_bytes;
    return true;
}

/* What one of Kafka's checkpoint files says of this log; 0: nothing. */
static enum err kafka_offset(const struct log *log, const char *name, int64_t *out)
{
    struct log_environment *env = log->env;
    struct offset_checkpoint_reader reader;
    struct offset_checkpoint_entry entry;
    int64_t offset = 0;
    char path[LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    *out = 0;
    snprintf(path, sizeof(path), "%s/%s", env->dir, name);
    err = small_file_read(env->io, path, &bytes, &size_bytes);
    if (err != OK)
        return err == ERR_NOMEM ? err : OK;
    err = offset_checkpoint_open(&reader, (const char *)bytes, size_bytes);
    while (err == OK && (err = offset_checkpoint_next(&reader, &entry)) == OK)
        if (entry.partition == log->id.partition && entry.topic_bytes == strlen(log->name) &&
            memcmp(entry.topic, log->name, entry.topic_bytes) == 0)
            offset = entry.offset;
    mem_free(bytes);
    if (err == ERR_NOT_FOUND)
        *out = offset;
    return OK;
}

static void note_swap(void *context, const char *name, bool is_dir)
{
    static const char suffix[] = ".swap";
    size_t name_bytes = strlen(name);

    if (name_bytes >= sizeof(suffix) && strcmp(name + name_bytes - strlen(suffix), suffix) == 0)
        *(bool *)context = true;
}

/* The .log goes last: until then the next start does all of it again. */
static enum err rename_segment(struct log *log, int64_t from_base, int64_t to_base)
{
    struct io *io = log->env->io;
    struct segment *from = segment_create(&log->segment_environment, from_base);
    struct segment *to = segment_create(&log->segment_environment, to_base);
    char from_path[LOG_PATH_MAX];
    char to_path[LOG_PATH_MAX];
    enum err err = OK;

    for (int kind = LOG_FILE_KIND_COUNT; kind-- > 0 && err == OK;) {
        if (kind == LOG_FILE_WINDOW)
            continue;
        segment_path(from, (enum log_file_kind)kind, false, from_path);
        segment_path(to, (enum log_file_kind)kind, false, to_path);
        if (kind == LOG_FILE_LOG)
            err = io->v->dir_sync(io, log->dir);
        if (err == OK)
            err = io->v->file_rename(io, from_path, to_path);
        if (err == ERR_NOT_FOUND && kind != LOG_FILE_LOG)
            err = OK;
    }
    segment_free(from);
    segment_free(to);
    return err;
}

/* A segment behind a hole takes its place where the one before ends, or that of one in which
 * nothing is left: then the hole stands inside of it, as ours do, and no later start takes it for a
 * missing file (LOG-2; docs/decisions/0007-holes-of-compaction.md). */
static enum err close_hole(struct log *log, int64_t *base_offset)
{
    int64_t found_base = *base_offset;

    if (log_active(log)->size_bytes == 0) {
        *base_offset = log_active(log)->base_offset;
        log_drop_last_segment(log, false);
    } else {
        *base_offset = log_active(log)->end_offset;
    }
    log->offsets.log_end = found_base;
    return rename_segment(log, found_base, *base_offset);
}

static enum err adopt_segment(struct adoption *adoption, int64_t base_offset)
{
    struct log *log = adoption->log;
    struct segment *segment = log_add_segment(log, base_offset);
    uint64_t file_bytes;
    enum err walk;
    enum err err = log_segment_file_size(segment, &file_bytes);

    if (err != OK)
        return err;
    adoption->segment = segment;
    adoption->pos = 0;
    segment->indexes_loaded = true;
    segment->indexes_dirty = true;
    walk = segment_walk(segment, 0, file_bytes, adopt_batch, adoption);
    if (walk == ERR_IO || walk == ERR_NOMEM)
        return walk; /* says nothing about the bytes */
    adoption->complete = walk == OK && adoption->pos == file_bytes;
    if (!adoption->complete && log->offsets.log_end < adoption->recovery_point) {
        log_quarantine(log, "it is damaged below Kafka's recovery point", log->offsets.log_end,
                       walk);
        return OK;
    }
    segment->end_offset = log->offsets.log_end;
    segment->written_pos = segment->size_bytes;
    return log_cut_file(segment);
}

static bool note_first(void *context, const struct batch_header *header, const uint8_t *bytes,
                       uint64_t pos)
{
    *(int64_t *)context = header->base_offset;
    return false;
}

/* Is it the last segment's file, under the name from before close_hole?  A power loss may leave
 * both names. */
static bool is_old_name(const struct adoption *adoption, int64_t base_offset)
{
    struct segment *segment = segment_create(&adoption->log->segment_environment, base_offset);
    int64_t first_offset = -1;
    uint64_t file_bytes = 0;
    bool same = adoption->first_offset >= base_offset &&
                log_segment_file_size(segment, &file_bytes) == OK && file_bytes == adoption->pos &&
                segment_walk(segment, 0, file_bytes, note_first, &first_offset) == OK &&
                first_offset == adoption->first_offset;

    segment_free(segment);
    return same;
}

static enum err adopt_next(struct adoption *adoption, int64_t base_offset)
{
    struct log *log = adoption->log;
    int64_t log_end = log->offsets.log_end;
    enum err err = OK;

    if (!adoption->complete || (base_offset < log_end && is_old_name(adoption, base_offset))) {
        log_remove_stale(log, base_offset);
        return OK;
    }
    if (base_offset < log_end) {
        log_quarantine(log, "its segments overlap", base_offset, OK);
        return OK;
    }
    if (base_offset > log_end && base_offset > adoption->recovery_point) {
        log_quarantine(log,
                       "a segment is missing above Kafka's recovery point; if it was compacted,"
                       " start Kafka and stop it in order",
                       base_offset, OK);
        return OK;
    }
    if (base_offset > log_end)
        err = close_hole(log, &base_offset);
    return err == OK ? adopt_segment(adoption, base_offset) : err;
}

enum err log_adopt(struct log *log, struct log_found *found)
{
    struct adoption adoption = {.log = log, .first_offset = -1, .complete = true};
    struct io *io = log->env->io;
    int64_t high_watermark = 0;
    int64_t log_start = 0;
    int64_t cleaned_offset = 0;
    bool swapping = false;
    enum err err = kafka_offset(log, "recovery-point-offset-checkpoint", &adoption.recovery_point);

    if (err == OK)
        err = kafka_offset(log, "log-start-offset-checkpoint", &log_start);
    if (err == OK)
        err = kafka_offset(log, "replication-offset-checkpoint", &high_watermark);
    if (err == OK)
        err = kafka_offset(log, LOG_CLEANED_NAME, &cleaned_offset);
    if (err == OK)
        err = io->v->dir_list(io, log->dir, note_swap, &swapping);
    if (err == ERR_NOMEM)
        return err; /* nothing was changed yet */
    if (swapping) {
        log_quarantine(log, "Kafka was killed while it compacted: start it and stop it in order",
                       -1, OK);
        return OK;
    }
    log->offsets.log_start = found->bases[0];
    log->offsets.log_end = found->bases[0];
    for (uint32_t i = 0; i < found->count && err == OK && !log->quarantined; i++)
        err = adopt_next(&adoption, found->bases[i]);
    if (err != OK || log->quarantined)
        return err;
    if (log_active(log)->size_bytes == 0 && log->offsets.log_end < adoption.recovery_point) {
        log->offsets.log_end = adoption.recovery_point; /* offsets that were given, and compacted */
        log_active(log)->end_offset = adoption.recovery_point;
    }
    if (log_start > log->offsets.log_end)
        log_start = log->offsets.log_end;
    if (log_start > log->offsets.log_start) /* DeleteRecords: the bytes may still be there */
        log->offsets.log_start = log_start;
    log_recover_published(log, high_watermark);
    log->epochs_dirty = true;
    if (cleaned_offset > 0 && cleaned_offset <= log->offsets.log_end)
        err = log_swap_note_cleaned(log, cleaned_offset);
    return err == OK ? log_rebuild_producers(log) : err;
}
