/* The checkpoint: seal the journal at S → wait until S is committed → drain each log up to what S
 * holds → write the small files, some logs a turn → one syncfs → marks → release the journal up to
 * S.  (store.h; design.md section 5)
 *
 * What is appended after the seal has a higher sequence: its first entry for a log carries the
 * bytes below it in its block, because that block is covered by the mark and will be rewritten. */
#include "base/check.h"
#include "base/mem.h"
#include "storage/bug_bank.h"
#include "storage/log/log_private.h"

#include <string.h>

enum { LOGS_PER_TURN = 16, NO_MEMORY_RETRY_MS = 1000 };

static void begin(struct store *store);

/* ---- the end of one checkpoint */

static void tell_waiters(struct store *store, enum err err)
{
    uint32_t count = store->checkpoint_waiter_count;

    store->checkpoint_waiter_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (store->checkpoint_waiters[i].done != NULL)
            store->checkpoint_waiters[i].done(store->checkpoint_waiters[i].context, err);
}

static void finish(struct store *store)
{
    struct list *node;

    while ((node = list_pop_front(&store->targets)) != NULL) {
        struct log *log = container_of(node, struct log, target_node);
        log->in_checkpoint = false;
        log->marked_base_offset = log->believed.segment_base_offset;
        log_window_is_marked(log);
    }
    store->step = CHECKPOINT_IDLE;
    counter_add(&store->metrics.checkpoints, 1);
    storage_metrics_end(&store->metrics, STORAGE_CHECKPOINT, store->checkpoint_began_ns);
    journal_release(store->journal, store->checkpoint_sequence);
    store_note_journal(store);
    if (store->checkpoint_again) {
        store->checkpoint_again = false;
        begin(store);
    } else {
        /* what came meanwhile may have been committed meanwhile, too: nobody else will ask */
        if (!list_is_empty(&store->dirty_logs))
            loop_set_timer_ms(store->loop, &store->checkpoint_timer,
                              store->options.checkpoint_interval_ms);
        tell_waiters(store, OK);
    }
    store_give_room(store);
}

void checkpointer_on_failed(struct store *store)
{
    tell_waiters(store, ERR_STORAGE);
}

/* ---- marks */

static void fill_mark(struct log *log, struct mark *mark)
{
    if (log->in_checkpoint)
        log->believed = log->target;
    log->believed.window_offset =
        log->in_checkpoint ? log->window_pending : log->believed.window_offset;
    if (!log->quarantined) /* a log start takes effect when it is durable: never too early here */
        log->believed.log_start_offset = log->offsets.log_start < log->believed.end_offset
                                             ? log->offsets.log_start
                                             : log->believed.end_offset;
    *mark = log->believed;
}

enum err store_make_marks(struct store *store, uint64_t first_sequence, bool clean,
                          struct marks *out)
{
    struct marks marks = {.shard = store->options.shard,
                          .recovery_epoch = store->recovery_epoch,
                          .first_sequence = first_sequence,
                          .salt = store->journal_salt,
                          .shard_count = store->options.shard_count,
                          .clean = clean};

    marks.marks = mem_try_alloc(store->log_count * sizeof(*marks.marks));
    if (marks.marks == NULL)
        return ERR_NOMEM;
    list_for_each(node, &store->logs)
    {
        struct log *log = container_of(node, struct log, node);
        if (log->believed_exists || log->in_checkpoint) {
            fill_mark(log, &marks.marks[marks.count]);
            log->believed_exists = true;
            marks.count++;
        }
    }
    *out = marks;
    return OK;
}

static void on_marked(void *context, enum err err)
{
    struct store *store = context;

    if ((err == ERR_NOSPACE || err == ERR_NOMEM) && store->state == STORE_RUNNING) {
        if (err == ERR_NOSPACE)
            space_monitor_refused(&store->space);
        /* S5: once more, the same step */
        loop_set_timer_ms(store->loop, &store->files_retry_timer, 1000);
        return;
    }
    if (err != OK) {
        store_fail(store, err);
        return;
    }
    space_monitor_succeeded(&store->space);
    if (store->state == STORE_RUNNING)
        finish(store);
}

