#include "storage/log/log_progress.h"

#include "storage/log/log_private.h"

static void on_task(struct task *task)
{
    struct log_progress *progress = container_of(task, struct log_progress, task);
    struct list *node;

    while ((node = list_pop_front(&progress->moved)) != NULL) {
        struct log *log = container_of(node, struct log, progress_node);
        if (log->events != NULL)
            log->events->progress(log->events_context, log);
    }
}

static void note(struct log_progress *progress, struct log *log)
{
    if (!list_is_linked(&log->progress_node))
        list_push_back(&progress->moved, &log->progress_node);
    loop_defer(progress->loop, &progress->task); /* LPG-2 */
}

/* Entries of the groups that are new since the last news: they stand at the end of the cache, in
 * order of sequence. */
static void advance(struct log_progress *progress, uint64_t from_sequence, uint64_t to_sequence,
                    bool durable)
{
    const struct list *entries = &progress->tails->unwritten;

    for (struct list *node = entries->prev; node != entries; node = node->prev) {
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
            log_place_stable(log);
            note(progress, log);
        }
        if (entry->end_offset > log->offsets.accepted) {
            log->offsets.accepted = entry->end_offset;
            note(progress, log);
        }
    }
}

void log_progress_on_written(struct log_progress *progress, uint64_t sequence)
{
    if (sequence <= progress->written)
        return;
    advance(progress, progress->written, sequence, false);
    progress->written = sequence;
}

void log_progress_on_committed(struct log_progress *progress, uint64_t sequence)
{
    uint64_t from = progress->tails->committed;

    if (sequence <= from)
        return;
    progress->tails->committed = sequence;
    if (progress->written < sequence)
        progress->written = sequence;
    advance(progress, from, sequence, true);
}

void log_progress_init(struct log_progress *progress, struct loop *loop, struct tail_cache *tails)
{
    *progress = (struct log_progress){.loop = loop, .tails = tails};
    list_init(&progress->moved);
    progress->task.run = on_task;
}

void log_progress_deinit(struct log_progress *progress)
{
    loop_undefer(&progress->task);
}
