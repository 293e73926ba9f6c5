#include "storage/log/log_swap.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/small_file.h"
#include "base/sometimes.h"
#include "storage/dir/offset_checkpoint.h"
#include "storage/log/segment_aborted.h"

#include <stdio.h>
#include <string.h>

static const char cleaned_suffix[] = ".cleaned";
static const char swap_suffix[] = ".swap";

/* The .log last: it decides, and it ends the swap. */
static const enum log_file_kind kinds[] = {LOG_FILE_TXN_INDEX, LOG_FILE_TIME_INDEX, LOG_FILE_INDEX,
                                           LOG_FILE_LOG};

static void format_path(const struct log *log, int64_t base_offset, enum log_file_kind kind,
                        const char *suffix, char *out)
{
    char name[LOG_FILE_NAME_MAX];

    log_names_format_file(name, base_offset, kind);
    snprintf(out, LOG_PATH_MAX, "%s/%s%s", log->dir, name, suffix);
}

void log_swap_format_cleaned(const struct log *log, int64_t base_offset, enum log_file_kind kind,
                             char *out)
{
    format_path(log, base_offset, kind, cleaned_suffix, out);
}

/* A crash may have left both names of one file, where a rename does nothing (rename(2)): the old
 * one would stay, and a segment with it. */
static enum err move_file(struct io *io, const char *from, const char *to)
{
    enum err err = io->v->file_rename(io, from, to);

    if (err == OK)
        (void)!io->v->file_unlink(io, from);
    return err;
}

static enum err rename_all(const struct log *log, int64_t base_offset, const char *from_suffix,
                           const char *to_suffix)
{
    struct io *io = log->env->io;
    char from[LOG_PATH_MAX];
    char to[LOG_PATH_MAX];
    enum err err = OK;

    for (size_t i = 0; i < array_count(kinds) && err == OK; i++) {
        format_path(log, base_offset, kinds[i], from_suffix, from);
        format_path(log, base_offset, kinds[i], to_suffix, to);
        err = move_file(io, from, to);
        if (err == ERR_NOT_FOUND && kinds[i] != LOG_FILE_LOG)
            err = OK;
    }
    return err;
}

enum err log_swap_decide(struct log *log, int64_t base_offset)
{
    return rename_all(log, base_offset, cleaned_suffix, swap_suffix);
}

void log_swap_abandon(struct log *log, int64_t base_offset)
{
    struct io *io = log->env->io;
    char path[LOG_PATH_MAX];

    for (size_t i = array_count(kinds); i-- > 0;) {
        format_path(log, base_offset, kinds[i], swap_suffix, path);
        (void)!io->v->file_unlink(io, path);
        format_path(log, base_offset, kinds[i], cleaned_suffix, path);
        (void)!io->v->file_unlink(io, path);
    }
}

/* The snapshot of producers stays where a segment of that name does. */
static enum err delete_old(struct log *log, int64_t base_offset, bool with_snapshot)
{
    struct log_environment *env = log->env;
    enum err err = OK;

    for (int kind = 0; kind < LOG_FILE_KIND_COUNT; kind++) {
        char from[LOG_PATH_MAX];
        char to[LOG_PATH_MAX];
        enum err renamed;
        if (kind == LOG_FILE_WINDOW || (kind == LOG_FILE_SNAPSHOT && !with_snapshot))
            continue;
        format_path(log, base_offset, (enum log_file_kind)kind, "", from);
        format_path(log, base_offset, (enum log_file_kind)kind, ".deleted", to);
        renamed = move_file(env->io, from, to);
        if (renamed == OK)
            file_deletion_add(env->deletion, to, false, log->config.file_delete_delay_ms);
        else if (renamed != ERR_NOT_FOUND)
            err = renamed;
    }
    return err;
}

enum err log_swap_install(struct log *log, uint32_t index, uint32_t count, struct segment *by)
{
    struct tail_entry *entry;
    enum err err = OK;

