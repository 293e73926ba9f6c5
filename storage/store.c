/* A store's construction, its room and space, its reactions to the journal. */
#include "storage/store.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/log/log_private.h"
#include "storage/log/segment_aborted.h"
#include "storage/store_private.h"

enum {
    EXTENT_BYTES = 16 << 20,
    GROUP_BYTES = 1 << 20,
    SECOND_IN_FLIGHT_BYTES = 256 << 10,
    PENDING_BYTES_MAX = 16 << 20,
    READ_WINDOW_BYTES_MAX = 4 << 20,
    PRODUCERS_MAX = LOG_PRODUCERS_MAX,
    LOG_GATHERS_BYTES = 16 << 10, /* on average, before a checkpoint writes it */
    LENT_SHARE = 4, /* readers may have so much of what the tail cache may be: journal memory is
                     * twice the cache or more (memory_limits.h), so it always has some */
    SLACK_BYTES = 64 << 20, /* at most, of group buffers beyond the payload in them */
};

/* ---- failure: final (STO-3) */

static void on_fail_task(struct task *task)
{
    struct store *store = container_of(task, struct store, fail_task);

    commit_waiters_fail(&store->commits, ERR_STORAGE);
    store->events->failed(store->events_context, store->failed_err);
    store_give_room(store); /* who waits finds out */
    /* a stop waits for a checkpoint, or for the journal, which ends also after a failure */
    checkpointer_on_failed(&store->checkpointer);
}

void store_fail(struct store *store, enum err err)
{
    if (store->env.state == STORE_FAILED)
        return;
    store->env.state = STORE_FAILED;
    store->failed_err = err;
    file_deletion_stop(&store->deletion);
    log_line(store->world.sink, LOG_ERROR, "LVE-2104",
             "writing to the data directory failed; nothing more is acknowledged",
             log_str("dir", store->world.dir->path), log_err(err));
    loop_defer(store->world.loop, &store->fail_task);
}

/* ---- room */

void store_wait_room(struct store *store, struct store_waiter *waiter)
{
    room_queue_wait(&store->room, waiter);
    space_monitor_touch(&store->space); /* readers may give memory back, which nobody tells */
}

void store_cancel_wait(struct store_waiter *waiter)
{
    room_queue_cancel(waiter);
}

static void on_pressed(void *context)
{
    struct store *store = context;

    segment_writer_kick(&store->writer, NULL);
    checkpointer_ask(&store->checkpointer);
}

/* ---- a log */

static void on_log_leaves(void *context, struct log *log)
{
    struct store *store = context;

    cleaner_forget(&store->cleaner, log);
    segment_writer_forget(&store->writer, log);
    checkpointer_forget(&store->checkpointer, log);
}

static const struct log_environment_events log_events = {
    .pressed = on_pressed,
    .leaves = on_log_leaves,
};

void store_checkpoint(struct store *store, void (*done)(void *context, enum err err), void *context)
{
    checkpointer_begin(&store->checkpointer, done, context);
}

/* ---- the segment writer and the checkpointer */

static bool wants_flush(void *context, const struct log *log)
{
    const struct store *store = context;

    return (store->env.state == STORE_RUNNING && tail_cache_is_crowded(&store->tail_cache)) ||
           checkpointer_needs(&store->checkpointer, log);
}

static void on_segment_written(void *context)
{
    struct store *store = context;

    checkpointer_on_written(&store->checkpointer);
    store_give_room(store);
}

static void on_part_failed(void *context, enum err err)
{
    store_fail(context, err);
}

static void on_checkpoint_wants(void *context, struct log *log)
{
    struct store *store = context;

    segment_writer_kick(&store->writer, log);
}

static void on_checkpoint_ended(void *context)
{
    store_note_journal(context);
    store_give_room(context);
}

static void on_cleaner_idle(void *context)
{
    store_cleaner_stopped(context);
}

static void ask_cleaning(void *context, struct store_cleaning *cleaning)
{
    const struct store *store = context;

    if (store->events->cleaning != NULL)
        store->events->cleaning(store->events_context, cleaning);
}

