/* Opening a log: its directory, the segments up to the mark, the journal's entries above it.
 *
 * Segments are believed up to the mark and cut there; what the journal adds stays in memory until
 * store_recovered has written and synced it.  What contradicts the mark (files missing or short, a
 * bad batch below it) quarantines the log: nothing is cut, nothing is served (L13). */
#include "base/check.h"
#include "base/mem.h"
#include "storage/log_private.h"
#include "storage/partition_metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the directory holds. */
struct found {
    struct log *log;
    int64_t *bases; /* of .log files */
    uint32_t count;
    bool remainder; /* entries of the journal lie beside the segments: keep_entries_aside */
};

#define REMAINDER_NAME "journal-remainder."

static void quarantine(struct log *log, const char *reason, int64_t offset, enum err err)
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
    struct found *found = context;
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

static enum err file_size_of(struct segment *segment, uint64_t *out)
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

/* ---- up to the mark */

struct tail_check {
    uint64_t pos; /* behind the last good batch */
    int64_t end_offset;
    bool bad;
};

static bool check_batch(void *context, const struct batch_header *header, const uint8_t *bytes,
                        uint64_t pos)
{
    struct tail_check *tail = context;

    tail->bad = !batch_crc_is_good(bytes, header);
    if (tail->bad)
        return false;
    tail->pos = pos + header->size_bytes;
    tail->end_offset = batch_last_offset(header) + 1;
    return true;
}

/* The batches from the last index entry to the end: does the chain end where it should?  An active
 * one that was cut inside a batch may end below its end offset. */
static bool tail_is_good(struct log *log, struct segment *segment, int64_t end_offset,
                         bool is_active)
{
    struct tail_check tail = {.end_offset = segment->base_offset};
    struct offset_position last;
    enum err err = segment_load_indexes(segment);

    if (err == OK && segment->size_bytes > 0) {
        if (offset_index_last(&segment->index, &last))
            tail.pos = last.pos;
        err = segment_walk(segment, tail.pos, segment->size_bytes, check_batch, &tail);
        if ((err != OK || tail.bad) && !segment->indexes_rebuilt) { /* the entry may be wrong */
            tail = (struct tail_check){.end_offset = segment->base_offset};
            err = segment_rebuild_indexes(segment);
            if (err == OK)
                err = segment_walk(segment, 0, segment->size_bytes, check_batch, &tail);
        }
    }
    if (err == OK && !tail.bad && tail.pos == segment->size_bytes &&
        (segment->size_bytes == 0 || tail.end_offset == end_offset ||
         (is_active && tail.end_offset < end_offset)))
        return true;
    quarantine(log, "the last batches of a segment are damaged", tail.end_offset, err);
    return false;
}

/* Closed segments go back to being read when they are needed. */
static void unload_indexes(struct segment *segment)
{
    if (segment->indexes_dirty)
        return;
    offset_index_clear(&segment->index);
    time_index_clear(&segment->times);
    segment->indexes_loaded = false;
}

static bool add_believed(struct log *log, int64_t base_offset, int64_t end_offset, uint64_t pos,
                         bool is_active)
{
    struct segment *segment = log_add_segment(log, base_offset);
    uint64_t file_bytes = 0;
    enum err err = file_size_of(segment, &file_bytes);

    if (err == ERR_NOT_FOUND && is_active && pos == 0)
        err = OK;
    segment->end_offset = end_offset;
    segment->size_bytes = is_active ? pos : file_bytes;
    segment->written_pos = segment->size_bytes;
    if (err != OK || file_bytes < segment->size_bytes) {
        quarantine(log, "a segment is missing or shorter than its mark", base_offset, err);
        return false;
    }
    if (!tail_is_good(log, segment, end_offset, is_active))
        return false;
    if (!is_active)
        unload_indexes(segment);
    return true;
}

/* What lies in the file above the mark is not believed.  The file is cut at the end of the block: a
 * cut inside it would rewrite durable bytes, and the power may go meanwhile.  The rest of the block
 * is overwritten by the next append, or cut off at the segment's end. */
