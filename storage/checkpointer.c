#include "storage/checkpointer.h"

#include "base/check.h"
#include "base/mem.h"
#include "storage/log/log_checkpoint.h"
#include "storage/log/log_producers.h"

enum { LOGS_PER_TURN = 16, RETRY_MS = 1000 };

static void begin(struct checkpointer *checkpointer);

/* ---- the end of one checkpoint */

static void tell_waiters(struct checkpointer *checkpointer, enum err err)
{
    uint32_t count = checkpointer->waiter_count;

    checkpointer->waiter_count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (checkpointer->waiters[i].done != NULL)
            checkpointer->waiters[i].done(checkpointer->waiters[i].context, err);
}

static void finish(struct checkpointer *checkpointer)
{
    struct list *node;

    while ((node = list_pop_front(&checkpointer->targets)) != NULL) {
        struct log *log = container_of(node, struct log, target_node);
        log->in_checkpoint = false;
        log->marked_base_offset = log->believed.segment_base_offset;
        log_window_is_marked(log);
    }
    checkpointer->step = CHECKPOINT_IDLE;
    counter_add(&checkpointer->env->metrics->checkpoints, 1);
    storage_metrics_end(checkpointer->env->metrics, STORAGE_CHECKPOINT, checkpointer->began_ns);
    journal_release(checkpointer->env->journal, checkpointer->sequence);
    if (checkpointer->again) {
        checkpointer->again = false;
        begin(checkpointer);
    } else {
        /* what came meanwhile may have been committed meanwhile, too: nobody else will ask */
        if (!list_is_empty(&checkpointer->env->dirty_logs))
            loop_set_timer_ms(
                checkpointer->env->loop, &checkpointer->timer,
                checkpointer->is_urgent ? 0 : checkpointer->env->options->checkpoint_interval_ms);
        checkpointer->is_urgent = false;
        tell_waiters(checkpointer, OK);
    }
    checkpointer->events->ended(checkpointer->context);
}

void checkpointer_on_failed(struct checkpointer *checkpointer)
{
    tell_waiters(checkpointer, ERR_STORAGE);
}

/* ---- marks */

static void fill_mark(struct log *log, struct mark *mark)
{
    if (log->in_checkpoint)
        log->believed = log->target;
    log->believed.window_offset =
        log->in_checkpoint ? log->window_pending : log->believed.window_offset;
    if (!log->quarantined) { /* a log start takes effect when it is durable: never too early here */
        log->believed.log_start_offset = log->offsets.log_start < log->believed.end_offset
                                             ? log->offsets.log_start
                                             : log->believed.end_offset;
        log->believed.high_watermark = log_published_below(log, log->believed.end_offset);
    }
    *mark = log->believed;
}

enum err checkpointer_make_marks(struct checkpointer *checkpointer, uint64_t first_sequence,
                                 bool clean, struct marks *out)
{
    struct marks marks = {.shard = checkpointer->env->options->shard,
                          .recovery_epoch = checkpointer->recovery_epoch,
                          .first_sequence = first_sequence,
                          .salt = checkpointer->journal_salt,
                          .shard_count = checkpointer->env->options->shard_count,
                          .clean = clean};

    marks.marks = mem_try_alloc(checkpointer->env->log_count * sizeof(*marks.marks));
    if (marks.marks == NULL)
        return ERR_NOMEM;
    list_for_each(node, &checkpointer->env->logs)
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
    struct checkpointer *checkpointer = context;

    if ((err == ERR_NOSPACE || err == ERR_NOMEM) && checkpointer->env->state == STORE_RUNNING) {
        if (err == ERR_NOSPACE)
            space_monitor_refused(checkpointer->env->space);
        /* STO-5: once more, the same step */
        loop_set_timer_ms(checkpointer->env->loop, &checkpointer->retry_timer, RETRY_MS);
        return;
    }
    if (err != OK) {
        checkpointer->events->failed(checkpointer->context, err);
        return;
    }
    space_monitor_succeeded(checkpointer->env->space);
    if (checkpointer->env->state == STORE_RUNNING)
        finish(checkpointer);
}

static void write_marks(struct checkpointer *checkpointer)
{
    struct marks marks;

    checkpointer->step = CHECKPOINT_MARK;
    if (checkpointer_make_marks(checkpointer, checkpointer->sequence + 1, false, &marks) != OK) {
        on_marked(checkpointer, ERR_NOMEM);
        return;
    }
    marks.extent_number = journal_extent_of(checkpointer->env->journal, marks.first_sequence);
    marks_write(checkpointer->marks_writer, &marks, on_marked, checkpointer);
    mem_free(marks.marks);
}

static void on_synced(struct io_op *op, int32_t result)
{
    struct checkpointer *checkpointer = container_of(op, struct checkpointer, sync_op);

    if (checkpointer->env->state != STORE_RUNNING)
        return;
    if (result < 0) {
        checkpointer->events->failed(checkpointer->context, err_from_errno(-result));
        return;
    }
    storage_metrics_end(checkpointer->env->metrics, STORAGE_CHECKPOINT_SYNC,
                        checkpointer->sync_began_ns);
    write_marks(checkpointer);
}

