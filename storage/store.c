/* A store's construction, its reactions to the journal, its end. */
#include "base/check.h"
#include "base/mem.h"
#include "storage/bug_bank.h"
#include "storage/log_private.h"
#include "storage/offset_checkpoint.h"

#include <stdio.h>
#include <string.h>

enum {
    EXTENT_BYTES = 16 << 20,
    GROUP_BYTES = 1 << 20,
    SECOND_IN_FLIGHT_BYTES = 256 << 10,
    PENDING_BYTES_MAX = 16 << 20,
    SPACE_CHECK_MS = 1000,
    SLACK_BYTES = 64 << 20, /* of group buffers beyond the payload in them */
};

/* ---- failure: final (S3) */

static void on_fail_task(struct task *task)
{
    struct store *store = container_of(task, struct store, fail_task);

    list_for_each_safe(node, &store->commit_waiters)
    {
        list_remove(node);
        log_commit_waiter_run(container_of(node, struct log_commit_waiter, node), ERR_STORAGE);
    }
    store->events->failed(store->events_context, store->failed_err);
    store_give_room(store); /* who waits finds out */
    /* a stop waits for a checkpoint, or for the journal, which ends also after a failure */
    checkpointer_on_failed(store);
}

void store_fail(struct store *store, enum err err)
{
    if (store->state == STORE_FAILED)
        return;
    store->state = STORE_FAILED;
    store->failed_err = err;
    log_line(store->world.sink, LOG_ERROR, "LVE-2104",
             "writing to the data directory failed; nothing more is acknowledged",
             log_str("dir", store->world.dir->path), log_err(err));
    loop_defer(store->loop, &store->fail_task);
}

/* ---- room */

bool store_is_full(struct store *store)
{
    if (store->dirty_bytes < store->options.tail_cache_max_bytes)
        return false;
    store_kick_writes(store, NULL);
    if (store->step == CHECKPOINT_IDLE)
        store_checkpoint(store, NULL, NULL);
    return true;
}

void store_give_room(struct store *store)
{
    struct list ready;
    struct list *node;

    if (list_is_empty(&store->room_waiters) ||
        (store->state == STORE_RUNNING &&
         store->dirty_bytes >= store->options.tail_cache_max_bytes))
        return;
    list_init(&ready);
    list_splice_back(&ready, &store->room_waiters);
    while ((node = list_pop_front(&ready)) != NULL) {
        struct store_waiter *waiter = container_of(node, struct store_waiter, node);
        waiter->room(waiter);
    }
}

void store_wait_room(struct store *store, struct store_waiter *waiter)
{
    list_push_back(&store->room_waiters, &waiter->node);
    store_touch_space(store); /* readers may give memory back, which nobody tells */
}

void store_cancel_wait(struct store_waiter *waiter)
{
    if (list_is_linked(&waiter->node))
        list_remove(&waiter->node);
}

/* Small batches stand in groups of their own, a block each: their buffers count, too. */
static bool is_over_budget(const struct store *store)
{
    return store->cache_bytes > store->options.tail_cache_max_bytes ||
           slab_used_bytes(&store->slab) > store->options.tail_cache_max_bytes + SLACK_BYTES;
}

/* Oldest first; what is not in a segment stays (S4).  A log's batches are written in order, so its
 * tail gets no holes. */
void store_evict(struct store *store)
{
    while (!list_is_empty(&store->evictable) && is_over_budget(store)) {
        struct tail_entry *entry = list_first(&store->evictable, struct tail_entry, cache_node);
        check(entry->written && entry->log->tail.next == &entry->log_node);
        log_tail_remove(entry);
    }
}

void store_free_memory(struct store *store)
{
    store_evict(store);
    store_kick_writes(store, NULL);
    if (store->step == CHECKPOINT_IDLE)
        store_checkpoint(store, NULL, NULL);
}

/* ---- the journal's news */

static void on_progress_task(struct task *task)
{
    struct store *store = container_of(task, struct store, progress_task);
    struct list *node;

    while ((node = list_pop_front(&store->progressed)) != NULL) {
        struct log *log = container_of(node, struct log, progress_node);
        if (log->events != NULL)
            log->events->progress(log->events_context, log);
    }
}

