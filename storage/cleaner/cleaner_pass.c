#include "storage/cleaner/cleaner_pass.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/log/log_close.h"
#include "storage/log/log_swap.h"
#include "storage/log/log_trim.h"

#include <errno.h>

enum {
    SLICE_BYTES = 1 << 20,
    WRITE_BYTES = 512 << 10,
    SYNC_BYTES = 8 << 20,
    TRANSACTIONS_MAX = 1 << 16, /* 1.5 MiB of them */
};

enum phase {
    PHASE_NOTE,   /* what became of transactions */
    PHASE_MAP,    /* which keys are newer */
    PHASE_FILTER, /* what is left, a group at a time */
};

enum step { STEP_NONE, STEP_READ, STEP_WORK, STEP_WRITE, STEP_SYNC, STEP_DECIDE, STEP_INSTALL };

struct cleaner_pass {
    struct loop *loop;
    struct log_environment *env; /* not once it is an orphan */
    struct log *log;             /* NULL: it has gone */
    const struct cleaner_pass_events *events;
    void *context;
    struct offload *offload;
    int32_t dir_fd;
    struct cleaner_section section;
    struct store_cleaning cleaning;
    struct cleaner_pass_result result;
    struct task begin_task;
    struct timer timer; /* until the next slice may be read */
    uint64_t due_ns;
    enum phase phase;
    enum step step; /* in flight (CPS-1) */
    bool is_orphan;
    bool ignores_transactions; /* none was met yet: nothing was noted */
    /* where it is */
    int64_t segment_base;
    uint64_t generation; /* 0: the segment was not begun */
    uint64_t pos;        /* of the next batch in it */
    uint32_t group_at;   /* of the segment in the group */
    int64_t filter_end;
    /* what is in flight */
    struct io_op io;
    struct log *read_log; /* of the read: lives until that has ended */
    struct segment *read_segment;
    struct offload_job job;
    enum err job_err;
    bool job_met_transactions;
    bool job_is_full; /* of the map, or of the transactions: the phase ends */
    uint64_t job_pos; /* behind the last batch that was looked at */
    uint8_t *in;
    uint32_t in_capacity;
    uint32_t in_bytes;
    uint64_t in_pos; /* of in[0] in the file */
    struct cleaner_bytes out;
    size_t out_done;
    size_t unsynced_bytes;
    struct iovec vec;
    int sync_file;
    /* the rule */
    struct cleaner_map map;
    struct cleaner_transactions transactions;
    struct cleaner_producers producers;
    struct cleaner_batch batch;
    struct cleaner_group group;
    uint64_t group_changed; /* counts.changed_batches before it */
    struct segment *made;   /* nobody's yet */
    int64_t made_base;      /* installed, and still .swap */
};

static void next_slice(struct cleaner_pass *pass);
static void next_group(struct cleaner_pass *pass);
static void end(struct cleaner_pass *pass, enum err err);

/* ---- life */

static void free_pass(struct cleaner_pass *pass)
{
    cleaner_batch_deinit(&pass->batch);
    compression_context_destroy(pass->batch.context);
    cleaner_group_deinit(&pass->group, pass->loop->io);
    cleaner_producers_deinit(&pass->producers);
    cleaner_transactions_deinit(&pass->transactions);
    cleaner_map_deinit(&pass->map);
    cleaner_bytes_deinit(&pass->out);
    mem_free(pass->in);
    mem_free(pass);
}

/* Nothing is in flight. */
static void end(struct cleaner_pass *pass, enum err err)
{
    const struct cleaner_pass_events *events = pass->is_orphan ? NULL : pass->events;
    struct cleaner_pass_result result = pass->result;
    struct log *log = pass->log;
    void *context = pass->context;

    check(pass->step == STEP_NONE);
    timer_cancel(&pass->loop->timers, &pass->timer);
    loop_undefer(&pass->begin_task);
    if (pass->made != NULL)
        segment_free(pass->made);
    if (log != NULL && pass->group.count > 0 && !log->is_swapping)
        log_swap_abandon(log, pass->group.base_offset);
    result.err = err;
    result.counts = pass->batch.counts;
    free_pass(pass);
    if (events != NULL)
        events->ended(context, log, &result);
}

/* After each operation.  True: the pass has ended. */
static bool must_end(struct cleaner_pass *pass)
{
    bool is_wanted = pass->log != NULL && !pass->is_orphan;

    if (is_wanted && pass->env->state == STORE_RUNNING && !pass->env->stopping)
        return false;
    end(pass, ERR_CLOSED);
    return true;
}

