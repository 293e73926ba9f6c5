/* The walk of an append: journal_append copies it into the open group and defers `commit` → at the
 * end of the turn on_commit closes the group and writes it, unless another write runs → on_written
 * → advance: written_sequence and durable_sequence move over what is complete, in order, and the
 * owner is told → the next group, which gathered meanwhile, is written.
 *
 * A small group waits for those who are told of a commit, because one write of twice the size takes
 * hardly longer; a large one is written at once, so that the device works while they are told.
 *
 * Relaxed groups are written without a sync.  A group that asks for one, or journal_sync, wants
 * everything before it durable too; a write's own O_DSYNC vouches for that write alone (DUR-I4 of
 * io.h), so a sync of the extent is started once the writes that it is to cover are complete. */
#include "storage/journal/journal.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_private.h"
#include "storage/storage_metrics.h"

enum {
    WRITES_MAX = 2,
    START_NOW_BYTES = 64 << 10,
};

/* ---- groups and their numbers */

bool journal_reserve_spare(struct journal *journal, uint32_t count)
{
    while (journal->spare_count < count) {
        struct journal_group *group = mem_try_alloc(sizeof(*group));
        if (group == NULL)
            return false;
        list_push_back(&journal->spare, &group->node);
        journal->spare_count++;
    }
    return true;
}

static struct journal_group *take_group(struct journal *journal, uint64_t sequence)
{
    struct journal_group *group;

    check(journal->spare_count > 0); /* reserved */
    group = list_first(&journal->spare, struct journal_group, node);
    list_remove(&group->node);
    journal->spare_count--;
    journal_group_init(group, journal, sequence);
    return group;
}

static void give_group(struct journal *journal, struct journal_group *group)
{
    journal_group_deinit(group);
    list_push_back(&journal->spare, &group->node);
    journal->spare_count++;
}

static struct journal_group *first_of(struct list *list)
{
    return list_is_empty(list) ? NULL : list_first(list, struct journal_group, node);
}

void journal_close_open_group(struct journal *journal)
{
    struct journal_group *group = journal->open;
    uint64_t device_bytes = journal_open_bytes(journal);
    struct journal_extent *extent = journal_extents_current(&journal->extents);

    journal_group_close(group, &journal->memory);
    group->fd = extent->fd;
    group->pos = extent->pos;
    journal_extents_take(&journal->extents, device_bytes, group->sequence);
    list_push_back(&journal->groups, &group->node);
    journal->open = take_group(journal, group->sequence + 1);
}

/* ---- telling the owner what does not come with a write */

void journal_check_half(struct journal *journal)
{
    bool above = journal_used_bytes(journal) > journal_extents_limit_bytes(&journal->extents) / 2;

    if (!above)
        journal->half_told = false;
    if (above && !journal->half_told && !journal->failed) {
        journal->half_told = true;
        journal->tell_half = true;
        loop_defer(journal->loop, &journal->notify);
    }
}

bool journal_has_place(const struct journal *journal, uint64_t size_bytes, bool urgent)
{
    return journal_extents_has_room(&journal->extents, journal_open_bytes(journal), size_bytes,
                                    urgent);
}

bool journal_has_pending_room(const struct journal *journal, uint64_t device_bytes, bool urgent)
{
    uint64_t max_bytes =
        journal->options.pending_max_bytes + (urgent ? (uint64_t)JOURNAL_RESERVE_BYTES_MAX : 0);

    return journal->pending_bytes == 0 || journal->pending_bytes + device_bytes <= max_bytes;
}

static void check_room(struct journal *journal)
{
    uint64_t size_bytes = journal->refused_bytes;

    if (size_bytes == 0 || journal->failed ||
        !journal_has_pending_room(journal, size_bytes, false) ||
        !journal_has_place(journal, size_bytes, false))
        return;
    journal->refused_bytes = 0;
    journal->tell_room = true;
    loop_defer(journal->loop, &journal->notify);
}

static void on_notify(struct task *task)
{
    struct journal *journal = container_of(task, struct journal, notify);
    bool half = journal->tell_half;
    bool room = journal->tell_room;
    void (*stopped)(void *context) = journal->stopped;

    journal->tell_half = false;
    journal->tell_room = false;
    if (half && !journal->failed && journal->events.on_half_full != NULL)
        journal->events.on_half_full(journal->context);
    if (room && !journal->failed && journal->events.on_room != NULL)
        journal->events.on_room(journal->context);
    if (stopped != NULL && journal_is_idle(journal)) {
        journal->stopped = NULL;
        stopped(journal->stopped_context); /* may close the journal */
    }
}

