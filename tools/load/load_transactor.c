#include "tools/load/load_transactor.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"

#include <stdio.h>
#include <string.h>

static uint64_t now_ns(const struct load_transactor *transactor)
{
    return clock_mono_ns(transactor->room->loop.clock);
}

static const char *reason(const struct client_transaction_op *op, enum err err)
{
    return op->error_code != KAFKA_NONE ? kafka_error_name(op->error_code) : err_text(err);
}

static void fail(struct load_transactor *transactor, const char *what, const char *why)
{
    if (transactor->state == LOAD_TRANSACTOR_BROKEN)
        return;
    transactor->state = LOAD_TRANSACTOR_BROKEN;
    load_stats_add(transactor->stats, LOAD_COUNTER_ERRORS, 1);
    load_shared_error(transactor->shared, "transactional id %s: %s: %s", transactor->id, what, why);
}

static void open_sender(struct load_sender *sender, struct load_transactor *transactor,
                        uint32_t number)
{
    struct load_shared *shared = transactor->shared;

    *sender = (struct load_sender){.shared = shared,
                                   .stats = transactor->stats,
                                   .room = transactor->room,
                                   .number = number,
                                   .topic_index = number % shared->workload->topics_count,
                                   .transactional_id = transactor->id};
    sender->topic_name = shared->topics[sender->topic_index];
}

enum err load_transactor_open(struct load_transactor *transactor, struct load_shared *shared,
                              struct load_stats *stats, struct load_room *room, uint32_t number)
{
    *transactor = (struct load_transactor){.shared = shared, .stats = stats, .room = room};
    snprintf(transactor->id, sizeof(transactor->id), "levee-bench-%08x-%u", (unsigned)shared->run,
             (unsigned)number);
    prng_init(&transactor->prng, shared->workload->seed + number);
    open_sender(&transactor->senders[0], transactor, number);
    return load_sender_open(&transactor->senders[0]);
}

/* ---- the end of one */

static void finish(struct load_transactor *transactor, enum load_end end)
{
    struct load_shared *shared = transactor->shared;
    struct load_stats *stats = transactor->stats;
    uint64_t now = now_ns(transactor);

    if (shared->account != NULL) {
        load_shared_lock(shared);
        load_account_transaction(shared->account,
                                 load_sender_producer(load_transactor_sender(transactor)),
                                 transactor->number, end);
        load_shared_unlock(shared);
    }
    transactor->state = LOAD_TRANSACTOR_IDLE;
    if (end == LOAD_COMMITTED)
        load_shared_success(shared, LOAD_SUCCESS_COMMITTED, now);
    if (end == LOAD_ABORTED)
        load_stats_add(stats, LOAD_COUNTER_HIDDEN_ALL,
                       load_transactor_sender(transactor)->transaction_stored);
    if (!load_shared_is_measured(shared, transactor->intended_ns))
        return;
    if (end == LOAD_COMMITTED)
        load_stats_add(stats, LOAD_COUNTER_TRANSACTIONS, 1);
    if (end == LOAD_ABORTED)
        load_stats_add(stats, LOAD_COUNTER_ABORTED, 1);
    if (end == LOAD_END_UNKNOWN) {
        load_stats_add(stats, LOAD_COUNTER_ERRORS, 1);
        return;
    }
    if (transactor->op.asked_ns != 0)
        load_stats_time(stats, LOAD_HISTOGRAM_COMMIT, transactor->op.asked_ns, now);
    load_stats_time(stats, LOAD_HISTOGRAM_BEGIN, transactor->intended_ns, now);
}

/* The second producer goes on where the first has stopped. */
static void change_sender(struct load_transactor *transactor)
{
    struct load_sender *old = load_transactor_sender(transactor);
    struct load_sender *new = &transactor->senders[1 - transactor->active];

    new->sequence = old->sequence;
    new->epoch = old->epoch + 1;
    memcpy(new->partition_sequences, old->partition_sequences,
           (size_t)old->partitions_count * sizeof(*old->partition_sequences));
    load_sender_close(old);
    transactor->active = 1 - transactor->active;
    transactor->is_fenced = false;
}

static void on_aborted(struct client_transaction_op *op, enum err err)
{
    struct load_transactor *transactor = container_of(op, struct load_transactor, op);

    if (transactor->state != LOAD_TRANSACTOR_ABORTING)
        return;
    if (err == OK) {
        finish(transactor, LOAD_ABORTED);
        return;
    }
    finish(transactor, LOAD_END_UNKNOWN);
    fail(transactor, "an abort", reason(op, err));
}

