/* The start of a store behind log_open: what the journals hold → segments (log_replay_all.c) → sync
 * → marks of all shards → journals and marks of shards that are no more removed → journals open.
 * (store.h) */
#include "base/check.h"
#include "base/mem.h"
#include "storage/log/log_checkpoint.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_recover.h"
#include "storage/store.h"
#include "storage/store_private.h"

static enum err set_recovered_target(struct log *log)
{
    struct segment *active = log_active(log);

    log->target = (struct mark){.topic_id = log->id.topic_id,
                                .partition = log->id.partition,
                                .log_start_offset = log->offsets.log_start,
                                .end_offset = log->offsets.log_end,
                                .segment_base_offset = active->base_offset,
                                .pos = active->size_bytes,
                                .window_offset = log->window_offset};
    log->window_pending = log->window_offset;
    log->in_checkpoint = true;
    return log_freeze_window(log);
}

static enum err settle_log(struct log *log)
{
    enum err err = log_write_tail_now(log);

    for (uint32_t i = 0; i < log->segments.count && err == OK; i++)
        if (segment_manifest_at(&log->segments, i)->size_bytes == 0)
            err = log_write_segment_now(log,
                                        segment_manifest_at(&log->segments, i)); /* an empty file */
    if (err != OK)
        return err;
    err = set_recovered_target(log);
    if (err == OK)
        err = log_write_small_files(log, log->offsets.log_end);
    log->offsets.durable = log->offsets.log_end;
    log->offsets.accepted = log->offsets.log_end;
    log_recover_published(log, log->offsets.high_watermark);
    log->prefix_pending = true;
    log->dirty = false;
    if (list_is_linked(&log->dirty_node))
        list_remove(&log->dirty_node);
    return err;
}

/* Of a shard's journal: newer than what its old one and its marks say. */
static uint32_t next_epoch(const struct store *store, uint32_t shard)
{
    const struct marks *marks = marks_set_of(store->env.marks_at_start, shard);
    uint32_t epoch = 0;
    uint64_t last_sequence = 0;

    if (store->env.scan != NULL)
        journal_scan_position(store->env.scan, shard, &epoch, &last_sequence);
    if (marks != NULL && marks->recovery_epoch > epoch)
        epoch = marks->recovery_epoch;
    return epoch + 1;
}

/* Marks of all logs of all shards; out->marks is the caller's, also after an error: ERR_NOMEM. */
static enum err collect_marks(struct store *const *stores, uint32_t count, struct marks *out)
{
    uint32_t max_count = 0;
    enum err err = OK;

    *out = (struct marks){.first_sequence = 1, .shard_count = count};
    for (uint32_t i = 0; i < count; i++)
        max_count += stores[i]->env.log_count;
    out->marks = mem_try_alloc(max_count * sizeof(*out->marks));
    if (out->marks == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < count && err == OK; i++) {
        struct marks more = {0};
        err = checkpointer_make_marks(&stores[i]->checkpointer, 1, false, &more);
        for (uint32_t m = 0; m < more.count; m++)
            out->marks[out->count++] = more.marks[m];
        mem_free(more.marks);
    }
    return err;
}

static enum err open_writer(struct store *store, uint32_t shard, struct marks_writer **out)
{
    return marks_writer_open(store->env.loop, store->world.dir->path, shard,
                             marks_set_generation(store->env.marks_at_start) + 1, out);
}

static enum err write_first_marks(struct store *store, struct marks *marks)
{
    enum err err = open_writer(store, store->options.shard, &store->checkpointer.marks_writer);

    marks->recovery_epoch = store->checkpointer.recovery_epoch;
    marks->salt = store->checkpointer.journal_salt;
    return err == OK ? marks_write_now(store->checkpointer.marks_writer, marks) : err;
}

/* Of a shard that is no more. */
static enum err write_last_marks(struct store *store, uint32_t shard, struct marks *marks)
{
    struct marks_writer *writer = NULL;
    enum err err = open_writer(store, shard, &writer);

    marks->recovery_epoch = next_epoch(store, shard);
    marks->salt = 0;
    if (err == OK)
        err = marks_write_last(writer, marks);
    marks_writer_close(writer);
    return err;
}