static enum err cut_file(struct segment *segment)
{
    struct io *io = segment->log->store->io;
    uint64_t kept_bytes = (segment->size_bytes + STORE_BLOCK - 1) & ~(uint64_t)(STORE_BLOCK - 1);
    uint64_t file_bytes;
    char path[LOG_PATH_MAX];
    int32_t fd;
    enum err err = file_size_of(segment, &file_bytes);

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

static void remove_stale(struct log *log, int64_t base_offset)
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

static enum err load_epochs(struct log *log)
{
    char path[LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    snprintf(path, sizeof(path), "%s/leader-epoch-checkpoint", log->dir);
    err = log_read_file(log->store->io, path, &bytes, &size_bytes);
    if (err == OK) {
        err = epoch_cache_decode(&log->epochs, (const char *)bytes, size_bytes);
        mem_free(bytes);
    }
    return err;
}

static bool note_epoch(void *context, const struct batch_header *header, const uint8_t *bytes,
                       uint64_t pos)
{
    struct log *log = context;

    if (header->leader_epoch > epoch_cache_latest(&log->epochs))
        epoch_cache_assign(&log->epochs, header->leader_epoch, header->base_offset);
    return true;
}

/* The file, or all batches when it is lost or contradicts the log. */
static enum err restore_epochs(struct log *log)
{
    enum err err = load_epochs(log);

    if (err == OK) {
        if (epoch_cache_truncate_end(&log->epochs, log->offsets.log_end))
            log->epochs_dirty = true;
        return OK;
    }
    epoch_cache_clear(&log->epochs);
    log->epochs_dirty = true;
    for (uint32_t i = 0; i < log->segment_count; i++) {
        err = segment_walk(log->segments[i], 0, log->segments[i]->written_pos, note_epoch, log);
        if (err != OK)
            return err;
    }
    return OK;
}

/* What is to be believed of the segments: the mark, less what was cut off and what was deleted
 * since, by the journal.  *cut_out: the deepest cut that is not above the mark (the entries before
 * it append what it took away), or NULL. */
static struct mark bound_by_journal(const struct mark *mark, const struct journal_replay *first,
                                    const struct journal_replay **cut_out)
{
    struct mark bound = *mark;

    *cut_out = NULL;
    for (const struct journal_replay *replay = first; replay != NULL; replay = replay->next) {
        const struct journal_entry *entry = &replay->entry;
        if (entry->kind == JOURNAL_LOG_START && entry->offset > bound.log_start_offset)
            bound.log_start_offset = entry->offset;
        if (entry->kind != JOURNAL_TRUNCATE || entry->offset > bound.end_offset)
            continue;
        bound.end_offset = entry->offset;
        bound.segment_base_offset = entry->segment_base_offset;
        bound.pos = entry->pos;
        *cut_out = replay;
    }
    return bound;
}

/* The last block below the bound was perhaps being rewritten when the power went: its bytes stand
 * in the first entry that follows. */
static enum err repair_block(struct log *log, const struct mark *bound,
                             const struct journal_replay *first)
{
    struct segment *segment = segment_create(log, bound->segment_base_offset);
    struct io *io = log->store->io;
    uint64_t file_bytes = 0;
    char path[LOG_PATH_MAX];
    int32_t fd;
    enum err err = OK;

    segment_path(segment, LOG_FILE_LOG, false, path);
    while (first != NULL &&
           (first->entry.kind != JOURNAL_APPEND || first->entry.prefix_bytes == 0 ||
            first->entry.segment_base_offset != bound->segment_base_offset ||
            first->entry.pos != bound->pos))
        first = first->next;
    if (first != NULL && file_size_of(segment, &file_bytes) == OK && file_bytes >= bound->pos) {
        err = io->v->file_open(io, path, IO_WRITE, &fd);
        if (err == OK) {
            err = io->v->file_write(io, fd, first->prefix, first->entry.prefix_bytes,
                                    bound->pos - first->entry.prefix_bytes);
            io->v->close(io, fd);
        }
    }
    segment_free(segment);
    return err;
}

static enum err believe_to_mark(struct log *log, struct found *found, const struct mark *mark,
                                const struct journal_replay *behind)
{
    uint32_t count = 0;
    enum err err = repair_block(log, mark, behind);

    if (err != OK)
        return err;
    log->offsets.log_start =
        mark->log_start_offset < mark->end_offset ? mark->log_start_offset : mark->end_offset;
    log->offsets.log_end = mark->end_offset;
    while (count < found->count && found->bases[count] < mark->segment_base_offset)
        count++;
    for (uint32_t i = 0; i < count && !log->quarantined; i++) {
        int64_t next = i + 1 < count ? found->bases[i + 1] : mark->segment_base_offset;
        if (next <= mark->log_start_offset) {
            remove_stale(log, found->bases[i]); /* dropped before the crash */
            continue;
        }
        add_believed(log, found->bases[i], next, 0, false);
    }
    if (!log->quarantined)
        add_believed(log, mark->segment_base_offset, mark->end_offset, mark->pos, true);
    if (log->quarantined)
        return OK;
    if (log->segments[0]->base_offset > mark->log_start_offset) {
        quarantine(log, "the first segments are missing", mark->log_start_offset, OK);
        return OK;
    }
    for (uint32_t i = 0; i < found->count && err == OK; i++)
        if (found->bases[i] > mark->segment_base_offset)
            remove_stale(log, found->bases[i]);
    err = cut_file(log_active(log));
    if (err == OK)
        err = restore_epochs(log);
    if (err == OK)
        err = log_restore_producers(log, mark->end_offset, mark->window_offset);
    return err;
}

/* ---- without any marks: Kafka's directory, or ours from before its first mark */

struct adoption {
    struct log *log;
    struct segment *segment;
    uint64_t pos;
};

static bool adopt_batch(void *context, const struct batch_header *header, const uint8_t *bytes,
                        uint64_t pos)
{
    struct adoption *adoption = context;

    if (header->base_offset < adoption->log->offsets.log_end || !batch_crc_is_good(bytes, header))
        return false;
    log_note_batch(adoption->log, adoption->segment, header, pos);
    adoption->pos = pos + header->size_bytes;
    return true;
}

/* Every whole batch up to the first bad one. */
static enum err adopt(struct log *log, struct found *found)
{
    enum err err = OK;
    bool complete = true;