static void abort_it(struct load_transactor *transactor)
{
    transactor->state = LOAD_TRANSACTOR_ABORTING;
    transactor->op = (struct client_transaction_op){.done = on_aborted};
    client_transaction_abort(load_transactor_sender(transactor)->producer, &transactor->op);
}

/* LTA-2: refused for another reason, or not answered, it proves nothing. */
static void on_zombie_answer(struct load_transactor *transactor, enum err err)
{
    int16_t code = transactor->op.error_code;

    if (err == OK || (code != KAFKA_PRODUCER_FENCED && code != KAFKA_INVALID_PRODUCER_EPOCH)) {
        load_stats_add(transactor->stats, LOAD_COUNTER_ERRORS, 1);
        load_shared_error(transactor->shared, "transactional id %s: %s", transactor->id,
                          err == OK ? "a producer that was fenced could commit"
                                    : reason(&transactor->op, err));
    }
    finish(transactor, err == OK ? LOAD_COMMITTED : LOAD_ABORTED);
    change_sender(transactor);
}

static void on_committed(struct client_transaction_op *op, enum err err)
{
    struct load_transactor *transactor = container_of(op, struct load_transactor, op);
    struct load_sender *sender = load_transactor_sender(transactor);

    if (transactor->state != LOAD_TRANSACTOR_COMMITTING)
        return;
    if (transactor->is_fenced) {
        on_zombie_answer(transactor, err);
    } else if (err == OK) {
        finish(transactor, LOAD_COMMITTED);
    } else {
        load_shared_error(transactor->shared, "transactional id %s: a commit: %s", transactor->id,
                          reason(op, err));
        if (client_transaction_state(sender->producer) == CLIENT_TRANSACTION_FAILED) {
            load_stats_add(transactor->stats, LOAD_COUNTER_ERRORS, 1);
            abort_it(transactor);
            return;
        }
        finish(transactor, LOAD_END_UNKNOWN);
        fail(transactor, "a commit", reason(op, err));
    }
}

static void commit_it(struct load_transactor *transactor)
{
    transactor->state = LOAD_TRANSACTOR_COMMITTING;
    transactor->op = (struct client_transaction_op){.done = on_committed};
    client_transaction_commit(load_transactor_sender(transactor)->producer, &transactor->op);
}

/* ---- a second producer takes the id */

static void on_other_init(struct client_transaction_op *op, enum err err)
{
    struct load_transactor *transactor = container_of(op, struct load_transactor, other_op);

    if (transactor->state != LOAD_TRANSACTOR_FENCING)
        return;
    if (err != OK) {
        finish(transactor, LOAD_END_UNKNOWN);
        fail(transactor, "a second producer", reason(op, err));
        return;
    }
    transactor->is_fenced = true;
    commit_it(transactor);
}

/* The one that was fenced before must be gone. */
static bool begin_fencing(struct load_transactor *transactor)
{
    struct load_sender *other = &transactor->senders[1 - transactor->active];

    if (transactor->is_other_open) {
        if (other->state != LOAD_SENDER_CLOSED)
            return false;
        load_sender_deinit(other);
    }
    transactor->is_other_open = true;
    load_transactor_sender(transactor)->expects_fencing = true;
    open_sender(other, transactor, load_transactor_sender(transactor)->number);
    transactor->state = LOAD_TRANSACTOR_FENCING;
    if (load_sender_open(other) != OK) {
        finish(transactor, LOAD_END_UNKNOWN);
        fail(transactor, "a second producer", "cannot connect");
    }
    return true;
}

static void turn_fencing(struct load_transactor *transactor)
{
    struct load_sender *other = &transactor->senders[1 - transactor->active];

    if (other->state == LOAD_SENDER_BROKEN) {
        finish(transactor, LOAD_END_UNKNOWN);
        fail(transactor, "a second producer", "cannot connect");
    } else if (other->state == LOAD_SENDER_READY && transactor->other_op.done == NULL) {
        transactor->other_op = (struct client_transaction_op){.done = on_other_init};
        client_transaction_init(other->producer, &transactor->other_op);
    }
}

/* ---- a transaction */

