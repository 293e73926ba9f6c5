#include "storage/segment_writer.h"

#include "base/buffer_pool.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "base/whole_write.h"
#include "storage/log/log_close.h"

#include <assert.h>
#include <string.h>

enum { RETRY_MS = 1000 };

static_assert((uint32_t)STORE_BLOCK <= (uint32_t)BUFFER_PAGE_BYTES,
              "a buffer lies as a write must");

/* One segment write: an aligned copy of whole batches. */
struct segment_write {
    struct whole_write whole;
    struct segment_writer *writer;
    struct log *log;
    struct segment *segment;
    uint8_t *bytes; /* aligned */
    uint32_t size_bytes;
    uint64_t began_ns;
    uint64_t file_pos;       /* of bytes[0], block-aligned */
    uint64_t end_pos;        /* logical end of what it holds */
    struct tail_entry *last; /* newest entry that it holds */
};

static void fill_writes(struct segment_writer *writer);

static bool is_due(const struct segment_writer *writer, const struct log *log)
{
    struct tail_entry *first = log->tail.first_unwritten;

    if (log->writing || first == NULL || first->sequence > log->env->tail_cache->committed)
        return false;
    return writer->events->wants_flush(writer->context, log) || !first->segment->is_active ||
           log->tail.ready_bytes >= log->env->options->segment_write_bytes ||
           BUGGIFY("segment writer: a small piece is written");
}

void segment_writer_kick(struct segment_writer *writer, struct log *log)
{
    if (log != NULL && !list_is_linked(&log->write_node) && is_due(writer, log))
        list_push_back(&writer->queue, &log->write_node);
    loop_defer(writer->env->loop, &writer->task);
}

/* ---- one write */

static void free_write(struct segment_write *write)
{
    check(write->writer->in_flight_count > 0);
    write->writer->in_flight_bytes -= write->size_bytes;
    write->writer->in_flight_count--;
    check((write->writer->in_flight_count == 0) == (write->writer->in_flight_bytes == 0));
    segment_manifest_io_ended(write->segment);
    buffer_give(write->writer->groups->pool, write->bytes, write->size_bytes);
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
    struct segment_writer *writer = container_of(timer, struct segment_writer, retry_timer);

    list_for_each(node, &writer->env->logs)
    {
        struct log *log = container_of(node, struct log, node);
        if (!list_is_linked(&log->write_node) && is_due(writer, log))
            list_push_back(&writer->queue, &log->write_node);
    }
    fill_writes(writer);
}

static void finish_write(struct segment_write *write, enum err err)
{
    struct segment_writer *writer = write->writer;
    struct log_environment *env = writer->env;
    struct log *log = write->log;
    struct segment *segment = write->segment;

    log->writing = false;
    if (log->closing) {
        free_write(write);
        log_io_ended(log);
        loop_defer(env->loop, &writer->task);
        return;
    }
    if (err == OK) {
        segment->written_pos = write->end_pos;
        segment->padded = true;
        keep_head(segment, write);
        mark_written(log, write->last);
        counter_add(&env->metrics->segment_bytes, write->size_bytes);
        storage_metrics_end(env->metrics, STORAGE_SEGMENT_WRITE, write->began_ns);
        writer->written_bytes += write->size_bytes;
    }
    free_write(write);
    if (err == ERR_NOSPACE) { /* SGW-3 */
        space_monitor_refused(env->space);
        loop_set_timer_ms(env->loop, &writer->retry_timer, RETRY_MS);
        return;
    }
    if (err != OK) {
        writer->events->failed(writer->context, err);
        return;
    }
    space_monitor_succeeded(env->space);
    space_monitor_on_written(env->space);
    log_tail_evict(env->tail_cache);
    segment_writer_kick(writer, log);
    writer->events->written(writer->context);
}

static void on_written(struct whole_write *whole, enum err err)
{
    finish_write(container_of(whole, struct segment_write, whole), err);
}

/* How many entries go into this write, and where it ends. */
static struct tail_entry *choose_last(struct log *log, uint64_t *end_pos_out)
{
    uint32_t max_bytes = log->env->options->segment_in_flight_max_bytes;
    struct tail_entry *last = NULL;
    uint64_t sum = 0;

    for (struct tail_entry *entry = log->tail.first_unwritten;
         entry != NULL && entry->sequence <= log->env->tail_cache->committed &&
         entry->segment == log->tail.first_unwritten->segment &&
         (last == NULL || sum + entry->size_bytes <= max_bytes);
         entry = log_tail_next(entry)) {
        sum += entry->size_bytes;
        last = entry;
    }
    *end_pos_out = last->pos + last->size_bytes;
    return last;
}

static enum err start_write(struct segment_writer *writer, struct log *log)
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
    write->bytes = buffer_take(writer->groups->pool, size_bytes);
    if (write->bytes == NULL) {
        mem_free(write);
        return ERR_NOMEM;
    }
    write->writer = writer;
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
    write->began_ns = storage_metrics_begin(writer->env->metrics);
    segment->file.io_count++;
    writer->in_flight_bytes += size_bytes;
    writer->in_flight_count++;
    whole_write_bytes(&write->whole, writer->env->io, segment->file.fd, write->bytes, size_bytes,
                      file_pos, false, STORE_BLOCK, on_written);
    return OK;
}

static void fill_writes(struct segment_writer *writer)
{
    struct log_environment *env = writer->env;

    while (env->state == STORE_RUNNING && !list_is_empty(&writer->queue) &&
           (writer->in_flight_count == 0 ||
            writer->in_flight_bytes < env->options->segment_in_flight_max_bytes)) {
        struct log *log = container_of(list_pop_front(&writer->queue), struct log, write_node);
        enum err err;
        if (!is_due(writer, log))
            continue;
        err = start_write(writer, log);
        if (err == ERR_NOSPACE)
            space_monitor_refused(env->space);
        if (err == ERR_NOSPACE || err == ERR_NOMEM) {
            loop_set_timer_ms(env->loop, &writer->retry_timer, RETRY_MS);
            return;
        }
        if (err != OK) {
            writer->events->failed(writer->context, err);
            return;
        }
    }
}

static void on_task(struct task *task)
{
    fill_writes(container_of(task, struct segment_writer, task));
}

void segment_writer_forget(struct segment_writer *writer, struct log *log)
{
    if (list_is_linked(&log->write_node))
        list_remove(&log->write_node);
    loop_defer(writer->env->loop, &writer->task);
}

void segment_writer_init(struct segment_writer *writer, struct log_environment *env,
                         const struct slab *groups, const struct segment_writer_events *events,
                         void *context)
{
    *writer =
        (struct segment_writer){.env = env, .groups = groups, .events = events, .context = context};
    list_init(&writer->queue);
    writer->task.run = on_task;
    writer->retry_timer.fire = on_retry;
}

void segment_writer_deinit(struct segment_writer *writer)
{
    loop_cancel_timer(writer->env->loop, &writer->retry_timer);
    loop_undefer(&writer->task);
}