static void start_sync(struct checkpointer *checkpointer)
{
    checkpointer->step = CHECKPOINT_SYNC;
    checkpointer->sync_began_ns = storage_metrics_begin(checkpointer->env->metrics);
    io_syncfs(checkpointer->env->io, &checkpointer->sync_op, checkpointer->dir_fd, on_synced);
}

/* ---- small files */

static void on_files_task(struct task *task)
{
    struct checkpointer *checkpointer = container_of(task, struct checkpointer, files_task);

    if (checkpointer->env->state != STORE_RUNNING || checkpointer->step != CHECKPOINT_FILES)
        return;
    for (int i = 0; i < LOGS_PER_TURN && checkpointer->next_target != &checkpointer->targets; i++) {
        struct log *log = container_of(checkpointer->next_target, struct log, target_node);
        enum err err = log_write_small_files(log, log->target.end_offset);
        if (err == ERR_NOSPACE)
            space_monitor_refused(checkpointer->env->space);
        if (err == ERR_NOSPACE || err == ERR_NOMEM) { /* the same step again: there may be space,
                                                       * or a descriptor, by then */
            loop_set_timer_ms(checkpointer->env->loop, &checkpointer->retry_timer, RETRY_MS);
            return;
        }
        if (err != OK) {
            checkpointer->events->failed(checkpointer->context, err);
            return;
        }
        checkpointer->next_target = checkpointer->next_target->next;
    }
    space_monitor_succeeded(checkpointer->env->space);
    if (checkpointer->next_target == &checkpointer->targets)
        start_sync(checkpointer);
    else
        loop_defer(checkpointer->env->loop, &checkpointer->files_task);
}

static void on_files_retry(struct timer *timer)
{
    struct checkpointer *checkpointer = container_of(timer, struct checkpointer, retry_timer);

    if (checkpointer->step == CHECKPOINT_MARK && checkpointer->env->state == STORE_RUNNING)
        write_marks(checkpointer);
    else
        loop_defer(checkpointer->env->loop, &checkpointer->files_task);
}

/* ---- draining */

static bool is_drained(const struct checkpointer *checkpointer, const struct log *log)
{
    return log->tail.first_unwritten == NULL ||
           log->tail.first_unwritten->sequence > checkpointer->sequence;
}

bool checkpointer_needs(const struct checkpointer *checkpointer, const struct log *log)
{
    return log->in_checkpoint && checkpointer->step == CHECKPOINT_DRAIN &&
           !is_drained(checkpointer, log);
}

/* What is drained stays so: entries that come later have higher sequences. */
static void check_drained(struct checkpointer *checkpointer)
{
    for (; checkpointer->next_target != &checkpointer->targets;
         checkpointer->next_target = checkpointer->next_target->next)
        if (!is_drained(checkpointer,
                        container_of(checkpointer->next_target, struct log, target_node)))
            return;
    checkpointer->step = CHECKPOINT_FILES;
    checkpointer->next_target = checkpointer->targets.next;
    loop_defer(checkpointer->env->loop, &checkpointer->files_task);
}

void checkpointer_on_written(struct checkpointer *checkpointer)
{
    if (checkpointer->step == CHECKPOINT_DRAIN)
        check_drained(checkpointer);
}

static void start_drain(struct checkpointer *checkpointer)
{
    checkpointer->step = CHECKPOINT_DRAIN;
    checkpointer->next_target = checkpointer->targets.next;
    list_for_each(node, &checkpointer->targets)
    {
        checkpointer->events->wants(checkpointer->context,
                                    container_of(node, struct log, target_node));
    }
    check_drained(checkpointer);
}