static void note_progress(struct log *log)
{
    if (!list_is_linked(&log->progress_node))
        list_push_back(&log->store->progressed, &log->progress_node);
    loop_defer(log->store->loop, &log->store->progress_task);
}

/* Entries of the groups that are new since the last news: they stand at the end of the cache, in
 * order of sequence. */
static void advance(struct store *store, uint64_t from_sequence, uint64_t to_sequence, bool durable)
{
    for (struct list *node = store->cache.prev; node != &store->cache; node = node->prev) {
        struct tail_entry *entry = container_of(node, struct tail_entry, cache_node);
        struct log *log = entry->log;
        if (entry->sequence <= from_sequence)
            return;
        if (entry->sequence > to_sequence)
            continue;
        if (durable && entry->end_offset > log->offsets.durable) {
            log->offsets.durable = entry->end_offset;
            note_progress(log);
        }
        if (entry->end_offset > log->offsets.accepted) {
            log->offsets.accepted = entry->end_offset;
            note_progress(log);
        }
        if (durable)
            store_kick_writes(store, log);
    }
}

static void on_journal_written(void *context, uint64_t sequence)
{
    struct store *store = context;

    if (sequence <= store->written)
        return;
    advance(store, store->written, sequence, false);
    store->written = sequence;
}

static void on_journal_committed(void *context, uint64_t sequence)
{
    struct store *store = context;
    uint64_t from = store->committed;

    if (sequence <= from)
        return;
    store->committed = sequence;
    if (store->written < sequence)
        store->written = sequence;
    counter_add(&store->journal_groups, sequence - from);
    advance(store, from, sequence, true);
    while (!list_is_empty(&store->commit_waiters)) {
        struct log_commit_waiter *waiter =
            list_first(&store->commit_waiters, struct log_commit_waiter, node);
        if (waiter->sequence > sequence)
            break;
        list_remove(&waiter->node);
        log_commit_waiter_run(waiter, OK);
    }
    checkpointer_on_commit(store);
    /* a store that has something to checkpoint has a timer; an idle one has none */
    if (store->step == CHECKPOINT_IDLE && !list_is_linked(&store->checkpoint_timer.node))
        loop_set_timer_ms(store->loop, &store->checkpoint_timer,
                          store->options.checkpoint_interval_ms);
    store_touch_space(store);
}

static void on_journal_room(void *context)
{
    store_give_room(context);
}

static void on_journal_half_full(void *context)
{
    store_checkpoint(context, NULL, NULL);
}

static void on_journal_failed(void *context, enum err err)
{
    store_fail(context, err);
}

static const struct journal_events journal_events = {
    .on_written = on_journal_written,
    .on_committed = on_journal_committed,
    .on_room = on_journal_room,
    .on_half_full = on_journal_half_full,
    .on_failed = on_journal_failed,
};

/* ---- space (S5), looked at each second while something happens */

static void tell_space(struct store *store, bool is_short)
{
    if (is_short == store->short_of_space)
        return;
    store->short_of_space = is_short;
    store->events->space(store->events_context, is_short);
}

static void look_at_space(struct store *store)
{
    struct io_space space;

    if (store->dirty_bytes == 0 && store->step != CHECKPOINT_FILES)
        store->write_refused = false; /* nothing is left that would try */
    if (store->io->v->dir_space(store->io, store->world.dir->path, &space) == OK)
        tell_space(store, store->write_refused || space.free_bytes < store->options.reserve_bytes);
}

static void on_space_timer(struct timer *timer)
{
    struct store *store = container_of(timer, struct store, space_timer);

    look_at_space(store);
    store_evict(store);
    store_give_room(store);
    if (store->short_of_space || store->dirty_bytes > 0 || !list_is_empty(&store->room_waiters))
        loop_set_timer_ms(store->loop, &store->space_timer, SPACE_CHECK_MS);
}