    by->is_swap = true;
    for (uint32_t i = 0; i < count; i++) {
        int64_t base_offset = segment_manifest_at(&log->segments, index + i)->base_offset;
        enum err deleted = delete_old(log, base_offset, base_offset != by->base_offset);
        err = deleted != OK ? deleted : err;
    }
    while ((entry = log_tail_first(&log->tail)) != NULL && entry->end_offset <= by->end_offset)
        log_tail_remove(entry); /* written: SWP-2 */
    segment_manifest_replace(&log->segments, index, count, by);
    segment_aborted_use(by);
    log->producers_dirty = true; /* the window file names the indexes (log_transactions.h, LTX-3) */
    log_mark_dirty(log);
    return err;
}

enum err log_swap_finish(struct segment *segment)
{
    const struct segment_environment *of = segment->of;
    enum err err = OK;

    for (size_t i = 0; i < array_count(kinds) && err == OK; i++) {
        char from[LOG_PATH_MAX];
        char to[LOG_PATH_MAX];
        segment->is_swap = true;
        segment_path(segment, kinds[i], false, from);
        segment->is_swap = false;
        segment_path(segment, kinds[i], false, to);
        err = move_file(of->io, from, to);
        if (err == ERR_NOT_FOUND && kinds[i] != LOG_FILE_LOG)
            err = OK;
    }
    segment->is_swap = err != OK;
    return err;
}

/* ---- at a start */

enum { SWAPS_MAX = 8 }; /* one at a time is made */

struct leftovers {
    int64_t swaps[SWAPS_MAX]; /* decided ones */
    uint32_t swap_count;
    int64_t others[SWAPS_MAX]; /* bases of what is not */
    uint32_t other_count;
    int64_t *bases; /* of all segments */
    uint32_t base_count;
    bool lacks_memory;
};

/* Does name end with suffix?  Then its segment file, without it. */
static bool parse(const char *name, const char *suffix, int64_t *base_out,
                  enum log_file_kind *kind_out)
{
    size_t name_bytes = strlen(name);
    size_t suffix_bytes = strlen(suffix);
    char shorter[LOG_FILE_NAME_MAX];
    bool is_deleted;

    if (name_bytes <= suffix_bytes || name_bytes - suffix_bytes >= sizeof(shorter) ||
        strcmp(name + name_bytes - suffix_bytes, suffix) != 0)
        return false;
    memcpy(shorter, name, name_bytes - suffix_bytes);
    shorter[name_bytes - suffix_bytes] = '\0';
    return log_names_parse_file(shorter, base_out, kind_out, &is_deleted) == OK && !is_deleted;
}

static void note_base(struct leftovers *found, int64_t base_offset)
{
    int64_t *bases = mem_try_realloc(found->bases, (found->base_count + 1) * sizeof(*found->bases));

    found->lacks_memory = found->lacks_memory || bases == NULL;
    if (bases == NULL)
        return;
    found->bases = bases;
    found->bases[found->base_count++] = base_offset;
}

/* Each has several files. */
static void note_other(struct leftovers *found, int64_t base_offset)
{
    for (uint32_t i = 0; i < found->other_count; i++)
        if (found->others[i] == base_offset)
            return;
    if (found->other_count < SWAPS_MAX)
        found->others[found->other_count++] = base_offset;
}

static void on_file(void *context, const char *name, bool is_dir)
{
    struct leftovers *found = context;
    enum log_file_kind kind;
    int64_t base_offset;

    if (is_dir)
        return;
    if (parse(name, "", &base_offset, &kind)) {
        if (kind == LOG_FILE_LOG)
            note_base(found, base_offset);
    } else if (parse(name, swap_suffix, &base_offset, &kind) && kind == LOG_FILE_LOG) {
        if (found->swap_count < SWAPS_MAX)
            found->swaps[found->swap_count++] = base_offset;
    } else if (parse(name, swap_suffix, &base_offset, &kind) ||
               parse(name, cleaned_suffix, &base_offset, &kind)) {
        note_other(found, base_offset);
    }
}

static bool note_end(void *context, const struct batch_header *header, const uint8_t *bytes,
                     uint64_t pos)
{
    *(int64_t *)context = batch_last_offset(header) + 1;
    return true;
}