static void tell_when_stopped(struct journal *journal)
{
    if (journal->stopped != NULL)
        loop_defer(journal->loop, &journal->notify);
}

static void on_extents_changed(struct journal_extents *extents)
{
    struct journal *journal = container_of(extents, struct journal, extents);

    check_room(journal);
    tell_when_stopped(journal);
}

/* ---- becoming durable, in order */

static void fail(struct journal *journal, enum err err)
{
    tell_when_stopped(journal);
    if (journal->failed)
        return;
    journal->failed = true; /* JRN-4 */
    list_for_each(node, &journal->groups)
    {
        whole_write_stop(&container_of(node, struct journal_group, node)->write);
    }
    journal_extents_stop(&journal->extents);
    if (journal->events.on_failed != NULL)
        journal->events.on_failed(journal->context, err);
}

static void tell_committed(struct journal *journal, uint64_t sequence)
{
    if (sequence <= journal->committed_sequence)
        return;
    check(!journal->failed); /* JRN-4 */
    journal->committed_sequence = sequence;
    if (journal->events.on_committed != NULL)
        journal->events.on_committed(journal->context, sequence);
}

static void drop_held(struct journal *journal)
{
    struct journal_group *group;

    while ((group = first_of(&journal->held)) != NULL &&
           group->sequence <= journal->durable_sequence) {
        storage_metrics_end(journal->options.metrics, STORAGE_JOURNAL_COMMIT, group->began_ns);
        list_remove(&group->node);
        give_group(journal, group);
    }
}

static void move_written(struct journal *journal)
{
    struct journal_group *group;

    while ((group = first_of(&journal->groups)) != NULL && group->written) {
        check(group->sequence == journal->written_sequence + 1);
        journal->written_sequence = group->sequence;
        list_remove(&group->node);
        if (group->relaxed)
            give_group(journal, group);
        else
            list_push_back(&journal->held, &group->node);
    }
}

static void move_durable(struct journal *journal)
{
    while (journal->durable_sequence < journal->written_sequence) {
        uint64_t next = journal->durable_sequence + 1;
        struct journal_group *group = first_of(&journal->held);
        struct journal_extent *extent;

        if (group != NULL && group->sequence == next) {
            journal->durable_sequence = next;
            drop_held(journal);
            continue;
        }
        extent = journal_extents_find(&journal->extents, next);
        if (extent->synced_sequence < next)
            break;
        journal->durable_sequence = extent->synced_sequence;
        drop_held(journal);
    }
}

static void sync_if_wanted(struct journal *journal);

static void advance(struct journal *journal)
{
    uint64_t written_before = journal->written_sequence;

    move_written(journal);
    move_durable(journal);
    sync_if_wanted(journal);
    check_room(journal);
    tell_when_stopped(journal);
    journal_check_invariants(journal);
    if (journal->written_sequence > written_before && journal->events.on_written != NULL)
        journal->events.on_written(journal->context, journal->written_sequence);
    tell_committed(journal, journal->durable_sequence); /* JRN-2 */
}

static void on_synced(struct io_op *op, int32_t result)
{
    struct journal *journal = container_of(op, struct journal, sync_op);

    if (result < 0 || journal->failed) {
        fail(journal, result < 0 ? err_from_errno(-result) : OK);
        return;
    }
    storage_metrics_end(journal->options.metrics, STORAGE_JOURNAL_SYNC, journal->sync_began_ns);
    journal->stats.syncs++;
    journal->sync_extent->synced_sequence = journal->sync_through;
    advance(journal);
}

/* The first group that is not durable decides the extent; the sync covers the groups in it whose
 * writes are complete now. */
static void sync_if_wanted(struct journal *journal)
{
    uint64_t next = journal->durable_sequence + 1;
    struct journal_extent *extent;

    if (journal->failed || journal->sync_op.in_flight || next > journal->written_sequence ||
        next > journal->sync_wanted)
        return;
    extent = journal_extents_find(&journal->extents, next);
    journal->sync_extent = extent;
    journal->sync_through = extent->last_sequence < journal->written_sequence
                                ? extent->last_sequence
                                : journal->written_sequence;
    journal->sync_began_ns = storage_metrics_begin(journal->options.metrics);
    io_sync(journal->loop->io, &journal->sync_op, extent->fd, on_synced);
}