static void write_marks(struct store *store)
{
    struct marks marks;

    store->step = CHECKPOINT_MARK;
    if (store_make_marks(store, store->checkpoint_sequence + 1, false, &marks) != OK) {
        on_marked(store, ERR_NOMEM);
        return;
    }
    marks.extent_number = journal_extent_of(store->journal, marks.first_sequence);
    marks_write(store->marks_writer, &marks, on_marked, store);
    mem_free(marks.marks);
}

static void on_synced(struct io_op *op, int32_t result)
{
    struct store *store = container_of(op, struct store, sync_op);

    if (store->state != STORE_RUNNING)
        return;
    if (result < 0) {
        store_fail(store, err_from_errno(-result));
        return;
    }
    storage_metrics_end(&store->metrics, STORAGE_CHECKPOINT_SYNC, store->sync_began_ns);
    if (BUG_MARK_BEFORE_SYNC)
        finish(store);
    else
        write_marks(store);
}

static void start_sync(struct store *store)
{
    store->step = CHECKPOINT_SYNC;
    if (BUG_MARK_BEFORE_SYNC) {
        struct marks marks = {0};
        enum err err = store_make_marks(store, store->checkpoint_sequence + 1, false, &marks);
        if (err == OK)
            err = marks_write_now(store->marks_writer, &marks);
        mem_free(marks.marks);
        if (err != OK) {
            store_fail(store, err);
            return;
        }
    }
    store->sync_began_ns = storage_metrics_begin(&store->metrics);
    io_syncfs(store->io, &store->sync_op, store->world.dir->dir_fd, on_synced);
}

/* ---- small files */

static void on_files_task(struct task *task)
{
    struct store *store = container_of(task, struct store, files_task);

    if (store->state != STORE_RUNNING || store->step != CHECKPOINT_FILES)
        return;
    for (int i = 0; i < LOGS_PER_TURN && store->next_target != &store->targets; i++) {
        struct log *log = container_of(store->next_target, struct log, target_node);
        enum err err = log_write_small_files(log, log->target.end_offset);
        if (err == ERR_NOSPACE)
            space_monitor_refused(&store->space);
        if (err == ERR_NOSPACE || err == ERR_NOMEM) { /* the same step again: there may be space,
                                                       * or a descriptor, by then */
            loop_set_timer_ms(store->loop, &store->files_retry_timer, 1000);
            return;
        }
        if (err != OK) {
            store_fail(store, err);
            return;
        }
        store->next_target = store->next_target->next;
    }
    space_monitor_succeeded(&store->space);
    if (store->next_target == &store->targets)
        start_sync(store);
    else
        loop_defer(store->loop, &store->files_task);
}

static void on_files_retry(struct timer *timer)
{
    struct store *store = container_of(timer, struct store, files_retry_timer);

    if (store->step == CHECKPOINT_MARK && store->state == STORE_RUNNING)
        write_marks(store);
    else
        loop_defer(store->loop, &store->files_task);
}

/* ---- draining */

static bool is_drained(const struct log *log)
{
    return log->tail.first_unwritten == NULL ||
           log->tail.first_unwritten->sequence > log->store->checkpoint_sequence;
}

bool log_needs_flush(const struct log *log)
{
    const struct store *store = log->store;

    if (store->state == STORE_RUNNING && tail_cache_is_crowded(&store->tail_cache))
        return true;
    return log->in_checkpoint && store->step == CHECKPOINT_DRAIN && !is_drained(log);
}

/* What is drained stays so: entries that come later have higher sequences. */
static void check_drained(struct store *store)
{
    for (; store->next_target != &store->targets; store->next_target = store->next_target->next)
        if (!is_drained(container_of(store->next_target, struct log, target_node)))
            return;
    store->step = CHECKPOINT_FILES;
    store->next_target = store->targets.next;
    loop_defer(store->loop, &store->files_task);
}

void checkpointer_on_written(struct store *store)
{
    if (store->step == CHECKPOINT_DRAIN)
        check_drained(store);
}

static void start_drain(struct store *store)
{
    store->step = CHECKPOINT_DRAIN;
    store->next_target = store->targets.next;
    list_for_each(node, &store->targets)
    {
        store_kick_writes(store, container_of(node, struct log, target_node));
    }
    check_drained(store);
}