void store_touch_space(struct store *store)
{
    if (!list_is_linked(&store->space_timer.node))
        loop_set_timer_ms(store->loop, &store->space_timer, SPACE_CHECK_MS);
}

/* A quota or the blocks kept for root end the space before the numbers say so. */
void store_lacks_space(struct store *store)
{
    store->write_refused = true;
    tell_space(store, true);
    store_touch_space(store);
}

/* ---- relaxed logs: their groups become durable by a timer */

static void on_relaxed_timer(struct timer *timer)
{
    struct store *store = container_of(timer, struct store, relaxed_timer);

    if (store->state != STORE_RUNNING)
        return;
    if (store->relaxed_pending) {
        store->relaxed_pending = false;
        journal_sync(store->journal);
        loop_set_timer_ms(store->loop, &store->relaxed_timer,
                          store->options.relaxed_sync_interval_ms);
    }
}

void store_note_relaxed(struct store *store)
{
    store->relaxed_pending = true;
    if (!list_is_linked(&store->relaxed_timer.node))
        loop_set_timer_ms(store->loop, &store->relaxed_timer,
                          store->options.relaxed_sync_interval_ms);
}

/* ---- opening */

enum err store_open(const struct store_world *world, const struct store_options *options,
                    const struct marks_set *marks, struct journal_scan *scan,
                    const struct store_events *events, void *context, struct store **out)
{
    struct store *store = mem_alloc(sizeof(*store));

    store->world = *world;
    store->options = *options;
    store->events = events;
    store->events_context = context;
    store->loop = world->loop;
    store->io = world->loop->io;
    store->state = STORE_OPENING;
    store->marks_at_start = marks;
    store->scan = scan;
    /* group buffers hold the cache and a bit; reads of cold segments come on top */
    slab_init(&store->slab, options->tail_cache_max_bytes * 3 + 2 * (uint64_t)SLACK_BYTES);
    list_init(&store->logs);
    list_init(&store->cache);
    list_init(&store->evictable);
    list_init(&store->dirty_logs);
    list_init(&store->progressed);
    list_init(&store->commit_waiters);
    list_init(&store->room_waiters);
    list_init(&store->open_segments);
    list_init(&store->deletions);
    store->progress_task.run = on_progress_task;
    store->fail_task.run = on_fail_task;
    store->space_timer.fire = on_space_timer;
    store->relaxed_timer.fire = on_relaxed_timer;
    segment_writer_init(store);
    checkpointer_init(store);
    *out = store;
    return OK;
}

/* ---- recovered: into segments, synced, marked, journal opened */

/* All entries of one segment in memory, written now behind its head block. */
static enum err write_segment_now(struct log *log, struct segment *segment)
{
    struct io *io = log->store->io;
    char path[LOG_PATH_MAX];
    uint32_t head_bytes = (uint32_t)(segment->written_pos % STORE_BLOCK);
    bool any = false;
    int32_t fd;
    enum err err;

    segment_path(segment, LOG_FILE_LOG, false, path);
    err = io->v->file_open(io, path, IO_WRITE | IO_CREATE, &fd);
    if (err != OK)
        return err;
    for (struct list *node = log->tail.next; node != &log->tail && err == OK; node = node->next) {
        struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
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

static void set_recovered_target(struct log *log)
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
    log_freeze_window(log);
}

static enum err settle_log(struct log *log)
{
    enum err err = OK;