/* It was decided: its files are whole and durable.  The old ones that are still there go. */
static enum err go_on(struct log *log, const struct leftovers *found, int64_t base_offset)
{
    struct segment *segment = segment_create(&log->segment_environment, base_offset);
    struct io *io = log->env->io;
    int64_t end_offset = base_offset;
    uint64_t file_bytes = 0;
    char path[LOG_PATH_MAX];
    struct io_stat stat;
    enum err err;

    segment->is_swap = true;
    segment_path(segment, LOG_FILE_LOG, false, path);
    err = io->v->file_stat(io, path, &stat);
    if (err == OK) {
        file_bytes = stat.size_bytes;
        err = segment_walk(segment, 0, file_bytes, note_end, &end_offset);
    }
    for (uint32_t i = 0; i < found->base_count && err == OK; i++)
        if (found->bases[i] >= base_offset && found->bases[i] < end_offset)
            err = delete_old(log, found->bases[i], found->bases[i] != base_offset);
    if (err == OK)
        err = io->v->dir_sync(io, log->dir);
    if (err == OK)
        err = log_swap_finish(segment);
    if (err == OK) {
        log_swap_abandon(log, base_offset); /* other names of the same files */
        err = io->v->dir_sync(io, log->dir);
    }
    segment_free(segment);
    SOMETIMES("log_swap: a start went on with a swap", err == OK);
    return err;
}

static bool is_decided(const struct leftovers *found, int64_t base_offset)
{
    for (uint32_t i = 0; i < found->swap_count; i++)
        if (found->swaps[i] == base_offset)
            return true;
    return false;
}

static void load_cleaned(struct log *log)
{
    struct offset_checkpoint_reader reader;
    struct offset_checkpoint_entry entry;
    char text[LOG_TOPIC_NAME_MAX + 64];
    char path[LOG_PATH_MAX];
    size_t size_bytes;

    snprintf(path, sizeof(path), "%s/" LOG_CLEANED_NAME, log->dir);
    if (small_file_read_into(log->env->io, path, text, sizeof(text), &size_bytes) == OK &&
        offset_checkpoint_open(&reader, text, size_bytes) == OK &&
        offset_checkpoint_next(&reader, &entry) == OK)
        log->cleaned_offset = entry.offset;
}

enum err log_swap_recover(struct log *log)
{
    struct leftovers found = {0};
    enum err err = log->env->io->v->dir_list(log->env->io, log->dir, on_file, &found);

    if (err == OK && found.lacks_memory)
        err = ERR_NOMEM;
    for (uint32_t i = 0; i < found.other_count && err == OK; i++)
        if (!is_decided(&found, found.others[i]))
            log_swap_abandon(log, found.others[i]);
    for (uint32_t i = 0; i < found.swap_count && err == OK; i++)
        err = go_on(log, &found, found.swaps[i]);
    mem_free(found.bases);
    if (err == OK)
        load_cleaned(log);
    return err;
}

/* ---- how far it is clean */

enum err log_swap_note_cleaned(struct log *log, int64_t offset)
{
    struct offset_checkpoint_entry entry = {.topic = log->name,
                                            .topic_bytes = (uint32_t)strlen(log->name),
                                            .partition = log->id.partition,
                                            .offset = offset};
    char text[LOG_TOPIC_NAME_MAX + 64];
    char path[LOG_PATH_MAX];
    size_t size_bytes = offset_checkpoint_encode(&entry, 1, text, sizeof(text));
    enum err err;

    check(size_bytes <= sizeof(text));
    snprintf(path, sizeof(path), "%s/" LOG_CLEANED_NAME, log->dir);
    err = small_file_write(log->env->io, path, text, size_bytes);
    if (err == OK)
        log->cleaned_offset = offset; /* SWP-4 */
    return err;
}

void log_swap_forget_cleaned(struct log *log)
{
    char path[LOG_PATH_MAX];

    snprintf(path, sizeof(path), "%s/" LOG_CLEANED_NAME, log->dir);
    (void)!log->env->io->v->file_unlink(log->env->io, path);
    log->cleaned_offset = 0;
}