static void on_cleaner_replaced(void *context)
{
    struct store *store = context;

    checkpointer_ask_next(&store->checkpointer);
}

static const struct cleaner_events cleaner_events = {
    .ask = ask_cleaning,
    .idle = on_cleaner_idle,
    .failed = on_part_failed,
    .replaced = on_cleaner_replaced,
};

static const struct segment_writer_events writer_events = {
    .wants_flush = wants_flush,
    .written = on_segment_written,
    .failed = on_part_failed,
};

static const struct checkpointer_events checkpointer_events = {
    .wants = on_checkpoint_wants,
    .ended = on_checkpoint_ended,
    .failed = on_part_failed,
};

/* ---- the journal's news */

static void on_journal_written(void *context, uint64_t sequence)
{
    struct store *store = context;

    log_progress_on_written(&store->progress, sequence);
}

/* Half of the journal in use asks for a checkpoint (on_journal_half_full); with few logs a quarter
 * does, because a checkpoint costs about a write a log, and what the journal holds costs the next
 * start a replay. */
static bool journal_asks_for_checkpoint(const struct store *store)
{
    return journal_used_bytes(store->env.journal) >
           store->options.journal_max_bytes / 4 +
               (uint64_t)store->env.log_count * LOG_GATHERS_BYTES;
}

void store_note_journal(struct store *store)
{
    gauge_set(&store->metrics.journal_used_bytes, (int64_t)journal_used_bytes(store->env.journal));
    gauge_set(&store->metrics.journal_capacity_bytes,
              (int64_t)journal_capacity_bytes(store->env.journal));
}

static void on_journal_committed(void *context, uint64_t sequence)
{
    struct store *store = context;
    uint64_t from = store->tail_cache.committed;

    if (sequence <= from)
        return;
    counter_add(&store->metrics.journal_groups, sequence - from);
    store_note_journal(store);
    log_progress_on_committed(&store->progress, sequence);
    list_for_each(node, &store->progress.moved)
    {
        segment_writer_kick(&store->writer, container_of(node, struct log, progress_node));
    }
    commit_waiters_reached(&store->commits, sequence);
    checkpointer_on_commit(&store->checkpointer);
    if (checkpointer_is_idle(&store->checkpointer) &&
        (journal_asks_for_checkpoint(store) || BUGGIFY("store: a checkpoint begins early")))
        checkpointer_ask(&store->checkpointer);
    /* a store that has something to checkpoint has a timer; an idle one has none */
    checkpointer_expect(&store->checkpointer);
    space_monitor_on_written(&store->space);
    space_monitor_touch(&store->space);
}

static void on_journal_room(void *context)
{
    store_give_room(context);
}