/* With new marks a shard's old journal ends, and with it the entries of logs that another shard has
 * now.  So the first marks of each shard hold what all shards have recovered, newer than all that
 * were found; later ones hold its own logs alone, and are newer again.  Shards that are no more get
 * some, too: of a journal that ended any part may be missing.  Shard 0 is last: its marks tell how
 * many others there are. */
static enum err write_recovered_marks(struct store *const *stores, uint32_t count)
{
    const struct marks_set *old = stores[0]->env.marks_at_start;
    struct marks marks;
    enum err err = collect_marks(stores, count, &marks);

    for (uint32_t i = count; i-- > 0 && err == OK;)
        err = write_first_marks(stores[i], &marks);
    for (uint32_t i = 0; i < marks_set_shard_count(old) && err == OK; i++) {
        uint32_t shard = marks_set_at(old, i)->shard;
        if (shard >= count)
            err = write_last_marks(stores[0], shard, &marks);
    }
    mem_free(marks.marks);
    return err;
}

static enum err settle(struct store *store)
{
    enum err err = OK;

    check(store->env.state == STORE_OPENING);
    store->checkpointer.recovery_epoch = next_epoch(store, store->options.shard);
    while (store->checkpointer.journal_salt == 0)
        store->checkpointer.journal_salt = prng_u64(store->world.prng);
    list_for_each(node, &store->env.logs)
    {
        struct log *log = container_of(node, struct log, node);
        if (!log->quarantined && err == OK)
            err = settle_log(log);
    }
    return err;
}

static enum err go_on(struct store *store)
{
    list_for_each(node, &store->env.logs)
    {
        struct log *log = container_of(node, struct log, node);
        if (log->in_checkpoint) {
            log->marked_base_offset = log->believed.segment_base_offset;
            log_window_is_marked(log);
        }
        log->in_checkpoint = false;
    }
    return store_open_journal(store);
}

/* Of shards that are no more; the journals first: one without marks would be replayed. */
static enum err remove_others(struct store *store, uint32_t count)
{
    enum err err = journal_remove_others(store->env.io, store->world.dir->path, count);

    return err == OK ? marks_remove_others(store->env.io, store->world.dir->path, count) : err;
}

enum err store_replay_all(struct store *const *stores, uint32_t count)
{
    struct log_environment **envs = mem_alloc(count * sizeof(*envs));
    enum err err;

    for (uint32_t i = 0; i < count; i++)
        envs[i] = &stores[i]->env;
    err = log_replay_all(envs, count);
    mem_free(envs);
    for (uint32_t i = 0; i < count && err == OK; i++)
        stores[i]->replayed = true;
    return err;
}

/* What was not published before the start, or not remembered as such. */
static void tell_progress(struct store *store)
{
    list_for_each(node, &store->env.logs)
    {
        struct log *log = container_of(node, struct log, node);
        if (!log->quarantined && log->offsets.durable > log->offsets.high_watermark)
            log->events->progress(log->events_context, log);
    }
}

enum err store_recovered_all(struct store *const *stores, uint32_t count)
{
    struct store *first = stores[0];
    enum err err = OK;

    if (!first->replayed)
        err = store_replay_all(stores, count);
    for (uint32_t i = 0; i < count && err == OK; i++)
        err = settle(stores[i]);
    if (err == OK)
        err = first->env.io->v->filesystem_sync(first->env.io, first->world.dir->dir_fd);
    if (err == OK)
        err = write_recovered_marks(stores, count);
    if (err == OK)
        err = remove_others(first, count);
    for (uint32_t i = 0; i < count && err == OK; i++)
        err = go_on(stores[i]);
    if (err != OK) {
        log_line(first->world.sink, LOG_ERROR, "LVE-2106", "recovery could not be made durable",
                 log_str("dir", first->world.dir->path), log_err(err));
        return err;
    }
    for (uint32_t i = 0; i < count; i++) {
        stores[i]->env.marks_at_start = NULL;
        stores[i]->env.scan = NULL;
        stores[i]->env.state = STORE_RUNNING;
        file_deletion_start(&stores[i]->deletion);
        tell_progress(stores[i]);
    }
    return OK;
}

enum err store_recovered(struct store *store)
{
    return store_recovered_all(&store, 1);
}