void load_transactor_give(struct load_transactor *transactor, uint64_t intended_ns)
{
    const struct load_workload *workload = transactor->shared->workload;
    struct load_sender *sender = load_transactor_sender(transactor);
    enum err err = client_transaction_begin(sender->producer);

    check(transactor->state == LOAD_TRANSACTOR_IDLE);
    if (err != OK) {
        fail(transactor, "begin", err_text(err));
        return;
    }
    transactor->number++;
    transactor->intended_ns = intended_ns;
    transactor->left = workload->transaction_records;
    transactor->wants_abort =
        (double)prng_below(&transactor->prng, 1000000) < workload->abort_share * 1000000;
    transactor->wants_zombie =
        (double)prng_below(&transactor->prng, 1000000) < workload->zombie_share * 1000000;
    transactor->other_op.done = NULL;
    sender->transaction = transactor->number;
    sender->transaction_index = 0;
    sender->transaction_size = workload->transaction_records;
    sender->transaction_failed = 0;
    sender->transaction_stored = 0;
    sender->partition_from =
        (uint32_t)prng_below(&transactor->prng, (uint64_t)sender->partitions_count);
    sender->partition_count = workload->transaction_partitions;
    transactor->state = LOAD_TRANSACTOR_SENDING;
}

static void turn_sending(struct load_transactor *transactor)
{
    struct load_sender *sender = load_transactor_sender(transactor);
    enum err err = OK;

    while (transactor->left > 0 && load_sender_is_free(sender) && err == OK) {
        err = load_sender_give(sender, transactor->intended_ns);
        if (err == ERR_FULL)
            return; /* the account waits for readers */
        transactor->left--;
    }
    if (err != OK) {
        transactor->left = 0;
        abort_it(transactor); /* a record was refused: it can't be whole */
        return;
    }
    if (transactor->left > 0 || sender->made.is_held)
        return;
    if (transactor->wants_abort && sender->transaction_failed == 0 &&
        sender->transaction_stored < sender->transaction_size) {
        /* an abort drops what was not sent: readers would have nothing to leave out */
        client_producer_flush(sender->producer);
        return;
    }
    if (transactor->wants_zombie)
        (void)begin_fencing(transactor); /* false: again in the next turn */
    else if (transactor->wants_abort || sender->transaction_failed > 0)
        abort_it(transactor);
    else
        commit_it(transactor);
}

static void on_init(struct client_transaction_op *op, enum err err)
{
    struct load_transactor *transactor = container_of(op, struct load_transactor, op);

    if (transactor->state != LOAD_TRANSACTOR_INIT)
        return;
    if (err == OK)
        transactor->state = LOAD_TRANSACTOR_IDLE;
    else
        fail(transactor, "InitProducerId", reason(op, err));
}

void load_transactor_turn(struct load_transactor *transactor)
{
    struct load_sender *sender = load_transactor_sender(transactor);

    load_sender_turn(sender);
    if (sender->state == LOAD_SENDER_BROKEN && transactor->state != LOAD_TRANSACTOR_BROKEN) {
        transactor->state = LOAD_TRANSACTOR_BROKEN; /* told by it */
        return;
    }
    switch (transactor->state) {
    case LOAD_TRANSACTOR_CONNECTING:
        if (sender->state != LOAD_SENDER_READY)
            return;
        transactor->state = LOAD_TRANSACTOR_INIT;
        transactor->op = (struct client_transaction_op){.done = on_init};
        if (transactor->shared->workload->forces_version_1)
            client_transaction_force_version_1(sender->producer);
        client_transaction_init(sender->producer, &transactor->op);
        return;
    case LOAD_TRANSACTOR_SENDING:
        turn_sending(transactor);
        return;
    case LOAD_TRANSACTOR_FENCING:
        turn_fencing(transactor);
        return;
    default:
        return;
    }
}

/* ---- closing */

void load_transactor_close(struct load_transactor *transactor)
{
    bool is_open = transactor->state == LOAD_TRANSACTOR_SENDING ||
                   transactor->state == LOAD_TRANSACTOR_FENCING ||
                   transactor->state == LOAD_TRANSACTOR_COMMITTING ||
                   transactor->state == LOAD_TRANSACTOR_ABORTING;

    if (is_open)
        finish(transactor, LOAD_END_UNKNOWN);
    transactor->state = LOAD_TRANSACTOR_BROKEN;
    load_sender_close(&transactor->senders[transactor->active]);
    if (transactor->is_other_open)
        load_sender_close(&transactor->senders[1 - transactor->active]);
}

bool load_transactor_is_closed(const struct load_transactor *transactor)
{
    return transactor->senders[transactor->active].state == LOAD_SENDER_CLOSED &&
           (!transactor->is_other_open ||
            transactor->senders[1 - transactor->active].state == LOAD_SENDER_CLOSED);
}

void load_transactor_deinit(struct load_transactor *transactor)
{
    load_sender_deinit(&transactor->senders[transactor->active]);
    if (transactor->is_other_open)
        load_sender_deinit(&transactor->senders[1 - transactor->active]);
}