    for (uint32_t i = 0; i < log->segment_count && err == OK; i++)
        if (log->segments[i]->written_pos < log->segments[i]->size_bytes ||
            log->segments[i]->size_bytes == 0)
            err = write_segment_now(log, log->segments[i]);
    log_tail_drop_all(log);
    if (err != OK)
        return err;
    set_recovered_target(log);
    err = log_write_small_files(log, log->offsets.log_end);
    log->offsets.durable = log->offsets.log_end;
    log->offsets.accepted = log->offsets.log_end;
    log->offsets.high_watermark = log->offsets.log_end;
    log->offsets.last_stable = log->offsets.log_end;
    log->prefix_pending = true;
    log->dirty = false;
    if (list_is_linked(&log->dirty_node))
        list_remove(&log->dirty_node);
    return err;
}

/* Of a shard's journal: newer than what its old one and its marks say. */
static uint32_t next_epoch(const struct store *store, uint32_t shard)
{
    const struct marks *marks = marks_set_of(store->marks_at_start, shard);
    uint32_t epoch = 0;
    uint64_t last_sequence = 0;

    if (store->scan != NULL)
        journal_scan_position(store->scan, shard, &epoch, &last_sequence);
    if (marks != NULL && marks->recovery_epoch > epoch)
        epoch = marks->recovery_epoch;
    return epoch + 1;
}

/* Marks of all logs of all shards. */
static struct marks collect_marks(struct store *const *stores, uint32_t count)
{
    struct marks all = {.first_sequence = 1};

    for (uint32_t i = 0; i < count; i++) {
        struct marks more = store_make_marks(stores[i], 1, false);
        all.marks = mem_realloc(all.marks, (all.count + more.count) * sizeof(*all.marks));
        for (uint32_t m = 0; m < more.count; m++)
            all.marks[all.count++] = more.marks[m];
        mem_free(more.marks);
    }
    return all;
}

static enum err write_first_marks(struct store *store, uint32_t shard, uint32_t recovery_epoch,
                                  struct marks *marks, struct marks_writer **writer)
{
    enum err err = marks_writer_open(store->loop, store->world.dir->path, shard,
                                     marks_set_generation(store->marks_at_start) + 1, writer);

    marks->recovery_epoch = recovery_epoch;
    return err == OK ? marks_write_now(*writer, marks) : err;
}

/* With new marks a shard's old journal ends, and with it the entries of logs that another shard has
 * now.  So the first marks of each shard hold what all shards have recovered, newer than all that
 * were found; later ones hold its own logs alone, and are newer again.  Shards that are no more get
 * some, too: of a journal that ended any part may be missing. */
static enum err write_recovered_marks(struct store *const *stores, uint32_t count)
{
    const struct marks_set *old = stores[0]->marks_at_start;
    struct marks marks = collect_marks(stores, count);
    enum err err = OK;

    for (uint32_t i = 0; i < count && err == OK; i++)
        err = write_first_marks(stores[i], i, stores[i]->recovery_epoch, &marks,
                                &stores[i]->marks_writer);
    for (uint32_t i = 0; i < marks_set_shard_count(old) && err == OK; i++) {
        uint32_t shard = marks_set_at(old, i)->shard;
        struct marks_writer *writer = NULL;
        if (shard < count)
            continue;
        err = write_first_marks(stores[0], shard, next_epoch(stores[0], shard), &marks, &writer);
        marks_writer_close(writer);
    }
    mem_free(marks.marks);
    return err;
}

static enum err open_journal(struct store *store)
{
    struct journal_options options = {
        .dir = store->world.dir->path,
        .shard = store->options.shard,
        .recovery_epoch = store->recovery_epoch,
        .first_sequence = 1,
        .salt = prng_u64(store->world.prng),
        .extent_bytes = EXTENT_BYTES,
        .max_bytes = store->options.journal_max_bytes,
        .group_max_bytes = GROUP_BYTES,
        .second_in_flight_bytes = SECOND_IN_FLIGHT_BYTES,
        .pending_max_bytes = PENDING_BYTES_MAX,
        .slab = &store->slab,
    };
    enum err err = journal_open(store->loop, &options, &journal_events, store, &store->journal);

    if (err == OK && !journal_is_direct(store->journal))
        log_line(store->world.sink, LOG_INFO, "LVE-2105",
                 "the file system refuses O_DIRECT: the journal is written and synced instead",
                 log_str("dir", store->world.dir->path));
    return err;
}

static enum err settle(struct store *store)
{
    enum err err = OK;

