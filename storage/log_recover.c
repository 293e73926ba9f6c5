/* Opening a log: its directory, the segments up to the mark (log_believe), the journal's entries
 * above it (log_replay).
 *
 * Segments are believed up to the mark and cut there; what the journal adds stays in memory until
 * store_recovered has written and synced it.  What contradicts the mark (files missing or short, a
 * bad batch below it) quarantines the log: nothing is cut, nothing is served (L13). */
#include "storage/log_recover.h"

#include "base/mem.h"
#include "storage/offset_checkpoint.h"
#include "storage/partition_metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REMAINDER_NAME "journal-remainder."

void log_quarantine(struct log *log, const char *reason, int64_t offset, enum err err)
{
    log->quarantined = true;
    log_line(log->store->world.sink, LOG_ERROR, "LVE-2204",
             "a partition is quarantined: its files contradict its durable mark",
             log_str("topic", log->name), log_i64("partition", log->id.partition),
             log_str("dir", log->dir), log_str("reason", reason), log_i64("offset", offset),
             log_err(err));
}

/* ---- the directory */

static enum err open_directory(struct log *log)
{
    struct io *io = log->store->io;
    char path[LOG_PATH_MAX];
    char text[PARTITION_METADATA_MAX_BYTES];
    struct uuid found;
    uint8_t *bytes;
    size_t size_bytes;
    enum err err = io->v->dir_make(io, log->dir);

    if (err != OK && err != ERR_EXISTS)
        return err;
    snprintf(path, sizeof(path), "%s/partition.metadata", log->dir);
    err = log_read_file(io, path, &bytes, &size_bytes);
    if (err == OK) {
        err = partition_metadata_decode((const char *)bytes, size_bytes, &found);
        mem_free(bytes);
        if (err == OK)
            return uuid_equal(&found, &log->id.topic_id) ? OK : ERR_FOREIGN;
    }
    /* not there, or torn before its first sync: the metadata log says whose directory it is */
    size_bytes = partition_metadata_encode(&log->id.topic_id, text);
    return log_write_file(io, path, text, size_bytes);
}

static void on_file(void *context, const char *name, bool is_dir)
{
    struct log_found *found = context;
    struct store *store = found->log->store;
    enum log_file_kind kind;
    int64_t base_offset;
    bool deleted;
    char path[LOG_PATH_MAX];

    if (strncmp(name, REMAINDER_NAME, sizeof(REMAINDER_NAME) - 1) == 0)
        found->remainder = true;
    if (is_dir || log_names_parse_file(name, &base_offset, &kind, &deleted) != OK)
        return;
    if (deleted) {
        snprintf(path, sizeof(path), "%s/%s", found->log->dir, name);
        file_deletion_add(store, path, false, 0);
        return;
    }
    if (kind != LOG_FILE_LOG)
        return;
    found->bases = mem_realloc(found->bases, (found->count + 1) * sizeof(*found->bases));
    found->bases[found->count++] = base_offset;
}

