/* The end of a store in order: a last checkpoint → the ends of files that are to be cut into the
 * journal → files of their true size, those of Kafka beside them complete → sync → marks that say
 * so.  (store.h)
 *
 * A file is cut inside a block that the marks cover, and the power may go meanwhile: so the journal
 * has that block first (decisions/0003-block-prefix.md).  Where it has no room for the blocks of
 * all logs, those that it has are cut and synced, a checkpoint gives the room back, and the next
 * ones follow.  Until then no other checkpoint begins, which would give those blocks up. */
#include "base/check.h"
#include "base/mem.h"
#include "storage/log/log_checkpoint.h"
#include "storage/log/log_roll.h"
#include "storage/log/log_snapshot.h"
#include "storage/store.h"
#include "storage/store_private.h"

static enum err make_empty_file(struct segment *segment)
{
    struct io *io = segment->of->io;
    char path[LOG_PATH_MAX];
    int32_t fd;
    enum err err;

    segment_path(segment, LOG_FILE_LOG, false, path);
    err = io->v->file_open(io, path, IO_WRITE | IO_CREATE, &fd);
    if (err == OK) {
        err = io->v->file_truncate(io, fd, 0);
        io->v->close(io, fd);
    }
    return err;
}

/* Files of their true size, Kafka's snapshots and index files complete. */
static enum err finish_log(struct log *log)
{
    enum err err = OK;

    if (log->quarantined)
        return OK;
    for (uint32_t i = 0; i < log->segments.count && err == OK; i++) {
        struct segment *segment = segment_manifest_at(&log->segments, i);
        if (segment->indexes_loaded)
            err = segment_save_indexes(segment, true);
        segment_close_file(segment);
        if (err == OK)
            err =
                segment->size_bytes == 0 ? make_empty_file(segment) : segment_cut_padding(segment);
    }
    if (err == OK)
        err = log_write_snapshot(log, log->offsets.log_end);
    if (err == OK)
        err = log_write_epochs(log);
    return err;
}

/* The kernel may still be at work on files that go; their memory goes with the store. */
void store_tell_stopped(struct store *store)
{
    void (*done)(void *context, enum err err) = store->stop.done;

    if (!store->stop.ended || store->deletion.in_flight_count > 0)
        return;
    store->stop.done = NULL;
    if (done != NULL)
        done(store->stop.context, store->stop.err);
}

static void end_stop(struct store *store, enum err err)
{
    store->stop.ended = true;
    store->stop.err = err;
    store_tell_stopped(store);
}

static void on_finished(void *context, enum err err)
{
    struct store *store = context;
    struct marks marks = {0};

    if (err == OK)
        err = store->env.io->v->filesystem_sync(store->env.io, store->world.dir->dir_fd);
    if (err == OK) {
        err = checkpointer_make_marks(
            &store->checkpointer, journal_committed_sequence(store->env.journal) + 1, true, &marks);
        if (err == OK)
            err = marks_write_now(store->checkpointer.marks_writer, &marks);
        mem_free(marks.marks);
    }
    if (store->env.state != STORE_FAILED)
        store->env.state = STORE_STOPPED;
    end_stop(store, err);
}

static void on_journal_stopped(void *context)
{
    struct store *store = context;

    if (store->env.state == STORE_FAILED)
        end_stop(store, ERR_STORAGE);
    else
        store_walk_begin(&store->walk, finish_log, on_finished, store);
}

/* ---- the ends of files */

static bool needs_protection(struct log *log)
{
    return !log->quarantined && log->prefix_pending && log_active(log)->padded &&
           log_active(log)->size_bytes % STORE_BLOCK != 0;
}

static bool any_needs_protection(struct store *store)
{
    list_for_each(node, &store->env.logs)
    {
        if (needs_protection(container_of(node, struct log, node)))
            return true;
    }
    return false;
}

static void on_last_checkpoint(void *context, enum err err);

/* All is protected, and no checkpoint is under way, which would write marks too. */
static void stop_journal(struct store *store)
{
    checkpointer_end(&store->checkpointer);
    journal_stop(store->env.journal, on_journal_stopped, store);
}

/* Those that the journal has: out of its way before it gives them up. */
static enum err cut_protected(struct log *log)
{
    return log->quarantined || needs_protection(log) ? OK : segment_cut_padding(log_active(log));
}

static void on_cut(void *context, enum err err)
{
    struct store *store = context;
    if (err == OK)
        err = store->env.io->v->filesystem_sync(store->env.io, store->world.dir->dir_fd);
    checkpointer_hold(&store->checkpointer, false);
    if (err == OK)
        checkpointer_begin(&store->checkpointer, on_last_checkpoint, store);
    else
        end_stop(store, err);
}

static void on_protected(struct commit_waiter *waiter, enum err err)
{
    struct store *store = container_of(waiter, struct store, stop.protected_ends);

    if (err == OK && store->env.state != STORE_RUNNING)
        err = ERR_STORAGE;
    if (err != OK)
        end_stop(store, err);
    else if (any_needs_protection(store))
        store_walk_begin(&store->walk, cut_protected, on_cut, store);
    else
        stop_journal(store);
}

static void on_dropped(struct commit_waiter *waiter)
{
}

/* As many as there is room for.  ERR_FULL: not even one. */
static enum err protect_ends(struct store *store)
{
    uint32_t count = 0;

    list_for_each(node, &store->env.logs)
    {
        struct log *log = container_of(node, struct log, node);
        enum err err;
        if (!needs_protection(log))
            continue;
        err = log_protect_end(log, true);
        if ((err == ERR_FULL || err == ERR_AGAIN || err == ERR_NOMEM) && count > 0)
            return OK;
        if (err != OK)
            return err;
        count++;
    }
    return OK;
}

static void on_last_checkpoint(void *context, enum err err)
{
    struct store *store = context;

    if (err == OK && store->env.state == STORE_FAILED)
        err = ERR_STORAGE;
    if (err == OK && !any_needs_protection(store)) {
        stop_journal(store);
        return;
    }
    checkpointer_hold(&store->checkpointer, true);
    if (err == OK)
        err = protect_ends(store);
    if (err != OK) {
        end_stop(store, err);
        return;
    }
    store->stop.protected_ends =
        (struct commit_waiter){.sequence = journal_seal(store->env.journal),
                               .committed = on_protected,
                               .dropped = on_dropped};
    commit_waiters_add(&store->commits, &store->stop.protected_ends);
    journal_sync(store->env.journal);
}

void store_stop(struct store *store, void (*done)(void *context, enum err err), void *context)
{
    store->env.stopping = true;
    file_deletion_stop(&store->deletion);
    if (store->env.state != STORE_RUNNING) {
        done(context, ERR_STORAGE);
        return;
    }
    store->stop.done = done;
    store->stop.context = context;
    store_give_room(store); /* who waits is told ERR_CLOSED by its next append */
    store->stop.waits_for_cleaner = true;
    if (cleaner_stop(&store->cleaner))
        store_cleaner_stopped(store);
}

/* A pass that has decided ends its swap first. */
void store_cleaner_stopped(struct store *store)
{
    if (!store->stop.waits_for_cleaner)
        return;
    store->stop.waits_for_cleaner = false;
    if (store->env.state == STORE_FAILED)
        end_stop(store, ERR_STORAGE);
    else
        checkpointer_begin(&store->checkpointer, on_last_checkpoint, store);
}