struct log *cleaner_pass_log(const struct cleaner_pass *pass)
{
    return pass->log;
}

void cleaner_pass_forget_log(struct cleaner_pass *pass)
{
    if (pass->made != NULL) { /* its log's environment goes */
        segment_free(pass->made);
        pass->made = NULL;
    }
    pass->log = NULL;
    if (pass->step == STEP_NONE)
        end(pass, ERR_CLOSED);
}

void cleaner_pass_orphan(struct cleaner_pass *pass)
{
    pass->is_orphan = true;
    cleaner_pass_forget_log(pass);
}

/* ---- the work, beside the loop: it touches what is in flight and the rule, nothing of the log */

static enum err work_on(struct cleaner_pass *pass, const struct batch_header *header,
                        const uint8_t *bytes)
{
    struct cleaner_batch *batch = &pass->batch;
    struct control_marker marker;
    enum err err;

    switch (pass->phase) {
    case PHASE_NOTE:
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
    enum err err;

    batch_walk_init(&walk, pass->in + skip_bytes, pass->in_bytes - skip_bytes);
    while ((err = batch_next(&walk, &header, &bytes)) == OK) {
        err = work_on(pass, &header, bytes);
        if (err != OK)
            break;
        pass->job_pos += header.size_bytes;
    }
    if (pass->out.size_bytes > noted_bytes)
        cleaner_group_note(&pass->group, pass->out.bytes + noted_bytes,
                           pass->out.size_bytes - noted_bytes);
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

static void begin_phase(struct cleaner_pass *pass, enum phase phase)
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
        end(pass, ERR_NOMEM); /* for not one key */
        return;
    }
    if (pass->result.map_bytes < cleaner_map_memory_bytes(map))
        pass->result.map_bytes = cleaner_map_memory_bytes(map);
    pass->phase = PHASE_FILTER;
    pass->filter_end = pass->section.end_offset;
    if (pass->batch.map_end < pass->filter_end)
        pass->filter_end = pass->batch.map_end;
    next_group(pass);
}

