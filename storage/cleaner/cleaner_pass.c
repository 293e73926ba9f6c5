/* Reading, and what is done with what was read: cleaner_pass_write.c has the rest. */
#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/cleaner/cleaner_pass_private.h"
#include "storage/log/log_close.h"

#include <errno.h>

enum {
    SLICE_BYTES = 1 << 20,
    WRITE_BYTES = 512 << 10,
    DECODED_BYTES = 4 << 20, /* of one job; a batch may have more */
};

static void next_slice(struct cleaner_pass *pass);

/* ---- the work, beside the loop: it touches what is in flight and the rule, nothing of the log */

static enum err work_on(struct cleaner_pass *pass, const struct batch_header *header,
                        const uint8_t *bytes)
{
    struct cleaner_batch *batch = &pass->batch;
    struct control_marker marker;
    enum err err;

    switch (pass->phase) {
    case PHASE_NOTE: /* what was undecided at first_dirty begins there (CLT-1) */
        if (batch_last_offset(header) < pass->section.first_dirty)
            return OK;
        err = cleaner_transactions_note(&pass->transactions, header,
                                        cleaner_batch_marker(bytes, header, &marker) ? &marker
                                                                                     : NULL);
        if (err == ERR_FULL)
            batch->decided_end = header->base_offset;
        return err;
    case PHASE_MAP:
        if (batch_last_offset(header) < pass->section.first_dirty)
            return OK;
        if (pass->ignores_transactions && batch_is_transactional(header)) {
            pass->job_met_transactions = true;
            return ERR_FULL;
        }
        return cleaner_batch_map(batch, bytes, header, pass->section.first_dirty, &batch->map_end);
    default:
        return cleaner_batch_filter(batch, bytes, header,
                                    batch_last_offset(header) + 1 == pass->group.end_offset,
                                    &pass->out); /* SWP-1 */
    }
}

static void work(struct offload_job *job)
{
    struct cleaner_pass *pass = container_of(job, struct cleaner_pass, job);
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;
    size_t skip_bytes = (size_t)(pass->job_pos - pass->in_pos);
    size_t noted_bytes = pass->out.size_bytes;
    uint64_t decoded_bytes = pass->batch.decoded_bytes;
    enum err err;

    batch_walk_init(&walk, pass->in + skip_bytes, pass->in_bytes - skip_bytes);
    while ((err = batch_next(&walk, &header, &bytes)) == OK) {
        err = work_on(pass, &header, bytes);
        if (err == ERR_TRUNCATED || err == ERR_NOT_FOUND)
            err = ERR_MALFORMED; /* the batch is whole, and what it holds is not */
        if (err != OK)
            break;
        pass->job_pos += header.size_bytes;
        if (pass->batch.decoded_bytes >= decoded_bytes + DECODED_BYTES)
            break; /* CPS-4 */
    }
    if (pass->out.size_bytes > noted_bytes)
        cleaner_group_note(&pass->group, pass->out.bytes + noted_bytes,
                           pass->out.size_bytes - noted_bytes);
    cleaner_batch_shrink(&pass->batch);
    pass->job_is_full = err == ERR_FULL && pass->phase != PHASE_FILTER;
    pass->job_err = err == ERR_NOT_FOUND || err == ERR_TRUNCATED || pass->job_is_full ? OK : err;
}

/* ---- phases */

static struct segment *current_segment(const struct cleaner_pass *pass)
{
    uint32_t index;
    struct segment *segment;

    if (pass->phase == PHASE_FILTER)
        return cleaner_group_segment(&pass->group, pass->log, pass->group_at);
    segment = segment_manifest_find(&pass->log->segments, pass->segment_base, &index);
    if (segment == NULL || segment->is_active ||
        (pass->generation != 0 && pass->generation != segment->generation))
        return NULL;
    return segment;
}

static void begin_phase(struct cleaner_pass *pass, enum cleaner_phase phase)
{
    pass->phase = phase;
    pass->generation = 0;
    pass->pos = 0;
    pass->segment_base = pass->section.first_dirty;
    next_slice(pass);
}