void checkpointer_on_commit(struct store *store)
{
    if (store->step == CHECKPOINT_COMMIT &&
        store->tail_cache.committed >= store->checkpoint_sequence)
        start_drain(store);
}

/* ---- the beginning */

static void set_target(struct log *log)
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
    log->prefix_pending = true;
    log->dirty = false;
    log->target_was_cut = log->was_cut;
    log->target_cut_base_offset = log->cut_base_offset;
    log->was_cut = false; /* the target of this checkpoint knows */
}

/* What the targets take memory for, all of it or nothing: without, it is tried again soon, and what
 * is not checkpointed meanwhile stays in the journal. */
static bool freeze_windows(struct store *store)
{
    enum err err = OK;

    list_for_each(node, &store->dirty_logs)
    {
        if (err == OK)
            err = log_freeze_window(container_of(node, struct log, dirty_node));
    }
    if (err == OK) {
        store->waits_for_memory = false;
        return true;
    }
    list_for_each(node, &store->dirty_logs)
    {
        log_thaw_window(container_of(node, struct log, dirty_node));
    }
    if (!store->waits_for_memory)
        log_line(store->world.sink, LOG_WARN, "LVE-2108", "a checkpoint waits for memory",
                 log_u64("logs", store->log_count));
    store->waits_for_memory = true;
    loop_set_timer_ms(store->loop, &store->checkpoint_timer, NO_MEMORY_RETRY_MS);
    return false;
}

static void begin(struct store *store)
{
    struct list *node;

    check(store->step == CHECKPOINT_IDLE && list_is_empty(&store->targets));
    if (!freeze_windows(store))
        return;
    loop_cancel_timer(store->loop, &store->checkpoint_timer);
    while ((node = list_pop_front(&store->dirty_logs)) != NULL) {
        struct log *log = container_of(node, struct log, dirty_node);
        set_target(log);
        list_push_back(&store->targets, &log->target_node);
    }
    store->checkpoint_began_ns = storage_metrics_begin(&store->metrics);
    store->checkpoint_sequence = journal_seal(store->journal);
    journal_sync(store->journal); /* relaxed groups too */
    store->step = CHECKPOINT_COMMIT;
    checkpointer_on_commit(store);
}

void store_checkpoint(struct store *store, void (*done)(void *context, enum err err), void *context)
{
    if (store->state != STORE_RUNNING || store->checkpoints_ended) {
        if (done != NULL)
            done(context, ERR_STORAGE);
        return;
    }
    if (done != NULL) {
        check(store->checkpoint_waiter_count < array_count(store->checkpoint_waiters));
        store->checkpoint_waiters[store->checkpoint_waiter_count].done = done;
        store->checkpoint_waiters[store->checkpoint_waiter_count++].context = context;
    }
    if (store->is_cutting)
        return; /* the stop begins the next one */
    if (store->step != CHECKPOINT_IDLE)
        store->checkpoint_again = store->checkpoint_again || done != NULL;
    else
        begin(store);
}

void checkpointer_forget(struct log *log)
{
    struct store *store = log->store;

    if (!list_is_linked(&log->target_node))
        return;
    if (store->next_target == &log->target_node)
        store->next_target = log->target_node.next;
    list_remove(&log->target_node);
    log->in_checkpoint = false;
    checkpointer_on_dropped(store);
}

/* It may have waited for what is gone. */
void checkpointer_on_dropped(struct store *store)
{
    if (store->step == CHECKPOINT_DRAIN)
        loop_defer(store->loop, &store->drained_task);
}

static void on_drained_task(struct task *task)
{
    checkpointer_on_written(container_of(task, struct store, drained_task));
}

static void on_timer(struct timer *timer)
{
    struct store *store = container_of(timer, struct store, checkpoint_timer);

    if (store->step == CHECKPOINT_IDLE &&
        (!list_is_empty(&store->dirty_logs) || store->checkpoint_waiter_count > 0))
        store_checkpoint(store, NULL, NULL);
}

void checkpointer_init(struct store *store)
{
    list_init(&store->targets);
    store->checkpoint_timer.fire = on_timer;
    store->files_task.run = on_files_task;
    store->drained_task.run = on_drained_task;
    store->files_retry_timer.fire = on_files_retry;
}