    log->offsets.log_start = found->bases[0];
    log->offsets.log_end = found->bases[0];
    for (uint32_t i = 0; i < found->count && err == OK; i++) {
        struct adoption adoption = {.log = log};
        uint64_t file_bytes;
        if (!complete) {
            remove_stale(log, found->bases[i]);
            continue;
        }
        if (found->bases[i] < log->offsets.log_end)
            return ERR_CORRUPT;
        adoption.segment = log_add_segment(log, found->bases[i]);
        adoption.segment->indexes_loaded = true;
        err = file_size_of(adoption.segment, &file_bytes);
        if (err == OK) {
            enum err walk = segment_walk(adoption.segment, 0, file_bytes, adopt_batch, &adoption);
            complete = walk == OK && adoption.pos == file_bytes;
        }
        adoption.segment->written_pos = adoption.segment->size_bytes;
        if (err == OK)
            err = cut_file(adoption.segment);
    }
    log->epochs_dirty = true;
    if (err == OK)
        err = log_rebuild_producers(log);
    return err;
}

enum err log_rebuild_producers(struct log *log)
{
    return log_restore_producers(log, log->offsets.log_end, INT64_MAX);
}

/* ---- above the mark: the journal */

static enum err replay_append(struct log *log, const struct journal_replay *replay)
{
    const struct journal_entry *entry = &replay->entry;
    struct segment *active = log_active(log);
    struct producer_rules rules = {.origin = PRODUCER_VERBATIM};
    struct producer_check unused;
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;
    enum err err;

