/* A store's construction, its room and space, its reactions to the journal. */
#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/log/log_private.h"

enum {
    EXTENT_BYTES = 16 << 20,
    GROUP_BYTES = 1 << 20,
    SECOND_IN_FLIGHT_BYTES = 256 << 10,
    PENDING_BYTES_MAX = 16 << 20,
    READ_WINDOW_BYTES_MAX = 4 << 20,
    PRODUCERS_MAX = LOG_PRODUCERS_MAX,
    LOG_GATHERS_BYTES = 16 << 10, /* on average, before a checkpoint writes it */
    SPACE_CHECK_MS = 1000,
    SPACE_CHECK_BYTES = 4 << 20,
    SPACE_CHECK_BYTES_MIN = 256 << 10,
    SPACE_CHECK_SHARE = 4, /* of a small reserve */
    LENT_SHARE = 4, /* readers may have so much of what the tail cache may be: journal memory is
                     * twice the cache or more (memory_limits.h), so it always has some */
    SLACK_BYTES = 64 << 20, /* at most, of group buffers beyond the payload in them */
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
    file_deletion_stop(&store->deletion);
    log_line(store->world.sink, LOG_ERROR, "LVE-2104",
             "writing to the data directory failed; nothing more is acknowledged",
             log_str("dir", store->world.dir->path), log_err(err));
    loop_defer(store->loop, &store->fail_task);
}

/* ---- room */

bool store_is_full(struct store *store)
{
    if (!tail_cache_is_full(&store->tail_cache))
        return false;
    store_kick_writes(store, NULL);
    if (store->step == CHECKPOINT_IDLE)
        store_checkpoint(store, NULL, NULL);
    return true;
}

void store_give_room(struct store *store)
{
    struct list skipped;
    struct list *node;

    if (store->giving_room || list_is_empty(&store->room_waiters) ||
        (store->state == STORE_RUNNING && tail_cache_is_full(&store->tail_cache)))
        return;
    store->giving_room = true;
    store->room_refused = false;
    list_init(&skipped);
    while (!store->room_refused && (node = list_pop_front(&store->room_waiters)) != NULL) {
        struct store_waiter *waiter = container_of(node, struct store_waiter, node);
        if (!waiter->room(waiter)) /* where the memory did not suffice, less may */
            list_push_back(&skipped, &waiter->node);
    }
    list_splice_back(&skipped, &store->room_waiters); /* they keep their turns */
    list_splice_back(&store->room_waiters, &skipped);
    store->giving_room = false;
}