static void seal(struct cleaner_pass *pass)
{
    enum err err = cleaner_transactions_seal(&pass->transactions);

    if (err != OK)
        end(pass, err);
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
    cleaner_transactions_init(&pass->transactions, prng_u64(pass->env->prng), TRANSACTIONS_MAX);
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

/* All groups are clean: so is the log, up to what the map knew and what is decided. */
static void end_pass(struct cleaner_pass *pass)
{
    int64_t undecided = cleaner_transactions_first_undecided(&pass->transactions);
    int64_t clean_end = pass->filter_end;

    if (pass->batch.decided_end < clean_end)
        clean_end = pass->batch.decided_end;
    pass->log->undecided_end = undecided < clean_end ? pass->section.end_offset : 0;
    if (undecided < clean_end)
        clean_end = undecided;
    end(pass, log_swap_note_cleaned(pass->log, clean_end));
}

/* ---- writing and swapping a group */

static void on_installed(struct io_op *op, int32_t result);

static void install(struct cleaner_pass *pass)
{
    uint32_t index;
    struct segment *made = pass->made;
    enum err err;

    pass->made = NULL;
    segment_manifest_find(&pass->log->segments, pass->group.base_offset, &index); /* SWP-3 */
    err = log_swap_install(pass->log, index, pass->group.count, made);
    pass->group.count = 0;
    if (err != OK) {
        pass->log->is_swapping = false;
        end(pass, err);
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
        end(pass, ERR_CLOSED);
        return;
    }
    segment = segment_manifest_find(&pass->log->segments, pass->made_base, &index);
    check(segment != NULL && segment->is_swap); /* SWP-3 */
    err = log_swap_finish(segment);
    pass->log->is_swapping = false;
    if (err != OK) {
        end(pass, err);
        return;
    }
    SOMETIMES("cleaner_pass: segments were replaced", true);
    if (!must_end(pass))
        next_group(pass);
}

static void on_decided(struct io_op *op, int32_t result)
{
    struct cleaner_pass *pass = container_of(op, struct cleaner_pass, io);

    pass->step = STEP_NONE;
    if (pass->log == NULL || sync_failed(pass, result)) {
        end(pass, ERR_CLOSED);
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
        end(pass, ERR_AGAIN); /* CLG-2 */
        return;
    }
    err = log_swap_decide(pass->log, pass->group.base_offset);
    if (err != OK) {
        end(pass, err);
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
    if (must_end(pass))
        return;
    if (result < 0) {
        end(pass, err_from_errno(-result));
        return;
    }
    if (pass->sync_file < 0) { /* on the way */
        next_slice(pass);
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

static void end_group(struct cleaner_pass *pass)
{
    enum err err;

    if (pass->group.count == 1 && pass->batch.counts.changed_batches == pass->group_changed) {
        log_swap_abandon(pass->log, pass->group.base_offset); /* it is what it was */
        next_group(pass);
        return;
    }
    err = cleaner_group_make(&pass->group, pass->log, &pass->batch.aborts, &pass->made);
    if (err != OK) {
        end(pass, err);
        return;
    }
    pass->sync_file = 0;
    sync_next_file(pass);
}

static void next_group(struct cleaner_pass *pass)
{
    int64_t from_offset = pass->group.end_offset;
    enum err err = cleaner_group_begin(&pass->group, pass->log, from_offset, pass->filter_end);

    if (err == ERR_NOT_FOUND) {
        end_pass(pass);
        return;
    }
    if (err != OK) {
        end(pass, err);
        return;
    }
    pass->group_at = 0;
    pass->pos = 0;
    pass->group_changed = pass->batch.counts.changed_batches;
    pass->batch.aborts.count = 0;
    next_slice(pass);
}

static void on_written(struct io_op *op, int32_t result);

static void write_out(struct cleaner_pass *pass)
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
    if (must_end(pass))
        return;
    if (result <= 0 && result != -EINTR && result != -EAGAIN) {
        end(pass, result == 0 ? ERR_IO : err_from_errno(-result));
        return;
    }
    if (result > 0) {
        pass->out_done += (size_t)result;
        pass->group.out_pos += (size_t)result;
        pass->unsynced_bytes += (size_t)result;
        pass->result.written_bytes += (size_t)result;
    }
    if (pass->out_done < pass->out.size_bytes) {
        write_out(pass);
        return;
    }
    pass->out.size_bytes = 0;
    pass->out_done = 0;
    if (pass->unsynced_bytes < SYNC_BYTES) {
        next_slice(pass);
        return;
    }
    pass->unsynced_bytes = 0; /* so that the last sync has little to do */
    pass->sync_file = -1;
    pass->step = STEP_SYNC;
    io_sync(pass->loop->io, &pass->io, pass->group.fds[CLEANER_FILE_LOG], on_synced);
}

/* ---- reading */

static void on_worked(struct offload_job *job)
{
    struct cleaner_pass *pass = container_of(job, struct cleaner_pass, job);
    bool is_stuck = pass->job_pos == pass->pos && pass->job_err == OK && !pass->job_is_full;

    pass->step = STEP_NONE;
    if (must_end(pass))
        return;
    if (pass->job_err != OK) {
        end(pass, pass->job_err);
        return;
    }
    pass->pos = pass->job_pos;
    if (pass->job_is_full) {
        end_phase(pass);
        return;
    }
    check(!is_stuck); /* read_slice saw to it */
    if (pass->out.size_bytes >= WRITE_BYTES)
        write_out(pass);
    else
        next_slice(pass);
}

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
        end(pass, ERR_CLOSED);
        if (read_log->closing)
            log_io_ended(read_log);
        return;
    }
    if (must_end(pass))
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
        end(pass, err);
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
        end(pass, err);
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

    if (!must_end(pass))
        next_slice(pass);
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
        write_out(pass);
    else
        end_group(pass);
    return false;
}

static void next_slice(struct cleaner_pass *pass)
{
    struct segment *segment;

    for (;;) {
        segment = current_segment(pass);
        if (segment == NULL) {
            end(pass, ERR_AGAIN); /* it was cut, or has gone */
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

    if (!must_end(pass))
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
    cleaner_transactions_init(&pass->transactions, prng_u64(env->prng), TRANSACTIONS_MAX);
    cleaner_batch_init(&pass->batch, cleaning->uncompressed_max_bytes);
    if (cleaner_producers_take(&pass->producers, &log->producers) != OK ||
        grow(pass, SLICE_BYTES) != OK) {
        free_pass(pass);
        return NULL;
    }
    loop_defer(env->loop, &pass->begin_task);
    return pass;
}
