/* Late writing: committed batches go into segment files in aligned copies, without a sync.
 *
 * A log is queued when it holds a chunk's worth of committed bytes, or when the checkpoint wants
 * its last partial block; a write takes all that has gathered since, up to what may be in flight,
 * because a file grows twice as fast by 1 MiB as by 256 KiB.
 * One write per log is in flight, so bytes enter a file in order; the
 * block below an unaligned position is rewritten from head_block, under the protection of the
 * journal (journal.h, prefix_bytes). */
#include "base/buffer_pool.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/log/log_private.h"

#include <assert.h>
#include <string.h>

enum {
    RETRY_MS = 1000,
};

static_assert((uint32_t)STORE_BLOCK <= (uint32_t)BUFFER_PAGE_BYTES,
              "a buffer lies as a write must");

static void fill_writes(struct store *store);

static bool segment_is_closed(const struct log *log, const struct segment *segment)
{
    return segment != log_active(log);
}

static bool is_due(const struct log *log)
{
    struct tail_entry *first = log->tail.first_unwritten;

    if (log->writing || first == NULL || first->sequence > log->store->tail_cache.committed)
        return false;
    return log_needs_flush(log) || segment_is_closed(log, first->segment) ||
           log->tail.ready_bytes >= log->store->options.segment_write_bytes ||
           BUGGIFY("segment writer: a small piece is written");
}

void store_kick_writes(struct store *store, struct log *log)
{
    if (log != NULL && !list_is_linked(&log->write_node) && is_due(log))
        list_push_back(&store->write_queue, &log->write_node);
    loop_defer(store->loop, &store->write_task);
}

/* ---- one write */

static void free_write(struct segment_write *write)
{
    write->store->write_bytes -= write->size_bytes;
    write->store->write_count--;
    segment_io_ended(write->segment);
    buffer_give(write->store->groups->pool, write->bytes, write->size_bytes);
    mem_free(write);
}

static void mark_written(struct log *log, struct tail_entry *last)
{
    struct tail_entry *entry;

    do {
        entry = log->tail.first_unwritten;
        log_tail_written(entry);
    } while (entry != last);
}

static void keep_head(struct segment *segment, const struct segment_write *write)
{
    uint32_t head_bytes = (uint32_t)(write->end_pos % STORE_BLOCK);

    if (head_bytes == 0) {
        mem_free(segment->head_block);
        segment->head_block = NULL;
        return;
    }
    if (segment->head_block == NULL)
        segment->head_block = mem_alloc(STORE_BLOCK);
    memcpy(segment->head_block, write->bytes + (write->end_pos - head_bytes - write->file_pos),
           head_bytes);
}

static void on_retry(struct timer *timer)
{
    struct store *store = container_of(timer, struct store, write_retry_timer);

    list_for_each(node, &store->logs)
    {
        struct log *log = container_of(node, struct log, node);
        if (!list_is_linked(&log->write_node) && is_due(log))
            list_push_back(&store->write_queue, &log->write_node);
    }
    fill_writes(store);
}

static void finish_write(struct segment_write *write, enum err err)
{
    struct store *store = write->store;
    struct log *log = write->log;
    struct segment *segment = write->segment;

    log->writing = false;
    if (log->closing) {
        free_write(write);
        log_io_ended(log);
        loop_defer(store->loop, &store->write_task);
        return;
    }
    if (err == OK) {
        segment->written_pos = write->end_pos;
        segment->padded = true;
        keep_head(segment, write);
        mark_written(log, write->last);
        counter_add(&store->metrics.segment_bytes, write->size_bytes);
        storage_metrics_end(&store->metrics, STORAGE_SEGMENT_WRITE, write->began_ns);
        store->segment_written_bytes += write->size_bytes;
    }
    free_write(write);
    if (err == ERR_NOSPACE) { /* S5: the journal and the cache still have it */
        space_monitor_refused(&store->space);
        loop_set_timer_ms(store->loop, &store->write_retry_timer, RETRY_MS);
        return;
    }
    if (err != OK) {
        store_fail(store, err);
        return;
    }
    space_monitor_succeeded(&store->space);
    space_monitor_on_written(&store->space);
    log_tail_evict(&store->tail_cache);
    store_kick_writes(store, log);
    checkpointer_on_written(store);
    store_give_room(store);
}

