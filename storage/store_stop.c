/* The end of a store in order: a last checkpoint → the journal's end → files of their true size,
 * those of Kafka beside them complete → sync → marks that say so.  (store.h) */
#include "base/mem.h"
#include "storage/log_private.h"

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