/* May an append of log try?  Not past those who wait for the journal. */
bool store_must_queue(const struct store *store, bool reserved_space)
{
    return store->room_refused && !store->giving_room && !reserved_space &&
           !list_is_empty(&store->room_waiters);
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

void store_free_memory(struct store *store)
{
    log_tail_evict(&store->tail_cache);
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
    struct tail_cache *cache = &store->tail_cache;

    for (struct list *node = cache->unwritten.prev; node != &cache->unwritten; node = node->prev) {
        struct tail_entry *entry = container_of(node, struct tail_entry, cache_node);
        struct log *log = container_of(entry->tail, struct log, tail);
        if (entry->sequence <= from_sequence)
            return;
        if (entry->sequence > to_sequence)
            continue;
        if (durable)
            log_tail_committed(entry);
        if (durable && entry->end_offset > log->offsets.durable) {
            log->offsets.durable = entry->end_offset;
            note_progress(log);
        }
        if (entry->end_offset > log->offsets.accepted) {
            log->offsets.accepted = entry->end_offset;
            note_progress(log);
        }
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

/* Half of the journal in use asks for a checkpoint (on_journal_half_full); with few logs a quarter
 * does, because a checkpoint costs about a write a log, and what the journal holds costs the next
 * start a replay. */
static bool journal_asks_for_checkpoint(const struct store *store)
{
    return journal_used_bytes(store->journal) >
           store->options.journal_max_bytes / 4 + (uint64_t)store->log_count * LOG_GATHERS_BYTES;
}

void store_note_journal(struct store *store)
{
    gauge_set(&store->metrics.journal_used_bytes, (int64_t)journal_used_bytes(store->journal));
    gauge_set(&store->metrics.journal_capacity_bytes,
              (int64_t)journal_capacity_bytes(store->journal));
}

static void on_journal_committed(void *context, uint64_t sequence)
{
    struct store *store = context;
    uint64_t from = store->tail_cache.committed;

    if (sequence <= from)
        return;
    store->tail_cache.committed = sequence;
    if (store->written < sequence)
        store->written = sequence;
    counter_add(&store->metrics.journal_groups, sequence - from);
    store_note_journal(store);
    advance(store, from, sequence, true);
    list_for_each(node, &store->progressed)
    {
        store_kick_writes(store, container_of(node, struct log, progress_node));
    }
    while (!list_is_empty(&store->commit_waiters)) {
        struct log_commit_waiter *waiter =
            list_first(&store->commit_waiters, struct log_commit_waiter, node);
        if (waiter->sequence > sequence)
            break;
        list_remove(&waiter->node);
        log_commit_waiter_run(waiter, OK);
    }
    checkpointer_on_commit(store);
    if (store->step == CHECKPOINT_IDLE &&
        (journal_asks_for_checkpoint(store) || BUGGIFY("store: a checkpoint begins early")))
        store_checkpoint(store, NULL, NULL);
    /* a store that has something to checkpoint has a timer; an idle one has none */
    if (store->step == CHECKPOINT_IDLE && !list_is_linked(&store->checkpoint_timer.node))
        loop_set_timer_ms(store->loop, &store->checkpoint_timer,
                          store->options.checkpoint_interval_ms);
    store_look_at_space(store);
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

enum err store_open_journal(struct store *store)
{
    struct journal_options options = {
        .dir = store->world.dir->path,
        .shard = store->options.shard,
        .recovery_epoch = store->recovery_epoch,
        .first_sequence = 1,
        .salt = store->journal_salt,
        .extent_bytes = EXTENT_BYTES,
        .max_bytes = store->options.journal_max_bytes,
        .group_max_bytes = GROUP_BYTES,
        .second_in_flight_bytes = SECOND_IN_FLIGHT_BYTES,
        .pending_max_bytes = store->options.journal_pending_max_bytes,
        .slab = store->groups,
        .metrics = &store->metrics,
    };
    enum err err = journal_open(store->loop, &options, &journal_events, store, &store->journal);

    if (err == OK)
        store_note_journal(store);
    if (err == OK && !journal_is_direct(store->journal))
        log_line(store->world.sink, LOG_INFO, "LVE-2105",
                 "the file system refuses O_DIRECT: the journal is written and synced instead",
                 log_str("dir", store->world.dir->path));
    return err;
}

/* ---- space (S5), looked at each second while something happens, and for each few MiB written, or
 * each part of a small reserve: a fast device fills it in less */

static void tell_space(struct store *store, bool is_short)
{
    if (is_short == store->short_of_space)
        return;
    store->short_of_space = is_short;
    gauge_set(&store->metrics.disk_is_short, is_short);
    store->events->space(store->events_context, is_short);
}

/* What the journal and the segments have written since they were opened. */
static uint64_t space_bytes_used(const struct store *store)
{
    return store->segment_written_bytes +
           (store->journal != NULL ? journal_stats(store->journal)->device_bytes : 0);
}

static void look_at_space(struct store *store)
{
    struct io_space space;
    uint64_t reserve_bytes = store->options.reserve_bytes;

    store->space_seen_bytes = space_bytes_used(store);
    if (store->tail_cache.dirty_bytes == 0 && store->step != CHECKPOINT_FILES &&
        store->step != CHECKPOINT_MARK)
        store->write_refused = false; /* nothing is left that would try */
    if (store->io->v->dir_space(store->io, store->world.dir->path, &space) != OK)
        return;
    gauge_set(&store->metrics.disk_free_bytes, (int64_t)space.free_bytes);
    if (reserve_bytes > 0)
        reserve_bytes +=
            store->tail_cache.dirty_bytes; /* what was taken has to have its place, too */
    tell_space(store, store->write_refused || space.free_bytes < reserve_bytes);
}

static void on_space_timer(struct timer *timer)
{
    struct store *store = container_of(timer, struct store, space_timer);

    look_at_space(store);
    log_tail_evict(&store->tail_cache);
    store_give_room(store);
    if (store->short_of_space || store->tail_cache.dirty_bytes > 0 ||
        !list_is_empty(&store->room_waiters))
        loop_set_timer_ms(store->loop, &store->space_timer, SPACE_CHECK_MS);
}

void store_look_at_space(struct store *store)
{
    uint64_t step_bytes = store->options.reserve_bytes / SPACE_CHECK_SHARE;

    if (step_bytes < SPACE_CHECK_BYTES_MIN)
        step_bytes = SPACE_CHECK_BYTES_MIN;
    if (store->options.reserve_bytes == 0 || step_bytes > SPACE_CHECK_BYTES)
        step_bytes = SPACE_CHECK_BYTES;
    if (space_bytes_used(store) - store->space_seen_bytes >= step_bytes)
        look_at_space(store);
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

static void on_tail_dropped(void *context)
{
    checkpointer_on_dropped(context);
}

static void on_deletion_ended(void *context)
{
    store_tell_stopped(context);
}

enum err store_open(const struct store_world *world, const struct store_options *options,
                    const struct marks_set *marks, struct journal_scan *scan,
                    const struct store_events *events, void *context, struct store **out)
{
    struct store *store = mem_alloc(sizeof(*store));

    store->world = *world;
    store->options = *options;
    if (options->journal_pending_max_bytes == 0)
        store->options.journal_pending_max_bytes = PENDING_BYTES_MAX;
    if (options->read_window_max_bytes == 0)
        store->options.read_window_max_bytes = READ_WINDOW_BYTES_MAX;
    if (options->log_producers_max == 0)
        store->options.log_producers_max = LOG_PRODUCERS_MAX;
    if (options->segment_shrink == 0)
        store->options.segment_shrink = 1;
    if (options->producers_max == 0)
        store->options.producers_max = PRODUCERS_MAX;
    store->events = events;
    store->events_context = context;
    store->loop = world->loop;
    store->io = world->loop->io;
    store->state = STORE_OPENING;
    store->marks_at_start = marks;
    store->scan = scan;
    /* group buffers hold the cache and a bit */
    slab_init(&store->own_groups, options->tail_cache_max_bytes * 2 + SLACK_BYTES);
    slab_init(&store->own_reads, options->tail_cache_max_bytes + SLACK_BYTES);
    slab_init(&store->oversize, UINT64_MAX);
    budget_init(&store->lent, "lent", options->tail_cache_max_bytes / LENT_SHARE);
    store->groups = options->group_slab != NULL ? options->group_slab : &store->own_groups;
    store->reads = options->read_slab != NULL ? options->read_slab : &store->own_reads;
    tail_cache_init(&store->tail_cache, store->groups, options->tail_cache_max_bytes,
                    on_tail_dropped, store);
    list_init(&store->logs);
    producer_shares_init(&store->producers, prng_u64(world->prng), store->options.producers_max);
    list_init(&store->dirty_logs);
    list_init(&store->progressed);
    list_init(&store->commit_waiters);
    list_init(&store->room_waiters);
    store->progress_task.run = on_progress_task;
    store->fail_task.run = on_fail_task;
    store->space_timer.fire = on_space_timer;
    store->relaxed_timer.fire = on_relaxed_timer;
    storage_metrics_init(&store->metrics, store->loop->clock);
    gauge_set(&store->metrics.journal_max_bytes, (int64_t)options->journal_max_bytes);
    gauge_set(&store->metrics.disk_reserve_bytes, (int64_t)options->reserve_bytes);
    gauge_set(&store->metrics.producers_max,
              (int64_t)store->options.producers_max * PRODUCER_SHARES);
    index_cache_init(&store->index_cache, options->index_cache_max_bytes, segment_unload_cached);
    open_files_init(&store->open_files, store->io, options->open_files_max,
                    &store->metrics.open_segments);
    file_deletion_init(&store->deletion, store->loop, on_deletion_ended, store);
    segment_writer_init(store);
    checkpointer_init(store);
    *out = store;
    return OK;
}

void store_start(struct store *store)
{
    if (store->options.shard == 0)
        file_deletion_scan(&store->deletion, store->world.dir->path);
    file_deletion_start(&store->deletion);
    look_at_space(store);
    if (store->short_of_space)
        store_touch_space(store);
}

/* ---- closing */

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
    file_deletion_deinit(&store->deletion);
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
    undefer(&store->walk.task);
    tail_cache_deinit(&store->tail_cache);
    journal_close(store->journal);
    marks_writer_close(store->marks_writer);
    producer_shares_deinit(&store->producers);
    storage_metrics_deinit(&store->metrics);
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

uint64_t store_progress(const struct store *store)
{
    const struct storage_metrics *metrics = &store->metrics;

    return counter_read(&metrics->appended_bytes) + counter_read(&metrics->segment_bytes) +
           counter_read(&metrics->journal_groups) + counter_read(&metrics->checkpoints) +
           store->walk.visited_count;
}

void store_register_metrics(struct store *store, struct metrics *metrics)
{
    storage_metrics_register(&store->metrics, store->options.shard == 0, metrics);
}
