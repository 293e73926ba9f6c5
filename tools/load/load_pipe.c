#include "tools/load/load_pipe.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"

#include <stdio.h>

/* A transaction that is not full ends all the same, so that nothing waits for the next record. */
#define OPEN_MAX_NS UINT64_C(50000000)

static uint64_t now_ns(const struct load_pipe *pipe)
{
    return clock_mono_ns(pipe->room->loop.clock);
}

static void fail(struct load_pipe *pipe, const char *what, enum err err)
{
    if (pipe->state == LOAD_PIPE_BROKEN)
        return;
    pipe->state = LOAD_PIPE_BROKEN;
    load_stats_add(pipe->stats, LOAD_COUNTER_ERRORS, 1);
    load_shared_error(pipe->shared, "transactional id %s: %s: %s", pipe->id, what,
                      pipe->op.error_code != KAFKA_NONE ? kafka_error_name(pipe->op.error_code)
                                                        : err_text(err));
}

/* ---- the end of a transaction */

static void finish(struct load_pipe *pipe, bool is_committed)
{
    uint64_t now = now_ns(pipe);

    pipe->state = LOAD_PIPE_IDLE;
    if (load_shared_is_measured(pipe->shared, pipe->began_ns)) {
        load_stats_add(pipe->stats, is_committed ? LOAD_COUNTER_TRANSACTIONS : LOAD_COUNTER_ABORTED,
                       1);
        if (pipe->op.asked_ns != 0)
            load_stats_time(pipe->stats, LOAD_HISTOGRAM_COMMIT, pipe->op.asked_ns, now);
        load_stats_time(pipe->stats, LOAD_HISTOGRAM_BEGIN, pipe->began_ns, now);
    }
    if (pipe->wants_leave) {
        pipe->wants_leave = false;
        load_reader_leave_done(&pipe->reader); /* LPI-2 */
    }
}

/* LPI-1: what was aborted is read again. */
static void rewind_it(struct load_pipe *pipe)
{
    struct load_reader *reader = &pipe->reader;

    for (int32_t i = 0; i < pipe->partitions_count && i < reader->partitions_count; i++) {
        if (pipe->first_offsets[i] < 0 || !reader->partitions[i].is_fetching)
            continue;
        if (client_fetcher_assign(reader->fetcher, reader->topic, i, pipe->first_offsets[i], -1) !=
            OK)
            fail(pipe, "a position cannot be set back", ERR_NOMEM);
    }
    reader->can_pull = true;
}

static void on_aborted(struct client_transaction_op *op, enum err err)
{
    struct load_pipe *pipe = container_of(op, struct load_pipe, op);

    if (pipe->state != LOAD_PIPE_ABORTING)
        return;
    if (err != OK) {
        fail(pipe, "an abort", err);
        return;
    }
    rewind_it(pipe);
    finish(pipe, false);
}

static void abort_it(struct load_pipe *pipe)
{
    pipe->state = LOAD_PIPE_ABORTING;
    pipe->op = (struct client_transaction_op){.done = on_aborted};
    client_transaction_abort(pipe->sender.producer, &pipe->op);
}

/* What was refused because the group moves on is aborted, and read by whoever has it then. */
static void refused(struct load_pipe *pipe, const char *what, enum err err)
{
    int16_t code = pipe->op.error_code;
    bool is_moving = code == KAFKA_ILLEGAL_GENERATION || code == KAFKA_UNKNOWN_MEMBER_ID ||
                     code == KAFKA_REBALANCE_IN_PROGRESS;

    if (client_transaction_state(pipe->sender.producer) != CLIENT_TRANSACTION_FAILED) {
        fail(pipe, what, err);
        return;
    }
    if (!is_moving) {
        load_stats_add(pipe->stats, LOAD_COUNTER_ERRORS, 1);
        load_shared_error(pipe->shared, "transactional id %s: %s: %s", pipe->id, what,
                          code != KAFKA_NONE ? kafka_error_name(code) : err_text(err));
    }
    abort_it(pipe);
}

static void on_committed(struct client_transaction_op *op, enum err err)
{
    struct load_pipe *pipe = container_of(op, struct load_pipe, op);

    if (pipe->state != LOAD_PIPE_COMMITTING)
        return;
    if (err == OK)
        finish(pipe, true);
    else
        refused(pipe, "a commit", err);
}