static int compare_bases(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

enum err log_segment_file_size(struct segment *segment, uint64_t *out)
{
    struct io_stat stat;
    char path[LOG_PATH_MAX];
    enum err err;

    segment_path(segment, LOG_FILE_LOG, false, path);
    err = segment->log->store->io->v->file_stat(segment->log->store->io, path, &stat);
    if (err == OK)
        *out = stat.size_bytes;
    return err;
}

enum err log_cut_file(struct segment *segment)
{
    struct io *io = segment->log->store->io;
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
    struct segment *stale = segment_create(log, base_offset);
    char path[LOG_PATH_MAX];

    for (int kind = 0; kind < LOG_FILE_KIND_COUNT; kind++) {
        if (kind == LOG_FILE_WINDOW)
            continue;
        segment_path(stale, (enum log_file_kind)kind, false, path);
        (void)!log->store->io->v->file_unlink(log->store->io, path);
    }
    segment_free(stale);
}

/* ---- without any marks: Kafka's directory, or ours from before its first mark */

struct adoption {
    struct log *log;
    int64_t recovery_point; /* Kafka's */
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

/* Kafka had synced the log up to there: what is missing below it, the cleaner took.  0: nothing
 * says so. */
static int64_t kafka_recovery_point(const struct log *log)
{
    struct store *store = log->store;
    struct offset_checkpoint_reader reader;
    struct offset_checkpoint_entry entry;
    int64_t offset = 0;
    char path[LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    snprintf(path, sizeof(path), "%s/recovery-point-offset-checkpoint", store->world.dir->path);
    if (log_read_file(store->io, path, &bytes, &size_bytes) != OK)
        return 0;
    err = offset_checkpoint_open(&reader, (const char *)bytes, size_bytes);
    while (err == OK && (err = offset_checkpoint_next(&reader, &entry)) == OK)
        if (entry.partition == log->id.partition && entry.topic_bytes == strlen(log->name) &&
            memcmp(entry.topic, log->name, entry.topic_bytes) == 0)
            offset = entry.offset;
    mem_free(bytes);
    return err == ERR_NOT_FOUND ? offset : 0;
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
    struct io *io = log->store->io;
    struct segment *from = segment_create(log, from_base);
    struct segment *to = segment_create(log, to_base);
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
 * missing file (L2; docs/decisions/0007-holes-of-compaction.md). */
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
    struct segment *segment = segment_create(adoption->log, base_offset);
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

/* Every whole batch up to the first bad one, which is not below Kafka's recovery point.  What this
 * accepts, the next start accepts. */
static enum err adopt(struct log *log, struct log_found *found)
{
    struct adoption adoption = {.log = log,
                                .recovery_point = kafka_recovery_point(log),
                                .first_offset = -1,
                                .complete = true};
    struct io *io = log->store->io;
    bool swapping = false;
    enum err err = io->v->dir_list(io, log->dir, note_swap, &swapping);

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
    log->epochs_dirty = true;
    return log_rebuild_producers(log);
}

enum err log_rebuild_producers(struct log *log)
{
    return log_restore_producers(log, log->offsets.log_end, INT64_MAX);
}

/* ---- what a quarantined log keeps */

/* The journal is recycled once the other logs have recovered; what it held of this one stays beside
 * its segments, as plain batches, for whoever repairs it.  Until that file is gone the log stays
 * quarantined: without those batches it would open again and have lost what was acknowledged. */
static enum err keep_entries_aside(struct log *log)
{
    const struct journal_replay *first =
        log->store->scan == NULL
            ? NULL
            : journal_scan_take(log->store->scan, &log->id.topic_id, log->id.partition);
    char path[LOG_PATH_MAX];
    size_t size_bytes = 0;
    uint8_t *bytes;
    enum err err;

    for (const struct journal_replay *replay = first; replay != NULL; replay = replay->next)
        size_bytes += replay->entry.payload_bytes;
    if (size_bytes == 0)
        return OK;
    bytes = mem_alloc(size_bytes);
    size_bytes = 0;
    for (const struct journal_replay *replay = first; replay != NULL; replay = replay->next) {
        memcpy(bytes + size_bytes, replay->payload, replay->entry.payload_bytes);
        size_bytes += replay->entry.payload_bytes;
    }
    snprintf(path, sizeof(path), "%s/" REMAINDER_NAME "%lld", log->dir,
             (long long)first->entry.offset);
    err = log_write_file(log->store->io, path, bytes, size_bytes);
    mem_free(bytes);
    return err;
}

/* ---- the whole */

static bool holds_batches(struct log *log, const struct log_found *found)
{
    bool holds = false;

    for (uint32_t i = 0; i < found->count && !holds; i++) {
        struct segment *segment = segment_create(log, found->bases[i]);
        uint64_t file_bytes = 0;
        holds = log_segment_file_size(segment, &file_bytes) != OK || file_bytes > 0;
        segment_free(segment);
    }
    return holds;
}

/* A log without a mark is a new one: its journal begins with its first batch. */
static bool holds_batches_below(struct log *log, const struct log_found *found,
                                const struct journal_replay *first)
{
    struct log_found below = {.bases = found->bases};

    while (below.count < found->count &&
           (first == NULL || first->entry.kind != JOURNAL_APPEND || first->entry.pos > 0 ||
            found->bases[below.count] < first->entry.segment_base_offset))
        below.count++;
    return holds_batches(log, &below);
}

static enum err load(struct log *log)
{
    struct store *store = log->store;
    struct log_found found = {.log = log};
    const struct mark *mark =
        store->marks_at_start == NULL
            ? NULL
            : marks_find(store->marks_at_start, &log->id.topic_id, log->id.partition);
    bool never_marked =
        store->marks_at_start != NULL && marks_set_shard_count(store->marks_at_start) == 0;
    const struct journal_replay *first =
        store->scan == NULL ? NULL
                            : journal_scan_take(store->scan, &log->id.topic_id, log->id.partition);
    const struct journal_replay *cut = NULL;
    struct mark bound;
    enum err err = open_directory(log);

    if (err == OK)
        err = store->io->v->dir_list(store->io, log->dir, on_file, &found);
    if (err != OK)
        return err;
    if (found.count > 1)
        qsort(found.bases, found.count, sizeof(*found.bases), compare_bases);
    if (found.remainder) {
        log->believed_exists = mark != NULL;
        if (mark != NULL)
            log->believed = *mark;
        log_quarantine(log, "entries of its journal were set aside at an earlier start", -1, OK);
    } else if (mark != NULL) {
        bound = log_bound_by_journal(mark, first, &cut);
        log->believed = *mark;
        log->believed_exists = true;
        err = log_believe(log, &found, &bound, cut != NULL ? cut : first);
    } else if (never_marked && found.count > 0) {
        err = adopt(log, &found);
    } else if (store->state == STORE_OPENING && holds_batches_below(log, &found, first)) {
        log_quarantine(log, "it has segments and no mark, and the journal does not begin it", -1,
                       OK);
    } else if (store->state != STORE_OPENING && holds_batches(log, &found)) {
        /* it has a past and was not opened at the start: nobody may take it for a new one */
        log_quarantine(log, "it has segments, but it was not open when the store started", -1, OK);
    } else {
        /* no mark: all that is to be believed stands in the journal */
        for (uint32_t i = 0; i < found.count; i++)
            log_remove_stale(log, found.bases[i]);
        log_add_segment(log, 0)->indexes_loaded = true;
        producer_state_clear(&log->producers, 0);
        err = log_cut_file(log_active(log));
    }
    mem_free(found.bases);
    if (err == OK && !log->quarantined)
        err = log_replay(log, first, cut);
    return err;
}

enum err log_open(struct store *store, const struct log_id *id, const char *name,
                  const struct log_config *config, const struct log_events *events, void *context,
                  struct log **out)
{
    struct log *log = mem_alloc(sizeof(*log));
    char dir_name[LOG_DIR_NAME_MAX];
    char dir[LOG_PATH_MAX];
    enum err err;

    log->store = store;
    log->id = *id;
    log->name = mem_strdup(name);
    log->config = *config;
    log->events = events;
    log->events_context = context;
    log->window_offset = -1;
    log->window_pending = -1;
    log->prefix_pending = true;
    list_init(&log->tail);
    epoch_cache_init(&log->epochs);
    producer_state_init(&log->producers, prng_u64(store->world.prng), LOG_PRODUCERS_MAX);
    log_names_format_dir(dir_name, name, id->partition);
    snprintf(dir, sizeof(dir), "%s/%s", store->world.dir->path, dir_name);
    log->dir = mem_strdup(dir);
    list_push_back(&store->logs, &log->node);
    store->log_count++;
    err = load(log);
    if ((err == ERR_IO && !config->required) || err == ERR_CORRUPT || err == ERR_TRUNCATED) {
        log_quarantine(log, "its files cannot be read", -1, err);
        err = OK;
    }
    if (err != OK) {
        log_close(log);
        return err;
    }
    if (log->quarantined) {
        log_tail_drop_all(log);
        if (list_is_linked(&log->dirty_node))
            list_remove(&log->dirty_node);
        err = keep_entries_aside(log);
    }
    *out = log;
    return err;
}
