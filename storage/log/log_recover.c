/* Opening a log: its directory, the segments up to the mark (log_believe) or as Kafka left them
 * (log_adopt), the journal's entries above it (log_replay).
 *
 * Segments are believed up to the mark and cut there; what the journal adds follows in
 * store_replay.c, and is synced by store_recovered.  What contradicts the mark (files missing or
 * short, a bad batch below it) quarantines the log: nothing is cut, nothing is served (L13). */
#include "storage/log/log_recover.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/small_file.h"
#include "storage/dir/partition_metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    err = small_file_read(io, path, &bytes, &size_bytes);
    if (err == OK) {
        err = partition_metadata_decode((const char *)bytes, size_bytes, &found);
        mem_free(bytes);
        if (err == OK)
            return uuid_equal(&found, &log->id.topic_id) ? OK : ERR_FOREIGN;
    }
    if (err == ERR_NOMEM)
        return err; /* no descriptor: it may be there */
    /* not there, or torn before its first sync: the metadata log says whose directory it is */
    size_bytes = partition_metadata_encode(&log->id.topic_id, text);
    return small_file_write(io, path, text, size_bytes);
}

static void on_file(void *context, const char *name, bool is_dir)
{
    struct log_found *found = context;
    struct store *store = found->log->store;
    enum log_file_kind kind;
    int64_t base_offset;
    int64_t *bases;
    bool deleted;
    char path[LOG_PATH_MAX];

    if (strncmp(name, LOG_REMAINDER_NAME, sizeof(LOG_REMAINDER_NAME) - 1) == 0)
        found->remainder = true;
    if (is_dir || log_names_parse_file(name, &base_offset, &kind, &deleted) != OK)
        return;
    if (deleted) {
        snprintf(path, sizeof(path), "%s/%s", found->log->dir, name);
        file_deletion_add(&store->deletion, path, false, 0);
        return;
    }
    if (kind != LOG_FILE_LOG)
        return;
    bases = mem_try_realloc(found->bases, (found->count + 1) * sizeof(*found->bases));
    found->lacks_memory = found->lacks_memory || bases == NULL;
    if (bases == NULL)
        return;
    found->bases = bases;
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
        (void)!log->store->io->v->file_unlink(log->store->io, path);
    }
    segment_free(stale);
}

enum err log_rebuild_producers(struct log *log)
{
    return log_restore_producers(log, log->offsets.log_end, INT64_MAX);
}

/* ---- the whole */

static bool holds_batches(struct log *log, const struct log_found *found)
{
    bool holds = false;

    for (uint32_t i = 0; i < found->count && !holds; i++) {
        struct segment *segment = segment_create(&log->segment_environment, found->bases[i]);
        uint64_t file_bytes = 0;
        holds = log_segment_file_size(segment, &file_bytes) != OK || file_bytes > 0;
        segment_free(segment);
    }
    return holds;
}

/* A log without a mark is a new one: its journal begins with its first batch. */
static bool holds_batches_below(struct log *log, const struct log_found *found)
{
    const struct journal_entry *first = log->facts == NULL ? NULL : &log->facts->first;
    struct log_found below = {.bases = found->bases};

    while (below.count < found->count &&
           (first == NULL || first->kind != JOURNAL_APPEND || first->pos > 0 ||
            found->bases[below.count] < first->segment_base_offset))
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
    const struct journal_facts *facts = log->facts;
    enum err err = open_directory(log);

    check(mark == NULL || facts == NULL || facts->has_bound); /* the scan had the same marks */
    if (err == OK)
        err = store->io->v->dir_list(store->io, log->dir, on_file, &found);
    if (err == OK && found.lacks_memory)
        err = ERR_NOMEM;
    if (err != OK) {
        mem_free(found.bases);
        return err;
    }
    if (found.count > 1)
        qsort(found.bases, found.count, sizeof(*found.bases), compare_bases);
    if (found.remainder) {
        log->believed_exists = mark != NULL;
        if (mark != NULL)
            log->believed = *mark;
        log_quarantine(log, "entries of its journal were set aside at an earlier start", -1, OK);
    } else if (mark != NULL) {
        log->believed = *mark;
        log->believed_exists = true;
        if (facts == NULL)
            err = log_believe(log, &found, mark, NULL, 0);
        else
            err = log_believe(log, &found, &facts->bound, facts->prefix, facts->prefix_bytes);
    } else if (never_marked && found.count > 0) {
        err = log_adopt(log, &found);
    } else if (store->state == STORE_OPENING && holds_batches_below(log, &found)) {
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
    return err;
}

/* What the journal has of it, and will have replayed: with all others in store_recovered_all, or at
 * once where the others cannot be opened before it was read. */
static void take_facts(struct log *log)
{
    struct journal_scan *scan = log->store->scan;

    if (scan == NULL)
        return;
    log->facts = journal_scan_take(scan, &log->id.topic_id, log->id.partition);
    if (log->facts != NULL)
        log->facts->context = log;
}

/* NULL: no memory. */
static struct log *new_log(struct store *store, const struct log_id *id, const char *name)
{
    struct log *log = mem_try_alloc(sizeof(*log));
    char dir_name[LOG_DIR_NAME_MAX];
    char dir[LOG_PATH_MAX];

    if (log == NULL)
        return NULL;
    log_names_format_dir(dir_name, name, id->partition);
    snprintf(dir, sizeof(dir), "%s/%s", store->world.dir->path, dir_name);
    log->store = store;
    log->id = *id;
    log->name = mem_try_strdup(name);
    log->dir = mem_try_strdup(dir);
    if (log->name != NULL && log->dir != NULL)
        return log;
    mem_free(log->name);
    mem_free(log->dir);
    mem_free(log);
    return NULL;
}

enum err log_open(struct store *store, const struct log_id *id, const char *name,
                  const struct log_config *config, const struct log_events *events, void *context,
                  struct log **out)
{
    struct log *log = new_log(store, id, name);
    enum err err;

    if (log == NULL)
        return ERR_NOMEM;
    log->config = *config;
    log->events = events;
    log->events_context = context;
    log->window_offset = -1;
    log->window_pending = -1;
    log->marked_base_offset = -1;
    log->prefix_pending = true;
    log_tail_init(&log->tail, &store->tail_cache);
    log->segment_environment = (struct segment_environment){.io = store->io,
                                                            .clock = store->loop->clock,
                                                            .sink = store->world.sink,
                                                            .files = &store->open_files,
                                                            .indexes = &store->index_cache,
                                                            .config = &log->config,
                                                            .tail = &log->tail,
                                                            .dir = log->dir};
    list_init(&log->trims);
    epoch_cache_init(&log->epochs);
    producer_state_init(&log->producers, prng_u64(store->world.prng),
                        store->options.log_producers_max);
    log->producers.all = &store->producers;
    log->producers.forgotten = log_producer_forgotten;
    log->producers.context = log;
    list_push_back(&store->logs, &log->node);
    store->log_count++;
    take_facts(log);
    err = load(log);
    if ((err == ERR_IO && !config->required) || err == ERR_CORRUPT || err == ERR_TRUNCATED) {
        log_quarantine(log, "its files cannot be read", -1, err);
        err = OK;
    }
    if (err == OK && log->facts != NULL && config->required)
        err = log_replay_now(log);
    if (err != OK) {
        if (log->facts != NULL)
            log->facts->context = NULL;
        log_close(log);
        return err;
    }
    if (log->facts == NULL)
        log_replay_ended(log);
    *out = log;
    return OK;
}
