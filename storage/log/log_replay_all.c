/* The journal's entries into the segments of the logs that were opened: read in order, an extent at
 * a time, replayed into the tails, written behind the marks before the next extent comes.  So a
 * start holds one extent, whatever the journal's size.  Nothing is believed for that: until
 * store_recovered_all has synced and marked it, another start cuts it off and does the same again.
 *
 * What the journal has of a quarantined log stays beside its segments, as plain batches, for
 * whoever repairs it: the journal is used anew after the recovery.  Until that file is gone the log
 * stays quarantined: without those batches it would open again and have lost what was acknowledged.
 */
#include "base/mem.h"
#include "storage/log/log_recover.h"

#include <stdio.h>

struct log_set {
    struct log_environment *const *envs;
    uint32_t count;
};

/* ---- the tails into the segments */

enum err log_write_segment_now(struct log *log, struct segment *segment)
{
    struct io *io = log->env->io;
    char path[LOG_PATH_MAX];
    uint32_t head_bytes = (uint32_t)(segment->written_pos % STORE_BLOCK);
    bool any = false;
    int32_t fd;
    enum err err;

    segment_path(segment, LOG_FILE_LOG, false, path);
    err = io->v->file_open(io, path, IO_WRITE | IO_CREATE, &fd);
    if (err != OK)
        return err;
    for (const struct tail_entry *entry = log_tail_first(&log->tail); entry != NULL && err == OK;
         entry = log_tail_next(entry)) {
        if (entry->written || entry->segment != segment)
            continue;
        if (!any && head_bytes > 0 && segment->head_block != NULL)
            err = io->v->file_write(io, fd, segment->head_block, head_bytes,
                                    segment->written_pos - head_bytes);
        any = true;
        if (err == OK)
            err = io->v->file_write(io, fd, entry->bytes, entry->size_bytes, entry->pos);
    }
    if (err == OK)
        err = io->v->file_truncate(io, fd, segment->size_bytes);
    io->v->close(io, fd);
    if (err == OK) {
        segment->written_pos = segment->size_bytes;
        mem_free(segment->head_block);
        segment->head_block = NULL;
    }
    return err;
}

enum err log_write_tail_now(struct log *log)
{
    enum err err = OK;

    for (uint32_t i = 0; i < log->segments.count && err == OK; i++)
        if (segment_manifest_at(&log->segments, i)->written_pos <
            segment_manifest_at(&log->segments, i)->size_bytes)
            err = log_write_segment_now(log, segment_manifest_at(&log->segments, i));
    log_tail_drop_all(&log->tail);
    return err;
}

/* Those that were touched stay on dirty_logs until they are settled. */
static enum err write_tails(void *context)
{
    const struct log_set *set = context;
    enum err err = OK;

    for (uint32_t i = 0; i < set->count; i++) {
        list_for_each(node, &set->envs[i]->dirty_logs)
        {
            struct log *log = container_of(node, struct log, dirty_node);
            if (log->quarantined)
                log_tail_drop_all(&log->tail);
            else if (err == OK && !log_tail_is_empty(&log->tail))
                err = log_write_tail_now(log);
        }
    }
    return err;
}

static enum err replay_entry(void *context, struct journal_facts *facts,
                             const struct journal_replay *replay)
{
    struct log *log = facts->context;

    if (log == NULL || log->facts == NULL || log->quarantined)
        return OK; /* nobody's, or replayed already */
    return log_replay(log, replay, facts->number < facts->cut_number);
}

/* ---- what a quarantined log keeps */

/* Behind what the file has already. */
static enum err set_aside(void *context, struct journal_facts *facts,
                          const struct journal_replay *replay)
{
    struct log *log = facts->context;
    struct io *io;
    char path[LOG_PATH_MAX];
    int32_t fd;
    enum err err;

    if (log == NULL || log->facts == NULL || !log->quarantined || replay->entry.payload_bytes == 0)
        return OK;
    io = log->env->io;
    snprintf(path, sizeof(path), "%s/" LOG_REMAINDER_NAME "%lld", log->dir,
             (long long)facts->first.offset);
    err = io->v->file_open(io, path, IO_WRITE | IO_CREATE, &fd);
    if (err != OK)
        return err;
    if (log->remainder_bytes == 0)
        err = io->v->file_truncate(io, fd, 0); /* of a start that did not end */
    if (err == OK)
        err = io->v->file_write(io, fd, replay->payload, replay->entry.payload_bytes,
                                log->remainder_bytes);
    io->v->close(io, fd);
    log->remainder_bytes += replay->entry.payload_bytes;
    return err;
}

static enum err forget_bytes(void *context)
{
    return OK;
}

static bool has_to_set_aside(const struct log_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        list_for_each(node, &set->envs[i]->logs)
        {
            const struct log *log = container_of(node, struct log, node);
            if (log->quarantined && log->facts != NULL)
                return true;
        }
    }
    return false;
}

/* ---- the whole */

enum err log_replay_now(struct log *log)
{
    const struct log_set set = {.envs = &log->env, .count = 1};
    const struct journal_replayer into_log = {replay_entry, write_tails, (void *)(uintptr_t)&set};
    const struct journal_replayer aside = {set_aside, forget_bytes, NULL};
    struct journal_facts *facts = log->facts;
    enum err err = OK;

    if (!log->quarantined)
        err = journal_scan_replay(log->env->scan, facts, &into_log);
    if (err == OK && log->quarantined)
        err = journal_scan_replay(log->env->scan, facts, &aside);
    if (err == OK)
        log_replay_ended(log);
    return err;
}

enum err log_replay_all(struct log_environment *const *envs, uint32_t count)
{
    const struct log_set set = {.envs = envs, .count = count};
    const struct journal_replayer into_logs = {replay_entry, write_tails, (void *)(uintptr_t)&set};
    const struct journal_replayer aside = {set_aside, forget_bytes, NULL};
    struct journal_scan *scan = envs[0]->scan;
    enum err err = OK;

    if (scan != NULL)
        err = journal_scan_replay(scan, NULL, &into_logs);
    if (err == OK && has_to_set_aside(&set))
        err = journal_scan_replay(scan, NULL, &aside);
    for (uint32_t i = 0; i < count && err == OK; i++) {
        list_for_each(node, &envs[i]->logs)
        {
            struct log *log = container_of(node, struct log, node);
            if (log->facts != NULL)
                log_replay_ended(log);
        }
    }
    if (err != OK)
        log_line(envs[0]->sink, LOG_ERROR, "LVE-2107",
                 "what the journal holds could not be taken over", log_str("dir", envs[0]->dir),
                 log_err(err));
    return err;
}