/* Behind the map: every segment that holds something below its end. */
static void begin_filter(struct cleaner_pass *pass)
{
    const struct cleaner_map *map = &pass->map;

    if (pass->batch.map_end <= pass->section.first_dirty && map->count == 0) {
        cleaner_pass_end(pass, ERR_NOMEM); /* for not one key */
        return;
    }
    if (pass->result.map_bytes < cleaner_map_memory_bytes(map))
        pass->result.map_bytes = cleaner_map_memory_bytes(map);
    pass->phase = PHASE_FILTER;
    pass->filter_end = pass->section.end_offset;
    if (pass->batch.map_end < pass->filter_end)
        pass->filter_end = pass->batch.map_end;
    cleaner_pass_write_next_group(pass);
}

static void seal(struct cleaner_pass *pass)
{
    enum err err = cleaner_transactions_seal(&pass->transactions);

    if (err != OK)
        cleaner_pass_end(pass, err);
    else
        begin_phase(pass, PHASE_MAP);
}

/* A transaction: what becomes of it has to be known before its keys count. */
static void begin_again(struct cleaner_pass *pass)
{
    pass->ignores_transactions = false;
    cleaner_map_deinit(&pass->map);
    cleaner_map_init(&pass->map, prng_u64(pass->env->prng), pass->cleaning.map_max_bytes);
    cleaner_transactions_deinit(&pass->transactions);
    cleaner_transactions_init(&pass->transactions, prng_u64(pass->env->prng),
                              pass->cleaning.transactions_max);
    begin_phase(pass, PHASE_NOTE);
}

static void end_phase(struct cleaner_pass *pass)
{
    if (pass->phase == PHASE_NOTE)
        seal(pass);
    else if (pass->job_met_transactions && pass->ignores_transactions)
        begin_again(pass);
    else
        begin_filter(pass);
}

/* ---- reading */

/* A batch that does not fit: the next read is larger. */
static enum err grow(struct cleaner_pass *pass, uint32_t wanted_bytes)
{
    uint32_t capacity = (wanted_bytes + 2 * STORE_BLOCK - 1) & ~(uint32_t)(STORE_BLOCK - 1);
    uint8_t *larger;

    if (wanted_bytes > INT32_MAX - 2 * STORE_BLOCK)
        return ERR_TOO_LARGE;
    if (capacity <= pass->in_capacity)
        return OK;
    larger = mem_try_alloc_aligned(STORE_BLOCK, capacity);
    if (larger == NULL)
        return ERR_NOMEM;
    mem_free(pass->in);
    pass->in = larger;
    pass->in_capacity = capacity;
    return OK;
}

/* The batch that needed so much is behind; without memory for less it stays. */
static void shrink(struct cleaner_pass *pass)
{
    uint8_t *smaller = NULL;

    if (pass->in_capacity > CLEANER_KEPT_BYTES)
        smaller = mem_try_alloc_aligned(STORE_BLOCK, SLICE_BYTES);
    if (smaller == NULL)
        return;
    mem_free(pass->in);
    pass->in = smaller;
    pass->in_capacity = SLICE_BYTES;
}

static void on_worked(struct offload_job *job)
{
    struct cleaner_pass *pass = container_of(job, struct cleaner_pass, job);
    bool is_stuck = pass->job_pos == pass->pos && pass->job_err == OK && !pass->job_is_full;

    pass->step = STEP_NONE;
    if (cleaner_pass_end_if_told(pass))
        return;
    if (pass->job_err != OK) {
        cleaner_pass_end(pass, pass->job_err);
        return;
    }
    pass->pos = pass->job_pos;
    shrink(pass);
    if (pass->job_is_full) {
        end_phase(pass);
        return;
    }
    if (is_stuck) { /* what was read holds no batch after all */
        cleaner_pass_end(pass, ERR_CORRUPT);
        return;
    }
    if (pass->out.size_bytes >= WRITE_BYTES)
        cleaner_pass_write_out(pass);
    else
        next_slice(pass);
}