    if (entry->end_offset <= log->offsets.log_end)
        return OK; /* below the mark */
    if (entry->segment_base_offset != active->base_offset) {
        if (entry->pos != 0 || entry->segment_base_offset < active->end_offset)
            return ERR_CORRUPT;
        log_roll(log, entry->segment_base_offset);
        active = log_active(log);
    }
    if (entry->pos != active->size_bytes || entry->offset < log->offsets.log_end)
        return ERR_CORRUPT;
    err = segment_load_indexes(active);
    if (err != OK)
        return err;
    if (entry->prefix_bytes > 0 && entry->pos == active->written_pos &&
        entry->prefix_bytes == entry->pos % STORE_BLOCK) {
        /* the block below was perhaps being rewritten: these are its bytes */
        if (active->head_block == NULL)
            active->head_block = mem_alloc(STORE_BLOCK);
        memcpy(active->head_block, replay->prefix, entry->prefix_bytes);
    }
    batch_walk_init(&walk, replay->payload, entry->payload_bytes);
    while ((err = batch_next(&walk, &header, &bytes)) == OK) {
        if (!batch_crc_is_good(bytes, &header))
            return ERR_CORRUPT;
        if (batch_has_producer(&header)) {
            err = producer_state_check(&log->producers, &header, NULL, &rules, &unused);
            if (err != OK)
                return err;
            producer_state_update(&log->producers, &header, NULL, log_wall_ms(log), NULL);
            log->producers_dirty = true;
        }
        log_tail_add(log, active, header.base_offset, batch_last_offset(&header) + 1,
                     active->size_bytes, bytes, header.size_bytes, replay->buf, 0);
        log_note_batch(log, active, &header, active->size_bytes);
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err replay_truncate(struct log *log, const struct journal_entry *entry)
{
    struct segment *segment;

    if (entry->offset > log->offsets.log_end)
        return ERR_CORRUPT;
    while (!list_is_empty(&log->tail)) {
        struct tail_entry *last = container_of(log->tail.prev, struct tail_entry, log_node);
        if (last->end_offset <= entry->offset)
            break;
        log_tail_remove(last);
    }
    while (log->segment_count > 1 && log_active(log)->base_offset > entry->segment_base_offset)
        log_drop_last_segment(log, true);
    segment = log_active(log);
    if (segment->base_offset != entry->segment_base_offset || entry->pos > segment->size_bytes)
        return ERR_CORRUPT;
    if (segment_load_indexes(segment) != OK)
        return ERR_CORRUPT;
    return log_cut_state(log, segment, entry->offset, entry->pos);
}

static enum err replay_start(struct log *log, int64_t offset)
{
    if (offset <= log->offsets.log_start)
        return OK;
    if (offset > log->offsets.log_end)
        return ERR_CORRUPT;
    log->offsets.log_start = offset;
    if (epoch_cache_truncate_start(&log->epochs, offset))
        log->epochs_dirty = true;
    producer_state_raise_start(&log->producers, offset);
    log_drop_below_start(log);
    return OK;
}

/* cut: what was journaled before it has no effect any more, but for the log's start. */
static enum err replay_all(struct log *log, const struct journal_replay *replay,
                           const struct journal_replay *cut)
{
    enum err err = OK;

    for (; replay != NULL && err == OK; replay = replay->next) {
        if (replay == cut)
            cut = NULL;
        if (cut != NULL && replay->entry.kind != JOURNAL_LOG_START)
            continue;
        switch (replay->entry.kind) {
        case JOURNAL_APPEND:
            err = replay_append(log, replay);
            break;
        case JOURNAL_TRUNCATE:
            err = replay_truncate(log, &replay->entry);
            break;
        case JOURNAL_LOG_START:
            err = replay_start(log, replay->entry.offset);
            break;
        default:
            err = ERR_CORRUPT;
        }
        log_mark_dirty(log);
        if (err == ERR_CORRUPT) {
            quarantine(log, "the journal does not follow on the segments", replay->entry.offset,
                       err);
            return OK;
        }
    }
    return err;
}

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

static bool holds_batches(struct log *log, const struct found *found)
{
    bool holds = false;

    for (uint32_t i = 0; i < found->count && !holds; i++) {
        struct segment *segment = segment_create(log, found->bases[i]);
        uint64_t file_bytes = 0;
        holds = file_size_of(segment, &file_bytes) != OK || file_bytes > 0;
        segment_free(segment);
    }
    return holds;
}

static enum err load(struct log *log)
{
    struct store *store = log->store;
    struct found found = {.log = log};
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
        quarantine(log, "entries of its journal were set aside at an earlier start", -1, OK);
    } else if (mark != NULL) {
        bound = bound_by_journal(mark, first, &cut);
        log->believed = *mark;
        log->believed_exists = true;
        err = believe_to_mark(log, &found, &bound, cut != NULL ? cut : first);
    } else if (never_marked && found.count > 0) {
        err = adopt(log, &found);
    } else if (store->state != STORE_OPENING && holds_batches(log, &found)) {
        /* it has a past and was not opened at the start: nobody may take it for a new one */
        quarantine(log, "it has segments, but it was not open when the store started", -1, OK);
    } else {
        /* no mark: all that is to be believed stands in the journal */
        for (uint32_t i = 0; i < found.count; i++)
            remove_stale(log, found.bases[i]);
        log_add_segment(log, 0)->indexes_loaded = true;
        producer_state_clear(&log->producers, 0);
        err = cut_file(log_active(log));
    }
    mem_free(found.bases);
    if (err == OK && !log->quarantined)
        err = replay_all(log, first, cut);
    return err;
}

enum err log_open(struct store *store, const struct log_id *id, const char *name,
                  const struct log_config *config, const struct log_events *events, void *context,
                  struct log **out)
{
    enum { PRODUCERS_MAX = 1 << 20 };
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
    producer_state_init(&log->producers, prng_u64(store->world.prng), PRODUCERS_MAX);
    log_names_format_dir(dir_name, name, id->partition);
    snprintf(dir, sizeof(dir), "%s/%s", store->world.dir->path, dir_name);
    log->dir = mem_strdup(dir);
    list_push_back(&store->logs, &log->node);
    store->log_count++;
    err = load(log);
    if (err == ERR_IO || err == ERR_CORRUPT || err == ERR_TRUNCATED) {
        quarantine(log, "its files cannot be read", -1, err);
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