static void on_written(struct whole_write *whole, enum err err)
{
    finish_write(container_of(whole, struct segment_write, whole), err);
}

/* How many entries go into this write, and where it ends. */
static struct tail_entry *choose_last(struct log *log, uint64_t *end_pos_out)
{
    uint32_t max_bytes = log->store->options.segment_in_flight_max_bytes;
    struct tail_entry *last = NULL;
    uint64_t sum = 0;

    for (struct tail_entry *entry = log->tail.first_unwritten;
         entry != NULL && entry->sequence <= log->store->tail_cache.committed &&
         entry->segment == log->tail.first_unwritten->segment &&
         (last == NULL || sum + entry->size_bytes <= max_bytes);
         entry = log_tail_next(entry)) {
        sum += entry->size_bytes;
        last = entry;
    }
    *end_pos_out = last->pos + last->size_bytes;
    return last;
}

static enum err start_write(struct store *store, struct log *log)
{
    struct segment *segment = log->tail.first_unwritten->segment;
    struct segment_write *write;
    uint64_t file_pos = segment->written_pos & ~(uint64_t)(STORE_BLOCK - 1);
    uint64_t end_pos;
    struct tail_entry *last = choose_last(log, &end_pos);
    uint32_t size_bytes =
        (uint32_t)((end_pos - file_pos + STORE_BLOCK - 1) & ~(uint64_t)(STORE_BLOCK - 1));
    enum err err = segment_need_head(segment);

    if (err == OK)
        err = segment_open_file(segment);
    if (err != OK)
        return err;
    check(log->tail.first_unwritten->pos == segment->written_pos);
    write = mem_try_alloc(sizeof(*write));
    if (write == NULL)
        return ERR_NOMEM;
    write->bytes = buffer_take(store->groups->pool, size_bytes);
    if (write->bytes == NULL) {
        mem_free(write);
        return ERR_NOMEM;
    }
    write->store = store;
    write->log = log;
    write->segment = segment;
    write->size_bytes = size_bytes;
    write->file_pos = file_pos;
    write->end_pos = end_pos;
    write->last = last;
    if (segment->written_pos > file_pos)
        memcpy(write->bytes, segment->head_block, segment->written_pos - file_pos);
    for (struct tail_entry *entry = log->tail.first_unwritten;; entry = log_tail_next(entry)) {
        memcpy(write->bytes + (entry->pos - file_pos), entry->bytes, entry->size_bytes);
        if (entry == last)
            break;
    }
    memset(write->bytes + (end_pos - file_pos), 0, size_bytes - (end_pos - file_pos));
    log->writing = true;
    write->began_ns = storage_metrics_begin(&store->metrics);
    segment->file.io_count++;
    store->write_bytes += size_bytes;
    store->write_count++;
    whole_write_bytes(&write->whole, store->io, segment->file.fd, write->bytes, size_bytes,
                      file_pos, false, STORE_BLOCK, on_written);
    return OK;
}

static void fill_writes(struct store *store)
{
    while (store->state == STORE_RUNNING && !list_is_empty(&store->write_queue) &&
           (store->write_count == 0 ||
            store->write_bytes < store->options.segment_in_flight_max_bytes)) {
        struct log *log = container_of(list_pop_front(&store->write_queue), struct log, write_node);
        enum err err;
        if (!is_due(log))
            continue;
        err = start_write(store, log);
        if (err == ERR_NOSPACE)
            space_monitor_refused(&store->space);
        if (err == ERR_NOSPACE || err == ERR_NOMEM) {
            loop_set_timer_ms(store->loop, &store->write_retry_timer, RETRY_MS);
            return;
        }
        if (err != OK) {
            store_fail(store, err);
            return;
        }
    }
}

static void on_write_task(struct task *task)
{
    fill_writes(container_of(task, struct store, write_task));
}

void segment_writer_init(struct store *store)
{
    list_init(&store->write_queue);
    store->write_task.run = on_write_task;
    store->write_retry_timer.fire = on_retry;
}