static void on_journal_half_full(void *context)
{
    struct store *store = context;

    checkpointer_begin(&store->checkpointer, NULL, NULL);
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

enum err store_open_journal(struct store *store)
{
    struct journal_options options = {
        .dir = store->world.dir->path,
        .shard = store->options.shard,
        .recovery_epoch = store->checkpointer.recovery_epoch,
        .first_sequence = 1,
        .salt = store->checkpointer.journal_salt,
        .extent_bytes = EXTENT_BYTES,
        .max_bytes = store->options.journal_max_bytes,
        .group_max_bytes = GROUP_BYTES,
        .second_in_flight_bytes = SECOND_IN_FLIGHT_BYTES,
        .pending_max_bytes = store->options.journal_pending_max_bytes,
        .slab = store->groups,
        .metrics = &store->metrics,
    };
    enum err err =
        journal_open(store->world.loop, &options, &journal_events, store, &store->env.journal);

    if (err == OK)
        store_note_journal(store);
    if (err == OK && !journal_is_direct(store->env.journal))
        log_line(store->world.sink, LOG_INFO, "LVE-2105",
                 "the file system refuses O_DIRECT: the journal is written and synced instead",
                 log_str("dir", store->world.dir->path));
    return err;
}

/* ---- space (STO-5) */

static void on_space_told(void *context, bool is_short)
{
    struct store *store = context;

    store->events->space(store->events_context, is_short);
}

static void on_space_tick(void *context)
{
    struct store *store = context;

    log_tail_evict(&store->tail_cache);
    store_give_room(store);
}

static bool space_goes_on(void *context)
{
    const struct store *store = context;

    return store->tail_cache.dirty_bytes > 0 || !room_queue_is_empty(&store->room);
}

static bool anything_writes(void *context)
{
    const struct store *store = context;

    return store->tail_cache.dirty_bytes > 0 || checkpointer_writes_files(&store->checkpointer);
}

/* What the journal and the segments have written since they were opened. */
static uint64_t space_written_bytes(void *context)
{
    const struct store *store = context;

    return store->writer.written_bytes +
           (store->env.journal != NULL ? journal_stats(store->env.journal)->device_bytes : 0);
}

static const struct space_monitor_events space_events = {
    .told = on_space_told,
    .tick = on_space_tick,
    .goes_on = space_goes_on,
    .writes = anything_writes,
    .written_bytes = space_written_bytes,
};

/* ---- relaxed logs */

static bool sync_relaxed(void *context)
{
    struct store *store = context;

    if (store->env.state != STORE_RUNNING)
        return false;
    journal_sync(store->env.journal);
    return true;
}

/* ---- opening */

static void on_tail_dropped(void *context)
{
    struct store *store = context;

    checkpointer_on_dropped(&store->checkpointer);
}

static void on_deletion_ended(void *context)
{
    store_tell_stopped(context);
}

static void take_options(struct store_options *out, const struct store_options *options)
{
    *out = *options;
    if (options->journal_pending_max_bytes == 0)
        out->journal_pending_max_bytes = PENDING_BYTES_MAX;
    if (options->read_window_max_bytes == 0)
        out->read_window_max_bytes = READ_WINDOW_BYTES_MAX;
    if (options->log_producers_max == 0)
        out->log_producers_max = LOG_PRODUCERS_MAX;
    if (options->segment_shrink == 0)
        out->segment_shrink = 1;
    if (options->producers_max == 0)
        out->producers_max = PRODUCERS_MAX;
}

static void init_environment(struct store *store, const struct marks_set *marks,
                             struct journal_scan *scan)
{
    store->env = (struct log_environment){
        .loop = store->world.loop,
        .io = store->world.loop->io,
        .prng = store->world.prng,
        .sink = store->world.sink,
        .dir = store->world.dir->path,
        .options = &store->options,
        .state = STORE_OPENING,
        .events = &log_events,
        .context = store,
        .marks_at_start = marks,
        .scan = scan,
        .tail_cache = &store->tail_cache,
        .index_cache = &store->index_cache,
        .aborted_cache = &store->aborted_cache,
        .open_files = &store->open_files,
        .deletion = &store->deletion,
        .producers = &store->producers,
        .commits = &store->commits,
        .room = &store->room,
        .relaxed = &store->relaxed,
        .space = &store->space,
        .reads = store->options.read_slab != NULL ? store->options.read_slab : &store->own_reads,
        .oversize = &store->oversize,
        .lent = &store->lent,
        .metrics = &store->metrics};
    list_init(&store->env.logs);
    list_init(&store->env.dirty_logs);
}

enum err store_open(const struct store_world *world, const struct store_options *options,
                    const struct marks_set *marks, struct journal_scan *scan,
                    const struct store_events *events, void *context, struct store **out)
{
    struct store *store = mem_alloc(sizeof(*store));

    store->world = *world;
    take_options(&store->options, options);
    store->events = events;
    store->events_context = context;
    /* group buffers hold the cache and a bit */
    slab_init(&store->own_groups, options->tail_cache_max_bytes * 2 + SLACK_BYTES);
    slab_init(&store->own_reads, options->tail_cache_max_bytes + SLACK_BYTES);
    slab_init(&store->oversize, UINT64_MAX);
    budget_init(&store->lent, "lent", options->tail_cache_max_bytes / LENT_SHARE);
    store->groups = options->group_slab != NULL ? options->group_slab : &store->own_groups;
    tail_cache_init(&store->tail_cache, store->groups, options->tail_cache_max_bytes,
                    on_tail_dropped, store);
    producer_shares_init(&store->producers, prng_u64(world->prng), store->options.producers_max);
    store->fail_task.run = on_fail_task;
    storage_metrics_init(&store->metrics, store->world.loop->clock);
    gauge_set(&store->metrics.journal_max_bytes, (int64_t)options->journal_max_bytes);
    gauge_set(&store->metrics.producers_max,
              (int64_t)store->options.producers_max * PRODUCER_SHARES);
    init_environment(store, marks, scan);
    log_progress_init(&store->progress, store->world.loop, &store->tail_cache);
    commit_waiters_init(&store->commits);
    room_queue_init(&store->room);
    relaxed_timer_init(&store->relaxed, store->world.loop, options->relaxed_sync_interval_ms,
                       sync_relaxed, store);
    space_monitor_init(&store->space, store->world.loop, store->world.dir->path,
                       options->reserve_bytes, &store->tail_cache.dirty_bytes, &store->metrics,
                       &space_events, store);
    index_cache_init(&store->index_cache, options->index_cache_max_bytes, segment_unload_cached);
    index_cache_init(&store->aborted_cache, options->index_cache_max_bytes, segment_aborted_unload);
    open_files_init(&store->open_files, store->world.loop->io, options->open_files_max,
                    &store->metrics.open_segments);
    file_deletion_init(&store->deletion, store->world.loop, on_deletion_ended, store);
    segment_writer_init(&store->writer, &store->env, store->groups, &writer_events, store);
    checkpointer_init(&store->checkpointer, &store->env, store->world.dir->dir_fd,
                      &checkpointer_events, store);
    store_walk_init(&store->walk, &store->env);
    cleaner_init(&store->cleaner, &store->env, world->offload, world->dir->dir_fd, &cleaner_events,
                 store);
    *out = store;
    return OK;
}

void store_start(struct store *store)
{
    if (store->options.shard == 0)
        file_deletion_scan(&store->deletion, store->world.dir->path);
    file_deletion_start(&store->deletion);
    cleaner_start(&store->cleaner);
    space_monitor_look(&store->space);
    if (store->space.is_short)
        space_monitor_touch(&store->space);
}

/* ---- closing */

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    while (!list_is_empty(&store->env.logs))
        log_close(list_first(&store->env.logs, struct log, node));
    cleaner_deinit(&store->cleaner);
    commit_waiters_drop(&store->commits);
    file_deletion_deinit(&store->deletion);
    relaxed_timer_deinit(&store->relaxed);
    space_monitor_deinit(&store->space);
    log_progress_deinit(&store->progress);
    loop_undefer(&store->fail_task);
    segment_writer_deinit(&store->writer);
    store_walk_deinit(&store->walk);
    tail_cache_deinit(&store->tail_cache);
    journal_close(store->env.journal);
    checkpointer_deinit(&store->checkpointer);
    producer_shares_deinit(&store->producers);
    storage_metrics_deinit(&store->metrics);
    mem_free(store);
}

enum store_state store_state(const struct store *store)
{
    return store->env.state;
}

bool store_is_short_of_space(const struct store *store)
{
    return store->space.is_short;
}

uint64_t store_progress(const struct store *store)
{
    const struct storage_metrics *metrics = &store->metrics;

    return counter_read(&metrics->appended_bytes) + counter_read(&metrics->segment_bytes) +
           counter_read(&metrics->journal_groups) + counter_read(&metrics->checkpoints) +
           counter_read(&store->walk.visited);
}

void store_register_metrics(struct store *store, struct metrics *metrics)
{
    storage_metrics_register(&store->metrics, store->options.shard == 0, metrics);
}