    check(store->state == STORE_OPENING);
    store->recovery_epoch = next_epoch(store, store->options.shard);
    list_for_each(node, &store->logs)
    {
        struct log *log = container_of(node, struct log, node);
        if (!log->quarantined && err == OK)
            err = settle_log(log);
    }
    return err;
}

static enum err go_on(struct store *store)
{
    list_for_each(node, &store->logs)
    {
        struct log *log = container_of(node, struct log, node);
        if (log->in_checkpoint)
            log_window_is_marked(log);
        log->in_checkpoint = false;
    }
    return open_journal(store);
}

/* Of shards that are no more; the journals first: one without marks would be replayed. */
static enum err remove_others(struct store *store, uint32_t count)
{
    enum err err = journal_remove_others(store->io, store->world.dir->path, count);

    return err == OK ? marks_remove_others(store->io, store->world.dir->path, count) : err;
}

enum err store_recovered_all(struct store *const *stores, uint32_t count)
{
    struct store *first = stores[0];
    enum err err = OK;

    for (uint32_t i = 0; i < count && err == OK; i++)
        err = settle(stores[i]);
    if (err == OK && !BUG_SERVE_BEFORE_SYNC)
        err = first->io->v->filesystem_sync(first->io, first->world.dir->dir_fd);
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
        stores[i]->marks_at_start = NULL;
        stores[i]->scan = NULL;
        stores[i]->state = STORE_RUNNING;
    }
    return OK;
}

enum err store_recovered(struct store *store)
{
    return store_recovered_all(&store, 1);
}

void store_start(struct store *store)
{
    file_deletion_scan(store);
    look_at_space(store);
    if (store->short_of_space)
        store_touch_space(store);
}

/* ---- the end in order */

/* Files of their true size, Kafka's snapshots and index files complete. */
static enum err finish_log(struct log *log)
{
    enum err err = OK;

    if (log->quarantined)
        return OK;
    for (uint32_t i = 0; i < log->segment_count && err == OK; i++) {
        struct segment *segment = log->segments[i];
        char path[LOG_PATH_MAX];
        int32_t fd;
        if (segment->indexes_loaded)
            err = segment_save_indexes(segment, true);
        segment_close_file(segment);
        segment_path(segment, LOG_FILE_LOG, false, path);
        if (err == OK)
            err = log->store->io->v->file_open(log->store->io, path, IO_WRITE | IO_CREATE, &fd);
        if (err != OK)
            return err;
        err = log->store->io->v->file_truncate(log->store->io, fd, segment->size_bytes);
        log->store->io->v->close(log->store->io, fd);
    }
    if (err == OK)
        err = log_write_snapshot(log, log->offsets.log_end);
    if (err == OK)
        err = log_write_epochs(log);
    return err;
}

static enum err write_offsets(struct store *store, const char *name, int which)
{
    struct offset_checkpoint_entry *entries = mem_alloc(store->log_count * sizeof(*entries));
    uint32_t count = 0;
    char path[LOG_PATH_MAX];
    size_t size_bytes;
    char *text;
    enum err err;

    list_for_each(node, &store->logs)
    {
        struct log *log = container_of(node, struct log, node);
        if (log->quarantined)
            continue;
        entries[count++] =
            (struct offset_checkpoint_entry){.topic = log->name,
                                             .topic_bytes = (uint32_t)strlen(log->name),
                                             .partition = log->id.partition,
                                             .offset = which == 0   ? log->offsets.log_end
                                                       : which == 1 ? log->offsets.high_watermark
                                                                    : log->offsets.log_start};
    }
    size_bytes = offset_checkpoint_encode(entries, count, NULL, 0);
    text = mem_alloc(size_bytes);
    offset_checkpoint_encode(entries, count, text, size_bytes);
    snprintf(path, sizeof(path), "%s/%s", store->world.dir->path, name);
    err = log_write_file(store->io, path, text, size_bytes);
    mem_free(text);
    mem_free(entries);
    return err;
}

/* Kafka's own checkpoints, by the first shard for a store of one shard; several shards leave them
 * to Kafka's recovery, which makes them anew. */
static enum err write_kafka_files(struct store *store)
{
    static const char *const names[] = {"recovery-point-offset-checkpoint",
                                        "replication-offset-checkpoint",
                                        "log-start-offset-checkpoint"};
    enum err err = OK;

