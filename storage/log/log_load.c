/* Opening a log: its directory, the segments up to the mark (log_believe) or as Kafka left them
 * (log_adopt), the journal's entries above it (log_replay).
 *
 * Segments are believed up to the mark and cut there; what the journal adds follows in
 * log_replay_all.c, and is synced by store_recovered.  What contradicts the mark (files missing or
 * short, a bad batch below it) quarantines the log: nothing is cut, nothing is served (DUR-L13). */
#include "storage/log/log_load.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/small_file.h"
#include "storage/dir/partition_metadata.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_recover.h"
#include "storage/log/log_roll.h"
#include "storage/log/log_swap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the directory */

static enum err open_directory(struct log *log)
{
    struct io *io = log->env->io;
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
    struct log_environment *env = found->log->env;
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
        file_deletion_add(env->deletion, path, false, 0);
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
    struct log_environment *env = log->env;
    struct log_found found = {.log = log};
    const struct mark *mark =
        env->marks_at_start == NULL
            ? NULL
            : marks_find(env->marks_at_start, &log->id.topic_id, log->id.partition);
    bool never_marked =
        env->marks_at_start != NULL && marks_set_shard_count(env->marks_at_start) == 0;
    const struct journal_facts *facts = log->facts;
    enum err err = open_directory(log);

    check(mark == NULL || facts == NULL || facts->has_bound); /* the scan had the same marks */
    if (err == OK && mark != NULL)
        err = log_swap_recover(log); /* else they are Kafka's (log_adopt) */
    if (err == OK)
        err = env->io->v->dir_list(env->io, log->dir, on_file, &found);
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
    } else if (env->state == STORE_OPENING && holds_batches_below(log, &found)) {
        log_quarantine(log, "it has segments and no mark, and the journal does not begin it", -1,
                       OK);
    } else if (env->state != STORE_OPENING && holds_batches(log, &found)) {
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
    struct journal_scan *scan = log->env->scan;

    if (scan == NULL)
        return;
    log->facts = journal_scan_take(scan, &log->id.topic_id, log->id.partition);
    if (log->facts != NULL)
        log->facts->context = log;
}

/* NULL: no memory. */
static struct log *new_log(struct log_environment *env, const struct log_id *id, const char *name)
{
    struct log *log = mem_try_alloc(sizeof(*log));
    char dir_name[LOG_DIR_NAME_MAX];
    char dir[LOG_PATH_MAX];

    if (log == NULL)
        return NULL;
    log_names_format_dir(dir_name, name, id->partition);
    snprintf(dir, sizeof(dir), "%s/%s", env->dir, dir_name);
    log->env = env;
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

enum err log_load(struct log_environment *env, const struct log_id *id, const char *name,
                  const struct log_config *config, const struct log_events *events, void *context,
                  struct log **out)
{
    struct log *log = new_log(env, id, name);
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
    log_tail_init(&log->tail, env->tail_cache);
    log->segment_environment = (struct segment_environment){.io = env->io,
                                                            .clock = env->loop->clock,
                                                            .sink = env->sink,
                                                            .files = env->open_files,
                                                            .indexes = env->index_cache,
                                                            .aborted = env->aborted_cache,
                                                            .config = &log->config,
                                                            .tail = &log->tail,
                                                            .dir = log->dir};
    list_init(&log->trims);
    segment_manifest_init(&log->segments);
    epoch_cache_init(&log->epochs);
    producer_state_init(&log->producers, prng_u64(env->prng), env->options->log_producers_max);
    log->producers.all = env->producers;
    log->producers.forgotten = log_producer_forgotten;
    log->producers.context = log;
    list_push_back(&env->logs, &log->node);
    env->log_count++;
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