/* What was read holds a whole batch at pos?  ERR_AGAIN: not yet. */
static enum err look(struct cleaner_pass *pass, uint64_t end_pos)
{
    size_t skip_bytes = (size_t)(pass->pos - pass->in_pos);
    struct batch_header header;
    enum err err;

    if (pass->in_bytes <= skip_bytes)
        return ERR_AGAIN;
    err = batch_parse_header(pass->in + skip_bytes, pass->in_bytes - skip_bytes, &header);
    if (err == ERR_TRUNCATED)
        return pass->in_pos + pass->in_bytes >= end_pos ? ERR_CORRUPT : ERR_AGAIN;
    if (err != OK)
        return err;
    if (pass->pos + header.size_bytes > end_pos)
        return ERR_CORRUPT;
    if (skip_bytes + header.size_bytes <= pass->in_bytes)
        return OK;
    err = grow(pass, (uint32_t)(skip_bytes % STORE_BLOCK) + header.size_bytes);
    return err == OK ? ERR_AGAIN : err;
}

static void on_read(struct io_op *op, int32_t result)
{
    struct cleaner_pass *pass = container_of(op, struct cleaner_pass, io);
    struct log *read_log = pass->read_log;
    uint64_t end_pos = pass->read_segment->written_pos;
    enum err err = OK;

    segment_manifest_io_ended(pass->read_segment);
    pass->step = STEP_NONE;
    if (pass->log == NULL) {
        cleaner_pass_end(pass, ERR_CLOSED);
        if (read_log->closing)
            log_io_ended(read_log);
        return;
    }
    if (cleaner_pass_end_if_told(pass))
        return;
    if (result == 0)
        err = ERR_TRUNCATED;
    else if (result < 0 && result != -EINTR && result != -EAGAIN)
        err = err_from_errno(-result);
    if (err == OK && result > 0) {
        pass->in_bytes = (uint32_t)result;
        if (pass->in_pos + pass->in_bytes > end_pos)
            pass->in_bytes = (uint32_t)(end_pos - pass->in_pos);
        pass->result.read_bytes += (uint32_t)result;
        err = look(pass, end_pos);
    } else if (err == OK) {
        err = ERR_AGAIN;
    }
    if (err == ERR_AGAIN) {
        next_slice(pass);
        return;
    }
    if (err != OK) {
        cleaner_pass_end(pass, err);
        return;
    }
    pass->job_pos = pass->pos;
    pass->step = STEP_WORK;
    offload_start(pass->offload, &pass->job, pass->loop);
}

static void read_slice(struct cleaner_pass *pass, struct segment *segment)
{
    uint64_t from = pass->pos & ~(uint64_t)(STORE_BLOCK - 1);
    uint64_t end_pos = (segment->written_pos + STORE_BLOCK - 1) & ~(uint64_t)(STORE_BLOCK - 1);
    enum err err = segment_open_file(segment);

    if (err != OK) {
        cleaner_pass_end(pass, err);
        return;
    }
    if (end_pos - from > pass->in_capacity)
        end_pos = from + pass->in_capacity;
    if (end_pos - from > STORE_BLOCK && BUGGIFY("cleaner_pass: a slice is a block"))
        end_pos = from + STORE_BLOCK;
    pass->in_pos = from;
    pass->read_segment = segment;
    pass->read_log = pass->log;
    segment->file.io_count++;
    pass->step = STEP_READ;
    io_read(pass->loop->io, &pass->io, segment->file.fd, pass->in, (uint32_t)(end_pos - from), from,
            on_read);
}

static void on_due(struct timer *timer)
{
    struct cleaner_pass *pass = container_of(timer, struct cleaner_pass, timer);

    if (!cleaner_pass_end_if_told(pass))
        next_slice(pass);
}

void cleaner_pass_hurry(struct cleaner_pass *pass)
{
    if (timer_is_set(&pass->timer))
        timer_set(&pass->loop->timers, &pass->timer, loop_now_ns(pass->loop));
}

