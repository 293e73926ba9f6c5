/* The groups of a pass: written, synced, swapped in one after the other (log_swap.h). */
#include "base/check.h"
#include "base/sometimes.h"
#include "storage/cleaner/cleaner_pass_private.h"
#include "storage/log/log_swap.h"

#include <errno.h>

enum { SYNC_BYTES = 8 << 20 };

/* All groups are clean: so is the log, up to what the map knew and what is decided. */
static void end_pass(struct cleaner_pass *pass)
{
    int64_t undecided = cleaner_transactions_first_undecided(&pass->transactions);
    int64_t clean_end = pass->filter_end;
    bool is_behind;

    if (pass->batch.decided_end < clean_end)
        clean_end = pass->batch.decided_end;
    is_behind = undecided < clean_end;
    if (is_behind)
        clean_end = undecided;
    /* One that knew of no more transactions goes on in the next pass, if this one got anywhere. */
    is_behind = is_behind &&
                (pass->batch.decided_end == INT64_MAX || clean_end <= pass->section.first_dirty);
    pass->log->undecided_end = is_behind ? pass->section.end_offset : 0;
    cleaner_pass_end(pass, log_swap_note_cleaned(pass->log, clean_end));
}

/* ---- writing and swapping a group */

static void on_installed(struct io_op *op, int32_t result);

static void install(struct cleaner_pass *pass)
{
    uint32_t index = 0;
    struct segment *made = pass->made;
    enum err err;

    pass->made = NULL;
    check(segment_manifest_find(&pass->log->segments, pass->group.base_offset, &index) !=
          NULL); /* SWP-3 */
    err = log_swap_install(pass->log, index, pass->group.count, made);
    pass->group.count = 0;
    if (err != OK) {
        pass->log->is_swapping = false;
        cleaner_pass_end(pass, err);
        return;
    }
    pass->made_base = made->base_offset;
    pass->step = STEP_INSTALL;
    io_syncfs(pass->loop->io, &pass->io, pass->dir_fd, on_installed);
}

static bool sync_failed(struct cleaner_pass *pass, int32_t result)
{
    if (result >= 0)
        return false;
    if (!pass->is_orphan)
        pass->events->sync_failed(pass->context, err_from_errno(-result));
    return true;
}

static void on_installed(struct io_op *op, int32_t result)
{
    struct cleaner_pass *pass = container_of(op, struct cleaner_pass, io);
    struct segment *segment;
    uint32_t index;
    enum err err;

    pass->step = STEP_NONE;
    if (sync_failed(pass, result) || pass->log == NULL) {
        cleaner_pass_end(pass, ERR_CLOSED);
        return;
    }
    segment = segment_manifest_find(&pass->log->segments, pass->made_base, &index);
    check(segment != NULL && segment->is_swap); /* SWP-3 */
    err = log_swap_finish(segment);
    pass->log->is_swapping = false;
    if (err != OK) {
        cleaner_pass_end(pass, err);
        return;
    }
    SOMETIMES("cleaner_pass: segments were replaced", true);
    if (!pass->is_orphan)
        pass->events->replaced(pass->context);
    if (!cleaner_pass_end_if_told(pass))
        cleaner_pass_write_next_group(pass);
}

static void on_decided(struct io_op *op, int32_t result)
{
    struct cleaner_pass *pass = container_of(op, struct cleaner_pass, io);

    pass->step = STEP_NONE;
    if (pass->log == NULL || sync_failed(pass, result)) {
        cleaner_pass_end(pass, ERR_CLOSED);
        return;
    }
    install(pass); /* also when the store stops: it is decided */
}

/* Everything of the new segment is durable. */
static void decide(struct cleaner_pass *pass)
{
    uint32_t index;
    enum err err;

    if (!cleaner_group_stands(&pass->group, pass->log, &index)) {
        cleaner_pass_end(pass, ERR_AGAIN); /* CLG-2 */
        return;
    }
    err = log_swap_decide(pass->log, pass->group.base_offset);
    if (err != OK) {
        cleaner_pass_end(pass, err);
        return;
    }
    pass->log->is_swapping = true; /* SWP-3 */
    pass->step = STEP_DECIDE;
    io_syncfs(pass->loop->io, &pass->io, pass->dir_fd, on_decided);
}