    for (int i = 0; i < (int)array_count(names) && err == OK && store->options.shard_count == 1;
         i++)
        err = write_offsets(store, names[i], i);
    return err;
}

static void end_stop(struct store *store, enum err err)
{
    void (*stopped)(void *context, enum err err) = store->stopped;

    store->stopped = NULL;
    if (stopped != NULL)
        stopped(store->stopped_context, err);
}

static void on_journal_stopped(void *context)
{
    struct store *store = context;
    enum err err = store->state == STORE_FAILED ? ERR_STORAGE : OK;
    struct marks marks;

    list_for_each(node, &store->logs)
    {
        if (err == OK)
            err = finish_log(container_of(node, struct log, node));
    }
    if (err == OK)
        err = write_kafka_files(store);
    if (err == OK)
        err = store->io->v->filesystem_sync(store->io, store->world.dir->dir_fd);
    if (err == OK) {
        marks = store_make_marks(store, store->checkpoint_sequence + 1, true);
        err = marks_write_now(store->marks_writer, &marks);
        mem_free(marks.marks);
    }
    if (store->state != STORE_FAILED)
        store->state = STORE_STOPPED;
    end_stop(store, err);
}

static void on_last_checkpoint(void *context, enum err err)
{
    struct store *store = context;

    if (err != OK || store->state == STORE_FAILED) {
        end_stop(store, ERR_STORAGE);
        return;
    }
    loop_cancel_timer(store->loop, &store->checkpoint_timer);
    journal_stop(store->journal, on_journal_stopped, store);
}

void store_stop(struct store *store, void (*done)(void *context, enum err err), void *context)
{
    store->stopping = true;
    if (store->state != STORE_RUNNING) {
        done(context, ERR_STORAGE);
        return;
    }
    store->stopped = done;
    store->stopped_context = context;
    store_give_room(store); /* who waits is told ERR_CLOSED by its next append */
    store_checkpoint(store, on_last_checkpoint, store);
}

static void undefer(struct task *task)
{
    if (list_is_linked(&task->node))
        list_remove(&task->node);
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    while (!list_is_empty(&store->logs))
        log_close(list_first(&store->logs, struct log, node));
    list_for_each_safe(node, &store->commit_waiters)
    {
        list_remove(node);
        log_commit_waiter_free(container_of(node, struct log_commit_waiter, node));
    }
    file_deletion_drop_all(store);
    loop_cancel_timer(store->loop, &store->checkpoint_timer);
    loop_cancel_timer(store->loop, &store->relaxed_timer);
    loop_cancel_timer(store->loop, &store->space_timer);
    loop_cancel_timer(store->loop, &store->write_retry_timer);
    loop_cancel_timer(store->loop, &store->files_retry_timer);
    undefer(&store->progress_task);
    undefer(&store->fail_task);
    undefer(&store->write_task);
    undefer(&store->files_task);
    undefer(&store->drained_task);
    journal_close(store->journal);
    marks_writer_close(store->marks_writer);
    mem_free(store);
}

enum store_state store_state(const struct store *store)
{
    return store->state;
}

bool store_is_short_of_space(const struct store *store)
{
    return store->short_of_space;
}

void store_register_metrics(struct store *store, struct metrics *metrics)
{
    metrics_add_counter(metrics, "levee_log_appended_bytes_total", "Bytes of batches appended.", "",
                        &store->appended_bytes);
    metrics_add_counter(metrics, "levee_log_segment_bytes_total", "Bytes written to segments.", "",
                        &store->segment_bytes);
    metrics_add_counter(metrics, "levee_journal_groups_total", "Journal groups committed.", "",
                        &store->journal_groups);
    metrics_add_counter(metrics, "levee_checkpoints_total", "Checkpoints completed.", "",
                        &store->checkpoints);
    metrics_add_counter(metrics, "levee_tail_cache_hits_total", "Reads served from memory.", "",
                        &store->cache_hits);
    metrics_add_counter(metrics, "levee_tail_cache_misses_total", "Reads served from files.", "",
                        &store->cache_misses);
}