/* Does it have to wait for its share of the device? */
static bool must_wait(struct cleaner_pass *pass)
{
    uint64_t bytes = pass->result.read_bytes + pass->result.written_bytes;
    double seconds = (double)bytes / pass->cleaning.bytes_per_second;
    uint64_t now_ns = loop_now_ns(pass->loop);

    if (seconds > 1e9 || pass->due_ns + (uint64_t)(seconds * 1e9) <= now_ns)
        return false;
    timer_set(&pass->loop->timers, &pass->timer, pass->due_ns + (uint64_t)(seconds * 1e9));
    return true;
}

/* The segment is read through: on to the next.  False: there is none, and what follows began. */
static bool next_segment(struct cleaner_pass *pass, const struct segment *segment)
{
    pass->pos = 0;
    if (pass->phase != PHASE_FILTER) {
        pass->segment_base = segment->end_offset;
        pass->generation = 0;
        if (pass->segment_base < pass->section.end_offset)
            return true;
        end_phase(pass);
        return false;
    }
    if (++pass->group_at < pass->group.count)
        return true;
    pass->pos = segment->written_pos; /* and what is left to be written */
    pass->group_at--;
    if (pass->out.size_bytes > 0)
        cleaner_pass_write_out(pass);
    else
        cleaner_pass_write_end_group(pass);
    return false;
}

static void next_slice(struct cleaner_pass *pass)
{
    struct segment *segment;

    for (;;) {
        segment = current_segment(pass);
        if (segment == NULL) {
            cleaner_pass_end(pass, ERR_AGAIN); /* it was cut, or has gone */
            return;
        }
        if (pass->pos < segment->written_pos)
            break;
        if (!next_segment(pass, segment))
            return;
    }
    pass->generation = segment->generation;
    if (!must_wait(pass))
        read_slice(pass, segment);
}

/* ---- the beginning */

static void on_begin(struct task *task)
{
    struct cleaner_pass *pass = container_of(task, struct cleaner_pass, begin_task);

    if (!cleaner_pass_end_if_told(pass))
        begin_phase(pass, PHASE_MAP);
}

struct cleaner_pass *cleaner_pass_begin(struct log *log, const struct cleaner_section *section,
                                        const struct store_cleaning *cleaning,
                                        struct offload *offload, int32_t dir_fd,
                                        const struct cleaner_pass_events *events, void *context)
{
    struct log_environment *env = log->env;
    struct cleaner_pass *pass = mem_try_alloc(sizeof(*pass));

    if (pass == NULL)
        return NULL;
    *pass = (struct cleaner_pass){.loop = env->loop,
                                  .env = env,
                                  .log = log,
                                  .events = events,
                                  .context = context,
                                  .offload = offload,
                                  .dir_fd = dir_fd,
                                  .section = *section,
                                  .cleaning = *cleaning,
                                  .ignores_transactions = true,
                                  .due_ns = loop_now_ns(env->loop),
                                  .go_on = next_slice,
                                  .begin_task = {.run = on_begin},
                                  .timer = {.fire = on_due},
                                  .job = {.work = work, .done = on_worked}};
    pass->batch = (struct cleaner_batch){.map = &pass->map,
                                         .transactions = &pass->transactions,
                                         .producers = &pass->producers,
                                         .context = compression_context_create(),
                                         .map_end = INT64_MAX,
                                         .decided_end = INT64_MAX,
                                         .now_ms = log_wall_ms(log),
                                         .delete_retention_ms = log->config.delete_retention_ms};
    cleaner_group_init(&pass->group);
    cleaner_map_init(&pass->map, prng_u64(env->prng), cleaning->map_max_bytes);
    cleaner_transactions_init(&pass->transactions, prng_u64(env->prng), cleaning->transactions_max);
    cleaner_batch_init(&pass->batch, cleaning->uncompressed_max_bytes);
    if (cleaner_producers_take(&pass->producers, &log->producers) != OK ||
        grow(pass, SLICE_BYTES) != OK) {
        cleaner_pass_end_free(pass);
        return NULL;
    }
    loop_defer(env->loop, &pass->begin_task);
    return pass;
}