/* ---- writing */

static void on_written(struct whole_write *write, enum err err)
{
    struct journal_group *group = container_of(write, struct journal_group, write);
    struct journal *journal = group->journal;

    SOMETIMES("journal: a write ended inside a group", write->short_count > 0);
    journal->writing_count--;
    if (err || journal->failed) {
        fail(journal, err);
        return;
    }
    storage_metrics_end(journal->options.metrics, STORAGE_JOURNAL_WRITE, group->write_began_ns);
    group->written = true;
    journal->pending_bytes -= journal_group_written_bytes(group);
    journal_group_deinit(group); /* whoever reads the bytes has his own reference */
    journal->extents.busy = journal->writing_count > 0;
    journal_extents_tend(&journal->extents);
    journal_start_if_large(journal);
    advance(journal);
    loop_defer(journal->loop, &journal->commit); /* behind what the owner defers when told */
}

static void want_durable(struct journal *journal, uint64_t sequence)
{
    if (sequence > journal->sync_wanted)
        journal->sync_wanted = sequence;
}

static void write_group(struct journal *journal, struct journal_group *group)
{
    struct journal_group_head head = {
        .size_bytes = group->size_bytes,
        .shard = journal->options.shard,
        .sequence = group->sequence,
        .durable_sequence = journal->durable_sequence,
        .salt = journal->options.salt,
        .recovery_epoch = journal->options.recovery_epoch,
        .entry_count = group->entry_count,
    };

    journal_format_seal(&head, group->vec, group->piece_count);
    journal->stats.groups++;
    journal->stats.device_bytes += journal_format_round_up(group->size_bytes);
    if (journal->writing_count > 0)
        journal->stats.groups_overtaking++;
    if (!group->relaxed) {
        journal->stats.syncs++;
        want_durable(journal, group->sequence);
    }
    group->started = true;
    group->write_began_ns = storage_metrics_begin(journal->options.metrics);
    journal->writing_count++;
    journal->extents.busy = true;
    journal_group_write(group, journal->loop->io, on_written);
}

struct journal_group *journal_next_to_write(struct journal *journal)
{
    struct journal_group *group = NULL;

    list_for_each(node, &journal->groups)
    {
        struct journal_group *closed = container_of(node, struct journal_group, node);
        if (!closed->started) {
            group = closed;
            break;
        }
    }
    if (group == NULL && journal->open->entry_count > 0)
        group = journal->open;
    if (group == NULL || journal->writing_count == WRITES_MAX ||
        (journal->writing_count > 0 &&
         group->size_bytes < journal->options.second_in_flight_bytes &&
         !BUGGIFY("journal: a small group does not wait for the one before it")))
        return NULL;
    return group;
}

static void start_writes(struct journal *journal)
{
    struct journal_group *group;

    while (!journal->failed && (group = journal_next_to_write(journal)) != NULL) {
        if (group == journal->open)
            journal_close_open_group(journal);
        write_group(journal, group);
    }
}

void journal_start_if_large(struct journal *journal)
{
    struct journal_group *group = journal_next_to_write(journal);

    if (journal->failed || group == NULL || group->size_bytes < START_NOW_BYTES)
        return;
    start_writes(journal);
    journal->loop->io->v->flush(journal->loop->io);
}

static void on_commit(struct task *task)
{
    struct journal *journal = container_of(task, struct journal, commit);

    start_writes(journal);
    sync_if_wanted(journal);
    journal_extents_tend(&journal->extents);
    journal_check_invariants(journal);
}

static void on_extents_failed(struct journal_extents *extents, enum err err)
{
    fail(container_of(extents, struct journal, extents), err);
}

/* ---- opening and closing */

static void free_groups(struct list *list)
{
    struct list *node;

    while ((node = list_pop_front(list)) != NULL) {
        struct journal_group *group = container_of(node, struct journal_group, node);
        journal_group_deinit(group);
        mem_free(group);
    }
}