void checkpointer_on_commit(struct checkpointer *checkpointer)
{
    if (checkpointer->step == CHECKPOINT_COMMIT &&
        checkpointer->env->tail_cache->committed >= checkpointer->sequence)
        start_drain(checkpointer);
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
static bool freeze_windows(struct checkpointer *checkpointer)
{
    enum err err = OK;

    list_for_each(node, &checkpointer->env->dirty_logs)
    {
        if (err == OK)
            err = log_freeze_window(container_of(node, struct log, dirty_node));
    }
    if (err == OK) {
        checkpointer->waits_for_memory = false;
        return true;
    }
    list_for_each(node, &checkpointer->env->dirty_logs)
    {
        log_thaw_window(container_of(node, struct log, dirty_node));
    }
    if (!checkpointer->waits_for_memory)
        log_line(checkpointer->env->sink, LOG_WARN, "LVE-2108", "a checkpoint waits for memory",
                 log_u64("logs", checkpointer->env->log_count));
    checkpointer->waits_for_memory = true;
    loop_set_timer_ms(checkpointer->env->loop, &checkpointer->timer, RETRY_MS);
    return false;
}

static void begin(struct checkpointer *checkpointer)
{
    struct list *node;

    check(checkpointer->step == CHECKPOINT_IDLE && list_is_empty(&checkpointer->targets));
    if (!freeze_windows(checkpointer))
        return;
    loop_cancel_timer(checkpointer->env->loop, &checkpointer->timer);
    while ((node = list_pop_front(&checkpointer->env->dirty_logs)) != NULL) {
        struct log *log = container_of(node, struct log, dirty_node);
        set_target(log);
        list_push_back(&checkpointer->targets, &log->target_node);
    }
    checkpointer->began_ns = storage_metrics_begin(checkpointer->env->metrics);
    checkpointer->sequence = journal_seal(checkpointer->env->journal);
    journal_sync(checkpointer->env->journal); /* relaxed groups too */
    checkpointer->step = CHECKPOINT_COMMIT;
    checkpointer_on_commit(checkpointer);
}

void checkpointer_begin(struct checkpointer *checkpointer,
                        void (*done)(void *context, enum err err), void *context)
{
    if (checkpointer->env->state != STORE_RUNNING || checkpointer->is_over) {
        if (done != NULL)
            done(context, ERR_STORAGE);
        return;
    }
    if (done != NULL) {
        check(checkpointer->waiter_count < array_count(checkpointer->waiters));
        checkpointer->waiters[checkpointer->waiter_count].done = done;
        checkpointer->waiters[checkpointer->waiter_count++].context = context;
    }
    if (checkpointer->is_held)
        return; /* the stop begins the next one */
    if (checkpointer->step != CHECKPOINT_IDLE)
        checkpointer->again = checkpointer->again || done != NULL;
    else
        begin(checkpointer);
}

void checkpointer_forget(struct checkpointer *checkpointer, struct log *log)
{
    if (!list_is_linked(&log->target_node))
        return;
    if (checkpointer->next_target == &log->target_node)
        checkpointer->next_target = log->target_node.next;
    list_remove(&log->target_node);
    log->in_checkpoint = false;
    checkpointer_on_dropped(checkpointer);
}

/* It may have waited for what is gone. */
void checkpointer_on_dropped(struct checkpointer *checkpointer)
{
    if (checkpointer->step == CHECKPOINT_DRAIN)
        loop_defer(checkpointer->env->loop, &checkpointer->drained_task);
}

void checkpointer_ask(struct checkpointer *checkpointer)
{
    if (checkpointer->step == CHECKPOINT_IDLE)
        checkpointer_begin(checkpointer, NULL, NULL);
}

void checkpointer_ask_next(struct checkpointer *checkpointer)
{
    if (checkpointer->step == CHECKPOINT_IDLE)
        checkpointer_begin(checkpointer, NULL, NULL);
    else
        checkpointer->is_urgent = true;
}

void checkpointer_expect(struct checkpointer *checkpointer)
{
    if (checkpointer->step == CHECKPOINT_IDLE && !list_is_linked(&checkpointer->timer.node))
        loop_set_timer_ms(checkpointer->env->loop, &checkpointer->timer,
                          checkpointer->env->options->checkpoint_interval_ms);
}

bool checkpointer_is_idle(const struct checkpointer *checkpointer)
{
    return checkpointer->step == CHECKPOINT_IDLE;
}

bool checkpointer_writes_files(const struct checkpointer *checkpointer)
{
    return checkpointer->step == CHECKPOINT_FILES || checkpointer->step == CHECKPOINT_MARK;
}

void checkpointer_hold(struct checkpointer *checkpointer, bool hold)
{
    checkpointer->is_held = hold;
}

void checkpointer_end(struct checkpointer *checkpointer)
{
    check(checkpointer->step == CHECKPOINT_IDLE);
    checkpointer->is_over = true;
    loop_cancel_timer(checkpointer->env->loop, &checkpointer->timer);
}

static void on_drained_task(struct task *task)
{
    checkpointer_on_written(container_of(task, struct checkpointer, drained_task));
}

static void on_timer(struct timer *timer)
{
    struct checkpointer *checkpointer = container_of(timer, struct checkpointer, timer);

    if (checkpointer->step == CHECKPOINT_IDLE &&
        (!list_is_empty(&checkpointer->env->dirty_logs) || checkpointer->waiter_count > 0))
        checkpointer_begin(checkpointer, NULL, NULL);
}

void checkpointer_init(struct checkpointer *checkpointer, struct log_environment *env,
                       int32_t dir_fd, const struct checkpointer_events *events, void *context)
{
    *checkpointer =
        (struct checkpointer){.env = env, .dir_fd = dir_fd, .events = events, .context = context};
    list_init(&checkpointer->targets);
    checkpointer->timer.fire = on_timer;
    checkpointer->files_task.run = on_files_task;
    checkpointer->drained_task.run = on_drained_task;
    checkpointer->retry_timer.fire = on_files_retry;
}

void checkpointer_deinit(struct checkpointer *checkpointer)
{
    loop_cancel_timer(checkpointer->env->loop, &checkpointer->timer);
    loop_cancel_timer(checkpointer->env->loop, &checkpointer->retry_timer);
    loop_undefer(&checkpointer->files_task);
    loop_undefer(&checkpointer->drained_task);
    marks_writer_close(checkpointer->marks_writer);
}