static void on_offsets(struct client_transaction_op *op, enum err err)
{
    struct load_pipe *pipe = container_of(op, struct load_pipe, op);

    if (pipe->state != LOAD_PIPE_OFFSETS)
        return;
    if (err != OK) {
        refused(pipe, "the offsets of its group", err);
        return;
    }
    pipe->state = LOAD_PIPE_COMMITTING;
    pipe->op = (struct client_transaction_op){.done = on_committed};
    client_transaction_commit(pipe->sender.producer, &pipe->op);
}

static void end_it(struct load_pipe *pipe)
{
    uint32_t count;

    if (pipe->wants_abort || pipe->is_spoilt || pipe->sender.transaction_failed > 0) {
        abort_it(pipe);
        return;
    }
    count = load_reader_positions(&pipe->reader, pipe->offsets);
    pipe->identity = client_member_identity(pipe->reader.member);
    snprintf(pipe->member_id, sizeof(pipe->member_id), "%s", pipe->identity.member_id);
    pipe->identity.member_id = pipe->member_id;
    pipe->identity.group_id = pipe->reader.group_id;
    pipe->state = LOAD_PIPE_OFFSETS;
    pipe->op = (struct client_transaction_op){.done = on_offsets};
    client_transaction_send_offsets(pipe->sender.producer, &pipe->op, &pipe->identity,
                                    pipe->offsets, count);
}

/* ---- records */

static bool takes(struct load_reader *reader)
{
    struct load_pipe *pipe = reader->owner;
    const struct load_workload *workload = pipe->shared->workload;

    if (pipe->state != LOAD_PIPE_IDLE && pipe->state != LOAD_PIPE_OPEN)
        return false;
    /* A batch is taken as a whole: there must be room for the largest. */
    return !pipe->wants_leave && !pipe->is_spoilt &&
           pipe->records_count < workload->transaction_records &&
           client_producer_pending_bytes(pipe->sender.producer) < workload->buffer_bytes / 2;
}

static bool begin_it(struct load_pipe *pipe)
{
    const struct load_workload *workload = pipe->shared->workload;
    enum err err = client_transaction_begin(pipe->sender.producer);

    if (err != OK) {
        fail(pipe, "begin", err);
        return false;
    }
    for (int32_t i = 0; i < pipe->partitions_count; i++)
        pipe->first_offsets[i] = -1;
    pipe->sender.transaction_failed = 0;
    pipe->is_spoilt = false;
    pipe->wants_abort = (double)prng_below(&pipe->prng, 1000000) < workload->abort_share * 1000000;
    pipe->began_ns = now_ns(pipe);
    pipe->state = LOAD_PIPE_OPEN;
    return true;
}

static void take(struct load_reader *reader, const struct client_fetched *batch,
                 const struct client_fetched_record *record)
{
    struct load_pipe *pipe = reader->owner;

    if (pipe->state == LOAD_PIPE_IDLE && !begin_it(pipe))
        return;
    if (pipe->state != LOAD_PIPE_OPEN || batch->partition >= pipe->partitions_count)
        return;
    pipe->records_count++;
    if (pipe->first_offsets[batch->partition] < 0)
        pipe->first_offsets[batch->partition] = record->offset;
    if (!pipe->is_spoilt &&
        load_sender_forward(&pipe->sender, batch->partition, &record->record) != OK)
        pipe->is_spoilt = true;
}

static void leave(struct load_reader *reader)
{
    struct load_pipe *pipe = reader->owner;

    if (pipe->state == LOAD_PIPE_IDLE || pipe->state <= LOAD_PIPE_INIT ||
        pipe->state == LOAD_PIPE_BROKEN)
        load_reader_leave_done(reader);
    else
        pipe->wants_leave = true;
}

/* ---- opening */

enum err load_pipe_open(struct load_pipe *pipe, struct load_shared *shared,
                        struct load_stats *stats, struct load_room *room, uint32_t number)
{
    uint32_t topic = number % shared->workload->topics_count;
    enum err err;