enum err journal_open(struct loop *loop, const struct journal_options *options,
                      const struct journal_events *events, void *context, struct journal **out)
{
    struct journal_extents_options extents_options = {
        .dir = options->dir,
        .shard = options->shard,
        .extent_bytes = options->extent_bytes,
        .max_bytes = options->max_bytes,
    };
    struct journal *journal = mem_try_alloc(sizeof(*journal));
    enum err err;

    check(options->first_sequence >= 1 && options->group_max_bytes > 0);
    if (journal == NULL)
        return ERR_NOMEM;
    *journal = (struct journal){
        .loop = loop,
        .options = *options,
        .events = *events,
        .context = context,
        .written_sequence = options->first_sequence - 1,
        .durable_sequence = options->first_sequence - 1,
        .committed_sequence = options->first_sequence - 1,
        .released_sequence = options->first_sequence - 1,
        .commit.run = on_commit,
        .notify.run = on_notify,
    };
    list_init(&journal->groups);
    list_init(&journal->held);
    list_init(&journal->spare);
    err = journal_reserve_spare(journal, 1) ? OK : ERR_NOMEM;
    if (err == OK)
        err = journal_extents_open(&journal->extents, loop, &extents_options, &journal->stats,
                                   on_extents_changed, on_extents_failed);
    if (err != OK) {
        free_groups(&journal->spare);
        mem_free(journal);
        return err;
    }
    journal_memory_init(&journal->memory, options->slab, options->group_max_bytes);
    journal->open = take_group(journal, options->first_sequence);
    *out = journal;
    return OK;
}

void journal_stop(struct journal *journal, void (*done)(void *context), void *context)
{
    check(!journal->stopping);
    journal->stopping = true;
    journal->stopped = done;
    journal->stopped_context = context;
    journal_extents_stop(&journal->extents);
    tell_when_stopped(journal);
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    check(journal->writing_count == 0 && !journal->sync_op.in_flight); /* IO-2 of io.h */
    if (list_is_linked(&journal->commit.node))
        list_remove(&journal->commit.node);
    if (list_is_linked(&journal->notify.node))
        list_remove(&journal->notify.node);
    journal_extents_close(&journal->extents);
    journal_memory_deinit(&journal->memory);
    list_push_back(&journal->spare, &journal->open->node);
    free_groups(&journal->groups);
    free_groups(&journal->held);
    free_groups(&journal->spare);
    mem_free(journal);
}

/* ---- sealing, syncing, releasing */

uint64_t journal_seal(struct journal *journal)
{
    if (journal->open->entry_count > 0 && !journal->failed) {
        journal_close_open_group(journal);
        loop_defer(journal->loop, &journal->commit);
    }
    return journal->open->sequence - 1;
}

void journal_sync(struct journal *journal)
{
    uint64_t last = journal->open->sequence - (journal->open->entry_count > 0 ? 0 : 1);

    if (journal->failed)
        return;
    journal->open->relaxed = journal->open->relaxed && journal->open->entry_count == 0;
    list_for_each(node, &journal->groups)
    {
        struct journal_group *group = container_of(node, struct journal_group, node);
        if (!group->started)
            group->relaxed = false;
    }
    want_durable(journal, last);
    loop_defer(journal->loop, &journal->commit); /* which also starts the sync */
}

void journal_release(struct journal *journal, uint64_t sequence)
{
    check(sequence <= journal->committed_sequence); /* JRN-3 */
    if (sequence <= journal->released_sequence)
        return;
    journal->released_sequence = sequence;
    (void)journal_extents_release(&journal->extents, sequence);
    journal->half_told = false;
    journal_check_half(journal);
    journal_extents_tend(&journal->extents);
    check_room(journal);
    journal_check_invariants(journal);
}

/* ---- what it says about itself */

uint64_t journal_extent_of(struct journal *journal, uint64_t sequence)
{
    check(sequence > journal->released_sequence);
    return sequence < journal->open->sequence
               ? journal_extents_find(&journal->extents, sequence)->number
               : 0;
}

uint64_t journal_committed_sequence(const struct journal *journal)
{
    return journal->committed_sequence;
}

uint64_t journal_used_bytes(const struct journal *journal)
{
    return journal->extents.used_bytes + journal_open_bytes(journal);
}

uint64_t journal_capacity_bytes(const struct journal *journal)
{
    return journal->extents.capacity_bytes;
}

bool journal_is_direct(const struct journal *journal)
{
    return journal->extents.direct;
}

bool journal_is_idle(const struct journal *journal)
{
    bool still = journal->writing_count == 0 && !journal->sync_op.in_flight &&
                 journal_extents_is_idle(&journal->extents);

    return still && (journal->failed ||
                     (journal->open->entry_count == 0 && list_is_empty(&journal->groups)));
}

const struct journal_stats *journal_stats(const struct journal *journal)
{
    return &journal->stats;
}