static void sync_next_file(struct cleaner_pass *pass);

static void on_synced(struct io_op *op, int32_t result)
{
    struct cleaner_pass *pass = container_of(op, struct cleaner_pass, io);

    pass->step = STEP_NONE;
    if (cleaner_pass_end_if_told(pass))
        return;
    if (result < 0) {
        cleaner_pass_end(pass, err_from_errno(-result));
        return;
    }
    if (pass->sync_file < 0) { /* on the way */
        pass->go_on(pass);
        return;
    }
    pass->sync_file++;
    sync_next_file(pass);
}

static void sync_next_file(struct cleaner_pass *pass)
{
    while (pass->sync_file < CLEANER_FILES && pass->group.fds[pass->sync_file] < 0)
        pass->sync_file++;
    if (pass->sync_file == CLEANER_FILES) {
        decide(pass);
        return;
    }
    pass->step = STEP_SYNC;
    io_sync(pass->loop->io, &pass->io, pass->group.fds[pass->sync_file], on_synced);
}

void cleaner_pass_write_end_group(struct cleaner_pass *pass)
{
    enum err err;

    if (pass->group.count == 1 && pass->batch.counts.changed_batches == pass->group_changed) {
        log_swap_abandon(pass->log, pass->group.base_offset); /* it is what it was */
        cleaner_pass_write_next_group(pass);
        return;
    }
    err = cleaner_group_make(&pass->group, pass->log, &pass->batch.aborts, &pass->made);
    if (err != OK) {
        cleaner_pass_end(pass, err);
        return;
    }
    pass->sync_file = 0;
    sync_next_file(pass);
}

void cleaner_pass_write_next_group(struct cleaner_pass *pass)
{
    int64_t from_offset = pass->group.end_offset;
    enum err err = cleaner_group_begin(&pass->group, pass->log, from_offset, pass->filter_end);

    if (err == ERR_NOT_FOUND) {
        end_pass(pass);
        return;
    }
    if (err != OK) {
        cleaner_pass_end(pass, err);
        return;
    }
    if (!space_monitor_has_room(pass->env->space, pass->group.old_bytes)) {
        cleaner_pass_end(pass, ERR_NOSPACE); /* the old ones go later than the new one comes */
        return;
    }
    pass->group_at = 0;
    pass->pos = 0;
    pass->group_changed = pass->batch.counts.changed_batches;
    pass->batch.aborts.count = 0;
    pass->go_on(pass);
}

static void on_written(struct io_op *op, int32_t result);

void cleaner_pass_write_out(struct cleaner_pass *pass)
{
    pass->vec.iov_base = pass->out.bytes + pass->out_done;
    pass->vec.iov_len = pass->out.size_bytes - pass->out_done;
    pass->step = STEP_WRITE;
    io_writev(pass->loop->io, &pass->io, pass->group.fds[CLEANER_FILE_LOG], &pass->vec, 1,
              pass->group.out_pos, false, on_written);
}

static void on_written(struct io_op *op, int32_t result)
{
    struct cleaner_pass *pass = container_of(op, struct cleaner_pass, io);

    pass->step = STEP_NONE;
    if (cleaner_pass_end_if_told(pass))
        return;
    if (result <= 0 && result != -EINTR && result != -EAGAIN) {
        cleaner_pass_end(pass, result == 0 ? ERR_IO : err_from_errno(-result));
        return;
    }
    if (result > 0) {
        pass->out_done += (size_t)result;
        pass->group.out_pos += (size_t)result;
        pass->unsynced_bytes += (size_t)result;
        pass->result.written_bytes += (size_t)result;
    }
    if (pass->out_done < pass->out.size_bytes) {
        cleaner_pass_write_out(pass);
        return;
    }
    pass->out.size_bytes = 0;
    pass->out_done = 0;
    if (pass->out.capacity_bytes > CLEANER_KEPT_BYTES)
        cleaner_bytes_deinit(&pass->out);
    if (pass->unsynced_bytes < SYNC_BYTES) {
        pass->go_on(pass);
        return;
    }
    pass->unsynced_bytes = 0; /* so that the last sync has little to do */
    pass->sync_file = -1;
    pass->step = STEP_SYNC;
    io_sync(pass->loop->io, &pass->io, pass->group.fds[CLEANER_FILE_LOG], on_synced);
}