    *pipe = (struct load_pipe){.shared = shared, .stats = stats, .room = room};
    snprintf(pipe->id, sizeof(pipe->id), "levee-bench-%08x-pipe-%u", (unsigned)shared->run,
             (unsigned)number);
    prng_init(&pipe->prng, shared->workload->seed + number);
    pipe->sender = (struct load_sender){.shared = shared,
                                        .stats = stats,
                                        .room = room,
                                        .number = number,
                                        .topic_index = topic,
                                        .topic_name = shared->outputs[topic],
                                        .transactional_id = pipe->id,
                                        .is_forwarding = true};
    pipe->reader = (struct load_reader){.shared = shared,
                                        .stats = stats,
                                        .room = room,
                                        .topic_index = topic,
                                        .topic_name = shared->topics[topic],
                                        .takes = takes,
                                        .take = take,
                                        .leave = leave,
                                        .owner = pipe};
    snprintf(pipe->reader.group_id, sizeof(pipe->reader.group_id), "levee-bench-%08x-pipe-%u",
             (unsigned)shared->run, (unsigned)topic);
    err = load_sender_open(&pipe->sender);
    return err == OK ? load_reader_open(&pipe->reader) : err;
}

static void on_init(struct client_transaction_op *op, enum err err)
{
    struct load_pipe *pipe = container_of(op, struct load_pipe, op);
    size_t count = (size_t)pipe->sender.partitions_count;

    if (pipe->state != LOAD_PIPE_INIT)
        return;
    if (err != OK) {
        fail(pipe, "InitProducerId", err);
        return;
    }
    pipe->offsets = mem_try_alloc(count * sizeof(*pipe->offsets));
    pipe->first_offsets = mem_try_alloc(count * sizeof(*pipe->first_offsets));
    if (pipe->offsets == NULL || pipe->first_offsets == NULL) {
        fail(pipe, "its tables", ERR_NOMEM);
        return;
    }
    pipe->partitions_count = (int32_t)count;
    pipe->state = LOAD_PIPE_IDLE;
}

bool load_pipe_turn(struct load_pipe *pipe, uint64_t now)
{
    const struct load_workload *workload = pipe->shared->workload;

    load_sender_turn(&pipe->sender);
    if (pipe->sender.state == LOAD_SENDER_BROKEN || pipe->reader.state == LOAD_READER_BROKEN)
        pipe->state = LOAD_PIPE_BROKEN; /* told by it */
    if (pipe->state == LOAD_PIPE_CONNECTING && pipe->sender.state == LOAD_SENDER_READY &&
        pipe->reader.state != LOAD_READER_CONNECTING) {
        pipe->state = LOAD_PIPE_INIT;
        pipe->op = (struct client_transaction_op){.done = on_init};
        if (workload->forces_version_1)
            client_transaction_force_version_1(pipe->sender.producer);
        client_transaction_init(pipe->sender.producer, &pipe->op);
    }
    if (pipe->state == LOAD_PIPE_OPEN &&
        (pipe->records_count >= workload->transaction_records || pipe->wants_leave ||
         pipe->is_spoilt || now > pipe->began_ns + OPEN_MAX_NS)) {
        pipe->records_count = 0;
        end_it(pipe);
    }
    return load_reader_turn(&pipe->reader, now);
}

bool load_pipe_is_ready(const struct load_pipe *pipe)
{
    return pipe->state >= LOAD_PIPE_IDLE && pipe->state < LOAD_PIPE_BROKEN &&
           pipe->reader.state == LOAD_READER_READY;
}

void load_pipe_close(struct load_pipe *pipe)
{
    pipe->state = LOAD_PIPE_BROKEN;
    load_reader_close(&pipe->reader);
    load_sender_close(&pipe->sender);
}

bool load_pipe_is_closed(const struct load_pipe *pipe)
{
    return pipe->reader.state == LOAD_READER_CLOSED && pipe->sender.state == LOAD_SENDER_CLOSED;
}

void load_pipe_deinit(struct load_pipe *pipe)
{
    load_reader_deinit(&pipe->reader);
    load_sender_deinit(&pipe->sender);
    mem_free(pipe->offsets);
    mem_free(pipe->first_offsets);
}
